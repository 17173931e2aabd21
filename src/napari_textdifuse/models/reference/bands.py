"""The authors' FCM in bands of rows, so that a 544-channel map at full size fits into memory.

Convolutions need one more row above and below each band. What needs the whole image (group
normalisation, channel attention) is gathered in a first pass over the bands. Only four maps exist
at any time, in the precision of the features; all statistics are float32.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from .blocks import Norm, NormConv, convolve
from .fusion_control import CBAM, ReferenceControl

#: Memory of one band of one map in float32, in bytes.
BAND_BYTES = 48 * 2**20


def bands(height: int, width: int, channels: int) -> Iterator[tuple[int, int]]:
    """Cover rows 0 to `height` with bands ``[start, stop)``."""
    rows = max(4, BAND_BYTES // (4 * channels * width))
    for start in range(0, height, rows):
        yield start, min(start + rows, height)


@dataclass(frozen=True)
class Field:
    """A map with gains that are applied only when it is read.

    Parameters
    ----------
    values : Tensor, shape (B, C, H, W)
    channels : Tensor, shape (B, C, 1, 1), float32, optional
    pixels : Tensor, shape (B, 1, H, W), float32, optional
    """

    values: Tensor
    channels: Tensor | None = None
    pixels: Tensor | None = None

    def __iter__(self) -> Iterator[tuple[int, int]]:
        _, channels, height, width = self.values.shape
        return bands(height, width, channels)

    def read(self, start: int, stop: int) -> Tensor:
        """Rows ``[start, stop)`` in float32."""
        band = self.values[:, :, start:stop].float()
        if self.channels is not None:
            band = band * self.channels
        if self.pixels is not None:
            band = band * self.pixels[:, :, start:stop]
        return band


@torch.no_grad()
def fuse_in_bands(control: ReferenceControl, map1: Tensor, map2: Tensor) -> Tensor:
    """Replace `map1` by ``w_1 map1 + w_2 map2`` (Eq. 3).

    Parameters
    ----------
    control : ReferenceControl
    map1, map2 : Tensor, shape (B, 544, H, W)
        Packed features; the convolutions run in their precision. `map1` is overwritten.

    Returns
    -------
    Tensor, shape (B, 1, H, W), float32
        Share of source 1: the channels' mean of ``w_1`` over that of ``w_1 + w_2``.
    """
    dtype = map1.dtype
    height = map1.shape[2]
    base = torch.empty_like(map1)
    for start, stop in Field(map1):
        low, high = max(start - 1, 0), min(stop + 1, height)
        both = torch.cat([map1[:, :, low:high], map2[:, :, low:high]], dim=1)
        both = _pad_rows(both, start, stop, height)
        base[:, :, start:stop] = convolve(control.inBlock, both, dtype, rows_padded=True)
    trunk = _attended(control.CBMA1, _through(control.middleBlock1, Field(base), dtype))
    del base
    share = map1.new_zeros((2, map1.shape[0], 1, *map1.shape[2:]), dtype=torch.float32)
    for source in (1, 2):
        middle, attention, head = control.branch(source)
        field = _attended(attention, _through(middle, trunk, dtype))

        def accumulate(logits: Tensor, start: int, stop: int, source: int = source) -> None:
            weight = torch.sigmoid(logits.float())
            share[source - 1, :, :, start:stop] = weight.mean(dim=1, keepdim=True)
            rows = map1[:, :, start:stop]
            if source == 1:
                rows *= weight
            else:
                rows += weight * map2[:, :, start:stop]

        _convolved(head, field, dtype, accumulate)
        del field
    return share[0] / (share[0] + share[1])


def _through(block: NormConv, field: Field, dtype: torch.dtype) -> Field:
    out = torch.empty_like(field.values)

    def store(rows: Tensor, start: int, stop: int) -> None:
        out[:, :, start:stop] = rows

    _convolved(block, field, dtype, store)
    return Field(out)


def _convolved(
    block: NormConv,
    field: Field,
    dtype: torch.dtype,
    use: Callable[[Tensor, int, int], None],
) -> None:
    """Normalise, activate and convolve band by band, handing each to `use`."""
    scale, shift = _normalisation(block.norm, field)
    height = field.values.shape[2]
    for start, stop in field:
        band = field.read(max(start - 1, 0), min(stop + 1, height))
        band = F.silu(torch.addcmul(shift, band, scale), inplace=True)
        band = _pad_rows(band.to(dtype), start, stop, height)
        use(convolve(block.conv, band, dtype, rows_padded=True), start, stop)


def _pad_rows(band: Tensor, start: int, stop: int, height: int) -> Tensor:
    """Add the zeros that a convolution sees beyond the image's first and last row."""
    return F.pad(band, (0, 0, int(start == 0), int(stop == height)))


def _normalisation(norm: Norm, field: Field) -> tuple[Tensor, Tensor]:
    """Group normalisation as one gain and one offset per channel, ``(B, C, 1, 1)``."""
    batch, channels, _, width = field.values.shape
    groups = norm.num_groups
    count = 0.0
    mean = field.values.new_zeros((batch, groups), dtype=torch.float32)
    spread = torch.zeros_like(mean)
    for start, stop in field:
        band = field.read(start, stop).reshape(batch, groups, -1)
        # spreads of parts about their own means add up exactly (Chan et al. 1979)
        part_var, part_mean = torch.var_mean(band, dim=2, correction=0)
        part = (stop - start) * width * (channels / groups)
        total = count + part
        delta = part_mean - mean
        spread += part_var * part + delta**2 * (count * part / total)
        mean += delta * (part / total)
        count = total
    rstd = (spread / count + norm.eps).rsqrt()
    each = channels // groups
    rstd, mean = (v.repeat_interleave(each, dim=1) for v in (rstd, mean))
    scale = rstd * norm.weight.float()
    shift = norm.bias.float() - mean * scale
    return scale[:, :, None, None], shift[:, :, None, None]


def _attended(attention: CBAM, field: Field) -> Field:
    """Compute both attentions of a CBAM; they are applied when the field is read."""
    batch, channels, height, width = field.values.shape
    mean = field.values.new_zeros((batch, channels), dtype=torch.float32)
    peak = field.values.new_full((batch, channels), -torch.inf, dtype=torch.float32)
    for start, stop in field:
        band = field.read(start, stop)
        mean += band.mean(dim=(2, 3)) * ((stop - start) / height)
        peak = torch.maximum(peak, band.amax(dim=(2, 3)))
    gains = attention.channel_attention(mean[:, :, None, None], peak[:, :, None, None])
    field = Field(field.values, gains)
    maps = field.values.new_empty((batch, 2, height, width), dtype=torch.float32)
    for start, stop in field:
        band = field.read(start, stop)
        maps[:, 0, start:stop] = band.mean(dim=1)
        maps[:, 1, start:stop] = band.amax(dim=1)
    return Field(field.values, gains, attention.spatial_attention(maps))
