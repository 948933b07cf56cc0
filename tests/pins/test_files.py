"""The files to install from, read by the tools that they are for."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import tomllib
from packaging.requirements import Requirement

from compatmatrix.errors import StorageError
from compatmatrix.pins import Advice, advise, data, files, needs, telling
from compatmatrix.results import Run
from tests.environment.packages import wheel
from tests.pins.making import column, gone, run, runs_of, substitute

COMMIT = "1c0f782fe5f983727ff245c4c1b3906f9b99eec2"
GIT = f"transformers @ git+https://github.com/huggingface/transformers@{COMMIT}"


def of(one: Run, *globs: str) -> Advice:
    return advise(one, needs(one, globs))


# -- real tools


@pytest.fixture(scope="module")
def links(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("links")
    wheel(folder, "transformers", "4.46.3", ["tokenizers", "torch"])
    wheel(folder, "transformers", "5.0.0", ["tokenizers", "torch"])
    wheel(folder, "tokenizers", "0.20.3")
    wheel(folder, "tokenizers", "0.21.0")
    wheel(folder, "torch", "2.13.0+cpu")
    return folder


def tool(links: Path, *command: str | Path, text: str | None = None) -> subprocess.CompletedProcess[str]:
    environ = {
        # Nothing of this machine's configuration: the packages here have names that an index has too.
        "PATH": os.environ["PATH"],
        "HOME": str(links.parent),
        "UV_NO_CONFIG": "1",
        "UV_NO_INDEX": "1",
        "UV_OFFLINE": "1",
        "UV_FIND_LINKS": str(links),
        "UV_CACHE_DIR": str(links.parent / "cache"),
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(links),
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    }
    return subprocess.run(list(map(str, command)), input=text, env=environ, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def constraints(links: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The constraints of an answer whose lock is uv's own, of packages that are really there."""
    locked = tool(links, "uv", "pip", "compile", "--generate-hashes", "--no-header", "--no-annotate", "--python",
                  sys.executable, "-", text="transformers==4.46.3\ntokenizers<0.21\n")  # fmt: skip
    assert not locked.returncode, locked.stderr
    shown = column("4.46.3")
    text = "# CPython\n" + locked.stdout
    shown = shown.model_copy(update={"lock": text, "lock_hash": hashlib.sha256(text.encode()).hexdigest()})
    path = tmp_path_factory.mktemp("pins") / "constraints.txt"
    path.write_text(files.of(of(run([shown], {"a/b": "p"}), "a"))["constraints.txt"], encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def python(links: Path) -> Path:
    folder = links.parent / "environment"
    made = tool(links, "uv", "venv", "--no-project", "--python", sys.executable, folder)
    assert not made.returncode, made.stderr
    return folder / "bin" / "python"


def test_uv_installs_exactly_the_lock_and_checks_its_hashes(links: Path, constraints: Path, python: Path) -> None:
    done = tool(links, "uv", "pip", "install", "--dry-run", "--require-hashes", "--python", python, "-r", constraints)
    assert not done.returncode, done.stderr
    assert sorted(re.findall(r"^ \+ (\S+)", done.stderr, re.MULTILINE)) == [
        "tokenizers==0.20.3",
        "torch==2.13.0+cpu",
        "transformers==4.46.3",
    ]


def test_uv_takes_it_as_constraints_of_something_else(links: Path, constraints: Path, python: Path) -> None:
    done = tool(links, "uv", "pip", "install", "--dry-run", "--python", python, "-c", constraints, "transformers")
    assert not done.returncode, done.stderr
    assert "tokenizers==0.20.3" in done.stderr
    compiled = tool(
        links, "uv", "pip", "compile", "-c", constraints, "--python", sys.executable, "-", text="transformers"
    )
    assert "transformers==4.46.3" in compiled.stdout


def test_a_changed_package_is_refused(links: Path, constraints: Path, tmp_path: Path) -> None:
    for path in links.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    wheel(tmp_path, "tokenizers", "0.20.3", ["torch"])
    made = tool(tmp_path, "uv", "venv", "--no-project", "--python", sys.executable, tmp_path / "environment")
    assert not made.returncode, made.stderr
    python = tmp_path / "environment" / "bin" / "python"
    done = tool(tmp_path, "uv", "pip", "install", "--require-hashes", "--python", python, "-r", constraints)
    assert done.returncode
    assert "hash" in done.stderr.lower()


def test_pip_requires_its_hashes(links: Path, constraints: Path) -> None:
    pytest.importorskip("pip")
    done = tool(links, sys.executable, "-m", "pip", "install", "--dry-run", "--ignore-installed", "--require-hashes",
                "-r", constraints)  # fmt: skip
    assert not done.returncode, done.stderr
    assert "transformers-4.46.3" in done.stdout


# -- texts


def test_the_lock_stands_in_the_file_as_it_was_tested_and_says_of_what() -> None:
    one = runs_of(["4.46.3"], {"llama/plain": "p"})
    text = files.of(of(one, "llama"))["constraints.txt"]
    assert text.endswith(one.columns[0].lock)
    head = text.removesuffix(one.columns[0].lock)
    assert all(line.startswith("#") for line in head.splitlines())
    assert "transformers==4.46.3" in head and "llama" in head and one.id in head
    assert "download.pytorch.org/whl/cpu" in head


def test_a_lock_that_was_changed_is_not_given_out() -> None:
    changed = column("4.46.3").model_copy(update={"lock": "transformers==4.46.3 --hash=sha256:" + "f" * 64 + "\n"})
    with pytest.raises(StorageError, match="is not the one that was tested"):
        files.of(of(run([changed], {"a/b": "p"}), "a"))


def test_the_lines_for_pyproject_are_toml_that_names_what_was_tested() -> None:
    text = files.of(of(run([substitute("4.50.dev", "4.50.0")], {"a/b": "p"}), "a"))["pyproject-lines.toml"]
    told = tomllib.loads(text)
    assert told["project"]["dependencies"] == ["transformers==4.50.0"]
    assert told["tool"]["uv"]["constraint-dependencies"] == ["accelerate==1.15.0", "torch==2.13.0"]
    assert "torch 2.13.0+cpu" in text


def test_a_commit_is_named_by_its_address_and_kept_from_renovate() -> None:
    texts = files.of(of(run([column("4.50.dev", "4.50.0.dev0", lock=GIT, commit=COMMIT)], {"a/b": "p"}), "a"))
    (requirement,) = tomllib.loads(texts["pyproject-lines.toml"])["project"]["dependencies"]
    assert str(Requirement(requirement).url).endswith(COMMIT)
    (rule,) = json.loads(texts["renovate.json"])["packageRules"]
    assert rule["enabled"] is False
    assert "allowedVersions" not in rule


def test_renovate_may_propose_versions_that_were_tested_and_serve_and_no_others() -> None:
    one = run([column("4.46.3"), substitute("4.50.dev", "4.50.0"), column("5.23.0"), column("6.0")], {"a/b": "pfpn"})
    (rule,) = json.loads(files.of(of(one, "a"))["renovate.json"])["packageRules"]
    assert rule["matchPackageNames"] == ["transformers"]
    pattern = rule["allowedVersions"]
    assert pattern[0] == pattern[-1] == "/"
    tried = ("4.46.3", "4.46.30", "14.46.3", "4x46.3", "4.50.0", "5.23.0", "6.0", "5.0.0")
    assert [number for number in tried if re.search(pattern[1:-1], number)] == ["4.46.3", "5.23.0"]


def test_several_environments_have_a_folder_each() -> None:
    texts = files.of(of(runs_of(["4.1", "5.0"], {"a/b": "pf", "a/c": "fp"}), "a/b", "a/c"))
    assert sorted(texts) == [
        f"transformers-{number}/{name}"
        for number in ("4.1", "5.0")
        for name in ("constraints.txt", "pyproject-lines.toml", "renovate.json")
    ]


def test_nothing_to_pin_gives_no_file() -> None:
    assert files.of(of(runs_of(["4.1"], {"a/b": "f"}), "a")) == {}


def test_a_range_excludes_what_is_ruled_out_and_names_what_was_not_tested() -> None:
    found = of(runs_of(["4.1", "4.2", "4.3", "5.0", "5.1"], {"a/b": "fpfpu"}), "a")
    assert files.span(found.tested, found.admissible) == (
        "transformers>=4.2,!=4.3,<=5.0",
        [("4.2", "4.3"), ("4.3", "5.0")],
    )
    single = of(runs_of(["4.1", "4.2"], {"a/b": "fp"}), "a")
    assert files.span(single.tested, single.admissible) == ("", [])


TWO_LOCKS = [
    column("4.1"),
    column("4.2"),
    column("4.2-other", "4.2", lock="transformers==4.2 --hash=sha256:1"),
    column("5.0"),
]


def test_a_number_that_fails_with_another_lock_is_offered_nowhere() -> None:
    found = of(run(TWO_LOCKS, {"a/b": "ppfp"}), "a")
    (environment,) = found.environments
    assert files.releases(environment.admissible, found.tested) == ["4.1", "5.0"]
    assert files.span(found.tested, environment.admissible)[0] == "transformers>=4.1,!=4.2,<=5.0"
    (rule,) = json.loads(files.of(found)["renovate.json"])["packageRules"]
    assert rule["allowedVersions"] == r"/^(?:4\.1|5\.0)$/"
    assert data.data(found)["environments"][0]["admissible"] == ["4.1", "5.0"]
    assert "only with this lock" not in telling.sentence(found)


def test_a_pin_that_fails_with_another_lock_says_so() -> None:
    found = of(run(TWO_LOCKS, {"a/b": "fpff"}), "a")
    assert telling.sentence(found).endswith("serves the need; only with this lock.")
    assert "Only with this lock: with the lock of column 4.2-other it does not serve this." in telling.text(found)
    texts = files.of(found)
    assert "Only with this lock" in texts["constraints.txt"]
    assert json.loads(texts["renovate.json"])["packageRules"][0]["enabled"] is False
    assert data.data(found)["environments"][0]["fails_with_lock_of"] == ["4.2-other"]


def test_packages_without_a_hash_are_not_counted_among_those_with_one() -> None:
    found = of(run([column("4.50.dev", "4.50.0.dev0", lock=GIT, commit=COMMIT)], {"a/b": "p"}), "a")
    text = telling.text(found)
    assert "constraints.txt  2 packages with hashes, as tested" in text
    assert "Without a hash: transformers; leave out --require-hashes." in text
    assert "Without a hash: transformers" in files.of(found)["constraints.txt"]
    assert "Without a hash" not in telling.text(of(runs_of(["4.1"], {"a/b": "p"}), "a"))


def test_where_nothing_is_evidence_the_answer_is_no_verdict_on_a_version() -> None:
    one = runs_of(["4.1", "5.0"], {"a/b": "pp"})
    stale = telling.text(advise(one, needs(one, ["a"]), current={"4.1": "other"}))
    assert stale.splitlines()[0] == "Every column of the run is stale: nothing is known."
    assert "next: nox -s matrix" in stale and "No tested version" not in stale
    none = run([gone("4.1")], {"a/b": "e"})
    assert telling.text(of(none, "a")).startswith("The run measured no version: nothing is known.")
