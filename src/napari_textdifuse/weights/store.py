"""Find, verify, load and save weights."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from ..errors import WeightsError
from .released import ReleasedFolder, looks_released, open_released

if TYPE_CHECKING:
    from ..models import ChromaNetwork, LightNetwork

Network = TypeVar("Network", "LightNetwork", "ChromaNetwork")

#: Name of the default weights in the package.
EMBEDDED = "light"
#: File of the chrominance network in a weights folder.
CHROMA = "chroma.safetensors"
_HERE = Path(__file__).parent


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
        return self.path / "model.safetensors"

    @property
    def sha256(self) -> str:
        """Checksum that the file must have."""
        return str(self.config["sha256"])

    @property
    def chroma_file(self) -> Path | None:
        """The safetensors file of the chrominance network, if these weights have one."""
        return self.path / CHROMA if "chroma" in self.config else None

    def verify(self) -> bool:
        """Compare the files with their checksums.

        Returns
        -------
        bool
            Always True: the file was compared.

        Raises
        ------
        WeightsError
            If the file is missing, or not the one that ``config.json`` describes.
        """
        _verify(self.file, self.sha256)
        if self.chroma_file is not None:
            _verify(self.chroma_file, str(self.config["chroma"].get("sha256")))
        return True


def _verify(file: Path, sha256: str) -> None:
    if not file.is_file():
        raise WeightsError(f"{file} is missing; reinstall the package or name another folder.")
    found = hashlib.sha256(file.read_bytes()).hexdigest()
    if found != sha256:
        raise WeightsError(
            f"{file} is damaged or was changed: its SHA-256 is {found[:12]}..., "
            f"expected {sha256[:12]}...; get the file again."
        )


def embedded_names() -> list[str]:
    """Return the names of the weights that came with the package."""
    return sorted(p.parent.name for p in _HERE.glob("*/config.json"))


def open_folder(name: str | os.PathLike[str] | None = None) -> WeightsFolder | ReleasedFolder:
    """Find weights by name (embedded) or folder, and read their description.

    Parameters
    ----------
    name : str or PathLike, optional
        An embedded name or a folder, which may hold the authors' released checkpoints; None for
        the default.

    Raises
    ------
    WeightsError
        If there is neither, or the folder is not a weights folder.
    """
    path = _HERE / EMBEDDED if name is None else Path(name)
    if name is not None and str(name) in embedded_names():
        path = _HERE / str(name)
    if not path.is_dir():
        known = ", ".join(embedded_names()) or "none"
        raise WeightsError(f"No weights named or in the folder {str(name)!r}; embedded: {known}.")
    if looks_released(path) and not (path / "config.json").exists():
        return open_released(path)
    try:
        config = json.loads((path / "config.json").read_text("utf-8"))
        kind = config["architecture"]
        config["sha256"]
    except (OSError, ValueError, KeyError, TypeError):
        raise WeightsError(
            f"{path} is not a weights folder: it needs config.json (with architecture and sha256) "
            "and model.safetensors, as the training command writes them, or the authors' released "
            "checkpoints."
        ) from None
    if kind != "light":
        raise WeightsError(
            f"{path} holds weights of architecture {kind!r}; this version reads 'light'."
        )
    return WeightsFolder(path, config)


def load_light(folder: WeightsFolder) -> LightNetwork:
    """Verify and load a light network, in evaluation mode.

    Raises
    ------
    WeightsError
        If the file fails its checksum or does not fit the architecture.
    """
    from ..models import LightNetwork, UNetConfig

    folder.verify()
    config = folder.config
    fusion, diffusion = config.get("fusion", "fcm"), config.get("diffusion", True)
    if not isinstance(diffusion, bool):
        raise WeightsError(
            f"{folder.path / 'config.json'}: diffusion must be true or false, not {diffusion!r}."
        )

    def make() -> LightNetwork:
        return LightNetwork(UNetConfig.from_dict(config["unet"]), fusion, diffusion)

    # a rule has no weights: those of a fusion control in the file have no say
    return _fill(folder.file, make, without="" if fusion == "fcm" else "fcm.")


def calibration(folder: WeightsFolder) -> tuple[list[float], list[float]] | None:
    """Return how the expected error was calibrated; None if it was not.

    Returns
    -------
    expected, deviation : list of float
        Natural logarithms of the expected absolute error, rising, and of the standard deviation
        that stands for it.

    Raises
    ------
    WeightsError
        If the table is none.
    """
    table = folder.config.get("calibration")
    if table is None:
        return None
    try:
        expected, deviation = ([float(v) for v in table[k]] for k in ("expected", "deviation"))
        if len(expected) != len(deviation) or expected != sorted(set(expected)) or not expected:
            raise ValueError
    except (KeyError, TypeError, ValueError):
        raise WeightsError(
            f"{folder.path / 'config.json'}: calibration needs two lists of numbers of one length, "
            "expected (rising) and deviation."
        ) from None
    return expected, deviation


def load_chroma(folder: WeightsFolder) -> ChromaNetwork | None:
    """Verify and load the chrominance network, in evaluation mode; None if there is none.

    Raises
    ------
    WeightsError
        If a file fails its checksum or does not fit the architecture.
    """
    from ..models import ChromaNetwork, UNetConfig

    file = folder.chroma_file
    if file is None:
        return None
    folder.verify()
    unet = folder.config["chroma"]["unet"]
    return _fill(file, lambda: ChromaNetwork(UNetConfig.from_dict(unet)))


def _fill(file: Path, make: Callable[[], Network], without: str = "") -> Network:
    """Make a network and load its file, tensors whose names begin with `without` left out."""
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        network = make()
        state = {
            k: v.float()
            for k, v in load_file(file).items()
            if not (without and k.startswith(without))
        }
        network.load_state_dict(state, strict=True)
    except (SafetensorError, KeyError, TypeError, ValueError, RuntimeError) as error:
        reason = str(error).strip().splitlines()[0]
        raise WeightsError(f"{file} does not fit its config.json: {reason}") from None
    network.eval().requires_grad_(False)
    return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def save_light(
    network: LightNetwork,
    path: Path,
    name: str,
    training: dict[str, Any] | None = None,
    chroma: ChromaNetwork | None = None,
    calibration: dict[str, Any] | None = None,
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
        Chrominance network for natural pictures.
    calibration : dict, optional
        Table that `calibration` reads.
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
    (path / "model.safetensors").write_bytes(data)
    if calibration is not None:
        config["calibration"] = calibration
    if chroma is not None:
        colours = _half(chroma)
        sha256 = hashlib.sha256(colours).hexdigest()
        config["chroma"] = {"unet": chroma.config.to_dict(), "sha256": sha256}
        (path / CHROMA).write_bytes(colours)
    (path / "config.json").write_text(json.dumps(config, indent=2) + "\n", "utf-8")
    return WeightsFolder(path, config)


def _half(network: LightNetwork | ChromaNetwork) -> bytes:
    import torch
    from safetensors.torch import save

    state = {k: v.to(torch.float16).contiguous() for k, v in network.state_dict().items()}
    return save(state)
