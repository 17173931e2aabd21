"""Display windows: measured values to [0, 1] and back, and presets by unit."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from .errors import InputError
from .memory import parts
from .volume import FUNCTIONAL, SAMPLED_SLICES, Volume

Floats = npt.NDArray[np.float32]

#: Soft tissue to cortical bone: MRI shows the brain better, so CT contributes its bone.
CT_WINDOW = (-100.0, 900.0)
#: Option value for a layer's contrast limits, and their key in a volume's metadata.
SHOWN = "shown"
#: Upper end of the SUV window of a body scan; bladder and kidneys may reach SUV 80.
SUV_BODY = 10.0
#: Length in mm of a scan longer than head and neck, and axial area in cm2 larger than that of any
#: head (at most about 380 with its blur). A smaller one is of the body if its maximum exceeds that
#: of any brain and almost nothing is above `SUV_BODY`; of a slice, a bladder is a larger part.
BODY_MM, BODY_CM2 = 350.0, 420.0
SUV_EXCRETED, EXCRETED_PART, EXCRETED_PART_OF_SLICE = 25.0, 0.005, 0.08
#: Tissue is above this part of SUV 1; the air around it is below.
TISSUE = 0.3
#: Upper ends of other SUV windows; the first that leaves a quarter of headroom is taken.
SUV_TOPS = (2.5, 5.0, 7.5, 10.0, 15.0, 20.0, 30.0, 40.0, 60.0, 80.0, 100.0)


#: Units in which 0 means nothing, and negative values are noise of the reconstruction.
FROM_ZERO = ("Bq/mL", "counts")
#: Origin of the window of a body scan that is not in SUV.
TEN_TIMES = "ten times the mean of the body"


@dataclass(frozen=True)
class Window:
    """A range of measured values that is displayed from black to white.

    Parameters
    ----------
    low, high : float
        In `unit`; ``high > low``.
    unit : str
        Unit of the window; an SUV window is meaningless for Bq/mL.
    origin : str
        Source of the window, for the record.
    """

    low: float
    high: float
    unit: str
    origin: str

    def normalise(self, values: npt.NDArray[Any]) -> Floats:
        """Map to [0, 1], clipped; values that are not finite become 0."""
        shown = np.empty(values.shape, np.float32)
        for part in parts(values.shape) if values.ndim else (...,):
            scaled = (values[part].astype(np.float64) - self.low) / (self.high - self.low)
            scaled = np.nan_to_num(scaled, nan=0.0, posinf=1.0, neginf=0.0)
            shown[part] = np.clip(scaled, 0, 1)
        return shown

    def restore(self, shown: npt.NDArray[Any]) -> Floats:
        """Map [0, 1] back to measured values (exact inside the window)."""
        return (shown.astype(np.float64) * (self.high - self.low) + self.low).astype(np.float32)


def _ct(centre: float, width: float, name: str) -> Window:
    return Window(centre - width / 2, centre + width / 2, "HU", f"preset {name}")


def _pet(top: float) -> Window:
    return Window(0.0, top, "SUVbw", f"preset PET 0-{top:g} SUV")


#: Usual windows in radiology, by name. CT: width and level as listed by Radiopaedia
#: ("Windowing (CT)"); where it gives a range, its middle. PET: the linear scales from 0 in common
#: use for FDG.
PRESETS: dict[str, Window] = {
    "brain": _ct(40, 80, "brain"),
    "subdural": _ct(75, 215, "subdural"),
    "stroke": _ct(40, 40, "stroke"),
    "temporal bone": _ct(600, 2800, "temporal bone"),
    "bone": _ct(400, 1800, "bone"),
    "lung": _ct(-600, 1500, "lung"),
    "mediastinum": _ct(50, 350, "mediastinum"),
    "abdomen": _ct(50, 400, "abdomen"),
    "liver": _ct(30, 150, "liver"),
    "soft tissue to bone": Window(*CT_WINDOW, "HU", "preset soft tissue to bone"),
    "PET 0-5 SUV": _pet(5),
    "PET 0-7 SUV": _pet(7),
    "PET 0-10 SUV": _pet(10),
    "PET 0-20 SUV": _pet(20),
}


def presets(unit: str) -> dict[str, Window]:
    """Return the presets that belong to a unit, by name; none for arbitrary units."""
    return {name: window for name, window in PRESETS.items() if window.unit == unit}


def with_window(volume: Volume, window: Window | str | None) -> Volume:
    """Return the volume with another display window.

    Parameters
    ----------
    volume : Volume
    window : Window, str or None
        A window or the name of a preset; None removes it, so that `default_window` chooses.

    Returns
    -------
    Volume

    Raises
    ------
    InputError
        If there is no such preset, or the window belongs to another unit.
    """
    if window is None:
        return replace(volume, window=None)
    if isinstance(window, str):
        if window not in PRESETS:
            known = ", ".join(presets(volume.unit)) or "a low and a high value"
            raise InputError(
                f"there is no window preset {window!r} for values in {volume.unit}; use {known}."
            )
        window = PRESETS[window]
    if window.unit != volume.unit:
        raise InputError(
            f"{volume.name}: a window in {window.unit} ({window.origin}) does not apply to values "
            f"in {volume.unit}; choose one in {volume.unit}, or none."
        )
    return replace(volume, window=(window.low, window.high))


def default_window(volume: Volume) -> Window:
    """Choose the window with which a volume is fused.

    The file's own window has priority, then a fixed one for the unit (HU, SUVbw), then the type's
    range (8 bits; 16 bits of colour; floats within [0, 1]), and only then percentiles.

    Parameters
    ----------
    volume : Volume
        Must contain at least one finite value.

    Returns
    -------
    Window
    """
    if volume.window is not None and volume.window[1] > volume.window[0]:
        return Window(*volume.window, volume.unit, "file")
    if volume.unit == "HU":
        return PRESETS["soft tissue to bone"]
    array = volume.array[..., :3] if volume.rgb else volume.array  # alpha is not brightness
    if array.dtype == np.bool_:
        return Window(0, 1, volume.unit, "type")
    if array.dtype == np.uint8:
        return Window(0, 255, volume.unit, "type")
    finite = array[np.isfinite(array)]
    low, high = (float(v) for v in (finite.min(), finite.max()))
    if volume.rgb and array.dtype == np.uint16 and high >= 2**14:  # less: a camera's 10 to 14 bits
        return Window(0, 65535, volume.unit, "type")
    if volume.unit.startswith("SUV"):
        if (volume.modality or "PT") == "PT" and _is_body(volume, finite, 1.0):
            return Window(0, SUV_BODY, volume.unit, f"preset body PET 0-{SUV_BODY:g} SUV")
        # the maximum, not a percentile: the hottest lesion is small and is what matters
        top = next((t for t in SUV_TOPS if t >= 1.25 * high), 1.25 * high)
        return Window(0, top, volume.unit, "preset SUV with headroom")
    if array.dtype.kind == "f" and low >= 0 and high <= 1:
        return Window(0, 1, volume.unit, "values in [0, 1]")
    bottom, top = _percentiles(finite, (0.1, 99.9))
    origin = "percentiles 0.1 and 99.9"
    of_zero = low >= 0 and bottom < 0.1 * top
    if volume.modality == "PT" and not volume.rgb:
        level = _tissue_level(finite)
        if SUV_BODY * level < top and _is_body(volume, finite, level):
            return Window(0, float(f"{SUV_BODY * level:.2g}"), volume.unit, TEN_TIMES)
    from_zero = volume.unit in FROM_ZERO or volume.modality in FUNCTIONAL
    if of_zero or (from_zero and top > 0):
        bottom, origin = 0.0, "0 and percentile 99.9"
    if top <= bottom:
        bottom, top, origin = low, high, "minimum and maximum"
    if top <= bottom:  # constant
        bottom, top, origin = min(0.0, low), max(0.0, low), "0 and the constant value"
    if top <= bottom:
        bottom, top, origin = 0.0, 1.0, "all zero"
    return Window(bottom, top, volume.unit, origin)


def _percentiles(values: npt.NDArray[Any], wanted: tuple[float, ...]) -> list[float]:
    """Return `numpy.percentile` of float64, without converting all values; they are reordered."""
    at = np.array(wanted) / 100 * (len(values) - 1)
    below = np.floor(at).astype(int)
    above = np.minimum(below + 1, len(values) - 1)
    values.partition(np.unique([below, above]))
    low, high = values[below].astype(np.float64), values[above].astype(np.float64)
    part, step = at - below, high - low
    return np.where(part < 0.5, low + step * part, high - step * (1 - part)).tolist()


def _is_body(volume: Volume, values: npt.NDArray[Any], level: float) -> bool:
    """Distinguish a PET of the body from one of the head by its size, else by its values.

    `level` is SUV 1 in the unit of the values.
    """
    if not level > 0:
        return False
    if volume.affine is not None:
        counts = np.array(volume.shape[::-1])
        along = np.abs(volume.affine[2, : volume.ndim] * counts)
        if volume.ndim == 3 and float(along.max()) > BODY_MM:
            return True
        if _axial_area(volume, TISSUE * level) > BODY_CM2:
            return True
    most = EXCRETED_PART if volume.ndim == 3 else EXCRETED_PART_OF_SLICE
    excreted = float((values > SUV_BODY * level).mean()) < most
    return excreted and float(values.max()) > SUV_EXCRETED * level


def _axial_area(volume: Volume, floor: float) -> float:
    """Return the largest area in cm2 that is above a value in an axial slice; 0 for other slices.

    Noise in the air is averaged over 20 mm.
    """
    from scipy.ndimage import uniform_filter

    assert volume.affine is not None
    linear = volume.affine[:3, :3]
    axis = int(np.argmax(np.abs(linear[2]) / np.linalg.norm(linear, axis=0)))  # of x, y, z
    if volume.ndim == 2 and axis != 2:
        return 0.0
    across = float(np.linalg.norm(np.cross(*np.delete(linear, axis, axis=1).T)))
    slices = volume.array[None] if volume.ndim == 2 else np.moveaxis(volume.array, 2 - axis, 0)
    width = max(1, round(20 / np.sqrt(across)))
    chosen = slices[:: max(1, len(slices) // 16)].astype(np.float32)
    means = uniform_filter(np.nan_to_num(chosen, posinf=0, neginf=0), (0, width, width))
    return float((means > floor).sum(axis=(1, 2)).max()) * across / 100


def _tissue_level(values: npt.NDArray[Any]) -> float:
    """Estimate SUV 1 in the unit of a PET: over a whole body the mean SUV is 1 by definition.

    Bladder, brain and other hot parts are at most a twentieth of it.
    """
    positive = values[values > 0]
    if not positive.size:
        return 0.0
    tissue = positive[positive > 0.2 * np.percentile(positive, 95)]
    return float(tissue[tissue <= np.percentile(tissue, 95)].mean(dtype=np.float64))


def whole_window(volume: Volume) -> tuple[Window, tuple[str, ...]]:
    """Return the window of the whole volume, regardless of the fused part.

    Parameters
    ----------
    volume : Volume
        Uncropped. A lazy image is sampled at evenly spaced slices.

    Returns
    -------
    window : Window
    notes : tuple of str
        A note if the window is based on a sample.
    """
    part = volume.sampled()
    if (
        part.affine is None and volume.affine is not None
    ):  # length of the whole volume, not of the part
        length = len(volume.array) / max(len(part.array), 1)
        part = replace(part, affine=volume.affine @ np.diag([1.0, 1.0, length, 1.0]))
    window = default_window(part)
    if window.origin.startswith(("preset body", TEN_TIMES)):
        top = float(np.nanmax(part.array))
        if top <= window.high:
            return window, ()
        return window, (
            f"{volume.name} was taken for a PET of the body and displayed from 0 to "
            f"{window.high:g} {window.unit}. Higher values (up to {top:.3g}) look the same; choose "
            "another window to distinguish them.",
        )
    fixed = window.origin == "file" or window.origin.startswith(("preset soft", "type"))
    if fixed or not volume.is_lazy or volume.shape[0] <= SAMPLED_SLICES:
        return window, ()
    note = (
        f"The display window of {volume.name} is based on {SAMPLED_SLICES} of {volume.shape[0]} "
        "slices, evenly spaced."
    )
    return window, (note,)


def choose_windows(
    a: Volume, b: Volume, windows: Mapping[str, Any] | str | None = None
) -> tuple[dict[str, Window], tuple[str, ...]]:
    """Return the windows with which a pair is fused.

    Parameters
    ----------
    a, b : Volume
        Uncut.
    windows : mapping, optional
        For ``"a"``, ``"b"`` or both: ``(low, high)`` in the image's unit, a preset's name, a
        `Window`, or ``"shown"`` for the contrast limits of a layer; a single word applies to
        both. By default, and for None, `whole_window`.

    Returns
    -------
    windows : dict of str to Window
        Keys "a" and "b".
    notes : tuple of str

    Raises
    ------
    InputError
        If a window is empty, unknown, or belongs to another unit than the image's values.
    """
    asked = {"a": windows, "b": windows} if isinstance(windows, str) else dict(windows or {})
    unknown = set(asked) - {"a", "b"}
    if unknown:
        raise InputError(f"windows accepts the keys 'a' and 'b', not {unknown.pop()!r}.")
    chosen: dict[str, Window] = {}
    notes: list[str] = []
    for role, volume in (("a", a), ("b", b)):
        wanted = asked.get(role)
        as_shown = isinstance(wanted, str) and wanted == SHOWN
        if as_shown and not volume.rgb:
            chosen[role] = _shown(volume, role)
        elif wanted is None or as_shown:  # colours are displayed unchanged
            chosen[role], more = whole_window(volume)
            notes += more
        else:
            chosen[role] = _window(wanted, volume)
        window, gamma = chosen[role], volume.metadata.get("gamma")
        if gamma is not None and (window.low, window.high) == volume.metadata[SHOWN]:
            notes.append(
                f"Image {role.upper()} is displayed with a gamma of {gamma:.3g}, which is not "
                "applied; only its contrast limits are."
            )
    return chosen, tuple(notes)


def _shown(volume: Volume, role: str) -> Window:
    limits = volume.metadata.get(SHOWN)
    if limits is None:
        raise InputError(
            f"image {role.upper()} is not a layer and has no contrast limits; use "
            "a low and a high value, a preset's name, or nothing."
        )
    return Window(float(limits[0]), float(limits[1]), volume.unit, "layer's contrast limits")


def _window(wanted: Any, volume: Volume) -> Window:
    if isinstance(wanted, (str, Window)):
        with_window(volume, wanted)  # the unit must fit
        return PRESETS[wanted] if isinstance(wanted, str) else wanted
    try:
        low, high = (float(v) for v in wanted)
    except (TypeError, ValueError):
        raise InputError(
            f"a window must be (low, high) in {volume.unit}, or a preset's name, not {wanted!r}."
        ) from None
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise InputError(
            f"the window {low:g} to {high:g} {volume.unit} is empty; low must be less than high."
        )
    return Window(low, high, volume.unit, "asked for")
