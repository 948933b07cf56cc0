"""The API that scenario files are written against: ``@scenario`` and ``Cell``.

A scenario is a function that takes a :class:`Cell` and one value of each of its parameters. It loads
something, and records *measurements*: each check is a number and the limit it must keep. Whether the
cell is green is decided by the host, from the record alone.
"""

import inspect
import itertools
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, Dict, Iterator, List, Mapping, Optional, Sequence, Tuple, Union

if TYPE_CHECKING:
    import torch

Params = Dict[str, str]
Needs = Union[Sequence[str], Callable[..., Sequence[str]]]

_NAME = re.compile(r"[a-z0-9][a-z0-9.+-]*")
_VALUE = re.compile(r"[A-Za-z0-9][A-Za-z0-9.:+_-]*")


class Unsupported(Exception):  # noqa: N818 - an answer, not an error
    """The version itself says that it has no such API: ``name``, and its own words as ``evidence``."""

    def __init__(self, name: str, evidence: str) -> None:
        super().__init__(f"{name}: {evidence}")
        self.name = name
        self.evidence = evidence


class Skip(Exception):  # noqa: N818 - an answer, not an error
    """This machine lacks what the scenario needs; the message names it."""


class Scenario:
    """One way of loading one kind of checkpoint, and what must hold afterwards.

    ``id`` is ``family/name``; the family is the package that holds the file. Its cells are the products
    of ``params``, less those that ``exclude`` is true for.
    """

    def __init__(
        self,
        function: Callable[..., None],
        *,
        name: str,
        title: str,
        params: Mapping[str, Sequence[str]],
        exclude: Optional[Callable[..., bool]],
        needs: Needs,
        claims: Sequence[str],
        cures: Sequence[str],
        timeout: Optional[float],
    ) -> None:
        self.function = function
        self.name = name
        self.title = title
        self.params = {key: tuple(values) for key, values in params.items()}
        self.exclude = exclude
        self.claims = tuple(claims)
        self.cures = tuple(cures)
        self.timeout = timeout
        self.doc = inspect.getdoc(function) or ""
        self._needs = needs

    def variants(self) -> Iterator[Params]:
        """Every combination of parameter values, in the order in which they are written."""
        for values in itertools.product(*self.params.values()):
            params = dict(zip(self.params, values))
            if self.exclude is None or not self.exclude(**params):
                yield params

    def needs(self, params: Params) -> Tuple[str, ...]:
        """What a variant needs of the machine, such as ``cuda``, ``virtual-cuda:2`` or ``env:HF_TOKEN``."""
        needed = self._needs(**params) if callable(self._needs) else self._needs
        return tuple(needed)

    @staticmethod
    def label(params: Params) -> str:
        """The variant's part of a cell id: ``[tied,disk]``, or nothing where there are no parameters."""
        return "[{}]".format(",".join(params.values())) if params else ""


def scenario(
    *,
    title: str,
    name: Optional[str] = None,
    params: Optional[Mapping[str, Sequence[str]]] = None,
    exclude: Optional[Callable[..., bool]] = None,
    needs: Needs = (),
    claims: Sequence[str] = (),
    cures: Sequence[str] = (),
    timeout: Optional[float] = None,
) -> Callable[[Callable[..., None]], Scenario]:
    """Declare a scenario.

    Args:
        title: one line for the table.
        name: its name in ids; the function's name with dashes where not given.
        params: parameter name -> its values; values are strings and make up the cell ids.
        exclude: called with one value of each parameter; true drops that combination.
        needs: what the machine must have, or a function of the parameters that says so.
        claims: the published claims that it measures, such as ``C2.1``.
        cures: ids (globs) of the scenarios that this one is said to cure.
        timeout: seconds, where the matrix's policy would be too short.
    """

    def declare(function: Callable[..., None]) -> Scenario:
        chosen = name or function.__name__.replace("_", "-")
        if not _NAME.fullmatch(chosen):
            raise ValueError(f"scenario name {chosen!r}: use small letters, digits, dots and dashes")
        values = dict(params or {})
        for key, options in values.items():
            if isinstance(options, str) or not options:
                raise ValueError(f"scenario {chosen!r}: params[{key!r}] must be a sequence of strings")
            for option in options:
                if not isinstance(option, str) or not _VALUE.fullmatch(option):
                    raise ValueError(f"scenario {chosen!r}: params[{key!r}]: {option!r} cannot stand in a cell id")
        return Scenario(
            function,
            name=chosen,
            title=title,
            params=values,
            exclude=exclude,
            needs=needs,
            claims=claims,
            cures=cures,
            timeout=timeout,
        )

    return declare


