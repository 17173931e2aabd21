"""`Volume` to napari layer data and back, with nothing of the geometry lost.

Where things lie in the viewer
------------------------------
napari's world axes are (z, y, x) and, in a slice, y points down and x to the right. Layers are
placed in **LPS** millimetres (DICOM's patient axes: x to the left, y to the back, z to the head),
so an axial slice looks as radiologists expect it: the patient's right on the left of the screen,
the front at the top. napari does not like negative scales and does not slice oblique volumes
correctly, therefore

- arrays are flipped and transposed (never resampled) until their axes run along L, P and S;
- two-dimensional sagittal and coronal images run along (inferior, P) and (inferior, L) instead,
  which puts the head at the top;
- every layer has a positive, diagonal transform. Grids along the patient axes overlay exactly,
  whatever their spacing, origin and flips. An oblique grid keeps its spacing and its centre, and
  its true affine is kept in the metadata.

``layer.metadata["textdifuse"]`` holds ``affine`` (RAS millimetres, for the array as it is in the
layer, in the index order of `Volume`) and ``placed`` (the layer's own matrix when it was made), so
that a layer that was moved or cropped later still has a correct affine; further ``unit``,
``modality``, ``contrast``, ``sources`` (see `Volume`), ``window``, ``notes`` and ``acquisition``;
``record`` and ``objects`` where a fusion made the layer.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import InputError
from ..measure import columns_of
from ..spatial.layers import (
    current_affine,
    data_to_world,
    in_millimetres,
    spatial_part,
    world_affine,
)
from ..volume import KEY as KEY
from ..volume import RAS_LPS, Array, Volume
from .looks import as_saved, display, label_colours

LayerData = tuple[Array, dict[str, Any], str]
Matrix = npt.NDArray[np.float64]

#: What a layer derived from another takes over from it.
GEOMETRY = ("scale", "translate", "rotate", "shear", "affine", "units", "axis_labels")


@dataclass(frozen=True)
class LayerCopy:
    """What a fusion needs of an image layer, taken while the layer exists.

    Parameters
    ----------
    name : str
    data : array
        The layer's own array, by reference.
    rgb : bool
    matrix : ndarray, shape (n + 1, n + 1)
        Array indices to napari's world, in array order; millimetres where the layer has units.
    affine : ndarray, shape (4, 4), or None
        See `Volume`; None for a picture that was never placed anywhere.
    geometry : dict
        Keyword arguments that put another layer exactly where this one is.
    known : dict
        What this plugin knew of the layer.
    """

    name: str
    data: Any
    rgb: bool
    matrix: Matrix
    affine: Matrix | None
    geometry: dict[str, Any]
    known: dict[str, Any]

    def volume(self) -> Volume:
        """Return the image as a `Volume` (reads lazy data; call it in the worker).

        Raises
        ------
        InputError
            If the layer is not a real 2-D image or 3-D volume.
        """
        array = np.asarray(self.data)
        if array.ndim - int(self.rgb) not in (2, 3) or array.dtype.kind not in "biuf":
            raise InputError(
                f"Layer {self.name!r}: {array.dtype} data of shape {array.shape} is not a real 2-D "
                "image or 3-D volume; choose one time point or channel."
            )
        window = self.known.get("window")
        return Volume(
            array,
            affine=self.affine,
            unit=self.known.get("unit", "a.u."),
            modality=self.known.get("modality"),
            contrast=self.known.get("contrast"),
            sources=dict(self.known.get("sources", {})),
            rgb=self.rgb,
            name=self.name,
            window=None if window is None else (window[0], window[1]),
            metadata={
                **self.known.get("acquisition", {}),
                "notes": list(self.known.get("notes", ())),
            },
        )


def to_layer(volume: Volume, name: str | None = None, kind: str = "image") -> LayerData:
    """Make napari layer data.

    Parameters
    ----------
    volume : Volume
    name : str, optional
        Name of the layer; the volume's own by default.
    kind : {"image", "labels"}

    Returns
    -------
    tuple of (ndarray, dict, str)
        Data, attributes and layer type; see the module for the axes.
    """
    array, affine, scale, translate = _to_screen_axes(volume)
    n = volume.ndim
    facts = dict(volume.metadata)
    known: dict[str, Any] = {
        "unit": volume.unit,
        "modality": volume.modality,
        "contrast": volume.contrast,
        "sources": dict(volume.sources),
        "window": volume.window,
        "notes": list(facts.pop("notes", ())),
        "acquisition": facts,
    }
    attributes: dict[str, Any] = {
        "name": name or volume.name,
        "axis_labels": ("z", "y", "x")[3 - n :],
        "metadata": {KEY: known},
    }
    if affine is not None:
        matrix = np.eye(n + 1)
        matrix[range(n), range(n)] = scale
        matrix[:n, n] = translate
        known |= {"affine": affine.tolist(), "placed": matrix.tolist()}
        attributes |= {"scale": scale, "translate": translate, "units": ("mm",) * n}
    if objects := facts.pop("objects", None):
        known["objects"] = objects
    saved: dict[str, Any] = {}
    if record := facts.pop("record", None):
        record = dict(record)
        saved = record.pop("layer", {})
        names = record.get("label_names", record.get("objects", {}))  # before 0.2: "objects"
        known |= {"record": record, "objects": names}
        called = str(saved.get("name", ""))
        if name is None and called and file_name(called) == volume.name:
            attributes["name"] = called  # with what file systems do not take
    if kind == "labels":
        rows = known.get("record", {}).get("objects", ())
        rows = rows if isinstance(rows, list) else ()
        attributes["features"] = label_features(known.get("objects", {}), rows)
        if "record" in known:
            attributes["colormap"] = label_colours(map(int, known["objects"]))
        return array if array.dtype.kind in "iu" else array.astype(np.uint8), attributes, kind
    look = display(volume) | as_saved(saved)
    colormap = look.get("colormap", "gray")
    known["shown"] = [look.get("contrast_limits"), getattr(colormap, "name", colormap)]
    return array, attributes | look, kind


def file_name(name: str) -> str:
    """Return a layer's name without what file systems do not take."""
    cleaned = re.sub(r'[\\/:*?"<>|\x00-\x1f]+', "", name).strip(" .")
    return cleaned or "layer"


