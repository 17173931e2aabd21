"""What of the log reaches the terminal: nothing, ours (``-v``), or everything (``--debug``)."""

from __future__ import annotations

import logging
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

#: The logger above all modules of this package.
OURS = __name__.split(".")[0]


@contextmanager
def quiet(debug: bool) -> Iterator[None]:
    """Keep the warnings and log lines of all libraries off the user's terminal."""
    if debug:
        yield
        return
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


@contextmanager
def shown(verbosity: int) -> Iterator[None]:
    """Show this package's log on stderr; other libraries stay quiet.

    Parameters
    ----------
    verbosity : int
        0: nothing; 1: what is done; 2 and more: also details.
    """
    if not verbosity:
        yield
        return
    logger, root = logging.getLogger(OURS), logging.getLogger()
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(name)s: %(message)s", "%H:%M:%S"))
    silent = logging.NullHandler()  # else Python itself shows the others' warnings
    before = logger.level, logger.propagate, root.manager.disable
    logger.setLevel(logging.DEBUG if verbosity > 1 else logging.INFO)
    logger.propagate = False
    logger.addHandler(handler)
    root.addHandler(silent)
    logging.disable(logging.NOTSET)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        root.removeHandler(silent)
        logger.level, logger.propagate = before[:2]
        logging.disable(before[2])
