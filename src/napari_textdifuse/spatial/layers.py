"""Image layers as volumes, read from their public attributes; napari is never imported.

napari displays all layers in one world whose axes are those of the arrays (z, y, x). This package
interprets that world as LPS millimetres; its own reader places images accordingly.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from ..arrays import keep_lazy, time_point
from ..errors import GeometryError, InputError, kind_of_values, size_of
from ..exports import RAS_LPS
from ..volume import KEY, MILLIMETRES, Volume

Matrix = npt.NDArray[np.float64]


def is_layer(source: Any) -> bool:
    """Return whether an object can be read as an image layer."""
    if isinstance(source, np.ndarray):  # its data may be an unsupported buffer
        return False
    return all(hasattr(source, name) for name in ("data", "scale", "translate"))


def stored_facts(layer: Any) -> dict[str, Any]:
    """Return the metadata of this package in a layer: affine, unit, modality, window, notes ..."""
    return dict((getattr(layer, "metadata", None) or {}).get(KEY, {}))


def read_layer(layer: Any, role: str, time: int | None = None) -> Volume:
    """Convert a layer to a volume with its geometry; values are not checked.

    Parameters
    ----------
    layer : object
        A napari layer, or anything with ``data``, ``scale`` and ``translate``; only public
        attributes are read, and napari is not imported.
    role : str
        Name to use if the layer has none.
    time : int, optional
        See `as_volume`.

    Returns
    -------
    Volume
        Lazy data stays lazy.

    Raises
    ------
    InputError
        If it is not a real image or volume.
    GeometryError
        If its transform is flat or not finite.
    """
    data = layer.data[0] if getattr(layer, "multiscale", False) else layer.data
    name = str(getattr(layer, "name", role))
    rgb = bool(getattr(layer, "rgb", False))
    array = keep_lazy(data)
    if array.ndim - int(rgb) == 4:
        array = time_point(array, time, f"layer {name!r}")
        name = at_time(name, time or 0)
    n = array.ndim - int(rgb)
    if n not in (2, 3) or array.dtype.kind not in "biuf":
        raise InputError(
            f"layer {name!r}: {size_of(array.shape)} {kind_of_values(array.dtype)} are not a real "
            "2-D image or 3-D volume; choose one time point or channel."
        )
    known = stored_facts(layer)
    matrix = spatial_part(data_to_world(layer), n, time or 0)
    matrix, unknown = in_millimetres(matrix, getattr(layer, "units", None))
    affine = current_affine(matrix, known)
    notes = list(known.get("notes", ()))
    if affine is not None and unknown and "affine" not in known:
        notes.append(
            f"The layer's unit is {' and '.join(unknown)}, not a length; its position was taken as "
            "millimetres of the viewer's world."
        )
    sources = dict(known.get("sources", {}))
    if "affine" not in known:
        sources["space"] = "viewer"
    window = known.get("window")
    return Volume(
        array,
        affine=affine,
        unit=known.get("unit", "a.u."),
        modality=known.get("modality"),
        contrast=known.get("contrast"),
        sources=sources,
        window=None if window is None else (window[0], window[1]),
        rgb=rgb,
        name=name,
        metadata={**known.get("acquisition", {}), **_limits(layer, rgb), "notes": notes},
    )


def read_on(layer: Any, image: Any) -> Volume:
    """Read a layer that was drawn on another one as displayed.

    A viewer displays oblique grids upright. A drawing has no affine of its own, so it inherits that
    of the image below it; a layer that was read from a file keeps its own.

    Parameters
    ----------
    layer, image : object
        See `read_layer`; for time series the first point.
    """
    volume, below = read_layer(layer, "mask", 0), read_layer(image, "image", 0)
    if "affine" in stored_facts(layer) or below.affine is None or below.ndim != volume.ndim:
        return volume
    matrices = [
        in_millimetres(spatial_part(data_to_world(v), volume.ndim), getattr(v, "units", None))[0]
        for v in (layer, image)
    ]
    known = {"affine": below.affine, "placed": matrices[1]}
    return replace(volume, affine=current_affine(matrices[0], known))


def at_time(name: str, time: int) -> str:
    """Return the name of a layer's time point."""
    return f"{name} (time point {time})"


def _limits(layer: Any, rgb: bool) -> dict[str, Any]:
    """Return the contrast limits, for ``windows="shown"``, and a gamma that bends them."""
    limits = getattr(layer, "contrast_limits", None)
    if rgb or limits is None:
        return {}
    gamma = float(getattr(layer, "gamma", 1))
    bent = {} if gamma == 1 else {"gamma": gamma}
    return {"shown": (float(limits[0]), float(limits[1])), **bent}


