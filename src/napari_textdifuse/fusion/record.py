"""The record of how a result was made; plain values, no patient identity, no file names."""

from __future__ import annotations

import hashlib
import platform
from datetime import UTC, datetime
from typing import Any

import numpy as np

from .._version import __version__
from ..intensity import Window
from ..spatial.lazy import sampled
from ..volume import Volume

NOTICE = "Derived image for research; not for diagnosis."


def describe_input(volume: Volume, window: Window) -> dict[str, Any]:
    """Describe an input without its name: file and layer names may hold identity.

    Parameters
    ----------
    volume : Volume
        Whole, whatever part of it is fused. Of a lazy one the checksum is that of a sample.
    window : Window
    """
    values = sampled(volume).array
    digest = hashlib.sha256(np.ascontiguousarray(values).tobytes()).hexdigest()
    part = {} if values.shape == volume.array.shape else {"sha256_of": f"{len(values)} slices"}
    return {
        "sha256": digest,
        **part,
        "shape": list(volume.array.shape),
        "dtype": str(volume.array.dtype),
        "modality": volume.modality,
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


def start_record() -> dict[str, Any]:
    """Return the part of the record that is known before the run."""
    return {
        "notice": NOTICE,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": environment(),
        "method": "Text-DiFuse (Zhang, Cao, Ma; NeurIPS 2024), light network",
    }
