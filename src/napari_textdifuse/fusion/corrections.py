"""Corrects the fused brightness of a slice by its sources, alike for every emphasis."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..colour import clear_haze, denoised_anatomy, keep_agreed, lost_anatomy, noisy_air
from .backend import NetworkChoice
from .options import FusionOptions

Floats = npt.NDArray[np.float32]
Frame = tuple[slice, slice]


@dataclass(frozen=True)
class Corrections:
    """Strengths of the corrections, each in [0, 1].

    Every correction is computed from the base, the image without emphasis, so that it does not take
    the emphasis back.

    Parameters
    ----------
    agreement : float
        Where both sources agree, the fused image stays close to them.
    anatomy : float
        Details of the anatomical image that the network lost come back.
    air : float
        Noise in the air around the body becomes black.
    haze : float
        Dark parts become as dark as in the darker source.
    """

    agreement: float
    anatomy: float
    air: float
    haze: float

    @classmethod
    def of(cls, options: FusionOptions, choice: NetworkChoice) -> Corrections:
        """Return those that the network needs, at the requested balance and restoration."""
        both = 1 - abs(options.balance)
        light, noise = options.restoration["light"], options.restoration["noise"]
        return cls(
            agreement=both if "agreement" in choice.corrections else 0.0,
            anatomy=both,
            air=noise if "air" in choice.corrections else 0.0,
            haze=light * both if "black" in choice.corrections else 0.0,
        )

    def tissue(self, x: Floats, y: Floats) -> Floats | None:
        """Return what is kept of each pixel when noise in the air is removed.

        Parameters
        ----------
        x, y : ndarray of float32, shape (N, Y, X)
            Sources in [0, 1].

        Returns
        -------
        ndarray of float32, shape (N, Y, X), or None
            In [0, 1]; None if everything is kept.
        """
        if not self.air:
            return None
        air = [noisy_air(*images) for images in zip(x, y, strict=True)]
        if all(part is None for part in air):
            return None
        kept = [np.ones_like(x[0]) if part is None else 1 - self.air * part for part in air]
        return np.stack(kept).astype(np.float32)

    def apply(
        self,
        luma: Floats,
        base: Floats,
        sources: tuple[Floats, Floats],
        anatomy: Floats | None,
        tissue: Floats | None,
        frame: Frame,
    ) -> tuple[Floats, Floats]:
        """Correct a fused slice.

        Parameters
        ----------
        luma, base : ndarray of float32, shape (Y, X)
            Fused brightness in [0, 1] with and without emphasis; may be changed in place.
        sources : tuple of ndarray of float32, shape (Y, X)
        anatomy : ndarray of float32, shape (Y, X), or None
            The source that shows the anatomy under measured colours.
        tissue : ndarray of float32, shape (Y, X), or None
            From `tissue`.
        frame : tuple of slice
            The part of the slice that was computed.

        Returns
        -------
        luma, base : ndarray of float32, shape (Y, X)
        """
        x, y = sources
        if self.agreement:
            inside = base[frame], x[frame], y[frame]
            back = np.float32(self.agreement) * keep_agreed(*inside)
            luma[frame] += back
            base[frame] += back
        if anatomy is not None:
            clean = denoised_anatomy(base, anatomy)
            lost = np.float32(self.anatomy) * lost_anatomy(base, clean)
            luma += lost
            base += lost
        if tissue is not None:
            luma *= tissue
            base *= tissue
        if self.haze:
            luma, base = clear_haze((luma, base), x, y, self.haze)
        return luma, base
