"""A summary of a series before it is read, and a series of images over time."""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass, replace

from ..errors import InputError
from ..volume import Volume


@dataclass(frozen=True)
class SeriesInfo:
    """One image series of a folder.

    Parameters
    ----------
    uid : str
        SeriesInstanceUID (0020,000E); what ``read(folder, series=...)`` takes.
    modality : str
        Modality (0008,0060), such as ``"PT"``.
    number : int or None
        SeriesNumber (0020,0011).
    description : str
        SeriesDescription (0008,103E), as the site wrote it; not kept in a `Volume`.
    images : int
        Number of images: frames, summed over the files.
    """

    uid: str
    modality: str
    number: int | None
    description: str
    images: int

    @property
    def title(self) -> str:
        """A name without free text, such as ``"PT series 3"``."""
        number = "" if self.number is None else f" {self.number}"
        return f"{self.modality} series{number}"


@dataclass(frozen=True)
class TimeSeries:
    """One image at one or more points in time, all on one grid; decoded on demand.

    Parameters
    ----------
    label : str
        For messages.
    count : int
        Number of time points; 1 for a single image.
    load : callable
        Takes a time point, from 0, and returns its `Volume`.
    what : str
        The property in which the images differ, in the plural: ``"time points"``,
        ``"echo times"`` ...
    """

    label: str
    count: int
    load: Callable[[int], Volume]
    what: str = "time points"

    def at(self, time: int | None = None) -> Volume:
        """Return one time point.

        Parameters
        ----------
        time : int, optional
            From 0. Ignored for a single image.

        Returns
        -------
        Volume
            With ``"time"`` and ``"time_points"`` in its metadata where there are several.

        Raises
        ------
        InputError
            If `time` is not one of them, or is left out and there are several.
        """
        if self.count == 1:
            return self.load(0)
        several = f"{self.label}: the series has {self.count} {self.what}"
        if time is None:
            raise InputError(f"{several}; choose one with time=0 to {self.count - 1}.")
        try:
            index = operator.index(time)
        except TypeError:
            index = -1
        if isinstance(time, bool) or not 0 <= index < self.count:
            raise InputError(f"{several}, numbered 0 to {self.count - 1}; {time!r} is not one.")
        volume = self.load(index)
        position = {"time": index, "time_points": self.count}
        return replace(volume, metadata={**volume.metadata, **position})
