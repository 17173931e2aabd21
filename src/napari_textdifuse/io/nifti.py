"""Read and write NIfTI, with modality and unit, for which the format has no field."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InputError, ReadError, kind_of_values, size_of
from ..meaning import parse_modality, parse_unit
from ..volume import KEY, LABEL_UNIT, Array, Volume, millimetres_of
from ._files import to_json
from ._quiet import quiet, reason
from ._series import TimeSeries
from .bids_pet import is_pet_sidecar, sidecar_scale
from .nifti_file import damage, load_image, stored_fields
from .nifti_space import affine_of
from .scaling import scaled

if TYPE_CHECKING:
    import nibabel

NOTICE = "derived; not for diagnosis"

#: Keys of a sidecar about the contrast of an MR image; times in s.
_MR_FACTS = (
    "EchoTime",
    "RepetitionTime",
    "InversionTime",
    "ScanningSequence",
    "SequenceVariant",
    "ContrastBolusIngredient",
)

_INTENT_LABEL = 1002
_SCALING = "scl_slope and scl_inter"


@quiet("nibabel", "numpy")
def open_nifti(path: Path) -> TimeSeries:
    """Open a NIfTI file; its fourth axis is time.

    Modality and unit come from our own header extension, else from a BIDS-like ``<stem>.json``
    with the keys ``Modality`` and ``Units``.

    Parameters
    ----------
    path : Path

    Returns
    -------
    TimeSeries
        Of volumes with axes (Z, Y, X), or (Y, X) when the file is two-dimensional. Affine in RAS
        mm.

    Raises
    ------
    ReadError
        If the file is damaged or not NIfTI.
    InputError
        If it has more than four axes.
    """
    image, *fields = load_image(path)
    return _series(image, path.name, _stem(path), path, *fields)


def open_image(image: Any, name: str) -> TimeSeries:
    """Open a nibabel image like its file, or as it is in memory.

    Parameters
    ----------
    image : nibabel.Nifti1Image or Nifti2Image
        If its values are still those of its file, the sidecar is read as well.
    name : str
        For messages, and of the volume.

    Returns
    -------
    TimeSeries
    """
    from nibabel import is_proxy

    file = image.get_filename()
    path = Path(file) if file and is_proxy(image.dataobj) and Path(file).is_file() else None
    if path is None:
        sizes = image.header["pixdim"][1:4]
        return _series(image, name, name, None, sizes, all_at_once=False, scalable=True)
    return _series(image, name, name, path, *stored_fields(path, image.header))


def _series(
    image: Any,
    label: str,
    name: str,
    path: Path | None,
    sizes: Any,
    all_at_once: bool,
    scalable: bool,
) -> TimeSeries:
    count = _time_points(image, label)
    ours = _own_extension(image)
    meaning = _meaning(path, ours)
    if not ours and int(image.header["intent_code"]) == _INTENT_LABEL:
        meaning["unit"] = LABEL_UNIT
    factor = meaning.pop("factor", 1.0)
    notes = meaning["metadata"]["notes"]
    if not scalable:
        notes.append("Its scl_slope is infinite and was ignored; the values are as stored.")
    placed = ours.get("geometry") is not False and image.affine is not None
    meaning["affine"] = affine_of(image, notes, sizes) if placed else None
    if placed and not millimetres_of(image.header)[1]:
        meaning["sources"]["length"] = "unknown"
    flat = ours.get("ndim") == 2 or int(image.header["dim"][0]) == 2
    # a compressed file is read from its beginning every time, so it is read once
    whole = cache(lambda: np.asanyarray(image.dataobj))

    @quiet("nibabel", "numpy")
    def load(time: int) -> Volume:
        one = image
        if count > 1:
            key = (slice(None),) * 3 + (time,)
            values = whole()[key] if all_at_once else np.asanyarray(image.dataobj[key])
            one = image.__class__(values, image.affine, image.header)
        try:
            volume = Volume.from_nibabel(one, name=name, **meaning)
        except InputError:
            raise
        except damage() as error:
            raise ReadError(
                f"{label}: the file is damaged or cut off ({reason(error)}); "
                "download or export it again."
            ) from error
        array = _real_values(volume, image.get_data_dtype(), label)[0 if flat else ...]
        proxy = image.dataobj
        if getattr(proxy, "slope", 1) != 1 and array.dtype.kind == "f" and np.isinf(array).any():
            raw = proxy.get_unscaled()[(..., time) if count > 1 else ...]
            scaled(raw, label, _SCALING, proxy.slope, proxy.inter)  # infinite already, or refused
        if factor != 1:
            array = scaled(array, label, "the weight and dose of its sidecar", factor)
        return volume.with_array(array)

    return TimeSeries(label, count, load)


def _real_values(volume: Volume, stored: np.dtype[Any], name: str) -> Array:
    array = volume.array
    if array.dtype.kind not in "iufb":
        raise InputError(
            f"{name}: {kind_of_values(array.dtype)} cannot be used; save real numbers."
        )
    if array.dtype.kind == "f" and stored.kind in "iu":  # scaled integers
        array = scaled(array, name, _SCALING)
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def encode_nifti(
    volume: Volume, record: Mapping[str, Any] | None = None, *, compress: bool
) -> bytes:
    """Return a NIfTI file that `read` restores to the same volume.

    Parameters
    ----------
    volume : Volume
    record : mapping, optional
        How the image was made; kept in the header extension.
    compress : bool
        For ``.nii.gz``; the same volume always gives the same bytes.

    Returns
    -------
    bytes
    """
    import nibabel as nib

    image = volume.to_nibabel()
    header = image.header
    if volume.affine is None:
        image.set_sform(np.eye(4), code=0)
        image.set_qform(np.eye(4), code=0)
    else:
        image.set_sform(volume.affine, code=1)  # scanner coordinates
        image.set_qform(volume.affine, code=1)
        spacing = max(volume.spacing or (1.0,))
        if not np.allclose(image.get_qform(), volume.affine, atol=1e-4 * spacing):
            image.set_qform(None, code=0)  # sheared: a qform cannot hold it
    header["descrip"] = f"napari-textdifuse; {NOTICE}".encode()
    if volume.unit == LABEL_UNIT:
        header.set_intent("label", name="labels")
    content = {
        "modality": volume.modality,
        "contrast": volume.contrast,
        "unit": volume.unit,
        "ndim": volume.ndim,
        "geometry": volume.affine is not None,
        "notice": NOTICE,
        "record": record,
    }
    text = to_json({KEY: content})
    header.extensions.append(nib.nifti1.Nifti1Extension("comment", text.encode()))
    data: bytes = image.to_bytes()
    return gzip.compress(data, compresslevel=4, mtime=0) if compress else data


def _time_points(image: nibabel.Nifti1Image, name: str) -> int:
    if any(n != 1 for n in image.shape[4:]):
        raise InputError(
            f"{name}: an image of {size_of(image.shape)} is not a volume or a series of them over "
            "time; save one as a 3-D file."
        )
    return int(image.shape[3]) if len(image.shape) > 3 else 1


def _own_extension(image: nibabel.Nifti1Image) -> dict[str, Any]:
    for extension in image.header.extensions:
        if extension.get_code() != 6:
            continue
        content = extension.get_content()
        if isinstance(content, bytes):
            content = content.decode("utf-8", "replace")
        try:
            ours = json.loads(content.rstrip("\0 "))[KEY]
        except (ValueError, KeyError, TypeError):
            continue  # a comment of another program
        if isinstance(ours, dict):
            return ours
    return {}


def _meaning(path: Path | None, ours: dict[str, Any]) -> dict[str, Any]:
    """Return the fields modality, unit, contrast, sources and metadata.

    For PET with a BIDS sidecar also the ``factor`` of its values; see `bids_pet`.
    """
    notes: list[str] = []
    metadata: dict[str, Any] = {"notes": notes}
    more: dict[str, Any] = {}
    found = _known(ours, "modality", "unit", "contrast")
    source = "file"
    if not found and path is not None:
        sidecar = _sidecar(path, notes)
        found = _known(sidecar, "Modality", "Units", "")
        source = "sidecar"
        if is_pet_sidecar(sidecar):
            scale = sidecar_scale(sidecar)
            found |= {"modality": "PT", "unit": scale.unit}
            more["factor"] = scale.factor
            notes += [scale.note] if scale.note else []
            if scale.facts:
                metadata["suv"] = {"factor": scale.factor, **scale.facts}
        acquisition = {key: sidecar[key] for key in _MR_FACTS if key in sidecar}
        agent = str(sidecar.get("ContrastBolusIngredient") or "").strip().casefold()
        if agent not in ("", "none", "no"):
            acquisition["ContrastBolusAgent"] = "given"
        if acquisition:
            metadata["acquisition"] = acquisition
    if isinstance(ours.get("record"), dict):
        metadata["record"] = ours["record"]
    return found | more | {"sources": dict.fromkeys(found, source), "metadata": metadata}


def _known(content: Mapping[str, Any], modality: str, unit: str, contrast: str) -> dict[str, str]:
    """Read the facts of a header extension or a sidecar; unknown keys are ignored."""
    found: dict[str, str] = {}
    with suppress(InputError):
        found["modality"] = parse_modality(str(content.get(modality) or ""))[0]
    if isinstance(content.get(unit), str):
        with suppress(InputError):
            found["unit"] = parse_unit(content[unit])
    if content.get(contrast):
        found["contrast"] = str(content[contrast])
    return found


def _sidecar(path: Path, notes: list[str]) -> dict[str, Any]:
    file = path.with_name(_stem(path) + ".json")
    if not file.is_file():
        return {}
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        notes.append(f"The sidecar file {file.name} is not valid JSON and was ignored.")
        return {}
    return content if isinstance(content, dict) else {}


def _stem(path: Path) -> str:
    return re.sub(r"\.nii(\.gz)?$", "", path.name, flags=re.IGNORECASE)
