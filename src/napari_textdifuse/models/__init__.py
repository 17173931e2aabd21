"""The networks: modules and their configurations, without files and schedules.

In: tensors of a noisy sample and two sources in [-1, 1], and step numbers.
Out: clean estimate, variance coefficient and each source's share, see `protocol.FusionNetwork`.
"""

from .chroma import ChromaNetwork
from .fusion_control import FusionControl, combine
from .fusion_rules import RULES, FusionRule
from .light import LightNetwork, WeightedFeatures
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
    "WeightedFeatures",
    "cast",
    "combine",
]
