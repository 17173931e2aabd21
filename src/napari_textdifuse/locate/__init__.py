"""From a text prompt to boxes and a label mask."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ..errors import InputError
from ..volume import Volume
from .lexicon import KnownTerm, LexiconLocator
from .protocol import Detections, Location, Locator

__all__ = [
    "Detections",
    "KnownTerm",
    "LexiconLocator",
    "Location",
    "Locator",
    "get_locator",
    "known_terms",
]

_LOCATORS: dict[str, Callable[[], Locator]] = {"lexicon": LexiconLocator}


def get_locator(name: str) -> Locator:
    """Make a locator by its name.

    Parameters
    ----------
    name : str
        ``"lexicon"``: built in, no download.

    Returns
    -------
    Locator

    Raises
    ------
    InputError
        If there is no such locator; the message lists the names.
    """
    if name not in _LOCATORS:
        listed = ", ".join(map(repr, _LOCATORS))
        raise InputError(f"There is no locator {name!r}; choose from: {listed}.")
    return _LOCATORS[name]()


def known_terms(images: Sequence[Volume] | None = None) -> list[KnownTerm]:
    """List what the built-in lexicon knows, one entry per term and rule.

    Parameters
    ----------
    images : sequence of Volume, optional
        Only what can be used on these.

    Returns
    -------
    list of KnownTerm
    """
    return LexiconLocator().known_terms(images)
