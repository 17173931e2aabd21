"""Fusion methods by name, all of them ``(a, b) -> fused`` on floats in [0, 1]."""

from __future__ import annotations

from napari_textdifuse.errors import InputError
from napari_textdifuse.evaluation.baselines import BASELINES, Fusion

LEARNED = "textdifuse"
METHODS = (*BASELINES, LEARNED)


def make_methods(
    names: list[str], device: str, steps: int | None, weights: str | None
) -> dict[str, Fusion]:
    """Return the methods asked for; the learned pipeline is only loaded if it is among them."""
    unknown = [name for name in names if name not in METHODS]
    if unknown:
        raise InputError(f"{', '.join(unknown)}: unknown; the methods are {', '.join(METHODS)}.")
    methods = {name: BASELINES[name] for name in names if name in BASELINES}
    if LEARNED in names:
        from napari_textdifuse import FusionPipeline

        pipe = FusionPipeline.from_pretrained(weights, device=device)
        methods[LEARNED] = lambda a, b: pipe(a, b, seed=0, steps=steps).fused
    return methods
