"""The reference network: the authors' three parts behind the interface of `FusionNetwork`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor, nn

from ...diffusion.schedule import cosine_alphas_cumprod
from .bands import fuse_in_bands
from .fusion_control import CBAM, ReferenceControl
from .packing import pack, unpack
from .unet import ReferenceDecoder, ReferenceEncoder


@dataclass(frozen=True)
class ReferenceFeatures:
    """Fused features of one step.

    Parameters
    ----------
    sample : Tensor, shape (B, 1, H, W), float32
        What the step started from; a noise prediction means nothing without it.
    fused : Tensor, shape (B, 544, H, W)
        ``w_1 F_1 + w_2 F_2``, packed.
    share : Tensor, shape (B, 1, H, W), float32
        Share of source 1, see `bands.fuse_in_bands`.
    """

    sample: Tensor
    fused: Tensor
    share: Tensor


class ReferenceNetwork(nn.Module):
    """Encoder, decoder and one fusion control module.

    X of the interface is the release's source 1 (visible light; MRI), Y its source 2.

    Parameters
    ----------
    encoder, decoder, fcm : nn.Module
        Made with fresh weights where not given.
    """

    #: Height and width must be multiples of this.
    multiple = 16

    def __init__(
        self,
        encoder: ReferenceEncoder | None = None,
        decoder: ReferenceDecoder | None = None,
        fcm: ReferenceControl | None = None,
    ) -> None:
        super().__init__()
        self.encoder = encoder or ReferenceEncoder()
        self.decoder = decoder or ReferenceDecoder()
        self.fcm = fcm or ReferenceControl()
        self._alphas_cumprod = cosine_alphas_cumprod(1000)

    @property
    def dtype(self) -> torch.dtype:
        """Precision of the features."""
        return self.encoder.dtype

    def cast(self, dtype: torch.dtype) -> Self:
        """Cast the convolutions in place, except those whose output is small and must be exact.

        Normalisation, time embedding, attention gains and the last layer stay float32.
        """
        exact: set[nn.Module] = {self.decoder.out.conv}
        for module in self.modules():
            if isinstance(module, CBAM):
                exact.update(module.modules())
            elif isinstance(module, nn.Conv1d | nn.Conv2d) and module not in exact:
                module.to(dtype)
        return self

    def encode(self, z: Tensor, condition: Tensor, t: Tensor) -> Tensor:
        """Packed features of a sample under one condition, ``(B, 544, H, W)``."""
        return pack(*self.encoder(z, condition, t))

    def encode_and_weight(
        self,
        z: Tensor,
        x: Tensor,
        y: Tensor,
        t: Tensor,
        restore: Tensor | None = None,
        *,
        balance: float = 0.0,
        fcm: ReferenceControl | None = None,
    ) -> ReferenceFeatures:
        """Encode one noisy sample under two conditions, weight and add the features (Eq. 2-3).

        Parameters
        ----------
        z, x, y : Tensor, shape (B, 1, H, W), float32
            The chain's sample, and the brightness of sources 1 and 2 in [-1, 1].
        t : Tensor, shape (B,)
        restore : None
            This network always restores in full.
        balance : float
            In [-1, 1]: more of source 1 (negative) or 2 (positive); see `FusionNetwork`.
        fcm : ReferenceControl, optional
            Instead of the network's own.

        Raises
        ------
        ValueError
            If `restore` is given.
        """
        if restore is not None:
            raise ValueError("the authors' network has no condition for how much to restore.")
        map1 = self.encode(z, x, t)
        map2 = self.encode(z, y, t)
        wanted = map1.clone() if balance < 0 else map2
        share = fuse_in_bands(fcm or self.fcm, map1, map2)
        if balance:
            map1.lerp_(wanted, abs(balance))
            share = (1 - abs(balance)) * share + max(-balance, 0.0)
        return ReferenceFeatures(z, map1, share)

    def encode_and_weight_differentiably(
        self,
        z: Tensor,
        x: Tensor,
        y: Tensor,
        t: Tensor,
        fcm: ReferenceControl,
        balance: float = 0.0,
    ) -> ReferenceFeatures:
        """As `encode_and_weight`, with gradients for the weights of `fcm`; for small images."""
        with torch.no_grad():
            map1, map2 = self.encode(z, x, t), self.encode(z, y, t)
        weight1, weight2 = fcm(map1, map2)
        fused = (weight1 * map1 + weight2 * map2).to(map1.dtype)
        if balance:
            fused = fused.lerp(map1 if balance < 0 else map2, abs(balance))
        mean1, mean2 = (w.detach().mean(dim=1, keepdim=True) for w in (weight1, weight2))
        return ReferenceFeatures(z, fused, mean1 / (mean1 + mean2))

    def decode(self, weighted: ReferenceFeatures, t: Tensor) -> tuple[Tensor, Tensor]:
        """Decode fused features (Eq. 4 and 8).

        Parameters
        ----------
        weighted : ReferenceFeatures
        t : Tensor, shape (B,)

        Returns
        -------
        estimate, variance : Tensor, shape (B, 1, H, W), float32
            Clean estimate clamped to [-1, 1], as in the release, and variance coefficient.
        """
        noise, variance = self.predict_noise(weighted, t).chunk(2, dim=1)
        return self.clean(weighted.sample, noise, t), variance

    def decode_with_error(
        self, weighted: ReferenceFeatures, t: Tensor
    ) -> tuple[Tensor, Tensor, None]:
        """As `decode`; this network gives no error estimate."""
        return *self.decode(weighted, t), None

    def predict_noise(self, weighted: ReferenceFeatures, t: Tensor) -> Tensor:
        """Raw output of the decoder, ``(B, 2, H, W)``."""
        out: Tensor = self.decoder(*unpack(weighted.fused), t)
        return out

    def clean(self, z: Tensor, noise: Tensor, t: Tensor) -> Tensor:
        """Clean estimate from a noise prediction, clamped to [-1, 1]."""
        a = torch.from_numpy(self._alphas_cumprod)[t.long().cpu()].view(-1, 1, 1, 1)
        signal, spread = (c.sqrt().float().to(z.device) for c in (1 / a, 1 / a - 1))
        return (signal * z - spread * noise).clamp(-1, 1)
