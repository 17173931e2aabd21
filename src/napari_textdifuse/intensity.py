"""Display windows: measured values to [0, 1] and back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from .volume import Volume

Floats = npt.NDArray[np.float32]

#: Soft tissue to cortical bone: MRI shows the brain better, so CT contributes its bone.
CT_WINDOW = (-100.0, 900.0)
#: Upper ends of SUV windows; the first that leaves a quarter of headroom is taken.
SUV_TOPS = (2.5, 5.0, 7.5, 10.0, 15.0, 20.0, 30.0, 40.0, 60.0, 80.0, 100.0)


@dataclass(frozen=True)
class Window:
    """A range of measured values that is shown from black to white.

    Parameters
    ----------
    low, high : float
        In `unit`; ``high > low``.
    unit : str
        A window belongs to a unit: an SUV window means nothing for Bq/mL.
    origin : str
        Where the window comes from, for the record.
    """

    low: float
    high: float
    unit: str
    origin: str

    def normalise(self, values: npt.NDArray[Any]) -> Floats:
        """Map to [0, 1], clipped; values that are not finite become 0."""
        scaled = (values.astype(np.float64) - self.low) / (self.high - self.low)
        return np.clip(np.nan_to_num(scaled, nan=0.0, posinf=1.0, neginf=0.0), 0, 1).astype(
            np.float32
        )

    def restore(self, shown: npt.NDArray[Any]) -> Floats:
        """Map [0, 1] back to measured values (exact inside the window)."""
        return (shown.astype(np.float64) * (self.high - self.low) + self.low).astype(np.float32)


def default_window(volume: Volume) -> Window:
    """Choose the window a volume is fused with.

    The file's own window comes first, then a fixed one for the unit (HU, SUVbw), then the type's
    range (8 bits; floats within [0, 1]), and only then percentiles of the values.

    Parameters
    ----------
    volume : Volume
        Must hold at least one finite value.

    Returns
    -------
    Window
    """
    if volume.window is not None and volume.window[1] > volume.window[0]:
        return Window(*volume.window, volume.unit, "file")
    if volume.unit == "HU":
        return Window(*CT_WINDOW, "HU", "preset soft tissue to bone")
    array = volume.array
    if array.dtype == np.bool_:
        return Window(0, 1, volume.unit, "type")
    if array.dtype == np.uint8:
        return Window(0, 255, volume.unit, "type")
    finite = array[np.isfinite(array)].astype(np.float64)
    low, high = (float(v) for v in (finite.min(), finite.max()))
    if volume.unit.startswith("SUV"):
        # the maximum, not a percentile: what is hottest is small, and what is looked for
        top = next((t for t in SUV_TOPS if t >= 1.25 * high), 1.25 * high)
        return Window(0, top, volume.unit, "preset SUV with headroom")
    if array.dtype.kind == "f" and low >= 0 and high <= 1:
        return Window(0, 1, volume.unit, "values in [0, 1]")
    bottom, top = (float(v) for v in np.percentile(finite, (0.1, 99.9)))
    origin = "percentiles 0.1 and 99.9"
    if low >= 0 and bottom < 0.1 * top:
        bottom, origin = 0.0, "0 and percentile 99.9"
    if top <= bottom:
        bottom, top, origin = low, high, "minimum and maximum"
    if top <= bottom:  # constant
        bottom, top, origin = min(0.0, low), max(0.0, low), "0 and the constant value"
    if top <= bottom:
        bottom, top, origin = 0.0, 1.0, "all zero"
    return Window(bottom, top, volume.unit, origin)
