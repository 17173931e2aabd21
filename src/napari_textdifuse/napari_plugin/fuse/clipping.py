"""How much of an image lies outside the range that it is shown in."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ...arrays import sampled
from .values import with_unit

if TYPE_CHECKING:
    from ...fusion.pair import Pair

#: A smaller part than this is not worth a word.
WORTH = 0.005


def clipping_notes(pair: Pair) -> tuple[str, ...]:
    """Say of both images which part of their values is cut at the ends of the range.

    Parameters
    ----------
    pair : Pair

    Returns
    -------
    tuple of str
        One sentence for each end that cuts at least `WORTH` of the values.
    """
    notes: list[str] = []
    if not getattr(pair, "windows", None):
        return ()
    for role, volume in (("A", pair.a), ("B", pair.b)):
        window = pair.windows.get(role.lower())
        if volume.rgb or window is None:
            continue
        values = np.asarray(sampled(volume).array, np.float64)
        values = values[np.isfinite(values)]
        for part, end, side in (
            ((values > window.high).mean() if values.size else 0.0, window.high, "above"),
            ((values < window.low).mean() if values.size else 0.0, window.low, "below"),
        ):
            if part >= WORTH:
                notes.append(
                    f"Image {role}: {100 * part:.1f} % of the values lie {side} the range "
                    f"({with_unit(end, volume.unit)}) and are shown like its end."
                )
    return tuple(notes)
