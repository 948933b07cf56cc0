"""The stages of `compatmatrix try`: find, look, choose, run the columns, compare, answer, write."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from compatmatrix import archive, assemble, compare, loading, pipeline, sweep_sheet
from compatmatrix.errors import StorageError
from compatmatrix.history import History, snapshot
from compatmatrix.ledger import Ledger
from compatmatrix.machine import free
from compatmatrix.pins import files
from compatmatrix.pins.advice import Advice
from compatmatrix.results import Run
from compatmatrix.settings import Settings
from compatmatrix.store import STORE, Store
from compatmatrix.trying import agreement, content, hub, inspect, limits, target, telling
from compatmatrix.trying.answer import answer
from compatmatrix.trying.choose import FAMILY, Asked, Choice, choose
from compatmatrix.trying.columns import matrix_of
from compatmatrix.trying.content import Content
from compatmatrix.trying.estimate import Estimate, estimate, limit, seconds
from compatmatrix.trying.found import Found

Echo = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Request:
    """A command line. ``memory`` is what cells may use in bytes; 0 is most of what is free.

    ``given`` are the options, by name, that say where and how to run, as far as they differ from their defaults.
    """

    checkpoint: str
    asked: Asked
    revision: str | None
    versions: tuple[str, ...]
    packages: tuple[str, ...]
    cells: tuple[str, ...]
    memory: int
    matrix_file: Path
    scenario_roots: tuple[Path, ...]
    state: Path
    fresh: bool
    isolation: str
    given: Mapping[str, Any] = dataclasses.field(default_factory=dict)


class _Settings(Settings):
    """A store of its own: what is tried never changes what the matrix knows. Environments are shared."""

    @property
    def store(self) -> Path:
        return self.state / "try" / STORE


@dataclass(frozen=True, kw_only=True)
class Try:
    """A checkpoint, looked at, and the job that was made of it."""

    request: Request
    found: Found
    choice: Choice
    directory: Path
    job: pipeline.Job


def tried(request: Request, *, now: Callable[[], datetime.datetime], echo: Echo) -> telling.Told:
    """Try a checkpoint, from its name to everything that is told of it."""
    found, measured = _look(request, echo)
    directory = request.state.resolve() / "try" / target.name_of(found.directory, request.checkpoint)
    with _alone(directory, echo):
        one = _prepare(request, found, measured, directory, echo)
        echo(f"{len(one.job.plan.cells)} cells in each of {len(one.job.plan.versions)} versions")
        for version in one.job.plan.versions:
            pipeline.run_column(one.job, version.id, echo)
        return _tell(one, now())


def _look(request: Request, echo: Echo) -> tuple[Found, Estimate]:
    available = request.memory or free()
    fetched = hub.resolve(
        request.checkpoint, revision=request.revision, code=request.asked.trust, room=available, progress=echo
    )
    found = inspect.inspect(fetched.directory, weights=fetched.weights)
    if not fetched.weights:
        found = dataclasses.replace(found, bytes=fetched.size)
    return found, estimate(found, available)


def _prepare(request: Request, found: Found, measured: Estimate, directory: Path, echo: Echo) -> Try:
    choice = choose(found, measured, request.asked)
    matrix = loading.load_matrix(request.matrix_file)
    timeout = seconds(choice.need, matrix.policy.timeout_seconds)
    if choice.unloaded:
        echo(f"not loaded: {choice.unloaded}")
    told = target.told(found, choice, request.asked, _content(found, choice, directory, echo), measured, timeout)
    root = target.write(directory / "scenarios", choice, told)
    text = sweep_sheet.matrix_text(
        matrix_of(
            matrix,
            request.versions,
            request.packages,
            root=request.matrix_file.resolve().parent,
            memory=limit(choice.need, int(matrix.policy.memory)),
            timeout=timeout,
        )
    )
    job = pipeline.load(
        matrix_file=_write(directory / "matrix.json", text),
        scenario_roots=(*request.scenario_roots, root),
        cells=[cell if cell.startswith(FAMILY) else f"{FAMILY}/{cell}" for cell in request.cells] or [FAMILY],
        state=request.state,
        fresh=request.fresh,
        isolation=request.isolation,
        output=directory / "report",
        baseline=directory / "report" / "latest.json",
        ledger_file=_write(directory / "ledger.yaml", "issues: []\n"),
    )
    if not _whole(choice, job):  # a selection replaces no report of the whole
        part = directory / "selected"
        job = dataclasses.replace(job, output=part, baseline=part / "latest.json")
    settings = _Settings(
        **{field.name: getattr(job.settings, field.name) for field in dataclasses.fields(job.settings)}
    )
    job = dataclasses.replace(job, settings=settings)
    return Try(request=request, found=found, choice=choice, directory=directory, job=job)


def _whole(choice: Choice, job: pipeline.Job) -> bool:
    return limits.covers(choice, (cell.id for cell in job.plan.cells))


def _content(found: Found, choice: Choice, directory: Path, echo: Echo) -> Content:
    """The bytes of what is loaded; of a model that is not, what is small."""
    if choice.unloaded:
        found = dataclasses.replace(found, weights=(), tensors={})
    if found.bytes > 1 << 30:
        echo("reading the weights once, to know them again")
    return content.read(found, directory.parent / "contents.json")


@contextlib.contextmanager
def _alone(directory: Path, echo: Echo) -> Iterator[None]:
    """One at a time for each checkpoint: the second would replace the scenarios of the first while they run."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
        lock = FileLock(directory / "lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            echo("waiting for another try of the same checkpoint")
            lock.acquire()
    except OSError as error:
        raise StorageError(
            f"{directory}: {error}", hint="make the directory writable, or name another by --state"
        ) from error
    try:
        yield
    finally:
        lock.release()


def _tell(one: Try, now: datetime.datetime) -> telling.Told:
    run, page = _report(one, now)
    found = answer(run, one.choice)
    worst = found.worst
    repro = "" if worst is None else again(one.request, worst.version, worst.cell)
    return telling.Told(
        answer=found,
        run=run,
        checkpoint=one.request.checkpoint,
        primary=one.choice.primary,
        notes=(*one.found.notes, *one.choice.notes),
        report=page,
        pin=_pin(found.advice, one.directory / "pin") if _whole(one.choice, one.job) else [],
        repro=repro,
    )


def _report(one: Try, now: datetime.datetime) -> tuple[Run, Path]:
    """What is stored of the job as a run, with what versions say of one another, rendered."""
    # Not at the top: pandas takes half a second that a mistake on the command line need not cost.
    from compatmatrix.report import render

    job = one.job
    with Store(job.settings.store) as store:
        columns = assemble.current(job.plan, store.columns())
        stored = store.get(assemble.keys(job.plan, columns).values())
    run = assemble.assemble(job.plan, columns, stored, now=now)
    run = agreement.with_agreement(run, one.choice.compared)
    before = archive.read_run(job.baseline, hint=f"remove {job.baseline.parent}, which holds the last report of it")
    history = History([snapshot(before)] if before else [])
    run = compare.news(run, before, Ledger(), history)
    return run, render.write(run, job.output, before=before, ledger={}, history=history.and_also(snapshot(run)))


def _pin(advice: Advice | None, directory: Path) -> list[Path]:
    """The files that pin what the answer names; those of an earlier answer go."""
    try:
        for path in directory.glob("*"):
            path.unlink()
    except OSError as error:
        raise StorageError(
            f"{directory}: {error}", hint="make the directory writable, or name another by --state"
        ) from error
    return [_write(directory / name, text) for name, text in files.of(advice).items()] if advice else []


def again(request: Request, version: str, cell: str) -> str:
    """The one command that runs a cell of this checkpoint again."""
    given: Mapping[str, Any] = {
        "path": request.checkpoint,
        "versions": version,
        "cells": cell,
        "class": request.asked.model_class,
        "device_plan": ",".join(request.asked.plans),
        "trust_remote_code": request.asked.trust,
        "revision": request.revision or "",
        "with": list(request.packages),
        **request.given,
        "fresh": True,
    }
    return telling.command(given)


def _write(path: Path, text: str) -> Path:
    """Whole or not at all."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(path.name + ".part")
        part.write_text(text, encoding="utf-8")
        part.replace(path)
    except OSError as error:
        raise StorageError(
            f"{path}: {error}", hint="make the directory writable, or name another by --state"
        ) from error
    return path
