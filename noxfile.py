"""The project's sessions. ``nox -s matrix`` runs the whole matrix; ``nox -s tests`` the tests.

What follows ``--`` selects:

    nox -s matrix                                every column, in parallel, then the report
    nox -s "column(4.46.3)"                      one column
    nox -s matrix -- --cells 'llama/*'           some cells (globs over cell ids)
    nox -s matrix -- --versions 4.46.3,main      some versions
    nox -s matrix -- --fresh                     measure again what is known
    nox -s sweep -- '>=4.36'                     every release in a range, then the atlas
    nox -s api                                   the API of scenario files, in every minor version
    nox -s bench -- design --cells 60            what it costs: see docs/performance.md
"""

import sys
from pathlib import Path

import nox

from compatmatrix import session as glue

nox.needs_version = ">=2026.8.10"
nox.options.default_venv_backend = "uv"
nox.options.sessions = ["matrix"]
nox.options.parallel = glue.parallel()
glue.name_run()  # its processes list the scenarios once

VERSIONS = glue.version_ids()
#: The tests that need torch, and the version whose environment each directory of them runs in: the oldest at a fixed
#: commit that knows every model, or one that is always at hand. Virtual CUDA must be there before torch is, and
#: planted faults touch the process: each directory has a process of its own.
TORCH_TESTS = {"tests/scenarios": "4.50.dev", "tests/oracle": "4.50.dev", "tests/virtualcuda": "4.46.3"}
PROJECT = nox.project.load_toml("pyproject.toml")


def _install(session: nox.Session, *groups: str) -> None:
    """Install the project and dependency groups; uv is given what pip is configured with."""
    session.env.update(glue.uv_environment())
    session.install("-e", ".", *nox.project.dependency_groups(PROJECT, *groups))


@nox.session(venv_backend="none", default=False)
def check(session: nox.Session) -> None:
    """Read matrix.yaml and the scenarios before anything runs: a mistake is told once."""
    session.run(*glue.check(session.posargs), silent=True)


@nox.session(venv_backend="none", allow_parallel=True, requires=["check"])
@nox.parametrize("version", VERSIONS, ids=VERSIONS)
def column(session: nox.Session, version: str) -> None:
    """Build one version's environment and run its cells."""
    session.run(*glue.column(version, session.posargs), success_codes=glue.COLUMN_SUCCESS)


@nox.session(venv_backend="none", requires=["check", *(f"column({version})" for version in VERSIONS)])
def matrix(session: nox.Session) -> None:
    """Run every column, then render reports/ and say what is news."""
    session.run(*glue.report(session.posargs))


@nox.session(venv_backend="none", default=False)
def sweep(session: nox.Session) -> None:
    """Run a column for every release in a range, such as '>=4.36', and render the atlas; see docs/sweep.md."""
    session.run(*glue.sweep(session.posargs))


@nox.session(venv_backend="none", default=False)
def api(session: nox.Session) -> None:
    """Run a user's scenarios, which use all of the API, in the last release of every minor version."""
    user = ["--scenarios", "tests/fixtures/api_user", "--cells", "api-user", "--output", ".compatmatrix/api"]
    session.run(*glue.sweep(["--latest-of-minor", *user, *(session.posargs or [">=4.36"])]))
    session.run(sys.executable, "tests/api/every_minor.py", ".compatmatrix/api/atlas.json")


@nox.session
def tests(session: nox.Session) -> None:
    """Run the tests: the host's here, those of references and checks inside the environment of one version."""
    _install(session, "test")
    session.run("pytest", *session.posargs)
    if not session.posargs:
        for directory, version in TORCH_TESTS.items():
            output = session.run("compatmatrix", "environment", version, "--with", "pytest", silent=True)
            session.run(str(output).split()[-1], "-m", "pytest", directory, external=True)


@nox.session
def lint(session: nox.Session) -> None:
    """Check style, imports, the workflows, and what is installed here for known vulnerabilities (pip-audit)."""
    _install(session, "lint")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("lint-imports")
    session.run("actionlint")
    session.run("zizmor", "--offline", "--persona=auditor", ".github")
    session.run("shellcheck", ".ci/run", *map(str, sorted(Path(".github/scripts").iterdir())))
    report = Path(session.create_tmp()).resolve() / "audit.json"
    report.unlink(missing_ok=True)
    audit = ["pip-audit", "--skip-editable", "--progress-spinner=off", "--format=json", f"--output={report}"]
    session.run(*audit, silent=True, success_codes=[0, 1])
    clean, told = glue.audited(report)
    if not clean:
        session.error(told)
    session.log(told)


@nox.session
def types(session: nox.Session) -> None:
    """Check types: mypy strict, tests included."""
    _install(session, "types")
    session.run("mypy")


@nox.session(default=False)
def bench(session: nox.Session) -> None:
    """Measure what the design costs and write docs/performance.md, or only its sections named: design, floor, …"""
    _install(session, "test")
    session.run("python", "-m", "benchmarks", "--write", "docs/performance.md", *session.posargs)


@nox.session(default=False)
def chaos(session: nox.Session) -> None:
    """Inject faults into real runs of a tiny matrix, and count how many are survived; see docs/chaos.md."""
    _install(session, "test")
    session.run("python", "-m", "tests.chaos", *session.posargs)


@nox.session(default=False)
def fuzz(session: nox.Session) -> None:
    """Feed damaged input to everything that reads some, guided by coverage; see docs/chaos.md."""
    _install(session, "test")
    # It has wheels for some platforms only; without it the property tests are run with a large budget.
    session.install("--only-binary=:all:", *nox.project.dependency_groups(PROJECT, "fuzz"), success_codes=[0, 1, 2])
    session.run("python", "-m", "tests.fuzz", *session.posargs)
