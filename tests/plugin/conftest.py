"""Layers, viewers and a pipeline that takes its time."""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from napari_textdifuse import Volume
from napari_textdifuse.errors import Cancelled
from napari_textdifuse.fusion.slices import Selection

if TYPE_CHECKING:
    from napari_textdifuse.fusion import FusionResult, Progress

#: Seconds until a test gives up waiting; no test passes or fails by how long something takes.
PATIENCE = 120


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
def _own_settings(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the user's settings out of the tests, and the tests out of them."""
    monkeypatch.setenv("TEXTDIFUSE_CONFIG", str(tmp_path / "config"))


@pytest.fixture(autouse=True)
def _nothing_is_left_over(_own_settings: None, qapp: Any) -> Iterator[None]:
    """Let no work and no garbage of a test reach into the next one.

    Work of a closed panel goes on until it notices. It would read the settings of the next test,
    and what it allocates would be collected outside the main thread, timers of
    `qtbot.waitUntil` included.
    """
    from qtpy.QtCore import QThreadPool

    from napari_textdifuse.napari_plugin.task import Work

    gc.disable()
    yield
    assert QThreadPool.globalInstance().waitForDone(1000 * PATIENCE), "work does not end"
    end = time.monotonic() + PATIENCE
    while Work._running and time.monotonic() < end:  # its end is reported by an event
        qapp.processEvents()
    assert not Work._running, "work did not report its end"
    gc.enable()
    gc.collect(1)


class SlowPipeline:
    """Reports steps until a run is stopped or allowed to finish; knows how often it was asked."""

    def __init__(self, result: FusionResult | None = None) -> None:
        self.result = result
        self.started = threading.Event()
        self.stopped = threading.Event()
        self.calls: list[dict[str, Any]] = []
        self.thread: str | None = None
        self._allowed = threading.Semaphore(0)

    def allow(self, runs: int = 1) -> None:
        """Let so many runs finish, current or future ones."""
        self._allowed.release(runs)

    def session(self, a: Volume, b: Volume, **options: Any) -> SlowSession:
        """Do nothing yet, as the real one."""
        options.pop("callback")
        return SlowSession(self, a, b, options)

    def __call__(self, a: Volume, b: Volume, prompt: str | None, **options: Any) -> FusionResult:
        from napari_textdifuse.fusion import Progress

        callback, total = options.pop("callback"), 2000
        self.thread = threading.current_thread().name
        self.stopped.clear()
        self.calls.append({"a": a, "b": b, "prompt": prompt, **options})
        self.started.set()
        try:
            for step in count(1):
                estimate = np.zeros((2, 2), np.float32)
                if callback(Progress(min(step, total - 1), total, 0, 1, estimate)) is False:
                    raise Cancelled("The fusion was cancelled; no result was created.")
                if self._allowed.acquire(timeout=0.005):
                    break
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
        assert pipeline.stopped.wait(PATIENCE), "the work was still going on after the test"


class Held:
    """A real pipeline whose work waits at one step, so that a test can act meanwhile.

    Parameters
    ----------
    pipeline : FusionPipeline
    at : callable
        Takes each `Progress`; the work waits before it reports the first for which this is true.
    """

    def __init__(self, pipeline: Any, at: Callable[[Progress], bool]) -> None:
        self._pipeline, self._at = pipeline, at
        self.reached, self._released = threading.Event(), threading.Event()

    def session(self, *images: Any, **options: Any) -> HeldSession:
        return HeldSession(self, self._pipeline.session(*images, **options))

    def release(self) -> None:
        """Let the work go on, for good."""
        self._released.set()

    def watched(self, callback: Callable[[Progress], bool]) -> Callable[[Progress], bool]:
        def report(progress: Progress) -> bool:
            if not self._released.is_set() and self._at(progress):
                self.reached.set()
                assert self._released.wait(PATIENCE), "the test did not release it"
            return callback(progress)  # which notices a stop that was asked for meanwhile

        return report


class HeldSession:
    """A session of a `Held` pipeline; everything but its runs is that of the real one."""

    def __init__(self, held: Held, session: Any) -> None:
        self._held, self._session = held, session

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session, name)

    def with_balance(self, *args: Any) -> HeldSession:
        return HeldSession(self._held, self._session.with_balance(*args))

    def fuse(self, *args: Any, callback: Callable[[Progress], bool], **asked: Any) -> FusionResult:
        return self._session.fuse(*args, callback=self._held.watched(callback), **asked)


@pytest.fixture
def hold(tiny_pipeline) -> Iterator[Callable[[Callable[[Progress], bool]], Held]]:
    made = []

    def make(at: Callable[[Progress], bool]) -> Held:
        made.append(Held(tiny_pipeline, at))
        return made[-1]

    yield make
    for held in made:
        held.release()


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

    def make(*volumes: Volume, pipeline: Any = tiny_pipeline) -> tuple[Any, Any]:
        viewer = make_napari_viewer(show=True)
        for volume in volumes:
            viewer._add_layer_from_data(*to_layer(volume))
        widget = FusionWidget(viewer, make_pipeline=lambda device: pipeline)
        viewer.window.add_dock_widget(widget, name="Fuse")
        widget.quality.value = "fast"
        return viewer, widget

    return make
