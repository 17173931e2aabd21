"""The search behind `registration`, with SimpleITK."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import Cancelled, GeometryError, InputError
from ..optional import simpleitk
from ..volume import Volume
from .grid import LEAST_SIDE, affine_of, working_grid
from .resample import resample_to

Matrix = npt.NDArray[np.float64]

#: The levels: number of working voxels that are averaged along each axis.
SHRINK = (4, 2, 1)
#: Levels are skipped if their longest side has fewer voxels.
MIN_LEVEL_SIDE = 20
#: Number of points of a level that the metric samples.
POINTS = 80_000
BINS, ITERATIONS = 32, 200
#: Quick searches from other starts: iterations and rotations in degrees.
QUICK_ITERATIONS, TURN = 60, 20.0
#: Number of the best ones that are refined.
REFINED_STARTS = 5
#: Weight of a position that is turned by 180 degrees.
HALF_TURN_WEIGHT = 0.95
#: An affine search starts where a rigid one ended; at coarser levels it would diverge.
AFFINE_COARSEST = 2
_LOST = (
    "Registration lost the overlap of the two images; check that they show the same part of the "
    "body."
)


@dataclass(frozen=True)
class RegistrationProgress:
    """Progress of a registration.

    Parameters
    ----------
    level, levels : int
        Current resolution, from 1 (coarsest).
    iteration : int
        Since the level's start.
    metric : float
        Current mutual information, in nats; increases.
    fraction : float
        Estimated finished part, in [0, 1]; never decreases.
    """

    level: int
    levels: int
    iteration: int
    metric: float
    fraction: float


#: Called now and then; returning False cancels.
Callback = Callable[[RegistrationProgress], bool | None]


@dataclass(frozen=True)
class SearchResult:
    """Result of a search in its frame: moving to fixed; mutual information in nats.

    Parameters
    ----------
    matrix, centre : ndarray
    before, after : float
        Mutual information at the start and at the end.
    starts, agreeing : int
        Quick searches from different starts, and how many of them ended at this place.
    rival : float
        Agreement of the best other place as a part of this one's; 0 without any.
    """

    matrix: Matrix
    before: float | None
    after: float
    centre: Matrix
    starts: int
    agreeing: int
    rival: float


@dataclass(frozen=True)
class _Place:
    """Result of a quick search."""

    score: float
    transform: Any
    turned: bool

    def weighted_score(self) -> float:
        return self.score * (HALF_TURN_WEIGHT if self.turned else 1)


class Search:
    """Registers two images; one object for each pair.

    Parameters
    ----------
    fixed, moving : Volume
    frame : ndarray, shape (4, 4)
        See `registration.frame_of`.
    callback : callable, optional
        See `register`.
    """

    def __init__(
        self, fixed: Volume, moving: Volume, frame: Matrix, callback: Callback | None
    ) -> None:
        self.sitk = simpleitk()
        self.ndim = fixed.ndim
        self.fixed, self.moving = (self._image(v, frame) for v in (fixed, moving))
        side = max(self.fixed.GetSize())
        self.shrink = tuple(f for f in SHRINK if f == 1 or side // f >= MIN_LEVEL_SIDE)
        self.callback = callback
        self.failure: BaseException | None = None
        self.step, self.steps, self.fraction = 0.0, 1 + len(self.shrink), 0.0

    def run(self, kind: str) -> SearchResult:
        """Search for a rigid transform, and from there for an affine one if requested."""
        with one_thread(self.sitk):
            return self._run(kind)

    def _run(self, kind: str) -> SearchResult:
        sitk = self.sitk
        start = self._euler()
        before = self._agreement(start)
        fine = tuple(f for f in self.shrink if f <= AFFINE_COARSEST)
        self.steps = 1 + len(self.shrink) + (len(fine) if kind == "affine" else 0)
        places = self._places()
        chosen = places[0].transform
        best = self._better(start, self._optimise(self._copy(chosen), self.shrink))
        if self._apart(best, chosen) > self.tolerance and self._apart(best, start) > 0:
            agreeing = 0  # the finer levels ended elsewhere
        else:
            agreeing = sum(self._apart(p.transform, chosen) <= self.tolerance for p in places)
        others = [p.score for p in places if self._apart(p.transform, chosen) > 2 * self.tolerance]
        rival = max(others, default=0.0) / max(places[0].score, 1e-9)
        if kind == "affine":
            free = sitk.AffineTransform(self.ndim)
            free.SetMatrix(best.GetMatrix())
            free.SetTranslation(best.GetTranslation())
            free.SetCenter(best.GetCenter())
            best = self._better(best, self._optimise(free, fine))
        after = self._agreement(best)
        if after is None:
            raise GeometryError(_LOST)
        centre = np.array(self.fixed.TransformContinuousIndexToPhysicalPoint(_middle(self.fixed)))
        return SearchResult(self._matrix(best), before, after, centre, len(places), agreeing, rival)

    def _places(self) -> list[_Place]:
        """Search at the coarsest level from several starts; the best position first."""
        middle = self._best_start()
        starts = [(self._copy(middle), False), (self._euler(), False)]
        axes = range(3) if self.ndim == 3 else (2,)
        for axis in axes:
            for degrees in (-TURN, TURN, 180.0):
                turned = self._copy(middle)
                angles = [0.0, 0.0, 0.0]
                angles[axis] = float(np.radians(degrees))
                if self.ndim == 3:
                    turned.SetRotation(*angles)
                else:
                    turned.SetAngle(angles[2])
                starts.append((turned, degrees == 180))
        places = []
        for k, (transform, turned) in enumerate(starts):
            self.step = 0.5 * k / len(starts)
            try:
                found = self._optimise(transform, self.shrink[:1], quick=True, still=True)
            except GeometryError:  # this start lost the overlap; others may not
                continue
            score = self._agreement(found, self.shrink[0])
            if score is not None:
                places.append(_Place(score, found, turned))
        if not places:
            raise GeometryError(_LOST)
        self.step = 1
        # patients are hardly ever scanned upside down: such a position must be clearly better
        places.sort(key=_Place.weighted_score, reverse=True)
        ends = []
        for k, place in enumerate(places[:REFINED_STARTS]):
            self.step = 0.5 + 0.5 * k / REFINED_STARTS
            end = self._optimise(place.transform, self.shrink[:1], still=True)
            score = self._agreement(end, self.shrink[0])
            ends.append(_Place(place.score if score is None else score, end, place.turned))
        self.step = 1
        return sorted(ends, key=_Place.weighted_score, reverse=True)

    @property
    def tolerance(self) -> float:
        """Largest distance in mm of two quick searches' results that count as the same position."""
        return max(self.fixed.GetSpacing()) * self.shrink[0]

    def _apart(self, one: Any, other: Any) -> float:
        """Return the mean distance in mm of points of the fixed image under two transforms."""
        size = np.array(self.fixed.GetSize())
        corners = [
            self.fixed.TransformContinuousIndexToPhysicalPoint((size * at).tolist())
            for at in product((0.25, 0.75), repeat=self.ndim)
        ]
        ends = [[t.TransformPoint(c) for c in corners] for t in (one, other)]
        return float(np.linalg.norm(np.array(ends[0]) - np.array(ends[1]), axis=1).mean())

    def _copy(self, transform: Any) -> Any:
        return type(transform)(transform)

    def _better(self, one: Any, other: Any) -> Any:
        """Return the transform with more agreement; the first if the search found nothing."""
        scores = [self._agreement(t) for t in (one, other)]
        first, second = (-np.inf if s is None else s for s in scores)
        return other if second > first else one

    def _image(self, volume: Volume, frame: Matrix) -> Any:
        """Sample a volume on an orthogonal working grid that covers it, in the frame."""
        if volume.rgb:
            brightness = np.asarray(volume.array)[..., :3].mean(axis=-1)
            volume = replace(volume, array=brightness, rgb=False)
        grid = working_grid(volume)
        array = resample_to(volume, grid).volume.array.astype(np.float32)
        if not np.isfinite(array).all():
            array = np.nan_to_num(array, nan=float(np.nanmin(array)))
        if array.min() == array.max():
            raise InputError(
                f"{volume.name} has the same value everywhere and cannot be registered."
            )
        n = self.ndim
        affine = np.linalg.inv(frame) @ affine_of(grid)
        spacing = np.linalg.norm(affine[:3, :n], axis=0)
        image = self.sitk.GetImageFromArray(array)
        image.SetSpacing(spacing.tolist())
        image.SetDirection((affine[:n, :n] / spacing).ravel().tolist())
        image.SetOrigin(affine[:n, 3].tolist())
        return image

    def _euler(self, shift: Matrix | None = None) -> Any:
        """Return a rigid transform about the middle of the fixed image."""
        make = self.sitk.Euler2DTransform if self.ndim == 2 else self.sitk.Euler3DTransform
        transform = make()
        middle = self.fixed.TransformContinuousIndexToPhysicalPoint(_middle(self.fixed))
        transform.SetCenter(middle)
        if shift is not None:
            transform.SetTranslation([float(s) for s in shift])
        return transform

    def _best_start(self) -> Any:
        """Return the best of the usual starts."""
        middles, weights = (
            [np.array(function(image)) for image in (self.fixed, self.moving)]
            for function in (
                lambda i: i.TransformContinuousIndexToPhysicalPoint(_middle(i)),
                self._mass_centre,
            )
        )
        starts = [
            self._euler(shift) for shift in (None, middles[1] - middles[0], weights[1] - weights[0])
        ]
        scores = [self._agreement(start, self.shrink[0]) for start in starts]
        ranked = [(s, -k) for k, s in enumerate(scores) if s is not None]
        if not ranked:
            raise GeometryError(_LOST)
        return starts[-max(ranked)[1]]

    def _mass_centre(self, image: Any) -> Matrix:
        """Return the centre of the voxels brighter than the mean, which is mostly the body."""
        array = self.sitk.GetArrayViewFromImage(image)
        where = np.argwhere(array > array.mean()).mean(axis=0)[::-1]
        return np.array(image.TransformContinuousIndexToPhysicalPoint(where.tolist()))

    def _method(self, voxels: int) -> Any:
        sitk = self.sitk
        method = sitk.ImageRegistrationMethod()
        method.SetMetricAsMattesMutualInformation(BINS)
        method.SetMetricSamplingStrategy(method.REGULAR)
        # ITK shifts even regular points by chance, so the seed is fixed (0 would be the clock)
        method.SetMetricSamplingPercentage(min(1.0, POINTS / voxels), 1)
        method.SetInterpolator(sitk.sitkLinear)
        return method

    def _agreement(self, transform: Any, shrink: int = 1) -> float | None:
        """Return the mutual information under a transform, None where nothing overlaps."""
        fixed, moving = self.fixed, self.moving
        if shrink > 1:
            fixed, moving = (_shrunk(self.sitk, image, shrink) for image in (fixed, moving))
        method = self._method(fixed.GetNumberOfPixels())
        method.SetInitialTransform(transform)
        try:
            return -float(method.MetricEvaluate(fixed, moving))
        except RuntimeError:  # all points lie outside
            return None

    def _optimise(
        self, transform: Any, shrink: tuple[int, ...], *, quick: bool = False, still: bool = False
    ) -> Any:
        """Maximise the metric, level by level."""
        for factor in shrink:
            fixed, moving = (_shrunk(self.sitk, i, factor) for i in (self.fixed, self.moving))
            method = self._method(fixed.GetNumberOfPixels())
            step = max(self.fixed.GetSpacing()) * factor
            method.SetOptimizerAsRegularStepGradientDescent(
                learningRate=step,
                minStep=step * (0.05 if quick else 0.005),
                numberOfIterations=QUICK_ITERATIONS if quick else ITERATIONS,
                relaxationFactor=0.8,
                gradientMagnitudeTolerance=1e-8,
            )
            method.SetOptimizerScalesFromPhysicalShift()
            method.SetInitialTransform(transform, inPlace=True)
            method.AddCommand(self.sitk.sitkIterationEvent, lambda m=method: self._report(m))
            try:
                method.Execute(fixed, moving)
            except RuntimeError as error:
                if self.failure is None:
                    raise GeometryError(_LOST) from error
            if self.failure is not None:
                raise self.failure
            self.step += 0 if still else 1
        return transform

    def _report(self, method: Any) -> None:
        """Call the callback; an exception must not pass through ITK."""
        if self.callback is None or self.failure is not None:
            return
        iteration = int(method.GetOptimizerIteration())
        # levels end long before the last iteration that they may take
        part = self.step if self.step < 1 else self.step + 1 - 0.95 ** (iteration + 1)
        self.fraction = max(self.fraction, min(1.0, part / self.steps))
        state = RegistrationProgress(
            int(self.step) + 1,
            self.steps,
            iteration,
            -float(method.GetMetricValue()),
            self.fraction,
        )
        try:
            if self.callback(state) is False:
                raise Cancelled("The registration was cancelled; nothing was moved.")
        except BaseException as error:
            self.failure = error
            method.Abort()

    def _matrix(self, transform: Any) -> Matrix:
        """Return the transform from moving to fixed; ITK's transforms have the other direction."""
        n = self.ndim
        linear = np.array(transform.GetMatrix()).reshape(n, n)
        centre, shift = (np.array(v) for v in (transform.GetCenter(), transform.GetTranslation()))
        matrix = np.eye(4)
        matrix[:n, :n] = linear
        matrix[:n, 3] = shift + centre - linear @ centre
        return np.linalg.inv(matrix).astype(np.float64)


@contextmanager
def one_thread(sitk: Any) -> Iterator[None]:
    """Use one thread, so that equal inputs give equal results.

    The metric's threads follow ITK's default only, not what a registration method is set to.
    """
    threads = sitk.ProcessObject.GetGlobalDefaultNumberOfThreads()
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    try:
        yield
    finally:
        sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(threads)


def _shrunk(sitk: Any, image: Any, factor: int) -> Any:
    """Average blocks of voxels; thin sides are left as they are."""
    if factor == 1:
        return image
    factors = [min(factor, max(1, size // LEAST_SIDE)) for size in image.GetSize()]
    return sitk.BinShrink(image, factors)


def _middle(image: Any) -> list[float]:
    return [(size - 1) / 2 for size in image.GetSize()]
