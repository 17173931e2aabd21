"""Write a result as files: all of them, or none."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InputError
from ..io import write, write_json
from ..io.staging import publish, staging, sweep
from ..measure import to_csv
from ..memory import page_out
from ..volume import Volume
from .counter import Counter, Report

if TYPE_CHECKING:
    from PIL.Image import Image

    from ..fusion import FusionResult
    from ..fusion.pair import Pair

_log = logging.getLogger(__name__)

ROLES = ("fused", "mask", "contribution", "uncertainty")
#: The role of the table of measured objects, which goes with a mask.
OBJECTS = "objects"
RECORD, PREVIEW = "record.json", "preview.png"
#: Part of the file names of a cancelled volume.
PARTIAL = ".partial"
PARTIAL_RECORD = f"record{PARTIAL}.json"
#: Subfolders of ``batch`` for all files but the fused images, which are at the top.
SUBFOLDERS = ("masks", "uncertainty", "records", "previews")
PICTURES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff")


def format_for(source: Path, volume: Volume) -> str:
    """Choose the extension of result files by the format of the first input.

    Parameters
    ----------
    source : Path
        File or folder the first input was read from.
    volume : Volume
        What was read.

    Returns
    -------
    str
        ``".nii.gz"`` for NIfTI and DICOM, ``".png"`` for 2-D images, ``".tif"`` for a stack of
        images, which PNG cannot store.
    """
    if source.is_dir() or source.suffix.lower() not in PICTURES:
        return ".nii.gz"
    return ".png" if volume.ndim == 2 else ".tif"


def file_names(ending: str) -> dict[str, str]:
    """Return the name of each file by role: the images, and the table of objects."""
    partial = PARTIAL if ending.startswith(PARTIAL) else ""
    return {role: role + ending for role in ROLES} | {OBJECTS: f"{OBJECTS}{partial}.csv"}


def full_record(result: FusionResult) -> dict[str, Any]:
    """Return the result's record with the objects that were found; no file names."""
    found = result.detections
    rows: list[dict[str, Any]] = [
        {"label": label, "score": float(score), "box": box.tolist(), "source": source}
        for label, score, box, source in zip(
            found.labels, found.scores, found.boxes, found.sources, strict=True
        )
    ]
    for row, kind, reason in zip(rows, found.kinds, found.reasons, strict=False):
        row |= {"kind": kind, "reason": reason}
    return result.record | {"detections": rows}


def refuse_overwriting(outputs: Iterable[Path], inputs: Iterable[Path]) -> None:
    """Raise `InputError` if a result would replace an image it is made from."""
    sources = {path.resolve() for path in inputs}
    for path in outputs:
        if path.resolve() in sources:
            raise InputError(
                f"{path.name} is an input and would be overwritten; choose another folder."
            )


def save_result(
    result: FusionResult,
    out: Path,
    ending: str,
    pair: Pair | None = None,
    report: Report | None = None,
) -> dict[str, Path]:
    """Write a result under the usual names into a folder of its own; see `save`.

    Parameters
    ----------
    result : FusionResult
        One that is not complete gets names with `PARTIAL`.
    out : Path
    ending : str
        Of the images; see `format_for`.
    pair : Pair, optional
        The pair, for the preview. Without it, or if slices are missing, there is no preview.
    report : callable, optional
        Called with every file; see `counter.Report`.

    Returns
    -------
    dict of str to Path
        The files written, by role.

    Raises
    ------
    WriteError
        If anything cannot be written; nothing new is left in `out`.
    Cancelled
        If `report` returns False; nothing new is left in `out` either.
    """
    sweep(out)
    record = full_record(result)
    if not record.get("complete", True):
        names = file_names(PARTIAL + ending)
        return save(result, out, names, PARTIAL_RECORD, record, report=report)
    preview = None
    if pair is not None:
        preview = PREVIEW, preview_of(result, pair, anatomical=ending == ".nii.gz")
    return save(result, out, file_names(ending), RECORD, record, preview, report)


