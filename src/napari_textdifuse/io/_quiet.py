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
    loggers = [
        logger
        for name in list(logging.root.manager.loggerDict)
        if name.split(".")[0] in packages
        # children with a level of their own (nibabel has one) do not follow their parent's
        for logger in [logging.getLogger(name)]
        if logger.level or "." not in name
    ]
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
