"""Networks only: tensors in, tensors out."""

from .fusion_control import FusionControl, combine
from .light import LightNetwork, Weighted
from .modulation import Modulation
from .precision import cast
from .unet import Decoder, Encoder, UNetConfig

__all__ = [
    "Decoder",
    "Encoder",
    "FusionControl",
    "LightNetwork",
    "Modulation",
    "UNetConfig",
    "Weighted",
    "cast",
    "combine",
]
