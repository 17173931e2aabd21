"""Whether the colours of a pair are kept, or the cast that the light adds to them is removed.

A cast multiplies the channels of every pixel, so it shows in all parts of an image, whereas the
colours of objects differ from part to part. Each of 8 x 8 blocks votes with the ratios of its
median channels. Light is warmer or colder along one axis (red against blue, the axis of lamps and
daylight) and greener or more magenta along the other.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..colour import BT601, rgb_to_ycbcr, ycbcr_to_rgb
from ..errors import InputError
from ..volume import NATURAL
from .prepare import Prepared

Floats = npt.NDArray[np.float32]

#: CbCr below this (of a range of 1) everywhere is a grey image stored as RGB.
GREY = 1.5 / 255
#: Blocks per side, and pixels per side that an image is thinned to.
BLOCKS, SIDE = 8, 240
#: Added to every channel before ratios are taken: the black level of cameras, in 8 bits.
BLACK = 8 / 255
#: Mean brightness below which an image was taken by lamplight.
NIGHT = 0.2
#: Log ratios that are a cast, above what clean images have. In daylight three quarters of the
#: blocks must agree. By lamplight the median decides, and the light must be yellow to red rather
#: than green, which is what cameras make of dark streets (benchmarks/colour_cast.py).
WARM, COLD, GREEN, MAGENTA = 0.10, 0.12, 0.13, 0.10
#: COLD where something is white: open shade is blue, and what the sun meets is not.
SHADE = 0.23
#: Part of an image that must be white for that.
WHITE_PART = 0.005
LAMP, LAMP_GREEN = 0.07, 0.06
#: From here on a channel may be over-exposed.
WHITE = 0.97
#: Largest correction of a channel against green, either way.
LARGEST_GAIN = 3.0


@dataclass(frozen=True)
class ChromaDecision:
    """The treatment of the colours of a pair.

    Parameters
    ----------
    restore : bool
    reason : str
        One clause, for the record.
    colour_from : {"a", "b"} or None
        Which image the colours come from; None for a grey result.
    measured : bool
        Whether the colours encode measured values, which must stay readable.
    """

    restore: bool
    reason: str
    colour_from: str | None
    measured: bool = False

    @property
    def anatomy(self) -> str | None:
        """The image whose structure must remain visible under colours that encode values."""
        if not self.measured:
            return None
        return "b" if self.colour_from == "a" else "a"


def decide(ready: Prepared, choice: str, available: bool) -> ChromaDecision:
    """Decide whether the colours of a pair are restored.

    Colour that encodes a measured value (a PET or SPECT colour map) is never changed.

    Parameters
    ----------
    ready : Prepared
    choice : {"auto", "restore", "keep"}
        "auto" restores natural images (modality visible light, or unknown and not on the black
        ground that displayed measurements have) whose light has a cast, see `find_cast`.
    available : bool
        Whether the weights contain a chrominance network.

    Raises
    ------
    InputError
        If "restore" is requested for colours that must not or cannot be restored.
    """
    if ready.colour_from is None:
        return ChromaDecision(False, "no image has colour", None)
    why = _measured(ready)
    restore, reason = _restored(ready, choice, available, why)
    return ChromaDecision(restore, reason, ready.colour_from, why is not None and not restore)


def _restored(
    ready: Prepared, choice: str, available: bool, measured: str | None
) -> tuple[bool, str]:
    if choice == "restore":
        coloured = ready.a if ready.colour_from == "a" else ready.b
        if not coloured.rgb or coloured.modality not in (None, "VIS"):
            raise InputError(
                f"The colours of a {coloured.modality or 'tinted'} image encode measured values "
                "and are not restored; use chroma='keep' or 'auto'."
            )
        if not available:
            raise InputError(
                "These weights contain no chrominance network; use chroma='keep' or 'auto'."
            )
        return True, "asked for"
    if choice == "keep":
        return False, "asked for"
    if measured is not None:
        return False, measured
    if ready.chroma is None or np.abs(ready.chroma).max() < GREY:
        return False, "the image is grey"
    if not available:
        return False, "these weights contain no chrominance network"
    light = find_cast(_middle_picture(ready))
    return light.kind is not None, str(light)


def _middle_picture(ready: Prepared) -> Floats:
    """Return the coloured image, or the middle slice of several, before restoration."""
    assert ready.chroma is not None
    luma, chroma = ready.coloured_luma, ready.chroma
    if luma.ndim == 3:
        luma, chroma = luma[len(luma) // 2], chroma[len(chroma) // 2]
    return ycbcr_to_rgb(luma, chroma)


def _measured(ready: Prepared) -> str | None:
    """Return why the colours are assumed to encode measured values; None if they are not."""
    pair = (ready.a, ready.b)
    coloured, other = pair if ready.colour_from == "a" else pair[::-1]
    if not coloured.rgb or coloured.modality not in (None, "VIS"):
        return "the colours encode measured values"
    if other.modality is not None and other.modality not in NATURAL:
        return f"the other image is {other.modality}"
    if coloured.modality is None and ready.has_black_background:
        return "the pair has a black background, as displayed measurements do"
    return None


@dataclass(frozen=True)
class Cast:
    """The colour cast of an image.

    Parameters
    ----------
    kind : str or None
        "yellow to red", "blue", "green" or "magenta"; None without a cast.
    ratio : float
        How much stronger the favoured channel became than the disfavoured one; 1 is none.
    """

    kind: str | None
    ratio: float = 1.0

    def __str__(self) -> str:
        if self.kind is None:
            return "the light has no cast"
        return f"the light has a cast ({self.kind}, {100 * (self.ratio - 1):.0f} %)"


def find_cast(rgb: Floats) -> Cast:
    """Detect a colour cast by an image's colours.

    Parameters
    ----------
    rgb : ndarray, shape (Y, X, 3)
        sRGB in [0, 1].

    Returns
    -------
    Cast
        None is found in images of fewer than 16 pixels a side, or mostly over-exposed.
    """
    step = max(1, min(rgb.shape[:2]) // SIDE)
    rgb = rgb[::step, ::step]
    blocks = _blocks(rgb)
    if len(blocks) < BLOCKS:
        return Cast(None)
    logs = np.log(blocks + BLACK)
    red, blue = logs[:, 0] - logs[:, 1], logs[:, 2] - logs[:, 1]
    warm, green = (red - blue) / 2, -(red + blue) / 2

    def cast(kind: str, size: float, factor: float) -> Cast:
        return Cast(kind, float(np.exp(factor * abs(size))))

    middle = float(np.median(warm)), float(np.median(green))
    if float((blocks @ BT601).mean()) < NIGHT:
        if middle[0] > LAMP and middle[1] < middle[0] + LAMP_GREEN:
            return cast("yellow to red", middle[0], 2)
        return Cast(None)
    if np.quantile(warm, 0.25) > WARM:
        return cast("yellow to red", middle[0], 2)
    white = float((rgb.min(axis=-1) >= WHITE).mean()) >= WHITE_PART
    if np.quantile(warm, 0.75) < -(SHADE if white else COLD):
        return cast("blue", middle[0], 2)
    if np.quantile(green, 0.25) > GREEN:
        return cast("green", middle[1], 1)
    if np.quantile(green, 0.75) < -MAGENTA:
        return cast("magenta", middle[1], 1)
    return Cast(None)


def undo_cast(luma: Floats, chroma: Floats) -> Floats:
    """Correct a colour cast by one gain per channel for the whole image.

    The gains make the mean of what is not over-exposed grey (Buchsbaum 1980, J Franklin Inst
    310:1; gains: von Kries 1902). Of the estimates in benchmarks/colour_cast.py this one leaves the
    least of a synthetic cast. Use it only for images that have a cast: without one it would mistake
    the colour of a lawn or a sky for that of the light.

    Parameters
    ----------
    luma : ndarray of float32, shape (Y, X)
        In [0, 1].
    chroma : ndarray of float32, shape (Y, X, 2)
        CbCr in [-0.5, 0.5].

    Returns
    -------
    ndarray of float32, shape (Y, X, 2)
        Unchanged if everything is over-exposed.
    """
    rgb = ycbcr_to_rgb(luma, chroma)
    shown = rgb[rgb.max(axis=-1) < WHITE]
    if not len(shown):
        return chroma
    mean = shown.mean(axis=0, dtype=np.float64) + BLACK
    gains = np.clip(mean[1] / mean, 1 / LARGEST_GAIN, LARGEST_GAIN)
    gains *= np.dot(BT601, mean) / np.dot(BT601, gains * mean)  # the brightness stays
    balanced = (rgb + np.float32(BLACK)) * gains.astype(np.float32) - np.float32(BLACK)
    return rgb_to_ycbcr(np.clip(balanced, 0, 1))[1]


def _blocks(rgb: Floats) -> npt.NDArray[np.float64]:
    """Return the median colour of each block that is not mostly over-exposed."""
    if min(rgb.shape[:2]) < 2 * BLOCKS:
        return np.empty((0, 3))
    medians = []
    for rows in np.array_split(np.arange(rgb.shape[0]), BLOCKS):
        for columns in np.array_split(np.arange(rgb.shape[1]), BLOCKS):
            block = rgb[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].reshape(-1, 3)
            shown = block[block.max(axis=1) < WHITE]
            if len(shown) >= 0.3 * len(block):
                medians.append(np.median(shown, axis=0))
    return np.array(medians, dtype=np.float64).reshape(-1, 3)
