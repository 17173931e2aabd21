"""Keep third-party readers from warning and logging about files that we judge ourselves."""

from __future__ import annotations

import logging
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


def reason(error: BaseException) -> str:
    """Return the first line of a third-party message, fit to stand inside a sentence."""
    lines = str(error).strip().splitlines()
    text = lines[0].strip().rstrip(".:") if lines else type(error).__name__
    return text if len(text) <= 200 else text[:197] + "..."
