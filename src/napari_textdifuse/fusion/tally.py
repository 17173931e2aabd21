"""Counts network evaluations, tells the callback about each, and hears when it wants to stop."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from ..errors import Cancelled
from .result import Progress

Floats = npt.NDArray[np.float32]
#: Called after every network evaluation; returning False cancels the run.
Callback = Callable[[Progress], bool | None]


def report(callback: Callback | None, progress: Progress) -> None:
    """Tell a callback where a run stands.

    Raises
    ------
    Cancelled
        If it asks for that.
    """
    if callback is not None and callback(progress) is False:
        raise Cancelled("The fusion was cancelled; no result was made.")


class Tally:
    """Network evaluations of one run.

    Parameters
    ----------
    callback : callable, optional
    slices : int
    total : int
        Evaluations to be made.
    """

    def __init__(self, callback: Callback | None, slices: int, total: int) -> None:
        self.callback = callback
        self.slices = slices
        self.done = 0
        self.total = total

    def advance(self, index: int, estimate: Floats) -> None:
        """Count one evaluation.

        Parameters
        ----------
        index : int
            Slice that is being worked on.
        estimate : ndarray of float32, shape (Y, X)
            Running estimate of its brightness.

        Raises
        ------
        Cancelled
            If the callback asked for it.
        """
        self.done += 1
        shown = np.clip(estimate, 0, 1)
        report(self.callback, Progress(self.done, self.total, index, self.slices, shown))

    def skip(self, evaluations: int) -> None:
        """Count evaluations that need not be made."""
        self.done += evaluations
