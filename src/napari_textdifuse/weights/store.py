"""Find, verify, load and save weights."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import WeightsError

if TYPE_CHECKING:
    from ..models import LightNetwork

#: Name of the default weights in the package.
EMBEDDED = "light"
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

    def verify(self) -> None:
        """Compare the file with its checksum.

        Raises
        ------
        WeightsError
            If the file is missing, or not the one that ``config.json`` describes.
        """
        if not self.file.is_file():
            raise WeightsError(
                f"{self.file} is missing; reinstall the package or name another folder."
            )
        found = hashlib.sha256(self.file.read_bytes()).hexdigest()
        if found != self.sha256:
            raise WeightsError(
                f"{self.file} is damaged or was changed: its SHA-256 is {found[:12]}..., "
                f"expected {self.sha256[:12]}...; get the file again."
            )


def embedded_names() -> list[str]:
    """Return the names of the weights that came with the package."""
    return sorted(p.parent.name for p in _HERE.glob("*/config.json"))


def open_folder(name: str | os.PathLike[str] | None = None) -> WeightsFolder:
    """Find weights by name (embedded) or folder, and read their description.

    Parameters
    ----------
    name : str or PathLike, optional
        An embedded name or a folder; None for the default.

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
    try:
        config = json.loads((path / "config.json").read_text("utf-8"))
        kind = config["architecture"]
        config["sha256"]
    except (OSError, ValueError, KeyError, TypeError):
        raise WeightsError(
            f"{path} is not a weights folder: it needs config.json (with architecture and sha256) "
            "and model.safetensors, as the training command writes them."
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
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    from ..models import LightNetwork, UNetConfig

    folder.verify()
    try:
        network = LightNetwork(UNetConfig.from_dict(folder.config["unet"]))
        state = {k: v.float() for k, v in load_file(folder.file).items()}
        network.load_state_dict(state, strict=True)
    except (SafetensorError, KeyError, TypeError, RuntimeError) as error:
        reason = str(error).strip().splitlines()[0]
        raise WeightsError(f"{folder.file} does not fit its config.json: {reason}") from None
    network.eval().requires_grad_(False)
    return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def save_light(
    network: LightNetwork, path: Path, name: str, training: dict[str, Any] | None = None
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
    """
    import torch
    from safetensors.torch import save

    path.mkdir(parents=True, exist_ok=True)
    data = save({k: v.to(torch.float16).contiguous() for k, v in network.state_dict().items()})
    config = {
        "name": name,
        "architecture": "light",
        "schedule": "cosine",
        "unet": network.config.to_dict(),
        "sha256": hashlib.sha256(data).hexdigest(),
        "training": training or {},
    }
    (path / "model.safetensors").write_bytes(data)
    (path / "config.json").write_text(json.dumps(config, indent=2) + "\n", "utf-8")
    return WeightsFolder(path, config)
