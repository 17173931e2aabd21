"""Silence warnings and logs of third-party readers about files that this package checks itself."""

from __future__ import annotations

import logging
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def quiet(*packages: str) -> Iterator[None]:
    """Silence warnings raised in, and log records of, the named packages only.

    Parameters
    ----------
    *packages : str
        Import names, such as ``"pydicom"``. Usable as a context manager and as a decorator.
    """
    # children with a level of their own (nibabel has one) do not follow their parent's
    children = [
        name
        for name, logger in list(logging.root.manager.loggerDict.items())
        if name.split(".")[0] in packages and isinstance(logger, logging.Logger) and logger.level
    ]
    loggers = [logging.getLogger(name) for name in {*packages, *children}]
    if logging.root.manager.disable >= logging.CRITICAL:
        loggers = []  # as on the command line; changing a level clears the caches of all loggers
    levels = [logger.level for logger in loggers]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=rf"({'|'.join(packages)})(\.|$)")
        for logger in loggers:
            logger.setLevel(logging.CRITICAL + 1)
        try:
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)


#: Patterns of messages for programmers, which do not help a user.
_FOR_PROGRAMMERS = re.compile(
    r"\w(Error|Exception|Warning)\b|Error -?\d|NoneType|0x[0-9a-f]{4}|\[Errno|[<>{}\[\]]|\w\("
    r"|\b(dtype|ufunc|ndarray|u?int\d+|float\d+|str|bytearray|tuple|dict|NoneType|keyword|codec"
    r"|arguments?|attribute|literal|subscriptable|unpack|unhashable|iterable|broadcast|reshape"
    r"|operands?|buffer|struct|out of (bounds|range)|list index)\b|^\W*$|^'.*'$"
)
#: The folders of a path.
_FOLDERS = re.compile(r"(?:[A-Za-z]:|(?<![\w.]))[\\/](?:[^\\/'\"]*[\\/])*")


def reason(error: BaseException) -> str:
    """Return the first line of a third-party message, fit to stand inside a sentence.

    Parameters
    ----------
    error : BaseException

    Returns
    -------
    str
        Without folder names, which may identify patients; messages for programmers
        become "it contains invalid values".
    """
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    lines = str(error).strip().splitlines()
    text = lines[0].strip().rstrip(".:") if lines else ""
    # of a path only its last part
    text = _FOLDERS.sub("", text)
    if _FOR_PROGRAMMERS.search(text) or not text:
        return "it contains invalid values"
    return text if len(text) <= 200 else text[:197] + "..."
