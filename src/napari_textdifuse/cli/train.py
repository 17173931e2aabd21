"""``textdifuse train STAGE``: from folders of images to weights."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InputError
from .report import say

if TYPE_CHECKING:
    from ..training.sources import Source


def run(options: argparse.Namespace) -> int:
    """Train one stage, or write weights."""
    if options.stage == "export":
        from ..training.run import export

        folder = export(
            options.start,
            options.out,
            options.name,
            options.chroma,
            options.calibration,
            options.fast,
            options.fast_calibration,
        )
    else:
        folder = _train(options)
    if options.stage != "chroma":
        say(f"done; fuse with --weights {folder}")
    print(folder)
    return 0


def _train(options: argparse.Namespace) -> Path:
    from ..training.config import TrainConfig
    from ..training.run import StageRequest, run_stage
    from ..training.split import SplitRule

    minutes = 60.0 if options.minutes is None and options.steps is None else options.minutes
    config = TrainConfig(
        minutes=minutes,
        steps=options.steps,
        cooldown=options.cooldown,
        learning_rate=options.rate,
        warmup=options.warmup,
        batch=options.batch,
        crop=options.crop,
        seed=options.seed,
        validate_every=options.validate_every,
        save_minutes=options.save_minutes,
        device=options.device,
        compile=getattr(options, "compile", False),
        diffusion=not getattr(options, "no_diffusion", False),
        **_loss(options),
    )
    rule = SplitRule(options.case_pattern, tuple(options.held_out), options.held_out_every)
    request = StageRequest(
        stage=options.stage,
        sources=_sources(options),
        out=options.out,
        config=config,
        rule=rule,
        start=getattr(options, "start", None),
        network=_network(options),
        name=options.name,
        student=getattr(options, "student", None),
    )
    return run_stage(request)


def _loss(options: argparse.Namespace) -> dict[str, Any]:
    names = (
        "intensity",
        "level",
        "gradient",
        "gradient_weight",
        "correlation",
        "structure",
        "overshoot",
        "haze",
        "joint",
    )
    return {name: getattr(options, name) for name in (*names, "joint") if hasattr(options, name)}


def _sources(options: argparse.Namespace) -> list[Source]:
    from ..training.sources import Source, find_sets, modality_of

    sources = find_sets(options.data, options.sets) if options.data else []
    for name, folder in getattr(options, "images", ()):
        modality = modality_of(name)
        sources.append(Source(modality, (folder,), (modality,)))
    for (name_a, folder_a), (name_b, folder_b) in options.pairs:
        kinds = modality_of(name_a), modality_of(name_b)
        sources.append(Source("-".join(kinds), (folder_a, folder_b), kinds))
    if not sources:
        ways = "--pairs, --data" + (" or --images" if hasattr(options, "images") else "")
        raise InputError(f"no training images were given; name folders with {ways}.")
    return sources


def _network(options: argparse.Namespace) -> dict[str, Any]:
    """Return the requested fields of the network's shape."""
    changes: dict[str, Any] = {}
    for name in ("base", "refine", "control_fine", "restore", "uncertainty"):
        value = getattr(options, name, None)
        if value is not None:
            changes[name] = value
    multipliers = getattr(options, "multipliers", None)
    if multipliers:
        changes |= {"multipliers": tuple(multipliers), "blocks": (2,) * len(multipliers)}
    blocks = getattr(options, "blocks", None)
    if blocks:
        changes["blocks"] = tuple(blocks)
    return changes
