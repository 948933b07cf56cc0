"""``nox -s api`` fails where a cell of the API's user ends otherwise than it is meant to, in any release."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest

from compatmatrix import loading, roots
from compatmatrix.atlas import Atlas, AtlasCell, AtlasRelease, AtlasSpan
from compatmatrix.results import Outcome
from tests.api import every_minor

USER = Path(__file__).parents[1] / "fixtures" / "api_user"


def atlas(**outcomes: list[str]) -> Atlas:
    """Scenario (with underscores) -> what came out in releases 1, 2, …"""
    return Atlas(
        schema=1,
        compatmatrix="0",
        written=datetime.datetime(2026, 1, 1, tzinfo=datetime.timezone.utc),
        specifier="",
        releases=(AtlasRelease(version="1"), AtlasRelease(version="2")),
        cells=tuple(
            AtlasCell(
                cell=f"api-user/{name.replace('_', '-')}[x]",
                scenario=f"api-user/{name.replace('_', '-')}",
                spans=tuple(
                    AtlasSpan(outcome=Outcome(told), first=str(at), last=str(at), releases=1, behaviours=1, told="why")
                    for at, told in enumerate(spans, start=1)
                ),
            )
            for name, spans in outcomes.items()
        ),
        flips=(),
    )


@pytest.mark.parametrize(
    ("outcomes", "found"),
    [
        ({"plain": ["pass", "pass"], "says_skip": ["skipped"], "over_cards": ["skipped", "pass"]}, []),
        ({"plain": ["pass", "fail"]}, ["api-user/plain[x]: fail 2 to 2: why"]),
        ({"plain": ["env-fail", "not-run"]}, ["env-fail 1 to 1", "not-run 2 to 2"]),
        ({"lacks_a_name": ["pass"]}, ["pass 1 to 1"]),
        ({"says_unsupported": ["skipped"]}, ["skipped 1 to 1"]),
    ],
)
def test_deviations(tmp_path: Path, outcomes: dict[str, list[str]], found: list[str]) -> None:
    told = every_minor.deviations(atlas(**outcomes))
    assert len(told) == len(found)
    assert all(part in line for part, line in zip(found, told, strict=True))
    (tmp_path / "atlas.json").write_text(atlas(**outcomes).to_json())
    assert every_minor.main(str(tmp_path / "atlas.json")) == bool(found)


def test_an_empty_atlas_shows_nothing(tmp_path: Path) -> None:
    (tmp_path / "atlas.json").write_text(atlas().to_json())
    assert every_minor.main(str(tmp_path / "atlas.json")) == 1


def test_every_exception_is_a_scenario(tmp_path: Path) -> None:
    scenarios, _ = loading.discover(roots.gather([USER], tmp_path))
    assert every_minor.MEANT.keys() < {each.id for each in scenarios if each.family == "api-user"}
