"""The cases of test_cross_device.py and test_refusals.py, with the CPU in the place of the second card."""

import warnings
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

from tests.virtualcuda import test_cross_device, test_refusals
from tests.virtualcuda.card.machine import HERE, ask

Case = tuple[str, Callable[[], str]]


def cases() -> Iterator[Case]:
    """Each by its name there."""
    for kind, found in (("refused", test_cross_device.REFUSED), ("taken", test_cross_device.TAKEN)):
        for name, entry in found.items():
            yield f"{kind}: {name}", _asking(entry[0] if isinstance(entry, tuple) else entry)
    for name, (function, _) in test_refusals.REFUSED.items():
        yield f"refusals: {name}", _asking(function)


def _asking(function: Any) -> Callable[[], str]:
    def asked() -> str:
        one_card = {
            "on1": test_cross_device.host,
            "ids": _with_the_cpu(test_cross_device.ids),
            "mask": _with_the_cpu(test_cross_device.mask),
        }
        with mock.patch.multiple(test_cross_device, **one_card), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ask(function)

    return asked


def _with_the_cpu(maker: Any) -> Any:
    return lambda device, *rest: maker(device if device == HERE else "cpu", *rest)
