"""How a running registration tells where it stands."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class RegistrationProgress:
    """Where a running registration stands.

    Parameters
    ----------
    level, levels : int
        Resolution being worked at, from 1 (coarsest).
    iteration : int
        Since the level's start.
    metric : float
        Mutual information at the moment, in nats; grows.
    fraction : float
        A guess of what part is done, in [0, 1]; never falls.
    """

    level: int
    levels: int
    iteration: int
    metric: float
    fraction: float


#: Called now and then; returning False cancels.
Callback = Callable[[RegistrationProgress], bool | None]
