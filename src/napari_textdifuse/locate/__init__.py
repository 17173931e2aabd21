"""From a text prompt to boxes and a label mask."""

from __future__ import annotations

from collections.abc import Sequence

from ..volume import Volume
from .lexicon import KnownTerm, LexiconLocator
from .protocol import Detections, Location, Locator, LocatorInfo
from .registry import describe_locators, get_locator, locator_names, locator_options

__all__ = [
    "Detections",
    "KnownTerm",
    "LexiconLocator",
    "Location",
    "Locator",
    "LocatorInfo",
    "describe_locators",
    "get_locator",
    "known_terms",
    "locator_names",
    "locator_options",
]


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
