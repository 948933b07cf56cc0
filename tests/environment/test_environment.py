"""Locks to environments: built once, reused while unchanged, never half there."""

from __future__ import annotations

import errno
import json
import multiprocessing
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from compatmatrix import environment
from compatmatrix.environment import Environment
from compatmatrix.errors import EnvironmentFailure
from compatmatrix.resolve import Resolution
from compatmatrix.tools import Completed, Subprocesses
from tests.environment.conftest import World
from tests.environment.packages import commit, sdist, source_tree
from tests.wheels import write_wheel


class Counting(Subprocesses):
    """The real runner, which counts installations and can be stopped in the middle of one."""

    def __init__(self, stop: BaseException | None = None) -> None:
        self.installs = 0
        self.stop = stop

    def run(self, command: Sequence[str], *, environ: Mapping[str, str], cwd: Path, timeout: float) -> Completed:
        if "sync" in command:
            self.installs += 1
            if self.stop:
                raise self.stop
        return super().run(command, environ=environ, cwd=cwd, timeout=timeout)


def imported(built: Environment) -> str:
    code = "import transformers; print(transformers.__version__)"
    command = [str(built.python), "-I", "-c", code]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def test_an_environment_holds_what_the_lock_says_and_is_reused(world: World) -> None:
    runner = Counting()
    built = world.build(world.resolve({"pypi": "1.1"}), runner=runner)
    assert imported(built) == "1.1"
    assert built.column.environment == built.path.name
    manifest = json.loads((built.path / environment.MANIFEST).read_text())
    assert manifest["column"]["transformers"] == "1.1"
    assert manifest["lock"] == built.column.lock
    again = world.build(world.resolve({"pypi": "1.1"}), runner=runner)
    assert (again.path, again.reused, built.reused, runner.installs) == (built.path, True, False, 1)
    assert again.column.lock == built.column.lock


def test_another_companion_makes_another_environment(world: World) -> None:
    first = world.build(world.resolve({"pypi": "1.1"}))
    world.companions = [{"package": "torch", "requirement": "==2.13.0", "why": "now with torch"}]
    second = world.build(world.resolve({"pypi": "1.1"}))
    assert first.path != second.path
    assert second.path.exists()


@pytest.mark.parametrize("damage", ["package", "manifest", "interpreter", "another", "lost", "cut", "settings"])
def test_an_environment_that_was_changed_is_built_again(world: World, damage: str) -> None:
    resolution = world.resolve({"pypi": "1.1"})
    built = world.build(resolution)
    site = next(built.path.glob("lib/python*/site-packages"))
    if damage == "package":
        (site / "transformers-1.1.dist-info").rename(site / "transformers-1.2.dist-info")
    elif damage == "manifest":
        (built.path / environment.MANIFEST).write_text("{")
    elif damage == "interpreter":
        built.python.unlink()
    elif damage == "lost":
        (site / "transformers" / "__init__.py").unlink()
    elif damage == "cut":  # in uv's cache as well, which it is a link to
        os.truncate(site / "transformers" / "__init__.py", 3)
    elif damage == "settings":
        (built.path / "pyvenv.cfg").unlink()
    else:
        (site / "another-1.0.dist-info").mkdir()
    again = world.build(resolution)
    assert not again.reused
    assert imported(again) == "1.1"
    assert world.build(resolution).reused


@pytest.mark.parametrize("stop", [KeyboardInterrupt(), None])
def test_an_interrupted_build_leaves_nothing_that_looks_whole(world: World, stop: BaseException | None) -> None:
    resolution = world.resolve({"pypi": "1.1"})
    root = world.root / "environments"
    if stop:
        with pytest.raises(KeyboardInterrupt):
            world.build(resolution, runner=Counting(stop))
        assert not list(root.glob("*transformers-1.1-*[!k]"))
    else:  # killed without a chance to tidy up
        left = root / f".partial-{environment.name_of(resolution, world.environ)}-abc123"
        (left / "lib").mkdir(parents=True)
    assert imported(world.build(resolution)) == "1.1"
    assert not list(root.glob(".partial-*"))


