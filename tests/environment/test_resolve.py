"""Sources to locks: with the real uv and the real git, on packages made for it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from compatmatrix.errors import EnvironmentFailure
from compatmatrix.resolve import Resolution
from compatmatrix.tools import Completed, Subprocesses
from tests.environment.conftest import World
from tests.environment.packages import commit, sdist, source_tree, wheel


def fails(world: World, reason: str, *sources: dict[str, str], **options: str) -> EnvironmentFailure:
    with pytest.raises(EnvironmentFailure) as caught:
        world.resolve(*sources, **options)
    assert caught.value.reason == reason, caught.value.log
    assert caught.value.hint
    return caught.value


def versions(resolution: Resolution) -> dict[str, str]:
    return {package.name: package.version for package in resolution.column.packages}


def test_a_release_is_locked_with_every_package_and_hash(world: World) -> None:
    resolution = world.resolve({"pypi": "1.1"})
    column = resolution.column
    assert versions(resolution) == {"transformers": "1.1", "tokenizers": "1.0"}
    digest = hashlib.sha256((world.links / "transformers-1.1-py3-none-any.whl").read_bytes()).hexdigest()
    assert f"--hash=sha256:{digest}" in column.lock
    assert column.lock.count("--hash=") == 2
    assert (column.transformers, column.source, column.substitute) == ("1.1", "transformers==1.1", None)
    assert column.lock_hash == hashlib.sha256(column.lock.encode()).hexdigest()
    assert column.lock == world.resolve({"pypi": "1.1"}).column.lock


def test_newest_is_the_newest_release_and_no_prerelease(world: World) -> None:
    assert world.resolve({"pypi": "newest"}).column.transformers == "2.0"


def test_a_release_that_does_not_exist(world: World) -> None:
    error = fails(world, "no-such-release", {"pypi": "9.9"}, substitute="1.0")
    assert "9.9" in error.message


def test_a_companion_applies_to_the_versions_it_names(world: World) -> None:
    world.companions = [
        {"package": "torch", "requirement": "==2.13.0", "when": "<2", "why": "an old one"},
        {"package": "triton", "requirement": "==3.5", "when": ">=2", "why": "a new one"},
    ]
    world.policy = {"gpu": True}
    assert "torch" in versions(world.resolve({"pypi": "1.0"}))
    new = versions(world.resolve({"pypi": "2.0"}))
    assert "torch" not in new
    assert "triton" in new


def test_a_conflict_is_told_in_the_resolver_s_words(world: World) -> None:
    world.companions = [{"package": "tokenizers", "requirement": "==2.0", "why": "a mistake"}]
    error = fails(world, "conflict", {"pypi": "1.0"}, substitute="2.0")
    assert "tokenizers<2" in error.message


def test_a_gpu_build_is_refused_unless_it_was_asked_for(world: World) -> None:
    world.companions = [{"package": "torch", "requirement": ">=2.14", "why": "only a GPU build has it"}]
    error = fails(world, "unexpected-gpu-packages", {"pypi": "1.0"})
    assert "nvidia-cublas 13.0" in error.message
    assert "find-links" in error.hint
    world.policy = {"gpu": True}
    assert versions(world.resolve({"pypi": "1.0"}))["torch"] == "2.14.0"


def test_the_cpu_build_is_taken_where_there_is_one(world: World) -> None:
    world.companions = [{"package": "torch", "requirement": "==2.13.0", "why": "the same everywhere"}]
    assert world.resolve({"pypi": "1.0"}).column.torch == "2.13.0+cpu"


class WithoutPytorchIndex(Subprocesses):
    """uv as it fails where PyTorch's index answers at first and then does not."""

    def run(self, command: Sequence[str], *, environ: Mapping[str, str], cwd: Path, timeout: float) -> Completed:
        if "--torch-backend" in command:
            return Completed(code=2, stdout="", stderr="error: Request failed after 3 retries\n  cause: dns error")
        return super().run([*command, "--no-index"], environ=environ, cwd=cwd, timeout=timeout)


