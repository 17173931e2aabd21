"""Read any supported file or folder by its content, not only by its name."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import InputError, ReadError, TextDiFuseError
from ..meaning import infer
from ..names import NameFacts, facts_in_name
from ..volume import Volume
from ._quiet import reason
from ._series import SeriesInfo, TimeSeries
from .channels import without_equal_channels

#: Suffixes by what reads them; anything else may be DICOM.
NIFTI = (".nii", ".nii.gz")
TIFF = (".tif", ".tiff")
PICTURES = (".png", ".jpg", ".jpeg", ".bmp")
#: Header and values in files of their own.
PAIRS = (".hdr", ".img")


def read(
    path: str | os.PathLike[str], *, series: str | None = None, time: int | None = None
) -> Volume:
    """Read an image with its geometry, unit and modality.

    Parameters
    ----------
    path : str or PathLike
        NIfTI (``.nii``, ``.nii.gz``), PNG, JPEG, BMP, TIFF, a DICOM file of any name, or a folder
        with DICOM series (subfolders are not searched).
    series : str, optional
        SeriesInstanceUID, to choose one series of a folder (see `list_series`). By default the
        one with most images is read; the others are listed in ``metadata["other_series"]``.
    time : int, optional
        Which time point (echo, b-value, frame) of a four-dimensional image, from 0; needed where
        there are several, ignored for a single image. ``metadata["time_points"]`` is their number.

    Returns
    -------
    Volume
        Axes (Z, Y, X) or (Y, X), a last axis of colours when ``rgb``; ``facts`` lists known facts
        and their sources (see `meaning.infer` for facts from names and values). Integers stay as
        stored; scaled values are float32 in ``unit``. Assumptions are sentences
        in ``metadata["notes"]``. No patient identity is kept.

    Raises
    ------
    ReadError
        If the file is missing, damaged, or of a kind that cannot be read.
    GeometryError
        If slices are missing, or too irregular to be resampled to a regular grid.
    InputError
        If there are several time points and `time` is not one of them, or `series` is not in the
        folder.
    """
    path = Path(path).expanduser()
    with _damage_in_one_sentence(path):
        return _interpreted(_open(path, series).at(time), facts_in_name(path))


def read_times(path: str | os.PathLike[str], *, series: str | None = None) -> list[Volume]:
    """Read every time point of an image, as `read` does with each ``time``.

    Parameters
    ----------
    path : str or PathLike
    series : str, optional
        See `read`.

    Returns
    -------
    list of Volume
        On one grid, in the order of time (else of echo times or acquisition); of length 1 for a
        single image.

    Raises
    ------
    ReadError, GeometryError, InputError
        See `read`.
    """
    path = Path(path).expanduser()
    with _damage_in_one_sentence(path):
        opened = _open(path, series)
        named = facts_in_name(path)
        return [_interpreted(opened.at(time), named) for time in range(opened.count)]


def _interpreted(volume: Volume, named: NameFacts) -> Volume:
    return infer(without_equal_channels(volume), named)


def _open(path: Path, series: str | None) -> TimeSeries:
    if len(os.fsencode(path.name)) > 255:
        raise ReadError(f"{path.name[:40]}...: the name is longer than 255 bytes; shorten it.")
    if len(os.fsencode(path)) > 4095:
        raise ReadError(
            f"{path.name}: the names of its folders have more than 4095 bytes in all; move it."
        )
    if path.is_dir():
        from . import dicom

        return dicom.open_folder(path, series)
    if path.is_symlink() and not path.exists():
        raise ReadError(f"{path.name} is a link to a file that does not exist.")
    if not path.exists():
        raise ReadError(f"{path.name} does not exist; check the path.")
    if not path.is_file():
        raise ReadError(f"{path.name} is a pipe or a device, not a file; save it to a file first.")
    head = _head(path)
    if not head:
        raise ReadError(f"{path.name} is empty (0 bytes); export or download it again.")
    name = path.name.lower()
    if name.endswith(PAIRS) and all(path.with_suffix(end).is_file() for end in PAIRS):
        raise ReadError(
            f"{path.name}: a pair of files (.hdr and .img, Analyze or NIfTI) cannot be read, and "
            "Analyze does not say which side is left; convert it to NIfTI, such as with "
            f"'nib-convert {path.stem}.img {path.stem}.nii.gz', and check the sides."
        )
    if head[128:132] == b"DICM" or not name.endswith((*NIFTI, *TIFF, *PICTURES)):
        from . import dicom

        return dicom.open_file(path, series)
    if series is not None:
        raise InputError(f"{path.name} is not DICOM; a series can only be chosen in DICOM.")
    if name.endswith(NIFTI):
        from . import nifti

        return nifti.open_nifti(path)
    if name.endswith(TIFF):
        from . import tiff

        return tiff.open_tiff(path)
    from . import raster

    return TimeSeries(path.name, 1, lambda _: raster.read_picture(path))


def list_series(folder: str | os.PathLike[str]) -> list[SeriesInfo]:
    """List the DICOM image series of a folder, the one that `read` chooses first.

    Parameters
    ----------
    folder : str or PathLike
        Only its own files are read, not its subfolders.

    Returns
    -------
    list of SeriesInfo

    Raises
    ------
    ReadError
        If the folder does not exist, contains no DICOM images, or contains a damaged one.
    """
    folder = Path(folder).expanduser()
    if not folder.is_dir():
        raise ReadError(f"{folder.name} is not a folder; give a folder with DICOM files.")
    from . import dicom

    with _damage_in_one_sentence(folder):
        return dicom.list_series(folder)


@contextmanager
def _damage_in_one_sentence(path: Path) -> Iterator[None]:
    """Convert errors of the format libraries on damaged files to a `ReadError`.

    They parse values when these are first used and raise nearly anything, so the readers cannot
    list it; the original error stays chained.
    """
    try:
        yield
    except TextDiFuseError:
        raise
    except MemoryError as error:
        raise ReadError(
            f"{path.name}: reading needs more memory than available; crop or downsample it first."
        ) from error
    except Exception as error:
        raise ReadError(
            f"{path.name}: the file is damaged, or of an unknown variant "
            f"({reason(error)}); export or download it again."
        ) from error


def _head(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(132)
    except OSError as error:
        raise ReadError(f"{path.name} cannot be opened: {error.strerror or error}.") from error
