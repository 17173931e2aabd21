"""Restoration strengths of training pairs, and the matching targets."""

from __future__ import annotations

import torch
from torch import Tensor

from .data import Batch

#: Shares of pairs with full and without restoration; the others have partial restoration.
ALL, NOTHING = 0.5, 0.25


def draw_restoration(count: int, generator: torch.Generator) -> Tensor:
    """Draw strengths of `models.unet.RESTORATIONS`.

    Half of the pairs have full restoration and a quarter none. The rest have single kinds or
    fractions, half of these with another fraction for each image.

    Returns
    -------
    Tensor, shape (2 count, 2), float32
        In [0, 1]; X in the first half.
    """
    kind = torch.rand(count, 1, generator=generator)
    whole = (torch.rand(count, 2, generator=generator) < 0.5).float()
    part_x, part_y = torch.rand(2, count, 2, generator=generator)
    both = torch.rand(count, 1, generator=generator) < 0.5
    part_y = torch.where(both, part_x, part_y)
    some = (1 + ALL + NOTHING) / 2  # half of the rest
    rows = []
    for part in (part_x, part_y):
        row = torch.where(kind < some, whole, part)
        row = torch.where(kind < ALL + NOTHING, torch.zeros_like(row), row)
        rows.append(torch.where(kind < ALL, torch.ones_like(row), row))
    return torch.cat(rows)


def restoration_target(clean: Tensor, lit: Tensor, seen: Tensor, restore: Tensor) -> Tensor:
    """Return the target image.

    Parameters
    ----------
    clean, lit, seen : Tensor, shape (B, 1, H, W)
        The clean image, the image in bad light, and that with blur and noise, in [-1, 1].
    restore : Tensor, shape (B, 2)
        Strengths for noise and light: ``(1, 1)`` returns the clean image, ``(0, 0)`` the
        degraded one; the result is linear in both.

    Returns
    -------
    Tensor, shape (B, 1, H, W)
        In [-1, 1].
    """
    noise, light = (v.view(-1, 1, 1, 1) for v in restore.unbind(1))
    return (lit + light * (clean - lit) + (1 - noise) * (seen - lit)).clamp(-1, 1)


def target_pair(batch: Batch, restore: Tensor) -> tuple[Tensor, Tensor]:
    """Return the targets of both sources; `restore` as from `draw_restoration`."""
    first, second = restore.chunk(2)
    return (
        restoration_target(batch.clean_a, batch.lit_a, batch.seen_a, first),
        restoration_target(batch.clean_b, batch.lit_b, batch.seen_b, second),
    )


def reference_pair(batch: Batch, restore: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the noiseless sources of the reference result, and their restoration strengths.

    The uncertainty is the distance to the same network's result for perfect images in
    the requested light.

    Returns
    -------
    x, y : Tensor, shape (B, 1, H, W)
    restore : Tensor, shape (2 B, 2)
    """
    full = torch.stack([torch.ones_like(restore[:, 0]), restore[:, 1]], dim=1)
    x, y = target_pair(batch, full)
    # partly corrected light must not be corrected again
    light = (restore[:, 1:] == 1).to(restore.dtype)
    return x, y, torch.cat([torch.ones_like(light), light], dim=1)
