"""One real column, run once for all tests here."""

import pytest

from tests.real import column as real


@pytest.fixture(scope="package")
def column(tmp_path_factory: pytest.TempPathFactory) -> real.Column:
    return real.run(tmp_path_factory.mktemp("column"))
