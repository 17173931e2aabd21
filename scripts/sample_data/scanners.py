"""Four simulated scanners: grids, and what each measures of the head."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from .anatomy import Floats, Head, noise_field

Affine = npt.NDArray[np.float64]
#: Middle of the field of view, RAS mm.
CENTRE = (0.0, -18.0, 27.0)
FWHM = 1 / np.sqrt(8 * np.log(2))  # to a standard deviation


@dataclass(frozen=True)
class Grid:
    """Where a scanner puts its voxels.

    Parameters
    ----------
    shape : tuple of int
        Voxels along x, y, z of the array.
    spacing : tuple of float
        In mm.
    axes : str
        Where the array's axes point: ``"RAS"``, ``"LPS"`` (rows run to the back, as in DICOM) ...
    tilt : tuple of float
        Rotation in degrees about x (pitch), y (roll) and z (yaw).
    shift : tuple of float
        Of the middle from `CENTRE`, in mm.
    """

    shape: tuple[int, int, int]
    spacing: tuple[float, float, float]
    axes: str
    tilt: tuple[float, float, float] = (0.0, 0.0, 0.0)
    shift: tuple[float, float, float] = (0.0, 0.0, 0.0)

    @property
    def affine(self) -> Affine:
        """Voxel indices (x, y, z) to RAS mm."""
        signs = [1.0 if a in "RAS" else -1.0 for a in self.axes]
        matrix = _rotation(self.tilt) @ np.diag(np.multiply(signs, self.spacing))
        middle = np.add(CENTRE, self.shift)
        affine = np.eye(4)
        affine[:3, :3] = matrix
        affine[:3, 3] = middle - matrix @ ((np.array(self.shape) - 1) / 2)
        return np.round(affine, 6)


GRIDS = {
    "t1": Grid((184, 224, 60), (1.0, 1.0, 2.5), "LPS"),
    "pet": Grid((96, 96, 47), (2.6, 2.6, 3.27), "LPS", tilt=(-7, 4, -3), shift=(3, -4, 1)),
    "ct": Grid((192, 224, 50), (1.0, 1.0, 3.0), "LAS", tilt=(9, -2, 2), shift=(-2, 2, -1)),
    "spect": Grid((48, 56, 36), (4.42, 4.42, 4.42), "RAS", tilt=(4, -3, 5), shift=(-4, 3, 2)),
    "t1dicom": Grid((96, 112, 50), (2.0, 2.0, 3.0), "LPS", tilt=(3, 0, -2), shift=(1, 0, 0)),
}

SUV = {"grey": 7.0, "white": 2.1, "oedema": 1.6, "fluid": 0.4, "lesion": 14.0, "vessel": 1.4,
       "compact bone": 0.3, "marrow": 1.0, "fat": 0.4, "muscle": 0.9}  # fmt: skip
HU = {"grey": 38.0, "white": 29.0, "oedema": 20.0, "fluid": 6.0, "lesion": 45.0, "vessel": 290.0,
      "compact bone": 1450.0, "marrow": 650.0, "fat": -85.0, "muscle": 45.0}  # fmt: skip
#: Counts of Tc-99m HMPAO where a voxel is filled; the tumour is perfused like white matter.
COUNTS = {"grey": 150.0, "white": 62.0, "oedema": 52.0, "fluid": 8.0, "lesion": 66.0,
          "vessel": 40.0, "compact bone": 6.0, "marrow": 18.0, "fat": 10.0,
          "muscle": 24.0}  # fmt: skip
T1 = {"oedema": 200.0, "fluid": 60.0, "lesion": 150.0, "vessel": 30.0, "compact bone": 18.0,
      "marrow": 165.0, "fat": 390.0, "muscle": 135.0}  # fmt: skip


def _rotation(degrees: Sequence[float]) -> npt.NDArray[np.float64]:
    result = np.eye(3)
    for axis, angle in enumerate(np.radians(degrees)):
        i, j = (axis + 1) % 3, (axis + 2) % 3
        turn = np.eye(3)
        turn[i, i] = turn[j, j] = np.cos(angle)
        turn[i, j], turn[j, i] = -np.sin(angle), np.sin(angle)
        result = turn @ result
    return result


def sample(values: Floats, head: Head, grid: Grid, outside: float = 0.0) -> Floats:
    """Average a 1 mm field over the voxels of a grid (sub-voxel samples about 1 mm apart)."""
    times = [max(1, round(s)) for s in grid.spacing]
    to_source = np.linalg.inv(head.affine) @ grid.affine
    total = np.zeros(grid.shape, np.float64)
    index = np.stack(np.meshgrid(*[np.arange(n) for n in grid.shape], indexing="ij"), axis=-1)
    subs = [(np.arange(t) + 0.5) / t - 0.5 for t in times]
    for offset in np.stack(np.meshgrid(*subs, indexing="ij"), -1).reshape(-1, 3):
        where = (index + offset) @ to_source[:3, :3].T + to_source[:3, 3]
        total += ndimage.map_coordinates(
            values, np.moveaxis(where, -1, 0), order=1, cval=outside, output=np.float32
        )
    return (total / np.prod(times)).astype(np.float32)


def mix(head: Head, table: Mapping[str, float], rest: float = 0.0) -> Floats:
    """Return the sum of fractions times values; the remaining fraction gets `rest`."""
    total = np.full(head.t1.shape, rest, np.float32)
    for name, value in table.items():
        total += head.tissue[name] * np.float32(value - rest)
    return total


def scan_t1(head: Head, grid: Grid, seed: int, noise: float = 4.5) -> npt.NDArray[np.int16]:
    """T1-weighted MR, arbitrary units: white matter about 250, grey 170, fluid 60."""
    rng = np.random.default_rng(seed)
    brain = (head.t1 - 40) * 1.375  # the template's contrast, fluid to white matter
    field = mix(head, T1) + (head.tissue["grey"] + head.tissue["white"]) * brain
    texture = noise_field(field.shape, 1.5, rng)
    field += head.tissue["lesion"] * 11 * texture + head.tissue["muscle"] * 8 * texture
    bias = 1 + 0.05 * noise_field(field.shape, 50.0, rng)
    clean = sample(ndimage.gaussian_filter(field * bias, 0.35), head, grid)
    real, imaginary = noise * rng.standard_normal((2, *grid.shape))
    noisy = np.hypot(clean + real, imaginary)  # Rician
    # scanners set the air around the head to zero
    inside = ndimage.binary_dilation(clean > 10, iterations=2)
    inside = np.stack([ndimage.binary_fill_holes(s) for s in np.moveaxis(inside, 2, 0)], 2)
    return np.rint(np.where(inside, noisy, 0)).astype(np.int16)


def scan_pet(head: Head, grid: Grid, seed: int) -> Floats:
    """F-18 FDG PET in SUVbw: point spread 5.5 mm FWHM, noise 6 % in grey matter."""
    rng = np.random.default_rng(seed)
    field = mix(head, SUV)
    field += head.tissue["lesion"] * 0.8 * noise_field(field.shape, 4.0, rng)
    field *= 1 + 0.05 * noise_field(field.shape, 9.0, rng)  # uptake is never even
    clean = sample(ndimage.gaussian_filter(field, 5.5 * FWHM), head, grid)
    grain = ndimage.gaussian_filter(
        rng.standard_normal(grid.shape), [4.0 * FWHM / s for s in grid.spacing]
    )
    grain /= grain.std()
    # the noise of a count grows with its root
    return np.clip(clean + grain * 0.06 * np.sqrt(7.0 * (clean + 0.05)), 0, None).astype(np.float32)


def scan_ct(head: Head, grid: Grid, seed: int, noise: float = 8.0) -> npt.NDArray[np.int16]:
    """CT with contrast agent in the arteries, in HU."""
    rng = np.random.default_rng(seed)
    field = mix(head, HU, rest=-1000.0)
    spongy = np.clip(1 + 0.25 * noise_field(field.shape, 1.5, rng), 0.3, 1.7) - 1
    field += head.tissue["marrow"] * HU["marrow"] * spongy
    clean = sample(ndimage.gaussian_filter(field, 0.8 * FWHM), head, grid, outside=-1000.0)
    grain = ndimage.gaussian_filter(rng.standard_normal(grid.shape), (0.5, 0.5, 0))
    # fewer photons come through the head than past it
    level = 0.3 + 0.7 * ndimage.gaussian_filter((clean > -500).astype(np.float32), (4, 4, 0))
    noisy = clean + noise * level * grain / grain.std()
    return np.rint(np.clip(noisy, -1024, 3071)).astype(np.int16)


def scan_spect(head: Head, grid: Grid, seed: int) -> npt.NDArray[np.int16]:
    """Tc-99m HMPAO SPECT in counts: 9 mm FWHM, a perfusion deficit in the right hemisphere."""
    rng = np.random.default_rng(seed)
    field = mix(head, COUNTS) * (1 - 0.65 * head.truth["deficit"])
    field *= 1 + 0.04 * noise_field(field.shape, 9.0, rng)
    sigma = np.sqrt(9.0**2 - 6.0**2) * FWHM  # the rest comes with the filter of reconstruction
    clean = sample(ndimage.gaussian_filter(field, sigma), head, grid)
    counted = rng.poisson(np.clip(clean, 0, None)).astype(np.float32)
    filtered = ndimage.gaussian_filter(counted, [6.0 * FWHM / s for s in grid.spacing])
    return np.rint(filtered).astype(np.int16)


def mask_on(head: Head, name: str, grid: Grid) -> npt.NDArray[np.uint8]:
    """Return voxels that a structure fills by half or more."""
    return (sample(head.truth[name], head, grid) >= 0.5).astype(np.uint8)


SIDECARS: dict[str, dict[str, Any]] = {
    "t1": {"Modality": "MR", "Units": "a.u.", "MagneticFieldStrength": 3.0,
           "Description": "Simulated T1-weighted MR of a head with a tumour in the left "
                          "hemisphere"},
    "pet": {"Modality": "PT", "Units": "SUVbw", "TracerName": "FDG", "TracerRadionuclide": "F18",
            "Description": "Simulated F-18 FDG PET of a head with a hypermetabolic tumour in the "
                           "left hemisphere"},
    "ct": {"Modality": "CT", "Units": "HU",
           "Description": "Simulated CT of a head with contrast agent in the arteries"},
    "spect": {"Modality": "NM", "Units": "counts", "TracerName": "HMPAO",
              "TracerRadionuclide": "Tc99m",
              "Description": "Simulated Tc-99m HMPAO SPECT of a head with a perfusion deficit in "
                             "the right hemisphere"},
}  # fmt: skip
