"""The user's folders and choice of weights, saved in a small file."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from ...errors import WriteError, name_of


class ModelStore:
    """Folders of weights that the user added, and the weights to fuse with.

    Every call reads or writes the file, so that panels and windows agree.

    Parameters
    ----------
    path : Path, optional
        A JSON file; by default in the user's configuration folder. A damaged or missing file
        counts as empty.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.path = default_path() if path is None else path

    @property
    def folders(self) -> list[Path]:
        """Folders in the order in which they were added."""
        listed = self._read().get("folders", [])
        return [Path(v) for v in listed if isinstance(v, str)] if isinstance(listed, list) else []

    def add(self, folder: Path) -> None:
        """Remember a folder.

        Raises
        ------
        WriteError
            If the file cannot be written; likewise below.
        """
        if folder not in self.folders:
            self._write(folders=[str(v) for v in (*self.folders, folder)])

    def forget(self, folder: Path) -> None:
        """Remove a folder from the list and from the choice; its files are kept."""
        self._write(folders=[str(v) for v in self.folders if v != folder])
        if self.chosen == folder:
            self.choose(None)

    @property
    def chosen(self) -> Path | None:
        """The folder to fuse with; None for the embedded weights."""
        chosen = self._read().get("chosen")
        return Path(chosen) if isinstance(chosen, str) else None

    def choose(self, folder: Path | None) -> None:
        """Set the folder to fuse with; None for the embedded weights."""
        self._write(chosen=None if folder is None else str(folder))

    def _read(self) -> dict[str, Any]:
        try:
            content = json.loads(self.path.read_text("utf-8"))
        except (OSError, ValueError):
            return {}
        return content if isinstance(content, dict) else {}

    def _write(self, **changes: Any) -> None:
        from ...io._files import write_bytes

        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise WriteError(
                f"{name_of(self.path.parent)} cannot be created ({error.strerror}); the choice is "
                "not saved."
            ) from None
        write_bytes(self.path, (json.dumps(self._read() | changes, indent=2) + "\n").encode())


def default_path() -> Path:
    """Return where the choices are kept; ``TEXTDIFUSE_CONFIG`` names another folder."""
    from qtpy.QtCore import QStandardPaths

    place = QStandardPaths.StandardLocation.GenericConfigLocation
    home = os.environ.get("TEXTDIFUSE_CONFIG") or (
        Path(QStandardPaths.writableLocation(place)) / "napari-textdifuse"
    )
    return Path(home) / "models.json"


def chosen_weights() -> str | None:
    """Return the weights to fuse with, as ``FusionPipeline.from_pretrained`` takes them.

    Returns
    -------
    str or None
        A folder, or None for the embedded weights. A folder that no longer exists is reported
        when it is opened.
    """
    chosen = ModelStore().chosen
    return None if chosen is None else str(chosen)
