"""Multi-frame DICOM: every frame gets its own header, as if it were a file."""

from __future__ import annotations

import numpy as np
from pydicom.dataset import Dataset

from ..errors import ReadError
from .dicom_find import complete_rescaling, frame_count
from .dicom_numbers import integer, number, put, vector
from .dicom_stack import has_position, plane

#: The functional groups: not copied into the frames' headers, but read in place.
_GROUPS = (0x52009229, 0x52009230)
#: Dimensions of a gated or dynamic tomogram in addition to slices; (0054,0070) and others.
_NM_VECTORS = (
    "EnergyWindowVector",
    "DetectorVector",
    "PhaseVector",
    "RRIntervalVector",
    "TimeSlotVector",
)
#: Frames that state their time are not slices.
_TIMES = ("FrameTime", "FrameTimeVector", "CineRate", "RecommendedDisplayFrameRate")


def frame_headers(header: Dataset, label: str) -> tuple[list[Dataset], tuple[str, ...]]:
    """Return one flat header for each frame.

    Parameters
    ----------
    header : Dataset
        Of the file, without pixels: enhanced CT/MR/PET (PS3.3 C.7.6.16), a reconstructed SPECT
        (C.8.4.15), a dose distribution (C.8.8.3), frames at stated locations (0018,2005), a CT as
        one stack without functional groups, or plain frames without a position.
    label : str
        For messages.

    Returns
    -------
    headers : list of Dataset
        Without a position, and the same for all, if the file does not state that its
        frames are slices.
    notes : tuple of str
        Assumptions about their position.

    Raises
    ------
    ReadError
        If the number of frames differs from what the header describes.
    """
    count = frame_count(header)
    if any(tag in header for tag in _GROUPS):
        return _functional_groups(header, count, label), ()
    kind = header.get("ImageType") or ()
    if "RECON TOMO" in kind or "RECON GATED TOMO" in kind:  # plain TOMO: projections, not slices
        return _placed_tomogram(header, count, label), ()
    if "DoseGridScaling" in header:
        return _placed_dose(header, count, label), ()
    stacked = _stack_without_groups(header, count, label)
    if stacked is not None:
        return stacked
    frame = _copy(header, 0)
    if "ImagePositionPatient" in frame:  # it would be that of the first frame only
        del frame.ImagePositionPatient
    return [frame] * count, ()


def _copy(header: Dataset, index: int) -> Dataset:
    frame = Dataset()
    frame.update({tag: element for tag, element in header.items() if tag not in _GROUPS})
    put(frame, InstanceNumber=index + 1)
    return frame


def _functional_groups(header: Dataset, count: int, label: str) -> list[Dataset]:
    each = header.get("PerFrameFunctionalGroupsSequence") or []
    if len(each) != count:
        raise ReadError(
            f"{label}: {count} frames, but {len(each)} are described (5200,9230); the file is "
            "damaged, export it again."
        )
    shared = header.get("SharedFunctionalGroupsSequence") or []
    frames = []
    for k, own in enumerate(each):
        frame = _copy(header, k)
        for groups in (*shared[:1], own):
            for group in groups:
                # vendors' private groups repeat attributes, with other values
                if group.VR == "SQ" and len(group.value) and not group.tag.is_private:
                    frame.update(group.value[0])
                    if group.keyword == "RealWorldValueMappingSequence":  # one item per mapping
                        frame.add(group)
        complete_rescaling(frame)
        frames.append(frame)
    return frames


def _placed_tomogram(header: Dataset, count: int, label: str) -> list[Dataset]:
    """Place the slices of a SPECT; the sign of the spacing is their direction."""
    slices = integer(header.get("NumberOfSlices")) or 0
    spacing = number(header, "SpacingBetweenSlices")
    detector = header.get("DetectorInformationSequence")
    which = vector(header, "SliceVector")
    if which is None and slices == count:
        which = np.arange(1.0, slices + 1)
    if which is None or len(which) != count or not spacing or not detector:
        raise ReadError(
            f"{label}: {count} frames of a tomogram with {slices} slices are several "
            "volumes, or their positions are missing; export one volume."
        )
    first = Dataset()
    first.update(detector[0])
    first.PixelSpacing = header.get("PixelSpacing")
    origin, _, _, normal = plane(first, label)
    frames = [_copy(header, k) for k in range(count)]
    for k, frame in enumerate(frames):
        indices = [vector(header, name) for name in _NM_VECTORS]
        put(
            frame,
            ImagePositionPatient=(origin + normal * spacing * (which[k] - 1)).tolist(),
            ImageOrientationPatient=first.ImageOrientationPatient,
            # in the order of the vectors, so that time slots follow each other
            DimensionIndexValues=[int(v[k]) for v in indices if v is not None and len(v) == count],
        )
    return frames


def _stack_without_groups(
    header: Dataset, count: int, label: str
) -> tuple[list[Dataset], tuple[str, ...]] | None:
    """Place frames at their slice locations, or those of a CT evenly along the normal.

    None where the frames may be anything else: times, angles, projections.
    """
    if not has_position(header) or any(key in header for key in _TIMES):
        return None
    origin, _, _, normal = plane(header, label)
    offsets = vector(header, "SliceLocationVector")
    notes: tuple[str, ...] = (
        "The frames were placed at their slice locations (0018,2005), counted along their normal.",
    )
    if offsets is None or len(offsets) != count:
        sizes = (number(header, key) for key in ("SpacingBetweenSlices", "SliceThickness"))
        spacing = next((abs(s) for s in sizes if s), None)
        localiser = "LOCALIZER" in (header.get("ImageType") or ())
        if header.get("Modality") != "CT" or spacing is None or localiser:
            return None
        offsets = np.arange(count, dtype=np.float64) * spacing
        notes = (
            f"The file gives the position of its first frame only; the other {count - 1} were "
            "assumed to be slices "
            f"{spacing:g} mm apart along their normal, in the order of the frames.",
        )
    frames = [_copy(header, k) for k in range(count)]
    for frame, offset in zip(frames, offsets - offsets[0], strict=True):
        put(frame, ImagePositionPatient=(origin + normal * offset).tolist())
    return frames, notes


def _placed_dose(header: Dataset, count: int, label: str) -> list[Dataset]:
    """Place the planes of a dose distribution and scale them to gray."""
    offsets = vector(header, "GridFrameOffsetVector")
    if count == 1:
        offsets = np.zeros(1)
    if offsets is None or len(offsets) != count:
        raise ReadError(
            f"{label}: {count} frames, but another number of offsets (3004,000C); the file "
            "is damaged, export it again."
        )
    origin, _, _, normal = plane(header, label)
    # absolute z where the first offset is not 0 (PS3.3 C.8.8.3.2)
    scaling = number(header, "DoseGridScaling")
    frames = [_copy(header, k) for k in range(count)]
    for frame, offset in zip(frames, offsets - offsets[0], strict=True):
        put(frame, ImagePositionPatient=(origin + normal * offset).tolist())
        if scaling is not None:
            put(frame, RescaleSlope=scaling, RescaleIntercept=0)
    return frames
