"""Take images of a newcomer's first session in a real napari window, step by step.

``xvfb-run -a -s "-screen 0 1920x1200x24" python scripts/newcomer.py DIR`` takes every step in the
dark and the light theme, in a window of 1280 x 800 pixels. With ``QT_SCALE_FACTOR=1.5`` and
``--size 1066 666`` the window is that of a screen of 1600 x 1000 pixels at 150 %. With ``--docs``
the images are also copied to ``docs/images``, for the tutorial.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import napari
import numpy as np
from qtpy.QtCore import QTimer
from screenshot import IMAGES, PLUGIN, THEMES, show_panel, wait_until

COLOURS = 256  # of the images in the tutorial, which stay small


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("out", type=Path, help="folder of the images")
    add("--size", type=int, nargs=2, default=(1280, 800), metavar=("WIDTH", "HEIGHT"))
    add("--sample", default="pet-mri")
    add("--quality", choices=("fast", "standard", "best"), default="fast")
    add("--slices", type=int, nargs=2, metavar=("FIRST", "LAST"), help="default: the whole volume")
    add("--docs", action="store_true", help="also into docs/images")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)

    settings = tempfile.TemporaryDirectory()  # not the settings of the user
    os.environ["TEXTDIFUSE_CONFIG"] = settings.name
    viewer = napari.Viewer()
    viewer.window.resize(*options.size)
    mark = "x".join(map(str, options.size))
    for name in session(viewer, options):
        for theme in THEMES:
            viewer.theme = theme
            pause(900)
            path = options.out / f"{name}-{mark}-{theme}.png"
            viewer.window.screenshot(str(path), flash=False, canvas_only=False)
            print(path, flush=True)
            if options.docs:
                shrink(path, IMAGES / f"first-{name}-{theme}.png")
    viewer.close()
    settings.cleanup()


def session(viewer: Any, options: argparse.Namespace) -> Iterator[str]:
    """Do one step after the other; yield the name of each."""
    viewer.open_sample(PLUGIN, options.sample)
    dock, widget = show_panel(viewer, "Fuse two images")
    wait_until(lambda: widget.alignment.level != "", 120)
    widget.quality.value = options.quality
    viewer.reset_view()
    yield "open"

    if options.slices is not None:
        widget.extent.what.value = "range"
        widget.extent.first.value, widget.extent.last.value = options.slices
    widget.prompt.value = "tumour"
    run(widget)
    mask = viewer.layers.selection.active
    if not isinstance(mask, napari.layers.Labels) or not mask.data.any():
        raise SystemExit("No tumour was found in these slices; choose others with --slices.")
    centre = np.argwhere(mask.data).mean(axis=0).round()
    viewer.dims.set_point(range(viewer.dims.ndim), mask.data_to_world(centre))
    yield "fuse"

    widget.extent.what.value = "current slice"
    widget.quality.value = "standard"
    run(widget)
    yield "slice"

    widget.prompt.value = "grey matter, tumour"
    run(widget)
    yield "second"

    mask = viewer.layers.selection.active
    mask.mode, mask.selected_label, mask.brush_size = "paint", 2, 9
    middle = np.argwhere(mask.data == 2).mean(axis=0).round()
    for step in range(8):
        mask.paint(middle + np.array([0, 8 + step, -4]), 2)
    widget.update_from_mask.native.click()
    wait_until(lambda: not widget.running, 600)
    yield "paint"

    mask.mode = "pan_zoom"
    widget.view.planes.native.click()
    pause(500)
    yield "planes"
    for name in list(viewer.window.dock_widgets):
        if "planes" in name:
            viewer.window.remove_dock_widget(viewer.window.dock_widgets[name])

    widget.view.projection.native.click()
    yield "projection"
    widget.view.projection.native.click()

    _, panel = show_panel(viewer, "Compare images")
    panel.view.buttons[next(m for m in panel.view.buttons if m.name == "Curtain")].click()
    yield "compare"
    panel.view.buttons[next(m for m in panel.view.buttons if m.name == "Side by side")].click()
    pause(500)
    yield "side-by-side"
    panel.view.off.click()
    panel.tabs.setCurrentIndex(1)
    panel.metrics.start.click()
    wait_until(lambda: not panel.metrics.running, 600)
    yield "measure"

    dock.raise_()
    folder = Path(tempfile.gettempdir()) / "results"
    widget.save_to(folder)
    wait_until(lambda: not widget.saving, 120)
    yield "save"


def run(widget: Any) -> None:
    widget.fuse.native.click()
    wait_until(lambda: not widget.running, 900)


def pause(milliseconds: int) -> None:
    """Let the window live for a moment."""
    moment = QTimer()
    moment.setSingleShot(True)
    moment.start(milliseconds)
    done: Callable[[], bool] = lambda: not moment.isActive()  # noqa: E731
    wait_until(done, 60)


def shrink(source: Path, target: Path) -> None:
    """Copy an image with fewer colours."""
    from PIL import Image

    with Image.open(source) as picture:
        # the most different colours: those of a colour bar are few pixels
        method = Image.Quantize.MAXCOVERAGE
        picture.convert("RGB").quantize(COLOURS, method, kmeans=2).save(target, optimize=True)
    print(target)


if __name__ == "__main__":
    sys.exit(main())
