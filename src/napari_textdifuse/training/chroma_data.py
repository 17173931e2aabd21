"""Crops of natural colour images, clean and degraded, for the chrominance diffusion."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from scipy import ndimage
from torch import Tensor

from ..colour import BT601, rgb_to_ycbcr
from ..models.chroma import CHROMA_SCALE
from .degrade import (
    chroma_noise,
    colour_cast,
    gaussian_noise,
    low_light,
    over_exposure,
    poisson_noise,
)

Floats = npt.NDArray[np.float32]
Bytes = npt.NDArray[np.uint8]
#: Side of the reduced whole images from which a cast is estimated.
WHOLE, SMALL = 128, 64
#: Red, green and blue in brightness (ITU-R BT.601).
LUMA = np.array(BT601, np.float32)


def degrade_colour(rgb: Floats, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Draw a random degradation of a natural colour image.

    Parameters
    ----------
    rgb : ndarray of float32, shape (H, W, 3)
        In [0, 1].
    rng : numpy.random.Generator

    Returns
    -------
    seen : ndarray of float32, shape (H, W, 3)
        In [0, 1]; with probability 0.15 the clean image.
    gains : ndarray of float32, shape (3,)
        Gain of each channel, as under coloured light (von Kries 1902).
    """
    gains = np.ones(3, np.float32)
    if rng.random() < 0.15:
        return rgb, gains
    if rng.random() < 0.65:
        rgb, gains = colour_cast(rgb, rng)
    light = rng.random()
    if light < 0.25:
        rgb = low_light(rgb, rng)
    elif light < 0.33:
        rgb = over_exposure(rgb, rng)
    if rng.random() < 0.1:
        sigma = rng.uniform(0.4, 1.0)
        rgb = ndimage.gaussian_filter(rgb, (sigma, sigma, 0))
    noise = rng.random()
    if noise < 0.45:
        rgb = gaussian_noise(rgb, rng, rng.uniform(2, 40) / 255)
    elif noise < 0.6:
        rgb = poisson_noise(rgb, rng, float(np.exp(rng.uniform(np.log(30), np.log(500)))))
    elif noise < 0.75:
        rgb = chroma_noise(rgb, rng, rng.uniform(2, 30) / 255, rng.uniform(0.5, 2))
    return np.clip(rgb, 0, 1).astype(np.float32), gains


@dataclass(frozen=True)
class ColourBatch:
    """Crops and their whole images.

    Parameters
    ----------
    luma : Tensor, shape (B, 1, H, W)
        Degraded brightness in [-1, 1].
    seen, clean : Tensor, shape (B, 2, H, W)
        Degraded and clean CbCr, times `CHROMA_SCALE`.
    whole_luma, whole_chroma : Tensor, shapes (B, 1, WHOLE, WHOLE) and (B, 2, WHOLE, WHOLE)
        The whole degraded image, reduced.
    log_gains : Tensor, shape (B, 3)
        Logarithms of the gains that undo the cast.
    """

    luma: Tensor
    seen: Tensor
    clean: Tensor
    whole_luma: Tensor
    whole_chroma: Tensor
    log_gains: Tensor


class ColourSampler:
    """Draws crops of degraded images; every draw depends on seed and step alone.

    Parameters
    ----------
    sets : list of list of ndarray of uint8, shape (H, W, 3)
        Images of each set; sets are drawn in equal shares.
    crop : int
        Side of the square crops in pixels.
    seed : int
    device : str
        Device of the batches.
    """

    def __init__(
        self, sets: list[list[Bytes]], crop: int, seed: int = 0, device: str = "cpu"
    ) -> None:
        self.sets = sets
        self.small = [[_thinned(p) for p in pictures] for pictures in sets]
        self.crop = crop
        self.seed = seed
        self.device = torch.device(device)

    def batch(self, step: int, size: int) -> ColourBatch:
        """Return batch number `step`."""
        rng = np.random.default_rng((self.seed, step, 3))
        rows = [self._draw(rng) for _ in range(size)]
        columns = (torch.cat([getattr(r, f.name) for r in rows]) for f in fields(ColourBatch))
        return ColourBatch(*(column.to(self.device) for column in columns))

    def lights(self, step: int, size: int) -> tuple[Tensor, Tensor, Tensor]:
        """Return small whole images (brightness and CbCr) and their log gains."""
        rng = np.random.default_rng((self.seed, step, 4))
        rows = []
        for _ in range(size):
            seen, gains = degrade_colour(self._scene(self.small, SMALL, rng), rng)
            rows.append((*(F.adaptive_avg_pool2d(v, SMALL) for v in as_tensors(seen)), gains))
        luma, chroma, casts = zip(*rows, strict=True)
        undo = -torch.from_numpy(np.stack(casts)).log()
        return (
            torch.cat(luma).to(self.device),
            torch.cat(chroma).to(self.device),
            undo.to(self.device),
        )

    def _scene(self, sets: list[list[Bytes]], least: int, rng: np.random.Generator) -> Floats:
        """Crop a random part, at least half as wide and high, as if it were a whole image."""
        pictures = sets[rng.integers(len(sets))]
        rgb = pictures[rng.integers(len(pictures))]
        height, width = (max(least, int(n * rng.uniform(0.5, 1))) for n in rgb.shape[:2])
        top, left = (
            int(rng.integers(max(1, n - m + 1)))
            for n, m in zip(rgb.shape, (height, width), strict=False)
        )
        part = rgb[top : top + height, left : left + width]
        if rng.random() < 0.5:
            part = part[:, ::-1]
        short = [(0, max(0, least - n)) for n in part.shape[:2]]
        part = np.pad(part, (*short, (0, 0)), mode="symmetric")
        clean = np.divide(part, np.float32(255), dtype=np.float32)
        if rng.random() < 0.3:  # scenes with other saturation
            grey = (clean @ LUMA)[..., None]
            clean = np.clip(grey + np.float32(rng.uniform(0.6, 1.6)) * (clean - grey), 0, 1)
        return clean

    def _draw(self, rng: np.random.Generator) -> ColourBatch:
        clean = self._scene(self.sets, self.crop, rng)
        seen, gains = degrade_colour(clean, rng)
        y, x = (int(rng.integers(n - self.crop + 1)) for n in clean.shape[:2])
        window = np.s_[y : y + self.crop, x : x + self.crop]
        luma, chroma = as_tensors(seen)
        _, target = as_tensors(clean[window])
        return ColourBatch(
            luma[(..., *window)],
            chroma[(..., *window)],
            target,
            F.adaptive_avg_pool2d(luma, WHOLE),
            F.adaptive_avg_pool2d(chroma, WHOLE),
            -torch.from_numpy(gains).log()[None],
        )


def _thinned(picture: Bytes) -> Bytes:
    stride = max(1, picture.shape[1] // 192)
    return picture[::stride, ::stride]


def as_tensors(rgb: Floats) -> tuple[Tensor, Tensor]:
    """Brightness in [-1, 1] and scaled CbCr of one image, with a batch axis."""
    luma, chroma = rgb_to_ycbcr(rgb)
    return (
        torch.from_numpy(luma * 2 - 1)[None, None],
        torch.from_numpy(np.moveaxis(chroma, -1, 0) * np.float32(CHROMA_SCALE)).contiguous()[None],
    )
