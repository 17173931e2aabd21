"""Multi-frame DICOM: enhanced CT/MR/PET, and reconstructed SPECT."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset

from ..errors import GeometryError, ReadError
from ..volume import Array
from ._quiet import reason
from .dicom_numbers import number, vector
from .dicom_pixels import decode, load
from .dicom_stack import plane, ras_affine

Read = tuple[Array, npt.NDArray[np.float64] | None, bool]


def read_frames(path: Path, header: Dataset, label: str) -> Read:
    """Read a multi-frame file as one volume.

    Parameters
    ----------
    path : Path
    header : Dataset
        Of the file, without pixels.
    label : str
        For messages.

    Returns
    -------
    array, affine, rgb

    Raises
    ------
    ReadError
        If the frames are not the slices of one volume (time, phases, angles).
    GeometryError
        If the slices are not one regular grid.
    """
    frames = int(header.get("NumberOfFrames") or 1)
    if "SharedFunctionalGroupsSequence" in header:
        return _read_enhanced(path, frames, label)
    if "RECON TOMO" in (header.get("ImageType") or ()):  # plain TOMO: projections, not slices
        return _read_tomo(path, header, frames, label)
    raise ReadError(
        f"{label}: the {frames} frames are not stated to be slices of a volume (0028,0009), they "
        "may be times or angles; export the wanted frame as a single image."
    )


def _read_enhanced(path: Path, frames: int, label: str) -> Read:
    """Let highdicom order the frames; its affine is LPS, for axes (slice, row, column)."""
    import highdicom as hd

    dataset = load(path)
    try:
        image = hd.Image.from_dataset(dataset, copy=False)
        rgb = str(dataset.PhotometricInterpretation) not in ("MONOCHROME1", "MONOCHROME2")
        volume = image.get_volume(
            dtype=np.float64,
            apply_presentation_lut=False,  # values, not their display
            apply_real_world_transform=False,
        )
    except Exception as error:  # highdicom and the decoders raise anything
        raise ReadError(
            f"{label}: the {frames} frames cannot be read as one volume ({reason(error)}); convert "
            "the file to NIfTI with dcm2niix first."
        ) from error
    lps = volume.affine
    affine = ras_affine(lps[:3, 3], lps[:3, 2], lps[:3, 1], lps[:3, 0])
    return volume.array.astype(np.uint8 if rgb else np.float32), affine, rgb


def _read_tomo(path: Path, header: Dataset, frames: int, label: str) -> Read:
    """Read a reconstructed SPECT: PS3.3 C.8.4.15, the sign of the spacing is the direction."""
    slices = int(header.get("NumberOfSlices") or 0)
    spacing = number(header, "SpacingBetweenSlices")
    detector = header.get("DetectorInformationSequence")
    if slices != frames or not spacing or not detector:
        raise ReadError(
            f"{label}: {frames} frames of a tomogram with {slices} slices are several volumes, or "
            "their positions are missing; export one volume."
        )
    first = Dataset()
    first.update(detector[0])
    first.PixelSpacing = header.PixelSpacing
    if vector(first, "ImagePositionPatient") is None:
        raise GeometryError(f"{label}: the first slice has no position (0020,0032).")
    origin, x, y, normal = plane(first, label)
    array, rgb = decode(load(path), path.name)
    return array, ras_affine(origin, x, y, normal * spacing), rgb
