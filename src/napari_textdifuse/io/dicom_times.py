"""Slices that share a position: sorted into time points, echoes or b-values."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pydicom.dataset import Dataset

from ..errors import GeometryError, InputError
from .dicom_numbers import number, vector

#: Attributes in which images of one position may differ, slowest first; in classic and enhanced
#: files. The instance number decides last, as scanners count upwards in time.
_ORDER = (
    ("EchoTime", "EffectiveEchoTime", "EchoNumbers"),
    ("TemporalPositionIdentifier", "TemporalPositionIndex"),
    ("AcquisitionNumber",),
    ("FrameReferenceTime",),
    ("TriggerTime", "NominalCardiacTriggerDelayTime"),
    ("AcquisitionDateTime", "FrameAcquisitionDateTime"),
    ("AcquisitionDate",),
    ("AcquisitionTime",),
    ("ContentTime",),
)
#: Attributes common to all slices of one volume, with the name of their values.
_COMMON = {
    ("EchoTime", "EffectiveEchoTime", "EchoNumbers"): "echo times",
    ("DiffusionBValue",): "b-values",
    ("TemporalPositionIdentifier", "TemporalPositionIndex"): "time points",
}


@dataclass(frozen=True)
class Times:
    """The assignment of slices to time points.

    Parameters
    ----------
    members : list of list of int
        For each time point, its slices in the order of the positions.
    what : str
        The name of the time points, in the plural.
    notes : tuple of str
    """

    members: list[list[int]]
    what: str = "time points"
    notes: tuple[str, ...] = ()


def split_times(headers: Sequence[Dataset], places: Sequence[int], label: str) -> Times:
    """Sort slices into time points.

    Parameters
    ----------
    headers : sequence of Dataset
    places : sequence of int
        Position of each slice, from 0 along the normal.
    label : str
        For messages.

    Returns
    -------
    Times

    Raises
    ------
    GeometryError
        If positions have different numbers of slices and there is no complete time point.
    InputError
        If the images of one position cannot be distinguished.
    """
    count = max(places) + 1
    keys = [_key(header) for header in headers]
    stacks: list[list[int]] = [[] for _ in range(count)]
    for index in sorted(range(len(headers)), key=lambda i: keys[i]):
        stacks[places[index]].append(index)
    sizes = Counter(len(stack) for stack in stacks)
    if len(sizes) > 1:
        return _complete_ones(headers, places, stacks, label)
    (n,) = sizes
    if n == 1:
        return Times([[stack[0] for stack in stacks]])
    for stack in stacks:
        if len({keys[i] for i in stack}) < n:
            raise InputError(
                f"{label}: {len(headers)} images share {count} slice positions, {n} at each, and "
                "their headers do not say which belong together; keep the files of one volume in "
                "the folder."
            )
    members = [[stack[t] for stack in stacks] for t in range(n)]
    for names, what in _COMMON.items():
        for volume in members:
            if len({_first(headers[i], names) for i in volume}) > 1:
                raise GeometryError(
                    f"{label}: {len(headers)} images share {count} slice positions, {n} at each, "
                    f"but their {what} cannot be sorted into {n} volumes; export the series again."
                )
    varying = (
        what
        for names, what in _COMMON.items()
        if len({_first(headers[volume[0]], names) for volume in members}) == n
    )
    return Times(members, next(varying, "time points"))


def _complete_ones(
    headers: Sequence[Dataset], places: Sequence[int], stacks: list[list[int]], label: str
) -> Times:
    """Keep the complete time points; an interrupted scan leaves an incomplete one."""
    count = len(stacks)
    groups: dict[tuple[Any, ...], list[int]] = {}
    for stack in stacks:
        for index in stack:
            names = (*_COMMON, ("AcquisitionNumber",))
            key = tuple(_first(headers[index], n) for n in names)
            groups.setdefault(key, []).append(index)
    whole = [g for _, g in sorted(groups.items()) if [places[i] for i in g] == list(range(count))]
    if not whole or len(groups) == 1:
        raise GeometryError(
            f"{label}: {len(headers)} images share {count} slice positions unevenly, so some are "
            "missing or duplicated; export the series again."
        )
    left = len(groups) - len(whole)
    note = (
        f"{left} of {len(groups)} time points {'is' if left == 1 else 'are'} incomplete and "
        f"{'was' if left == 1 else 'were'} dropped: {len(headers) - len(whole) * count} images."
    )
    return Times(whole, notes=(note,))


def _key(header: Dataset) -> tuple[Any, ...]:
    """Sort key of the images of one position."""
    kind = header.get("FrameType") or header.get("ImageType") or ()
    dimensions = vector(header, "DimensionIndexValues")
    return (
        tuple(str(word) for word in tuple(kind)[2:]),  # magnitude, phase ...
        () if dimensions is None else tuple(dimensions.tolist()),
        *(_first(header, names) for names in _ORDER),
        _first(header, ("InstanceNumber",)),
    )


def _first(header: Dataset, names: Sequence[str]) -> float:
    """Return the first of several attributes that is a number; -1 if none is."""
    values = (number(header, name) for name in names)
    return next((v for v in values if v is not None), -1.0)
