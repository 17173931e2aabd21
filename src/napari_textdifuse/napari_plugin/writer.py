"""napari writers: layers as NIfTI or DICOM, with geometry and record."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from ..errors import WriteError
from ..io.staging import publish, staging
from ..spatial.layers import read_layer
from ..volume import LABEL_UNIT, Volume
from .layers import GEOMETRY, KEY, file_name
from .looks import saved_look

#: Extensions, the longest first, and their description in messages.
_NIFTI, _DICOM = (".nii.gz", ".nii"), (".dcm",)
_CHOICE = {_NIFTI: ".nii and .nii.gz; choose one of the two", _DICOM: ".dcm here; choose it"}


def write_nifti(path: str, data: Any, attributes: dict[str, Any]) -> list[str]:
    """Write one image or labels layer as NIfTI.

    The affine is the one kept in the layer's metadata, brought up to date if the layer was moved;
    without one, the layer's position in the viewer, as LPS millimetres.

    Parameters
    ----------
    path : str
        Ends in ``.nii`` or ``.nii.gz``.
    data : array
        (Z, Y, X), (Y, X), or with a last axis of colours.
    attributes : dict
        The layer's attributes, as napari passes them to writers.

    Returns
    -------
    list of str
        The path.

    Raises
    ------
    WriteError
        If the file cannot be written; nothing is left behind.
    """
    from ..io import write

    _ending(path, _NIFTI)
    volume, known = _volume(data, attributes)
    return [str(write(path, volume, record=_record(known, saved_look(attributes))))]


def write_dicom(path: str, data: Any, attributes: dict[str, Any]) -> list[str]:
    """Write one image or labels layer as DICOM, for an anonymous patient.

    Labels become a segmentation, one file. A volume becomes a folder of secondary captures, named
    without the ``.dcm``; a single slice becomes one file. To file them with their patient, use
    `io.write_dicom` and `io.write_segmentation` with the source series.

    Parameters
    ----------
    path : str
        Ends in ``.dcm``.
    data, attributes
        See `write_nifti`.

    Returns
    -------
    list of str
        The files.

    Raises
    ------
    WriteError
        If they cannot be written; nothing is left behind.
    """
    _ending(path, _DICOM)
    return [str(file) for file in _write_dicom(Path(path), data, attributes)]


def _write_dicom(
    path: Path, data: Any, attributes: dict[str, Any], study: Path | None = None
) -> list[Path]:
    """Write a layer as DICOM, into the study of what was written before."""
    from .. import io

    volume, known = _volume(data, attributes)
    look = saved_look(attributes)
    for role, source in known.get("sources", {}).items():
        if role in ("a", "b"):  # names of files may be those of patients
            look["name"] = look["name"].replace(str(source), f"image {role.upper()}")
    linked: dict[str, Any] = {"source": study, "identity": study is not None}
    linked["record"] = _record(known, look)
    if volume.unit == LABEL_UNIT:
        return [io.write_segmentation(path, volume, names=known.get("objects"), **linked)]
    target = path if volume.ndim == 2 else path.with_suffix("")
    return io.write_dicom(target, volume, **linked)


def _record(known: dict[str, Any], look: dict[str, Any]) -> dict[str, Any] | None:
    record = known.get("record")
    return None if record is None else record | {"layer": look}


def write_together_dicom(path: str, layers: Sequence[tuple[Any, dict[str, Any], str]]) -> list[str]:
    """Write several image and labels layers as DICOM of an anonymous patient, in one new study.

    Parameters
    ----------
    path : str
        Ends in ``.dcm``; the folder is named without it, its files after the layers.
    layers : sequence of (array, dict, str)
        As napari passes them to writers.

    Returns
    -------
    list of str
        The files.

    Raises
    ------
    WriteError
        If one of them cannot be written, or a series is there already; nothing is left behind.
    """
    folder, study = Path(path[: -len(_ending(path, _DICOM))]), None
    ordered = sorted(zip(_stems(layers), layers, strict=True), key=lambda v: v[1][2] == "labels")
    with staging(folder) as temporary:
        written: list[Path] = []
        for stem, (data, attributes, _) in ordered:
            files = _write_dicom(temporary / f"{stem}.dcm", data, attributes, study)
            series = files[0].parent
            if series != temporary and (folder / series.name).exists():
                raise WriteError(f"{series.name} already exists; choose another name.")
            if study is None:
                study = files[0] if series == temporary else series
            written += files
        return _published(written, temporary, folder)


def write_together(path: str, layers: Sequence[tuple[Any, dict[str, Any], str]]) -> list[str]:
    """Write several image and labels layers as NIfTI into one folder.

    Parameters
    ----------
    path : str
        Ends in ``.nii`` or ``.nii.gz``; the folder is named without it, the files by the layers.
    layers : sequence of (array, dict, str)
        As napari passes them to writers.

    Returns
    -------
    list of str
        The files.

    Raises
    ------
    WriteError
        If one of them cannot be written; nothing is left behind.
    """
    ending = _ending(path, _NIFTI)
    folder = Path(path[: -len(ending)])
    with staging(folder) as temporary:
        written = [
            Path(write_nifti(str(temporary / f"{stem}{ending}"), data, attributes)[0])
            for stem, (data, attributes, _) in zip(_stems(layers), layers, strict=True)
        ]
        return _published(written, temporary, folder)


def _published(written: Sequence[Path], temporary: Path, folder: Path) -> list[str]:
    """Move all staged files into their folder, or none; return their final names."""
    moves = [(file, folder / file.relative_to(temporary)) for file in written]
    for _, final in moves:
        if final.is_dir():
            raise WriteError(f"{final.name} is a folder; choose another name.")
    publish(moves)
    return [str(final) for _, final in moves]


def _ending(path: str, endings: tuple[str, ...]) -> str:
    """Return the extension of a path, one of these."""
    for ending in endings:
        if path.lower().endswith(ending):
            return ending
    raise WriteError(f"{Path(path).name}: this plugin writes {_CHOICE[endings]}.")


def _stems(layers: Sequence[tuple[Any, dict[str, Any], str]]) -> list[str]:
    """Return the layers' names as those of files, each once."""
    taken: set[str] = set()
    stems = []
    for _, attributes, _ in layers:
        name = stem = file_name(str(attributes.get("name", "layer")))
        for number in count(2):
            if name.casefold() not in taken:
                break
            name = f"{stem} {number}"
        taken.add(name.casefold())
        stems.append(name)
    return stems


