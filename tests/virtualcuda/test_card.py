"""The answers of real cards, as ``python -m tests.virtualcuda.card record`` wrote them: virtual CUDA answers the same.

Every difference must be one that card/known.py explains. What needs transformers is asked where the installed version
is one that a real card was asked with.
"""

from collections.abc import Iterator
from importlib import metadata
from itertools import islice
from pathlib import Path

import pytest

import virtualcuda
from tests.virtualcuda.card import answers, asking, compare, machine, operators
from tests.virtualcuda.card.answers import Answers

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore")]

RECORDS = sorted((Path(__file__).parent / "card" / "answers").glob("*.json.gz"))
#: As much as can be asked in half a minute; ``record`` and ``compare`` ask the rest.
DTYPES = ("float16", "int64")
PLANTED = ("llama", "oneke")
LOADS_STEP = 8
ALONE = {"mixtures", "memory", "others"}


def asked_again(recorded: Answers) -> Answers:
    """What virtual CUDA answers to the recorded questions that can be asked here."""
    found: dict[str, dict[str, str]] = {}
    for section, wanted in recorded.sections.items():
        name = here(section)
        if name is not None:
            found[section] = {case: ask() for case, ask in cases(name) if case in wanted}
    return Answers(machine.facts(), found)


def here(section: str) -> str | None:
    """The job that asks a section; None where it is not asked, or another version of transformers is installed."""
    if section in ALONE or section == "operators":
        return section
    part, version, rest = section.split(" ", 2)
    wanted = version == transformers_version() and (part == "loads" or rest in PLANTED)
    return f"{part} {rest}" if wanted else None


def transformers_version() -> str:
    try:
        return metadata.version("transformers")
    except metadata.PackageNotFoundError:
        return ""


def cases(name: str) -> Iterator[asking.Case]:
    if name == "operators":
        for op in operators.database():
            yield from operators.cases(op, DTYPES)
        return
    yield from islice(asking.cases(name)[1], 0, None, LOADS_STEP if name.startswith("loads") else 1)


@pytest.mark.parametrize("path", RECORDS, ids=lambda path: path.name.split(".")[0])
def test_a_real_card_answered_the_same(path: Path) -> None:
    recorded = answers.read(path)
    with virtualcuda.devices(1, memory=machine.MEMORY):
        found = asked_again(recorded)
    assert all(found.sections.values()), "a section has no case in common"
    assert not [one for one in compare.differences(recorded, found) if one.reason is None]


@pytest.fixture(scope="module")
def mine() -> Answers:
    """Virtual CUDA's own answers, in the place of a real card's."""
    names = ("mixtures", "others")
    with virtualcuda.devices(1, memory=machine.MEMORY):
        sections = {name: {case: ask() for case, ask in asking.cases(name)[1]} for name in names}
    return Answers(machine.facts(), sections)


def test_the_same_answers_come_again(mine: Answers, tmp_path: Path) -> None:
    path = tmp_path / "answers.json.gz"
    answers.write(path, mine)
    recorded = answers.read(path)
    assert recorded == mine
    with virtualcuda.devices(1, memory=machine.MEMORY):
        assert not list(compare.differences(recorded, asked_again(recorded)))


def test_a_difference_is_found_and_named(mine: Answers) -> None:
    cases_ = dict(mine.sections["mixtures"])
    refused, taken, words = "refused: add", "taken: cpu index", "refused: mm"
    assert cases_[refused].startswith("RuntimeError") and cases_[taken].startswith("taken")
    cases_[refused] = "taken: cuda:0 float32"
    cases_[taken] = "RuntimeError: indices"
    cases_[words] = cases_[words].replace("mat2", "mat3")
    real = Answers({}, {"mixtures": cases_})
    found = {one.case: one for one in compare.differences(real, mine)}
    assert {case: one.kind for case, one in found.items()} == {
        refused: "a real card takes, virtual CUDA refuses",
        taken: "a real card refuses, virtual CUDA takes",
        words: "refused in other words",
    }
    assert all(one.reason is None for one in found.values())


def test_what_the_page_tells_of_is_known() -> None:
    real = Answers({}, {"memory": {"x": "OutOfMemoryError: CUDA out of memory. Tried to allocate N MiB. More."}})
    virtual = Answers({}, {"memory": {"x": "OutOfMemoryError: CUDA out of memory. (virtual device)"}})
    (difference,) = compare.differences(real, virtual)
    assert difference.reason == "the message ends otherwise"


def test_errors_of_loads_are_compared_without_how_close_results_come() -> None:
    near, nearer = (f'{{"outcome": "done", "largest error by its limit": {size}}}' for size in (0.4, 0.3))
    real, virtual = (Answers({}, {"loads 1.0 llama": {"x": answer}}) for answer in (near, nearer))
    assert not list(compare.differences(real, virtual))


def test_a_process_that_died_is_replaced(tmp_path: Path) -> None:
    """The last question of a journal had no answer: it is not asked again, and all others are."""
    journal = tmp_path / "mixtures.jsonl"
    journal.write_text('{"name": "refused: add"}\n{"name": "refused: add", "answer": "the process ended with -11"}\n')
    asking.job("mixtures", journal)
    found = asking.collect(tmp_path, ["mixtures"], Answers({}, {})).sections["mixtures"]
    assert found.pop("refused: add") == "the process ended with -11" and len(found) > 70
    lines = journal.read_text().splitlines()
    asking.job("mixtures", journal)  # nothing is left to ask
    assert len(journal.read_text().splitlines()) == len(lines) + 1
