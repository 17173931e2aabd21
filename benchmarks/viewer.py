"""Responsiveness of the viewer: opening the panel, the longest stall in a run, Cancel.

In a real napari window (``xvfb-run -a python benchmarks/viewer.py`` where there is no screen). A
timer ticks every 5 ms in the event loop; the longest time between two ticks is how long the viewer
did not answer. Fused is a 256x256 pair, with the live preview. What napari itself takes is
separated: `LayerList.insert` and `LayerList.remove`, and vispy's drawing of the canvas, are timed
from within, and what of a stall falls into them is taken off. All other processes on the machine
add to every figure; the load is printed, and of the opening the processor time as well. Settings
are kept in a folder of their own; the package is compiled first, as pip does.
"""

from __future__ import annotations

import argparse
import compileall
import importlib
import os
import sys
import tempfile
import time
from collections.abc import Callable

import numpy as np

TICK = 5  # milliseconds


class Own:
    """Intervals in which napari or vispy worked for itself.

    Methods of their classes are wrapped; calls within calls count once.
    """

    def __init__(self) -> None:
        self.intervals: list[tuple[float, float]] = []
        self._depth = 0

    def watch(self, owner: type, *names: str) -> None:
        """Time methods of a class."""
        for name in names:
            setattr(owner, name, self._timed(getattr(owner, name)))

    def within(self, begin: float, end: float) -> float:
        """Return the seconds of an interval that fall into theirs."""
        return sum(max(0.0, min(end, b) - max(begin, a)) for a, b in self.intervals)

    def _timed(self, plain: Callable[..., object]) -> Callable[..., object]:
        def timed(*args: object, **options: object) -> object:
            begun = time.perf_counter()
            self._depth += 1
            try:
                return plain(*args, **options)
            finally:
                self._depth -= 1
                if not self._depth:
                    self.intervals.append((begun, time.perf_counter()))

        return timed


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--side", type=int, default=256)
    add("--threads", type=int, default=max(1, (os.cpu_count() or 2) - 1))
    add("--repeats", type=int, default=5)
    options = parser.parse_args(arguments)

    import napari
    from napari.components import LayerList
    from qtpy.QtCore import QEventLoop, QTimer
    from vispy.scene import SceneCanvas

    import napari_textdifuse

    compileall.compile_dir(napari_textdifuse.__path__[0], quiet=2)
    settings = tempfile.TemporaryDirectory()
    os.environ["TEXTDIFUSE_CONFIG"] = settings.name
    own = Own()
    own.watch(LayerList, "insert", "remove", "__delitem__")
    own.watch(SceneCanvas, "on_draw")
    ours = 0.0

    def wait(done: Callable[[], bool], seconds: float = 120) -> float:
        """Run the event loop until `done`; return the longest stall in seconds.

        `ours` becomes the longest one without what napari took.
        """
        nonlocal ours
        ours = 0.0
        loop, tick, longest, last = QEventLoop(), QTimer(), 0.0, time.perf_counter()

        def beat() -> None:
            nonlocal longest, last, ours
            now = time.perf_counter()
            longest = max(longest, now - last)
            ours = max(ours, now - last - own.within(last, now))
            last = now
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
    begun, busy = time.perf_counter(), time.thread_time()
    module = importlib.import_module("napari_textdifuse.napari_plugin.fuse.widget")
    widget = module.FusionWidget(viewer)
    dock = viewer.window.add_dock_widget(widget, name="Fuse")
    opened, worked = time.perf_counter() - begun, time.thread_time() - busy
    import torch  # a panel opens before: with torch's objects each search for garbage takes longer

    torch.set_num_threads(options.threads)
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

    stalls, without, cancels, seconds = [], [], [], []
    for k in range(options.repeats + 1):
        widget.seed.value = k
        begun = time.perf_counter()
        widget.fuse.native.click()
        stall = wait(lambda: not widget.running)
        if k:  # the first one loads torch and the network
            stalls.append(stall)
            without.append(ours)
            seconds.append(time.perf_counter() - begun)
        else:
            first, first_ours = stall, ours
    widget.quality.value = "best"
    for k in range(options.repeats):
        widget.seed.value = 100 + k
        widget.fuse.native.click()
        wait(lambda: widget.progress.max > 1 and widget.progress.value > 2)
        begun = time.perf_counter()
        widget.cancel.native.click()
        wait(lambda: not widget.running)
        cancels.append(time.perf_counter() - begun)
    print(
        f"{options.side}x{options.side}, {options.threads} threads for the network, "
        f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores\n"
    )
    print("| what | ms |\n| --- | --- |")
    for name, value in (
        ("open the panel (import and build)", opened),
        ("the same, processor time", worked),
        ("longest stall, idle", idle),
        ("napari adds one layer, median", float(np.median(adding))),
        ("napari removes one layer, median", float(np.median(removing))),
        ("longest stall in the first run, which loads torch", first),
        ("the same, without napari's layers and drawing", first_ours),
        ("longest stall in a run, median", float(np.median(stalls))),
        ("longest stall in a run, worst", max(stalls)),
        ("without napari's layers and drawing, median", float(np.median(without))),
        ("without napari's layers and drawing, worst", max(without)),
        ("a run, median", float(np.median(seconds))),
        ("from Cancel to stopped, median", float(np.median(cancels))),
        ("from Cancel to stopped, worst", max(cancels)),
    ):
        print(f"| {name} | {1000 * value:.0f} |")
    viewer.window.remove_dock_widget(dock)
    viewer.close()
    settings.cleanup()
    return 0


if __name__ == "__main__":
    sys.exit(main())