def preview_of(
    result: FusionResult, pair: Pair, *, anatomical: bool, side: int | None = None
) -> Image:
    """Return an image of both sources and the result; see `preview.montage`."""
    from .preview import SIDE, montage

    shape_of = pair.grid(len(pair.selection))
    return montage(shape_of, pair.partner, result, anatomical=anatomical, side=side or SIDE)


def save(
    result: FusionResult,
    out: Path,
    names: Mapping[str, str],
    record_name: str,
    record: dict[str, Any],
    preview: tuple[str, Image] | None = None,
    report: Report | None = None,
) -> dict[str, Path]:
    """Write the images of a result and its record into a folder, completely or not at all.

    Everything is written to a hidden temporary folder inside `out` first and then moved. An older
    result is set aside before that and the record comes last, so a record always describes the
    images next to it.

    Parameters
    ----------
    result : FusionResult
    out : Path
        Created if missing.
    names : mapping of str to str
        Relative file name of each image, by role ("fused", "mask" ...), and of the table of
        measured objects ("objects"). Roles that this result does not have are skipped. A file of
        an earlier run with that name is removed if the earlier record lists it.
    record_name : str
        Relative file name of the record.
    record : dict
        Plain values; ``outputs`` (the roles written) is added.
    preview : tuple of str and PIL image, optional
        Relative file name and image.
    report : callable, optional
        Called with every file; see `counter.Report`.

    Returns
    -------
    dict of str to Path
        The files written, by role; "record" and "preview" too.

    Raises
    ------
    WriteError
        If anything cannot be written; nothing new is left in `out`.
    Cancelled
        If `report` returns False; nothing new is left in `out` either.
    """
    roles = [role for role in names if _has(result, role)]
    record = record | {"outputs": roles}
    counter = Counter(report, len(roles) + (preview is not None) + 1)
    with staging(out) as temporary:
        staged: dict[str, tuple[Path, Path]] = {}
        for role in roles:
            part = temporary / f"{role}{_ending(names[role])}"
            if role == OBJECTS:
                part.write_text(to_csv(result.objects), "utf-8")
            else:
                volume = result.volume(role)
                write(part, volume, record=record)
                page_out(volume.array)
            staged[role] = part, out / names[role]
            counter.advance()
        if preview is not None:
            part = temporary / "preview.png"
            preview[1].save(part, compress_level=1)  # a third of the time, 8 % larger
            staged["preview"] = part, out / preview[0]
            counter.advance()
        write_json(temporary / "record.json", record)
        staged["record"] = temporary / "record.json", out / record_name
        counter.advance()
        publish(list(staged.values()), _stale(out, names, record_name, roles))
    _log.info("wrote %s", ", ".join(final.name for _, final in staged.values()))
    return {role: final for role, (_, final) in staged.items()}


def _ending(name: str) -> str:
    return ".nii.gz" if name.endswith(".nii.gz") else Path(name).suffix


def _has(result: FusionResult, role: str) -> bool:
    return getattr(result, "mask" if role == OBJECTS else role) is not None


def _stale(
    out: Path, names: Mapping[str, str], record_name: str, roles: Iterable[str]
) -> list[Path]:
    """Images of an earlier run that the new result does not have."""
    earlier = load_record(out / record_name).get("outputs", [])
    return [out / names[role] for role in names if role in earlier and role not in roles]


def load_record(path: Path) -> dict[str, Any]:
    """Return an earlier record; empty if there is none, or it is not what this package writes."""
    import json

    try:
        record = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    if not isinstance(record, dict):
        return {}
    lists = [record.get(key, []) for key in ("outputs", "warnings", "objects")]
    names = record.get("label_names", {})
    if not (all(isinstance(found, list) for found in lists) and isinstance(names, dict)):
        return {}
    words = (*lists[0], *lists[1], *names.values())
    return record if all(isinstance(word, str) for word in words) else {}
