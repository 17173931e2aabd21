"""Packages that only some features need."""

from __future__ import annotations

import warnings
from importlib import import_module
from typing import Any

from .errors import MissingDependencyError


def import_optional(module: str, feature: str, install: str) -> Any:
    """Import a package that is not always installed.

    Parameters
    ----------
    module : str
        Such as "SimpleITK".
    feature : str
        Start of the message, such as "Registration needs SimpleITK".
    install : str
        Arguments of ``pip install``, and what else helps.

    Returns
    -------
    module

    Raises
    ------
    MissingDependencyError
        If it is not installed or cannot be imported.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # SWIG's own, on import
            return import_module(module)
    except ImportError as error:
        absent = isinstance(error, ModuleNotFoundError) and error.name == module.split(".")[0]
        reason = "" if absent else f" ({error})"
        raise MissingDependencyError(
            f"{feature}{reason}; install it with: pip install {install}"
        ) from error


def simpleitk() -> Any:
    """Import SimpleITK, or raise `MissingDependencyError`."""
    return import_optional(
        "SimpleITK", "Registration needs SimpleITK", "'napari-textdifuse[register]'."
    )


def highdicom() -> Any:
    """Import highdicom, or raise `MissingDependencyError`.

    It is not installed with Python 3.14, because pyjpegls, which it depends on, has no wheel there.
    """
    return import_optional(
        "highdicom",
        "DICOM segmentations need highdicom",
        "highdicom (on Python 3.14 this needs a C compiler; or choose Python 3.13, or NIfTI for "
        "masks).",
    )
