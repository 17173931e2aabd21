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

``layer.metadata["textdifuse"]`` contains ``affine`` (RAS millimetres, for the array as it is in the
layer, in the index order of `Volume`) and ``placed`` (the layer's own matrix when it was made), so
that a layer that was moved or cropped later still has a correct affine; further ``unit``,
``modality``, ``contrast``, ``sources`` (see `Volume`), ``window``, ``notes`` and ``acquisition``;
``file_order`` if the file has other axes (see `file_order.Turn`), in which it is fused and saved;
``record`` and ``objects`` if a fusion made the layer.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..exports import RAS_LPS
from ..spatial.layers import (
    at_time,
    data_to_world,
    in_millimetres,
    spatial_part,
)
from ..volume import KEY as KEY
from ..volume import Array, Volume
from .file_order import FILE_ORDER, Turn
from .looks import as_saved, display, label_colours

LayerData = tuple[Array, dict[str, Any], str]
Matrix = npt.NDArray[np.float64]

#: Longest file name, in bytes: file systems accept 255, with an extension and a number.
LONGEST = 200
#: What a derived layer inherits.
GEOMETRY = ("scale", "translate", "rotate", "shear", "affine", "units", "axis_labels")


@dataclass(frozen=True)
class Placement:
    """The position of a layer in the viewer, copied while the layer exists.

    Parameters
    ----------
    name : str
        Of the layer.
    matrix : ndarray, shape (n + 1, n + 1)
        Array indices to napari's world, in array order; millimetres where the layer has units.
    geometry : dict
        Keyword arguments that put another layer exactly where this one is.
    """

    name: str
    matrix: Matrix
    geometry: dict[str, Any]

    @classmethod
    def of(cls, layer: Any, time: int = 0) -> Placement:
        """Return the placement of an Image or Labels layer.

        Parameters
        ----------
        layer : napari layer
        time : int
            Which time point of a layer with a time axis before (Z, Y, X), from 0.
        """
        geometry = {key: getattr(layer, key) for key in GEOMETRY}
        geometry["affine"] = layer.affine.affine_matrix.copy()
        matrix = in_millimetres(data_to_world(layer), layer.units)[0]
        name = str(layer.name)
        if layer.ndim == 4:
            name = at_time(name, time)
            matrix = spatial_part(matrix, 3, time)
            geometry = {key: _spatial(value) for key, value in geometry.items()}
        return cls(name, matrix, geometry)


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
    array, affine, scale, translate, turn = _to_screen_axes(volume)
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
        if turn is not None and turn.changes:
            known[FILE_ORDER] = turn.known
        attributes |= {"scale": scale, "translate": translate, "units": ("mm",) * n}
    if objects := facts.pop("objects", None):
        known["objects"] = objects
    saved: dict[str, Any] = {}
    if record := facts.pop("record", None):
        record = dict(record)
        saved = record.pop("layer", {})
        names = record.get("label_names", record.get("objects", {}))  # before 0.2: "objects"
        # segments may have been numbered again when they were written
        known |= {"record": record, "objects": known.get("objects", names)}
        called = str(saved.get("name", ""))
        if name is None and called and _is_named_by_record(volume.name, called):
            attributes["name"] = called  # with what file systems do not take
    if kind == "labels":
        rows = known.get("record", {}).get("objects", ())
        labels = {str(row.get("label")) for row in rows} if isinstance(rows, list) else set()
        rows = rows if labels and labels == set(map(str, known.get("objects", {}))) else ()
        attributes["features"] = label_features(known.get("objects", {}), rows)
        if "record" in known:
            attributes["colormap"] = label_colours(map(int, known["objects"]))
        return array if array.dtype.kind in "iu" else array.astype(np.uint8), attributes, kind
    look = display(volume) | as_saved(saved)
    colormap = look.get("colormap", "gray")
    known["shown"] = [look.get("contrast_limits"), getattr(colormap, "name", colormap)]
    return array, attributes | look, kind


def file_name(name: str) -> str:
    """Return a layer's name without what file systems do not take, of at most `LONGEST` bytes."""
    cleaned = re.sub(r'[\\/:*?"<>|\x00-\x1f]+', "", name).strip(" .")
    return cleaned.encode()[:LONGEST].decode(errors="ignore").strip(" .") or "layer"


def _is_named_by_record(found: str, called: str) -> bool:
    """Return whether a file still has the name of its layer; DICOM files have none of their own."""
    return found == file_name(called) or re.fullmatch(r"[A-Z]+ series( \d+)?", found) is not None


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
    from ..measure import columns_of

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


def _to_screen_axes(
    volume: Volume,
) -> tuple[Array, Matrix | None, tuple[float, ...], tuple[float, ...], Turn | None]:
    """Turn the array to napari's axes; affine, scale and translate belong to the turned array."""
    n = volume.ndim
    if volume.affine is None:
        return volume.array, None, (1.0,) * n, (0.0,) * n, None
    from nibabel.orientations import io_orientation

    closest = io_orientation(RAS_LPS @ volume.affine)  # per index x, y, z: patient axis, sign
    order = sorted(range(n), key=lambda i: closest[i, 0])
    patient = [int(closest[i, 0]) for i in order]
    wanted = [-1.0 if n == 2 and axis == 2 else 1.0 for axis in patient]  # head up in 2-D

    new_to_old = np.eye(4)
    new_to_old[:n, :n] = 0
    axes = tuple(n - 1 - i for i in reversed(order))
    array = volume.array.transpose(*axes, *range(n, volume.array.ndim))
    flipped = [False] * n
    for k, i in enumerate(order):
        sign = closest[i, 1] * wanted[k]
        new_to_old[i, k] = sign
        if sign < 0:
            new_to_old[i, 3] = volume.shape[n - 1 - i] - 1
            array = np.flip(array, n - 1 - k)
            flipped[n - 1 - k] = True
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
        Turn(axes, tuple(flipped), volume.affine),
    )


def _spatial(value: Any) -> Any:
    """Drop the time axis of one of a layer's geometric attributes; a shear's last three remain."""
    return value[1:, 1:] if np.ndim(value) == 2 else value[-3:]
