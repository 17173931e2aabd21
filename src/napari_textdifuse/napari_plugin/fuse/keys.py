"""Keys that press the panel's buttons; bound here, as napari ignores the manifest's."""

from __future__ import annotations

import weakref
from typing import Any

#: Key and the name of the button.
KEYS = {"Control-Alt-F": "fuse", "Control-Alt-X": "cancel", "Control-Alt-U": "again"}


def bind_keys(viewer: Any, form: Any) -> None:
    """Bind the keys for as long as the form is there, and name them in the buttons' tooltips."""
    for key, name in KEYS.items():
        button = getattr(form, name)
        native = weakref.ref(button.native)

        def press(_: Any, native: Any = native) -> None:
            if (found := native()) is not None:
                found.click()

        viewer.bind_key(key, press, overwrite=True)
        button.tooltip = f"{button.tooltip or ''} ({key})".strip()


def unbind_keys(viewer: Any) -> None:
    """Free the keys."""
    for key in KEYS:
        viewer.bind_key(key, None, overwrite=True)
