"""Two images in one: where edges run on from square to square, the images lie on each other."""

from __future__ import annotations

import numpy as np

from ..errors import InputError
from ..volume import Array


def checkerboard(a: Array, b: Array, tiles: int = 8) -> Array:
    """Show `a` and `b` in alternating squares (cubes, in volumes).

    Parameters
    ----------
    a, b : ndarray
        On one grid, ``(Y, X)`` or ``(Z, Y, X)``, shown alike (such as both in [0, 1]); either with
        a last axis of 3 colours. Grey next to colour is repeated over the channels.
    tiles : int
        Number of squares along the longest side, 1 or more.

    Returns
    -------
    ndarray
        Starts with `a` at index 0; in the type that holds both.

    Raises
    ------
    InputError
        If the shapes differ or `tiles` is not a positive whole number.
    """
    if isinstance(tiles, bool) or not isinstance(tiles, (int, np.integer)) or tiles < 1:
        raise InputError(f"tiles must be a whole number from 1, not {tiles!r}.")
    if a.ndim == b.ndim + 1 and a.shape[-1] in (3, 4):
        b = np.repeat(b[..., None], a.shape[-1], axis=-1)
    elif b.ndim == a.ndim + 1 and b.shape[-1] in (3, 4):
        a = np.repeat(a[..., None], b.shape[-1], axis=-1)
    if a.shape != b.shape:
        raise InputError(
            f"a checkerboard needs two images on one grid, not {a.shape} and {b.shape}; "
            "resample one onto the other first."
        )
    colour = a.ndim > 2 and a.shape[-1] in (3, 4)
    shape = a.shape[:-1] if colour else a.shape
    side = max(1, -(-max(shape) // int(tiles)))
    parity = np.zeros(shape, np.int64)
    for index in np.ogrid[tuple(slice(n) for n in shape)]:
        parity = parity + index // side
    odd = parity % 2 == 1
    result: Array = np.where(odd[..., None] if colour else odd, b, a)
    return result
