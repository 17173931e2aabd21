"""Take images of the plugin's panels at work in a real napari window.

``python scripts/screenshot.py`` where there is a screen, or
``xvfb-run -a -s "-screen 0 1920x1200x24" python scripts/screenshot.py`` where there is none, makes
the images of the README and the site; with ``--all DIR`` every panel in both sizes and themes.
With ``QT_SCALE_FACTOR=1.5`` the second size is that of a screen of 1600 x 1000 pixels at 150 %.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import napari
import numpy as np
from napari.utils.notifications import notification_manager
from qtpy.QtCore import QEventLoop, QTimer
from qtpy.QtWidgets import QDockWidget

from napari_textdifuse.napari_plugin.compare.widget import CompareWidget
from napari_textdifuse.napari_plugin.docking import open_panel
from napari_textdifuse.napari_plugin.fuse.widget import FusionWidget
from napari_textdifuse.napari_plugin.models.widget import ModelsWidget

PLUGIN = "napari-textdifuse"
IMAGES = Path(__file__).parents[1] / "docs" / "images"
SIZES = ((1280, 800), (1066, 666))
THEMES = ("dark", "light")
PANELS = {
    "Fuse two images": FusionWidget,
    "Compare images": CompareWidget,
    "Models": ModelsWidget,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--out", type=Path, default=IMAGES, help="folder of widget.png and compare.png")
    add("--all", type=Path, metavar="DIR", help="every panel, size and theme, into this folder")
    add("--sample", default="pet-mri")
    add("--prompt", default="tumour")
    add("--quality", choices=("fast", "standard", "best"), default="standard")
    add("--slice", type=int, help="fuse only this slice")
    add("--timeout", type=float, default=900, help="seconds for the fusion")
    options = parser.parse_args()

    settings = tempfile.TemporaryDirectory()  # not the settings of the user
    os.environ["TEXTDIFUSE_CONFIG"] = settings.name
    viewer = napari.Viewer()
    viewer.window.resize(*SIZES[0])
    viewer.open_sample(PLUGIN, options.sample)
    dock, widget = show_panel(viewer, "Fuse two images")
    fuse(viewer, widget, options)
    panels = {"widget": dock}
    for name, title in (("compare", "Compare images"), ("models", "Models")):
        if name == "models" and not options.all:
            continue  # it names folders of this machine
        panels[name], made = show_panel(viewer, title)
        if name == "compare":
            comparison = made.view
    folder, combinations = options.out, [(SIZES[0], THEMES[0])]
    if options.all:
        folder, combinations = options.all, list(product(SIZES, THEMES))
    folder.mkdir(parents=True, exist_ok=True)
    for size, theme in combinations:
        viewer.window.resize(*size)
        viewer.theme = theme
        mark = f"-{size[0]}x{size[1]}-{theme}" if options.all else ""
        for name, panel in panels.items():
            for other in panels.values():
                other.setVisible(other is panel)
            if name == "compare":
                next(b for m, b in comparison.buttons.items() if m.name == "Curtain").click()
            take(viewer, folder / f"{name}{mark}.png")
            comparison.stop()
            if name == "widget" and options.all:
                widget.more.value = True
                take(viewer, folder / f"widget-more{mark}.png")
                widget.more.value = False
    viewer.close()
    settings.cleanup()


def show_panel(viewer: Any, title: str) -> tuple[QDockWidget, Any]:
    """Open a panel under the name that napari's menu gives it; return its dock and the panel."""
    panel = open_panel(viewer, title, PANELS[title])
    dock = getattr(panel, "native", panel)
    while not isinstance(dock, QDockWidget):
        dock = dock.parent()
    return dock, panel


def fuse(viewer: Any, widget: Any, options: argparse.Namespace) -> None:
    """Fuse the sample and show its lesion."""
    widget.prompt.value = options.prompt
    widget.quality.value = options.quality
    inputs = list(viewer.layers)
    if options.slice is not None:
        widget.extent.what.value = "current slice"
        viewer.dims.set_current_step(0, options.slice)
    widget.fuse.native.click()
    wait_until(lambda: not widget.running, options.timeout)
    if len(viewer.layers) < len(inputs) + 2:
        raise SystemExit("\n".join(str(n.message) for n in notification_manager.records))
    mask = viewer.layers[-1]
    if not mask.data.any():
        raise SystemExit(f"Nothing was found for {options.prompt!r}.")
    centre = np.argwhere(mask.data).mean(axis=0).round()
    viewer.dims.set_point(range(viewer.dims.ndim), mask.data_to_world(centre))
    for layer in inputs:
        layer.visible = False
    viewer.reset_view()
    viewer.layers.selection.active = viewer.layers[-2]


def take(viewer: Any, path: Path) -> None:
    """Let the window settle and notes fade, then take its image."""
    moment = QTimer()
    moment.setSingleShot(True)
    moment.start(1500)
    wait_until(lambda: not moment.isActive(), 10)
    viewer.reset_view()
    viewer.window.screenshot(str(path), flash=False, canvas_only=False)
    print(path)


def wait_until(done: Callable[[], bool], seconds: float) -> None:
    """Let the window live until `done()`, or fail after some seconds."""
    loop, poll, limit = QEventLoop(), QTimer(), QTimer()
    poll.timeout.connect(lambda: done() and loop.quit())
    limit.setSingleShot(True)
    limit.timeout.connect(loop.quit)
    poll.start(50)
    limit.start(int(seconds * 1000))
    loop.exec()
    if not done():
        raise SystemExit(f"Not done after {seconds:g} s.")


if __name__ == "__main__":
    sys.exit(main())
