"""Fuses one slice: pads, tiles, runs the chains, puts the picture together again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ..diffusion import Schedule
from ..models.protocol import FusionNetwork
from .backend import Backend
from .chain import ChainStep, FusionChain
from .remodulation import gain_map, soft_mask
from .tiling import Tile, pad_to_multiple, tiles

Floats = npt.NDArray[np.float32]
Labels = npt.NDArray[np.uint8]
#: Called after each network evaluation with the running estimate of the tile, in [0, 1].
Report = Callable[[Floats], None]

#: Pictures with more pixels than this on a side are fused in tiles.
TILE = 1024


@dataclass(frozen=True)
class FusedSlice:
    """Fused brightness in [0, 1] and the share of X, both ``float32 (Y, X)``."""

    luma: Floats
    share: Floats


class SliceEngine:
    """Everything that stays the same from slice to slice.

    Parameters
    ----------
    backend : Backend
    network : FusionNetwork
        The backend's choice for this pair.
    schedule : Schedule
    device : torch.device
    steps : int
        Network evaluations of the base chain.
    sampler : str
    """

    def __init__(
        self,
        backend: Backend,
        network: FusionNetwork,
        schedule: Schedule,
        device: torch.device,
        steps: int,
        sampler: str,
    ) -> None:
        self.device = device
        self.backend = backend
        self.multiple = network.multiple
        self.tile = backend.tile or TILE
        self.chain = FusionChain(network, schedule, backend.timesteps(steps), sampler)

    def evaluations(self, shape: tuple[int, int], labels: Labels | None) -> int:
        """Count the network evaluations that one slice takes."""
        height, width = (n + -n % self.multiple for n in shape)
        chains = sum(1 + _holds_object(labels, tile) for tile in tiles((height, width), self.tile))
        return chains * len(self.chain.timesteps)

    @torch.inference_mode()
    def fuse(
        self,
        x: Floats,
        y: Floats,
        labels: Labels | None,
        strength: float | Mapping[int, float],
        seed: int,
        report: Report,
    ) -> FusedSlice:
        """Fuse two brightness images.

        Parameters
        ----------
        x, y : ndarray of float32, shape (Y, X)
            In [0, 1]; x is the network's source 1.
        labels : ndarray of uint8, shape (Y, X), optional
            Objects to re-modulate; None for none.
        strength : float or mapping
            See `remodulation.gain_map`.
        seed : int
            Starting noise; the same for every slice, so that neighbours agree.
        report : callable

        Returns
        -------
        FusedSlice
        """
        height, width = x.shape
        cut = np.s_[:height, :width]
        x, y = (pad_to_multiple(v, self.multiple) * 2 - 1 for v in (x, y))
        generator = torch.Generator().manual_seed(seed)
        noise = torch.randn(x.shape, generator=generator).numpy()
        luma, share, total = (np.zeros(x.shape, np.float32) for _ in range(3))
        kept: list[tuple[Tile, list[ChainStep]]] = []
        for tile in tiles((x.shape[0], x.shape[1]), self.tile):
            part = np.s_[tile.rows, tile.columns]
            x_t, y_t, noise_t = (self._tensor(v[part]) for v in (x, y, noise))
            steps = []
            draw = torch.Generator().manual_seed(seed + 1)
            for step in self.chain.base(x_t, y_t, noise_t, draw):
                steps.append(step)
                report(_image(step.estimate))
            luma[part] += tile.weight * _image(steps[-1].estimate)
            share[part] += tile.weight * steps[-1].share[0, 0].cpu().numpy()
            total[part] += tile.weight
            if _holds_object(labels, tile):
                kept.append((tile, steps))
        if labels is not None and kept:
            # the direction of the change is that of the finished, unmodulated picture
            gain = gain_map(labels, (luma / total)[cut], strength)
            blend = soft_mask(labels) * (gain != 0)
            gain, blend = (pad_to_multiple(v, self.multiple) for v in (gain, blend))
            for tile, steps in kept:
                part = np.s_[tile.rows, tile.columns]
                x_t, y_t, gain_t, blend_t = (self._tensor(v[part]) for v in (x, y, gain, blend))
                weigh = self.backend.modulation(self.chain, x_t, y_t, steps, gain_t, seed)
                draw = torch.Generator().manual_seed(seed + 1)
                before = fused = steps[-1].estimate
                settle = partial(self.backend.settle, gain=gain_t)
                for fused in self.chain.modulated(steps, weigh, blend_t, draw, settle):
                    report(_image(fused))
                # exactly 0 outside the objects
                luma[part] += tile.weight * (_image(fused) - _image(before))
        return FusedSlice((luma / total)[cut], (share / total)[cut])

    def _tensor(self, image: Floats) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(image))[None, None].to(self.device)


def _holds_object(labels: Labels | None, tile: Tile) -> bool:
    return labels is not None and bool(labels[tile.rows, tile.columns].any())


def _image(estimate: Tensor) -> Floats:
    image: Floats = ((estimate[0, 0] + 1) / 2).float().cpu().numpy()
    return image
