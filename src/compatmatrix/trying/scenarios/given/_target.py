"""The checkpoint that is tried. `compatmatrix try` writes this file anew for each one."""

from typing import Any, Dict

TARGET: Dict[str, Any] = {}
