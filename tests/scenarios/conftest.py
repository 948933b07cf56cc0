"""Each test begins and ends with torch's own default dtype: a load that is stopped half-way leaves another behind."""

from collections.abc import Iterator

import pytest
import torch


@pytest.fixture(autouse=True)
def _default_dtype() -> Iterator[None]:
    yield
    torch.set_default_dtype(torch.float32)
