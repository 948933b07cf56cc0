"""A version-compatibility matrix runner for Hugging Face transformers: the host side."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("compatmatrix")
except PackageNotFoundError:  # run from a checkout that was never installed
    __version__ = "0+unknown"
