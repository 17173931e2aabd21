"""Cancellation between and within network evaluations.

A callback is called after every evaluation, which may take seconds. `stop_when` registers a faster
check; long computations call `check_stop`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, TypeVar

from .errors import Cancelled

if TYPE_CHECKING:
    from torch import nn

    Network = TypeVar("Network", bound=nn.Module)

_wanted: ContextVar[Callable[[], bool] | None] = ContextVar("stop wanted", default=None)


@contextmanager
def stop_when(wanted: Callable[[], bool]) -> Iterator[None]:
    """Cancel work in this thread soon after a function returns True.

    Parameters
    ----------
    wanted : callable
        Called often, in the working thread.
    """
    token = _wanted.set(wanted)
    try:
        yield
    finally:
        _wanted.reset(token)


def uninterrupted() -> AbstractContextManager[None]:
    """Let short work in this thread finish after a stop was requested, to keep what is done."""
    return stop_when(lambda: False)


def stop_wanted() -> bool:
    """Return whether the work should end."""
    wanted = _wanted.get()
    return wanted is not None and wanted()


def check_stop() -> None:
    """Raise `Cancelled` if the work should end.

    Raises
    ------
    Cancelled
    """
    if stop_wanted():
        raise Cancelled("The fusion was cancelled; no result was created.")


def interruptible(network: Network) -> Network:
    """Make a network check for cancellation before each of its layers.

    Parameters
    ----------
    network : torch.nn.Module

    Returns
    -------
    torch.nn.Module
        The same network.
    """
    for module in network.modules():
        leaf = next(module.children(), None) is None
        if leaf and _check not in module._forward_pre_hooks.values():
            module.register_forward_pre_hook(_check)
    return network


def _check(_: Any, __: Any) -> None:
    check_stop()
