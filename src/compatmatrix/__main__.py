"""``python -m compatmatrix``."""

from compatmatrix.cli import main

main()
