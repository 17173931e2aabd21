"""Fuses slices: pads, tiles, runs the chains and reassembles the images."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ..device import batch_size
from ..diffusion import step_generator
from ..models.protocol import FusionNetwork
from .backend import Backend
from .chain import ChainStep, FusionChain
from .remodulation import gain_map, soft_mask
from .tiling import Tile, frame_of, pad_to_multiple, tiles

Floats = npt.NDArray[np.float32]
Labels = npt.NDArray[np.uint8]
#: Called after each network evaluation, for each slice that it was for, with the slice's place in
#: the batch and the running estimate of the tile, in [0, 1].
Report = Callable[[int, Floats], None]

#: Images with more pixels than this on a side are fused in tiles.
TILE = 1024


@dataclass(frozen=True)
class BaseSlice:
    """One slice's finished, unmodulated chains: all that re-modulation needs.

    Parameters
    ----------
    x, y : ndarray of float32, shape (H, W)
        Padded sources in [-1, 1]; x is the network's source 1.
    luma, share : ndarray of float32, shape (Y, X)
        Fused brightness and the share of X, in [0, 1].
    total : ndarray of float32, shape (H, W)
        Sum of the tiles' blending weights.
    chains : dict of int to list of ChainStep
        By number of the tile, those that were kept.
    error : ndarray of float32, shape (Y, X), or None
        Bound of the error of `luma`, if the network predicts it.
    """

    x: Floats
    y: Floats
    luma: Floats
    share: Floats
    total: Floats
    chains: dict[int, list[ChainStep]]
    error: Floats | None = None

    @property
    def nbytes(self) -> int:
        """Memory used, in bytes."""
        arrays = sum(v.nbytes for v in (self.x, self.y, self.luma, self.share, self.total))
        arrays += 0 if self.error is None else self.error.nbytes
        steps = (step for chain in self.chains.values() for step in chain)
        return arrays + sum(v.nbytes for s in steps for v in (s.z, s.estimate, s.share))


class SliceEngine:
    """Everything that stays the same from slice to slice.

    Parameters
    ----------
    backend : Backend
    network : FusionNetwork
        The backend's choice for this pair.
    steps : int
        Network evaluations of the base chain.
    sampler : str
    balance : float
        From -1, the network's X alone, to 1, its Y alone.
    restore : tuple of float, or None
    bound_error : bool
        See `FusionChain`.
    """

    def __init__(
        self,
        backend: Backend,
        network: FusionNetwork,
        steps: int,
        sampler: str,
        balance: float,
        restore: tuple[float, ...] | None,
        bound_error: bool,
    ) -> None:
        self.device = backend.device
        self.backend = backend
        self.multiple = network.multiple
        self.tile = backend.tile or TILE
        self.chain = FusionChain(
            network,
            backend.schedule,
            backend.timesteps(steps),
            sampler,
            balance,
            restore,
            bound_error,
        )

    def base_cost(self, shape: tuple[int, int]) -> int:
        """Count the network evaluations of one slice's base chains."""
        return len(self._tiles(shape)) * len(self.chain.timesteps)

    def modulation_cost(self, shape: tuple[int, int], labels: Labels | None) -> int:
        """Count the network evaluations of re-modulating one slice."""
        held = sum(_holds_object(labels, tile) for tile in self._tiles(shape))
        return held * len(self.chain.timesteps)

    def batch(self, shape: tuple[int, int]) -> int:
        """Count the slices of this shape that are fused at once."""
        if not self.backend.batches or self.chain.sampler == "ancestral":
            return 1  # ancestral noise would differ from slice to slice
        height, width = (min(self.tile, n) for n in shape)
        return batch_size(self.device, height * width)

    def frame(self, images: Floats) -> tuple[slice, slice]:
        """Return the rows and columns to compute; the rest is air.

        Images that are fused in tiles are computed as a whole.

        Parameters
        ----------
        images : ndarray, shape (N, Y, X)
            Both sources of the slices that are fused at once.
        """
        height, width = images.shape[1:]
        if len(self._tiles((height, width))) > 1:
            return slice(0, height), slice(0, width)
        return frame_of(images)

    @torch.inference_mode()
    def base(
        self,
        x: Floats,
        y: Floats,
        labels: Sequence[Labels | None],
        seed: int,
        report: Report,
        keep: bool = False,
    ) -> list[BaseSlice]:
        """Fuse the brightness of some slices at once, unmodulated.

        Parameters
        ----------
        x, y : ndarray of float32, shape (N, Y, X)
            In [0, 1]; x is the network's source 1.
        labels : sequence of ndarray of uint8, shape (Y, X), or None
            Objects of each slice; the chains of tiles that contain any are kept for `remodulate`.
        seed : int
            Starting noise; the same for every slice, so that neighbours agree.
        report : callable
        keep : bool
            Keep all chains, for objects that are not known yet.

        Returns
        -------
        list of BaseSlice, length N
        """
        height, width = x.shape[1:]
        x, y = (pad_to_multiple(v, self.multiple) * 2 - 1 for v in (x, y))
        generator = torch.Generator().manual_seed(seed)
        noise = torch.randn((1, *x.shape[1:]), generator=generator).expand(x.shape).numpy()
        luma, share, error = (np.zeros(x.shape, np.float32) for _ in range(3))
        known = False
        total = np.zeros(x.shape[1:], np.float32)
        chains: list[dict[int, list[ChainStep]]] = [{} for _ in x]
        for number, tile in enumerate(self._tiles((height, width))):
            part = np.s_[..., tile.rows, tile.columns]
            x_t, y_t, noise_t = (self._tensor(v[part]) for v in (x, y, noise))
            held = [keep or _holds_object(objects, tile) for objects in labels]
            draw = step_generator(seed)
            for step in self.chain.base(x_t, y_t, noise_t, draw):
                if step.error is not None:
                    known = True
                    error[part] += tile.weight * step.error[:, 0].float().cpu().numpy()
                for i, image in enumerate(_images(step.estimate)):
                    report(i, image)
                    if held[i]:
                        chains[i].setdefault(number, []).append(step.only(i))
            luma[part] += tile.weight * _images(step.estimate)
            share[part] += tile.weight * step.share[:, 0].cpu().numpy()
            total[part] += tile.weight
        cut = np.s_[:, :height, :width]
        luma, share, error = ((v / total)[cut] for v in (luma, share, error))
        return [
            BaseSlice(
                x[i], y[i], luma[i], share[i], total, chain, error[i].copy() if known else None
            )
            for i, chain in enumerate(chains)
        ]

    @torch.inference_mode()
    def remodulate(
        self,
        base: BaseSlice,
        labels: Labels | None,
        strength: float | Mapping[int, float],
        seed: int,
        report: Report,
        level: Floats | None = None,
    ) -> Floats:
        """Let the objects of one slice stand out (Eq. 12-13).

        Parameters
        ----------
        base : BaseSlice
            With the chains of every tile that contains an object.
        labels : ndarray of uint8, shape (Y, X), or None
        strength : float or mapping
            See `remodulation.gain_map`.
        seed : int
            That of the base chains.
        report : callable
        level : ndarray of float32, shape (Y, X), optional
            Measured values, low to high: what is hot is made brighter and what is cold darker,
            whatever the anatomy below it. By default the image itself gives the direction.

        Returns
        -------
        ndarray of float32, shape (Y, X)
            Fused brightness in [0, 1]; exactly that of `base` outside the objects.
        """
        if labels is None or not labels.any():
            return base.luma
        height, width = labels.shape
        # the direction of the change is that of the finished, unmodulated image
        gain = gain_map(labels, base.luma if level is None else level, strength)
        maps = gain, soft_mask(labels) * (gain != 0)
        gain, blend = (pad_to_multiple(v, self.multiple) for v in maps)
        change = np.zeros(base.x.shape, np.float32)
        for number, tile in enumerate(self._tiles((height, width))):
            if not _holds_object(labels, tile):
                continue
            steps = base.chains[number]
            window = np.s_[tile.rows, tile.columns]
            values = (base.x, base.y, gain, blend)
            x, y, gain_t, blend_t = (self._tensor(v[window][None]) for v in values)
            encode_and_weight = self.backend.modulation(self.chain, x, y, steps, gain_t, seed)
            draw = step_generator(seed)
            before = fused = steps[-1].estimate
            enforce_prior = partial(self.backend.enforce_contrast_prior, gain=gain_t)
            for fused in self.chain.modulated(
                steps, encode_and_weight, blend_t, draw, enforce_prior
            ):
                report(0, _images(fused)[0])
            change[window] += tile.weight * (_images(fused)[0] - _images(before)[0])
        # exactly 0 outside the objects
        return base.luma + (change / base.total)[:height, :width]

    def _tiles(self, shape: tuple[int, int]) -> list[Tile]:
        height, width = (n + -n % self.multiple for n in shape)
        return list(tiles((height, width), self.tile))

    def _tensor(self, images: Floats) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(images))[:, None].to(self.device)


def _holds_object(labels: Labels | None, tile: Tile) -> bool:
    return labels is not None and bool(labels[tile.rows, tile.columns].any())


def _images(estimate: Tensor) -> Floats:
    images: Floats = ((estimate[:, 0] + 1) / 2).float().cpu().numpy()
    return images
