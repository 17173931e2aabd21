"""From a text prompt to boxes and a label mask.

In: a prompt and the two images on one grid.
Out: `Location`: a label per pixel, the name of each label, boxes with scores, and notes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..volume import Volume
from .protocol import Detections, Location, Locator, LocatorInfo
from .registry import (
    check_locator_name,
    describe_locators,
    get_locator,
    locator_names,
    locator_options,
)

if TYPE_CHECKING:
    from .lexicon import KnownTerm, LexiconLocator

__all__ = [
    "Detections",
    "KnownTerm",
    "LexiconLocator",
    "Location",
    "Locator",
    "LocatorInfo",
    "check_locator_name",
    "describe_locators",
    "get_locator",
    "known_terms",
    "locator_names",
    "locator_options",
    "term_names",
]


def known_terms(images: Sequence[Volume] | None = None) -> list[KnownTerm]:
    """List what the built-in lexicon knows, one entry per term and rule.

    Parameters
    ----------
    images : sequence of Volume, optional
        Only terms that apply to these.

    Returns
    -------
    list of KnownTerm
    """
    from .lexicon import LexiconLocator

    return LexiconLocator().known_terms(images)


def __getattr__(name: str) -> Any:
    if name not in ("KnownTerm", "LexiconLocator"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from . import lexicon  # loads scipy; panels that only list locators do without

    return getattr(lexicon, name)


def term_names(images: Sequence[Volume] | None = None, language: str | None = None) -> list[str]:
    """List words that a prompt may use, for completion.

    Parameters
    ----------
    images : sequence of Volume, optional
        Only terms that apply to these.
    language : {"en", "de", "fr", "es", "zh"}, optional
        Default: all, English first.

    Returns
    -------
    list of str
        Each once: a term's name, then its synonyms.

    Raises
    ------
    PromptError
        If the language is none of these.
    """
    from ..errors import PromptError
    from .languages import NAMES

    if language not in (None, "en", *NAMES):
        raise PromptError(
            f"The lexicon has no names in {language!r}; choose en, {', '.join(NAMES)}."
        )
    terms = {term.term: term.synonyms for term in known_terms(images)}
    names = []
    if language in (None, "en"):
        names += [name for term, synonyms in terms.items() for name in (term, *synonyms)]
    for code, foreign in NAMES.items():
        if language in (None, code):
            names += [name for term in terms for name in foreign.get(term, ())]
    return list(dict.fromkeys(names))