def label_features(
    objects: Mapping[Any, str], rows: Sequence[Mapping[str, Any]] = ()
) -> dict[str, list[Any]]:
    """Return the table from which napari's status bar names the label under the cursor.

    Parameters
    ----------
    objects : mapping of int or str to str
        The name of each label.
    rows : sequence of dict
        From `measure.measure_objects`; columns that they fill are added.
    """
    labels = [0, *map(int, objects)]
    table: dict[str, list[Any]] = {"index": labels, "object": ["background", *objects.values()]}
    measured = {int(row["label"]): row for row in rows}
    for name, values in columns_of([measured.get(v, {}) for v in labels]).items():
        if name not in ("label", "term"):
            table[name] = values
    return table


def to_series_layer(volumes: Sequence[Volume], kind: str = "image") -> LayerData:
    """Make napari layer data with a leading time axis, of volumes on one grid.

    Parameters
    ----------
    volumes : sequence of Volume
        As `io.read_times` returns them; a single one becomes a layer without a time axis.
    kind : {"image", "labels"}

    Returns
    -------
    tuple of (ndarray, dict, str)
        See `to_layer`. The time axis counts time points; the metadata are the first one's.
    """
    layers = [to_layer(volume, kind=kind) for volume in volumes]
    data, attributes, kind = layers[0]
    if len(layers) == 1:
        return data, attributes, kind
    attributes["axis_labels"] = ("t", *attributes["axis_labels"])
    if "scale" in attributes:
        attributes["scale"] = (1.0, *attributes["scale"])
        attributes["translate"] = (0.0, *attributes["translate"])
        attributes["units"] = ("pixel", *attributes["units"])
    limits = [a["contrast_limits"] for _, a, _ in layers if "contrast_limits" in a]
    if limits:
        low, high = zip(*limits, strict=True)
        attributes["contrast_limits"] = (min(low), max(high))
    return np.stack([array for array, _, _ in layers]), attributes, kind


