"""The choice of source 1, for networks trained with ordered sources."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..volume import FUNCTIONAL, NATURAL, Volume
from .prepare import Prepared

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class SourceOrder:
    """What kind of pair it is, and which image is source 1.

    Parameters
    ----------
    kind : {"natural", "medical"}
    swapped : bool
        Whether image B is source 1.
    notes : tuple of str
        One sentence per assumption.
    """

    kind: str
    swapped: bool
    notes: tuple[str, ...] = ()


def order_sources(ready: Prepared) -> SourceOrder:
    """Distinguish visible-infrared from medical pairs, and choose source 1 as the release does.

    Source 1 is the visible image of a natural pair and the MRI of a medical one; without an MRI,
    the grey one of a grey and a coloured image.

    Parameters
    ----------
    ready : Prepared
    """
    kind, notes = kind_of_pair(ready)
    first = _natural_first if kind == "natural" else _medical_first
    a, b = first(ready.a), first(ready.b)
    if a == b:
        what = "visible light" if kind == "natural" else "the MRI"
        notes += (f"It is not clear which image is {what}; image A was assumed.",)
    return SourceOrder(kind, b > a, notes)


def kind_of_pair(ready: Prepared) -> tuple[str, tuple[str, ...]]:
    """Distinguish "natural" from "medical" pairs, with one sentence per assumption."""
    known = [v.modality for v in (ready.a, ready.b) if v.modality is not None]
    if known:
        return ("natural" if all(m in NATURAL for m in known) else "medical"), ()
    if ready.has_black_background:
        return "medical", ("The pair has a black background and was assumed to be medical.",)
    return "natural", ("The pair was assumed to be a visible and an infrared image.",)


def _natural_first(image: Volume) -> int:
    """Rank for the role of source 1; the higher one gets it."""
    return {"VIS": 2, "IR": -1}.get(image.modality or "", int(image.rgb))


def _medical_first(image: Volume) -> int:
    if image.modality == "MR":
        return 2
    return 0 if image.rgb or image.modality in FUNCTIONAL else 1
