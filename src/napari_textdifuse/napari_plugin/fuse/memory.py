"""How much memory a fusion will take, roughly."""

from __future__ import annotations

from collections.abc import Sequence

GIB = 2**30
#: Measured with ``benchmarks/speed.py`` and ``benchmarks/volume.py`` on a CPU: libraries and
#: weights, a pixel that goes through the network (in tiles of `TILE`), a pixel of all results.
FIXED, IN_NETWORK, IN_RESULT = 0.3 * GIB, 1000, 80
TILE = 1024**2


def estimate(shape: Sequence[int], slices: int | None = None, samples: int = 1) -> float:
    """Return GiB.

    Parameters
    ----------
    shape : sequence of int
        Spatial shape of image A.
    slices : int, optional
        How many of a volume's slices are fused; default all.
    samples : int
    """
    plane = shape[-1] * shape[-2]
    count = 1 if len(shape) < 3 else slices if slices is not None else shape[0]
    kept = plane * count * (IN_RESULT + 8 * (samples - 1))
    return (FIXED + IN_NETWORK * min(plane, TILE) + kept) / GIB
