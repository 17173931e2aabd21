"""The light network: encoder, decoder, fusion control and modulation under one state dict."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .fusion_control import FusionControl, combine
from .modulation import Modulation
from .unet import Decoder, Encoder, UNetConfig


class LightNetwork(nn.Module):
    """Everything one step of the fused chain needs."""

    def __init__(self, config: UNetConfig | None = None) -> None:
        super().__init__()
        self.config = config or UNetConfig()
        self.encoder = Encoder(self.config)
        self.decoder = Decoder(self.config)
        self.fcm = FusionControl(self.config.channels)
        self.modulation = Modulation(self.config.channels)

    def restore(self, z: Tensor, condition: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
        """Predict velocity and variance of a single image's restoration chain (Eq. 1).

        Parameters
        ----------
        z, condition : Tensor, shape (B, 1, H, W)
        t : Tensor, shape (B,)

        Returns
        -------
        velocity, variance : Tensor, shape (B, 1, H, W)
        """
        velocity, variance = self.decoder(self.encoder(z, condition, t), t)
        return velocity, variance

    def weigh(
        self, z: Tensor, x: Tensor, y: Tensor, t: Tensor
    ) -> tuple[list[Tensor], list[Tensor]]:
        """Encode one noisy sample under two conditions and weigh the features (Eq. 2-3).

        Parameters
        ----------
        z, x, y : Tensor, shape (B, 1, H, W)
            The chain's sample and the two sources' brightness in [-1, 1].
        t : Tensor, shape (B,)

        Returns
        -------
        weighted, weights : list of Tensor, each (2 B, C_l, h_l, w_l)
            ``w F`` and ``w``: X in the first half of the batch, Y in the second.
        """
        features = self.encoder(torch.cat([z, z]), torch.cat([x, y]), torch.cat([t, t]))
        weights = self.fcm(features)
        return [w * f for w, f in zip(weights, features, strict=True)], weights

    def decode(self, weighted: list[Tensor], t: Tensor) -> tuple[Tensor, Tensor]:
        """Add the two sources' weighted features and decode them (Eq. 4).

        Parameters
        ----------
        weighted : list of Tensor, each (2 B, C_l, h_l, w_l)
        t : Tensor, shape (B,)

        Returns
        -------
        velocity, variance : Tensor, shape (B, 1, H, W)
        """
        velocity, variance = self.decoder(combine(weighted), t)
        return velocity, variance
