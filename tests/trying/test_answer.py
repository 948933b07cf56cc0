"""The answer: golden sentences, and what no answer may say."""

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compatmatrix.errors import Exit
from compatmatrix.results import Check, Column, Failure, Frame
from compatmatrix.trying.answer import Answer, answer
from compatmatrix.trying.choose import Cells, Choice
from compatmatrix.trying.standing import Standing
from tests.pins import making

CLASS = "LlamaForCausalLM"
CONFIG, LOAD, GENERATE = "given/config", f"given/load[{CLASS},default]", f"given/generate[{CLASS},default,cached]"
HALF, DISK, SAVE = f"given/load[{CLASS},float16]", f"given/plan[{CLASS},cpu+disk]", f"given/save[{CLASS}]"
ESSENTIAL = (CONFIG, LOAD, GENERATE)
VERSIONS = ("4.36.2", "4.39.0", "4.46.3", "4.50.dev", "main")


def columns(*versions: str) -> list[Column]:
    shown = {"4.50.dev": "4.50.0", "main": "5.23.0"}
    return [making.substitute(id, shown[id]) if id in shown else making.column(id) for id in versions or VERSIONS]


def choice(**more: Any) -> Choice:
    given_cells = {"config": Cells(), "load": Cells(names=("api", "dtype"), cells=((CLASS, "default"),))}
    return Choice(
        **{
            "primary": CLASS,
            "whole": (CLASS,),
            "cells": given_cells,
            "essential": ESSENTIAL,
            "compared": (),
            "in_float64": True,
            "need": 1,
            **more,
        }
    )


def told(letters: dict[str, str], *versions: str, edit: Any = None, **more: Any) -> Answer:
    whole = making.run(columns(*versions), letters)
    if edit:
        rows = tuple(edit.get((row.version, row.cell), lambda same: same)(row) for row in whole.results)
        whole = whole.model_copy(update={"results": rows})
    return answer(whole, choice(**more))


def wrong(*names: str, detail: str = "") -> Any:
    checks = tuple(Check(name=name, measured=1, limit=0, detail=detail) for name in names)
    return lambda row: row.model_copy(update={"checks": checks})


def raised(type: str, message: str) -> Any:
    return lambda row: row.model_copy(update={"failure": Failure(type=type, message=message)})


def reason(text: str) -> Any:
    return lambda row: row.model_copy(update={"reason": text})


GOLDEN: list[tuple[dict[str, str], tuple[str, ...], Any, str]] = [
    ({CONFIG: "p", LOAD: "p", GENERATE: "p"}, ("4.46.3",), None, "Works in 4.46.3; use transformers==4.46.3."),
    (
        {CONFIG: "ppppp", LOAD: "pwppp", GENERATE: "ppppp"},
        (),
        {("4.39.0", LOAD): wrong("buffers", detail="model.rotary_emb.inv_freq: left on meta")},
        "Works in 4.36.2, 4.46.3, 4.50.dev (4.50.0) and main (5.23.0); 4.39.0 loads it WRONG (rotary buffers); "
        "use transformers==5.23.0.",
    ),
    (
        {CONFIG: "uuppp", LOAD: "uuppp", GENERATE: "uuppp"},
        (),
        {(version, CONFIG): reason("KeyError: 'gemma3'") for version in VERSIONS},
        "Works in 4.46.3, 4.50.dev (4.50.0) and main (5.23.0); 4.36.2 and 4.39.0 do not have what it needs "
        "(the model type gemma3); use transformers==5.23.0.",
    ),
    (
        {CONFIG: "ppppp", LOAD: "ppppp", GENERATE: "ppppp"},
        (),
        None,
        "Works in 4.36.2 … main (5.23.0); use transformers==5.23.0.",
    ),
    (
        {CONFIG: "ppp", LOAD: "ppp", GENERATE: "ppp", DISK: "pfp", HALF: "pwp"},
        ("4.36.2", "4.39.0", "4.46.3"),
        None,
        "Works in 4.36.2 and 4.46.3; 4.39.0 works, but not with cpu+disk, float16 (WRONG); use transformers==4.46.3.",
    ),
    (
        {CONFIG: "pp", LOAD: "pp", GENERATE: "pp", DISK: "ff"},
        ("4.36.2", "4.39.0"),
        None,
        "Works in 4.36.2 and 4.39.0, but not with cpu+disk; use transformers==4.39.0.",
    ),
    (
        {CONFIG: "pp", LOAD: "ff", GENERATE: "ff"},
        ("4.36.2", "4.39.0"),
        {
            ("4.36.2", LOAD): raised("builtins.KeyError", "'rope'"),
            ("4.39.0", LOAD): raised("builtins.OSError", "no file\nsecond line"),
        },
        "Works in none of the versions tried; 4.36.2 fails (KeyError: 'rope'); "
        "4.39.0 fails (OSError: no file second line).",
    ),
    (
        {CONFIG: "p", LOAD: "w", GENERATE: "p"},
        ("4.46.3",),
        {("4.46.3", LOAD): wrong("tensors", detail="lm_head.weight: a parameter that is not in the file")},
        "4.46.3 loads it WRONG (lm_head.weight is not in the file).",
    ),
    (
        {CONFIG: "pp", LOAD: "wp", GENERATE: "pf"},
        ("4.39.0", "4.46.3"),
        {
            ("4.39.0", LOAD): wrong("tensors", detail="lm_head.bias: differs by up to 0.2"),
            ("4.46.3", GENERATE): raised("builtins.ValueError", "no start"),
        },
        "Works in none of the versions tried; 4.39.0 loads it WRONG (lm_head.bias is not as in the file); "
        "4.46.3 fails (generate: ValueError: no start).",
    ),
    (
        {CONFIG: "e", LOAD: "e", GENERATE: "e"},
        ("4.46.3",),
        None,
        "4.46.3 could not be tried (unreachable).",
    ),
]


