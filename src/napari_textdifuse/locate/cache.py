"""Cache what was computed from an image, within a memory limit."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Protocol, TypeVar

import numpy as np
import numpy.typing as npt


class Sized(Protocol):
    """An object that reports its memory use."""

    @property
    def nbytes(self) -> int:
        """Bytes in memory."""
        ...


T = TypeVar("T", bound=Sized)


class ContentCache:
    """Least-recently-used cache, limited in bytes and keyed by image content.

    Parameters
    ----------
    max_bytes : int
        Upper limit. A single larger object is computed but not kept.
    """

    def __init__(self, max_bytes: int = 1 << 30) -> None:
        self.max_bytes = max_bytes
        self.nbytes = 0
        self._cached: OrderedDict[tuple[str, str], Any] = OrderedDict()

    def __len__(self) -> int:
        return len(self._cached)

    def get(self, kind: str, image: npt.NDArray[np.uint8], make: Callable[[], T]) -> T:
        """Return the cached result of `make` for an equal image, or call it.

        Parameters
        ----------
        kind : str
            What is computed, so that several models can share the cache.
        image : ndarray of uint8
        make : callable
            Takes nothing; its result has ``nbytes``.
        """
        key = (kind, _digest(image))
        if key in self._cached:
            self._cached.move_to_end(key)
            return self._cached[key]
        made = make()
        if made.nbytes <= self.max_bytes:
            self._cached[key] = made
            self.nbytes += made.nbytes
            while self.nbytes > self.max_bytes:
                self.nbytes -= self._cached.popitem(last=False)[1].nbytes
        return made

    def clear(self) -> None:
        """Empty the cache."""
        self._cached.clear()
        self.nbytes = 0


def _digest(image: npt.NDArray[np.uint8]) -> str:
    digest = hashlib.sha256(repr(image.shape).encode())
    digest.update(np.ascontiguousarray(image).data)
    return digest.hexdigest()
