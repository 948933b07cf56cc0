"""Disks that are full or may not be written to, and directories that vanish."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import threading
from pathlib import Path

from tests.chaos.campaign import fault
from tests.chaos.faults.processes import reach
from tests.chaos.trial import Impossible, Running, Trial

FULL = ("No space left", "no room", "disk is full", "disk-full", "is full")
READ_ONLY = ("Read-only file system", "readonly", "unable to open")


def _mount(*arguments: str | Path) -> None:
    done = subprocess.run(["mount", *map(str, arguments)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise Impossible(f"mount is not permitted here: {done.stderr.strip()}")


def _small_disk(trial: Trial, at: Path, kilobytes: int) -> None:
    """A disk of its own for a directory, with what was in it; healed by making it large."""
    aside = at.with_name(at.name + ".aside")
    if at.exists():
        at.rename(aside)
    at.mkdir(parents=True)
    used = sum(path.lstat().st_size // 1024 + 4 for path in aside.rglob("*")) if aside.exists() else 0
    try:
        _mount("-t", "tmpfs", "-o", f"size={used + kilobytes}k", "chaos", at)
    except FileNotFoundError:
        raise Impossible("there is no mount here") from None
    trial.close.callback(subprocess.run, ["umount", "-l", str(at)], check=False)
    trial.heal.callback(subprocess.run, ["mount", "-o", "remount,size=256m", str(at)], check=False)
    if aside.exists():
        shutil.copytree(aside, at, symlinks=True, dirs_exist_ok=True)
        shutil.rmtree(aside)


def _fill(trial: Trial, at: Path, left: int = 0) -> None:
    """Fill a small disk, all but so many bytes; healed by removing what fills it."""
    filler = at / ".filler"
    trial.heal.callback(filler.unlink, missing_ok=True)
    with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
        room = shutil.disk_usage(at).free - left
        while room > 0:
            room -= file.write(b"\0" * min(room, 1 << 16))


def _in_mid_run(trial: Trial) -> Running | None:
    run = trial.start()
    return run if reach(trial, run, "cell") else None


@fault("the state directory's disk is full", "small", "in mid-run", "almost")
def full_state(trial: Trial, stage: str) -> None:
    trial.tells = FULL
    _small_disk(trial, trial.state, 4096 if stage != "small" else trial.dice.randint(0, 1500))
    if stage == "small":
        trial.start()
    elif (run := _in_mid_run(trial)) is not None:
        _fill(trial, trial.state, 0 if stage == "in mid-run" else trial.dice.randint(1, 80) << 10)
        run.end()
    trial.struck = True


@fault("the disk of the reports is full", "at once", "in mid-run", base="done", report=True)
def full_reports(trial: Trial, stage: str) -> None:
    trial.tells = FULL
    _small_disk(trial, trial.reports, 8 if stage == "at once" else trial.dice.randint(8, 120))
    trial.start()
    trial.struck = True


@fault("the disk of temporary files is full", base="fresh")
def full_tmp(trial: Trial, stage: str) -> None:
    trial.tells = FULL
    temporary = trial.directory.parent / "tmp"
    _small_disk(trial, temporary, trial.dice.choice((4, 8, 40)))
    trial.environ["TMPDIR"] = str(temporary)
    trial.heal.callback(trial.environ.pop, "TMPDIR")
    _fill(trial, temporary, trial.dice.choice((0, 0, 4096)))
    trial.start()
    trial.struck = True


def _read_only(trial: Trial, at: Path) -> None:
    _mount("--bind", at, at)
    trial.close.callback(subprocess.run, ["umount", "-l", str(at)], check=False)
    _mount("-o", "remount,ro,bind", at)
    trial.heal.callback(subprocess.run, ["mount", "-o", "remount,rw,bind", str(at)], check=False)


@fault("the directory of the reports is read-only", base="done", report=True)
def read_only_reports(trial: Trial, stage: str) -> None:
    trial.tells = READ_ONLY
    _read_only(trial, trial.reports)
    trial.start()
    trial.struck = True


@fault("the state directory is read-only")
def read_only_state(trial: Trial, stage: str) -> None:
    trial.tells = READ_ONLY
    _read_only(trial, trial.state)
    trial.start()
    trial.struck = True


@fault("the state directory, with all that is open in it, may not be written to from some moment on (chattr +i)")
def immutable_state(trial: Trial, stage: str) -> None:
    trial.tells = ("Operation not permitted", "disk I/O error", *READ_ONLY)
    if _in_mid_run(trial) is None:
        return

    there = [path for path in (trial.state, *trial.state.rglob("*")) if not path.is_symlink()]
    # SQLite's index of the journal is mapped memory. Where the kernel refuses a write to that, it kills: SIGBUS.
    there = [path for path in there if path.suffix != ".sqlite-shm"]

    def attribute(change: str) -> None:
        subprocess.run(["chattr", change, *map(str, there)], capture_output=True, check=False)

    trial.heal.callback(attribute, "-i")
    try:
        attribute("+i")
        (trial.state / "there").touch()
    except FileNotFoundError:
        raise Impossible("there is no chattr here") from None
    except PermissionError:
        trial.struck = True
    else:
        raise Impossible("this file system knows no chattr +i")


def _remove_in_mid_run(trial: Trial, path: Path, stage: str = "cell") -> None:
    run = trial.start()
    if reach(trial, run, stage) and path.exists():
        shutil.rmtree(path, ignore_errors=True)
        trial.struck = True


@fault("an environment is deleted in mid-run", "all of it", "slowly", "its libraries")
def environment_deleted(trial: Trial, stage: str) -> None:
    run = trial.start()
    if not reach(trial, run, "cell"):
        return
    environments = sorted((trial.state / "environments").glob("transformers-*"))
    if stage == "its libraries":
        environments = [path for each in environments for path in each.glob("lib/python3*/site-packages/transformers")]
    elif stage == "slowly":
        for environment in environments:
            threading.Timer(0.2, shutil.rmtree, (environment,), {"ignore_errors": True}).start()
            shutil.rmtree(next(environment.glob("lib/python3*/site-packages/transformers")), ignore_errors=True)
        environments = []
    for path in environments:
        shutil.rmtree(path, ignore_errors=True)
    trial.struck = True


@fault("the directory that cells work in is deleted in mid-run")
def work_deleted(trial: Trial, stage: str) -> None:
    _remove_in_mid_run(trial, trial.state / "work")


@fault("the whole state directory is deleted in mid-run")
def state_deleted(trial: Trial, stage: str) -> None:
    trial.store_lost = True
    _remove_in_mid_run(trial, trial.state)


@fault("the published reports are deleted in mid-run", "cell", "reporting", "publishing", base="done", report=True)
def reports_deleted(trial: Trial, stage: str) -> None:
    shutil.rmtree(trial.state / "work", ignore_errors=True)
    (trial.state / "results.sqlite").unlink()
    trial.store_lost = True
    _remove_in_mid_run(trial, trial.reports, stage)
