"""The form's settings: defaults from napari's settings page, the last ones from a small file."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

from ...errors import WriteError
from ..models.store import default_path


def settings_path() -> Path:
    """Return the file, beside the chosen models; ``TEXTDIFUSE_CONFIG`` names another folder."""
    return default_path().with_name("fusion.json")


def preferences() -> dict[str, Any]:
    """Return the defaults of napari's own settings page; empty where napari has none."""
    with suppress(ImportError, KeyError, AttributeError):
        from napari.settings import get_plugin_settings

        return dict(get_plugin_settings("napari-textdifuse").fusion.model_dump())
    return {}


def load_settings() -> dict[str, Any]:
    """Return what was kept; empty if there is nothing that can be read."""
    try:
        content = json.loads(settings_path().read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def save_settings(values: dict[str, Any]) -> None:
    """Keep settings. That they cannot be kept is no reason not to fuse."""
    from ...io._atomic import write_bytes

    path = settings_path()
    with suppress(OSError, WriteError):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_bytes(path, (json.dumps(values, indent=2) + "\n").encode())


def forget_settings() -> None:
    """Delete the file."""
    with suppress(OSError):
        settings_path().unlink(missing_ok=True)
