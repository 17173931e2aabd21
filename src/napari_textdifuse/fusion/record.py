"""The record of how a result was made; plain values, no patient identity, no file names."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np

from .._version import __version__
from ..intensity import Window
from ..locate import Location
from ..meaning import facts_record
from ..memory import sha256_of
from ..volume import NOTICE, Volume
from .backend import Backend, NetworkChoice
from .colour_cast import ChromaDecision
from .options import FusionOptions
from .pair import Pair


def describe_input(volume: Volume, window: Window) -> dict[str, Any]:
    """Describe an input without its name, because file and layer names may identify a patient.

    Parameters
    ----------
    volume : Volume
        The whole image. For a lazy one, the checksum is that of a sample.
    window : Window
    """
    values = volume.sampled().array
    part = {} if values.shape == volume.array.shape else {"sha256_of": f"{len(values)} slices"}
    return {
        "sha256": sha256_of(values),
        **part,
        "shape": list(volume.array.shape),
        "dtype": str(volume.array.dtype),
        "modality": volume.modality,
        "facts": facts_record(volume),
        "unit": volume.unit,
        "spacing_mm": list(volume.spacing) if volume.spacing else None,
        "window": [window.low, window.high],
        "window_from": window.origin,
    }


def environment() -> dict[str, str]:
    """Versions that a result depends on."""
    import torch

    return {
        "napari-textdifuse": __version__,
        "torch": torch.__version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
    }


def make_record(
    pair: Pair,
    options: FusionOptions,
    backend: Backend,
    choice: NetworkChoice,
    colours: ChromaDecision,
    location: Location | None,
    notes: Sequence[str],
) -> dict[str, Any]:
    """Describe how a result was made.

    Parameters
    ----------
    pair : Pair
    options : FusionOptions
    backend : Backend
    choice : NetworkChoice
    colours : ChromaDecision
    location : Location or None
    notes : sequence of str
        One sentence per assumption about the images.

    Returns
    -------
    dict
        Plain values, ready for JSON.
    """
    notes = [*notes, *choice.notes]
    if colours.restore and options.chroma == "auto":
        notes.append(
            f"A colour cast was removed from image {(colours.colour_from or '').upper()}: "
            f"{colours.reason}; chroma='keep' leaves the colours unchanged."
        )
    notes += _restoration_notes(options, colours)
    if location is not None:
        notes += location.notes
        if not location.mask.any():
            notes.append("The mask is empty, so nothing was emphasised.")
    steps = backend.timesteps(options.evaluations(backend.qualities, backend.fewest_steps))
    strength = options.strength
    return {
        "notice": NOTICE,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": environment(),
        "method": backend.method,
        "weights": backend.weights.name,
        "weights_sha256": backend.weights.sha256,
        "weights_from": backend.weights.origin,
        **choice.facts,
        "quality": options.quality or ("standard" if options.steps is None else None),
        "seed": int(options.seed),
        "steps": len(steps),
        "sampler": options.sampler or backend.default_sampler,
        "samples": int(options.samples),
        "balance": options.balance,
        "restore": options.restoration,
        "restore_from": options.restoration_from,
        "device": str(backend.device),
        "precision": str(backend.precision).removeprefix("torch."),
        "prompt": options.prompt,
        "drawn": options.drawn[0] if options.drawn else None,
        "strength": dict(strength) if isinstance(strength, Mapping) else strength,
        "label_names": {str(k): v for k, v in location.names.items()} if location else {},
        "inputs": {
            "a": describe_input(pair.a, pair.windows["a"]),
            "b": describe_input(pair.b, pair.windows["b"]),
        },
        "slices": pair.selection.to_dict() if pair.a.ndim == 3 else None,
        "time": list(pair.time) if any(t is not None for t in pair.time) else None,
        "registration": pair.registration.to_dict() if pair.registration else None,
        "colour_from": colours.colour_from,
        "colormap": _colormap(pair, colours),
        "chroma": {"restored": colours.restore, "reason": colours.reason},
        "warnings": notes,
    }


def _restoration_notes(options: FusionOptions, colours: ChromaDecision) -> list[str]:
    """Note what is restored and by whose request, unless everything is the default."""
    sources = options.restoration_from
    if set(sources.values()) == {"default"}:
        return []
    parts = [f"{kind} {value:g} ({sources[kind]})" for kind, value in options.restoration.items()]
    notes = [f"Restored: {', '.join(parts)}; 0 keeps the image as measured, 1 restores fully."]
    if options.wishes.strengths.get("colour") and not colours.restore:
        notes.append(f"The colours were not changed: {colours.reason}.")
    return notes


def _colormap(pair: Pair, colours: ChromaDecision) -> str | None:
    """Return the name of the colour map applied to grey values."""
    coloured = {"a": pair.a, "b": pair.b}.get(colours.colour_from or "")
    return None if coloured is None or coloured.rgb else pair.colours.name