@pytest.mark.parametrize(("letters", "versions", "edit", "sentence"), GOLDEN)
def test_sentences(letters: dict[str, str], versions: tuple[str, ...], edit: Any, sentence: str) -> None:
    assert told(letters, *versions, edit=edit).sentence == sentence


def test_exits() -> None:
    every = {CONFIG: "pp", LOAD: "pp", GENERATE: "pp"}
    assert told(every, "4.36.2", "4.39.0").exit is Exit.OK
    assert told({**every, LOAD: "wp"}, "4.36.2", "4.39.0").exit is Exit.OK
    assert told({**every, LOAD: "wf"}, "4.36.2", "4.39.0").exit is Exit.REGRESSED
    for unknown in ("ne", "we"):
        assert told({**every, LOAD: unknown}, "4.36.2", "4.39.0").exit is Exit.INFRASTRUCTURE
    assert told({CONFIG: "p"}, "4.36.2", essential=(CONFIG,), unloaded="it is large").exit is Exit.INFRASTRUCTURE


def test_what_was_not_loaded_is_not_said_to_work() -> None:
    found = told({CONFIG: "pu"}, "4.36.2", "4.39.0", essential=(CONFIG,), unloaded="it needs 140 GiB")
    assert found.sentence.startswith(
        "Not loaded here: it needs 140 GiB; what could be tried without its weights works in 4.36.2; 4.39.0"
    )
    assert (found.use, found.advice) == ("", None)


def test_a_file_with_nan_is_told_and_blames_nobody() -> None:
    facts = {"not finite in the file": {"model.norm.weight": 4}}
    edit = {("4.46.3", LOAD): lambda row: row.model_copy(update={"fingerprint": facts})}
    assert told({CONFIG: "p", LOAD: "p", GENERATE: "p"}, "4.46.3", edit=edit).sentence == (
        "Works in 4.46.3; the file itself holds 4 numbers that are not finite (in model.norm.weight); "
        "use transformers==4.46.3."
    )


def test_versions_that_disagree_are_not_recommended() -> None:
    between = "given/between-versions[load]"
    letters = {CONFIG: "pp", LOAD: "pp", GENERATE: "pp", between: "ss"}
    told_reason = reason("the versions disagree, and there is no majority: 4.36.2 | 4.39.0; which is right, …")
    edit = {(version, between): told_reason for version in VERSIONS}
    found = told(letters, "4.36.2", "4.39.0", edit=edit)
    assert found.sentence == (
        "Works in none of the versions tried; 4.36.2 and 4.39.0 load it, but disagree with one another (its outputs)."
    )
    assert (found.exit, found.use) == (Exit.REGRESSED, "")


def test_who_answers_otherwise_than_most_is_not_recommended() -> None:
    letters = {CONFIG: "ppp", LOAD: "ppp", GENERATE: "ppp", "given/between-versions[load]": "ppw"}
    found = told(letters, "4.36.2", "4.39.0", "4.46.3")
    assert found.versions[2].standing is Standing.OTHERWISE
    assert found.use == "transformers==4.39.0"


def test_the_cell_to_look_at() -> None:
    found = told({CONFIG: "pp", LOAD: "pf", GENERATE: "pp", HALF: "wp"}, "4.36.2", "4.39.0")
    assert found.worst is not None
    assert (found.worst.version, found.worst.cell) == ("4.39.0", LOAD)


