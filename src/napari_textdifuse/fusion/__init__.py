"""From two images and a prompt to one fused image."""

from .pipeline import FusionPipeline, fuse
from .result import FusionResult, Progress
from .session import FusionSession

__all__ = ["FusionPipeline", "FusionResult", "FusionSession", "Progress", "fuse"]
