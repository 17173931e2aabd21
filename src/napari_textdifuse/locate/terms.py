"""The elements of the lexicon: terms, and the published rules that find them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .regions import Mask, largest
from .views import RuleImage

#: An image at least this wide in each direction should hold a whole structure of the head.
WHOLE_MM = 120.0


@dataclass(frozen=True, eq=False)
class Objects:
    """Separate objects, with their own boxes and scores.

    Parameters
    ----------
    labels : ndarray of int32
        0 is background, ``i`` the object in row ``i - 1``.
    boxes : ndarray of float32, shape (N, 4) or (N, 6)
        As in `Detections`.
    scores : tuple of float, length N
        In [0, 1].
    reasons : tuple of str, length N
    """

    labels: npt.NDArray[np.int32]
    boxes: npt.NDArray[np.float32]
    scores: tuple[float, ...]
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class Rule:
    """A rule that finds something in one kind of image.

    Parameters
    ----------
    modality : str
        The kind of image it needs, as in `Volume.modality`.
    description : str
        The rule in words, with its numbers.
    source : str
        Where it was published.
    find : callable
        Takes a `RuleImage`, returns a mask of its shape.
    unit : str, optional
        The unit that the rule's numbers are in; None for rules on relative values, which are the
        only ones used on images whose modality is a guess.
    smallest_mm : float
        Objects smaller than a disc (in volumes: a ball) of this diameter are dropped.
    applies : callable, optional
        Takes a `RuleImage`; the rule is skipped if it returns False.
    needs : str
        What `applies` asks of an image, to follow its kind in a refusal.
    guess : bool
        Whether a relative rule may be tried on images of unknown modality.
    objects : callable, optional
        Takes a `RuleImage`, returns `Objects` with boxes and scores of their own, and replaces
        `find`.
    """

    modality: str
    description: str
    source: str
    find: Callable[[RuleImage], Mask]
    unit: str | None = None
    smallest_mm: float = 2.0
    applies: Callable[[RuleImage], bool] | None = None
    guess: bool = True
    objects: Callable[[RuleImage], Objects] | None = None
    needs: str = ""

    def fits(self, view: RuleImage) -> bool:
        """Return whether the rule can be used on an image."""
        if view.modality != self.modality:
            return False
        if self.unit is not None and view.unit != self.unit:
            return False
        if view.assumed and not (self.guess and self.unit is None):
            return False
        return self.applies is None or self.applies(view)


@dataclass(frozen=True)
class Gate:
    """Plausibility limits of a structure in a volume; if not met, it is not marked, with a note.

    Parameters
    ----------
    least, most : float
        Volume in mL. An image narrower than `WHOLE_MM` in a direction shows a part only: the lower
        limit is half of this share of it.
    balance : float
        Largest share on one side of the middle of the image's tissue, left to right.
    largest_part : float
        Smallest share of the largest connected part.
    """

    least: float
    most: float
    balance: float = 1.0
    largest_part: float = 0.0

    @property
    def text(self) -> str:
        """The conditions in words."""
        limits = [
            f"{self.least:g} to {self.most:g} mL (in an image narrower than {WHOLE_MM:g} mm half "
            "of the shown share of the former)"
        ]
        if self.balance < 1:
            limits.append(f"at most {self.balance:.0%} on one side")
        if self.largest_part > 0:
            limits.append(f"at least {self.largest_part:.0%} in one piece")
        return ", ".join(limits)

    def failure(self, mask: Mask, view: RuleImage) -> str:
        """Describe the condition that a mask does not meet; empty if it meets all.

        Parameters
        ----------
        mask : ndarray of bool
            In slices and thin stacks nothing is judged.
        view : RuleImage
        """
        if mask.ndim < 3 or view.spacing is None or view.is_slab or not mask.any():
            return ""
        volume = float(mask.sum()) * math.prod(view.mm) / 1000
        shown = math.prod(
            min(1.0, n * s / WHOLE_MM) for n, s in zip(mask.shape, view.mm, strict=True)
        )
        least = self.least if shown == 1 else 0.5 * shown * self.least
        if not least <= volume <= self.most:
            return f"{volume:.3g} mL, where {least:.3g} to {self.most:g} mL are plausible"
        if self.balance < 1 and view.left_right is not None:
            share = _one_side(mask, view, view.left_right[0])
            if share > self.balance:
                return f"{share:.0%} on one side, where at most {self.balance:.0%} is plausible"
        if self.largest_part > 0:
            share = float(largest(mask).sum() / mask.sum())
            if share < self.largest_part:
                return f"in pieces, the largest {share:.0%} of it"
        return ""


def _one_side(mask: Mask, view: RuleImage, axis: int) -> float:
    others = tuple(i for i in range(3) if i != axis)
    tissue = view.array > view.array.min() + 0.1 * float(np.ptp(view.array))
    along = tissue.sum(axis=others)
    middle = float((along * np.arange(len(along))).sum() / max(int(along.sum()), 1))
    counts = mask.sum(axis=others)
    low = float(counts[: round(middle)].sum() / counts.sum())
    return max(low, 1 - low)


@dataclass(frozen=True)
class Term:
    """A word of the lexicon.

    Parameters
    ----------
    name : str
        Canonical, British spelling, singular.
    synonyms : tuple of str
        Other words for it, singular, hyphens as spaces.
    rules : tuple of Rule
        In order of preference.
    finding : bool
        True for what is found *in* anatomy or a scene, as candidates: "brain tumour" asks for the
        tumour, not the brain. False for structures.
    gate : Gate, optional
        Plausibility limits of the structure.
    scene : bool
        Whether it belongs to a scene. Other findings are searched for only if the modality of at
        least one image is known.
    """

    name: str
    synonyms: tuple[str, ...]
    rules: tuple[Rule, ...]
    finding: bool = False
    gate: Gate | None = None
    scene: bool = False

    @property
    def kind(self) -> str:
        """Either "finding" or "structure"."""
        return "finding" if self.finding else "structure"
