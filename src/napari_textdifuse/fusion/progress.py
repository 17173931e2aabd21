"""Progress: network evaluations are counted and reported, and the callback may cancel the run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..errors import Cancelled

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Progress:
    """The progress of a running fusion; passed to the callback after every network step.

    Parameters
    ----------
    step, total : int
        Steps done and to be done, over all slices and chains.
    slice_index, slices : int
        Which slice is being fused, of how many.
    estimate : ndarray of float32, shape (Y, X), or None
        The running clean estimate of the fused brightness (Eq. 8), in [0, 1]; for a large image
        that of a tile. None while images are registered.
    stage : {"registration", "fusion"}
        The step count restarts in each.
    """

    step: int
    total: int
    slice_index: int
    slices: int
    estimate: Floats | None
    stage: str = "fusion"


#: Called after every network evaluation; returning False cancels the run.
Callback = Callable[[Progress], bool | None]


def report(callback: Callback | None, progress: Progress) -> None:
    """Call the callback, if there is one.

    Raises
    ------
    Cancelled
        If it returns False.
    """
    if callback is not None and callback(progress) is False:
        raise Cancelled("The fusion was cancelled; no result was created.")


class ProgressCounter:
    """Count the network evaluations of one run.

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
            If the callback returns False.
        """
        self.done += 1
        shown = np.clip(estimate, 0, 1)
        report(self.callback, Progress(self.done, self.total, index, self.slices, shown))

    def skip(self, evaluations: int) -> None:
        """Count evaluations that are skipped."""
        self.done += evaluations
