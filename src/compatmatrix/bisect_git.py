"""Commits between two releases, from a clone that is kept in the state directory."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from compatmatrix.indexes import uv_environment
from compatmatrix.redaction import redact
from compatmatrix.results import EnvReason
from compatmatrix.text import one_line
from compatmatrix.tools import Completed, Subprocesses, last_line
from compatmatrix.uvtool import PATIENCE, Tools, failure


@dataclass(frozen=True, kw_only=True)
class Line:
    """A line of commits, oldest first: the last one that both releases share, then those that lead to the newer one."""

    commits: tuple[str, ...]
    subjects: Mapping[str, str]


class Clone:
    """A repository without a work tree and, where the server allows it, without contents: only history is read."""

    def __init__(self, url: str, state: Path, environ: Mapping[str, str]) -> None:
        self.url = url
        self._tools = Tools(runner=Subprocesses(), environ=uv_environment(environ))
        self._path = state / "git" / hashlib.sha256(url.encode()).hexdigest()[:16]

    def update(self) -> None:
        """Clone, or fetch what is new; raises :class:`EnvironmentFailure` (unreachable)."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(self._path.with_suffix(".lock")):
            if (self._path / "HEAD").exists():
                done = self._git("fetch", "--quiet", "--tags", "--force", "origin")
            else:
                bare = ("clone", "--quiet", "--bare", "--filter=blob:none", self.url, str(self._path))
                done = self._tools.git(*bare, timeout=PATIENCE)
        self._must(done, f"{redact(self.url)} cannot be reached")

    def line(self, old: str, new: str) -> Line:
        """The commits from one tag to another; raises :class:`EnvironmentFailure` (no-such-release) without them.

        The first is the newest commit that both share: releases are tagged on branches of their own.
        """
        base = self._must(self._git("merge-base", old, new), f"{redact(self.url)} has no tags {old} and {new}").strip()
        listed = self._git("log", "--first-parent", "--reverse", "--format=%H %s", f"{base}..{new}")
        pairs = [line.partition(" ") for line in self._must(listed, "git log failed").splitlines()]
        named = self._must(self._git("log", "-1", "--format=%s", base), "git log failed").strip()
        subjects = {base: one_line(named, 120), **{commit: one_line(told, 120) for commit, _, told in pairs}}
        return Line(commits=tuple(subjects), subjects=subjects)

    def _git(self, *arguments: str) -> Completed:
        return self._tools.git(f"--git-dir={self._path}", *arguments, timeout=PATIENCE)

    def _must(self, done: Completed, what: str) -> str:
        if done.ok:
            return done.stdout
        reached = not done.timed_out and ("unknown revision" in done.stderr or "Not a valid object" in done.stderr)
        reason = EnvReason.NO_SUCH_RELEASE if reached else EnvReason.UNREACHABLE
        raise failure(reason, f"{what}: {last_line(done.stderr)}", log=done.log)
