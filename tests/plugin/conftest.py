"""Layers, viewers and a pipeline that takes its time."""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from napari_textdifuse import Volume
from napari_textdifuse.errors import Cancelled
from napari_textdifuse.fusion.slices import Selection

if TYPE_CHECKING:
    from napari_textdifuse.fusion import FusionResult


@pytest.fixture
def phantom() -> Callable[..., Volume]:
    """Make a volume whose values say where in the world (RAS mm) each voxel lies."""

    def make(affine: Any, shape: tuple[int, ...] = (5, 6, 7), **fields: Any) -> Volume:
        affine = np.asarray(affine, dtype=float)
        index = np.indices(shape)[::-1].reshape(len(shape), -1).astype(float)
        index = np.vstack([index, np.zeros((3 - len(shape), index.shape[1]))])
        x, y, z = affine[:3, :3] @ index + affine[:3, 3:]
        values = (1000 + x + 0.1 * y + 0.01 * z).reshape(shape)
        return Volume(values.astype(np.float32), affine=affine, **{"name": "phantom"} | fields)

    return make


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> Iterator[None]:
    """Tiny networks gain nothing from threads, which wait for each other on a busy machine."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(autouse=True)
def _freed_in_the_main_thread() -> Iterator[None]:
    """Collect garbage between tests: a worker would delete timers of `qtbot.waitUntil`."""
    gc.disable()
    yield
    gc.enable()
    gc.collect(1)


class SlowPipeline:
    """Reports many steps until it is stopped; knows how often it was asked."""

    def __init__(self, steps: int = 2000, result: FusionResult | None = None) -> None:
        self.steps = steps
        self.result = result
        self.started = threading.Event()
        self.stopped = threading.Event()
        self.calls: list[dict[str, Any]] = []
        self.thread: str | None = None

    def session(self, a: Volume, b: Volume, **options: Any) -> SlowSession:
        """Do nothing yet, as the real one."""
        options.pop("callback")
        return SlowSession(self, a, b, options)

    def __call__(self, a: Volume, b: Volume, prompt: str | None, **options: Any) -> FusionResult:
        from napari_textdifuse.fusion import Progress

        callback = options.pop("callback")
        self.calls.append({"a": a, "b": b, "prompt": prompt, **options})
        self.thread = threading.current_thread().name
        self.stopped.clear()
        self.started.set()
        try:
            for step in range(self.steps):
                time.sleep(0.005)
                state = Progress(step + 1, self.steps, 0, 1, np.zeros((2, 2), np.float32))
                if callback(state) is False:
                    raise Cancelled("The fusion was cancelled; no result was created.")
            assert self.result is not None
            return self.result
        finally:
            self.stopped.set()


@dataclass(frozen=True)
class SlowPair:
    """What the panel reads of a pair."""

    a: Volume
    b: Volume
    selection: Selection
    reoriented_shape: tuple[int, ...]


class SlowSession:
    """One pair of a `SlowPipeline`."""

    def __init__(self, pipeline: SlowPipeline, a: Volume, b: Volume, options: Any) -> None:
        self.pipeline, self.a, self.b, self.options = pipeline, a, b, options
        self.coloured = False
        self.pair = SlowPair(a, b, Selection(0, 0, 1, a.shape[0]), a.array.shape)

    def fuse(self, prompt: str | None, **asked: Any) -> FusionResult:
        return self.pipeline(self.a, self.b, prompt, **self.options, **asked)


@pytest.fixture
def slow_pipeline() -> Iterator[SlowPipeline]:
    pipeline = SlowPipeline()
    yield pipeline
    if pipeline.started.is_set():
        assert pipeline.stopped.wait(10), "the work was still going on after the test"


@pytest.fixture(autouse=True)
def _own_settings(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the user's settings out of the tests, and the tests out of them."""
    monkeypatch.setenv("TEXTDIFUSE_CONFIG", str(tmp_path / "config"))


@pytest.fixture
def notifications() -> Iterator[list[str]]:
    """Messages napari would show, as text; nothing pops up."""
    from napari.utils.notifications import notification_manager

    messages: list[str] = []

    def keep(event: Any) -> None:
        messages.append(str(event.message))

    notification_manager.notification_ready.connect(keep)
    yield messages
    notification_manager.notification_ready.disconnect(keep)


@pytest.fixture
def panel_in_window(make_napari_viewer, tiny_pipeline) -> Callable[..., tuple[Any, Any]]:
    """Show volumes in a real window with the panel; fused quickly."""
    from napari_textdifuse.napari_plugin.fuse.widget import FusionWidget
    from napari_textdifuse.napari_plugin.layers import to_layer

    def make(*volumes: Volume) -> tuple[Any, Any]:
        viewer = make_napari_viewer(show=True)
        for volume in volumes:
            viewer._add_layer_from_data(*to_layer(volume))
        widget = FusionWidget(viewer, make_pipeline=lambda device: tiny_pipeline)
        viewer.window.add_dock_widget(widget, name="Fuse")
        widget.quality.value = "fast"
        return viewer, widget

    return make
