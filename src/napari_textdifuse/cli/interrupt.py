"""Ctrl-C and SIGTERM end a run after the current step, so that finished work is kept."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from .report import say


@contextmanager
def interruptible() -> Iterator[Callable[[], bool]]:
    """Provide a function that returns whether Ctrl-C was pressed; a second press stops at once.

    SIGTERM, sent by ``kill``, job queues and containers, counts as Ctrl-C.

    Outside the main thread nothing is changed: signals arrive there only.
    """
    pressed = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield pressed.is_set
        return

    def press(number: int, frame: FrameType | None) -> None:
        if pressed.is_set():
            raise KeyboardInterrupt
        pressed.set()
        say("stopping after this step; press Ctrl-C again to stop at once")

    with _handling(press, signal.SIGINT, signal.SIGTERM):
        yield pressed.is_set


@contextmanager
def terminable() -> Iterator[None]:
    """Let SIGTERM end the run like Ctrl-C, with cleanup."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    with _handling(signal.default_int_handler, signal.SIGTERM):
        yield


@contextmanager
def _handling(handler: Callable[[int, FrameType | None], Any], *numbers: int) -> Iterator[None]:
    before = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield
    finally:
        for number, earlier in before.items():
            signal.signal(number, signal.SIG_DFL if earlier is None else earlier)
