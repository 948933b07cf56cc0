"""Placement maps as pictures, and virtual devices that no reader can take for a card."""

from __future__ import annotations

import math

import pytest

from compatmatrix.report import render
from compatmatrix.report.context import build
from compatmatrix.report.views import Detail
from compatmatrix.results import CellResult, Run

from . import factory

CARD = ("card 0", 12.0, 24.0, "embedding, layers 0-31")


def run_of(rows: list[CellResult], needs: tuple[str, ...] = ()) -> Run:
    item = factory.scenario("placement/real-size")
    variant = item.variants[0].model_copy(update={"needs": needs})
    return factory.run([item.model_copy(update={"variants": (variant,)})], rows, factory.COLUMNS[: len(rows)])


def detail_of(run: Run) -> Detail:
    return build(run).scenarios[0].details[0]


def test_a_bar_is_in_proportion_and_says_what_it_holds() -> None:
    row = factory.placed("placement/real-size", "4.36.2", CARD, ("cpu", 6.0, 48.0, "head"), ("disk", 3.0, None, ""))
    (picture,) = detail_of(run_of([row])).pictures
    assert [(bar.device, bar.kind, bar.used, bar.room) for bar in picture.bars] == [
        ("planned card 0", "card", 250, 500),
        ("cpu", "cpu", 125, 1000),
        ("disk", "disk", 62, 0),
    ]
    assert [bar.told for bar in picture.bars] == ["12.00 of 24 GiB", "6.00 of 48 GiB", "3.00 GiB"]
    assert [bar.holds for bar in picture.bars] == ["embedding, layers 0-31", "head", "nothing"]


def test_versions_that_place_alike_share_a_picture() -> None:
    rows = [factory.placed("placement/real-size", column.version, CARD) for column in factory.COLUMNS[:3]]
    rows[1] = factory.placed("placement/real-size", rows[1].version, ("card 0", 30.0, 24.0, "all"))
    found = detail_of(run_of(rows)).pictures
    assert [picture.versions for picture in found] == [("4.36.2", "4.50.dev"), ("4.46.3",)]
    assert [picture.bars[0].over for picture in found] == [False, True]


@pytest.mark.parametrize("wrong", [None, [], "text", [{"device": "x"}], [{"device": "x", "GiB": math.inf}], [1]])
def test_what_cannot_be_drawn_is_not_drawn(wrong: object) -> None:
    row = factory.passed("placement/real-size", "4.36.2", fingerprint={"placement": wrong})
    assert detail_of(run_of([row])).pictures == ()
    render.files(run_of([row]))


def test_a_planned_card_is_called_planned() -> None:
    row = factory.placed("placement/real-size", "4.36.2", CARD)
    text = render.files(run_of([row]))["details/placement.real-size.html"]
    assert "planned on paper, no card was used" in text
    assert "planned card 0" in text
    assert text.count("<svg") == 2, "one large, and a small one in the table"


def test_virtual_devices_are_called_virtual_wherever_the_cell_shows() -> None:
    row = factory.placed("placement/real-size", "4.36.2", ("cuda:0", 1.0, 2.0, "all"))
    texts = render.files(run_of([row], needs=("virtual-cuda:2",)))
    for name in ("index.html", "details/placement.real-size.html"):
        assert "2 virtual devices" in texts[name]
    details = texts["details/placement.real-size.html"]
    assert "virtual cuda:0" in details
    assert "No graphics card was used" in details
    assert "2 virtual devices" not in render.files(run_of([row], needs=("cuda",)))["index.html"]
