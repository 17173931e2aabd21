"""Notes on the result of a detector, one sentence each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from .objects import OutlinedDetection, count_pixels
from .protocol import Detections


def describe_words(
    words: Sequence[str], best: npt.NDArray[np.float64], rows: Detections, threshold: float
) -> Iterator[str]:
    """Say what was found where, and how surely.

    Parameters
    ----------
    words : sequence of str
        Label ``k`` is the k-th of them, from 1.
    best : ndarray of float64
        The highest score of any box for each word, also below the threshold.
    rows : Detections
    threshold : float
    """
    for k, word in enumerate(words, start=1):
        of_word = np.flatnonzero(rows.label_values == k)
        if len(of_word):
            seen = [s for n in of_word for s in rows.sources[n].split(" and ")]
            where = " and ".join(dict.fromkeys(seen))
            scores = rows.scores[of_word]
            yield (
                f"{word}: {len(of_word)} found in {where}, scores {scores.min():.2f} to "
                f"{scores.max():.2f} (threshold {threshold:g})."
            )
        else:
            yield (
                f"{word}: not found; the best box scored {best[k - 1]:.3f}, below the threshold of "
                f"{threshold:g}."
            )
        if not word.isascii():
            yield f"{word}: the detector's published weights understand English only."


def describe_outlines(
    outlined: Sequence[Sequence[OutlinedDetection]], words: Sequence[str]
) -> Iterator[str]:
    """Say where an outline is missing, or is not that of a detected box."""
    interpolated = sum(part.found.interpolated for parts in outlined for part in parts)
    if interpolated:
        yield (
            f"The detector missed an object in {interpolated} slice{'s' * (interpolated > 1)} "
            "between others; it was outlined there from its boxes on either side."
        )
    empty = [
        words[parts[0].found.phrase] for parts in outlined if parts and not count_pixels(parts)
    ]
    if empty:
        listed = ", ".join(dict.fromkeys(empty))
        yield f"SAM drew no outline for {len(empty)} of the boxes ({listed})."
