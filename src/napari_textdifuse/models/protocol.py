"""The interface between the fused chain and a network of any architecture."""

from __future__ import annotations

from typing import Any, Protocol

import torch
from torch import Tensor


class Features(Protocol):
    """Data between a network's encoder and decoder at one step; opaque except for the share."""

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
            Strength of each restoration; see `LightNetwork.encode_and_weight`.
        balance : float
            In [-1, 1]: more of X (negative) or of Y (positive) in the whole image. The weights
            ``w`` become ``(1 - |balance|) w + |balance| e``, where ``e`` is 1 for the preferred
            source and 0 for the other: ``lambda_X`` and ``lambda_Y`` of Eq. 12 for all pixels.
            0 has no effect; at -1 and 1 a single source is restored.

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
        """Decode like `decode`, with a bound of the error if the network predicts it.

        Returns
        -------
        estimate, variance : Tensor, shape (B, 1, H, W), float32
        error : Tensor, shape (B, 1, H, W), float32, or None
            Bound of nine in ten absolute errors, of brightness in [0, 1].
        """
