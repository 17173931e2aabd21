"""Find weights by name, by folder, or as ``owner/name`` on the hub."""

from __future__ import annotations

import os
from pathlib import Path

from ..errors import WeightsError
from .description import read_description
from .released import ReleasedFolder, is_released_folder, open_released
from .store import WeightsFolder

#: Name of the default weights in the package.
EMBEDDED = "light"
_HERE = Path(__file__).parent


def embedded_names() -> list[str]:
    """Return the names of the embedded weights."""
    return sorted(p.parent.name for p in _HERE.glob("*/config.json"))


def open_folder(
    name: str | os.PathLike[str] | None = None, download: bool = False
) -> WeightsFolder | ReleasedFolder:
    """Find weights and read their description.

    Parameters
    ----------
    name : str or PathLike, optional
        An embedded name; a folder, which may contain the authors' released checkpoints; or
        ``"owner/name"`` or ``"owner/name@revision"`` on the Hugging Face hub. None for the default.
    download : bool
        Whether weights of the hub that are not on this machine may be downloaded.

    Raises
    ------
    WeightsError
        If there are no such weights, or the folder is not a weights folder.
    """
    path = _HERE / EMBEDDED if name is None else Path(name)
    if name is not None and str(name) in embedded_names():
        path = _HERE / str(name)
    # Path.is_dir raises on names that are too long
    if not os.path.isdir(path):  # noqa: PTH112
        path = _of_the_hub(str(name), download)
    if is_released_folder(path) and not (path / "config.json").exists():
        return open_released(path)
    return WeightsFolder(path, read_description(path))


def _of_the_hub(name: str, download: bool) -> Path:
    from .hub import fetch, find, parse

    weights = parse(name)
    if weights is not None:
        path = find(weights)
        if path is None and download:
            path = fetch(weights)
        if path is not None:
            return path
    known = ", ".join(embedded_names()) or "none"
    message = f"No weights named {name!r} were found, nor a folder of that name; embedded: {known}."
    if weights is not None:
        message += (
            " If they are on the Hugging Face hub, download them first with "
            f"'textdifuse weights download {weights} --yes' or from_pretrained(..., download=True)."
        )
    raise WeightsError(message)
