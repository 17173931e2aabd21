"""The initial network of a stage: new, or from weights."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..errors import InputError, WeightsError, name_of
from ..models import ChromaNetwork, LightNetwork, UNetConfig
from ..weights import ReleasedFolder, embedded_names, load_chroma, open_folder
from ..weights.tensors import check_values
from .progress import note

#: Weights in full precision, with which the next stage begins.
FULL = "weights.safetensors"
#: Parts of the network that can be added or removed without changing the rest.
OPTIONAL = ("refine", "control_fine", "control_cell", "restore", "uncertainty")


@dataclass(frozen=True)
class Start:
    """Initial weights.

    Parameters
    ----------
    state : dict of str to Tensor
    shape : UNetConfig
    sha256 : str
    stages : tuple of str
        Completed stages, if the folder states them.
    diffusion : bool
        False for a plain autoencoder.
    origin : str
        Name for messages.
    """

    state: dict[str, Tensor]
    shape: UNetConfig
    sha256: str
    stages: tuple[str, ...]
    origin: str
    diffusion: bool = True


def open_start(name: str) -> Start:
    """Read the initial weights.

    Parameters
    ----------
    name : str
        An embedded name, a weights folder, a run's folder, or a safetensors file.

    Raises
    ------
    WeightsError
        If they do not exist, or belong to another network.
    """
    path = Path(name)
    if path.is_file():
        return _from_file(path)
    if path.is_dir() and name not in embedded_names() and not (path / "config.json").exists():
        if (path / FULL).is_file():
            return _from_file(path / FULL)
        if (path / "checkpoint.pt").is_file():
            raise WeightsError(
                f"the run in {name_of(path)} is not finished; run its command again, with a "
                "smaller --minutes to end it soon."
            )
    folder = open_folder(name)
    if isinstance(folder, ReleasedFolder):
        raise WeightsError(
            f"{name} contains the authors' released checkpoints; training needs weights of the "
            "light network."
        )
    stages = tuple((folder.config.get("training") or {}).get("stages") or ())
    if (folder.path / FULL).is_file():
        return replace(_from_file(folder.path / FULL), stages=stages)
    folder.verify()
    data = folder.file.read_bytes()
    shape = UNetConfig.from_dict(folder.config["unet"])
    diffusion = bool(folder.config.get("diffusion", True))
    return Start(_tensors(data, name), shape, folder.sha256, stages, name, diffusion)


def open_chroma(folder: Path) -> ChromaNetwork:
    """Read the network of the stage chroma.

    Parameters
    ----------
    folder : Path
        Of the run.

    Raises
    ------
    WeightsError
        If there is no finished chrominance network.
    """
    if (folder / "config.json").is_file():
        opened = open_folder(folder)
        known = None if isinstance(opened, ReleasedFolder) else load_chroma(opened)
        if known is not None:
            return known
    path = folder / FULL
    if not path.is_file():
        raise WeightsError(
            f"{name_of(folder)} is not the folder of a finished run of the stage chroma."
        )
    data = path.read_bytes()
    try:
        network = ChromaNetwork(UNetConfig.from_dict(json.loads(_metadata(data)["unet"])))
        network.load_state_dict(_tensors(data, str(path)), strict=True)
    except (KeyError, TypeError, ValueError, RuntimeError):
        raise WeightsError(f"{name_of(path)} does not contain a chrominance network.") from None
    return network


def build(
    start: Start | None, changes: dict[str, Any], seed: int, diffusion: bool | None = None
) -> LightNetwork:
    """Create a network with the initial weights.

    Parameters
    ----------
    start : Start or None
    changes : dict
        Requested fields of `UNetConfig`. With initial weights only the `OPTIONAL` ones may
        differ; layers that this adds have no effect at first.
    seed : int
        For new layers.
    diffusion : bool, optional
        False for a plain autoencoder; by default as in the initial weights.

    Raises
    ------
    InputError
        If the shape is impossible.
    WeightsError
        If the weights do not fit the shape.
    """
    try:
        shape = replace(start.shape if start else UNetConfig(), **changes)
    except ValueError as error:
        raise InputError(f"{error}.") from None
    if start:
        wrong = [
            f for f in changes if f not in OPTIONAL and getattr(shape, f) != getattr(start.shape, f)
        ]
        if wrong:
            field = wrong[0]
            raise InputError(
                f"the weights of {start.origin} have {field} {getattr(start.shape, field)}, not "
                f"{getattr(shape, field)}; leave the option out or train from new weights."
            )
    torch.manual_seed(seed)
    if diffusion is None:
        diffusion = start.diffusion if start else True
    network = LightNetwork(shape, diffusion=diffusion)
    if start:
        _fill(network, start, strict=shape == start.shape)
    return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def _fill(network: LightNetwork, start: Start, strict: bool) -> None:
    own = network.state_dict()
    fitting = {k: v for k, v in start.state.items() if k in own and own[k].shape == v.shape}
    new, left = sorted(own.keys() - fitting.keys()), sorted(start.state.keys() - fitting.keys())
    if strict and (new or left):
        raise WeightsError(
            f"{start.origin} does not fit the network: {len(new)} tensors are missing and "
            f"{len(left)} too many, first {(new or left)[0]}."
        )
    own.update(fitting)
    network.load_state_dict(own)
    if new:
        note(f"new layers, without effect at first: {_parts(new)}")
    if left:
        note(f"left out of the initial weights: {_parts(left)}")


def _parts(names: list[str]) -> str:
    return ", ".join(sorted({".".join(name.split(".")[:2]) for name in names}))


def _from_file(path: Path) -> Start:
    data = path.read_bytes()
    state = _tensors(data, str(path))
    try:
        metadata = _metadata(data)
        stored = metadata.get("unet")
        shape = UNetConfig.from_dict(json.loads(stored)) if stored else infer_shape(state)
    except (KeyError, IndexError, TypeError, ValueError, ZeroDivisionError):
        raise WeightsError(
            f"{name_of(path)} does not contain weights of the light network."
        ) from None
    diffusion = metadata.get("diffusion", "true") == "true"
    return Start(state, shape, hashlib.sha256(data).hexdigest(), (), str(path), diffusion)


def _tensors(data: bytes, origin: str) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        state = {k: v.float() for k, v in load(data).items()}
        check_values(Path(origin), state)
        return state
    except SafetensorError:
        raise WeightsError(
            f"{origin} is not a complete safetensors file; copy or download it again."
        ) from None


def _metadata(data: bytes) -> dict[str, str]:
    """Read the metadata in the header of a safetensors file."""
    size = int.from_bytes(data[:8], "little")
    stored: dict[str, str] = json.loads(data[8 : 8 + size]).get("__metadata__", {})
    return stored


def infer_shape(state: dict[str, Tensor]) -> UNetConfig:
    """Infer the shape of a light network from its tensors.

    The tensors do not show whether the fusion control has cells: they are assumed
    if it has layers at full resolution.
    """
    stem = state["encoder.stem.weight"]
    base = stem.shape[0]

    def count(prefix: str) -> int:
        parts = prefix.count(".") + 1
        return len({k.split(".")[parts] for k in state if k.startswith(prefix + ".")})

    levels = count("encoder.levels")
    widths = [state[f"encoder.levels.{i}.0.norm1.weight"].shape[0] for i in range(levels)]
    fine = state.get("fcm.fine.conv1.weight")
    mix = state.get("decoder.refine.mix.weight")
    condition = state.get("restore_encoder.layers.0.weight")
    error = state.get("error.conv1.weight")
    return UNetConfig(
        patch=math.isqrt(stem.shape[1] // 2),
        base=base,
        multipliers=tuple(w // base for w in widths),
        blocks=tuple(count(f"encoder.levels.{i}") for i in range(levels)),
        time_dim=state["encoder.time.layers.0.weight"].shape[0],
        refine=0 if mix is None else mix.shape[0],
        control_fine=0 if fine is None else fine.shape[0],
        control_cell=0 if fine is None else UNetConfig.control_cell,
        restore=0 if condition is None else condition.shape[1],
        uncertainty=0 if error is None else error.shape[0],
    )
