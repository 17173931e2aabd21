"""`xarray.DataArray`: axes by name, position by coordinates."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import numpy as np

from ..arrays import array_volume, keep_lazy, time_point
from ..errors import InputError
from ..exports import DIRECTION, ORIGIN, RAS_LPS, SPACING
from ..meaning import parse_modality, parse_unit
from ..volume import MILLIMETRES, Volume

#: Names of axes, in the order of a volume's array.
_AXES = {
    "t": ("t", "time", "frame"),
    "z": ("z", "slice", "plane", "depth"),
    "y": ("y", "row", "rows", "height"),
    "x": ("x", "col", "cols", "column", "columns", "width"),
    "c": ("c", "ch", "channel", "channels", "band", "bands", "colour", "color", "rgb", "component"),
}
_COLOURS = {"r", "g", "b", "a", "red", "green", "blue", "alpha", "0", "1", "2", "3"}


def from_data_array(source: Any, name: str, time: int | None = None) -> Volume:
    """Turn a `DataArray` into a volume.

    Parameters
    ----------
    source : xarray.DataArray
        Dimensions named z, y and x (or slice, row, column ...), in any order, perhaps with c
        (colours) and t (time); dimensions without such names count in the order of the array.
        Coordinates are millimetres in RAS, or in the unit of their attribute ``units``; with an
        attribute ``direction``, as `itk.xarray_from_image` writes it, they are LPS. Integers
        from 0 without a unit are indices without position. ``attrs`` may contain ``units`` (of the
        values) and ``modality``.
    name : str
        For messages, and of the volume.
    time : int, optional

    Raises
    ------
    InputError
        If a dimension has no meaning here, coordinates are not evenly spaced, or a time point or
        channel has to be chosen.
    """
    found, names = _ordered(source, name)
    array = keep_lazy(found.data)
    if names and names[0] == "t":
        array = time_point(array, time, name)
        names = names[1:]
    rgb = bool(names) and names[-1] == "c"
    if rgb:
        _check_colours(found, array, name)
    if not names:
        return array_volume(array, name, time)
    notes: list[str] = []
    spatial = dict(zip([n for n in names if n in "zyx"], _dims(found, names), strict=True))
    affine = _affine(found, spatial, name, notes)
    facts: dict[str, Any] = {}
    with suppress(InputError):
        facts["unit"] = parse_unit(str(source.attrs.get("units") or source.attrs.get("unit") or ""))
    with suppress(InputError):
        facts["modality"] = parse_modality(str(source.attrs.get("modality") or ""))[0]
    return Volume(
        array,
        affine=affine,
        rgb=rgb,
        name=name,
        sources=dict.fromkeys(facts, "file"),
        metadata={"notes": tuple(notes)},
        **facts,
    )


def _ordered(source: Any, name: str) -> tuple[Any, list[str]]:
    """Return the array with its dimensions as (t, z, y, x, c), and their letters.

    No letters if the dimensions have no names.
    """
    letter = {word: axis for axis, words in _AXES.items() for word in words}
    axes = {dim: letter.get(str(dim).lower()) for dim in source.dims}
    if all(str(dim).startswith("dim_") for dim in source.dims):
        return source, []
    for dim in [d for d, axis in axes.items() if source.sizes[d] == 1 and axis in (None, "c", "t")]:
        source = source.isel({dim: 0})
        del axes[dim]
    letters = [axis for axis in axes.values() if axis]
    if None in axes.values() or len(set(letters)) < len(letters) or not {"y", "x"} <= set(letters):
        raise InputError(
            f"{name}: the dimensions {', '.join(map(str, source.dims))} cannot be distinguished; "
            "rename them to z, y and x (c for colours, t for time), or select one value of the "
            "others."
        )
    order = sorted(axes, key=lambda d: list(_AXES).index(str(axes[d])))
    return source.transpose(*order), [str(axes[d]) for d in order]


def _dims(found: Any, names: list[str]) -> list[Any]:
    dims = list(found.dims)[-len(names) :]
    return [d for d, n in zip(dims, names, strict=True) if n in "zyx"]


def _check_colours(found: Any, array: Any, name: str) -> None:
    dim = found.dims[-1]
    labels = (
        {str(v).lower() for v in np.asarray(found.coords[dim])} if dim in found.coords else set()
    )
    if array.shape[-1] not in (3, 4) or not labels <= _COLOURS:
        raise InputError(
            f"{name}: {array.shape[-1]} channels are not one image; select one along {dim}."
        )


def _affine(found: Any, dims: dict[str, Any], name: str, notes: list[str]) -> Any:
    steps, first = np.ones(3), np.zeros(3)
    placed: dict[str, bool] = {}
    counted: list[str] = []  # axes whose coordinates may be indices
    said_unit = False
    for letter, dim in dims.items():
        axis = "xyz".index(letter)
        grid = _steps(found, dim, name, notes)
        if grid is None:
            placed[letter] = False
            continue
        first[axis], steps[axis], unit = grid
        indices = unit is None and first[axis] == 0 and steps[axis] == 1
        factor = MILLIMETRES.get(unit.lower()) if unit is not None else 1.0
        if factor is None:
            notes.append(
                f"The coordinates along {dim} are in {unit}, which is not a length, so they give "
                "no position."
            )
        placed[letter] = factor is not None and not indices
        counted += [letter] if indices else []
        said_unit |= unit is not None
        first[axis], steps[axis] = first[axis] * (factor or 1), steps[axis] * (factor or 1)
    if any(placed.values()):
        placed |= dict.fromkeys(counted, True)
    attrs = found.attrs
    if not any(placed.values()) and DIRECTION not in attrs and "direction" not in attrs:
        return None
    missing = [str(dims[letter]) for letter, known in placed.items() if not known]
    if missing and DIRECTION not in attrs and "direction" not in attrs:
        notes.append(
            f"There are no coordinates along {' and '.join(missing)}, so the image has no position."
        )
        return None
    _place_across(found, dims, first, steps)
    matrix = np.eye(4)
    if DIRECTION in attrs:
        direction = np.reshape(np.asarray(attrs[DIRECTION], float), (3, 3))
        matrix[:3, :3] = direction * steps
        matrix[:3, 3] = np.asarray(attrs.get(ORIGIN, np.zeros(3)), float) + direction @ first
        return matrix
    if "direction" in attrs:  # as ITK writes it: LPS, rows and columns in the order z, y, x
        direction = np.eye(3)
        given = np.asarray(attrs["direction"], float)
        n = round(given.size**0.5)  # of the image, of which this may be one slice
        direction[:n, :n] = np.reshape(given, (n, n))[::-1, ::-1]
        matrix[:3, :3] = direction * steps
        matrix[:3, 3] = first
        return RAS_LPS @ matrix
    matrix[:3, :3], matrix[:3, 3] = np.diag(steps), first
    if not said_unit:
        notes.append(
            "The coordinates have no unit and no orientation; they were assumed to be "
            "millimetres, x "
            "to the right, y to the front, z to the head (RAS)."
        )
    return matrix


def _place_across(found: Any, dims: dict[str, Any], first: Any, steps: Any) -> None:
    """Set the position of a selected slice along the dimension that it has no more."""
    for name, coordinate in found.coords.items():
        letter = next((a for a in "zyx" if str(name).lower() in _AXES[a]), None)
        if (
            letter is None
            or letter in dims
            or coordinate.ndim
            or coordinate.dtype.kind not in "iuf"
        ):
            continue
        unit = coordinate.attrs.get("units") or coordinate.attrs.get("unit") or "mm"
        factor = MILLIMETRES.get(str(unit).lower())
        if factor is not None and np.isfinite(coordinate):
            axis = "xyz".index(letter)
            first[axis] = float(coordinate) * factor
            steps[axis] = float(coordinate.attrs.get(SPACING, 1.0)) * factor


def _steps(
    found: Any, dim: Any, name: str, notes: list[str]
) -> tuple[float, float, str | None] | None:
    """Return the first coordinate, the step and the unit along a dimension; None without."""
    if dim not in found.coords:
        return None
    coordinate = found.coords[dim]
    values = np.asarray(coordinate.values)
    if values.dtype.kind not in "iuf" or values.ndim != 1 or not np.isfinite(values).all():
        return None
    unit = coordinate.attrs.get("units") or coordinate.attrs.get("unit")
    values = values.astype(np.float64)
    if len(values) == 1:
        if SPACING not in coordinate.attrs:
            notes.append(f"There is one coordinate along {dim}; a step of 1 was assumed.")
        return float(values[0]), float(coordinate.attrs.get(SPACING, 1.0)), unit
    step = (values[-1] - values[0]) / (len(values) - 1)
    if step == 0 or np.abs(np.diff(values) - step).max() > 1e-3 * abs(step):
        raise InputError(
            f"{name}: the coordinates along {dim} are not evenly spaced; resample the array onto "
            "even ones (DataArray.interp)."
        )
    return float(values[0]), float(step), None if unit is None else str(unit)
