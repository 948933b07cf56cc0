"""From a version of the matrix to one exact lock: every package, version and hash of its column."""

from __future__ import annotations

import datetime
import functools
import hashlib
import re
import tempfile
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from compatmatrix.errors import EnvironmentFailure
from compatmatrix.indexes import NO_INDEX, uv_environment
from compatmatrix.matrix import Matrix, PypiSource, Source, Version
from compatmatrix.redaction import redact
from compatmatrix.results import Column, EnvReason, Package, Substitute
from compatmatrix.sources import PACKAGE, Located, locate
from compatmatrix.tools import Completed, Runner, Subprocesses, last_line
from compatmatrix.uvtool import Interpreter, Tools, diagnose, failure, interpreter

#: Where uv's torch backends take torch from.
PYTORCH_INDEX = "https://download.pytorch.org/whl/cpu/"

_YANKED = re.compile(r"warning: `(?P<pin>[^`]+)` is yanked(?: \(reason: (?P<why>.*)\))?")
#: Packages that only a CUDA, ROCm or XPU build of torch brings along.
_GPU = re.compile(r"^(nvidia-|cuda-|triton$|triton-|pytorch-triton|amd-|rocm-|intel-sycl|onemkl-|intel-cmplr)")
_LOCAL_FILE = re.compile(r"file://\S*/(?=[^/\s]+)")


@dataclass(frozen=True, kw_only=True)
class Resolution:
    """A version resolved: the lock that uv installs from, and the column as far as it is known.

    ``column.lock`` is the same lock as others may see it, without local paths; ``options`` is what uv
    needs beside it to find the same files again.
    """

    column: Column
    lock: str
    python: Interpreter
    options: tuple[str, ...] = ()


def resolve(
    version: Version,
    matrix: Matrix,
    *,
    root: Path,
    environ: Mapping[str, str],
    state: Path | None = None,
    runner: Runner | None = None,
    reachable: Callable[[str], bool] | None = None,
) -> Resolution:
    """Resolve a version: its sources in order, then the substitute where none of them can be reached.

    ``root`` is the directory of matrix.yaml; ``state`` keeps the wheels built from local trees;
    ``environ`` is the caller's environment, to which pip's configuration is added here. Raises
    :class:`EnvironmentFailure`.
    """
    tools = Tools(runner=runner or Subprocesses(), environ=uv_environment(environ))
    python = interpreter(version.python or matrix.python, tools)
    wheels = (state or root / ".compatmatrix") / "wheels"
    lock = _Lock(matrix, python, tools, reachable or _reachable)
    out_of_reach: list[EnvironmentFailure] = []
    for source in version.sources:
        try:
            return lock.resolution(version, locate(source, python, tools, root=root, wheels=wheels))
        except EnvironmentFailure as error:
            if error.reason != EnvReason.UNREACHABLE.value:
                raise
            out_of_reach.append(error)
    because = "; ".join(error.message for error in out_of_reach)
    if version.substitute is None:
        raise failure(EnvReason.UNREACHABLE, because, log=out_of_reach[-1].log)
    return _substitute(version, PypiSource(pypi=version.substitute.pypi), because, lock, root=root, wheels=wheels)


def _substitute(version: Version, source: Source, because: str, lock: _Lock, *, root: Path, wheels: Path) -> Resolution:
    try:
        located = locate(source, lock.python, lock.tools, root=root, wheels=wheels)
        return lock.resolution(version, located, because)
    except EnvironmentFailure as error:
        message = f"{because}; and the substitute failed: {error.message}"
        raise EnvironmentFailure(error.reason, message, hint=error.hint, log=error.log) from error


