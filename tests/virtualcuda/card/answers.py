"""Files of answers: by section and by answer, the names of the cases that were answered so."""

import gzip
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple


class Answers(NamedTuple):
    """What a machine answered: who was asked, and section -> case -> answer."""

    facts: dict[str, str]
    sections: dict[str, dict[str, str]]


def read(path: Path) -> Answers:
    """A file that :func:`write` made."""
    if path.suffix == ".gz":
        with gzip.open(path, "rt", encoding="utf-8") as file:
            told: Any = json.load(file)
    else:
        told = json.loads(path.read_text(encoding="utf-8"))
    sections = {
        section: {name: answer for answer, names in by_answer.items() for name in names}
        for section, by_answer in told["sections"].items()
    }
    return Answers(told["facts"], sections)


def write(path: Path, answers: Answers) -> None:
    """Write a file, compressed where its name ends in ``.gz``; the same answers make the same bytes."""
    sections: dict[str, dict[str, list[str]]] = {}
    for section, cases in sorted(answers.sections.items()):
        by_answer = sections.setdefault(section, {})
        for name, answer in sorted(cases.items()):
            by_answer.setdefault(answer, []).append(name)
    text = json.dumps({"facts": answers.facts, "sections": sections}, indent=0, ensure_ascii=False) + "\n"
    data = text.encode()
    path.write_bytes(gzip.compress(data, mtime=0) if path.suffix == ".gz" else data)


def merge(paths: Iterable[Path], target: Path) -> None:
    """Put files together; of the same case the last file's answer stands."""
    facts: dict[str, str] = {}
    sections: dict[str, dict[str, str]] = {}
    for path in paths:
        found = read(path)
        facts.update(found.facts)
        for section, cases in found.sections.items():
            sections.setdefault(section, {}).update(cases)
    write(target, Answers(facts, sections))
