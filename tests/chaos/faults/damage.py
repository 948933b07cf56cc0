"""Files that are damaged or lie (records, store, locks, environments, what was published), or are edited in mid-run."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
from collections.abc import Callable
from pathlib import Path

from compatmatrix.errors import Exit
from tests.chaos.campaign import fault
from tests.chaos.faults.processes import reach
from tests.chaos.trial import Trial
from tests.chaos.world import VERSIONS

_LIES = '''
"""Cells whose record is none."""
import os
from compatprobe import Cell, scenario

@scenario(title="a record that is none", params={{"kind": {kinds!r}}})
def lies(cell: Cell, kind: str) -> None:
    """What a disk that is full, or a process that is killed, could leave; and worse."""
    record = cell.directory.parent / "out" / "record.json"
    good = '{{"schema": 1, "cell": "%s", "status": "done", "checks": [' % cell.id
    texts = {{"half": good, "empty": "", "garbage": "\\0\\u00ff no", "deep": "[" * 100000}}
    texts["of another"] = '{{"schema": 1}}'
    if kind == "directory":
        record.mkdir()
    elif kind == "pipe":
        os.mkfifo(str(record))
    elif kind == "temporary":
        record.with_name("record.json.tmp").write_text(good)
    else:
        record.write_text(texts[kind], encoding="latin-1")
    os._exit(0)
'''
KINDS = ("half", "empty", "garbage", "deep", "of another", "directory", "pipe", "temporary")


@fault("a child leaves a record that is half written, garbage, of another cell, or no file")
def spoilt_record(trial: Trial, stage: str) -> None:
    file = trial.directory / "scenarios" / "tiny" / "lies.py"
    file.write_text(_LIES.format(kinds=KINDS), encoding="utf-8")
    trial.heal.callback(file.unlink)
    trial.own_cells = lambda version, cell: "crash" if cell.startswith("tiny/lies") else "a cell that nobody planned"
    trial.start()
    trial.struck = True


def scribble(trial: Trial, path: Path, *, start: int = 0, length: int = 200) -> None:
    """Overwrite a part of a file, from some byte on, with garbage."""
    data = bytearray(path.read_bytes())
    data[start : start + length] = trial.dice.randbytes(min(length, len(data) - start))
    path.write_bytes(bytes(data))


def cut(trial: Trial, path: Path) -> None:
    """Leave only the beginning of a file, of any length."""
    os.truncate(path, trial.dice.randrange(path.stat().st_size))


def _follow_the_advice(trial: Trial, file: Path) -> None:
    """Do what the message says: do without the file. Where the run did not stop at it there is nothing to do."""
    endings = [ended for ended in trial.endings() if ended.status == Exit.STORAGE]
    if endings:
        told = endings[0].err
        if file.name not in told or not any(words in told for words in ("move", "--state")):
            raise AssertionError(f"no advice about {file.name}: {endings[0]}")
        for part in file.parent.glob(f"{file.name}*"):
            shutil.rmtree(part) if part.is_dir() else part.unlink()


def _page(trial: Trial, store: Path) -> None:
    size = 4096
    page = trial.dice.randrange(1, store.stat().st_size // size)
    scribble(trial, store, start=page * size + trial.dice.randrange(size // 2), length=trial.dice.randint(1, 2000))


def _text(trial: Trial, store: Path) -> None:
    with sqlite3.connect(store) as db:
        key, text = trial.dice.choice(db.execute("SELECT key, json FROM results").fetchall())
        damaged = trial.dice.choice((text[: len(text) // 2], "", "null", text.replace('"outcome"', '"outcame"')))
        db.execute("UPDATE results SET json = ? WHERE key = ?", (damaged, key))
    db.close()


def _newer(trial: Trial, store: Path) -> None:
    with sqlite3.connect(store) as db:
        db.execute(f"PRAGMA user_version={trial.dice.randint(2, 2**31 - 1)}")
    db.close()


def _no_tables(trial: Trial, store: Path) -> None:
    with sqlite3.connect(store) as db:
        db.execute(f"DROP TABLE {trial.dice.choice(('results', 'columns'))}")
    db.close()


def _becomes_directory(trial: Trial, store: Path) -> None:
    store.unlink()
    store.mkdir()


_STORE: dict[str, Callable[[Trial, Path], None]] = {
    "header": lambda trial, store: scribble(trial, store, start=trial.dice.randrange(20)),
    "page": _page,
    "cut": cut,
    "empty": lambda trial, store: os.truncate(store, 0),
    "text": _text,
    "newer": _newer,
    "no tables": _no_tables,
    "directory": _becomes_directory,
}


@fault("the store is damaged between two runs", *_STORE, base="done")
def damaged_store(trial: Trial, stage: str) -> None:
    store = trial.state / "results.sqlite"
    trial.store_lost = True
    _STORE[stage](trial, store)
    trial.heal.callback(_follow_the_advice, trial, store)
    trial.start()
    trial.struck = True


@fault("the host is killed, and the store's journal or its index is damaged then", "cut", "garbage", "index", "gone")
def damaged_journal(trial: Trial, stage: str) -> None:
    store = trial.state / "results.sqlite"
    run = trial.start()
    if not (reach(trial, run, "cell") and run.send(signal.SIGKILL)):
        return
    run.end()
    journal = store.with_name(store.name + ("-shm" if stage == "index" else "-wal"))
    if journal.exists() and journal.stat().st_size:
        trial.store_lost = True
        trial.heal.callback(_follow_the_advice, trial, store)
        if stage == "gone":
            journal.unlink()
        elif stage == "cut":
            cut(trial, journal)
        else:
            scribble(trial, journal, start=trial.dice.randrange(journal.stat().st_size))
        trial.start()
        trial.struck = True


@fault("the store is damaged while a run is at work", "header", "page", "cut", base="done")
def store_damaged_in_mid_run(trial: Trial, stage: str) -> None:
    store = trial.state / "results.sqlite"
    trial.store_lost = True
    trial.heal.callback(_follow_the_advice, trial, store)
    trial.heal.callback(trial.start)  # what was in memory went well; who reads the file finds it out
    run = trial.start(*trial.world.command, "--fresh")
    if reach(trial, run, "cell"):
        _STORE[stage](trial, store)
        trial.struck = True


@fault("locks are full of garbage, or no files", "garbage", "directories", base="done")
def damaged_locks(trial: Trial, stage: str) -> None:
    locks = [*trial.state.rglob("*.lock")]
    locks = [path for path in locks if "site-packages" not in path.parts and path.name != "requirements.lock"]
    for path in locks if stage == "garbage" else [trial.dice.choice(locks)]:
        path.unlink()
        if stage == "garbage":
            path.write_bytes(trial.dice.randbytes(100))
        else:
            path.mkdir()
            trial.heal.callback(path.rmdir)
    trial.tells = ("Is a directory",)
    trial.start()
    trial.struck = True


def _environment(trial: Trial) -> Path:
    return trial.dice.choice(sorted((trial.state / "environments").glob("transformers-*")))


def _library(environment: Path) -> Path:
    return next(environment.glob("lib/python3*/site-packages/transformers"))


def _manifest(trial: Trial, environment: Path) -> None:
    texts = ("", "{", "[]", '{"column": 1}', "\0\xff", '{"column": {"version": "x"}, "lock": 3}')
    (environment / "column.json").write_text(trial.dice.choice(texts), encoding="latin-1")


def _another(trial: Trial, environment: Path) -> None:
    others = [path for path in sorted(environment.parent.glob("transformers-*")) if path != environment]
    shutil.rmtree(environment)
    shutil.copytree(others[0], environment, symlinks=True)


_ENVIRONMENT: dict[str, Callable[[Trial, Path], None]] = {
    "manifest": _manifest,
    "manifest cut": lambda trial, environment: cut(trial, environment / "column.json"),
    "of another": _another,
    "python gone": lambda trial, environment: next(environment.glob("bin/python3*")).unlink(),
    "settings gone": lambda trial, environment: (environment / "pyvenv.cfg").unlink(),
    "file gone": lambda trial, environment: (_library(environment) / "late.py").unlink(),
    "file cut": lambda trial, environment: cut(trial, _library(environment) / "late.py"),
    "library gone": lambda trial, environment: shutil.rmtree(_library(environment)),
    "list damaged": lambda trial, environment: scribble(
        trial, next(environment.glob("lib/python3*/site-packages/transformers*.dist-info/RECORD"))
    ),
    "list gone": lambda trial, environment: shutil.rmtree(
        next(environment.glob("lib/python3*/site-packages/transformers*.dist-info"))
    ),
}


@fault("an environment is damaged between two runs", *_ENVIRONMENT)
def damaged_environment(trial: Trial, stage: str) -> None:
    _ENVIRONMENT[stage](trial, _environment(trial))
    trial.start()
    trial.struck = True


@fault("a library is damaged in uv's cache, which environments link to", "cut", "gone", base="fresh")
def damaged_cache(trial: Trial, stage: str) -> None:
    cache = trial.directory.parent / "cache"
    trial.environ["UV_CACHE_DIR"] = str(cache)
    for version in VERSIONS:
        trial.start("compatmatrix", "environment", version).answers = (0,)
        trial.endings()
    for path in cache.rglob("late.py"):
        cut(trial, path) if stage == "cut" else path.unlink()
    if stage == "gone":
        shutil.rmtree(trial.state / "environments")
    trial.start()
    trial.struck = True


@fault("what a zygote worked in is full of garbage", "garbage", "directories", base="done")
def damaged_work(trial: Trial, stage: str) -> None:
    for slot in (path for path in (trial.state / "work").iterdir() if path.is_dir()):
        for name in ("ready.json", "request.json", "zygote.log"):
            path = slot / name
            path.unlink(missing_ok=True)
            path.write_bytes(trial.dice.randbytes(99)) if stage == "garbage" else path.mkdir()
            trial.heal.callback(shutil.rmtree, path, ignore_errors=True)
        for name in ("out", "cell", "tmp"):
            shutil.rmtree(slot / name, ignore_errors=True)  # a probe that has ended has emptied it
            (slot / name).write_bytes(b"\0")
    trial.tells = ("Is a directory",)
    trial.store_lost = True
    trial.start(*trial.world.command, "--fresh")
    trial.struck = True


@fault("what was published is damaged", "run", "run cut", "history", "page", "folder", base="done", report=True)
def damaged_report(trial: Trial, stage: str) -> None:
    latest, history = trial.reports / "latest.json", next((trial.reports / "runs").glob("2*.json"))
    if stage == "run cut":
        cut(trial, latest)
    elif stage == "run":
        latest.write_text(trial.dice.choice(("", "[]", "{}", "\0", json.dumps({"schema": 99}))), encoding="utf-8")
    elif stage == "page":
        cut(trial, trial.reports / "index.html")
    elif stage == "folder":
        shutil.rmtree(trial.reports / "details")
        (trial.reports / "details").write_text("not a directory", encoding="utf-8")
    else:
        cut(trial, history)
        trial.heal.callback(history.unlink)
    trial.heal.callback(_follow_the_advice, trial, latest)
    trial.reports_damaged = True
    trial.start()
    trial.struck = True


@fault("a scenario is edited in mid-run, and put back later", "cell", "building")
def scenario_edited(trial: Trial, stage: str) -> None:
    trial.tells = ("written while cells ran",)
    file = trial.directory / "scenarios" / "tiny" / "load.py"
    text = file.read_text(encoding="utf-8")
    run = trial.start()
    if reach(trial, run, stage):
        trial.heal.callback(file.write_text, text, encoding="utf-8")
        file.write_text(trial.dice.choice((text.replace("- 7", "- 9"), text[: len(text) // 2], "")), encoding="utf-8")
        trial.struck = True


@fault("matrix.yaml is edited in mid-run, and put back later")
def matrix_edited(trial: Trial, stage: str) -> None:
    file = trial.directory / "matrix.yaml"
    text = file.read_text(encoding="utf-8")
    run = trial.start()
    if reach(trial, run, trial.dice.choice(("building", "cell"))):
        trial.heal.callback(file.write_text, text, encoding="utf-8")
        file.write_text(trial.dice.choice(("", "versions: [", text.replace("1.0.1", "1.0.0"))), encoding="utf-8")
        trial.struck = True