def data_to_world(layer: Any) -> Matrix:
    """Return the matrix from a layer's array indices to its world, in the order of the array.

    Parameters
    ----------
    layer : object
        With napari's ``data_to_world``, or with ``scale`` and ``translate`` and, where
        present, ``rotate`` and ``shear`` (matrices, shear also as the upper triangle's values) and
        ``affine``, composed as napari does: affine * (rotate * shear * scale + translate).

    Returns
    -------
    ndarray, shape (n + 1, n + 1)
        In the world's units; n is the layer's number of axes.

    Raises
    ------
    GeometryError
        If the matrix is not finite or flattens the image.
    """
    n = len(np.atleast_1d(layer.scale))
    matrix = np.eye(n + 1)
    if callable(getattr(layer, "data_to_world", None)):
        origin = np.asarray(layer.data_to_world((0,) * n), dtype=float)
        for axis, step in enumerate(np.eye(n)):
            matrix[:n, axis] = np.asarray(layer.data_to_world(tuple(step)), dtype=float) - origin
        matrix[:n, n] = origin
    else:
        matrix = _composed(layer, n)
    linear = matrix[:n, :n]
    size = np.linalg.norm(linear, axis=0)
    if not np.isfinite(matrix).all() or abs(np.linalg.det(linear)) <= 1e-9 * np.prod(size):
        raise GeometryError(
            f"layer {getattr(layer, 'name', '')!r}: its transform is not finite or has no volume; "
            "correct its scale, shear or affine."
        )
    return matrix


def in_millimetres(matrix: Matrix, units: Any) -> tuple[Matrix, tuple[str, ...]]:
    """Convert a layer's matrix to millimetres, as far as its units are lengths.

    Parameters
    ----------
    matrix : ndarray, shape (n + 1, n + 1)
    units : sequence, or None
        One unit per axis: text, or objects (of pint) whose text names the unit.

    Returns
    -------
    matrix : ndarray, shape (n + 1, n + 1)
    unknown : tuple of str
        Units that are not lengths; their axes are unchanged.
    """
    n = len(matrix) - 1
    names = ["pixel"] * n if units is None else [str(unit) for unit in units][-n:]
    factors = [MILLIMETRES.get(name.lower()) for name in names]
    result = matrix.copy()
    for axis, factor in enumerate(factors):
        result[axis] *= 1.0 if factor is None else factor
    unknown = {name: None for name, f in zip(names, factors, strict=True) if f is None}
    return result, tuple(unknown)


def spatial_part(matrix: Matrix, n: int, time: int = 0) -> Matrix:
    """Return the part of a matrix that places the last `n` axes, at a point of the first axis.

    Parameters
    ----------
    matrix : ndarray, shape (m + 1, m + 1)
    n : int
        Number of spatial axes, at most m.
    time : int
        Index along the axis before them, which may shift the image.

    Returns
    -------
    ndarray, shape (n + 1, n + 1)
    """
    m = len(matrix) - 1
    part = np.eye(n + 1)
    part[:n, :n] = matrix[m - n : m, m - n : m]
    part[:n, n] = matrix[m - n : m, m]
    if m > n:
        part[:n, n] += matrix[m - n : m, m - n - 1] * time
    return part


def world_affine(matrix: Matrix) -> Matrix:
    """Convert a layer's matrix (millimetres, array order) to a `Volume`'s affine (RAS, x y z)."""
    affine: Matrix = RAS_LPS @ embed(matrix)
    return affine


def current_affine(matrix: Matrix, known: Mapping[str, Any]) -> Matrix | None:
    """Return the affine of a layer's array in its current position.

    Parameters
    ----------
    matrix : ndarray, shape (n + 1, n + 1)
        Array indices to the world, in millimetres.
    known : mapping
        ``layer.metadata["textdifuse"]``: ``affine``, and ``placed``, the matrix when the layer was
        created. The affine follows a layer that was moved or cropped since. Without an affine,
        the world is interpreted as LPS.

    Returns
    -------
    ndarray, shape (4, 4), or None
        See `Volume`. None if nothing is known and the transform is the identity.
    """
    affine = known.get("affine")
    if affine is not None:
        true = np.asarray(affine, dtype=float)
        placed = np.asarray(known.get("placed", matrix), dtype=float)
        if len(placed) > len(matrix):
            placed = spatial_part(placed, len(matrix) - 1)
        if placed.shape == matrix.shape:
            moved = np.linalg.solve(placed, matrix)  # array indices now to indices when placed
            same = np.allclose(moved, np.eye(len(moved)), atol=1e-6)
            return true if same else true @ embed(moved)
    if np.array_equal(matrix, np.eye(len(matrix))):
        return None
    return world_affine(matrix)


def embed(matrix: Matrix) -> Matrix:
    """Reverse the axes of a matrix and embed it in 4x4; a 2-D image is the plane z = 0."""
    n = len(matrix) - 1
    out = np.eye(4)
    out[:n, :n] = matrix[:n, :n][::-1, ::-1]
    out[:n, 3] = matrix[:n, n][::-1]
    return out


def _composed(layer: Any, n: int) -> Matrix:
    linear = np.diag(np.asarray(layer.scale, dtype=float))
    shear = getattr(layer, "shear", None)
    if shear is not None and np.any(shear):
        values = np.asarray(shear, dtype=float)
        if values.ndim == 1:
            values, vector = np.eye(n), values
            values[np.triu_indices(n, 1)] = vector
        linear = values @ linear
    rotate = getattr(layer, "rotate", None)
    if rotate is not None:
        linear = np.asarray(rotate, dtype=float) @ linear
    matrix = np.eye(n + 1)
    matrix[:n, :n] = linear
    matrix[:n, n] = np.asarray(layer.translate, dtype=float)
    outer = getattr(layer, "affine", None)
    if outer is not None:
        matrix = np.asarray(getattr(outer, "affine_matrix", outer), dtype=float) @ matrix
    return matrix
