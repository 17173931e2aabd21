"""DICOM segmentations as label images."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..errors import ReadError
from ..volume import LABEL_UNIT, Volume
from ._quiet import reason
from .dicom_stack import ras_affine


def read_segments(path: Path, label: str) -> Volume:
    """Read a segmentation as labels, numbered as its segments are.

    Parameters
    ----------
    path : Path
    label : str
        For messages.

    Returns
    -------
    Volume
        (Z, Y, X) in the smallest unsigned type, with the unit of label images; the names of the
        segments are in ``metadata["objects"]``.

    Raises
    ------
    ReadError
        If it is damaged, fractional, or its segments overlap or form no regular grid.
    """
    import highdicom as hd

    try:
        segments = hd.seg.segread(path)
        volume = segments.get_volume(combine_segments=True)
        names = {
            str(number): str(segments.get_segment_description(number).segment_label)
            for number in segments.segment_numbers
        }
    except Exception as error:  # highdicom and the decoders raise anything
        raise ReadError(
            f"{label}: the segmentation cannot be read as one label image ({reason(error)}); "
            "export its segments as NIfTI."
        ) from error
    array, lps = volume.array, volume.affine  # for axes (slice, row, column)
    first, z, y, x = lps[:3, 3], lps[:3, 0], lps[:3, 1], lps[:3, 2]
    if np.cross(x, y) @ z < 0:  # highdicom counts slices downwards, images are read upwards
        array, first, z = array[::-1], first + (len(array) - 1) * z, -z
    return Volume(
        np.ascontiguousarray(array),
        affine=ras_affine(first, x, y, z),
        unit=LABEL_UNIT,
        name=label,
        metadata={"notes": (), "objects": names},
    )
