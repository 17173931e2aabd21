"""The values of both images at a position of the result, in their own units."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import numpy.typing as npt

from ...volume import MODALITY_NAMES, Array, Volume

Floats = npt.NDArray[np.float64]
#: Units as the field writes them.
_WORDS = {"SUVbw": "SUV", "label": ""}
#: Explains the status bar, where there is no room for it.
STATUS_TIP = (
    "Over a fused image or its mask: the values of both source images at the pointer, and the "
    "share of the fused pixel that comes from image B. a.u.: arbitrary units; the values have no "
    "physical unit."
)


class SourceValues:
    """Reads values of both images at the nearest voxel.

    Parameters
    ----------
    a, b : Volume
        As they were fused: `b` in its registered position.
    start : tuple of int
        Axis of the chosen slices of `a` and the first of them.
    """

    def __init__(self, a: Volume, b: Volume, start: tuple[int, int] = (0, 0)) -> None:
        self._volumes = {"a": a, "b": b}
        n = a.ndim
        self._first = np.zeros(n)
        self._first[start[0] if n == 3 else 0] = start[1] if n == 3 else 0
        self._maps: dict[str, tuple[Floats, Floats]] = {"a": (np.eye(n), np.zeros(n))}
        if a.affine is not None and b.affine is not None:
            from ...spatial.grid import index_map

            self._maps["b"] = index_map(b, a)
        else:  # without a place in space, images cover each other edge to edge
            scale = np.array(b.shape) / np.array(a.shape)
            self._maps["b"] = np.diag(scale), (scale - 1) / 2

    def at(self, role: str, indices: npt.ArrayLike) -> Array:
        """Return the values of image "a" or "b" at indices of the result; NaN outside.

        Parameters
        ----------
        role : {"a", "b"}
        indices : array_like, shape (N, n)

        Returns
        -------
        ndarray of float64, shape (N,)
            Brightness, for colours.
        """
        volume = self._volumes[role]
        matrix, offset = self._maps[role]
        places = (np.atleast_2d(np.asarray(indices, float)) + self._first) @ matrix.T + offset
        nearest = np.floor(places + 0.5).astype(np.intp)
        inside = ((nearest >= 0) & (nearest < np.array(volume.shape))).all(axis=1)
        values = np.full(len(nearest), np.nan)
        if inside.any():
            found = np.asarray(volume.array[tuple(nearest[inside].T)], float)
            values[inside] = found[..., :3].mean(axis=-1) if volume.rgb else found
        return values

    def words(self, index: npt.ArrayLike, share: float | None = None) -> str:
        """Return both values at a position, such as ``T1 512 a.u. | PET 4.2 SUV | from PET 63 %``.

        Parameters
        ----------
        index : array_like
            Of the result.
        share : float, optional
            How much of the fused value comes from image A, in [0, 1].
        """
        parts = []
        for role, volume in self._volumes.items():
            value = float(self.at(role, np.asarray(index, float)[None])[0])
            shown = "outside" if np.isnan(value) else with_unit(value, volume.unit)
            parts.append(f"{self.label(role)} {shown}")
        if share is not None:
            parts.append(f"from {self.label('b')} {100 * (1 - share):.0f} %")
        return " | ".join(parts)

    def label(self, role: str) -> str:
        """Return the contrast or modality of an image, or its name if both have the same."""
        titles = {key: _title(volume) for key, volume in self._volumes.items()}
        same = titles[role] is None or titles["a"] == titles["b"]
        return str(self._volumes[role].name if same else titles[role])

    def unit(self, role: str) -> str:
        """Return the unit of an image."""
        return self._volumes[role].unit


def _title(volume: Volume) -> str | None:
    return volume.contrast or MODALITY_NAMES.get(volume.modality or "", volume.modality)


def with_unit(value: float, unit: str) -> str:
    """Write a value with three digits and its unit."""
    number = f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return f"{number} {_WORDS.get(unit, unit)}".rstrip()


def unit_words(unit: str) -> str:
    """Write a unit as the field does."""
    return "arbitrary units" if unit == "a.u." else _WORDS.get(unit, unit)


def source_values(session: Any, start: tuple[int, int]) -> SourceValues | None:
    """Return the images of a session; None if they are lazy, and thus slow to read."""
    pair = getattr(session, "pair", None)
    a, b = getattr(pair, "a", None), getattr(pair, "b", None)
    if not isinstance(a, Volume) or not isinstance(b, Volume):
        return None
    if not all(isinstance(volume.array, np.ndarray) for volume in (a, b)):
        return None
    return SourceValues(a, b, start)


def quiet_status(layer: Any, position: Any = None, **options: Any) -> dict[str, str]:
    """Return napari's status of a layer, in 3-D also before the pointer has a direction.

    napari's Labels raise there (0.6 and 0.7).
    """
    displayed = options.get("dims_displayed")
    deep = displayed is not None and len(displayed) == 3
    if deep and options.get("view_direction") is None:
        position = None
    if position is None and hasattr(layer, "contour"):
        return dict(super(type(layer), layer).get_status(None, **options))
    return dict(type(layer).get_status(layer, position, **options))


def show_values(layer: Any, values: SourceValues, share: Array | None) -> None:
    """Let napari's status bar show both images' values over a layer of the result.

    Parameters
    ----------
    layer : Image or Labels
    values : SourceValues
    share : ndarray, or None
        How much of each pixel comes from image A.
    """

    # napari has no hook for a layer's status, so the method of this one layer is wrapped
    def get_status(position: Any = None, **options: Any) -> dict[str, str]:
        status = quiet_status(layer, position, **options)
        if position is None or len(options.get("dims_displayed") or ()) == 3:
            return status
        point = np.asarray(position, float)[-layer.ndim :]
        index = layer.world_to_data(point) if options.get("world") else point
        shape = layer.data.shape[: layer.ndim]
        place = tuple(int(np.floor(v + 0.5)) for v in index)
        if any(not 0 <= v < n for v, n in zip(place, shape, strict=True)):
            return status
        known = share is not None and share.shape == shape
        words = values.words(index, float(share[place]) if share is not None and known else None)
        # napari adds all features of an object, more than a window is wide; only its name is kept
        for key in ("value", "coordinates"):
            start, _, features = status[key].partition("; ")
            name = re.search(r"(?:^|[,;] )object: ([^,;]+)", features)
            shown = f"{start} {name[1]}" if name else status[key] if not features else start
            status[key] = f"{shown} | {words}"
        return status

    layer.get_status = get_status


def explain_status(panel: Any) -> None:
    """Explain the values in the status bar of a panel's window in its tooltip."""
    status_bar = getattr(panel.window(), "statusBar", None)
    if status_bar is not None and not status_bar().toolTip():
        status_bar().setToolTip(STATUS_TIP)
