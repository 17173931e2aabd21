"""Errors that a user can act on.

Every message is one sentence that says what is wrong and what to do next. All of them are
``ValueError`` too, so that code that knows nothing of this package can still catch them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any


class TextDiFuseError(ValueError):
    """Base of every error this package raises on purpose."""


class InputError(TextDiFuseError):
    """An image, array or option cannot be used as given."""


class ReadError(InputError):
    """A file is missing, damaged, or not of a kind that can be read."""


class WriteError(TextDiFuseError):
    """A result could not be written; nothing half written is left behind."""


class GeometryError(InputError):
    """Two images have no common space, or a grid cannot be represented."""


class PromptError(InputError):
    """The prompt names nothing that the chosen locator knows."""


class WeightsError(TextDiFuseError):
    """Model weights are missing, damaged, or of another architecture."""


class Cancelled(TextDiFuseError):
    """The run was stopped by the caller.

    Parameters
    ----------
    message : str
    partial : object, optional
        What was finished before: of a volume, a `FusionResult` with the slices that are done.
    """

    def __init__(self, message: str = "", partial: Any = None) -> None:
        super().__init__(message)
        self.partial = partial


class MissingDependencyError(TextDiFuseError):
    """An optional package is needed for the feature that was asked for."""


_KINDS = {
    "b": "truth values",
    "i": "whole numbers",
    "u": "whole numbers",
    "f": "floating-point numbers",
    "c": "complex numbers",
    "M": "dates",
    "m": "time spans",
    "S": "text",
    "U": "text",
    "V": "records of several values",
}


def kind_of_values(dtype: Any) -> str:
    """Return what the values of a NumPy type are called in messages.

    Examples
    --------
    >>> import numpy as np
    >>> kind_of_values(np.dtype("complex64")), kind_of_values(np.dtype("datetime64[s]"))
    ('complex numbers', 'dates')
    """
    return _KINDS.get(dtype.kind, "values of mixed kinds")


def size_of(shape: Iterable[int]) -> str:
    """Return a shape as messages give it.

    Examples
    --------
    >>> size_of((40, 60, 3))
    '40 x 60 x 3'
    """
    return " x ".join(map(str, shape)) or "a single value"
