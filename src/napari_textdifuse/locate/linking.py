"""From boxes in single slices to objects in a volume."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from .boxes import Boxes, iou


def link(
    boxes: Boxes,
    slices: Sequence[int],
    kinds: Sequence[int],
    overlap: float = 0.3,
    reach: int = 2,
) -> npt.NDArray[np.intp]:
    """Say which boxes of neighbouring slices are the same object.

    Slice by slice, each object found so far gets at most one box of its kind, by the assignment
    with the largest total overlap. A slice in which the detector missed the object does not end
    it.

    Parameters
    ----------
    boxes : ndarray, shape (N, 4)
        XYXY in pixels.
    slices : sequence of int, length N
        The slice each box lies in.
    kinds : sequence of int, length N
        What each box was found for; different kinds are never one object.
    overlap : float
        Smallest intersection over union of two boxes of one object.
    reach : int
        Largest distance in slices; 2 bridges one slice without a box.

    Returns
    -------
    ndarray of int, shape (N,)
        Number of the object of each box, from 0.
    """
    from scipy.optimize import linear_sum_assignment  # half a second that opening a panel has not

    objects = np.full(len(boxes), -1, np.intp)
    of_slice, of_kind = np.asarray(slices, np.intp), np.asarray(kinds, np.intp)
    count = 0
    last: dict[int, int] = {}  # object -> its latest box
    for z in np.unique(of_slice):
        here = np.flatnonzero(of_slice == z)
        alive = [k for k, i in last.items() if z - of_slice[i] <= reach]
        latest = np.array([last[k] for k in alive], np.intp)
        shared = iou(boxes[latest].reshape(-1, 4), boxes[here])
        shared[of_kind[latest][:, None] != of_kind[here][None]] = 0
        for row, column in zip(*linear_sum_assignment(shared, maximize=True), strict=True):
            if shared[row, column] >= overlap:
                objects[here[column]] = alive[row]
        for i in here:
            if objects[i] < 0:
                objects[i] = count
                count += 1
            last[int(objects[i])] = int(i)
    return objects
