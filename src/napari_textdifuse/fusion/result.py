"""What a fusion gives back."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from ..locate import Detections
from ..volume import Volume

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Progress:
    """Where a running fusion stands; handed to the callback after every network step.

    Parameters
    ----------
    step, total : int
        Steps done and to be done, over all slices and chains.
    slice_index, slices : int
        Which slice is being fused, of how many.
    estimate : ndarray of float32, shape (Y, X), or None
        The running clean estimate of the fused brightness (Eq. 8), in [0, 1]; of a large picture
        that of a tile. None while images are registered.
    stage : {"registration", "fusion"}
        Steps are counted anew in each.
    """

    step: int
    total: int
    slice_index: int
    slices: int
    estimate: Floats | None
    stage: str = "fusion"


@dataclass(frozen=True)
class FusionResult:
    """A fused image with its mask, evidence and record.

    Parameters
    ----------
    fused : ndarray of float32
        ``(Y, X)`` or ``(Y, X, 3)``, a leading Z for volumes; in [0, 1]. On the first input's grid,
        or that of its chosen slices.
    mask : ndarray of uint8, or None
        Label ``k`` is the k-th object; shape of the grid. None without prompt, mask or boxes.
    detections : Detections
        Boxes in pixels of the grid, scores and labels.
    contribution : ndarray of float32
        Share of each pixel that came from the first input, from the FCM's weights; in [0, 1].
    uncertainty : ndarray of float32, or None
        Standard deviation of the fused brightness over seeds; None for a single sample.
    record : dict
        How the result was made; plain values, ready for JSON. Holds no patient identity.
    label_names : dict of int to str
        What each label of the mask stands for.
    affine : ndarray, shape (4, 4), or None
        Of the first input, or of its chosen slices (see `Volume`).
    """

    fused: Floats
    mask: npt.NDArray[np.uint8] | None
    detections: Detections
    contribution: Floats
    uncertainty: Floats | None
    record: dict[str, Any]
    label_names: dict[int, str] = field(default_factory=dict)
    affine: npt.NDArray[np.float64] | None = None

    @property
    def rgb(self) -> bool:
        """Whether the fused image has colour."""
        return self.fused.ndim > self.contribution.ndim

    def volume(self, name: str = "fused") -> Volume:
        """Return one of the images as a `Volume` on the first input's grid.

        Parameters
        ----------
        name : {"fused", "mask", "contribution", "uncertainty"}

        Raises
        ------
        ValueError
            If there is no such image in this result.
        """
        array = getattr(self, name) if name in _IMAGES else None
        if array is None:
            raise ValueError(f"This result has no image {name!r}.")
        return Volume(
            array,
            affine=self.affine,
            rgb=name == "fused" and self.rgb,
            name=name,
            unit="label" if name == "mask" else "a.u.",
        )

    def __repr__(self) -> str:
        found = ", ".join(f"{n!r}" for n in self.label_names.values()) or "no prompt"
        seconds = self.record.get("seconds", float("nan"))
        return (
            f"FusionResult(fused {self.fused.shape} float32, {found}, "
            f"{len(self.detections)} detections, {seconds:.2f} s; not for diagnosis)"
        )


_IMAGES = ("fused", "mask", "contribution", "uncertainty")
