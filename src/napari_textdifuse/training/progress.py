"""Progress display and cancellation of a training run."""

from __future__ import annotations

import signal
import sys
import threading
import time
from types import FrameType
from typing import Any

from .config import TrainConfig


def note(message: str) -> None:
    """Print one line."""
    print(f"textdifuse: {message}", file=sys.stderr, flush=True)


class Progress:
    """A progress bar on a terminal, else a line from time to time.

    Parameters
    ----------
    config : TrainConfig
    step : int
        First step of this session.
    interval : float
        Seconds between lines where stderr is not a terminal.
    """

    def __init__(self, config: TrainConfig, step: int, interval: float = 30.0) -> None:
        self.config = config
        self.interval = interval
        self.last = time.monotonic()
        self.bar: Any = None
        if sys.stderr.isatty():
            from tqdm import tqdm  # type: ignore[import-untyped, unused-ignore]

            self.bar = tqdm(
                total=config.steps, initial=step, desc=config.stage, unit="step", dynamic_ncols=True
            )

    def update(self, step: int, loss: float, seconds: float) -> None:
        """Report a finished step."""
        budget = f" of {self.config.minutes:g}" if self.config.minutes is not None else ""
        text = f"loss {loss:.4g}, {seconds / 60:.1f}{budget} min"
        if self.bar is not None:
            self.bar.set_postfix_str(text, refresh=False)
            self.bar.update(step - self.bar.n)
        elif time.monotonic() - self.last > self.interval:
            self.last = time.monotonic()
            total = f" of {self.config.steps}" if self.config.steps is not None else ""
            note(f"step {step}{total}: {text}")

    def row(self, row: dict[str, float]) -> None:
        """Report a line of the curve."""
        text = " ".join(f"{k}={v:.5g}" for k, v in row.items())
        if self.bar is not None:
            self.bar.write(text, file=sys.stderr)
        else:
            print(text, file=sys.stderr, flush=True)

    def close(self) -> None:
        """Finish the terminal's line."""
        if self.bar is not None:
            self.bar.close()


class StopRequest:
    """Defers the first Ctrl-C or SIGTERM to the end of the step.

    A second Ctrl-C stops at once; the last checkpoint stays intact.
    """

    def __init__(self) -> None:
        self.asked = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> StopRequest:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._ask)
        return self

    def __exit__(self, *_: object) -> None:
        self._restore()

    def _ask(self, _number: int, _frame: FrameType | None) -> None:
        self.asked = True
        self._restore()

    def _restore(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}
