"""Repetitions: columns run three times more, afresh, and what their cells did then, kept by content."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from compatmatrix import sweep_sheet
from compatmatrix.errors import Exit, InfrastructureError, StorageError
from compatmatrix.flips import Seen
from compatmatrix.plan import Plan
from compatmatrix.settings import Settings
from compatmatrix.store import Store
from compatmatrix.sweep import Ended, Executor

REPETITIONS = 3
_REPEATS = TypeAdapter(dict[str, list[str]])


class Repeating:
    """An :class:`Executor` that has another one run each column three times, and keeps the mark of every repetition.

    Each time is a process of its own. What was seen before counts beside the repetitions, because a fresh row
    replaces it in the store. Marks are written when a column has ended once more: an interrupt costs the repetitions
    of the columns that it ends, and no others.

    Args:
        sides: Version -> cell -> what the sheet saw of it.
        inner: Runs columns afresh.
        file: Where marks are kept (:func:`read`).
    """

    def __init__(
        self, plan: Plan, settings: Settings, sides: Mapping[str, Mapping[str, Seen]], inner: Executor, file: Path
    ) -> None:
        self._plan, self._settings, self._inner, self._file = plan, settings, inner, file
        self._seen = {version: dict(cells) for version, cells in sides.items()}
        self._marks = {each.key: [each.mark] for cells in sides.values() for each in cells.values()}
        self._moved: dict[str, bool] = {}
        self._unwell: dict[str, Exit] = {}
        self._lock = threading.Lock()
        with Store(settings.store) as store:
            self._columns = store.columns(sides)

    @property
    def elsewhere(self) -> bool:
        return self._inner.elsewhere

    def at_once(self, columns: int) -> int:
        return self._inner.at_once(columns)

    def finished(self, environment: str) -> None:
        self._inner.finished(environment)

    def end(self) -> None:
        self._inner.end()

    def column(self, id: str, cells: tuple[str, ...]) -> Ended:
        """All repetitions of a column, or those until one did not end well or ran beside other packages."""
        seconds = 0.0
        for _ in range(REPETITIONS):
            ended = self._inner.column(id, cells)
            seconds += ended.seconds
            if not self._keep(id) or ended.status:
                break
        with self._lock:
            self._unwell[id] = ended.status
        return ended._replace(seconds=seconds)

    def _keep(self, id: str) -> bool:
        """Keep the marks of a repetition; whether it was one: it is not beside other packages than before."""
        seen = self._seen[id]
        with Store(self._settings.store) as store:
            before, after = self._columns[id], store.columns([id])[id]
            if after.lock_hash != before.lock_hash:
                store.put_column(before)
                self._moved[id] = after.ready
                return False
            found = sweep_sheet.cells_of(self._plan, after, store)
        with self._lock:
            for cell in seen.keys() & found.keys():
                old, new = seen[cell], found[cell]
                if new.key == old.key and new.measured_at != old.measured_at:
                    self._marks[new.key].append(new.mark)
                    seen[cell] = new
            # At once: a repetition replaced what was seen, which the next one may not live to tell.
            told = read(self._file) | {key: marks for key, marks in self._marks.items() if _says(marks)}
            write(self._file, json.dumps(told, indent=0, sort_keys=True) + "\n")
        return True

    def verify(self) -> None:
        """Raise :class:`InfrastructureError` where some column was not repeated; what others did is kept."""
        if self._moved:
            lost = [version for version, ready in self._moved.items() if not ready]
            why = "there is no environment now" if lost else "the packages beside it have changed since the sweep"
            raise InfrastructureError(
                f"{', '.join(lost or self._moved)}: {why}; nothing of it was confirmed",
                hint="confirm again" if lost else "sweep again with --fresh, then confirm",
            )
        unwell = [f"{version} ended with {status.name.lower()}" for version, status in self._unwell.items() if status]
        if unwell:
            raise InfrastructureError(
                f"not every cell was repeated: {', '.join(unwell)}", hint="confirm again when that is well"
            )


def _says(marks: Sequence[str]) -> bool:
    """Whether the mark of a sheet and those of its repetitions tell anything: two that differ do, or all of them."""
    return len(set(marks)) > 1 or len(marks) > REPETITIONS


def read(file: Path) -> dict[str, list[str]]:
    """Key of a result -> its marks, as far as they tell anything; empty where nothing was repeated yet."""
    hint = "move the file away; flips are then unconfirmed again"
    try:
        found = _REPEATS.validate_json(file.read_bytes(), strict=True)
    except FileNotFoundError:
        return {}
    except ValidationError as error:
        raise StorageError(f"{file}: it is not a map of keys to lists of marks", hint=hint) from error
    except OSError as error:
        raise StorageError(f"{file}: {error}", hint=hint) from error
    return {key: marks for key, marks in found.items() if _says(marks)}


def write(file: Path, text: str) -> None:
    """Whole or not at all."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        part = file.with_name(file.name + ".part")
        part.write_text(text, encoding="utf-8")
        part.replace(file)
    except OSError as error:
        raise StorageError(f"{file}: {error}", hint="make the state directory writable, or name another") from error
