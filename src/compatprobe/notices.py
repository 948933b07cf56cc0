"""What the libraries warn of while a cell runs, as strings that are equal when the warnings are."""

import logging
import re
import warnings
from typing import Any, Callable, Dict, List, Optional, TextIO, Tuple, Type, Union

LOGGERS = ("transformers", "accelerate")
_MOST = 200
_LONGEST = 2000

_RULES: Tuple[Tuple[str, str], ...] = (
    (r"\x1b\[[0-9;?]*[A-Za-z]", ""),
    (r"0x[0-9a-fA-F]+", "<address>"),
    (r"\b\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d[\d.,]*", "<time>"),
    (r"\b\d+(\.\d+)?\s?(ms|s|sec|seconds|it/s)\b", "<time>"),
    (r"""(?<![\w.:/])/(?:[^\s/'"<>:,;()\[\]]+/)+[^\s/'"<>:,;()\[\]]*""", "<path>"),
    (r"\s+", " "),
)
_COMPILED = [(re.compile(pattern), new) for pattern, new in _RULES]
_QUIET = (DeprecationWarning, PendingDeprecationWarning, ImportWarning, ResourceWarning, BytesWarning)


def normalise(text: str) -> str:
    """The text without colours, addresses, absolute paths and times, on one line and not too long."""
    for pattern, new in _COMPILED:
        text = pattern.sub(new, text)
    text = text.strip()
    return text if len(text) <= _LONGEST else text[:_LONGEST] + "…"


class Notices(logging.Handler):
    """Collects warnings, and log records of the libraries from WARNING on, while it is entered.

    Each is kept once, in the order of its first appearance, and still goes where it would have gone.
    """

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._seen: Dict[str, None] = {}
        self._catch = warnings.catch_warnings()
        self._show: Callable[..., None] = warnings.showwarning

    @property
    def texts(self) -> List[str]:
        """The normalised notices."""
        return list(self._seen)

    def __enter__(self) -> "Notices":
        self._catch.__enter__()
        self._show = warnings.showwarning
        warnings.resetwarnings()
        warnings.simplefilter("always")  # "once" would depend on what the process did before
        for category in _QUIET:
            warnings.simplefilter("ignore", category)
        warnings.showwarning = self._warned
        for name in LOGGERS:
            logging.getLogger(name).addHandler(self)
        return self

    def __exit__(self, *error: Any) -> None:
        for name in LOGGERS:
            logging.getLogger(name).removeHandler(self)
        self._catch.__exit__(*error)

    def emit(self, record: logging.LogRecord) -> None:
        self._keep(record.name, record.getMessage())

    def _warned(  # noqa: PLR0917 - as Python calls it
        self,
        message: Union[Warning, str],
        category: Type[Warning],
        filename: str,
        lineno: int,
        file: Optional[TextIO] = None,
        line: Optional[str] = None,
    ) -> None:
        self._keep(category.__name__, str(message))
        self._show(message, category, filename, lineno, file, line)

    def _keep(self, source: str, text: str) -> None:
        if len(self._seen) < _MOST:
            self._seen.setdefault(normalise("{}: {}".format(source, text)))