@dataclass(frozen=True)
class _Lock:
    matrix: Matrix
    python: Interpreter
    tools: Tools
    reachable: Callable[[str], bool]

    def resolution(self, version: Version, located: Located, because: str = "") -> Resolution:
        """Lock a located source with its companions, and check what came out."""
        header = "".join(f"# {line}\n" for line in (str(self.python), *located.notes))
        requirements = [located.requirement, *self._companions(located.transformers)]
        compiled, options = self._compile(requirements, yanked=located.requirement if located.yanked else "")
        lock = header + compiled
        packages = parse(lock, located)
        self._no_gpu(packages)
        public = _LOCAL_FILE.sub("file:///", redact(lock))
        by_name = {package.name: package.version for package in packages}
        shown = by_name[PACKAGE]
        column = Column(
            version=version.id,
            source=located.shown,
            transformers=shown,
            commit=located.commit,
            substitute=Substitute(shows=shown, because=because) if because else None,
            python=self.python.version,
            torch=by_name.get("torch", ""),
            accelerate=by_name.get("accelerate", ""),
            packages=packages,
            lock=public,
            lock_hash=hashlib.sha256(public.encode()).hexdigest(),
            resolved_at=datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0),
        )
        return Resolution(column=column, lock=lock, python=self.python, options=options)

    def _companions(self, transformers: str | None) -> list[str]:
        return [f"{each.package}{each.requirement}" for each in self.matrix.companions if each.applies(transformers)]

    def _compile(self, requirements: Sequence[str], *, yanked: str = "") -> tuple[str, tuple[str, ...]]:
        """The lock, and uv's options for it: CPU builds from PyTorch's own index where that can be reached.

        ``yanked`` is the one requirement that may be so.
        """
        backends: list[tuple[str, ...]] = [()]
        if "UV_TORCH_BACKEND" not in self.tools.environ and self._online() and self.reachable(PYTORCH_INDEX):
            backends.insert(0, ("--torch-backend", "auto" if self.matrix.policy.gpu else "cpu"))
        done, backend = Completed(code=1, stdout="", stderr=""), backends[0]
        with tempfile.TemporaryDirectory(prefix="compatmatrix-") as folder:
            wanted = Path(folder, "requirements.in")
            wanted.write_text("".join(f"{line}\n" for line in requirements), encoding="utf-8")
            for backend in backends:
                options: tuple[str | Path, ...] = (
                    "--generate-hashes",
                    "--no-header",
                    "--no-annotate",
                    "--python",
                    self.python.path,
                    *backend,
                )
                done = self.tools.uv("pip", "compile", *options, wanted)
                # That index has not every release of torch: the configured ones may have the one asked for.
                if done.ok or diagnose(done, EnvReason.CONFLICT) not in (EnvReason.CONFLICT, EnvReason.UNREACHABLE):
                    break
        if not done.ok:
            reason = diagnose(done, EnvReason.CONFLICT)
            raise failure(reason, f"{redact(', '.join(requirements))}: {_explanation(done)}", log=done.log)
        self._no_yanked(done, yanked)
        return done.stdout, backend

    def _online(self) -> bool:
        return not (self.tools.environ.get(NO_INDEX) or self.tools.environ.get("UV_OFFLINE"))

    def _no_yanked(self, done: Completed, allowed: str) -> None:
        found = [match for match in _YANKED.finditer(done.stderr) if match["pin"] != allowed]
        yanked = [f"{match['pin']} ({match['why'] or 'no reason given'})" for match in found]
        if yanked:
            raise failure(
                EnvReason.YANKED,
                f"yanked from the index by its makers: {'; '.join(yanked)}",
                hint="name another release in matrix.yaml, or give the source `yanked: true`",
            )

    def _no_gpu(self, packages: Sequence[Package]) -> None:
        found = [f"{each.name} {each.version}" for each in packages if _is_gpu(each)]
        if found and not self.matrix.policy.gpu:
            raise failure(
                EnvReason.UNEXPECTED_GPU_PACKAGES,
                f"only a GPU build of torch was found, and it was not asked for: {', '.join(found[:6])}"
                + (f" and {len(found) - 6} more" if len(found) > 6 else ""),
                hint=f"make {PYTORCH_INDEX} reachable, give pip a directory with a CPU build (find-links), "
                "or ask for gigabytes of CUDA with `gpu: true` under policy in matrix.yaml",
            )


def _is_gpu(package: Package) -> bool:
    local = package.version.partition("+")[2]
    return bool(_GPU.match(package.name)) or (package.name == "torch" and local not in ("", "cpu"))


def _explanation(done: Completed) -> str:
    """The resolver's reasoning in one line; other messages end with what matters."""
    words = " ".join(done.stderr.split())
    _, found, why = words.partition("No solution found when resolving dependencies cause: ")
    return why[:600] if found else last_line(done.stderr)


def parse(lock: str, located: Located | None = None) -> tuple[Package, ...]:
    """The packages of a lock. Raises :class:`EnvironmentFailure` where one is not exact.

    Every line has a hash, except a git source, which its commit pins.
    """
    packages = []
    for block in re.split(r"\n(?=[^\s#])", "\n" + re.sub(r"(?m)^\s*#.*\n?", "", lock)):
        if not block.strip():
            continue
        requirement = Requirement(block.split("\\\n")[0].strip())
        name = canonicalize_name(requirement.name)
        version = str(requirement.specifier).removeprefix("==")
        if name == PACKAGE and located is not None and requirement.url:
            version = located.transformers or ""
        exact = "--hash=" in block or re.search(r"^git\+.*@[0-9a-f]{40}$", requirement.url or "")
        if not exact:
            raise failure(EnvReason.INSTALL_FAILED, f"the lock has no hash for {name}")
        packages.append(Package(name=name, version=version))
    return tuple(packages)


@functools.cache
def _reachable(url: str) -> bool:
    """Whether a server answers at all, within seconds: uv would try for ten."""
    request = urllib.request.Request(url, method="HEAD")  # noqa: S310 - a constant https address
    try:
        with urllib.request.urlopen(request, timeout=5):  # noqa: S310
            return True
    except OSError:
        return False
