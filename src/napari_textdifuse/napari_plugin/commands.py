"""Commands of the Layers menu (napari lets plugins add none to the layers' context menu)."""

from __future__ import annotations

import napari
from napari.layers import Image
from napari.utils.notifications import show_error

from .fuse.roles import guess_pair
from .results import is_result


def fuse_selected(viewer: napari.viewer.Viewer) -> None:
    """Open the fusion panel with the two selected image layers in it.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
    """
    selected = set(viewer.layers.selection)
    images = [
        v for v in viewer.layers if v in selected and isinstance(v, Image) and not is_result(v)
    ]
    if len(images) != 2:
        show_error(f"Select the two image layers to fuse; {len(images)} are selected.")
        return
    _, widget = viewer.window.add_plugin_dock_widget("napari-textdifuse", "Fuse two images")
    widget.image_a.value, widget.image_b.value = guess_pair(images)
