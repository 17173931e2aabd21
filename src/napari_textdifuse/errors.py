"""Errors that a user can act on.

Every message is one sentence that states the fault and the remedy. All classes also derive from
``ValueError``, so that code unaware of this package can catch them.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any


class TextDiFuseError(ValueError):
    """Base of every error this package raises on purpose."""


class InputError(TextDiFuseError):
    """An image, array or option cannot be used as given."""


class ReadError(InputError):
    """A file is missing, damaged, or of an unsupported kind."""


class WriteError(TextDiFuseError):
    """A result could not be written; nothing half written is left behind."""


class GeometryError(InputError):
    """Two images have no common space, or a grid is invalid."""


class PromptError(InputError):
    """The chosen locator knows no term of the prompt."""


class WeightsError(TextDiFuseError):
    """Model weights are missing, damaged, or of another architecture."""


class Cancelled(TextDiFuseError):
    """The run was stopped by the caller.

    Parameters
    ----------
    message : str
    partial : object, optional
        Finished part: for a volume, a `FusionResult` with the finished slices.
    """

    def __init__(self, message: str = "", partial: Any = None) -> None:
        super().__init__(message)
        self.partial = partial


class MissingDependencyError(TextDiFuseError):
    """The requested feature needs an optional package."""


def name_of(path: str | os.PathLike[str]) -> str:
    """Return a file's or folder's name as messages give it: its folders may name patients.

    Models in the cache of the Hugging Face hub are named as on the hub.

    Examples
    --------
    >>> name_of("/scans/Doe/t1.nii.gz"), name_of(f"hub/models--owner--tiny/snapshots/{40 * '0'}")
    ('t1.nii.gz', 'owner/tiny')
    """
    absolute = Path(path).absolute()
    if absolute.parent.name == "snapshots" and absolute.parts[-3].startswith("models--"):
        return absolute.parts[-3].removeprefix("models--").replace("--", "/", 1)
    return absolute.name or str(absolute)


def file_in(path: str | os.PathLike[str]) -> str:
    """Return the name of a file of a model as messages give it, with the model's if it is public.

    Such are the embedded models and those that were downloaded; other folders may name patients.

    Examples
    --------
    >>> file_in("/scans/Doe/config.json"), file_in(f"models--owner--tiny/snapshots/{40 * '0'}/a.pt")
    ('config.json', 'owner/tiny/a.pt')
    """
    path = Path(path).absolute()
    embedded = path.is_relative_to(Path(__file__).parent)
    downloaded = path.parts[-3:-2] in (("textdifuse",), ("snapshots",))  # in HF_HOME
    return f"{name_of(path.parent)}/{path.name}" if embedded or downloaded else path.name


_KINDS = {
    "b": "truth values",
    "i": "integers",
    "u": "integers",
    "f": "floating-point numbers",
    "c": "complex numbers",
    "M": "dates",
    "m": "time spans",
    "S": "text",
    "U": "text",
    "V": "records of several values",
}


def kind_of_values(dtype: Any) -> str:
    """Return the name of a NumPy type's values for messages.

    Examples
    --------
    >>> import numpy as np
    >>> kind_of_values(np.dtype("complex64")), kind_of_values(np.dtype("datetime64[s]"))
    ('complex numbers', 'dates')
    """
    return _KINDS.get(dtype.kind, "values of mixed kinds")


def size_of(shape: Iterable[int]) -> str:
    """Format a shape for messages.

    Examples
    --------
    >>> size_of((40, 60, 3))
    '40 x 60 x 3'
    """
    return " x ".join(map(str, shape)) or "a single value"
