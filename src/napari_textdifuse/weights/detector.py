"""The embedded detector of scenes: one byte per weight, checked against SHA-256."""

from __future__ import annotations

import hashlib
import json
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import WeightsError, file_in, name_of
from ..stopping import interruptible
from .store import verify_file

if TYPE_CHECKING:
    from torch import Tensor

    from ..models.detector import DetectorNetwork

#: Its folder. The description is not called ``config.json``, because it is not for fusion.
FOLDER = Path(__file__).parent / "scenes"
DESCRIPTION, FILE = "detector.json", "detector.safetensors"


def load_detector(folder: Path = FOLDER) -> DetectorNetwork:
    """Verify and load the detector, in evaluation mode.

    Raises
    ------
    WeightsError
        If a file is missing, fails its checksum or does not fit the network.
    """
    return _loaded(folder)


@cache
def _loaded(folder: Path) -> DetectorNetwork:
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    from ..models.detector import DetectorNetwork

    file = folder / FILE
    try:
        description = json.loads((folder / DESCRIPTION).read_text("utf-8"))
        sha256, classes = str(description["sha256"]), len(description["classes"])
    except (OSError, ValueError, KeyError, TypeError):
        raise WeightsError(
            f"{name_of(folder)} contains no detector: {DESCRIPTION} is missing or damaged; "
            "reinstall the package."
        ) from None
    verify_file(file, sha256)
    try:
        network = DetectorNetwork(classes)
        network.load_state_dict(_floats(load_file(file)), strict=True)
    except (SafetensorError, KeyError, RuntimeError) as error:
        reason = str(error).strip().splitlines()[0]
        raise WeightsError(f"{file_in(file)} does not fit its {DESCRIPTION}: {reason}") from None
    network.eval().requires_grad_(False)
    return interruptible(network).to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def save_detector(
    network: DetectorNetwork, folder: Path, description: dict[str, Any] | None = None
) -> Path:
    """Write a detector as a folder, one byte per weight and one scale per filter.

    Parameters
    ----------
    network : DetectorNetwork
    folder : Path
        Folder to make.
    description : dict, optional
        Content of ``detector.json`` in addition to the checksum; ``classes`` is required.
    """
    from safetensors.torch import save

    folder.mkdir(parents=True, exist_ok=True)
    data = save(_bytes(network.state_dict()))
    (folder / FILE).write_bytes(data)
    content = {**(description or {}), "sha256": hashlib.sha256(data).hexdigest()}
    (folder / DESCRIPTION).write_text(json.dumps(content, indent=2) + "\n", "utf-8")
    return folder


def _bytes(state: dict[str, Tensor]) -> dict[str, Tensor]:
    import torch

    result = {}
    for key, value in state.items():
        if not key.endswith("weight"):
            result[key] = value.half()
            continue
        scale = value.abs().amax(dim=(1, 2, 3), keepdim=True).clamp(min=1e-12) / 127
        result[key] = (value / scale).round().to(torch.int8).contiguous()
        result[key.removesuffix("weight") + "scale"] = scale.flatten()
    return result


def _floats(state: dict[str, Tensor]) -> dict[str, Tensor]:
    result = {}
    for key, value in state.items():
        if key.endswith("weight"):
            scale = state[key.removesuffix("weight") + "scale"]
            result[key] = value.float() * scale.view(-1, 1, 1, 1)
        elif not key.endswith("scale"):
            result[key] = value.float()
    return result
