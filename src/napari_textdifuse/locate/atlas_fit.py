"""Transfer the labels of an atlas to a subject.

Affine registration by mutual information, then diffeomorphic demons (Vercauteren et al. 2009, DOI
10.1016/j.neuroimage.2008.10.040) on locally normalised images, both from SimpleITK, on one thread:
equal inputs give equal masks.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from ..errors import Cancelled, GeometryError
from ..stopping import check_stop, stop_wanted
from ..volume import Volume
from .regions import otsu

#: Shrink factors of the voxels, and iterations at each.
LEVELS = ((4, 60), (2, 40), (1, 15))
#: Smoothing of the displacements, in working voxels.
SMOOTH = 1.5
#: A voxel is compared with a surround of this standard deviation, whose own is taken for no less
#: than this share of the image's brightness.
SURROUND_MM, LEAST_SPREAD = 12.0, 0.1
#: Below this overlap of the tissue classes a fit is refused.
REFUSED = 0.4

Floats = npt.NDArray[np.float64]


class Fitted:
    """Labels on the subject's grid, and how well tissue overlaps.

    Parameters
    ----------
    labels : ndarray
    overlap : float
        Mean Dice of three classes of brightness.
    voxel : float
        Volume in mm3.
    """

    def __init__(self, labels: npt.NDArray[Any], overlap: float, voxel: float) -> None:
        self.labels, self.overlap, self.voxel = labels, overlap, voxel

    @property
    def nbytes(self) -> int:
        """Bytes in memory."""
        return int(self.labels.nbytes)

    def milliliters(self, mask: npt.NDArray[np.bool_]) -> float:
        """Return the volume of a mask on the subject's grid."""
        return float(mask.sum() * self.voxel / 1000)


def fit(
    subject: Volume,
    template: Volume,
    labels: Volume,
    callback: Callable[[int, int], bool | None] | None = None,
) -> Fitted:
    """Register a template to a subject, and transfer its labels.

    Parameters
    ----------
    subject, template : Volume
        T1-weighted, with geometry.
    labels : Volume
        In the template's world.
    callback : callable, optional

    Raises
    ------
    GeometryError
        If tissue overlaps too little.
    """
    from ..spatial import RegistrationProgress, register, resample_to
    from ..spatial.grid import working_grid

    def report(state: RegistrationProgress) -> bool:
        return not stop_wanted() and (
            callback is None or callback(int(50 * state.fraction), 100) is not False
        )

    moved = register(subject, template, "affine", report).apply(template)
    placed = _affine(moved) @ np.linalg.inv(_affine(template)) @ _affine(labels)
    grid = working_grid(subject)
    fixed, moving = (
        resample_to(v, grid, fill=0.0).volume.array.astype(np.float32) for v in (subject, moved)
    )
    spacing = np.linalg.norm(_affine(grid)[:3, :3], axis=0)
    field, warped = _deform(fixed, moving, spacing, callback)
    overlap = _tissue_overlap(fixed, warped)
    if overlap < REFUSED:
        raise GeometryError(
            f"The atlas does not fit the image: tissue overlaps by {overlap:.0%}. Is it a whole "
            "T1-weighted head, and does the template show the same (with or without skull)?"
        )
    result = _propagate_labels(subject, grid, field, labels.array, placed)
    return Fitted(result, overlap, float(abs(np.linalg.det(_affine(subject)[:3, :3]))))


