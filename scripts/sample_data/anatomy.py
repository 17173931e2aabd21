"""A simulated head: tissue fractions on a 1 mm grid in RAS millimetres.

Brain tissue comes from the ICBM 152 2009a templates that nilearn ships; skull, scalp, vessels and
disease are drawn. All positions are in mm: x to the patient's right, y to the front, z up (RAS+).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import nibabel as nib
import numpy as np
import numpy.typing as npt
from scipy import ndimage
from scipy.interpolate import make_interp_spline

Floats = npt.NDArray[np.float32]

#: Tumour in the white matter of the LEFT hemisphere (x < 0).
LESION_CENTRE = (-31.0, -27.0, 24.0)
LESION_RADIUS = 9.5
#: Perfusion deficit in the cortex of the RIGHT hemisphere (x > 0).
DEFICIT_CENTRE = (47.0, -38.0, 34.0)
DEFICIT_RADII = (17.0, 23.0, 20.0)
#: Arteries of the skull base and their radii, as points on a smooth curve.
ARTERIES: dict[str, tuple[float, tuple[tuple[float, float, float], ...]]] = {
    "basilar": (2.2, ((0, -22, -52), (1, -15, -42), (0, -10, -30), (-1, -9, -20), (0, -12, -13))),
    "carotid and middle cerebral": (
        1.9,
        ((14, 4, -30), (13, 6, -20), (18, 6, -15), (29, 4, -15), (38, 2, -10), (42, -6, 1),
         (43, -18, 11), (45, -28, 17)),
    ),
    "anterior cerebral": (
        1.7,
        ((13, 6, -20), (9, 10, -17), (4, 18, -13), (3, 29, -5), (3, 36, 6), (3, 31, 18),
         (3, 18, 26), (3, 2, 31), (3, -14, 33)),
    ),
}  # fmt: skip
PAIRED = ("carotid and middle cerebral", "anterior cerebral")


@dataclass
class Head:
    """Fractions in [0, 1] per tissue, array axes (x, y, z), adding up to at most 1 (rest: air)."""

    affine: npt.NDArray[np.float64]
    tissue: dict[str, Floats] = field(default_factory=dict)
    t1: Floats | None = None  # the template's own contrast, inside the brain
    truth: dict[str, Floats] = field(default_factory=dict)  # supports, soft at the edge


def build_head(seed: int = 1) -> Head:
    """Put the head together.

    Parameters
    ----------
    seed : int
        For the shapes that are drawn at random.

    Returns
    -------
    Head
    """
    rng = np.random.default_rng(seed)
    t1, grey, white, affine = _templates()
    xyz = _millimetres(t1.shape, affine)
    lesion = _blob(xyz, LESION_CENTRE, (LESION_RADIUS,) * 3, rng, roughness=1.4)
    t1, grey, white = _deform([t1, grey, white], xyz, rng)

    brain = _smooth_mask(t1 > 0, 0.7)
    # the average of 152 brains blurs sulci; its T1 contrast still shows the fluid in them
    fluid = np.maximum(1 - grey - white, np.clip((158 - t1) / 70, 0, 1)) * brain
    ventricle = _ventricles(fluid, xyz) * (1 - lesion)
    fluid = np.maximum(fluid * (1 - lesion), ventricle)
    solids = np.maximum(grey + white, 1e-3)
    grey, white = (f / solids * (brain - fluid).clip(0) for f in (grey, white))

    outside_hull, inside_head = _surfaces(brain > 0.5, affine)
    head = _layers(outside_hull, inside_head, xyz, rng)
    space = head.pop("inside skull")
    fluid = np.maximum(fluid, (space - grey - white).clip(0))  # around the brain

    vessel = _vessels(t1.shape, affine) * _step(4.0 - outside_hull)
    oedema = _blob(xyz, LESION_CENTRE, (18.0, 20.0, 17.0), rng, roughness=4.0, edge=5.0)
    oedema = oedema * (white > 0.5) * (1 - lesion)

    tissue = {"grey": grey, "white": white * (1 - oedema), "oedema": white * oedema,
              "fluid": fluid, **head}  # fmt: skip
    for name, support in (("lesion", lesion), ("vessel", vessel)):
        tissue = {key: value * (1 - support) for key, value in tissue.items()}
        tissue[name] = support
    deficit = _blob(xyz, DEFICIT_CENTRE, DEFICIT_RADII, rng, roughness=2.0)
    truth = {
        "lesion": lesion,
        "ventricle": ventricle * (1 - vessel),
        "vessel": vessel,
        "skull": sum((tissue[k] for k in ("compact bone", "marrow")), np.float32(0)),
        "deficit": deficit * np.clip(tissue["grey"] + tissue["white"], 0, 1),
    }
    as_floats = {k: np.asarray(v, np.float32) for k, v in tissue.items()}
    return Head(affine, as_floats, t1, {k: np.asarray(v, np.float32) for k, v in truth.items()})


def _templates() -> tuple[Floats, Floats, Floats, npt.NDArray[np.float64]]:
    """Load T1 (0 to 255), grey and white matter (0 to 1); 20 mm of neck is added below."""
    import nilearn.datasets

    folder = Path(nilearn.datasets.__file__).parent / "data"
    images = [
        nib.load(folder / f"mni_icbm152_{kind}_tal_nlin_sym_09a_converted.nii.gz")
        for kind in ("t1", "gm", "wm")
    ]
    below = ((0, 0), (0, 0), (20, 0))
    t1, grey, white = (
        np.pad(np.asarray(i.dataobj, np.float32), below, mode="edge") for i in images
    )
    affine = np.array(images[0].affine, float)
    affine[2, 3] -= 20
    return t1, grey / 255, white / 255, affine


def _millimetres(
    shape: Sequence[int], affine: npt.NDArray[np.float64]
) -> tuple[Floats, Floats, Floats]:
    axes = [np.arange(n, dtype=np.float32) + np.float32(affine[i, 3]) for i, n in enumerate(shape)]
    x, y, z = np.meshgrid(*axes, indexing="ij", sparse=True)
    return x, y, z


def noise_field(shape: Sequence[int], sigma: float, rng: np.random.Generator) -> Floats:
    """Smooth random field with standard deviation 1; `sigma` in voxels."""
    coarse = max(1, int(sigma / 2))
    small = [n // coarse + 5 for n in shape]
    field_ = ndimage.gaussian_filter(rng.standard_normal(small), sigma / coarse, mode="wrap")
    grids = np.meshgrid(*[np.arange(n) / coarse + 2 for n in shape], indexing="ij")
    full = (
        ndimage.map_coordinates(field_, grids, order=1)
        if coarse > 1
        else field_[tuple(slice(0, n) for n in shape)]
    )
    return np.asarray((full - full.mean()) / full.std(), np.float32)


def _step(distance: Floats, width: float = 1.0) -> Floats:
    """0 outside, 1 inside, a ramp of `width` mm at the surface (partial volume)."""
    return np.clip(distance / width + 0.5, 0, 1).astype(np.float32)


def _smooth_mask(mask: npt.NDArray[np.bool_], sigma: float) -> Floats:
    return ndimage.gaussian_filter(mask.astype(np.float32), sigma)


def _blob(
    xyz: tuple[Floats, Floats, Floats],
    centre: Sequence[float],
    radii: Sequence[float],
    rng: np.random.Generator,
    roughness: float,
    edge: float = 1.0,
) -> Floats:
    """Return an ellipsoid with an uneven surface; `roughness` and `edge` in mm."""
    parts = [((c - m) / r) ** 2 for c, m, r in zip(xyz, centre, radii, strict=True)]
    radius = float(np.mean(radii))
    distance = radius * (1 - np.sqrt(parts[0] + parts[1] + parts[2]))
    distance += roughness * noise_field(distance.shape, 6.0, rng) * 0.7
    return _step(distance, edge)


def _deform(
    maps: Sequence[Floats], xyz: tuple[Floats, Floats, Floats], rng: np.random.Generator
) -> list[Floats]:
    """Make the symmetric template uneven, and let the tumour push its surroundings away."""
    shape = maps[0].shape
    offset = [2.2 * noise_field(shape, 28.0, rng) for _ in range(3)]
    away = [c - m for c, m in zip(xyz, LESION_CENTRE, strict=True)]
    distance = np.sqrt(away[0] ** 2 + away[1] ** 2 + away[2] ** 2) + 1e-3
    push = (
        3.5
        * np.exp(-(((distance - LESION_RADIUS).clip(0) / 14) ** 2))
        * np.clip(distance / LESION_RADIUS, 0, 1)
    )
    where = [
        np.arange(n, dtype=np.float32).reshape([-1 if i == k else 1 for i in range(3)])
        - (offset[k] + push * away[k] / distance)
        for k, n in enumerate(shape)
    ]
    # the mask's hard edge would overshoot with higher orders
    return [ndimage.map_coordinates(m, where, order=1, mode="nearest") for m in maps]


def _ventricles(fluid: Floats, xyz: tuple[Floats, Floats, Floats]) -> Floats:
    """Return the lateral and third ventricles: fluid in the middle of the brain."""
    x, y, z = xyz
    near = (np.abs(x) < 34) & (y > -62) & (y < 42) & (z > -8) & (z < 36)
    near &= ~((np.abs(x) < 9) & (y < -28))  # the cistern behind the third ventricle
    near &= ~((np.abs(x) < 17) & (y < -24) & (z < 7))  # those around the brain stem
    near &= ~((np.abs(x) < 5) & ((y > 22) | (z > 22)))  # the fissure between the hemispheres
    core = (fluid > 0.5) & near
    labels, count = ndimage.label(core)
    sizes = ndimage.sum_labels(core, labels, range(1, count + 1))
    keep = np.isin(labels, 1 + np.flatnonzero(sizes > 400))
    keep = ndimage.binary_closing(keep, iterations=1) & near
    return ndimage.gaussian_filter(keep.astype(np.float32), 0.6)


def _surfaces(
    brain: npt.NDArray[np.bool_], affine: npt.NDArray[np.float64]
) -> tuple[Floats, Floats]:
    """Signed distances in mm: outwards from the brain's hull, inwards from the skin."""
    coarse = brain[::2, ::2, ::2]
    pad = 24
    padded = np.pad(coarse, [(pad, pad), (pad, pad), (0, pad)])
    padded = np.pad(padded, [(0, 0), (0, 0), (pad, 0)], mode="edge")

    def distance(mask: npt.NDArray[np.bool_]) -> Floats:
        out = ndimage.distance_transform_edt(~mask) - ndimage.distance_transform_edt(mask)
        return np.asarray(2 * out, np.float32)

    def close(mask: npt.NDArray[np.bool_], mm: float) -> npt.NDArray[np.bool_]:
        return distance(distance(mask) <= mm) <= -mm

    hull = ndimage.gaussian_filter(distance(close(padded, 12)), 1.0)
    skin = ndimage.gaussian_filter(distance(close(hull < 15.5, 30)), 1.5)
    inner = tuple(slice(pad, pad + n) for n in coarse.shape)
    where = np.meshgrid(*[np.arange(n, dtype=np.float32) / 2 for n in brain.shape], indexing="ij")
    full = [ndimage.map_coordinates(f[inner], where, order=1, mode="nearest") for f in (hull, skin)]
    return full[0], -full[1]


