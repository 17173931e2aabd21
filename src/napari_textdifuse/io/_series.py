"""What is told about a DICOM series before it is read."""

from __future__ import annotations

from dataclasses import dataclass


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