def test_of_equally_bad_cells_the_load_says_most() -> None:
    found = told({CONFIG: "p", GENERATE: "w", LOAD: "w"}, "4.36.2")
    assert found.worst is not None
    assert found.worst.cell == LOAD


def test_a_selection_beside_what_it_is_about_is_judged_by_itself() -> None:
    assert told({HALF: "p"}, "4.46.3").sentence == "Of what was selected: works in 4.46.3."
    assert told({HALF: "f"}, "4.46.3").exit is Exit.REGRESSED


def test_a_selection_does_not_speak_for_the_whole() -> None:
    found = told({CONFIG: "p"}, "4.46.3")
    assert (found.sentence, found.use) == ("Of what was selected: works in 4.46.3.", "")


def test_a_plan_that_was_asked_for_and_skipped_is_named() -> None:
    plan = f"given/plan[{CLASS},2-cards]"
    edit = {("4.46.3", plan): reason("nothing is on 1")}
    letters = {CONFIG: "p", LOAD: "p", GENERATE: "p", plan: "s"}
    found = told(letters, "4.46.3", edit=edit, essential=(*ESSENTIAL, plan))
    assert found.sentence == "Works in 4.46.3; 2-cards was not tried (nothing is on 1); use transformers==4.46.3."


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({"made up": ["score"]}, "its score is made up, for the file has none"),
        ({"not asked": "there are no inputs"}, "its outputs were not judged"),
        ({"outputs not judged": "they are not finite"}, "its outputs were not judged"),
        ({"forward output": {"judged by": "nothing"}}, "its outputs were not judged"),
    ],
)
def test_what_an_answer_leaves_open_is_said(facts: dict[str, Any], said: str) -> None:
    edit = {("4.46.3", LOAD): lambda row: row.model_copy(update={"fingerprint": facts})}
    found = told({CONFIG: "p", LOAD: "p", GENERATE: "p"}, "4.46.3", edit=edit)
    assert found.sentence == f"Works in 4.46.3; {said}; use transformers==4.46.3."


def test_foreign_code_is_named() -> None:
    edit = {("4.46.3", CONFIG): reason("the checkpoint's own code: … runs only with --trust-remote-code")}
    found = told({CONFIG: "u", LOAD: "u", GENERATE: "u"}, "4.46.3", edit=edit)
    assert "(the checkpoint's own code, which runs only with --trust-remote-code)" in found.sentence
    assert found.exit is Exit.REGRESSED


def test_a_check_that_fails_itself_is_held_against_nobody() -> None:
    modules = ("transformers.x", "scenarios_1.given._x")
    frames = tuple(Frame(module=module, function="f", line=1) for module in modules)
    ours = Failure(type="builtins.RuntimeError", message="max()", frames=frames)
    edit = {("4.46.3", LOAD): lambda row: row.model_copy(update={"failure": ours})}
    found = told({CONFIG: "p", LOAD: "f", GENERATE: "p"}, "4.46.3", edit=edit)
    assert found.versions[0].standing is Standing.UNKNOWN
    assert "a check of compatmatrix itself failed" in found.sentence
    assert found.exit is Exit.INFRASTRUCTURE
    theirs = Failure(type="builtins.RuntimeError", message="max()", frames=frames[::-1])
    edit = {("4.46.3", LOAD): lambda row: row.model_copy(update={"failure": theirs})}
    assert told({CONFIG: "p", LOAD: "f", GENERATE: "p"}, "4.46.3", edit=edit).exit is Exit.REGRESSED


@given(st.lists(st.text("pfwusne", min_size=4, max_size=4), min_size=1, max_size=5))
def test_nothing_is_recommended_that_does_not_work(rows: Sequence[str]) -> None:
    """``rows``: for each version the letters of the essential cells, and of one beside them."""
    cells = [*ESSENTIAL, DISK]
    letters = {cell: "".join(row[number] for row in rows) for number, cell in enumerate(cells)}
    found = told(letters, *VERSIONS[: len(rows)])
    good = [number for number, row in enumerate(rows) if set(row[:3]) <= {"p", "s"} and "p" in row[:3]]
    assert [each.standing.usable for each in found.versions] == [number in good for number in range(len(rows))]
    assert (found.exit is Exit.OK) is bool(good)
    if found.use:
        used = [column.version for column in columns() if f"=={column.transformers}" in found.use]
        assert used[0] in {VERSIONS[number] for number in good}
    assert found.sentence.count(".") >= 1
    assert "\n" not in found.sentence
    for each in found.versions:
        assert each.standing.usable is False or each.name in found.sentence or "…" in found.sentence
