"""Take the README's picture of the plugin at work in a real napari window.

Run ``python scripts/screenshot.py`` where there is a screen, or
``xvfb-run -a -s "-screen 0 1600x1000x24" python scripts/screenshot.py`` where there is none.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import napari
import numpy as np
from napari.utils.notifications import notification_manager
from qtpy.QtCore import QEventLoop, QTimer

PLUGIN = "napari-textdifuse"
DEFAULT = Path(__file__).parents[1] / "docs" / "images" / "widget.png"


def wait_until(done, seconds: float) -> None:
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=DEFAULT)
    parser.add_argument("--sample", default="pet-mri")
    parser.add_argument("--prompt", default="tumour")
    parser.add_argument("--quality", choices=("fast", "standard", "best"), default="standard")
    parser.add_argument("--timeout", type=float, default=900, help="seconds for the fusion")
    options = parser.parse_args()

    viewer = napari.Viewer()
    viewer.window.resize(1280, 800)
    viewer.open_sample(PLUGIN, options.sample)
    _, widget = viewer.window.add_plugin_dock_widget(PLUGIN, "Fuse two images")
    widget.prompt.value = options.prompt
    widget.quality.value = options.quality
    inputs = list(viewer.layers)
    widget.fuse.native.click()
    wait_until(lambda: not widget.running, options.timeout)
    if len(viewer.layers) < len(inputs) + 2:
        raise SystemExit("\n".join(str(n.message) for n in notification_manager.records))

    mask = viewer.layers[-1]
    if not mask.data.any():
        raise SystemExit(f"Nothing was found for {options.prompt!r}.")
    centre = np.argwhere(mask.data).mean(axis=0).round()
    viewer.dims.set_point(range(viewer.dims.ndim), mask.data_to_world(centre))
    mask.contour = 2
    for layer in inputs:
        layer.visible = False
    viewer.reset_view()
    viewer.layers.selection.active = viewer.layers[-2]
    moment = QTimer()
    moment.setSingleShot(True)
    moment.start(1500)  # the window settles, notes fade
    wait_until(lambda: not moment.isActive(), 10)

    options.out.parent.mkdir(parents=True, exist_ok=True)
    viewer.window.screenshot(str(options.out), flash=False, canvas_only=False)
    viewer.close()
    print(options.out)


if __name__ == "__main__":
    sys.exit(main())