def test_a_full_disk_is_one_clear_message(world: World) -> None:
    resolution = world.resolve({"pypi": "1.1"})
    with pytest.raises(EnvironmentFailure, match="the disk that holds environments is full") as caught:
        world.build(resolution, runner=Counting(OSError(errno.ENOSPC, "No space left on device")))
    assert caught.value.reason == "disk-full"
    assert "uv cache prune" in caught.value.hint


def test_a_changed_file_does_not_pass_its_hash(world: World) -> None:
    resolution = world.resolve({"pypi": "1.1"})
    lock = resolution.lock.replace("--hash=sha256:", "--hash=sha256:0000")[: -len("0000")]
    damaged = Resolution(column=resolution.column, lock=lock, python=resolution.python)
    with pytest.raises(EnvironmentFailure) as caught:
        world.build(damaged)
    assert caught.value.reason == "install-failed"


def test_an_index_that_serves_another_file_than_the_locked_one(world: World) -> None:
    own = world.root / "own-links"
    shutil.copytree(world.links, own)
    world.environ.update(UV_FIND_LINKS=str(own), UV_CACHE_DIR=str(world.root / "own-cache"))
    resolution = world.resolve({"pypi": "1.1"})
    shutil.rmtree(world.root / "own-cache")
    write_wheel(own, "transformers", "1.1", {"transformers/__init__.py": "print('not what was locked')\n"})
    with pytest.raises(EnvironmentFailure, match="Hash mismatch for `transformers") as caught:
        world.build(resolution)
    assert caught.value.reason == "install-failed"
    assert not list((world.root / "environments").glob("transformers*"))


def test_what_is_built_finds_no_secret_of_the_host(world: World, tmp_path: Path) -> None:
    tree = source_tree(tmp_path / "tree", "1.5")
    backend = tree / "backend.py"
    told = "import os\nraise RuntimeError(f'it sees {sorted(os.environ)}')\n"
    backend.write_text(told + backend.read_text())
    world.environ.update(GITHUB_TOKEN="planted", AWS_SECRET_ACCESS_KEY="planted", HARMLESS="planted")
    with pytest.raises(EnvironmentFailure) as caught:
        world.build(world.resolve({"path": str(tree)}))
    assert "HARMLESS" in caught.value.log
    assert "GITHUB_TOKEN" not in caught.value.log
    assert "AWS_SECRET_ACCESS_KEY" not in caught.value.log


def test_a_source_distribution_that_does_not_build(world: World) -> None:
    tree = source_tree(world.root / "tree", "1.5", broken=True)
    world.environ["UV_FIND_LINKS"] += f",{world.root / 'sdists'}"
    sdist(world.root / "sdists", "1.5", tree)
    resolution = world.resolve({"pypi": "1.5"})
    with pytest.raises(EnvironmentFailure) as caught:
        world.build(resolution)
    assert caught.value.reason == "build-failed"
    assert "the compiler is missing" in caught.value.log
    assert not list((world.root / "environments").glob("transformers*"))


def test_git_and_local_trees_install(world: World, tmp_path: Path) -> None:
    repository = tmp_path / "upstream"
    first = commit(repository, "1.5.dev0")
    resolution = world.resolve({"git": repository.as_uri(), "commit": first})
    built = world.build(resolution)
    assert imported(built) == "1.5.dev0"
    tree = source_tree(tmp_path / "tree", "1.6")
    before = world.build(world.resolve({"path": "tree"}))
    (tree / "transformers.py").write_text("__version__ = 'edited'\n")
    after = world.build(world.resolve({"path": "tree"}))
    assert (imported(before), imported(after)) == ("1.6", "edited")


def _build(world: World, resolution: Resolution, answers: multiprocessing.queues.Queue[bool]) -> None:
    answers.put(world.build(resolution).reused)


def test_two_runs_build_an_environment_once(world: World) -> None:
    resolution = world.resolve({"pypi": "1.1"})
    context = multiprocessing.get_context("spawn")
    answers = context.Queue()
    processes = [context.Process(target=_build, args=(world, resolution, answers)) for _ in range(2)]
    for process in processes:
        process.start()
    assert sorted(answers.get(timeout=60) for _ in processes) == [False, True]
    for process in processes:
        process.join(timeout=60)
