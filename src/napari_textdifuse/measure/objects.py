"""One row per label: size, position, and statistics of both source images."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from ..volume import Volume
from .source import Extent, MaskedSource, extents
from .suv_peak import suv_peak


def measure_objects(
    mask: npt.NDArray[np.uint8],
    names: Mapping[int, str],
    grid: Volume,
    sources: Mapping[str, Volume],
    *,
    axis: int = 0,
    found_in: Mapping[int, str] | None = None,
    counts: Mapping[int, int] | None = None,
) -> list[dict[str, Any]]:
    """Measure every label of a mask in the source images, in their own units.

    A source is measured on its own grid, in its original values: nothing is
    interpolated, smoothed or windowed. A voxel of the source belongs to an object if its centre
    lies in a voxel of the mask. If an object is too small to contain a centre, the source's voxels
    at the centres of the mask's voxels count. Values that are not finite are left out. Colours are
    measured by their brightness.

    Parameters
    ----------
    mask : ndarray of uint8, shape (Y, X) or (Z, Y, X)
    names : mapping of int to str
        Of all requested labels. Those that are not in the mask get a row with 0 voxels.
    grid : Volume
        Grid of the mask; only its affine is used.
    sources : mapping of str to Volume
        "a" and "b" after registration, each on its own grid; may be lazy.
    axis : int
        Array axis along which slices are counted.
    found_in : mapping of int to str, optional
        Image in which each label was found.
    counts : mapping of int to int, optional
        Number of separate objects of each label.

    Returns
    -------
    list of dict
        Plain values, ready for JSON, with the keys of `table.COLUMNS`, the two centroids as lists:
        ``centroid_mm`` is x, y, z in RAS, ``centroid_voxel`` is z, y, x (y, x) of the mask. None
        if a value does not apply or is unknown, such as a volume without geometry.

    Notes
    -----
    ``sd`` is that of the voxels (divisor N). SUV images add ``SUVmean``, ``SUVmax``,
    ``SUVpeak`` (see `suv_peak`), ``MTV_mL`` (the object's volume as far as the PET reaches) and
    ``TLG`` (SUVmean x MTV), as in
    Boellaard et al., EANM procedure guidelines for tumour imaging 2.0,
    Eur J Nucl Med Mol Imaging 42 (2015).
    """
    found = extents(mask, axis)
    place = Volume(mask, affine=grid.affine, name="the mask")
    rows = {}
    for label in sorted({*map(int, names), *found}):
        rows[label] = {
            "label": label,
            "term": names.get(label, f"label {label}"),
            "found_in": (found_in or {}).get(label),
            "objects": (counts or {}).get(label, int(label in found)),
            **_geometry(found.get(label), place),
        }
    for role, volume in sources.items():
        source = MaskedSource(place, volume, found)
        values = source.values()
        for label, row in rows.items():
            about: dict[str, Any] = {"modality": volume.modality, "unit": volume.unit}
            inside = values.get(label, np.zeros(0))
            about |= _statistics(inside)
            if inside.size:
                about |= _uptake(source, label, about["mean"], about["max"], row["volume_mL"])
            row |= {f"{role}_{key}": value for key, value in about.items()}
    return list(rows.values())


def _geometry(extent: Extent | None, mask: Volume) -> dict[str, Any]:
    """Return the columns that depend on the mask alone."""
    voxels = extent.voxels if extent else 0
    row: dict[str, Any] = {
        "voxels": voxels,
        "slices": len(extent.slices) if extent else 0,
        "volume_mL": None,
        "area_mm2": None,
        "centroid_mm": None,
        "centroid_voxel": None,
    }
    steps = None if mask.affine is None else mask.affine[:3, :3]
    if steps is not None and mask.ndim == 3:
        row["volume_mL"] = voxels * float(abs(np.linalg.det(steps))) / 1000
    elif steps is not None:
        row["area_mm2"] = voxels * float(np.linalg.norm(np.cross(steps[:, 0], steps[:, 1])))
    if extent:
        middle = extent.total / voxels
        row["centroid_voxel"] = middle.tolist()
        if mask.affine is not None:
            xyz = np.append(middle[::-1], [0.0, 1.0] if mask.ndim == 2 else [1.0])
            row["centroid_mm"] = (mask.affine @ xyz)[:3].tolist()
    return row


def _statistics(values: npt.NDArray[np.float64]) -> dict[str, Any]:
    if not values.size:
        return {"voxels": 0, **dict.fromkeys(("mean", "sd", "min", "max", "median"))}
    return {
        "voxels": int(values.size),
        "mean": float(values.mean()),
        "sd": float(values.std()),
        "min": float(values.min()),
        "max": float(values.max()),
        "median": float(np.median(values)),
    }


def _uptake(
    source: MaskedSource, label: int, mean: float, highest: float, volume_ml: float | None
) -> dict[str, Any]:
    """Return the measures of PET; nothing for other images."""
    suv = source.source.unit.startswith("SUV")
    if not suv and source.source.modality != "PT":
        return {}
    places = source.places(label)
    inside = source.inside(places)
    volume = None if volume_ml is None else volume_ml * float(inside.mean())
    if not suv:
        return {"MTV_mL": volume}
    return {
        "SUVmean": mean,
        "SUVmax": highest,
        "SUVpeak": suv_peak(source.source, places[inside]),
        "MTV_mL": volume,
        "TLG": None if volume is None else mean * volume,
    }
