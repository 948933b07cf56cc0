"""``python -m virtualcuda``: see cli.py."""

from virtualcuda.cli import main

if __name__ == "__main__":
    main()
