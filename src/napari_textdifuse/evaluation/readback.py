"""Information about each source that can be read back from the colours of a fused image."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from ..colour import rgb_to_ycbcr

Image = npt.NDArray[np.floating]
Floats = npt.NDArray[np.float64]

#: Lowest brightness of 1 that counts, and that of a coloured source.
DARK, COLOUR = 8 / 255, 24 / 255
#: Side in pixels of the alternating squares for training and prediction.
SQUARE = 16
#: Largest and smallest number of pixels for training and for prediction.
LEARN, READ, FEWEST = 6000, 4000, 200
#: Neighbours in the regression.
NEIGHBOURS = 15
#: A source with a smaller standard deviation is uniform.
UNIFORM = 1e-3


def readback(a: Image, b: Image, fused: Image) -> tuple[float, float]:
    """Measure how well each source can be predicted from the fused colours alone.

    A k-nearest-neighbour regression (k = 15) from the fused pixel's RGB to the source's (its
    brightness, if it is grey) is trained on every other square of 16 x 16 pixels, as on a
    chessboard, and evaluated on the rest. The result is the explained share of the variance,
    R2. Only pixels with content count: one source above 8/255, and a coloured
    source above 24/255. Fused colours are dithered by less than half a grey level, so that equal
    colours are not distinguished by their order; draws have a fixed seed.

    Other metrics use luminance alone, so that they ignore colours that encode measured values.

    Parameters
    ----------
    a, b, fused : ndarray, shape (Y, X) or (Y, X, 3)
        In [0, 1].

    Returns
    -------
    a, b : float
        1 if every value can be read, 0 if the mean is as good, below 0 if worse; ``nan`` if the
        source is uniform where it counts, or there are fewer than 200 pixels for training or
        prediction.
    """
    sources = [np.asarray(s, np.float64) for s in (a, b)]
    peaks = [s if s.ndim == 2 else s.max(axis=-1) for s in sources]
    counts = (peaks[0] > DARK) | (peaks[1] > DARK)
    for source, peak in zip(sources, peaks, strict=True):
        if _coloured(source):
            counts &= peak > COLOUR
    rows, columns = np.nonzero(counts)
    learned = ((rows // SQUARE + columns // SQUARE) % 2) == 0
    colours = np.asarray(fused, np.float64)[rows, columns]
    colours = colours[:, None] if colours.ndim == 1 else colours
    first, second = (_explained(colours, _values(s)[rows, columns], learned) for s in sources)
    return first, second


def _coloured(source: Floats) -> bool:
    return source.ndim == 3 and bool(np.ptp(source, axis=-1).max(initial=0) > DARK)


def _values(source: Floats) -> Floats:
    """Colours of a coloured source, brightness of a grey one."""
    if _coloured(source):
        return source
    return (
        source if source.ndim == 2 else rgb_to_ycbcr(source.astype(np.float32))[0].astype(float)
    )[..., None]


def _explained(colours: Floats, values: Floats, learned: npt.NDArray[np.bool_]) -> float:
    from scipy.spatial import cKDTree

    draw = np.random.default_rng(0)
    known, asked = np.flatnonzero(learned), np.flatnonzero(~learned)
    if min(len(known), len(asked)) < FEWEST or values.std(axis=0).max(initial=0) < UNIFORM:
        return math.nan
    known = draw.choice(known, min(LEARN, len(known)), replace=False)
    asked = draw.choice(asked, min(READ, len(asked)), replace=False)
    dither = draw.uniform(-0.5, 0.5, (len(known), colours.shape[1])) / 255
    _, nearest = cKDTree(colours[known] + dither).query(colours[asked], k=NEIGHBOURS)
    wrong = values[known][nearest].mean(axis=1) - values[asked]
    spread = values[asked] - values[asked].mean(axis=0)
    total = float((spread**2).sum())
    return 1 - float((wrong**2).sum()) / total if total > 0 else math.nan
