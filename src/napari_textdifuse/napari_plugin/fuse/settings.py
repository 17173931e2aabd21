"""The form's settings: defaults from napari's settings page, last values from a small file."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

from ...errors import WriteError
from ..models.store import default_path


def settings_path() -> Path:
    """Return the settings file; the environment variable ``TEXTDIFUSE_CONFIG`` moves its folder."""
    return default_path().with_name("fusion.json")


def preferences() -> dict[str, Any]:
    """Return what the user changed on napari's own settings page.

    Taken from the file that napari keeps it in: ``napari.settings.get_plugin_settings`` first
    reads the manifests of all plugins, which takes longer than to open the panel.
    """
    import yaml  # type: ignore[import-untyped]  # napari brings it
    from napari.settings import get_settings

    path = get_settings().config_path
    if path is None:
        return {}
    try:
        content = yaml.safe_load(Path(path).with_name("napari-textdifuse.yaml").read_text("utf-8"))
    except (OSError, ValueError, yaml.YAMLError):
        return {}
    changed = content.get("fusion") if isinstance(content, dict) else None
    return changed if isinstance(changed, dict) else {}


def load_settings() -> dict[str, Any]:
    """Return the saved settings; empty if nothing can be read."""
    try:
        content = json.loads(settings_path().read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def save_settings(values: dict[str, Any]) -> None:
    """Save settings. A failure does not prevent a fusion."""
    from ...io._files import write_bytes

    path = settings_path()
    with suppress(OSError, WriteError):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_bytes(path, (json.dumps(values, indent=2) + "\n").encode())


def forget_settings() -> None:
    """Delete the file."""
    with suppress(OSError):
        settings_path().unlink(missing_ok=True)
