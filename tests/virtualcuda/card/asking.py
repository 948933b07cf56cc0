"""Asks all cases in processes of their own: a real card that was given a wrong pointer answers nothing any more."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tests.virtualcuda.card import machine
from tests.virtualcuda.card.answers import Answers, read, write

Case = tuple[str, Callable[[], str]]

PARTS = ("operators", "mixtures", "memory", "others", "planted", "loads")
MODELS = ("llama", "oneke", "gemma3 text", "gemma3 multimodal", "mini-gemini 34b", "mini-gemini 8x7b")
FAMILIES = ("llama", "oneke", "gemma3", "mini-gemini")
#: Seconds without an answer after which a process is ended.
PATIENCE = 150


def jobs(parts: list[str], processes: int) -> Iterator[str]:
    """The shares of the parts, the long ones first."""
    shares = {
        "planted": [f"planted {model}" for model in MODELS],
        "loads": [f"loads {family}" for family in FAMILIES],
        "operators": [f"operators {share}/{processes}" for share in range(processes)],
    }
    for part in sorted(parts, key=lambda part: part not in shares):
        yield from shares.get(part, [part])


def cases(name: str) -> tuple[str, Iterator[Case]]:
    """A job's section and its cases."""
    part, _, rest = name.partition(" ")
    if part in ("planted", "loads"):
        import transformers

        transformers.logging.set_verbosity_error()
        section = f"{part} {transformers.__version__} {rest}"
        if part == "loads":
            from tests.virtualcuda.card import loads

            return section, loads.cases(rest)
        from tests.virtualcuda.card import planted

        return section, planted.cases(rest)
    return part, _cases(part, rest)


def _cases(part: str, share: str) -> Iterator[Case]:
    if part == "operators":
        from tests.virtualcuda.card import operators

        first, _, step = (share or "0/1").partition("/")
        for op in operators.database()[int(first) :: int(step)]:
            yield from operators.cases(op)
    elif part == "mixtures":
        from tests.virtualcuda.card import mixtures

        yield from mixtures.cases()
    elif part == "memory":
        from tests.virtualcuda.card import memory

        yield from memory.cases()
    else:
        from tests.virtualcuda.card import others

        yield from others.cases()
        yield others.last_of_all()


def job(name: str, journal: Path) -> None:
    """Ask what the journal does not have; each question is noted before it is asked."""
    machine.prepare()
    asked = {line["name"] for line in _lines(journal)}
    with journal.open("a", encoding="utf-8", buffering=1) as file:

        def note(**line: Any) -> None:
            file.write(json.dumps(line) + "\n")

        section, found = cases(name)
        note(name="", section=section, facts=machine.facts())
        for case, ask in found:
            if case in asked:
                continue
            note(name=case)
            answer = ask()
            note(name=case, answer=answer)
            machine.give_up_if_poisoned(answer)


def _lines(journal: Path) -> list[dict[str, Any]]:
    if not journal.exists():
        return []
    lines = journal.read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines if line.endswith("}")]


class _Running:
    """A job's process, started again until all is asked."""

    def __init__(self, name: str, journal: Path) -> None:
        self.name, self.journal = name, journal
        self.starts = 0
        self.start()

    def start(self) -> None:
        self.starts += 1
        command = [sys.executable, "-m", "tests.virtualcuda.card", "job", self.name, str(self.journal)]
        log = self.journal.with_suffix(".log").open("a")
        self.process = subprocess.Popen(command, stdout=log, stderr=log)
        self.length, self.since = -1, time.monotonic()

    def over(self, deadline: float) -> bool:
        """Whether the job has ended; a process that died or hangs is replaced."""
        length = self.journal.stat().st_size if self.journal.exists() else 0
        if length != self.length:
            self.length, self.since = length, time.monotonic()
        code = self.process.poll()
        late = time.monotonic() > deadline
        if code is None and not late and time.monotonic() - self.since < PATIENCE:
            return False
        if code is None:
            self.process.kill()
            self.process.wait()
        if code == 0:
            return True
        lines = _lines(self.journal)
        if lines and "answer" not in lines[-1] and lines[-1]["name"] and not late:
            ended = "no answer" if code is None else f"the process ended with {code}"
            with self.journal.open("a", encoding="utf-8") as file:
                file.write(json.dumps({"name": lines[-1]["name"], "answer": ended}) + "\n")
        stuck = self.starts > 60 or not any("answer" in line for line in lines)
        print(f"{self.name}: code {code}, start {self.starts}, {len(lines)} lines{', given up' if stuck else ''}")
        if late or stuck:
            return True
        self.start()
        return False


def record(target: Path, parts: list[str], processes: int, seconds: float) -> None:
    """Ask all of the parts, and write the answers to the file, beside those that it has."""
    folder = target.with_suffix(".parts")
    folder.mkdir(parents=True, exist_ok=True)
    begun = time.monotonic()
    waiting = list(jobs(parts, processes))
    names = list(waiting)
    running: list[_Running] = []
    while waiting or running:
        while waiting and len(running) < processes and time.monotonic() - begun < seconds:
            name = waiting.pop(0)
            running.append(_Running(name, folder / (name.replace(" ", "-").replace("/", "-") + ".jsonl")))
        for one in [one for one in running if one.over(begun + seconds)]:
            running.remove(one)
            print(f"{time.monotonic() - begun:5.0f} s  {one.name}: {one.starts} starts", flush=True)
        if time.monotonic() - begun >= seconds:
            waiting.clear()
        time.sleep(0.2)
    write(target, collect(folder, names, read(target) if target.exists() else Answers({}, {})))


def collect(folder: Path, names: list[str], answers: Answers) -> Answers:
    """The journals' answers, beside those that there are."""
    facts, sections = dict(answers.facts), dict(answers.sections)
    for name in names:
        journal = folder / (name.replace(" ", "-").replace("/", "-") + ".jsonl")
        lines = _lines(journal)
        for line in lines:
            if "section" in line:
                facts.update(line["facts"])
                answered = {one["name"]: one["answer"] for one in lines if "answer" in one}
                if answered:
                    sections.setdefault(line["section"], {}).update(answered)
    return Answers(facts, sections)
