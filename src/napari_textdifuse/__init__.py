"""Text-DiFuse image fusion for napari, Python and the command line.

Importing this package is instant: torch, transformers and the readers load on first use.
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

from ._version import __version__

# OpenMP threads that spin while they wait starve one another on a busy machine: with as many other
# busy processes as cores, a fusion takes many times as long. torch reads it on import; a policy
# that the user has set is kept.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

if TYPE_CHECKING:
    from .evaluation import evaluate
    from .fusion import FusionPipeline, FusionResult, fuse
    from .io import read, write
    from .volume import Volume

__all__ = [
    "FusionPipeline",
    "FusionResult",
    "Volume",
    "__version__",
    "evaluate",
    "fuse",
    "read",
    "write",
]

_HOME = {
    "FusionPipeline": "fusion",
    "FusionResult": "fusion",
    "fuse": "fusion",
    "Volume": "volume",
    "evaluate": "evaluation",
    "read": "io",
    "write": "io",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOME[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted(__all__)
