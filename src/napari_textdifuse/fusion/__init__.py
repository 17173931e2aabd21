"""From two images and a prompt to one fused image."""

from .pipeline import FusionPipeline, fuse
from .progress import Progress
from .result import FusionResult
from .session import FusionSession

__all__ = ["FusionPipeline", "FusionResult", "FusionSession", "Progress", "fuse"]
