"""Stop a run between two network evaluations, and within one.

A callback hears of progress after every evaluation, which may take seconds. Whoever wants to stop
sooner says so with `stop_when`; what takes long asks with `check_stop`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, TypeVar

from .errors import Cancelled

if TYPE_CHECKING:
    from torch import nn

    Network = TypeVar("Network", bound=nn.Module)

_wanted: ContextVar[Callable[[], bool] | None] = ContextVar("stop wanted", default=None)


@contextmanager
def stop_when(wanted: Callable[[], bool]) -> Iterator[None]:
    """Let work in this thread end with `Cancelled` soon after a function returns True.

    Parameters
    ----------
    wanted : callable
        Asked often, in the thread that works.
    """
    token = _wanted.set(wanted)
    try:
        yield
    finally:
        _wanted.reset(token)


def stop_wanted() -> bool:
    """Tell whether the work is to end."""
    wanted = _wanted.get()
    return wanted is not None and wanted()


def check_stop() -> None:
    """End the work here if that is wanted.

    Raises
    ------
    Cancelled
    """
    if stop_wanted():
        raise Cancelled("The fusion was cancelled; no result was made.")


def interruptible(network: Network) -> Network:
    """Let a network check before each of its layers whether it is still wanted.

    Parameters
    ----------
    network : torch.nn.Module

    Returns
    -------
    torch.nn.Module
        The same.
    """
    for module in network.modules():
        leaf = next(module.children(), None) is None
        if leaf and _check not in module._forward_pre_hooks.values():
            module.register_forward_pre_hook(_check)
    return network


def _check(_: Any, __: Any) -> None:
    check_stop()
