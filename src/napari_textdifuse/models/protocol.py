"""What the fused chain needs of a network, whatever its architecture."""

from __future__ import annotations

from typing import Any, Protocol

import torch
from torch import Tensor


class Features(Protocol):
    """What lies between a network's encoder and decoder at one step; opaque but for the share."""

    @property
    def share(self) -> Tensor:
        """Share of X, ``(B, 1, H, W)``, in [0, 1]."""


class FusionNetwork(Protocol):
    """Encodes one sample under two conditions and decodes the weighted features (Eq. 2-4, 8)."""

    @property
    def multiple(self) -> int:
        """Height and width must be multiples of this; the pipeline pads."""

    @property
    def dtype(self) -> torch.dtype:
        """Precision of the features."""

    def encode_and_weight(
        self,
        z: Tensor,
        x: Tensor,
        y: Tensor,
        t: Tensor,
        restore: Tensor | None = None,
        *,
        balance: float = 0.0,
    ) -> Any:
        """Encode and weight.

        Parameters
        ----------
        z, x, y : Tensor, shape (B, 1, H, W), float32
            The chain's sample and the two sources' brightness in [-1, 1].
        t : Tensor, shape (B,)
            Step numbers of the full schedule.
        restore : Tensor, shape (2 B, kinds), optional
            How much of each restoration is wanted; see `LightNetwork.encode_and_weight`.
        balance : float
            In [-1, 1]: more of X (negative) or of Y (positive) in the whole image. The weights
            ``w`` become ``(1 - |balance|) w + |balance| e``, where ``e`` is 1 for the source that
            is wanted and 0 for the other: ``lambda_X`` and ``lambda_Y`` of Eq. 12 for all pixels.
            0 changes nothing, at the ends a single source is restored.

        Returns
        -------
        Features
            For `decode` of the same network.
        """

    def decode(self, weighted: Any, t: Tensor) -> tuple[Tensor, Tensor]:
        """Decode.

        Parameters
        ----------
        weighted : Features
        t : Tensor, shape (B,)

        Returns
        -------
        estimate, variance : Tensor, shape (B, 1, H, W), float32
            Clean estimate of the fused chain and variance coefficient in about [-1, 1].
        """

    def decode_with_error(self, weighted: Any, t: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        """Decode as `decode` does, with a bound of the error where the network knows it.

        Returns
        -------
        estimate, variance : Tensor, shape (B, 1, H, W), float32
        error : Tensor, shape (B, 1, H, W), float32, or None
            Nine in ten absolute errors lie below it; of brightness in [0, 1].
        """
