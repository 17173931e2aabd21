"""The authors' architecture, with their state-dict keys, so that the released checkpoints load.

In: the tensors of `models`; features have the authors' widths.
Out: clean estimate, variance coefficient and each source's share, see `protocol.FusionNetwork`.
"""

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
