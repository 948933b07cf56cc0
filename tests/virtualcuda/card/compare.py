"""What a real card and a virtual one answered differently."""

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

from tests.virtualcuda.card.answers import Answers
from tests.virtualcuda.card.known import reason

#: How close results come is the kernels' own; the limits are checked on each side.
_NOT_COMPARED = "largest error by its limit"
_SHOWN = 3


class Difference(NamedTuple):
    """A case that was answered in two ways; `reason` where the difference is known."""

    section: str
    case: str
    real: str
    virtual: str
    reason: str | None

    @property
    def kind(self) -> str:
        """What differs; the first is the one that hides a mistake."""
        refused = [not answer.startswith("taken") and ": " in answer for answer in (self.real, self.virtual)]
        if self.section.startswith(("loads", "memory")) or self.real.startswith("("):
            return "another answer"
        return {
            (True, False): "a real card refuses, virtual CUDA takes",
            (False, True): "a real card takes, virtual CUDA refuses",
            (True, True): "refused in other words",
        }.get((refused[0], refused[1]), "another answer")


def differences(real: Answers, virtual: Answers) -> Iterator[Difference]:
    """Every case that both were asked and that they answered differently."""
    for section, cases in real.sections.items():
        others = virtual.sections.get(section, {})
        for case, answer in cases.items():
            if case in others and told(answer) != told(others[case]):
                yield Difference(section, case, answer, others[case], reason(section, case, answer, others[case]))


def told(answer: str) -> Any:
    """An answer without what is not compared."""
    if not answer.startswith("{"):
        return answer
    found = json.loads(answer)
    found.pop(_NOT_COMPARED, None)
    return found


def asked(real: Answers, virtual: Answers) -> dict[str, tuple[int, int, int]]:
    """Section -> how many cases the real card, the virtual one, and both of them answered."""
    return {
        section: (len(cases), len(others), len(cases.keys() & others.keys()))
        for section in sorted(real.sections.keys() | virtual.sections.keys())
        for cases, others in ((real.sections.get(section, {}), virtual.sections.get(section, {})),)
    }


def show(real: Answers, virtual: Answers, *, every: bool = False) -> None:
    """Print the counts, and the differences in groups; those that are known only where all are wanted."""
    print(f"real: {real.facts}\nvirtual: {virtual.facts}")
    found = list(differences(real, virtual))
    for section, (first, second, both) in asked(real, virtual).items():
        here = [difference for difference in found if difference.section == section]
        known = sum(difference.reason is not None for difference in here)
        print(f"{section}: asked {first} and {second}, both {both}; {len(here)} differ, {known} of them known")
    groups: dict[tuple[str, ...], list[Difference]] = {}
    for difference in found:
        if every or difference.reason is None:
            key = (difference.reason or "", difference.kind, difference.real[:300], difference.virtual[:300])
            groups.setdefault(key, []).append(difference)
    for (why, kind, first_answer, other), group in sorted(
        groups.items(), key=lambda item: (item[0][:2], -len(item[1]))
    ):
        print(f"\n{len(group)} x {kind}{f' ({why})' if why else ''}\n  real:    {first_answer}\n  virtual: {other}")
        for difference in group[:_SHOWN]:
            print(f"    {difference.section}: {difference.case}")
