"""One target under atheris: inputs are mutated by grammar or byte by byte, and kept where they reach new code.

python -m tests.fuzz.guided TARGET CORPUS [libFuzzer's options]
"""

from __future__ import annotations

import contextlib
import io
import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from random import Random


def target(name: str, folder: Path) -> Callable[[bytes], None]:
    """A target as a function of bytes alone."""
    if name == "arguments":
        return _arguments(folder)
    from tests.fuzz import targets

    return lambda data: targets.TARGETS[name](data, folder)


def _arguments(folder: Path) -> Callable[[bytes], None]:
    """Command lines, drawn by a seed that the input stands for."""
    from tests.fuzz import arguments, test_arguments

    test_arguments.prepare(folder)

    def run(data: bytes) -> None:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            test_arguments.ended_well(arguments.line(Random(data)))

    return run


def main() -> None:
    """Fuzz until the time is over; atheris ends the process."""
    import atheris

    name, corpus = sys.argv[1], Path(sys.argv[2])
    with atheris.instrument_imports(include=["compatmatrix"]):
        from tests.fuzz import mutate, targets

    def mutated(data: bytes, most: int, seed: int) -> bytes:
        dice = Random(seed)
        written = targets.WRITTEN.get(name)
        if written and dice.random() < 0.7:
            with contextlib.suppress(ValueError, RecursionError):
                tree = mutate.tree(json.loads(data), dice)
                return (mutate.as_yaml if written == "yaml" else mutate.as_json)(tree, dice)[:most]
        return bytes(atheris.Mutate(data, most)) if dice.random() < 0.5 else mutate.text(data, dice)[:most]

    (corpus / "seed").write_bytes(targets.SEEDS.get(name, b"seed"))
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        atheris.Setup([sys.argv[0], *sys.argv[2:]], target(name, Path(folder)), custom_mutator=mutated)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
