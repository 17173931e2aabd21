"""Alignment of two images: would a small shift fit much better? Also a checkerboard.

Two measures of agreement that need no common contrast are compared at the position stated by the
files and at small shifts of image B: the mutual information of the values (Maes et al. 1997, DOI
10.1109/42.563664), and how parallel the edges are (normalised gradient fields, Haber and
Modersitzki 2006, DOI 10.1007/11866763_89). Coarse and quick: well under a second.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations_with_replacement, product
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ..errors import GeometryError, InputError, size_of
from ..volume import LABEL_UNIT, Array, Volume
from .coarse_pair import CoarsePair, common_field
from .grid import check_plane

if TYPE_CHECKING:
    from collections.abc import Sequence

Floats = npt.NDArray[np.float64]
Image = npt.NDArray[np.float32]

BINS, POINTS = 32, 60_000
#: Smallest shift that is reported, in working voxels; for images also in their own pixels.
LEAST_SHIFT, LEAST_PIXELS = 1.0, 5.0
#: Relative rise of mutual information that is required, by the number of axes.
MUCH_BETTER = {2: 0.10, 3: 0.13}
#: Agreement of unrelated images by chance, which differs from place to place; in nats.
LEAST_RISE = 0.01
#: Required gain in parallel edges; any rise of mutual information then suffices.
PARALLEL = 1.15
#: A smaller common field of view is reported.
LOW_OVERLAP = 0.5
_WAYS = {
    "mm": (("left", "right"), ("back", "front"), ("down", "up")),  # x, y, z of RAS
    "px": (("left", "right"), ("up", "down")),
}


@dataclass(frozen=True)
class Alignment:
    """Alignment of two images, as their files place them.

    Parameters
    ----------
    shift : tuple of float
        The small shift of image B that fits best: ``(x, y, z)`` in RAS mm, or ``(x, y)``
        in pixels of image A if the images have no geometry. All zero if none is better.
    unit : {"mm", "px"}
        Of `shift`.
    gain : float
        Relative rise of mutual information with that shift; 0.3 is 30 %.
    overlap : float
        Part of image A that image B covers, in [0, 1].
    message : str or None
        One sentence if a user should check the alignment, else None.
    """

    shift: tuple[float, ...]
    unit: str
    gain: float
    overlap: float
    message: str | None = None

    @property
    def shift_mm(self) -> float | None:
        """Length of `shift` in mm; None without geometry."""
        return math.hypot(*self.shift) if self.unit == "mm" else None


def check_alignment(a: Volume, b: Volume) -> Alignment:
    """Compare the agreement of two images with that after small shifts.

    Shifts of up to eight working voxels are tried (about 20 mm for a head, 20 pixels of an image
    of 500); rotations are not, see `register` for these. Nothing is moved.

    Parameters
    ----------
    a, b : Volume
        Any contrast; both with geometry, or both of one shape without.

    Returns
    -------
    Alignment
        Its ``message`` is a sentence if the images do not overlap, overlap little, lie in different
        planes, or would fit much better elsewhere. Label images and constant images are not
        checked.
    """
    unit = "mm" if a.affine is not None and b.affine is not None else "px"
    nowhere = (0.0,) * (3 if unit == "mm" else 2)
    if a.ndim != b.ndim:
        return Alignment(nowhere, unit, 0.0, 0.0, None)
    if unit == "mm":
        try:
            check_plane(b, a)
        except GeometryError as error:
            return Alignment(nowhere, unit, 0.0, 0.0, str(error))
    common = common_field(a, b)
    overlap = common.part
    if overlap == 0:
        message = f"{b.name} and {a.name} do not overlap; register them, or check the files."
        return Alignment(nowhere, unit, 0.0, 0.0, message)
    little = None
    if overlap < LOW_OVERLAP:
        little = f"Image B covers only {overlap:.0%} of image A."
    if LABEL_UNIT in (a.unit, b.unit):
        return Alignment(nowhere, unit, 0.0, overlap, little)
    of_b = common_field(b, a)
    turned = of_b.part > overlap  # the image with the smaller field of view is sampled in the other
    grid = CoarsePair(b, a, of_b) if turned else CoarsePair(a, b, common)
    found = _best_shift(grid)
    if found is None:
        return Alignment(nowhere, unit, 0.0, overlap, little)
    index, gain = found
    shift = grid.movement(-index if turned else index)
    message = f"{_sentence(shift, unit, gain)}{' ' + little if little else ''}"
    return Alignment(shift, unit, gain, overlap, message)


def _sentence(shift: Sequence[float], unit: str, gain: float) -> str:
    parts = [
        f"{abs(value):.0f} {unit} {ways[value > 0]}"
        for value, ways in zip(shift, _WAYS[unit], strict=True)
        if abs(value) >= max(1.0, 0.2 * max(map(abs, shift)))
    ]
    whose = " (of the patient)" if unit == "mm" else ""
    return (
        f"Image B would fit image A much better if it were moved {' and '.join(parts)}{whose}: "
        f"mutual information would rise by {gain:.0%}. Register the images, or check that they "
        "belong together."
    )


def _best_shift(grid: CoarsePair) -> tuple[Floats, float] | None:
    """Return the shift that fits much better, in working voxels, and its gain; None if none."""
    if grid.ndim == 2:
        edges = _parallel_edges(grid)
        peak = np.unravel_index(edges.argmax(), edges.shape)
        sharpest = tuple(int(i) - r for i, r in zip(peak, grid.reach, strict=True))
        if not any(sharpest):  # no other shift can be chosen below
            return None
    information = _Information(grid)
    if not information.usable:
        return None
    here = max(information((0,) * grid.ndim), 1e-9)

    def gain(shift: tuple[int, ...]) -> float:
        return information(shift) / here - 1

    # five standard deviations of the information in unrelated values (Roulston 1999)
    chance = 5 * (BINS - 1) / math.sqrt(2) / information.fixed.size
    best = _highest(information, grid.reach)
    if grid.ndim == 2:  # a single slice or image has too few values to trust them alone

        def parallel(shift: tuple[int, ...]) -> float:
            at = tuple(s + r for s, r in zip(shift, grid.reach, strict=True))
            return float(edges[at] / edges[grid.reach])

        # five standard deviations of what unrelated edges give by chance
        clear = edges.max() >= 5 * 0.35 * math.sqrt(12 / grid.fixed.size)
        if clear and gain(sharpest) >= 0 and parallel(sharpest) >= PARALLEL:
            best = sharpest
        elif gain(best) < MUCH_BETTER[2] or information(best) - here < chance or parallel(best) < 1:
            return None
    elif gain(best) < MUCH_BETTER[3] or information(best) - here < max(LEAST_RISE, chance):
        return None
    index = _refined(information, best, grid.reach)
    length = float(np.linalg.norm(index))
    if length < LEAST_SHIFT:
        return None
    if grid.affine is None and float(np.linalg.norm(index * grid.step)) < LEAST_PIXELS:
        return None
    return index, gain(best)


class _Information:
    """Return mutual information in nats at shifts of whole working voxels, on the same voxels."""

    def __init__(self, grid: CoarsePair) -> None:
        from scipy import ndimage

        known = np.isfinite(grid.moving)
        always = known.astype(np.uint8)
        for axis, reach in enumerate(grid.reach):
            always = ndimage.minimum_filter1d(always, 2 * reach + 1, axis, mode="constant")
        here = tuple(slice(r, r + s) for r, s in zip(grid.reach, grid.fixed.shape, strict=True))
        inside = np.isfinite(grid.fixed)
        region = (always[here] > 0) & inside
        if region.mean() < 0.05:  # the fields of view hardly overlap: the outside counts as empty
            region = known[here] & inside
        self.usable = int(region.sum()) >= BINS * BINS
        self._known: dict[tuple[int, ...], float] = {}
        self._reach = grid.reach
        if not self.usable:
            return
        chosen = np.flatnonzero(region)
        # every n-th voxel with odd n, so that rows are sampled at different columns
        chosen = chosen[:: max(1, chosen.size // POINTS) | 1]
        where = np.array(np.unravel_index(chosen, region.shape))
        wide = grid.moving.shape
        self.places = np.ravel_multi_index(tuple(where + np.array(grid.reach)[:, None]), wide)
        self._box = _box(where) if len(chosen) == region.sum() else None
        self.strides = np.array([math.prod(wide[axis + 1 :]) for axis in range(grid.ndim)])
        self.fixed = BINS * _binned(grid.fixed.ravel()[chosen])
        self.moving = np.zeros(wide, np.intp)
        self.moving[known] = _binned(grid.moving[known])
        self.usable = bool(np.ptp(self.fixed) and np.ptp(self._moved((0,) * grid.ndim)))

    def __call__(self, shift: tuple[int, ...]) -> float:
        """Return the mutual information if the true position is `shift`."""
        if shift not in self._known:
            pairs = np.bincount(self.fixed + self._moved(shift), minlength=BINS**2)
            joint = pairs.reshape(BINS, BINS) / self.fixed.size
            apart = joint.sum(axis=1, keepdims=True) * joint.sum(axis=0, keepdims=True)
            some = joint > 0
            self._known[shift] = float((joint[some] * np.log(joint[some] / apart[some])).sum())
        return self._known[shift]

    def _moved(self, shift: tuple[int, ...]) -> npt.NDArray[np.intp]:
        if self._box is None:
            return self.moving.ravel()[self.places + int(self.strides @ shift)]
        box = zip(self._box, self._reach, shift, strict=True)
        window = tuple(slice(b.start + r + s, b.stop + r + s) for b, r, s in box)
        return self.moving[window].ravel()  # much faster than one by one


def _box(places: npt.NDArray[np.intp]) -> tuple[slice, ...] | None:
    """Return the box that these places, ``(axes, N)``, fill; None if they do not fill one."""
    low, high = places.min(axis=1), places.max(axis=1) + 1
    if math.prod(high - low) != places.shape[1]:
        return None
    return tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True))


def _binned(values: Image) -> npt.NDArray[np.intp]:
    low, high = np.percentile(values, (1, 99))
    if high <= low:
        low, high = values.min(), values.max()
    scaled = (values - low) * (BINS / max(float(high - low), 1e-12))
    return np.clip(scaled, 0, BINS - 1).astype(np.intp)


def _highest(score: Callable[[tuple[int, ...]], float], reach: tuple[int, ...]) -> tuple[int, ...]:
    """Search everywhere in steps of four, then refine the best with smaller ones."""
    best = max(product(*(range(-(r // 4) * 4, r + 1, 4) for r in reach)), key=score)
    for step in (2, 1):
        ways = list(product((-step, 0, step), repeat=len(reach)))
        while True:
            near = [
                tuple(max(-r, min(r, b + w)) for b, w, r in zip(best, way, reach, strict=True))
                for way in ways
            ]
            better = max(near, key=score)
            if score(better) <= score(best):
                break
            best = better
    return best


def _refined(
    score: Callable[[tuple[int, ...]], float], best: tuple[int, ...], reach: tuple[int, ...]
) -> Floats:
    """Fit a parabola through the neighbours along each axis."""
    result = np.array(best, float)
    for axis, limit in enumerate(reach):
        if abs(best[axis]) >= limit:  # at the limit of the search
            continue
        low, middle, high = (
            score((*best[:axis], best[axis] + k, *best[axis + 1 :])) for k in (-1, 0, 1)
        )
        bend = low - 2 * middle + high
        if bend < 0 and middle >= max(low, high):
            result[axis] += 0.5 * (low - high) / bend
    return result


def _parallel_edges(grid: CoarsePair) -> Floats:
    """Return, for every shift, how much more parallel the edges are than by chance."""
    from scipy import fft

    fixed = _directions(grid.fixed)
    moving = _directions(grid.moving)
    inner = np.zeros(grid.fixed.shape, np.float32)
    margins = zip(grid.reach, grid.fixed.shape, strict=True)
    inner[tuple(slice(reach, length - reach) for reach, length in margins)] = 1
    size = [fft.next_fast_len(s) for s in grid.moving.shape]

    def spectrum(values: Image) -> npt.NDArray[np.complex64]:
        return np.asarray(fft.rfftn(values, size))

    along: Any = 0
    energies: Any = 0  # of both images
    for i, j in combinations_with_replacement(range(grid.ndim), 2):
        one, other = spectrum(fixed[i] * fixed[j] * inner), spectrum(moving[i] * moving[j])
        along = along + (1 if i == j else 2) * np.conj(one) * other
        if i == j:
            energies = energies + np.stack([one, other])
    strong = np.conj(energies[0]) * energies[1]
    window = tuple(slice(2 * r + 1) for r in grid.reach)
    parallel, possible = (fft.irfftn(k, size)[window] for k in (along, strong))
    excess = parallel / np.maximum(possible, 1e-6) - 1 / grid.ndim
    return np.maximum(np.asarray(excess, np.float64), 1e-3)


def _directions(values: Image) -> list[Image]:
    """Return the gradient, of length 1 where it is stronger than the image's mean gradient."""
    from scipy import ndimage

    known = np.where(np.isfinite(values), values, np.nanmin(values))
    ndim = known.ndim
    gradient = [
        ndimage.gaussian_filter(known, 1.0, order=[int(k == axis) for k in range(ndim)])
        for axis in range(ndim)
    ]
    strength = np.sqrt(_energy(gradient))
    floor = np.sqrt(strength**2 + float(strength.mean()) ** 2 + 1e-12)
    return [g / floor for g in gradient]