class TorchBackends(Subprocesses):
    """The real uv, without its torch backend, which would need the network; what was asked for is kept."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def run(self, command: Sequence[str], *, environ: Mapping[str, str], cwd: Path, timeout: float) -> Completed:
        kept = list(command)
        if "--torch-backend" in kept:
            at = kept.index("--torch-backend")
            self.asked.append(kept[at + 1])
            kept[at : at + 2] = ["--no-index"]
        return super().run(kept, environ=environ, cwd=cwd, timeout=timeout)


def test_pytorch_s_own_index_is_asked_for_cpu_builds(world: World) -> None:
    del world.environ["UV_NO_INDEX"]
    runner = TorchBackends()
    resolution = world.resolve({"pypi": "1.0"}, runner=runner, reachable=lambda url: True)
    assert resolution.options == ("--torch-backend", "cpu")
    world.policy = {"gpu": True}
    world.resolve({"pypi": "1.0"}, runner=runner, reachable=lambda url: True)
    assert runner.asked == ["cpu", "auto"]


def test_without_pytorch_s_index_the_configured_ones_are_enough(world: World) -> None:
    del world.environ["UV_NO_INDEX"]
    runner = WithoutPytorchIndex()
    source = {"path": str(world.links / "transformers-1.0-py3-none-any.whl")}
    resolution = world.resolve(source, runner=runner, reachable=lambda url: True)
    assert (resolution.column.transformers, resolution.options) == ("1.0", ())


def test_a_yanked_release_is_not_used(world: World, index: tuple[Path, str]) -> None:
    folder, address = index
    for name, version, attribute in [
        ("transformers", "1.0", ' data-yanked="it &lt;loses&gt; weights"'),
        ("transformers", "0.9", ""),
    ]:
        built = wheel(folder / name, name, version)
        page = folder / name / "index.html"
        page.touch()
        page.write_text(page.read_text() + f'<a href="{built.name}"{attribute}>{built.name}</a>\n')
    del world.environ["UV_NO_INDEX"], world.environ["UV_FIND_LINKS"]
    world.environ["PIP_INDEX_URL"] = address
    error = fails(world, "yanked", {"pypi": "1.0"}, substitute="0.9")
    assert "it <loses> weights" in error.message
    assert world.resolve({"pypi": "1.0", "yanked": True}).column.transformers == "1.0"
    assert world.resolve({"pypi": "newest"}).column.transformers == "0.9"


def test_an_index_out_of_reach_is_no_fault_of_the_release(world: World, tmp_path: Path) -> None:
    del world.environ["UV_NO_INDEX"], world.environ["UV_FIND_LINKS"]
    world.environ |= {"UV_DEFAULT_INDEX": "http://127.0.0.1:9/", "UV_HTTP_RETRIES": "0"}
    error = fails(world, "unreachable", {"pypi": "1.0"}, substitute="1.1")
    assert "the substitute failed" in error.message


def test_a_git_commit_and_a_branch(world: World, tmp_path: Path) -> None:
    repository = tmp_path / "upstream"
    first = commit(repository, "1.5.dev0")
    second = commit(repository, "1.6.dev0")
    url = repository.as_uri()
    pinned = world.resolve({"git": url, "commit": first, "reports": "1.5.dev0", "tag": "v1.4-Special"}).column
    assert (pinned.transformers, pinned.commit) == ("1.5.dev0", first)
    assert first in pinned.source
    assert "v1.4-Special" in pinned.source
    branch = world.resolve({"git": url, "branch": "main"}).column
    assert (branch.transformers, branch.commit) == ("1.6.dev0", second)
    assert second in branch.lock
    assert str(tmp_path) not in branch.lock
    fails(world, "no-such-release", {"git": url, "branch": "gone"}, substitute="1.0")
    fails(world, "no-such-release", {"git": url, "commit": "0" * 40}, substitute="1.0")
    wrong = fails(world, "no-such-release", {"git": url, "commit": first, "reports": "1.4"}, substitute="1.0")
    assert "reports version 1.5.dev0" in wrong.message


def test_a_remote_that_is_gone_gives_the_substitute_and_says_so(world: World, tmp_path: Path) -> None:
    gone = {"git": (tmp_path / "gone").as_uri(), "branch": "main"}
    column = world.resolve(gone, substitute="newest").column
    assert column.substitute is not None
    assert column.substitute.shows == column.transformers == "2.0"
    assert "gone cannot be reached: fatal: " in column.substitute.because
    assert column.shows == "2.0 (for tested)"
    assert column.commit is None
    fails(world, "unreachable", gone)


def test_the_next_source_is_no_substitute(world: World, tmp_path: Path) -> None:
    column = world.resolve({"path": "nowhere"}, {"pypi": "1.1"}, substitute="1.0").column
    assert (column.transformers, column.substitute) == ("1.1", None)


def test_git_never_asks_for_a_password(world: World, index: tuple[Path, str]) -> None:
    # Whatever this server is, it is no git repository: an answer, at once, and no prompt.
    column = world.resolve({"git": f"{index[1]}private.git", "branch": "main"}, substitute="1.0").column
    assert column.substitute is not None


def test_credentials_in_an_address_are_not_stored(world: World) -> None:
    source = {"git": "https://user:hunter2secret@127.0.0.1:9/transformers", "branch": "main"}
    assert "hunter2secret" not in world.resolve(source, substitute="1.0").column.model_dump_json()


def test_a_tree_that_does_not_build(world: World, tmp_path: Path) -> None:
    source_tree(tmp_path / "tree", "1.5", broken=True)
    error = fails(world, "build-failed", {"path": "tree"}, substitute="1.0")
    assert "the compiler is missing" in error.log


def test_a_local_tree_wheel_and_archive(world: World, tmp_path: Path) -> None:
    tree = source_tree(tmp_path / "tree", "1.5")
    built = world.resolve({"path": "tree"})
    assert built.column.transformers == "1.5"
    assert "sha256 of its content" in built.column.lock
    assert str(tmp_path) not in built.column.lock
    assert world.resolve({"path": "tree"}).column.lock == built.column.lock
    assert not (tree / "build").exists()
    (tree / "transformers.py").write_text("changed = True\n")
    assert world.resolve({"path": "tree"}).column.lock_hash != built.column.lock_hash
    wheel(tmp_path, "transformers", "1.7")
    assert world.resolve({"path": "transformers-1.7-py3-none-any.whl"}).column.transformers == "1.7"
    sdist(tmp_path, "1.5", tree)
    assert world.resolve({"path": "transformers-1.5.tar.gz"}).column.transformers == "1.5"
    wheel(tmp_path, "tokenizers", "1.0")
    assert "not transformers" in fails(world, "no-such-release", {"path": "tokenizers-1.0-py3-none-any.whl"}).message
