"""The channels of an image: detect grey saved as colour, and constant alpha."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..colour import BT601
from ..volume import Array, Volume

#: Channels are equal up to JPEG's rounding: by this part of the brightest value at most ...
_MOST = 12 / 255
#: ... and on average by this part of it, and by this part of the mean brightness.
_MEAN, _OF_MEAN = 1.5 / 255, 0.05


def simplify(array: Array) -> tuple[Array, bool, list[str]]:
    """Reduce a colour image to its content.

    Parameters
    ----------
    array : ndarray, shape (..., 3 or 4)
        RGB or RGBA.

    Returns
    -------
    array : ndarray
        Grey ``(...)`` where the three channels are equal, or nearly so as after JPEG; else
        ``(..., 3)``, with a fourth channel where transparency differs between pixels.
    rgb : bool
    notes : list of str
    """
    notes: list[str] = []
    if array.shape[-1] == 4:
        alpha = array[..., 3]
        if array.size and (alpha == alpha.flat[0]).all():
            array = array[..., :3]
    grey, exact = is_grey(array)
    if not grey:
        return np.ascontiguousarray(array), True, notes
    notes.append(
        f"The three colour channels are {'' if exact else 'nearly '}equal; the image was read "
        "as grey."
    )
    if array.shape[-1] == 4:
        notes.append("Its transparency was left out.")
    if exact:
        return np.ascontiguousarray(array[..., 0]), False, notes
    mean = array[..., :3] @ np.array(BT601)
    return (mean if array.dtype.kind == "f" else np.rint(mean)).astype(array.dtype), False, notes


def without_equal_channels(volume: Volume) -> Volume:
    """Return a colour image whose channels are equal as the grey image that it is.

    Parameters
    ----------
    volume : Volume
        Of a lazy image a sample of slices is looked at first.

    Returns
    -------
    Volume
        What `simplify` changed is in ``metadata["notes"]``; other images are returned as they are.
    """
    if (
        not volume.rgb
        or volume.array.dtype.kind not in "iuf"
        or not is_grey(volume.sampled().array)[0]
    ):
        return volume
    array, rgb, notes = simplify(volume.loaded().array)
    if rgb:
        return volume
    metadata = {**volume.metadata, "notes": (*volume.metadata.get("notes", ()), *notes)}
    return replace(volume, array=array, rgb=False, metadata=metadata)


def is_grey(array: Array) -> tuple[bool, bool]:
    """Return whether colour channels show grey only.

    Parameters
    ----------
    array : ndarray, shape (..., 3 or 4)

    Returns
    -------
    grey, exact : bool
        Nearly equal channels are grey, but not exactly.
    """
    if array.dtype == np.bool_ or array.dtype.kind not in "iuf" or not array.size:
        return False, False
    few = array[:: max(1, array.shape[0] // 16)]
    if not _nearly(few):  # most colour images end here
        return False, False
    red, green, blue = (array[..., k] for k in range(3))
    exact = np.array_equal(red, green, equal_nan=array.dtype.kind == "f") and np.array_equal(
        green, blue, equal_nan=array.dtype.kind == "f"
    )
    return exact or _nearly(array), exact


def _nearly(array: Array) -> bool:
    colours = array[..., :3].astype(np.float32)
    colours = colours[np.isfinite(colours).all(axis=-1)]
    if not colours.size:
        return False
    scale = max(255.0 if array.dtype == np.uint8 else 0.0, float(colours.max()))
    apart = colours.max(axis=-1) - colours.min(axis=-1)
    mean = float(apart.mean())
    if mean == 0:
        return True
    return (
        float(apart.max()) <= _MOST * scale
        and mean <= _MEAN * scale
        and mean <= _OF_MEAN * max(float(colours.mean()), 0.0)
    )