class Cell:
    """What a running scenario is given: a place to work in, and a notebook for measurements."""

    def __init__(self, id: str, directory: Path, progress: Callable[[str], None] = lambda step: None) -> None:
        self.id = id
        #: An empty directory of the cell's own, removed afterwards.
        self.directory = directory
        self.checks: List[Dict[str, Any]] = []
        self.fingerprint: Dict[str, Any] = {}
        self.architectures: Dict[str, bool] = {}
        #: Whether the model gave an output that was looked at; without one, an exception is all a user met.
        self.answered = False
        self.steps: List[Tuple[str, float]] = []
        self._progress = progress

    def step(self, name: str) -> None:
        """Say what comes next: it is shown where the cell fails, timed, and counts as progress."""
        self.steps.append((name, time.perf_counter()))
        self._progress(name)

    # -- measurements

    def check(self, name: str, measured: float, limit: float, detail: str = "") -> None:
        """Record a number and the limit it must not exceed; NaN never keeps a limit."""
        self.checks.append({"name": name, "measured": float(measured), "limit": float(limit), "detail": detail})

    def equal(self, name: str, observed: object, expected: object) -> None:
        """Record whether two values are equal."""
        same = observed == expected
        self.check(name, 0 if same else 1, 0, "" if same else f"observed {observed!r}, expected {expected!r}")

    def same_tensors(
        self, name: str, observed: "Mapping[str, torch.Tensor]", expected: "Mapping[str, torch.Tensor]"
    ) -> None:
        """Record how many of the expected tensors are missing or differ in any bit, shape or dtype."""
        from compatprobe.tensors import differences

        found = differences(observed, expected)
        shown = "; ".join(f"{key}: {why}" for key, why in list(found.items())[:8])
        more = f"; and {len(found) - 8} more" if len(found) > 8 else ""
        self.check(name, len(found), 0, shown + more)

    def close(self, name: str, observed: "torch.Tensor", expected: "torch.Tensor", tolerance: float) -> None:
        """Record an output's largest absolute difference; another shape, or a value not finite, is infinitely far."""
        from compatprobe.tensors import distance

        self.answered = True
        measured, detail = distance(observed, expected)
        self.check(name, measured, tolerance, detail)

    # -- facts for the fingerprint

    def fact(self, name: str, value: object) -> None:
        """Record something (JSON) about how this version behaves; it decides nothing, but its change is shown."""
        self.fingerprint[name] = value

    def model(self, model: "torch.nn.Module", name: str = "model") -> None:
        """Record where a model's tensors are, in which dtypes, what is tied, and a digest of their values."""
        from compatprobe.tensors import describe

        self.fact(name, describe(model))

    # -- what the version knows

    def api(self, name: str, module: str = "transformers") -> Any:
        """The attribute ``module.name``; where the version has none, the cell ends as unsupported.

        Something that is there and cannot be imported is another matter: that error passes through.
        """
        import importlib

        try:
            found = importlib.import_module(module)
        except ModuleNotFoundError as error:
            if error.name is None or not (module + ".").startswith(error.name + "."):
                raise
            raise Unsupported(f"{module}.{name}", str(error)) from error
        try:
            return getattr(found, name)
        except AttributeError as error:
            if error.__cause__ is not None or "has no attribute" not in str(error):
                raise
            raise Unsupported(f"{module}.{name}", str(error)) from error

    def architecture(self, model_type: str) -> bool:
        """Record (and return) whether this version's own registry knows a model type."""
        from transformers.models.auto.configuration_auto import CONFIG_MAPPING_NAMES

        known = model_type in CONFIG_MAPPING_NAMES
        self.architectures[model_type] = known
        return known
