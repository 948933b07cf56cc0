"""How the program ends: the signals that ask for it, what it says then, and a status that stands."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from typing import Any, NoReturn

import click

from compatmatrix.cli.options import say
from compatmatrix.errors import Exit


class UnreadError(Exception):
    """Who read the output has gone."""


class Commands(click.Group):
    """A group whose commands end with :class:`UnreadError` where nobody reads on."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError as error:
            raise UnreadError from error  # click would end the program, with a status that means something else here


#: What asks a program to end; what it has started is ended first.
_ASKED = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
_TIMER = hasattr(signal, "setitimer")
_AGAIN = 0.02
"""Seconds until an interrupt that went astray is raised once more."""


def listen() -> None:
    """Take each of these signals for Ctrl-C. What is ignored (by nohup) stays so."""
    for number in _ASKED:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler)
    if _TIMER:
        signal.signal(signal.SIGALRM, signal.default_int_handler)
        sys.unraisablehook = _astray


def _astray(lost: sys.UnraisableHookArgs) -> None:
    # Raised in a destructor, or in what runs around a fork, an interrupt cannot be passed on, and Python drops it.
    if issubclass(lost.exc_type, KeyboardInterrupt):
        signal.setitimer(signal.ITIMER_REAL, _AGAIN)
    else:
        sys.__unraisablehook__(lost)


def no_more_signals() -> None:
    """From here on the process ends by itself: one more Ctrl-C would only spoil its message and its status."""
    for number in (*_ASKED, *([signal.SIGALRM] if _TIMER else [])):
        signal.signal(number, signal.SIG_IGN)


def tell(text: str) -> None:
    """One message to the user; the terminal may be what has gone."""
    with contextlib.suppress(OSError):
        say(text, err=True)


def leave(status: Exit) -> NoReturn:
    """End the process."""
    no_more_signals()
    if status is Exit.INTERRUPTED:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError):
                stream.flush()
        # Python would end itself by SIGINT, whatever was made of it, where the interrupt came while it executed source
        # text: a dataclass is made that way.
        os._exit(status)
    sys.exit(int(status))
