"""Fuses slices: pads, tiles, runs the chains, puts the pictures together again."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
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
from .device import batch_size
from .remodulation import gain_map, soft_mask
from .tiling import Tile, pad_to_multiple, tiles

Floats = npt.NDArray[np.float32]
Labels = npt.NDArray[np.uint8]
#: Called after each network evaluation, for each slice that it was for, with the slice's place in
#: the batch and the running estimate of the tile, in [0, 1].
Report = Callable[[int, Floats], None]

#: Pictures with more pixels than this on a side are fused in tiles.
TILE = 1024


@dataclass(frozen=True)
class FusedSlices:
    """Fused brightness in [0, 1] and the share of X, both ``float32 (N, Y, X)``."""

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

    def batch(self, shape: tuple[int, int]) -> int:
        """Count the slices of this shape that are fused at once."""
        if not self.backend.batches or self.chain.sampler == "ancestral":
            return 1  # ancestral noise would differ from slice to slice
        height, width = (min(self.tile, n) for n in shape)
        return batch_size(self.device, height * width)

    @torch.inference_mode()
    def fuse(
        self,
        x: Floats,
        y: Floats,
        labels: Sequence[Labels | None],
        strength: float | Mapping[int, float],
        seed: int,
        report: Report,
    ) -> FusedSlices:
        """Fuse the brightness of some slices at once.

        Parameters
        ----------
        x, y : ndarray of float32, shape (N, Y, X)
            In [0, 1]; x is the network's source 1.
        labels : sequence of ndarray of uint8, shape (Y, X), or None
            Objects to re-modulate in each slice; None for none.
        strength : float or mapping
            See `remodulation.gain_map`.
        seed : int
            Starting noise; the same for every slice, so that neighbours agree.
        report : callable

        Returns
        -------
        FusedSlices
        """
        height, width = x.shape[1:]
        cut = np.s_[..., :height, :width]
        x, y = (pad_to_multiple(v, self.multiple) * 2 - 1 for v in (x, y))
        generator = torch.Generator().manual_seed(seed)
        noise = torch.randn((1, *x.shape[1:]), generator=generator).expand(x.shape).numpy()
        luma, share = (np.zeros(x.shape, np.float32) for _ in range(2))
        total = np.zeros(x.shape[1:], np.float32)
        kept: list[tuple[int, Tile, list[ChainStep]]] = []
        for tile in tiles((x.shape[1], x.shape[2]), self.tile):
            part = np.s_[..., tile.rows, tile.columns]
            x_t, y_t, noise_t = (self._tensor(v[part]) for v in (x, y, noise))
            steps = []
            draw = torch.Generator().manual_seed(seed + 1)
            for step in self.chain.base(x_t, y_t, noise_t, draw):
                steps.append(step)
                for i, image in enumerate(_images(step.estimate)):
                    report(i, image)
            luma[part] += tile.weight * _images(steps[-1].estimate)
            share[part] += tile.weight * steps[-1].share[:, 0].cpu().numpy()
            total[part] += tile.weight
            for i, objects in enumerate(labels):
                if _holds_object(objects, tile):
                    kept.append((i, tile, [step.only(i) for step in steps]))
        for i, objects in enumerate(labels):
            mine = [(tile, steps) for owner, tile, steps in kept if owner == i]
            if objects is None or not mine:
                continue
            # the direction of the change is that of the finished, unmodulated picture
            gain = gain_map(objects, (luma[i] / total)[cut], strength)
            maps = gain, soft_mask(objects) * (gain != 0)
            gain, blend = (pad_to_multiple(v, self.multiple) for v in maps)
            for tile, steps in mine:
                window = np.s_[tile.rows, tile.columns]
                values = (x[i], y[i], gain, blend)
                x_t, y_t, gain_t, blend_t = (self._tensor(v[window][None]) for v in values)
                weigh = self.backend.modulation(self.chain, x_t, y_t, steps, gain_t, seed)
                draw = torch.Generator().manual_seed(seed + 1)
                before = fused = steps[-1].estimate
                settle = partial(self.backend.settle, gain=gain_t)
                for fused in self.chain.modulated(steps, weigh, blend_t, draw, settle):
                    report(i, _images(fused)[0])
                # exactly 0 outside the objects
                luma[i][window] += tile.weight * (_images(fused)[0] - _images(before)[0])
        return FusedSlices((luma / total)[cut], (share / total)[cut])

    def _tensor(self, images: Floats) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(images))[:, None].to(self.device)


def _holds_object(labels: Labels | None, tile: Tile) -> bool:
    return labels is not None and bool(labels[tile.rows, tile.columns].any())


def _images(estimate: Tensor) -> Floats:
    images: Floats = ((estimate[:, 0] + 1) / 2).float().cpu().numpy()
    return images
