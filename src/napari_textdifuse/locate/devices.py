"""Where a locator's models run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import InputError

if TYPE_CHECKING:
    import torch


def find_device(name: str) -> torch.device:
    """Return a device of this machine.

    Parameters
    ----------
    name : str
        "auto" takes an accelerator where there is one, else the CPU.

    Raises
    ------
    InputError
        If it is not there.
    """
    import torch

    if name == "auto":
        there = torch.accelerator.is_available()
        found = torch.accelerator.current_accelerator() if there else None
        return found or torch.device("cpu")
    try:
        return torch.empty(0, device=name).device
    except (RuntimeError, AssertionError):
        raise InputError(f"This machine has no device {name!r}; use 'auto' or 'cpu'.") from None
