"""Checkpoints that are whole or not there."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch

from ..errors import ReadError, WriteError


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Write `state` so that a crash at any moment leaves the previous checkpoint or this one.

    Raises
    ------
    WriteError
        If the disk is full or the folder cannot be written to.
    """
    # one fixed name: what a killed run leaves behind is replaced by the next
    partial = path.with_name(f".{path.name}.partial")
    try:
        with partial.open("wb") as file:
            torch.save(state, file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    except (OSError, RuntimeError) as error:  # torch reports a full disk as a RuntimeError
        partial.unlink(missing_ok=True)
        raise WriteError(
            f"{path} could not be written: {error}; free some space and run the command again."
        ) from error


def load_checkpoint(path: Path, device: torch.device) -> dict[str, Any]:
    """Read a checkpoint; nothing in it is executed.

    Raises
    ------
    ReadError
        If it is damaged or not one.
    """
    try:
        state: dict[str, Any] = torch.load(path, map_location=device, weights_only=True)
        state["step"], state["config"], state["cooldown_start"]
    except Exception as error:
        raise ReadError(
            f"{path} is damaged or no checkpoint of this version; choose another --out."
        ) from error
    return state
