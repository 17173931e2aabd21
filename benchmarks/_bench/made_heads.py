"""Heads made from tissue maps: any contrast, shading, noise, bright fat, a lesion."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import numpy.typing as npt
from scipy import ndimage

from napari_textdifuse import Volume
from napari_textdifuse.spatial import resample_to

Masks = dict[str, npt.NDArray[np.bool_]]

#: Brightness of fluid, grey matter, white matter, fat, a lesion and muscle, in parts of the range,
#: as in usual sequences at 1.5 T.
CONTRASTS: dict[str, tuple[float, float, float, float, float, float]] = {
    "T1": (0.22, 0.56, 0.82, 1.05, 0.45, 0.45),
    "T2": (1.00, 0.52, 0.38, 0.70, 0.80, 0.20),
    "PD": (0.92, 0.88, 0.72, 0.75, 1.00, 0.55),
    "FLAIR": (0.10, 0.62, 0.50, 1.10, 0.98, 0.35),
    "DWI": (0.15, 0.50, 0.46, 0.10, 1.10, 0.10),
}
#: Thickness of the fluid around the brain, distance to the outside of the skull, depth of fat.
FILM_MM, BONE_MM, FAT_MM = 2.5, 8.0, 5.0
#: Middle in RAS mm and volume in mL of the lesion: in the territory of the right middle artery.
LESION_MM, LESION_ML = (40.0, -15.0, 22.0), 38.0
#: Shading over the head, and noise, in parts of white matter's brightness.
SHADING, NOISE = 0.2, 0.03


def tissue_maps(data: Path) -> tuple[Volume, Volume, Volume]:
    """Return the probabilities of grey matter, white matter and fluid, in RAS order."""
    return tuple(_read(data, name) for name in ("spm_grey", "spm_white", "spm_csf"))  # type: ignore[return-value]


def sharpened(*maps: Volume) -> tuple[Volume, ...]:
    """Make maps of one head of those of an average: the likeliest tissue, blurred by 1 mm."""
    inside = np.clip(sum(m.array for m in maps), 0, 1)
    rest = 1 - inside
    likeliest = np.argmax([*(m.array for m in maps), rest], axis=0)
    sharp = [ndimage.gaussian_filter((likeliest == k).astype(np.float32), 0.5) for k in range(3)]
    return tuple(m.with_array(s) for m, s in zip(maps, sharp, strict=True))


def known_masks(grey: Volume, white: Volume, fluid: Volume) -> Masks:
    """Return what the maps say of the lexicon's terms."""
    x, y, z = _world(fluid)
    box = (np.abs(x) < 40) & (y > -55) & (y < 40) & (z > -8) & (z < 36)
    # the quadrigeminal cistern, which touches the third ventricle from behind
    cistern = (np.abs(x) < 10) & (y < -30) & (z < 16)
    ventricle = box & ~cistern & (fluid.array > 0.5)
    labels, _ = ndimage.label(ventricle)
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    return {
        "grey matter": grey.array > 0.5,
        "white matter": white.array > 0.5,
        "brain": grey.array + white.array > 0.5,
        "ventricle": labels == sizes.argmax(),
    }


def made_head(data: Path, contrast: str, lesion: bool, seed: int = 0) -> tuple[Volume, Masks]:
    """Make a head of a contrast, and what is known of it.

    Parameters
    ----------
    data : Path
        Holds the maps, and ``spm_T1`` for skull and scalp.
    contrast : str
        Of `CONTRASTS`.
    lesion : bool
    seed : int
        Of noise and shading.
    """
    rng = np.random.default_rng(seed)
    grey, white, fluid = sharpened(*tissue_maps(data))
    levels = CONTRASTS[contrast]
    template = resample_to(_read(data, "spm_T1"), grey).volume.array.astype(np.float32)
    # of the template only the head's outline is taken: an average blurs skull and scalp
    head = ndimage.binary_fill_holes(template > 0.3 * np.percentile(template, 95))
    mm = grey.spacing
    away = ndimage.distance_transform_edt(grey.array + white.array + fluid.array < 0.5, mm)
    deep = ndimage.distance_transform_edt(np.pad(head, 1, mode="edge"), mm)[1:-1, 1:-1, 1:-1]
    # from within: a film of fluid, bone, muscle, and fat under the skin
    kinds = [head & (away > 0) & (away <= FILM_MM), head & (away > BONE_MM), head & (deep < FAT_MM)]
    outer = np.zeros(template.shape)
    outer[head & (away > 0)] = 0.04
    for kind, level in zip(kinds, (levels[0], levels[5], levels[3]), strict=True):
        outer[kind & (away > 0)] = level
    outer = ndimage.gaussian_filter(outer, 0.4)
    brain = levels[0] * fluid.array + levels[1] * grey.array + levels[2] * white.array
    x, y, z = _world(grey)
    known = known_masks(grey, white, fluid)
    if lesion:
        radius = (3 * LESION_ML * 1000 / (4 * np.pi)) ** (1 / 3)
        off = np.sqrt(sum((w - c) ** 2 for w, c in zip((x, y, z), LESION_MM, strict=True)))
        part = np.clip((radius - off) / 2 + 0.5, 0, 1) * (grey.array + white.array)
        brain = brain * (1 - part) + levels[4] * part
        found = part > 0.5
        known |= {"lesion": found, "infarct": found}
        if contrast in ("FLAIR", "DWI"):
            known["hyperintensity"] = found
    values = 1000 * (brain + outer)
    shading = 1 + SHADING / 2 * (x / 80 + 0.6 * z / 80 + 0.4 * np.cos(y / 60))
    noise = rng.normal(0, 1000 * NOISE * levels[2], (2, *values.shape))
    values = np.hypot(values * shading + noise[0], noise[1])  # Rician
    made = grey.with_array(values.astype(np.float32), unit="a.u.", modality="MR", name="image A")
    return made, known


def _read(data: Path, name: str) -> Volume:
    image = nib.as_closest_canonical(nib.load(data / f"{name}.nii.gz"))
    return Volume.from_nibabel(image)


def _world(volume: Volume) -> npt.NDArray[np.float64]:
    assert volume.affine is not None
    z, y, x = np.indices(volume.shape)
    index = np.stack([x, y, z, np.ones_like(x)])
    world: npt.NDArray[np.float64] = np.tensordot(volume.affine, index, axes=1)[:3]
    return world
