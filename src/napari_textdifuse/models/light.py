"""The light network: encoder, decoder, fusion control and modulation under one state dict."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from .fusion_control import FusionControl, combine, lean_weights
from .fusion_rules import FusionRule
from .modulation import Modulation
from .uncertainty import ErrorHead
from .unet import Decoder, Encoder, UNetConfig


@dataclass(frozen=True)
class WeightedFeatures:
    """Both sources' weighted features at one step; X in the first half of each batch.

    Parameters
    ----------
    condition : Tensor, shape (2 B, 1, H, W), float32
        The sources' brightness in [0, 1] times their pixel weights: where both are black, so is
        the result.
    features : list of Tensor, each (2 B, C_l, h_l, w_l)
        ``w F`` per level.
    share : Tensor, shape (B, 1, H, W)
        Share of X in the pixel weights; that of Y is 1 minus this.
    sources : Tensor, shape (2 B, 1, H, W), float32
        The sources themselves, in [-1, 1].
    context : Tensor, shape (B, time_dim), optional
        Embedding of the requested restoration, for the decoder.
    """

    condition: Tensor
    features: list[Tensor]
    share: Tensor
    sources: Tensor
    context: Tensor | None = None


class LightNetwork(nn.Module):
    """Everything one step of the fused chain needs.

    The network predicts the clean image as a correction of its condition: a clean input needs no
    correction, so no detail has to pass through the bottleneck.

    Parameters
    ----------
    config : UNetConfig, optional
    fusion : {"fcm", "max", "add", "mean", "variance"}
        The trained fusion control module, or a fixed rule (see `FusionRule`).
    diffusion : bool
        False for a plain autoencoder without noise and steps, which needs one evaluation.

    Raises
    ------
    ValueError
        If there is no such fusion.
    """

    def __init__(
        self, config: UNetConfig | None = None, fusion: str = "fcm", diffusion: bool = True
    ) -> None:
        super().__init__()
        self.config = config or UNetConfig()
        self.fusion = fusion
        self.diffusion = diffusion
        self.encoder = Encoder(self.config)
        self.decoder = Decoder(self.config)
        self.fcm: FusionControl | FusionRule = (
            FusionControl(self.config) if fusion == "fcm" else FusionRule(fusion)
        )
        self.modulation = Modulation(self.config.channels)
        kinds, dim = self.config.restore, self.config.time_dim
        self.restore_encoder = RestorationEmbedding(kinds, dim) if kinds else None
        self.restore_decoder = RestorationEmbedding(kinds, dim) if kinds else None
        hidden, patch = self.config.uncertainty, self.config.patch
        self.error = ErrorHead(self.config.channels[0], hidden, patch) if hidden else None

    @property
    def multiple(self) -> int:
        """Height and width must be multiples of this."""
        return self.config.multiple

    @property
    def dtype(self) -> torch.dtype:
        """Precision of the features."""
        return self.encoder.stem.weight.dtype

    def restore(self, z: Tensor, condition: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
        """Estimate the clean image of a single restoration chain (Eq. 1).

        Parameters
        ----------
        z, condition : Tensor, shape (B, 1, H, W), float32
        t : Tensor, shape (B,)

        Returns
        -------
        estimate, variance : Tensor, shape (B, 1, H, W), float32
        """
        z, t = self._network_input(z), self._network_input(t)
        features = self.encoder(z.to(self.dtype), condition.to(self.dtype), t)
        residual, variance = self.decoder(features, t)
        return condition + residual, variance

    def encode_and_weight(
        self,
        z: Tensor,
        x: Tensor,
        y: Tensor,
        t: Tensor,
        restore: Tensor | None = None,
        *,
        balance: float = 0.0,
    ) -> WeightedFeatures:
        """Encode one noisy sample under two conditions and weight the features (Eq. 2-3).

        Parameters
        ----------
        z, x, y : Tensor, shape (B, 1, H, W), float32
            The chain's sample and the two sources' brightness in [-1, 1].
        t : Tensor, shape (B,)
        restore : Tensor, shape (2 B, kinds), optional
            Strength of each of `unet.RESTORATIONS` in [0, 1], for X in the first half and Y in
            the second; by default full restoration.
        balance : float
            In [-1, 1]: more of X (negative) or of Y (positive); see `FusionNetwork`.

        Raises
        ------
        ValueError
            If the network has no restoration condition.
        """
        z, t = self._network_input(z), self._network_input(t)
        condition = torch.cat([x, y])
        samples = torch.cat([z, z]).to(self.dtype)
        condition_embedding = context = None
        if restore is not None:
            if self.restore_encoder is None or self.restore_decoder is None:
                raise ValueError("these weights always restore fully; leave out restore.")
            condition_embedding = self.restore_encoder(restore)
            context = torch.stack(self.restore_decoder(restore).chunk(2)).mean(dim=0)
        features = self.encoder(
            samples, condition.to(self.dtype), torch.cat([t, t]), condition_embedding
        )
        pixels, share, weights = self.fcm(features, condition)
        if balance:
            pixels, share = lean_weights(pixels, balance), lean_weights(share, balance)
            weights = [lean_weights(w, balance) for w in weights]
        weighted = [w * f for w, f in zip(weights, features, strict=True)]
        return WeightedFeatures(
            pixels * (condition + 1) / 2, weighted, share.chunk(2)[0], condition, context
        )

    def decode(self, weighted: WeightedFeatures, t: Tensor) -> tuple[Tensor, Tensor]:
        """Add the two sources' weighted features and decode them (Eq. 4).

        Parameters
        ----------
        weighted : WeightedFeatures
        t : Tensor, shape (B,)

        Returns
        -------
        estimate, variance : Tensor, shape (B, 1, H, W), float32
            Clean estimate of the fused chain (Eq. 8) and variance coefficient.
        """
        estimate, variance, _ = self._decode(weighted, t, judge=False)
        return estimate, variance

    def decode_with_error(
        self, weighted: WeightedFeatures, t: Tensor
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        """Decode, and estimate the error of the result.

        Returns
        -------
        estimate, variance : Tensor, shape (B, 1, H, W), float32
            As from `decode`.
        error : Tensor, shape (B, 1, H, W), float32, or None
            Bound below which nine in ten absolute errors lie, of brightness in [0, 1]; None from
            networks without the head.
        """
        return self._decode(weighted, t, judge=self.error is not None)

    def decoded(self, weighted: WeightedFeatures, t: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the decoder's last features, the weighted sources and their correction.

        Returns
        -------
        features : Tensor, shape (B, C, H / patch, W / patch)
        fused, residual : Tensor, shape (B, 1, H, W), float32
            Their sum is the clean estimate.
        """
        features = self._features(weighted, t)
        return features, _sum_of_sources(weighted), self.decoder.heads(features)[0]

    def _features(self, weighted: WeightedFeatures, t: Tensor) -> Tensor:
        return self.decoder.features(
            combine(weighted.features), self._network_input(t), weighted.context
        )

    def _decode(
        self, weighted: WeightedFeatures, t: Tensor, judge: bool
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        seen = self._features(weighted, t)
        residual, variance = self.decoder.heads(seen)
        fused = _sum_of_sources(weighted)
        error = None
        if judge and self.error is not None:
            error = self.error(seen, fused, residual, weighted.sources).exp()
        return fused + residual, variance, error

    def modulate(self, weighted: WeightedFeatures, gain: Tensor) -> WeightedFeatures:
        """Multiply the weighted features by ``lambda_X`` and ``lambda_Y`` (Eq. 12).

        Parameters
        ----------
        weighted : WeightedFeatures
        gain : Tensor, shape (B, 1, H, W)
            Signed strength per pixel; 0 changes nothing, bit for bit.
        """
        return replace(weighted, features=self.modulation(weighted.features, gain))

    def _network_input(self, noisy: Tensor) -> Tensor:
        """Return the sample or step for the network."""
        return noisy if self.diffusion else torch.zeros_like(noisy)


def _sum_of_sources(weighted: WeightedFeatures) -> Tensor:
    return 2 * combine([weighted.condition])[0] - 1


class RestorationEmbedding(nn.Module):
    """Embeds restoration strengths in [0, 1], one per kind, for addition to the time embedding.

    Full restoration (all 1) adds exactly 0 for any weights, so networks trained without the
    condition are unchanged.

    Parameters
    ----------
    kinds : int
        Length of the condition vector.
    dim : int
        Width of the time embedding.
    """

    def __init__(self, kinds: int, dim: int, hidden: int = 64) -> None:
        super().__init__()
        # no biases: full restoration must add exactly 0
        first, last = (nn.Linear(a, b, bias=False) for a, b in ((kinds, hidden), (hidden, dim)))
        nn.init.zeros_(last.weight)
        self.layers = nn.Sequential(first, nn.SiLU(), last)

    def forward(self, restore: Tensor) -> Tensor:
        """Embed ``(B, kinds)`` strengths, ``(B, dim)``."""
        dtype = next(self.layers.parameters()).dtype
        out: Tensor = self.layers((1 - restore).to(dtype))
        return out