def _deform(
    fixed: npt.NDArray[np.float32],
    moving: npt.NDArray[np.float32],
    spacing: Floats,
    callback: Callable[[int, int], bool | None] | None,
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Return displacements (Z, Y, X, 3) in mm along the grid's x, y, z, and the moving image."""
    from ..optional import simpleitk
    from ..spatial.registration_search import one_thread

    sitk = simpleitk()

    def image(array: npt.NDArray[np.float32]) -> Any:
        made = sitk.GetImageFromArray(array)
        made.SetSpacing(spacing.tolist())
        return made

    with one_thread(sitk):
        target, source = (image(_locally_normalised(array, spacing)) for array in (fixed, moving))
        field = None
        for done, (shrink, iterations) in enumerate(LEVELS):
            if callback is not None and callback(50 + 15 * done, 100) is False:
                raise Cancelled("The registration of the atlas was cancelled; nothing was located.")
            one, other = (
                sitk.BinShrink(i, [min(shrink, max(1, n // 8)) for n in i.GetSize()])
                for i in (target, source)
            )
            demons = sitk.DiffeomorphicDemonsRegistrationFilter()
            demons.AddCommand(sitk.sitkIterationEvent, partial(_end_if_wanted, demons))
            demons.SetNumberOfIterations(iterations)
            demons.SetSmoothDisplacementField(True)
            demons.SetStandardDeviations(SMOOTH)
            try:
                if field is None:
                    field = demons.Execute(one, other)
                else:
                    start = sitk.Resample(field, one, sitk.Transform(), sitk.sitkLinear)
                    field = demons.Execute(one, other, start)
            except RuntimeError:
                check_stop()
                raise
        field = sitk.Resample(
            sitk.Cast(field, sitk.sitkVectorFloat64), target, sitk.Transform(), sitk.sitkLinear
        )
        array = sitk.GetArrayFromImage(field).astype(np.float32)
        warped = sitk.Resample(image(moving), target, sitk.DisplacementFieldTransform(field))
        return array, sitk.GetArrayFromImage(warped)


def _end_if_wanted(filter_: Any) -> None:
    if stop_wanted():
        filter_.Abort()


def _locally_normalised(array: npt.NDArray[np.float32], spacing: Floats) -> npt.NDArray[np.float32]:
    """Normalise every voxel by the mean and standard deviation of its surround.

    Demons compare brightness directly. Coil shading, another brightness curve or another scanner
    would distort the template; the normalised values correspond to the local correlation of
    Avants et al. 2008, DOI 10.1016/j.media.2007.06.004.
    """
    sigma = SURROUND_MM / spacing[::-1]
    mean = ndimage.gaussian_filter(array, sigma)
    variance = ndimage.gaussian_filter(array**2, sigma) - mean**2
    least = LEAST_SPREAD * float(np.percentile(array, 90))  # air stays flat
    return np.asarray((array - mean) / np.sqrt(np.clip(variance, 0, None) + least**2), np.float32)


def _propagate_labels(
    subject: Volume,
    grid: Volume,
    field: npt.NDArray[np.float32],
    labels: npt.NDArray[Any],
    placed: Floats,
) -> npt.NDArray[Any]:
    """Look up every voxel of the subject in the labels, through the displacements."""
    spacing = np.linalg.norm(_affine(grid)[:3, :3], axis=0)
    axes = _affine(grid)[:3, :3] / spacing
    into_grid = np.linalg.inv(_affine(grid)) @ _affine(subject)
    into_labels = np.linalg.inv(placed)
    result = np.zeros(subject.shape, labels.dtype)
    depth, height, width = subject.shape
    y, x = np.mgrid[:height, :width]
    for z in range(depth):
        index = np.stack([x, y, np.full_like(x, z), np.ones_like(x)]).reshape(4, -1)
        at = (into_grid @ index)[2::-1]
        moved = [
            ndimage.map_coordinates(field[..., k], at, order=1, mode="nearest") for k in range(3)
        ]
        world = _affine(subject) @ index
        world[:3] += axes @ np.array(moved)
        where = (into_labels @ world)[2::-1]
        plane = ndimage.map_coordinates(labels, where, order=0, mode="constant", cval=0)
        result[z] = plane.reshape(height, width)
    return result


def _affine(volume: Volume) -> Floats:
    if volume.affine is None:
        raise GeometryError(f"{volume.name} has no geometry.")
    return volume.affine


def _tissue_overlap(one: npt.NDArray[np.float32], other: npt.NDArray[np.float32]) -> float:
    """Return the mean Dice of three classes of brightness: about fluid, grey and white matter."""
    head = (other > otsu(other, 2)[0]) & (one > 0)
    if head.sum() < 100:
        return 0.0
    classes = []
    for values in (one, other):
        limits = otsu(values[head], 3)
        if len(limits) < 2:
            return 0.0
        classes.append(np.digitize(values, limits))
    dice = []
    for k in range(3):
        a, b = ((c == k) & head for c in classes)
        dice.append(2 * float((a & b).sum()) / max(float(a.sum() + b.sum()), 1.0))
    return float(np.mean(dice))
