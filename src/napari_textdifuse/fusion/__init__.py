"""From two images and a prompt to one fused image: read, choose, grid, mask, chain, out.

In: arrays, volumes, files or layers, and `FusionOptions`.
Out: `FusionResult`, from `fuse`, `FusionPipeline` or, repeatedly, `FusionSession`.
"""

from .pipeline import FusionPipeline, fuse
from .progress import Progress
from .result import FusionResult
from .session import FusionSession

__all__ = ["FusionPipeline", "FusionResult", "FusionSession", "Progress", "fuse"]
