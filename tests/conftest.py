"""Tests of the host need no torch. Those in ``scenarios`` and ``virtualcuda`` run inside a column's environment."""

import importlib.util

collect_ignore = [] if importlib.util.find_spec("torch") else ["scenarios", "virtualcuda"]
