"""Re-modulation as the authors' release does it: the FCM is tuned at test time (Eq. 12).

The release has no modulation block. Before each step of the modulated chain, a copy of the FCM
takes one optimiser step on a small version of the pair, which runs a chain of its own: the clean
estimate should stay that of the base chain, and have strong gradients and local contrast within the
mask. Unlike in the release, copy and optimiser are new for every image, so that a result never
depends on earlier images.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from ..diffusion import Sampler
from ..models.gradients import magnitude, sobel
from ..models.reference import ReferenceFeatures, ReferenceNetwork
from .chain import ChainStep

#: Shorter side of the small version; smaller images are taken as they are.
SHORT_SIDE = 256
LEARNING_RATE = 2e-5
#: Weights of the two terms that emphasise; 1 for the two that keep the content.
GRADIENT, CONTRAST = 100.0, 3.0


class TunedControl:
    """Encodes and weights the sample of one modulated chain; see `chain.EncodeAndWeight`.

    Parameters
    ----------
    network : ReferenceNetwork
        Never changed.
    x, y : Tensor, shape (1, 1, H, W), float32
        Brightness of sources 1 and 2 in [-1, 1].
    base : sequence of ChainStep
        The finished base chain.
    gain : Tensor, shape (1, 1, H, W)
        Its magnitude weights the emphasis; 0 outside the objects.
    sampler : Sampler
        A fresh one, for the small chain.
    seed : int
        Starting noise of the small chain.
    balance : float
        See `FusionNetwork`.
    """

    def __init__(
        self,
        network: ReferenceNetwork,
        x: Tensor,
        y: Tensor,
        base: Sequence[ChainStep],
        gain: Tensor,
        sampler: Sampler,
        seed: int,
        balance: float = 0.0,
    ) -> None:
        self.network = network
        self.balance = balance
        self.pair = x, y
        self.base = base
        self.sampler = sampler
        self.size = small_size(x.shape[-2], x.shape[-1])
        with torch.inference_mode(False):  # tensors of inference mode cannot be differentiated
            self.small_pair = tuple(self._small(v) for v in (x, y))
            inside = (self._small((gain != 0).float()) > 0.5).float()
            self.weight = self._small(gain.abs()) * inside
            self.area = inside.sum().clamp(min=1)
            noise = torch.randn(self.size, generator=torch.Generator().manual_seed(seed))
            self.z = noise[None, None].to(x.device)
            self.fcm = copy.deepcopy(network.fcm).float().requires_grad_(True)
            self.optimiser = torch.optim.AdamW(
                self.fcm.parameters(), lr=LEARNING_RATE, weight_decay=0.0
            )

    def __call__(self, i: int, z: Tensor, t: Tensor) -> ReferenceFeatures:
        """Tune once, then encode and weight the full image with the tuned copy."""
        with torch.inference_mode(False), torch.enable_grad():
            self._tune(i, t.clone())
        return self.network.encode_and_weight(z, *self.pair, t, balance=self.balance, fcm=self.fcm)

    def _tune(self, i: int, t: Tensor) -> None:
        x, y = self.small_pair
        weighted = self.network.encode_and_weight_differentiably(
            self.z, x, y, t, self.fcm, self.balance
        )
        estimate, variance = self.network.decode(weighted, t)
        target = self._small(self.base[i].estimate)
        loss = modulation_loss(estimate, target, self.weight, self.area)
        self.optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimiser.step()
        with torch.no_grad():
            self.z = self.sampler.step(i, self.z, estimate, variance)

    def _small(self, image: Tensor) -> Tensor:
        if tuple(image.shape[-2:]) == self.size:
            return image.clone()
        return F.interpolate(image.clone(), self.size, mode="bilinear", antialias=True)


def small_size(height: int, width: int) -> tuple[int, int]:
    """Size with a shorter side of `SHORT_SIDE`, both sides rounded up to multiples of 16."""
    scale = min(1.0, SHORT_SIDE / min(height, width))
    rows, columns = (16 * math.ceil(int(n * scale) / 16) for n in (height, width))
    return rows, columns


def modulation_loss(estimate: Tensor, target: Tensor, weight: Tensor, area: Tensor) -> Tensor:
    """Keep the content, raise gradients and local contrast inside the mask.

    Parameters
    ----------
    estimate, target : Tensor, shape (1, 1, H, W)
        Clean estimates of the modulated and of the base chain, in [-1, 1].
    weight : Tensor, shape (1, 1, H, W)
        Strength of the emphasis; 0 outside the mask.
    area : Tensor
        Pixels of the mask, at least 1.

    Returns
    -------
    Tensor
        One value: the release's loss where `weight` is the mask itself.
    """
    shown, wanted = (estimate + 1) / 2, (target + 1) / 2
    slopes = _slope(shown)
    content = F.l1_loss(shown, wanted) + F.l1_loss(slopes, _slope(wanted))
    emphasis = GRADIENT * slopes + CONTRAST * local_contrast(shown)
    return content - (emphasis * weight).sum() / area


def _slope(image: Tensor) -> Tensor:
    return magnitude(sobel(image, replicate=False))


def local_contrast(image: Tensor) -> Tensor:
    """Take the standard deviation in 5x5 windows; zeros lie beyond the border."""
    mean, square = (F.avg_pool2d(v, 5, stride=1, padding=2) for v in (image, image.square()))
    return (square - mean.square()).clamp(min=1e-6).sqrt()
