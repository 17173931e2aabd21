"""The chrominance network: colour cast and chroma noise of natural images (Sec. 3.2)."""

from __future__ import annotations

import itertools

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..colour import BT601
from .unet import Decoder, Encoder, UNetConfig

#: Scale of CbCr in [-0.5, 0.5] for diffusion: natural colours then have about the spread
#: that the noise schedule expects.
CHROMA_SCALE = 6.0
#: Side of the reduced image from which the light's colour is estimated.
THUMBNAIL = 64


class Context(nn.Module):
    """Encodes the whole image in one vector: a part is not enough to estimate a cast."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        widths = (5, 32, 64, 96)
        layers: list[nn.Module] = []
        for a, b in itertools.pairwise(widths):
            layers += [nn.Conv2d(a, b, 3, stride=2, padding=1), nn.SiLU()]
        self.layers = nn.Sequential(*layers)
        self.out = nn.Sequential(nn.Linear(2 * widths[-1], dim), nn.SiLU(), nn.Linear(dim, dim))

    def forward(self, thumbnail: Tensor) -> Tensor:
        # in log ratios a gain per channel is a shift (as in Barron & Tsai, CVPR 2017)
        red, green, blue = ((v.clamp(min=0) + 0.02).log() for v in to_rgb(thumbnail).unbind(1))
        ratios = torch.stack([red - green, blue - green], dim=1).clamp(-2, 2)
        features = self.layers(torch.cat([thumbnail, ratios], dim=1))
        mean, spread = features.mean(dim=(2, 3)), features.std(dim=(2, 3))
        out: Tensor = self.out(torch.cat([mean, spread], dim=1))
        return out


def to_rgb(picture: Tensor) -> Tensor:
    """Brightness in [-1, 1] and scaled CbCr, ``(B, 3, H, W)``, to RGB in about [0, 1]."""
    luma, (cb, cr) = (picture[:, 0] + 1) / 2, picture[:, 1:].div(CHROMA_SCALE).unbind(1)
    return torch.stack(
        [luma + 1.402 * cr, luma - 0.344136 * cb - 0.714136 * cr, luma + 1.772 * cb], dim=1
    )


def chroma_of(rgb: Tensor) -> Tensor:
    """CbCr (BT.601) of RGB differences, scaled, ``(B, 2, H, W)``."""
    red, green, blue = rgb.unbind(1)
    of_red, of_green, of_blue = BT601
    luma = of_red * red + of_green * green + of_blue * blue
    return torch.stack([(blue - luma) / 1.772, (red - luma) / 1.402], dim=1) * CHROMA_SCALE


class ChromaNetwork(nn.Module):
    """Diffusion of CbCr, conditioned on the brightness.

    The clean estimate is the condition, balanced by one gain per colour channel for the whole
    image (the model of coloured light, von Kries 1902), plus a local correction.

    Parameters
    ----------
    config : UNetConfig, optional
    """

    def __init__(self, config: UNetConfig | None = None) -> None:
        super().__init__()
        self.config = config or UNetConfig(
            patch=4, base=48, multipliers=(1, 2, 3), blocks=(2, 2, 2), time_dim=128
        )
        self.encoder = Encoder(self.config, inputs=5)
        self.decoder = Decoder(self.config, outputs=2)
        self.context = Context(self.config.time_dim)
        self.light = nn.Linear(self.config.time_dim, 3)
        for parameter in self.light.parameters():
            nn.init.zeros_(parameter)

    @property
    def dtype(self) -> torch.dtype:
        """Precision of the features."""
        return self.encoder.stem.weight.dtype

    def encode_context(self, luma: Tensor, chroma: Tensor) -> Tensor:
        """Encode the whole image; once per image, before any tile.

        Parameters
        ----------
        luma : Tensor, shape (B, 1, H, W)
            In [-1, 1].
        chroma : Tensor, shape (B, 2, H, W)
            CbCr times `CHROMA_SCALE`.

        Returns
        -------
        Tensor, shape (B, time_dim)
        """
        picture = torch.cat([luma, chroma], dim=1)
        return self.context(F.adaptive_avg_pool2d(picture, THUMBNAIL))

    def restore(
        self, z: Tensor, luma: Tensor, chroma: Tensor, context: Tensor, t: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Estimate the clean chrominance of one chain (Eq. 1).

        Parameters
        ----------
        z, chroma : Tensor, shape (B, 2, H, W), float32
            Noisy sample and degraded CbCr, times `CHROMA_SCALE`.
        luma : Tensor, shape (B, 1, H, W), float32
            Brightness of the input, in [-1, 1].
        context : Tensor, shape (B, time_dim)
            From `encode_context`.
        t : Tensor, shape (B,)

        Returns
        -------
        estimate, variance : Tensor, shape (B, 2, H, W), float32
        """
        condition = torch.cat([luma, chroma], dim=1)
        seen = context.to(self.dtype)
        features = self.encoder(z.to(self.dtype), condition.to(self.dtype), t, seen)
        residual, variance = self.decoder(features, t, seen)
        gains = self.log_gains(context).exp()[:, :, None, None]
        balance = chroma_of((gains - 1) * to_rgb(condition))
        return chroma + balance + residual, variance

    def log_gains(self, context: Tensor) -> Tensor:
        """Logarithms of the gains of R, G and B that undo the cast, ``(B, 3)``, float32."""
        out: Tensor = self.light(context).float()
        return out
