"""How the viewer feels: opening the panel, the longest stall in a run, Cancel.

In a real napari window (``xvfb-run -a python benchmarks/viewer.py`` where there is no screen). A
timer ticks every 5 ms in the event loop; the longest time between two ticks is how long the viewer
did not answer. Fused is a 256x256 pair, with the live preview. What napari itself takes to add and
to remove a layer is measured beside it: the first run adds the result's layer.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import time
from collections.abc import Callable

import numpy as np

TICK = 5  # milliseconds


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--side", type=int, default=256)
    add("--threads", type=int, default=max(1, (os.cpu_count() or 2) - 1))
    add("--repeats", type=int, default=5)
    options = parser.parse_args(arguments)

    import napari
    import torch
    from qtpy.QtCore import QEventLoop, QTimer

    torch.set_num_threads(options.threads)

    def wait(done: Callable[[], bool], seconds: float = 120) -> float:
        """Run the event loop until `done`; return the longest stall in seconds."""
        loop, tick, longest, last = QEventLoop(), QTimer(), 0.0, time.perf_counter()

        def beat() -> None:
            nonlocal longest, last
            now = time.perf_counter()
            longest, last = max(longest, now - last), now
            if done() or now - begun > seconds:
                loop.quit()

        begun = last
        tick.timeout.connect(beat)
        tick.start(TICK)
        loop.exec()
        return longest

    viewer = napari.Viewer()
    rng = np.random.default_rng(0)
    for name in ("t1", "pet"):
        image = rng.random((options.side, options.side)).astype(np.float32)
        viewer.add_image(image, name=name)
    wait(lambda: False, 1)
    begun = time.perf_counter()
    module = importlib.import_module("napari_textdifuse.napari_plugin.fuse.widget")
    widget = module.FusionWidget(viewer)
    dock = viewer.window.add_dock_widget(widget, name="Fuse")
    opened = time.perf_counter() - begun
    wait(lambda: False, 1)
    idle = wait(lambda: False, 2)

    adding, removing = [], []
    for _ in range(options.repeats):
        begun = time.perf_counter()
        layer = viewer.add_image(np.zeros((options.side, options.side), np.float32), name="x")
        wait(lambda: True)
        adding.append(time.perf_counter() - begun)
        begun = time.perf_counter()
        viewer.layers.remove(layer)
        wait(lambda: True)
        removing.append(time.perf_counter() - begun)

    stalls, cancels, seconds = [], [], []
    for k in range(options.repeats + 1):
        widget.seed.value = k
        begun = time.perf_counter()
        widget.fuse.native.click()
        stall = wait(lambda: not widget.running)
        if k:  # the first one loads torch and the network
            stalls.append(stall)
            seconds.append(time.perf_counter() - begun)
        else:
            first = stall
    widget.quality.value = "best"
    for k in range(options.repeats):
        widget.seed.value = 100 + k
        widget.fuse.native.click()
        wait(lambda: widget.progress.max > 1 and widget.progress.value > 2)
        begun = time.perf_counter()
        widget.cancel.native.click()
        wait(lambda: not widget.running)
        cancels.append(time.perf_counter() - begun)
    print(f"{options.side}x{options.side}, {options.threads} threads for the network\n")
    print("| what | ms |\n| --- | --- |")
    for name, value in (
        ("open the panel (import and build)", opened),
        ("longest stall, idle", idle),
        ("napari adds one layer, median", float(np.median(adding))),
        ("napari removes one layer, median", float(np.median(removing))),
        ("longest stall in the first run, which loads torch", first),
        ("longest stall in a run, median", float(np.median(stalls))),
        ("longest stall in a run, worst", max(stalls)),
        ("a run, median", float(np.median(seconds))),
        ("from Cancel to stopped, median", float(np.median(cancels))),
        ("from Cancel to stopped, worst", max(cancels)),
    ):
        print(f"| {name} | {1000 * value:.0f} |")
    viewer.window.remove_dock_widget(dock)
    viewer.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
