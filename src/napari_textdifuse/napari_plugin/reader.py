"""napari reader for NIfTI files, DICOM files and folders with DICOM series."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from ..errors import ReadError, TextDiFuseError
from ..volume import FUNCTIONAL, LABEL_UNIT, Volume
from .compare.mode import is_comparison
from .layers import KEY, LayerData, to_series_layer
from .results import is_result

PathOrPaths = str | os.PathLike[str] | Sequence[str | os.PathLike[str]]
Reader = Callable[[PathOrPaths], list[LayerData]]

NIFTI = (".nii", ".nii.gz")
#: Order of the layers, by modality, when several images are opened together.
_ORDER: dict[str | None, int] = {"CT": 1, "NM": 2, "PT": 2, "IR": 2}
#: How many files of a folder are checked before it is assumed to contain no DICOM.
_LOOK_AT = 50


def napari_get_reader(path: PathOrPaths) -> Reader | None:
    """Return a reader for `path`, or None if this plugin cannot read it; never raises.

    Parameters
    ----------
    path : str, PathLike, or list of them
        NIfTI or DICOM files, or folders with DICOM series.
    """
    try:
        paths = _as_paths(path)
        return read_layers if paths and all(map(_can_read, paths)) else None
    except (OSError, TypeError, ValueError):
        return None


def read_layers(path: PathOrPaths) -> list[LayerData]:
    """Read files or folders: one layer each, and one for every series of a DICOM folder.

    An image over time becomes one layer with a leading time axis.

    Parameters
    ----------
    path : str, PathLike, or list of them
        DICOM files of one folder are read as its series if the folder contains no others.

    Returns
    -------
    list of (ndarray, dict, str)

    Raises
    ------
    ReadError, GeometryError, InputError
        One sentence that says what cannot be read and why.
    """
    from ..io import read_times

    paths = _as_paths(path)
    if len(paths) > 1 and all(_is_dicom(p) for p in paths):
        paths = [_common_folder(paths)]
    layers: list[LayerData] = []
    for p in paths:
        opened = _read_folder(p) if p.is_dir() else [_layer(read_times(p))]
        layers += _with_unique_names(opened, p, layers)
    # what lets others through lies above: CT over MRI, PET and SPECT over both
    layers.sort(key=lambda layer: _ORDER.get(_known(layer).get("modality"), 0))
    let_through(layers)
    return layers


def let_through(layers: Sequence[LayerData]) -> None:
    """Keep the first image visible below the second, whichever was opened first.

    Two images are mixed in equal parts, which neither saturates nor hides one of them, whatever
    their colour maps; a functional image is mixed with all that lies below it. Above a result or a
    comparison an image is opaque: mixed with either, it would be neither.

    Parameters
    ----------
    layers : sequence of (ndarray, dict, str)
        About to be added to the current viewer; their opacity may be changed.
    """
    import napari
    from napari.layers import Image

    viewer = napari.current_viewer()
    there = [] if viewer is None else [v for v in viewer.layers if isinstance(v, Image)]
    shown = [v for v in there if v.visible]
    made = [k for k, v in enumerate(shown) if is_result(v) or is_comparison(v)]
    below = len(shown[made[-1] + 1 if made else 0 :])
    for layer in (v for v in layers if v[2] == "image"):
        known = _known(layer)
        if "record" in known:
            continue
        if below == 1 or (below and known.get("modality") in FUNCTIONAL):
            layer[1]["opacity"] = 0.5
        below += 1


def _with_unique_names(
    opened: list[LayerData], path: Path, before: Sequence[LayerData]
) -> list[LayerData]:
    """Add the modality or the folder to a name that is already used."""
    import napari

    viewer = napari.current_viewer()
    there = [] if viewer is None else [(v.name, v.metadata.get(KEY, {})) for v in viewer.layers]
    for layer in opened:
        taken = dict([*there, *((v[1]["name"], _known(v)) for v in before)])
        name, modality = layer[1]["name"], _known(layer).get("modality")
        if name in taken:
            other = taken[name].get("modality")
            marks = [modality] if modality is not None and modality != other else []
            names = [f"{name} ({mark})" for mark in (*marks, path.parent.name)]
            layer[1]["name"] = next((v for v in names if v not in taken), names[-1])
        before = [*before, layer]
    return opened


def _known(layer: LayerData) -> dict[str, Any]:
    known: dict[str, Any] = layer[1]["metadata"][KEY]
    return known


def _layer(volumes: Sequence[Volume]) -> LayerData:
    return to_series_layer(volumes, "labels" if volumes[0].unit == LABEL_UNIT else "image")


def _read_folder(folder: Path) -> list[LayerData]:
    """Read all readable series; the others are named in a notification."""
    from ..io import list_series, read_times

    layers, failures = [], []
    for info in list_series(folder):
        try:
            layers.append(_layer(read_times(folder, series=info.uid)))
        except TextDiFuseError as error:
            failures.append((info.title, error))
    if not layers:
        raise failures[0][1]
    if failures:
        from napari.utils.notifications import show_warning

        show_warning("\n".join(f"{title} was skipped: {error}" for title, error in failures))
    return layers


def _as_paths(path: PathOrPaths) -> list[Path]:
    return [Path(p) for p in ([path] if isinstance(path, (str, os.PathLike)) else path)]


def _can_read(path: Path) -> bool:
    if path.is_dir():
        return any(_is_dicom(p) for p in islice(path.iterdir(), _LOOK_AT))
    return path.is_file() and (path.name.lower().endswith(NIFTI) or _is_dicom(path))


def is_dicom_source(path: Path) -> bool:
    """Return whether a file is DICOM, or a folder contains such files."""
    try:
        return (path.is_dir() and _can_read(path)) or _is_dicom(path)
    except OSError:
        return False


def _is_dicom(path: Path) -> bool:
    """Whether a file begins as DICOM files do (PS3.10, 7.1)."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(132)[128:] == b"DICM"


def _common_folder(files: Sequence[Path]) -> Path:
    """Return the folder whose only DICOM files are `files`."""
    folder = files[0].parent
    there = {p for p in folder.iterdir() if _is_dicom(p)}
    if there != set(files):
        raise ReadError(
            f"{len(files)} DICOM files are only part of their folder; open the folder to read its "
            "series, or one file."
        )
    return folder
