"""The authors' released checkpoints, unchanged, in a folder given by the user.

The release has no description file and no published checksums: the architecture follows from the
files' names, and checksums are computed for the record. A ``SHA256SUMS`` file in the folder, as
``sha256sum`` writes it, is compared.
"""

from __future__ import annotations

import hashlib
import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from pickle import UnpicklingError
from typing import TYPE_CHECKING, Any, TypeVar

from ..errors import WeightsError, file_in, name_of
from .tensors import check_values, differences

if TYPE_CHECKING:
    from torch import Tensor, nn

    from ..models.reference import ReferenceControl, ReferenceNetwork

    Module = TypeVar("Module", bound=nn.Module)

ENCODER, DECODER = "diffusion_stage1.pth", "diffusion_stage2.pth"
#: Fusion control modules by kind of pair.
CONTROLS = {"natural": "FCM-VIS-IR.pt", "medical": "FCM-Medi.pt"}
SUMS = "SHA256SUMS"


@dataclass(frozen=True)
class ReleasedFolder:
    """A folder with the released checkpoints; make it with `open_released`.

    Parameters
    ----------
    path : Path
    """

    path: Path

    architecture = "reference"

    @property
    def name(self) -> str:
        """Name for records."""
        return "reference"

    @property
    def config(self) -> dict[str, Any]:
        """The equivalent of ``config.json``."""
        return {"name": self.name, "architecture": self.architecture, "schedule": "cosine"}

    @property
    def origin(self) -> None:
        """Nothing: the release is not on the hub."""

    @property
    def controls(self) -> dict[str, str]:
        """Names of the existing FCM files, by kind."""
        return {kind: file for kind, file in CONTROLS.items() if (self.path / file).is_file()}

    @cached_property
    def checksums(self) -> dict[str, str]:
        """SHA-256 of every file, by name."""
        sums = {}
        for name in (ENCODER, DECODER, *self.controls.values()):
            try:
                with (self.path / name).open("rb") as file:
                    sums[name] = hashlib.file_digest(file, "sha256").hexdigest()
            except OSError as error:
                raise _unreadable(self.path / name, error) from None
        return sums

    @property
    def sha256(self) -> str:
        """One checksum for all: that of the list of checksums, as ``sha256sum`` prints it."""
        lines = "".join(f"{self.checksums[name]}  {name}\n" for name in sorted(self.checksums))
        return hashlib.sha256(lines.encode()).hexdigest()

    def verify(self) -> bool:
        """Compare the files with ``SHA256SUMS``, if there is one.

        Returns
        -------
        bool
            Whether every file was listed.

        Raises
        ------
        WeightsError
            If a file differs from its listed checksum.
        """
        try:
            text = (self.path / SUMS).read_text("utf-8")
        except FileNotFoundError:
            return False
        except (OSError, ValueError) as error:
            raise _unreadable(self.path / SUMS, error) from None
        pairs = re.findall(r"^([0-9a-fA-F]{64}) [ *](\S+)\s*$", text, re.MULTILINE)
        expected = {name.removeprefix("./"): digest.lower() for digest, name in pairs}
        for name, found in self.checksums.items():
            if expected.get(name, found) != found:
                raise WeightsError(
                    f"{file_in(self.path / name)} is damaged or was changed: its SHA-256 is "
                    f"{found[:12]}..., {SUMS} says {expected[name][:12]}...; download or copy the "
                    "file again."
                )
        return expected.keys() >= self.checksums.keys()


def is_released_folder(path: Path) -> bool:
    """Return whether a folder contains any file of the release."""
    return any((path / name).exists() for name in (ENCODER, DECODER, *CONTROLS.values()))


def open_released(path: Path) -> ReleasedFolder:
    """Check that a folder contains both stages and at least one FCM.

    Raises
    ------
    WeightsError
        If files are missing; the message lists them.
    """
    folder = ReleasedFolder(path)
    missing = [name for name in (ENCODER, DECODER) if not (path / name).is_file()]
    if not folder.controls:
        missing.append(" or ".join(CONTROLS.values()))
    if missing:
        raise WeightsError(
            f"{name_of(path)} lacks {', '.join(missing)} of the released Text-DiFuse checkpoints; "
            f"put {ENCODER}, {DECODER} and at least one FCM there."
        )
    return folder


def load_released(folder: ReleasedFolder, kind: str) -> ReferenceNetwork:
    """Verify and load the network with one of its FCMs, in evaluation mode, float32.

    Parameters
    ----------
    folder : ReleasedFolder
    kind : {"natural", "medical"}
        One of ``folder.controls``.

    Raises
    ------
    WeightsError
        If a file is damaged, contains more than tensors, or does not match the authors' network.
    """
    import torch

    from ..models.reference import ReferenceDecoder, ReferenceEncoder, ReferenceNetwork

    folder.verify()
    with torch.device("meta"):  # skip the initialisation of weights that are replaced at once
        encoder, decoder = ReferenceEncoder(), ReferenceDecoder()
    return ReferenceNetwork(
        _filled(encoder, folder.path / ENCODER, "encoder"),
        _filled(decoder, folder.path / DECODER, "decoder"),
        load_control(folder, kind),
    )


def load_control(folder: ReleasedFolder, kind: str) -> ReferenceControl:
    """Load one fusion control module; see `load_released`."""
    import torch

    from ..models.reference import ReferenceControl

    with torch.device("meta"):
        control = ReferenceControl()
    return _filled(control, folder.path / folder.controls[kind], "fusion control module")


def _filled(module: Module, path: Path, role: str) -> Module:
    """Load the tensors of a checkpoint into a module; every key must match."""
    state = _read(path)
    wanted = module.state_dict()
    shapes = ({k: tuple(v.shape) for k, v in tensors.items()} for tensors in (wanted, state))
    if unfit := differences(*shapes):
        raise WeightsError(
            f"{file_in(path)} is not the authors' {role}: keys {unfit}; use the released file "
            "unchanged."
        )
    check_values(path, state)
    module.load_state_dict({k: v.float() for k, v in state.items()}, strict=True, assign=True)
    return module.eval().requires_grad_(False)


def _read(path: Path) -> dict[str, Tensor]:
    """Read a state dict without running any code in the file."""
    import torch

    try:
        with warnings.catch_warnings():  # torch also warns when it refuses foreign pickles
            warnings.simplefilter("ignore")
            content = torch.load(path, map_location="cpu", weights_only=True)
    except UnpicklingError:
        raise WeightsError(
            f"{file_in(path)} is damaged or contains more than tensors, which could run code on "
            "loading; use "
            "the released file unchanged."
        ) from None
    # a damaged file may fail in any part of the reader
    except Exception as error:
        raise _unreadable(path, error) from None
    # some training tools wrap the dict once
    if isinstance(content, Mapping) and isinstance(content.get("state_dict"), Mapping):
        content = content["state_dict"]
    if not isinstance(content, Mapping) or not all(
        isinstance(k, str) and isinstance(v, torch.Tensor) for k, v in content.items()
    ):
        raise WeightsError(
            f"{file_in(path)} is not a state dict of tensors; use the released file unchanged."
        )
    # torch.nn.DataParallel puts this before every key
    if content and all(key.startswith("module.") for key in content):
        return {key.removeprefix("module."): value for key, value in content.items()}
    return dict(content)


def _unreadable(path: Path, error: Exception) -> WeightsError:
    # torch's own messages suggest disabling its protection
    reason = error.strerror if isinstance(error, OSError) and error.strerror else "it is damaged"
    return WeightsError(
        f"{file_in(path)} cannot be read ({reason}); download or copy the file again."
    )
