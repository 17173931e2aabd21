"""Networks only: tensors in, tensors out."""

from .chroma import ChromaNetwork
from .fusion_control import FusionControl, combine
from .fusion_rules import RULES, FusionRule
from .light import LightNetwork, Weighted
from .modulation import Modulation
from .precision import cast
from .unet import Decoder, Encoder, UNetConfig

__all__ = [
    "RULES",
    "ChromaNetwork",
    "Decoder",
    "Encoder",
    "FusionControl",
    "FusionRule",
    "LightNetwork",
    "Modulation",
    "UNetConfig",
    "Weighted",
    "cast",
    "combine",
]
