"""Convert two volumes to brightness and chrominance on one grid."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from ..colormaps import ColourChoice, apply_colours
from ..colour import rgb_to_ycbcr
from ..errors import InputError
from ..memory import parts
from ..spatial import resample_to
from ..volume import FUNCTIONAL, MODALITY_NAMES, Volume
from .pair import Pair
from .slices import Selection, cut_pair

Floats = npt.NDArray[np.float32]


#: A border as dark as this in one image, and as this in both, is the black background of displayed
#: measurements (with noise on it), not a scene.
BLACK, DARK = 6 / 255, 24 / 255


@dataclass(frozen=True)
class Prepared:
    """The input of the chain for two images.

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
    notes : tuple of str
        One sentence per assumption that was made.
    single_slice : bool
        Whether it is one slice without neighbours.
    """

    a: Volume
    b: Volume
    luma_a: Floats
    luma_b: Floats
    chroma: Floats | None
    colour_from: str | None
    notes: tuple[str, ...]
    single_slice: bool

    @property
    def coloured_luma(self) -> Floats:
        """Brightness of the image that the colour comes from, in [0, 1]."""
        return self.luma_a if self.colour_from == "a" else self.luma_b

    @cached_property
    def has_black_background(self) -> bool:
        """Whether the borders (4 % of each side) are black, as around a displayed body."""
        levels = [_border_level(luma) for luma in (self.luma_a, self.luma_b)]
        return min(levels) < BLACK and max(levels) < DARK


def prepare_slab(pair: Pair, slab: Selection) -> Prepared:
    """Bring some of a pair's slices onto one grid, and separate brightness from colour.

    Parameters
    ----------
    pair : Pair
    slab : Selection
        One of ``pair.slabs``. If it is not all that is fused, it may be constant, or lie outside
        image B.

    Returns
    -------
    Prepared
        Slices along the first axis.

    Raises
    ------
    GeometryError
        If the two have no common space.
    InputError
        If colours are requested from an image that has none.
    """
    whole, colours = len(pair.slabs) == 1, pair.colours
    a, b = cut_pair(pair.a, pair.b, slab)
    notes = _value_notes(a, "A", whole) + _value_notes(b, "B", whole)
    aligned = resample_to(b, a, check_overlap=whole)
    notes += aligned.notes
    b = aligned.volume
    shown_a = pair.windows["a"].normalise(a.array)
    shown_b = pair.windows["b"].normalise(b.array)
    luma_a, chroma_a = _separated(shown_a, a, "a", colours)
    luma_b, chroma_b = _separated(shown_b, b, "b", colours)
    chroma, colour_from = (chroma_a, "a") if chroma_a is not None else (chroma_b, "b")
    wanted = colours.source or colours.tint
    if wanted is not None:
        chroma, colour_from = (chroma_a if wanted == "a" else chroma_b), wanted
        if chroma is None:
            raise InputError(
                f"image {wanted.upper()} has no colour; use tint={wanted!r} to show it in colour, "
                "or leave out colour."
            )
    elif chroma_a is not None and chroma_b is not None:
        if _colour_rank(b) > _colour_rank(a):
            chroma, colour_from = chroma_b, "b"
        notes.append(_choice_of_two(a, b, colour_from))
    return Prepared(
        a,
        b,
        luma_a,
        luma_b,
        chroma,
        colour_from if chroma is not None else None,
        tuple(notes),
        slab.count == 1,
    )


def _separated(
    shown: Floats, volume: Volume, role: str, colours: ColourChoice
) -> tuple[Floats, Floats | None]:
    """Split a displayed image into brightness and colour.

    Parameters
    ----------
    shown : ndarray of float32, shape of the image's array
        In [0, 1].
    volume : Volume
        What the values are.
    role : {"a", "b"}
    colours : ColourChoice
        Of functional and tinted images.

    Returns
    -------
    luma : ndarray of float32, shape of the grid
    chroma : ndarray of float32, shape (*grid, 2), or None
        CbCr; None for a grey image.

    Raises
    ------
    InputError
        If a colour image is to be tinted.
    """
    tinted = colours.tint == role
    if not volume.rgb and not tinted and volume.modality not in FUNCTIONAL:
        return shown, None
    if volume.rgb and tinted:
        raise InputError(
            f"image {role.upper()} is a colour image and cannot be tinted; leave out tint."
        )
    shape = shown.shape[:-1] if volume.rgb else shown.shape
    luma, chroma = np.empty(shape, np.float32), np.empty((*shape, 2), np.float32)
    for part in parts(shape):
        here = shown[part]
        rgb = here[..., :3] if volume.rgb else apply_colours(colours.table, here)
        luma[part], chroma[part] = rgb_to_ycbcr(rgb)
    return luma, chroma


def _colour_rank(volume: Volume) -> int:
    """Return how much the colours of an image mean: 0 for those that only paint grey values."""
    if volume.modality in (*FUNCTIONAL, "VIS"):
        return 2
    return 1 if volume.modality is None else 0


def _choice_of_two(a: Volume, b: Volume, chosen: str) -> str:
    taken, left = (a, "b") if chosen == "a" else (b, "a")
    name = MODALITY_NAMES.get(taken.modality or "", "")
    kind = f", {name}" if name and a.modality != b.modality else ""
    return (
        f"Both images have colour; the result has the colour of image {chosen.upper()}{kind} "
        f"(colour='{left}' takes that of image {left.upper()})."
    )


def _value_notes(volume: Volume, role: str, whole: bool = True) -> list[str]:
    """Return a sentence for each thing to know about an image's values, with those it brings along.

    Parameters
    ----------
    volume : Volume
    role : {"A", "B"}
    whole : bool
        False for a part of the image, which may well have one value.
    """
    notes = [f"Image {role}: {note}" for note in volume.metadata.get("notes", ())]
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


def brightness(pair: Pair) -> tuple[Floats, Floats]:
    """Return both images' brightness in [0, 1] on all chosen slices, shape (N, Y, X)."""
    slabs = [prepare_slab(pair, slab) for slab in pair.slabs]
    a, b = (
        np.concatenate([image.reshape(-1, *image.shape[-2:]) for image in images])
        for images in zip(*((slab.luma_a, slab.luma_b) for slab in slabs), strict=True)
    )
    return a, b


def _border_level(luma: Floats) -> float:
    stack = luma.reshape(-1, *luma.shape[-2:])
    height, width = luma.shape[-2:]
    outside = np.ones((height, width), bool)
    y, x = max(1, height // 25), max(1, width // 25)
    outside[y:-y, x:-x] = False
    return float(np.median(stack[:, outside]))
