"""Options of a fusion that do not concern the images, checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..diffusion import SAMPLERS
from ..errors import InputError
from .backend import Backend

Strength = float | Mapping[int, float]


@dataclass(frozen=True)
class Options:
    """How the chains run; see `fuse` for what each means."""

    steps: int
    quality: str | None
    seed: int
    samples: int
    sampler: str
    chroma: str


def make_options(
    backend: Backend,
    *,
    quality: str | None = None,
    steps: int | None = None,
    seed: int = 0,
    samples: int = 1,
    sampler: str | None = None,
    chroma: str = "auto",
) -> Options:
    """Check options against what the weights can do, and fill in their defaults.

    Raises
    ------
    InputError
        One sentence that says what may be given.
    """
    if quality is not None:
        if steps is not None:
            raise InputError("give quality or steps, not both.")
        if quality not in backend.qualities:
            names = ", ".join(backend.qualities)
            raise InputError(f"quality must be one of {names}, not {quality!r}.")
    elif steps is None:
        quality = "standard"
    chosen = steps if quality is None else backend.qualities[quality]
    for name, value, low, high in (
        ("steps", chosen, backend.fewest_steps, 1000),
        ("samples", samples, 1, 100),
        ("seed", seed, 0, 2**62),
    ):
        whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
        if not whole or not low <= value <= high:  # type: ignore[operator]
            raise InputError(f"{name} must be a whole number from {low} to {high}, not {value!r}.")
    if sampler is not None and sampler not in SAMPLERS:
        raise InputError(f"sampler must be one of {', '.join(SAMPLERS)}, not {sampler!r}.")
    return Options(
        int(chosen),  # type: ignore[arg-type]
        quality,
        int(seed),
        int(samples),
        backend.default_sampler if sampler is None else sampler,
        chroma,
    )


def check_strength(strength: Any) -> Strength:
    """Refuse strengths that are no numbers from 0 to 2.

    Raises
    ------
    InputError
    """
    values = strength.values() if isinstance(strength, Mapping) else [strength]
    if not all(isinstance(v, (int, float, np.number)) and 0 <= v <= 2 for v in values):
        raise InputError(f"strength must lie between 0 and 2, not {strength!r}.")
    return strength
