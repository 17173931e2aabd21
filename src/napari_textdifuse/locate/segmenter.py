"""The interface of the SAM implementations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch

from .boxes import Boxes
from .rendering import Picture

Masks = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float32]

#: Boxes decoded at once; bounds the memory for masks at the image's size.
BATCH = 16


@dataclass(frozen=True)
class Embedding:
    """The output of the image encoder for one image; independent of the boxes.

    Parameters
    ----------
    tensor : Tensor, shape (1, C, H, W)
    size : tuple of int
        ``(Y, X)`` of the image.
    input_size : tuple of int
        ``(Y, X)`` to which it was scaled for the model, before padding.
    finer : tuple of Tensor
        SAM 2's maps of higher resolution.
    """

    tensor: torch.Tensor
    size: tuple[int, int]
    input_size: tuple[int, int]
    finer: tuple[torch.Tensor, ...] = ()

    @property
    def nbytes(self) -> int:
        """Bytes in memory."""
        return self.tensor.nbytes + sum(t.nbytes for t in self.finer)


class Segmenter(Protocol):
    """The interface of both SAM implementations."""

    name: str
    sha256: str

    def encode(self, picture: Picture) -> Embedding:
        """Run the image encoder: the slow part, once per image."""
        ...

    def segment(self, image: Embedding, boxes: Boxes) -> Masks:
        """Return one mask per box, shape (N, Y, X), for boxes XYXY in the image's pixels."""
        ...

    def outline(
        self,
        image: Embedding,
        box: Floats | None,
        points: Floats,
        labels: npt.NDArray[np.int64],
    ) -> tuple[npt.NDArray[np.bool_], float]:
        """Return one object's mask and SAM's own estimate of its overlap with the true one.

        Parameters
        ----------
        image : Embedding
        box : ndarray of float32, shape (4,), optional
            Edges XYXY in the image's pixels.
        points : ndarray of float32, shape (P, 2)
            ``(x, y)`` in the same pixels; there must be a box or a point.
        labels : ndarray of int64, shape (P,)
            1 on the object, 0 off it.

        Returns
        -------
        mask : ndarray of bool, shape (Y, X)
        overlap : float
            Of three answers, the one with the highest estimate if all there is is one point, which
            may mean a part as well as the whole; else SAM's single answer.
        """
        ...
