"""What the lexicon is made of: terms, and the published rules that find them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from .regions import Mask
from .views import View


@dataclass(frozen=True)
class Rule:
    """One way to find something in one kind of image.

    Parameters
    ----------
    modality : str
        The kind of image it needs, as in `Volume.modality`.
    description : str
        The rule in words, with its numbers.
    source : str
        Where it was published.
    find : callable
        Takes a `View`, returns a mask of its shape.
    unit : str, optional
        The unit that the rule's numbers are in; None for rules on relative values, which are the
        only ones used on images whose modality is a guess.
    smallest_mm : float
        Objects smaller than a disc (in volumes: a ball) of this diameter are dropped.
    applies : callable, optional
        Takes a `View`; the rule is passed over where it returns False.
    guess : bool
        Whether a relative rule may be tried on images of unknown modality.
    """

    modality: str
    description: str
    source: str
    find: Callable[[View], Mask]
    unit: str | None = None
    smallest_mm: float = 2.0
    applies: Callable[[View], bool] | None = None
    guess: bool = True

    def fits(self, view: View) -> bool:
        """Tell whether the rule can be used on an image."""
        if view.modality != self.modality:
            return False
        if self.unit is not None and view.unit != self.unit:
            return False
        if view.assumed and not (self.guess and self.unit is None):
            return False
        return self.applies is None or self.applies(view)


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
        True for what is found *in* anatomy: "brain tumour" asks for the tumour, not the brain.
    """

    name: str
    synonyms: tuple[str, ...]
    rules: tuple[Rule, ...]
    finding: bool = False
