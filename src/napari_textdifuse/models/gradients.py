"""Gradients of images for the losses of training and re-modulation."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def sobel(image: Tensor, *, replicate: bool) -> Tensor:
    """Return horizontal and vertical Sobel derivatives, eight times the slope per pixel.

    Parameters
    ----------
    image : Tensor, shape (B, 1, H, W)
    replicate : bool
        Whether the border is padded with its own values instead of zeros.

    Returns
    -------
    Tensor, shape (B, 2, H, W)
    """
    kernel = image.new_tensor([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]])
    kernels = torch.stack([kernel, kernel.T])[:, None]
    if not replicate:
        return F.conv2d(image, kernels, padding=1)
    return F.conv2d(F.pad(image, (1, 1, 1, 1), mode="replicate"), kernels)


def magnitude(gradient: Tensor) -> Tensor:
    """Return the length of ``(B, 2, H, W)`` gradient vectors, shape ``(B, 1, H, W)``."""
    # the small term keeps the root differentiable where the image is flat
    return (gradient.square().sum(dim=1, keepdim=True) + 1e-8).sqrt()