def _energy(vectors: list[Image]) -> Image:
    return np.asarray(np.sum(np.square(vectors), axis=0), np.float32)


def checkerboard(a: Array, b: Array, tiles: int = 8) -> Array:
    """Show `a` and `b` in alternating squares (cubes, in volumes).

    Parameters
    ----------
    a, b : ndarray
        On one grid, ``(Y, X)`` or ``(Z, Y, X)``, with the same range (such as [0, 1]); either with
        a last axis of 3 colours. Grey is repeated over the channels of a colour partner.
    tiles : int
        Number of squares along the longest side, 1 or more.

    Returns
    -------
    ndarray
        Starts with `a` at index 0; in the common type of both.

    Raises
    ------
    InputError
        If the shapes differ or `tiles` is not a positive integer.
    """
    if isinstance(tiles, bool) or not isinstance(tiles, (int, np.integer)) or tiles < 1:
        raise InputError(f"tiles must be a positive integer, not {tiles!r}.")
    if a.ndim == b.ndim + 1 and a.shape[-1] in (3, 4):
        b = np.repeat(b[..., None], a.shape[-1], axis=-1)
    elif b.ndim == a.ndim + 1 and b.shape[-1] in (3, 4):
        a = np.repeat(a[..., None], b.shape[-1], axis=-1)
    if a.shape != b.shape:
        raise InputError(
            f"a checkerboard needs two images on one grid, not {size_of(a.shape)} and "
            f"{size_of(b.shape)}; resample one onto the other first."
        )
    colour = a.ndim > 2 and a.shape[-1] in (3, 4)
    shape = a.shape[:-1] if colour else a.shape
    side = max(1, -(-max(shape) // int(tiles)))
    parity = np.zeros(shape, np.int64)
    for index in np.ogrid[tuple(slice(n) for n in shape)]:
        parity = parity + index // side
    odd = parity % 2 == 1
    result: Array = np.where(odd[..., None] if colour else odd, b, a)
    return result