def _volume(data: Any, attributes: dict[str, Any]) -> tuple[Volume, dict[str, Any]]:
    """Return a layer as a volume, and this plugin's metadata of it."""
    if attributes.get("multiscale", False):
        data = data[0]
    known = dict(attributes.get("metadata", {}).get(KEY, {}))
    array = np.asarray(data)
    rgb = bool(attributes.get("rgb", False))
    if "rgb" not in attributes:  # only Image layers have it
        known |= {"unit": LABEL_UNIT, "modality": None, "window": None}
        array = _smallest(array)
    n = array.ndim - int(rgb)
    place = {"scale": np.ones(n), "translate": np.zeros(n)} | {
        key: attributes[key] for key in GEOMETRY if attributes.get(key) is not None
    }
    name = str(attributes.get("name", "layer"))
    layer = SimpleNamespace(data=array, name=name, rgb=rgb, metadata={KEY: known}, **place)
    return read_layer(layer, name), known


def _smallest(labels: Any) -> Any:
    """Labels in the smallest sufficient type; napari makes them int64."""
    if labels.size == 0 or labels.dtype.kind not in "iu":
        return labels
    low, high = int(labels.min()), int(labels.max())
    return labels.astype(np.promote_types(np.min_scalar_type(low), np.min_scalar_type(high)))
