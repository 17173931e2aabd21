"""Misspelt words: close enough to be corrected, or only to be suggested."""

from __future__ import annotations

from collections.abc import Iterable

from .languages import OTHER_WORDS

#: Shorter words are not corrected (one letter less, where two are exchanged or one of the known
#: word's is missing): too many real words differ by one letter.
SHORTEST = 5
#: Of known words from this length on two letters may be wrong, else one.
LONG = 10
#: Lowest likeness (of 100) of a suggestion.
LIKE = 75


def nearest(word: str, known: Iterable[str]) -> list[str]:
    """Return the known words that `word` may be a misspelling of; several if it is not clear.

    One letter missing, added, wrong, or two exchanged (optimal string alignment); two such errors
    in known words from ten letters on ("hemorage"). The first letter must be right: "fetal" is not
    "metal". Words that mean something else are none: "mental" is not "metal".

    Parameters
    ----------
    word : str
    known : iterable of str

    Returns
    -------
    list of str
        Those with the fewest errors.
    """
    from rapidfuzz.distance import OSA

    if word in OTHER_WORDS:
        return []
    slips: dict[str, int] = {}
    for name in known:
        shorter = min(len(word), len(name))
        swapped = len(word) == len(name) and sorted(word) == sorted(name)
        missing = len(word) == SHORTEST - 1 and len(name) == SHORTEST
        if name[:1] != word[:1] or not (
            shorter >= SHORTEST or (shorter == SHORTEST - 1 and swapped) or missing
        ):
            continue
        most = 2 if len(name) >= LONG else 1
        distance = OSA.distance(word, name, score_cutoff=most)
        if 0 < distance <= most:
            slips[name] = distance
    return [name for name, distance in slips.items() if distance == min(slips.values())]


def alike(phrase: str, known: Iterable[str]) -> list[str]:
    """Return up to three known names that look like the phrase or one of its words."""
    from rapidfuzz import fuzz, process

    names = list(known)
    scores: dict[str, float] = {}
    for piece in {phrase, *phrase.split()}:
        for name, score, _ in process.extract(
            piece, names, scorer=fuzz.ratio, limit=3, score_cutoff=LIKE
        ):
            scores[name] = max(scores.get(name, 0.0), score)
    return sorted(scores, key=lambda name: (-scores[name], names.index(name)))[:3]
