"""What a command line asks of a fusion, by the names of `FusionOptions`."""

from __future__ import annotations

import argparse
from dataclasses import fields
from typing import Any


def fusion_options(options: argparse.Namespace) -> dict[str, Any]:
    """Return the options of a fusion among those of a command.

    Parameters
    ----------
    options : argparse.Namespace
        An option for each image has two attributes, such as ``unit_a`` and ``unit_b``.

    Returns
    -------
    dict of str to object
        Arguments of `FusionOptions`.
    """
    from ..fusion.options import FusionOptions  # loads torch

    names = {field.name for field in fields(FusionOptions)}
    asked = {name: value for name, value in vars(options).items() if name in names}
    for name, attribute in (("modality", "modality"), ("unit", "unit"), ("windows", "window")):
        asked[name] = {role: getattr(options, f"{attribute}_{role}") for role in "ab"}
    return asked
