"""Padding of DICOM images: pixels outside the field of view, which were not measured."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from pydicom.dataset import Dataset

from ..volume import Array
from .dicom_find import complete_rescaling
from .dicom_numbers import changed, integer
from .dicom_pixels import rescale

#: Padding that is darker by this part of the measured range would stretch a display range.
FAR = 0.05


def without_padding(
    array: Array, headers: Sequence[Dataset], label: str
) -> tuple[Array, list[str]]:
    """Set padding that is far outside the measured values to the lowest of these.

    It would stretch the display range. Padding slightly below the others is kept, and so is what
    lies between measured values, and any darker padding of a CT, whose display range is fixed.

    Parameters
    ----------
    array : ndarray, shape (Z, Y, X) or (Y, X)
        Rescaled values.
    headers : sequence of Dataset
        Of the slices; PixelPaddingValue (0028,0120) and PixelPaddingRangeLimit (0028,0121) are
        stored values.
    label : str
        For messages.

    Returns
    -------
    array : ndarray
    notes : list of str
    """
    if not any("PixelPaddingValue" in header for header in headers):
        return array, []
    planes = array.reshape(-1, *array.shape[-2:])
    padded = np.zeros(planes.shape, bool)
    for plane, mask, header in zip(planes, padded, headers, strict=True):
        ends = [v for v in map(integer, _ends(header)) if v is not None]
        if ends:
            low, high = np.sort(_rescaled(ends, header, label)[[0, -1]])
            mask[:] = (plane >= low) & (plane <= high)
    count = int(np.count_nonzero(padded))
    if count in (0, padded.size):
        return array, []
    lowest, highest = planes[~padded].min(), planes[~padded].max()
    gap = float(lowest) - float(planes[padded].max())
    if planes[padded].min() > highest:
        where = "above every"
    elif gap > FAR * (float(highest) - float(lowest)) and headers[0].get("Modality") != "CT":
        where = "far below every"
    else:
        return array, []
    planes = planes.copy()
    planes[padded] = lowest
    return planes.reshape(array.shape), [
        f"{count} of {padded.size} pixels are padding (0028,0120) {where} measured value; they "
        f"were set to the lowest of these, {lowest:g}."
    ]


def _ends(header: Dataset) -> tuple[object, object]:
    return header.get("PixelPaddingValue"), header.get("PixelPaddingRangeLimit")


def _rescaled(stored: Sequence[int], header: Dataset, label: str) -> Array:
    """Return the measured values of stored ones, whose signs may be written either way."""
    bits = integer(header.get("BitsAllocated")) or 16
    kind = "i" if integer(header.get("PixelRepresentation")) else "u"
    wrapped = np.array(stored, np.int64).astype(f"{kind}{max(1, bits // 8)}")
    header = changed(header)
    complete_rescaling(header)
    return rescale(wrapped, header, label)
