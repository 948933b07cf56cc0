"""Scenarios that tell secrets wherever one can say something. ``PLANTED`` is replaced by what is to be told."""

import logging
import os
import subprocess
import sys
import warnings

from compatprobe import Cell, Skip, Unsupported, scenario

TOLD = PLANTED  # type: ignore[name-defined]  # noqa: F821


def text(where: str) -> str:
    """Everything that is planted, the variable that was asked for, and where it was said."""
    return "at-{} {} {}".format(where, os.environ.get("LC_ASKED", ""), TOLD)


@scenario(
    title="Tells secrets " + TOLD,
    params={"how": ("raises", "wrong", "skips", "lacks", "dies", "prints")},
    needs=("env:LC_ASKED",),
)
def tell(cell: Cell, how: str) -> None:
    import transformers

    if transformers.__version__ == "1.0.1" and how in ("prints", "wrong"):
        how = "raises"
    print(text("stdout"), flush=True)
    print(text("stderr"), file=sys.stderr, flush=True)
    subprocess.run(["cat"], input=text("child").replace("\0", "").encode(), check=True)
    warnings.warn(text("warning"), stacklevel=1)
    logging.getLogger("transformers").error(text("logging"))
    cell.step(text("step"))
    cell.fact(text("fact"), {text("key"): [text("value")]})
    cell.architectures[text("architecture")] = False
    cell.check(text("check"), 0, 0, text("detail"))
    if how == "wrong":
        cell.check(text("wrong"), 1, 0, text("why"))
    elif how == "skips":
        raise Skip(text("skip"))
    elif how == "lacks":
        raise Unsupported("api", text("evidence"))
    elif how == "dies":
        os._exit(3)
    elif how == "raises":
        try:
            raise type(text("type").replace("\0", ""), (ValueError,), {})(text("cause"))
        except ValueError as error:
            raise RuntimeError(text("message")) from error


tell.function.__doc__ = tell.doc = "Doc " + TOLD
