"""From free text to the terms of a lexicon."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ..errors import PromptError
from .languages import SIDES, foreign_names
from .phrases import NEGATIONS, WRAPPING, refuse_negation, split
from .terms import Term
from .typos import alike, nearest

_WORD = re.compile(r"[^\W_]+")
#: Words that carry no meaning for finding something.
_FILLERS = WRAPPING | frozenset(
    """
    a all also an any are area areas as at be below beside body by can clearly could emphasise
    emphasize enhance every everything find focus for from give hand head her here highlight his i
    image in inside is it its keep let like locate look make mark me more most my near of on one
    only out outline part patient piece please prominent put region regions s scan see segment
    shall should show side so some stand structure structures that the their them there these
    thing this those to visible want we where which with within would you your
    """.split()  # noqa: SIM905 - a list of one word a line would be four pages
)
_CHINESE = re.compile(r"[\u4e00-\u9fff]+")
#: A location follows these, not another object to find: "tumour in the brain".
_PLACE = frozenset({"of", "in", "inside", "within", "near", "beside", "on", "at"})
#: American to British, applied to whole words.
_SPELLING = {
    "tumor": "tumour",
    "gray": "grey",
    "hemorrhage": "haemorrhage",
    "hematoma": "haematoma",
    "hemorrhagic": "haemorrhage",
    "haemorrhagic": "haemorrhage",
    "cancerous": "cancer",
    "fibre": "fiber",
}
_PLURALS = {
    "metastases": "metastasis",
    "vertebrae": "vertebra",
    "cortices": "cortex",
    "masses": "mass",
    "men": "man",
    "women": "woman",
    "children": "child",
    "arteries": "artery",
    "calvariae": "calvaria",
    "crania": "cranium",
    "buses": "bus",
    "sinuses": "sinus",
    "malignancies": "malignancy",
    "lorries": "lorry",
    "carcinomata": "carcinoma",
    "bodies": "body",
}


@dataclass(frozen=True)
class TermRequest:
    """One object to find.

    Parameters
    ----------
    term : Term
    phrase : str
        The user's word for it, normalised.
    side : str or None
        "left", "right" or None.
    unused : tuple of str
        Words of the phrase that had no effect.
    misspelt : str or None
        What the user wrote, if `phrase` is its correction.
    """

    term: Term
    phrase: str
    side: str | None = None
    unused: tuple[str, ...] = ()
    misspelt: str | None = None


def normalise(text: str) -> list[str]:
    """Split into lower-case words: British spelling, singular, no accents, hyphens as spaces.

    Examples
    --------
    >>> normalise("Hyper-metabolic TUMORS")
    ['hypermetabolic', 'tumour']
    """
    text = unicodedata.normalize("NFKD", text.casefold().replace("’", "'"))
    text = "".join(c for c in text if not unicodedata.combining(c))
    text = re.sub(r"\b[ld]'", "", text)  # French articles
    text = re.sub(r"\b(hyper|hypo)[\s-]+(?=metabol|perfus)", r"\1", text)
    return [_singular(word) for word in _WORD.findall(text)]


def _singular(word: str) -> str:
    word = _PLURALS.get(word, word)
    word = _SPELLING.get(word, word)
    known = word in _FILLERS | NEGATIONS or word.endswith(("ss", "us", "is"))
    if len(word) > 3 and word.endswith("s") and not known:
        word = word[:-1]
    return _SPELLING.get(word, word)


def parse(prompt: str, terms: Sequence[Term]) -> tuple[list[TermRequest], list[str]]:
    """Read a prompt.

    Parameters
    ----------
    prompt : str
    terms : sequence of Term

    Returns
    -------
    requests : list of TermRequest
        In the order of the prompt, each term once per side.
    unknown : list of str
        Phrases in which no term was recognised.

    Raises
    ------
    PromptError
        If the prompt names nothing, or requests an absence.
    """
    names = vocabulary(terms)
    requests: list[TermRequest] = []
    unknown: list[str] = []
    for phrase in split(prompt):
        words = _words(phrase, names)
        refuse_negation(words, "the lexicon")
        meaning = [w for w in words if w not in _FILLERS]
        if not meaning:
            continue
        respelt, written, known = _respelt(words, names)
        found = _requests(respelt, names) or _misspelt(words, names)
        found = [replace(r, misspelt=written) if r.phrase == known else r for r in found]
        if not found:
            unknown.append(" ".join(w for w in meaning if w not in SIDES) or " ".join(meaning))
        for request in found:
            if all((r.term, r.side) != (request.term, request.side) for r in requests):
                requests.append(request)
    if not requests and not unknown:
        raise PromptError(
            "The prompt names nothing to find; name what should stand out, such as 'tumour'."
        )
    return requests, unknown


def vocabulary(terms: Sequence[Term]) -> dict[tuple[str, ...], Term]:
    """Map every normalised name and synonym, in all languages, to its term."""
    return {
        tuple(normalise(name)): t
        for t in terms
        for name in (t.name, *t.synonyms, *foreign_names(t.name))
    }


def canonical_name(words: str, terms: Sequence[Term]) -> str | None:
    """Return the name of the one term that words stand for, with nothing left over.

    Parameters
    ----------
    words : str
    terms : sequence of Term

    Returns
    -------
    str or None
        None if they are not in the lexicon, are misspelt, or say more than the name does, such as
        a side.

    Examples
    --------
    >>> from napari_textdifuse.locate.vocabulary import TERMS
    >>> canonical_name("der Hirntumor", TERMS), canonical_name("left tumor", TERMS)
    ('tumour', None)
    """
    try:
        requests, unknown = parse(words, terms)
    except PromptError:  # not a name, such as "no tumour"
        return None
    if unknown or len(requests) != 1:
        return None
    only = requests[0]
    exact = only.misspelt is None and only.side is None and not only.unused
    return only.term.name if exact else None


def suggestions(phrase: str, terms: Sequence[Term]) -> list[str]:
    """Return up to three known words that look like the phrase or one of its words."""
    return alike(phrase, (" ".join(words) for words in vocabulary(terms)))


def _words(phrase: str, names: dict[tuple[str, ...], Term]) -> list[str]:
    """Return the normalised words; of Chinese runs, the known words and the characters between."""
    known = {name[0] for name in names if len(name) == 1} | set(SIDES)
    words: list[str] = []
    for word in normalise(phrase):
        if not _CHINESE.fullmatch(word):
            words.append(word)
            continue
        rest = ""
        while word:
            size = next((n for n in range(len(word), 0, -1) if word[:n] in known), 0)
            if size:
                words += [rest, word[:size]] if rest else [word[:size]]
                rest, word = "", word[size:]
            else:
                rest, word = rest + word[0], word[1:]
        words += [rest] if rest else []
    return words


def _respelt(
    words: list[str], names: dict[tuple[str, ...], Term]
) -> tuple[list[str], str | None, str | None]:
    """Correct the longest multi-word name in which some words are misspelt.

    Returns
    -------
    words : list of str
        The same if there is none.
    written, known : str or None
        The user's words, and the name that they were read as.

    Raises
    ------
    PromptError
        If they may mean several terms.
    """
    single_words = {name[0] for name in names if len(name) == 1} | _FILLERS | set(SIDES)
    for length in range(max(map(len, names)), 1, -1):
        of_length = [name for name in names if len(name) == length]
        for start in range(len(words) - length + 1):
            part = tuple(words[start : start + length])
            if part in names:
                continue
            close = [name for name in of_length if _is_slip(part, name, single_words)]
            candidates = {names[name].name: " ".join(name) for name in close}
            if len(candidates) > 1:
                either = " or ".join(map(repr, candidates.values()))
                raise PromptError(f"{' '.join(part)!r} may be {either}; write the one you mean.")
            if close:
                corrected = [*words[:start], *close[0], *words[start + length :]]
                return corrected, " ".join(part), " ".join(close[0])
    return words, None, None


def _is_slip(part: tuple[str, ...], name: tuple[str, ...], single_words: set[str]) -> bool:
    """Return whether each word is the name's, or a misspelling of it and no known word itself."""
    return all(
        written == word or (written not in single_words and bool(nearest(written, (word,))))
        for written, word in zip(part, name, strict=True)
    )


