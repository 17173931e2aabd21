"""A result becomes DICOM: series, segmentation and record in one study; all of them, or none."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ..errors import TextDiFuseError, WriteError, name_of
from ..io import list_series, read, write_dicom, write_json, write_segmentation
from ..io.dicom_find import image_header
from ..io.staging import publish, staging
from ..measure import to_csv
from ..optional import highdicom
from ..volume import Volume
from .counter import Counter, Report
from .folder import OBJECTS, PREVIEW, RECORD, full_record, load_record, preview_of

if TYPE_CHECKING:
    from ..fusion import FusionResult
    from ..fusion.pair import Pair

#: SeriesDescription of each image that becomes a series.
_DESCRIPTIONS = {
    "fused": "Fused image",
    "contribution": "Share of image A",
    "uncertainty": "Uncertainty",
}
#: The file of the segmentation.
MASK = "mask.dcm"
#: Corners of two grids that are this part of a voxel apart are the same.
_NEAR = 0.1


def save_dicom(
    result: FusionResult,
    out: Path,
    pair: Pair | None = None,
    *,
    source: Path | None = None,
    image: Volume | None = None,
    series: str | None = None,
    facts: Mapping[str, Any] | None = None,
    replace: bool = False,
    side: int | None = None,
    report: Report | None = None,
) -> dict[str, Path]:
    """Write a result as DICOM: a folder per image, ``mask.dcm``, the table and the record.

    With a source the objects are linked: of its patient, study and frame of reference. Without one
    they are de-identified: of an anonymous patient, in one new study.

    Parameters
    ----------
    result : FusionResult
        A complete one with geometry.
    out : Path
        Created if missing.
    pair : Pair, optional
        What was fused, for the preview.
    source : Path, optional
        File or folder with the DICOM series of image A.
    image : Volume, optional
        Image A; `source` must have a series on its grid.
    series : str, optional
        SeriesInstanceUID of image A, where `source` has several; default: the first on its grid.
    facts : mapping, optional
        More entries of the record.
    replace : bool
        Replace the result that the record in `out` describes; other files are never replaced.
    side : int, optional
        Pixels of the longer side of a panel of the preview.
    report : callable, optional
        Called with every slice; see `counter.Report`.

    Returns
    -------
    dict of str to Path
        What was written, by role: folders for series of slices.

    Raises
    ------
    WriteError
        If the source is not image A, a target is there already, or it cannot be written; nothing
        new is left in `out`.
    Cancelled
        If `report` returns False; nothing new is left in `out` either.
    """
    if not result.record.get("complete", True):
        raise WriteError("a cancelled result is not written as DICOM; fuse again, or save NIfTI.")
    study, uid = source, None
    if source is not None:
        placed = result.volume("fused") if image is None else image
        uid = matching_series(source, placed, series)
    earlier = written_before(out) if replace else {}
    record = {**full_record(result), **(facts or {})}
    roles = [role for role in _DESCRIPTIONS if getattr(result, role) is not None]
    depth = result.contribution.shape[0] if result.contribution.ndim == 3 else 1
    segments = result.mask is not None and bool(result.mask.any())
    counter = Counter(report, depth * (len(roles) + segments) + (pair is not None) + 1)
    with staging(out) as temporary:
        found: dict[str, Path] = {}
        moves: list[tuple[Path, Path]] = []

        def target_of(role: str, name: str) -> Path:
            found[role] = out / name
            if found[role].exists() and found[role] not in earlier.values():
                raise _is_there(found[role])
            return temporary / name

        for role in roles:
            volume = result.volume(role)
            target = target_of(role, role if volume.ndim == 3 else f"{role}.dcm")
            files = write_dicom(
                target,
                volume,
                record=record,
                source=study,
                series=uid,
                identity=study is not None,
                description=_DESCRIPTIONS[role],
                written=counter.advance,
            )
            moves += [(file, out / file.relative_to(temporary)) for file in files]
            if study is None:  # what follows belongs to the new study of the first
                study = target
        if segments:
            target = target_of("mask", MASK)
            write_segmentation(
                target,
                result.volume("mask"),
                names=result.label_names,
                record=record,
                source=study,
                series=uid,
                identity=True,
            )
            moves.append((target, found["mask"]))
            counter.advance(depth)
        if result.mask is not None:
            table, found[OBJECTS] = temporary / "objects.csv", out / "objects.csv"
            table.write_text(to_csv(result.objects), "utf-8")
            moves.append((table, found[OBJECTS]))
        if pair is not None:
            picture, found["preview"] = temporary / PREVIEW, out / PREVIEW
            preview_of(result, pair, anatomical=True, side=side).save(picture)
            moves.append((picture, found["preview"]))
            counter.advance()
        record["outputs"] = list(found)
        found["record"] = out / RECORD
        moves.append((write_json(temporary / RECORD, record), found["record"]))
        finals = {final for _, final in moves}
        stale = [f for path in earlier.values() for f in _files(path) if f not in finals]
        counter.advance()
        publish(moves, stale)
    for path in set(earlier.values()) - set(found.values()):
        if path.is_dir() and not any(path.iterdir()):
            path.rmdir()
    return found


def written_before(out: Path) -> dict[str, Path]:
    """Return what the record in a folder says was written there by `save_dicom`, by role."""
    names: dict[str, tuple[str, ...]] = {
        **{role: (role, f"{role}.dcm") for role in _DESCRIPTIONS},
        **{"mask": (MASK,), OBJECTS: ("objects.csv",), "preview": (PREVIEW,)},
    }
    roles = [role for role in load_record(out / RECORD).get("outputs", ()) if role in names]
    return {r: out / n for r in roles for n in names[r] if (out / n).exists()}


def _files(path: Path) -> list[Path]:
    return sorted(path.glob("*.dcm")) if path.is_dir() else [path]


def check_dicom(
    out: Path,
    image: Volume,
    source: Path | None = None,
    series: str | None = None,
    *,
    mask: bool = True,
    replace: bool = False,
) -> None:
    """Refuse what `save_dicom` would refuse, before the images are fused.

    Parameters
    ----------
    out, image, source, series, replace
        See `save_dicom`; `image` is image A.
    mask : bool
        Whether it may have a mask.

    Raises
    ------
    WriteError
    MissingDependencyError
        If a segmentation is to be written without highdicom.
    """
    if mask:
        highdicom()
    if image.affine is None:
        raise WriteError(
            "image A has no place in a patient, which DICOM needs; write the usual files instead."
        )
    names = [*_DESCRIPTIONS, *((MASK,) if mask else ())]
    if image.ndim == 2:  # image B decides
        names += [f"{role}.dcm" for role in _DESCRIPTIONS]
    earlier = written_before(out) if replace else {}
    for name in names:
        if (out / name).exists() and out / name not in earlier.values():
            raise _is_there(out / name)
    if source is not None:
        matching_series(source, image, series)


def _is_there(path: Path) -> WriteError:
    return WriteError(f"{name_of(path)} already exists; choose another folder.")


def matching_series(source: Path, image: Volume, series: str | None = None) -> str | None:
    """Return which series of a DICOM file or folder has the grid of an image.

    Parameters
    ----------
    source : Path
    image : Volume
    series : str, optional
        SeriesInstanceUID, to look at this one only.

    Returns
    -------
    str or None
        SeriesInstanceUID; None for a single file.

    Raises
    ------
    WriteError
        If none has: another patient's identity would be put on the image.
    """
    try:
        uids: list[str | None] = [None]
        if source.is_dir():
            uids = [info.uid for info in list_series(source) if series in (None, info.uid)]
        else:
            image_header(source)
    except TextDiFuseError as error:
        raise WriteError(
            f"{source.name} cannot be the source of DICOM linked to a patient: {error}"
        ) from error
    for uid in uids:
        try:
            found = read(source, series=uid, time=0)  # all times are on one grid
        except TextDiFuseError:
            continue  # another series of the folder
        if _same_grid(found, image):
            return uid
    raise WriteError(
        f"{source.name} contains no DICOM series on the grid of image A, so the result cannot be "
        "linked to its patient; choose the series that image A was read from, or de-identified."
    )


def _same_grid(one: Volume, other: Volume) -> bool:
    """Return whether two grids have the same corners, however their axes run."""
    if one.affine is None or other.affine is None or one.ndim != other.ndim:
        return False
    if sorted(one.shape) != sorted(other.shape):
        return False
    a, b = _corners(one), _corners(other)
    apart = np.linalg.norm(a[:, None] - b[None], axis=-1).min(axis=1).max()
    smallest = np.linalg.norm(one.affine[:3, : one.ndim], axis=0).min()
    return bool(apart < _NEAR * smallest)


def _corners(volume: Volume) -> npt.NDArray[np.float64]:
    assert volume.affine is not None
    n = volume.ndim
    last = np.array(volume.shape[::-1], float) - 1
    ends = np.array(np.meshgrid(*([0.0, 1.0] for _ in range(n)))).reshape(n, -1).T * last
    placed: npt.NDArray[np.float64] = ends @ volume.affine[:3, :n].T + volume.affine[:3, 3]
    return placed
