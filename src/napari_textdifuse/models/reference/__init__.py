"""The authors' architecture, with their state-dict keys, so that the released checkpoints load."""

from .fusion_control import ReferenceControl
from .network import ReferenceFeatures, ReferenceNetwork
from .unet import ReferenceDecoder, ReferenceEncoder

__all__ = [
    "ReferenceControl",
    "ReferenceDecoder",
    "ReferenceEncoder",
    "ReferenceFeatures",
    "ReferenceNetwork",
]