def _misspelt(words: list[str], names: dict[tuple[str, ...], Term]) -> list[TermRequest]:
    """Replace misspelt words by known ones.

    Raises
    ------
    PromptError
        If a word may mean several terms.
    """
    spellings = {" ".join(name): term for name, term in names.items()}
    for american, british in {**_SPELLING, **_PLURALS}.items():
        if (british,) in names:
            spellings[american] = names[british,]
    for word in words:
        if word in _FILLERS or word in SIDES:
            continue
        close = nearest(word, spellings)
        candidates = {spellings[name].name: name for name in close}
        if len(candidates) > 1:
            either = " or ".join(repr(name) for name in candidates.values())
            raise PromptError(f"{word!r} may be {either}; write the one you mean.")
        if close:
            corrected = [close[0] if w == word else w for w in words]
            corrected_words = [w for text in corrected for w in normalise(text)]
            found = _requests(corrected_words, names)
            return [replace(request, misspelt=word) for request in found]
    return []


def _requests(words: list[str], names: dict[tuple[str, ...], Term]) -> list[TermRequest]:
    """Find the longest known names from left to right; keep those that were requested."""
    longest = max(map(len, names))
    matches: list[tuple[Term, str]] = []
    rest: list[str] = []
    after_place = False
    position = 0
    while position < len(words):
        for length in range(min(longest, len(words) - position), 0, -1):
            name = tuple(words[position : position + length])
            if name in names:
                break
        else:
            after_place |= bool(matches) and words[position] in _PLACE
            rest.append(words[position])
            position += 1
            continue
        if after_place:
            rest.append(" ".join(name))
        else:
            matches.append((names[name], " ".join(name)))
        position += length
    if any(term.finding for term, _ in matches):
        rest += [phrase for term, phrase in matches if not term.finding]
        matches = [(term, phrase) for term, phrase in matches if term.finding]
    sides = {SIDES[w] for w in rest if w in SIDES}
    side = next(iter(sides)) if len(sides) == 1 else None
    unused = tuple(w for w in rest if w not in _FILLERS and w not in SIDES)
    return [TermRequest(term, phrase, side, unused) for term, phrase in matches]