def _layers(
    hull: Floats, skin: Floats, xyz: tuple[Floats, Floats, Floats], rng: np.random.Generator
) -> dict[str, Floats]:
    """Return skull and scalp as nested shells; `hull` grows outwards, `skin` grows inwards."""
    _, y, z = xyz
    uneven = noise_field(hull.shape, 16.0, rng)
    thick = 6.2 + 0.8 * uneven + 1.2 * np.clip(np.abs(y + 15) / 90, 0, 1) - 0.8 * (z < -10)
    inner = hull - 1.8  # dura and fluid
    outer = hull - 1.8 - thick
    bone = _step(inner) * (1 - _step(outer))
    marrow = _step(inner - 1.9) * _step(-outer - 2.1)
    in_head = _step(skin)
    beyond = in_head * _step(outer)
    under_skin = _step(skin - 2.0)
    fat_depth = 5.0 + 0.8 * noise_field(hull.shape, 10.0, rng)
    fat = beyond * under_skin * (1 - _step(skin - fat_depth, 1.5))
    return {
        "inside skull": 1 - _step(inner),
        "compact bone": bone - marrow,
        "marrow": marrow,
        "fat": fat,
        "muscle": beyond - fat,
    }


def _vessels(shape: Sequence[int], affine: npt.NDArray[np.float64]) -> Floats:
    """Draw the arteries as tubes with soft walls."""
    distance = np.full(shape, 9.0, np.float32)
    courses = [(r, p, s) for name, (r, p) in ARTERIES.items()
               for s in ((1, -1) if name in PAIRED else (1,))]  # fmt: skip
    for radius, points, side in courses:
        knots = np.asarray(points, float) * (side, 1, 1)
        curve = make_interp_spline(np.linspace(0, 1, len(knots)), knots, k=3)
        for point in curve(np.linspace(0, 1, 400)) - affine[:3, 3]:
            low = np.floor(point).astype(int) - 5
            box = tuple(slice(n, n + 11) for n in low)
            axes = np.ogrid[box]
            squares = [(a - p) ** 2 for a, p in zip(axes, point, strict=True)]
            nearer = np.sqrt(squares[0] + squares[1] + squares[2]) - radius
            distance[box] = np.minimum(distance[box], nearer)
    return _step(-distance)
