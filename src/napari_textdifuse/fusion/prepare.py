"""Two volumes become brightness and chrominance on one grid."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..colormaps import ColourChoice, apply_colours, choose_colours
from ..colour import rgb_to_ycbcr
from ..errors import InputError
from ..intensity import Window, default_window
from ..spatial import resample_to
from ..volume import FUNCTIONAL, Volume
from .pair import Pair
from .slices import Selection, cut_pair

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Prepared:
    """What the chain needs of two inputs.

    Parameters
    ----------
    a, b : Volume
        Values in their own units; `b` resampled onto the grid of `a`.
    luma_a, luma_b : ndarray of float32, shape of the grid
        Brightness in [0, 1].
    chroma : ndarray of float32, shape (*grid, 2), or None
        CbCr that the fused image gets; None for grey with grey.
    colour_from : str or None
        "a" or "b".
    windows : dict of str to Window
        Per input, how values became [0, 1].
    notes : tuple of str
        One sentence per assumption that was made.
    """

    a: Volume
    b: Volume
    luma_a: Floats
    luma_b: Floats
    chroma: Floats | None
    colour_from: str | None
    windows: dict[str, Window]
    notes: tuple[str, ...]


def prepare_slab(pair: Pair, slab: Selection) -> Prepared:
    """Read, align and window some of a pair's slices, turned to the first axis.

    Parameters
    ----------
    pair : Pair
    slab : Selection
        One of ``pair.slabs``.
    """
    a, b = cut_pair(pair.a, pair.b, slab)
    return prepare(a, b, pair.windows, pair.colours, whole=len(pair.slabs) == 1)


def brightness(pair: Pair) -> tuple[Floats, Floats]:
    """Return both images' brightness in [0, 1] on all chosen slices, shape (N, Y, X)."""
    slabs = [prepare_slab(pair, slab) for slab in pair.slabs]
    a, b = (
        np.concatenate([image.reshape(-1, *image.shape[-2:]) for image in images])
        for images in zip(*((slab.luma_a, slab.luma_b) for slab in slabs), strict=True)
    )
    return a, b


def prepare(
    a: Volume,
    b: Volume,
    windows: Mapping[str, Window] | None = None,
    colours: ColourChoice | None = None,
    *,
    whole: bool = True,
) -> Prepared:
    """Align `b` with `a`, apply windows and colour maps, separate brightness and chrominance.

    Parameters
    ----------
    a, b : Volume
        Checked inputs.
    windows : mapping of str to Window, optional
        For "a" and "b"; by default each image's own.
    colours : ColourChoice, optional
        By default functional images get `colormaps.DEFAULT`.
    whole : bool
        False for a slab of what is fused: it may be constant, or lie outside image B.

    Returns
    -------
    Prepared

    Raises
    ------
    GeometryError
        If the two have no common space.
    InputError
        If colours are asked of an image that has none.
    """
    colours = colours or choose_colours()
    notes = [note for role, v in (("A", a), ("B", b)) for note in _value_notes(role, v, whole)]
    # windows belong to the measured image, before resampling smooths its extremes
    windows = dict(windows or {"a": default_window(a), "b": default_window(b)})
    aligned = resample_to(b, a, check_overlap=whole)
    notes += aligned.notes
    b = aligned.volume
    shown_a, shown_b = (w.normalise(v.array) for w, v in zip(windows.values(), (a, b), strict=True))
    luma_a, chroma_a = _separate(shown_a, a, "a", colours)
    luma_b, chroma_b = _separate(shown_b, b, "b", colours)
    chroma, colour_from = (chroma_a, "a") if chroma_a is not None else (chroma_b, "b")
    wanted = colours.source or colours.tint
    if wanted is not None:
        chroma, colour_from = (chroma_a if wanted == "a" else chroma_b), wanted
        if chroma is None:
            raise InputError(
                f"image {wanted.upper()} has no colour; tint={wanted!r} gives it some, or leave "
                "colour out."
            )
    elif chroma_a is not None and chroma_b is not None:
        notes.append(
            "Both images have colour; the result has the colour of image A (colour='b' takes that "
            "of image B)."
        )
    return Prepared(
        a,
        b,
        luma_a,
        luma_b,
        chroma,
        colour_from if chroma is not None else None,
        windows,
        tuple(notes),
    )


def _separate(
    shown: Floats, volume: Volume, role: str, colours: ColourChoice
) -> tuple[Floats, Floats | None]:
    if volume.rgb:
        if colours.tint == role:
            raise InputError(f"image {role.upper()} has colours of its own; leave tint out.")
        return rgb_to_ycbcr(shown[..., :3])
    if volume.modality in FUNCTIONAL or colours.tint == role:
        return rgb_to_ycbcr(apply_colours(colours.table, shown))
    return shown, None


def _value_notes(role: str, volume: Volume, whole: bool) -> list[str]:
    notes = [f"Image {role}: {n}" for n in volume.metadata.get("notes", ())]
    array = volume.array
    if array.dtype.kind == "f":
        bad = int(array.size - np.isfinite(array).sum())
        if bad:
            notes.append(
                f"Image {role}: {bad} of {array.size} values are not finite numbers and were "
                "taken as the darkest value."
            )
        if bad == array.size:
            return notes
    if whole and array.size > 1 and np.nanmin(array) == np.nanmax(array):
        notes.append(f"Image {role} has one value everywhere; it adds no structure.")
    return notes
