"""Responsiveness of the viewer: opening the panel, the longest stall in a run, Cancel.

In a real napari window (``xvfb-run -a python benchmarks/viewer.py`` where there is no screen). A
timer ticks every 5 ms in the event loop; the longest time between two ticks is how long the viewer
did not answer. Fused is a 256x256 pair, with the live preview; the last Cancel comes after half of
the slices of a made-up head of 60 slices are finished and kept. What napari itself takes is
separated: `LayerList.insert` and `LayerList.remove`, and vispy's drawing of the canvas, are timed
from within, and what of a stall falls into them is taken off. All other processes on the machine
add to every wall-clock time; the load is printed, and the processor time of the viewer's thread
is given next to each. Settings are kept in a folder of their own; the package is compiled first,
as pip does.
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
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from napari.layers import Layer

Floats = npt.NDArray[np.float64]

TICK = 5  # milliseconds


def now() -> Floats:
    """Return the wall clock and the processor time of this thread, in seconds."""
    return np.array([time.perf_counter(), time.thread_time()])


class Own:
    """The time in which napari or vispy worked for itself, by both clocks.

    Methods of their classes are wrapped; calls within calls count once.
    """

    def __init__(self) -> None:
        self.spent = np.zeros(2)
        self._depth = 0

    def watch(self, owner: type, *names: str) -> None:
        """Time methods of a class."""
        for name in names:
            setattr(owner, name, self._timed(getattr(owner, name)))

    def _timed(self, plain: Callable[..., object]) -> Callable[..., object]:
        def timed(*args: object, **options: object) -> object:
            begun = now()
            self._depth += 1
            try:
                return plain(*args, **options)
            finally:
                self._depth -= 1
                if not self._depth:
                    self.spent += now() - begun

        return timed


def head(slices: int, side: int) -> tuple[Layer, Layer]:
    """Make a T1 and an FDG PET of an ellipsoid with a hot spot."""
    from napari.layers import Layer

    from napari_textdifuse import Volume
    from napari_textdifuse.napari_plugin.layers import to_layer

    rng = np.random.default_rng(0)
    z, y, x = np.ogrid[-1 : 1 : slices * 1j, -1 : 1 : side * 1j, -1 : 1 : side * 1j]
    inside = (z**2 + y**2 + x**2 / 0.8) < 0.8
    spot = (z**2 + (y - 0.3) ** 2 + x**2) < 0.02
    noise = rng.random(inside.shape, np.float32)
    t1, pet = inside * (600 + 200 * noise), inside * (4 + noise) + spot * np.float32(9)
    affine = np.diag([-240 / side, -240 / side, 150 / slices, 1])
    made = (
        Volume(t1.astype(np.float32), affine, modality="MR", contrast="T1", name="T1 of a head"),
        Volume(pet.astype(np.float32), affine, modality="PT", unit="SUVbw", name="PET of a head"),
    )
    first, second = (Layer.create(*to_layer(volume)) for volume in made)
    return first, second


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--side", type=int, default=256)
    add("--threads", type=int, default=max(1, (os.cpu_count() or 2) - 1))
    add("--repeats", type=int, default=5)
    add("--slices", type=int, default=60, help="of the volume that is cancelled half-way")
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
    ours = np.zeros(2)

    def wait(done: Callable[[], bool], seconds: float = 120) -> Floats:
        """Run the event loop until `done`; return the longest stall in seconds, by both clocks.

        `ours` becomes the longest one without what napari took.
        """
        nonlocal ours
        ours = np.zeros(2)
        loop, tick, longest, last, spent = QEventLoop(), QTimer(), ours, now(), own.spent.copy()

        def beat() -> None:
            nonlocal longest, last, spent, ours
            moment = now()
            longest = np.maximum(longest, moment - last)
            ours = np.maximum(ours, moment - last - (own.spent - spent))
            last, spent = moment, own.spent.copy()
            if done() or moment[0] - begun > seconds:
                loop.quit()

        begun = last[0]
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
    begun = now()
    module = importlib.import_module("napari_textdifuse.napari_plugin.fuse.widget")
    widget = module.FusionWidget(viewer)
    dock = viewer.window.add_dock_widget(widget, name="Fuse")
    opened = now() - begun
    import torch  # a panel opens before: with torch's objects each search for garbage takes longer

    torch.set_num_threads(options.threads)
    wait(lambda: False, 1)
    idle = wait(lambda: False, 2)

    adding, removing = [], []
    for _ in range(options.repeats):
        begun = now()
        layer = viewer.add_image(np.zeros((options.side, options.side), np.float32), name="x")
        wait(lambda: True)
        adding.append(now() - begun)
        begun = now()
        viewer.layers.remove(layer)
        wait(lambda: True)
        removing.append(now() - begun)

    stalls, without, cancels, seconds = [], [], [], []
    for k in range(options.repeats + 1):
        widget.seed.value = k
        begun = now()
        widget.fuse.native.click()
        stall = wait(lambda: not widget.running)
        if k:  # the first one loads torch and the network
            stalls.append(stall)
            without.append(ours)
            seconds.append(now() - begun)
        else:
            first, first_ours = stall, ours
    widget.quality.value = "best"
    for k in range(options.repeats):
        widget.seed.value = 100 + k
        widget.fuse.native.click()
        wait(lambda: widget.progress.max > 1 and widget.progress.value > 2)
        begun = now()
        widget.cancel.native.click()
        wait(lambda: not widget.running)
        cancels.append(now() - begun)
    kept, kept_ours, without_kept, keeping = [], [], [], []
    viewer.layers.clear()
    first_image, second_image = head(options.slices, options.side)
    viewer.layers.extend([first_image, second_image])
    widget.image_a.value, widget.image_b.value = first_image, second_image
    viewer.dims.set_current_step(0, 0)  # the displayed slice is previewed first
    widget.quality.value, widget.prompt.value = "fast", "brain, tumour"
    finished = options.slices // 2
    for k in range(options.repeats):
        widget.seed.value = 200 + k
        widget.fuse.native.click()
        wait(lambda: widget.progress.native.format().startswith(f"Slice {finished + 1} "), 900)
        begun, spent = now(), own.spent.copy()
        widget.cancel.native.click()
        stall = wait(lambda: not widget.running)
        kept.append(now() - begun)
        kept_ours.append(kept[-1] - (own.spent - spent))
        keeping.append(stall)
        without_kept.append(ours)
        assert widget.message.text.startswith(f"Cancelled: {finished} of"), widget.message.text
    print(
        f"{options.side}x{options.side}, {options.threads} threads for the network, "
        f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores\n"
    )
    print("| what | ms by the clock | ms of the processor |\n| --- | --- | --- |")
    for name, value in (
        ("open the panel (import and build)", opened),
        ("longest stall, idle", idle),
        ("napari adds one layer, median", np.median(adding, axis=0)),
        ("napari removes one layer, median", np.median(removing, axis=0)),
        ("longest stall in the first run, which loads torch", first),
        ("the same, without napari's layers and drawing", first_ours),
        ("longest stall in a run, median", np.median(stalls, axis=0)),
        ("longest stall in a run, worst", np.max(stalls, axis=0)),
        ("without napari's layers and drawing, median", np.median(without, axis=0)),
        ("without napari's layers and drawing, worst", np.max(without, axis=0)),
        ("a run, median", np.median(seconds, axis=0)),
        ("from Cancel to stopped, median", np.median(cancels, axis=0)),
        ("from Cancel to stopped, worst", np.max(cancels, axis=0)),
        (f"the same with {finished} slices kept, median", np.median(kept, axis=0)),
        (f"the same with {finished} slices kept, worst", np.max(kept, axis=0)),
        ("without napari's layers and drawing, worst", np.max(kept_ours, axis=0)),
        ("longest stall while they are shown, worst", np.max(keeping, axis=0)),
        ("the same, without napari's layers and drawing", np.max(without_kept, axis=0)),
    ):
        print(f"| {name} | {1000 * value[0]:.0f} | {1000 * value[1]:.0f} |")
    viewer.window.remove_dock_widget(dock)
    viewer.close()
    settings.cleanup()
    return 0


if __name__ == "__main__":
    sys.exit(main())
