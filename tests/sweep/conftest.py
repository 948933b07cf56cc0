"""The mini project and the small world of packages, for the tests of many releases."""

from tests.e2e.conftest import index, project
from tests.environment.conftest import index as server
from tests.environment.conftest import links, world

__all__ = ["index", "links", "project", "server", "world"]
