"""All features of one source as a single map at full resolution, the way the authors' FCM wants it.

Each skip's memory is read as if it were ``(n, H, W)``: no pixel shuffle, only a view. The map
therefore has no spatial meaning for the deep skips, but the trained weights expect exactly this.
"""

from __future__ import annotations

from torch import Tensor

from .unet import SKIP_CHANNELS, SKIP_SCALES

#: Channels of the map.
CHANNELS = 544
#: Full-resolution channels that each skip fills, deepest first; the hidden features come last.
SHARES = (2, 2, 2, 6, 6, 4, 16, 16, 8, 32, 32, 32, 128, 128, 128)
HIDDEN_SHARE = 2
#: What stands behind the 384 channels of the third skip, so that they fill whole planes.
PADDING = 1.0


def pack(skips: list[Tensor], hidden: Tensor) -> Tensor:
    """Lay skips and hidden features out as one map.

    Parameters
    ----------
    skips : list of Tensor
        Shallow to deep, as the encoder makes them; emptied on the way to save memory.
    hidden : Tensor, shape (B, 512, H / 16, W / 16)

    Returns
    -------
    Tensor, shape (B, 544, H, W)
    """
    batch, _, height, width = skips[0].shape
    packed = hidden.new_full((batch, CHANNELS, height, width), PADDING)
    flat, start = packed.view(batch, -1), 0
    for share in (*SHARES, HIDDEN_SHARE):
        source = skips.pop() if skips else hidden
        flat[:, start : start + source[0].numel()] = source.flatten(1)
        start += share * height * width
    return packed


def unpack(packed: Tensor) -> tuple[list[Tensor], Tensor]:
    """Invert `pack`; the result shares the map's memory.

    Parameters
    ----------
    packed : Tensor, shape (B, 544, H, W)

    Returns
    -------
    skips : list of Tensor
        Shallow to deep.
    hidden : Tensor, shape (B, 512, H / 16, W / 16)
    """
    batch, _, height, width = packed.shape
    skips, start = [], 0
    for share, channels, scale in zip(
        SHARES, reversed(SKIP_CHANNELS), reversed(SKIP_SCALES), strict=True
    ):
        shape = (batch, share * scale**2, height // scale, width // scale)
        skips.append(packed[:, start : start + share].reshape(shape)[:, :channels])
        start += share
    hidden = packed[:, start:].reshape(batch, 512, height // 16, width // 16)
    return skips[::-1], hidden
