"""From two images and a prompt to one fused image."""

from .pipeline import FusionPipeline, fuse
from .result import FusionResult, Progress

__all__ = ["FusionPipeline", "FusionResult", "Progress", "fuse"]
