"""Verify, load and save a weights folder."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from ..errors import WeightsError, file_in
from .description import unet_shape
from .tensors import filled

if TYPE_CHECKING:
    from ..models import ChromaNetwork, LightNetwork
    from ..models.uncertainty import ErrorCalibration

Network = TypeVar("Network", "LightNetwork", "ChromaNetwork")

#: Files of the network, of the one for ``quality="fast"`` and of the chrominance network, in a
#: weights folder.
MODEL, FAST, CHROMA = "model.safetensors", "fast.safetensors", "chroma.safetensors"
#: A folder in the hub's cache, per commit.
_SNAPSHOT = re.compile(r"models--([^/]+)/snapshots/([0-9a-f]{40})")


@dataclass(frozen=True)
class WeightsFolder:
    """A weights folder whose description has been read.

    Parameters
    ----------
    path : Path
    config : dict
        Content of ``config.json``.
    """

    path: Path
    config: dict[str, Any]

    @property
    def architecture(self) -> str:
        """Kind of network."""
        return str(self.config["architecture"])

    @property
    def name(self) -> str:
        """Name and version for records."""
        return str(self.config.get("name", self.path.name))

    @property
    def file(self) -> Path:
        """The safetensors file."""
        return self.path / MODEL

    @property
    def sha256(self) -> str:
        """Checksum that the file must have."""
        return str(self.config["sha256"])

    @property
    def chroma_file(self) -> Path | None:
        """The safetensors file of the chrominance network, if these weights have one."""
        return self.path / CHROMA if "chroma" in self.config else None

    @property
    def fast_file(self) -> Path | None:
        """The safetensors file of the distilled network, if these weights have one."""
        return self.path / FAST if "fast" in self.config else None

    @property
    def files(self) -> dict[Path, str]:
        """All safetensors files, each with its checksum."""
        found = {self.file: self.sha256}
        for file, part in ((self.fast_file, "fast"), (self.chroma_file, "chroma")):
            if file is not None:
                found[file] = str(self.config[part].get("sha256"))
        return found

    @property
    def origin(self) -> dict[str, str] | None:
        """``repo`` and ``revision`` (a commit) on the hub, if it came from there."""
        return origin(self.path)

    def verify(self) -> bool:
        """Compare the files with their checksums.

        Returns
        -------
        bool
            Always True, because the file was compared.

        Raises
        ------
        WeightsError
            If the file is missing or differs from the checksum in ``config.json``.
        """
        for file, sha256 in self.files.items():
            verify_file(file, sha256)
        return True


def origin(folder: Path) -> dict[str, str] | None:
    """Return repository and commit of a folder in a cache of the hub's layout.

    Returns
    -------
    dict or None
        ``repo`` and ``revision``; None for other folders.
    """
    found = _SNAPSHOT.fullmatch("/".join(folder.absolute().parts[-3:]))
    if found is None:
        return None
    return {"repo": found[1].replace("--", "/", 1), "revision": found[2]}


def verify_file(file: Path, sha256: str) -> None:
    """Compare a file with its checksum.

    Raises
    ------
    WeightsError
        If it is missing or differs.
    """
    if not file.is_file():
        raise WeightsError(
            f"{file_in(file)} is missing; reinstall the package or name another folder."
        )
    with file.open("rb") as stream:
        found = hashlib.file_digest(stream, "sha256").hexdigest()
    if found != sha256:
        raise WeightsError(
            f"{file_in(file)} is damaged or was changed: its SHA-256 is {found[:12]}..., "
            f"expected {sha256[:12]}...; download or copy the file again."
        )


def load_light(folder: WeightsFolder) -> LightNetwork:
    """Verify and load a light network, in evaluation mode.

    Raises
    ------
    WeightsError
        If the file fails its checksum or does not fit the architecture.
    """
    from ..models import LightNetwork

    folder.verify()
    config = folder.config
    fusion, diffusion = config.get("fusion", "fcm"), config.get("diffusion", True)
    shape = unet_shape(folder.path, config["unet"])
    # a rule has no weights; those of a fusion control module in the file are ignored
    without = "" if fusion == "fcm" else "fcm."
    return _evaluating(filled(lambda: LightNetwork(shape, fusion, diffusion), folder.file, without))


def load_fast(folder: WeightsFolder) -> LightNetwork | None:
    """Verify and load the distilled network, in evaluation mode; None if there is none.

    Raises
    ------
    WeightsError
        If a file fails its checksum or does not fit the architecture.
    """
    from ..models import LightNetwork

    file = folder.fast_file
    if file is None:
        return None
    folder.verify()
    shape = unet_shape(folder.path, folder.config["fast"]["unet"], "unet of fast")
    return _evaluating(filled(lambda: LightNetwork(shape, diffusion=False), file))


def calibration(folder: WeightsFolder, fast: bool = False) -> ErrorCalibration | None:
    """Return how the bound of the error was calibrated; None if it was not.

    Parameters
    ----------
    folder : WeightsFolder
    fast : bool
        That of the distilled network.
    """
    from ..models.uncertainty import ErrorCalibration

    described = folder.config.get("fast", {}) if fast else folder.config
    table = described.get("calibration")
    if table is None:
        return None
    names = ("expected", "deviation", "modalities", "weights", "ranges")
    return ErrorCalibration(**{name: table[name] for name in names if name in table})


def load_chroma(folder: WeightsFolder) -> ChromaNetwork | None:
    """Verify and load the chrominance network, in evaluation mode; None if there is none.

    Raises
    ------
    WeightsError
        If a file fails its checksum or does not fit the architecture.
    """
    from ..models import ChromaNetwork

    file = folder.chroma_file
    if file is None:
        return None
    folder.verify()
    shape = unet_shape(folder.path, folder.config["chroma"]["unet"], "unet of chroma")
    return _evaluating(filled(lambda: ChromaNetwork(shape), file))


def _evaluating(network: Network) -> Network:
    import torch

    network.eval().requires_grad_(False)
    return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def save_light(
    network: LightNetwork,
    path: Path,
    name: str,
    training: dict[str, Any] | None = None,
    chroma: ChromaNetwork | None = None,
    calibration: dict[str, Any] | None = None,
    fast: LightNetwork | None = None,
    fast_calibration: dict[str, Any] | None = None,
) -> WeightsFolder:
    """Write a network as a weights folder, in half precision.

    Parameters
    ----------
    network : LightNetwork
    path : Path
        Folder to make.
    name : str
        Name and version for records.
    training : dict, optional
        How the weights were made; stored in ``config.json``.
    chroma : ChromaNetwork, optional
        Chrominance network for natural images.
    calibration, fast_calibration : dict, optional
        Tables that `calibration` reads, of `network` and of `fast`.
    fast : LightNetwork, optional
        Network without diffusion for ``quality="fast"``.
    """
    path.mkdir(parents=True, exist_ok=True)
    data = _half(network)
    config: dict[str, Any] = {
        "name": name,
        "architecture": "light",
        "schedule": "cosine",
        "unet": network.config.to_dict(),
        "fusion": network.fusion,
        "diffusion": network.diffusion,
        "sha256": hashlib.sha256(data).hexdigest(),
        "training": training or {},
    }
    (path / MODEL).write_bytes(data)
    if calibration is not None:
        config["calibration"] = calibration
    for key, file, part in (("fast", FAST, fast), ("chroma", CHROMA, chroma)):
        if part is None:
            continue
        stored = _half(part)
        sha256 = hashlib.sha256(stored).hexdigest()
        config[key] = {"unet": part.config.to_dict(), "sha256": sha256}
        (path / file).write_bytes(stored)
    if fast is not None and fast_calibration is not None:
        config["fast"]["calibration"] = fast_calibration
    (path / "config.json").write_text(json.dumps(config, indent=2) + "\n", "utf-8")
    return WeightsFolder(path, config)


def _half(network: LightNetwork | ChromaNetwork) -> bytes:
    import torch
    from safetensors.torch import save

    state = {k: v.to(torch.float16).contiguous() for k, v in network.state_dict().items()}
    return save(state)