def copy_layer(layer: Any, time: int = 0) -> LayerCopy:
    """Take what a fusion needs of an Image or Labels layer, without touching or copying its data.

    Parameters
    ----------
    layer : napari layer
    time : int
        Which time point of a layer with a time axis before (Z, Y, X), from 0.
    """
    data = layer.data[0] if getattr(layer, "multiscale", False) else layer.data
    known = dict(layer.metadata.get(KEY, {}))
    geometry = {key: getattr(layer, key) for key in GEOMETRY}
    geometry["affine"] = layer.affine.affine_matrix.copy()
    matrix = transform_matrix(geometry, int(layer.ndim))
    name = str(layer.name)
    if layer.ndim == 4:
        name = f"{name} (time point {time})"
        data = data[time]
        matrix = spatial_part(matrix, 3, time)
        geometry = {key: _spatial(value) for key, value in geometry.items()}
    return LayerCopy(
        name=name,
        data=data,
        rgb=bool(getattr(layer, "rgb", False)),
        matrix=matrix,
        affine=current_affine(matrix, known),
        geometry=geometry,
        known=known,
    )


def same_world(a: LayerCopy, b: LayerCopy) -> tuple[LayerCopy, LayerCopy]:
    """Give two layers that the viewer shows in one pixel world the affines of that world.

    A layer at the origin with scale 1 may be a picture without geometry or the grid that another
    one was scaled onto; the second is the case if the other has a transform but no units.
    """

    def plain(copy: LayerCopy) -> bool:
        return "affine" not in copy.known and copy.affine is not None

    if a.affine is None and plain(b):
        a = replace(a, affine=world_affine(a.matrix))
    elif b.affine is None and plain(a):
        b = replace(b, affine=world_affine(b.matrix))
    return a, b


def _to_screen_axes(
    volume: Volume,
) -> tuple[Array, Matrix | None, tuple[float, ...], tuple[float, ...]]:
    """Turn the array to napari's axes; affine, scale and translate belong to the turned array."""
    n = volume.ndim
    if volume.affine is None:
        return volume.array, None, (1.0,) * n, (0.0,) * n
    from nibabel.orientations import io_orientation

    closest = io_orientation(RAS_LPS @ volume.affine)  # per index x, y, z: patient axis, sign
    order = sorted(range(n), key=lambda i: closest[i, 0])
    patient = [int(closest[i, 0]) for i in order]
    wanted = [-1.0 if n == 2 and axis == 2 else 1.0 for axis in patient]  # head up in 2-D

    new_to_old = np.eye(4)
    new_to_old[:n, :n] = 0
    array = volume.array.transpose(
        *(n - 1 - i for i in reversed(order)), *range(n, volume.array.ndim)
    )
    for k, i in enumerate(order):
        sign = closest[i, 1] * wanted[k]
        new_to_old[i, k] = sign
        if sign < 0:
            new_to_old[i, 3] = volume.shape[n - 1 - i] - 1
            array = np.flip(array, n - 1 - k)
    affine = volume.affine @ new_to_old

    size = np.array(array.shape[:n][::-1], dtype=float)
    scale = np.linalg.norm(affine[:3, :n], axis=0)
    centre = RAS_LPS @ affine @ np.r_[(size - 1) / 2, np.zeros(3 - n), 1]
    translate = centre[patient] * wanted - scale * (size - 1) / 2
    translate = np.round(translate, 9) + 0.0  # a millionth of a micrometre; no minus zero
    return (
        np.ascontiguousarray(array),
        affine,
        tuple(scale[::-1].tolist()),
        tuple(translate[::-1].tolist()),
    )


def _spatial(value: Any) -> Any:
    """Drop the time axis of one of a layer's geometric attributes; a shear's last three remain."""
    return value[1:, 1:] if np.ndim(value) == 2 else value[-3:]


def transform_matrix(attributes: Mapping[str, Any], n: int) -> Matrix:
    """Array indices to napari's world, with lengths in mm where the layer has units.

    Parameters
    ----------
    attributes : mapping
        A layer's ``scale``, ``rotate``, ``shear``, ``translate``, ``affine`` and ``units``.
    n : int
        Number of spatial axes.

    Returns
    -------
    ndarray, shape (n + 1, n + 1)
        In array order.
    """
    known = {key: attributes[key] for key in GEOMETRY if attributes.get(key) is not None}
    layer = SimpleNamespace(**{"scale": np.ones(n), "translate": np.zeros(n)} | known)
    return in_millimetres(data_to_world(layer), attributes.get("units"))[0]
