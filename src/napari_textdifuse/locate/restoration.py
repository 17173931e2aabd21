"""Words of a prompt about restoration, such as "denoise" or "keep the light".

Every word gets a class of one letter, and phrases are regular expressions over these letters.
Other text is not changed: "traffic light" and "brighten the tumour" are about objects.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

from ..errors import PromptError
from .restoration_words import ALONE, CLASSES, NOUNS

#: Everything that can be restored.
KINDS = ("noise", "light", "colour")

_TOKEN = re.compile(r"[\u4e00-\u9fff]+|[^\W_\u4e00-\u9fff]+|[,;/&+|\n.!?:、，；。！？：()]")
_CHINESE = re.compile(r"[\u4e00-\u9fff]")
_VERB = "[krcigRu]"
_FOLLOWED = r"(?!f*[xD])"
#: Nouns in a row; after a verb they end before one that has a verb of its own.
_NOUNS = r"[qdD](?:[jos]+f*[qdD](?!f*x))*"
_NOUNS_AFTER = rf"[qdD](?:[jos]+f*[qdD](?![fn]*{_VERB})(?!f*x))*"
#: n not, k keep, r remove, i improve, c correct, R restore, g change, u unchanged, a a verb that
#: says all, q what can be kept or improved, d what can be removed, D dark, f fillers, p picture,
#: m commands, j and, o or, s punctuation, x any other word.
_PHRASES = re.compile(
    rf"(?P<nothing>k[fp]*u(?!f*[qdD])|gn){_FOLLOWED}"
    rf"|(?P<before>(?:n[fn]*)?{_VERB}[fnpu]*{_NOUNS_AFTER}(?:f*u)?){_FOLLOWED}"
    rf"|(?<!x)(?P<after>(?:n[fn]*)?{_NOUNS}[fn]*{_VERB}){_FOLLOWED}"
    rf"|(?P<alone>(?:n[fn]*)?[aR](?:f*p|n)?)(?:(?<=p)|{_FOLLOWED})"
    rf"|(?P<absent>nf*d){_FOLLOWED}"
)
#: Words that go with a phrase that they follow or lead to, and say nothing without it.
_LOOSE = frozenset("fjosn")


@dataclass(frozen=True)
class Wishes:
    """The restoration requested in a prompt.

    Parameters
    ----------
    strengths : dict of str to float
        1 or 0 for each of `KINDS` that the prompt mentions.
    phrases : dict of str to str
        The phrase that says so, as it was written.
    objects : str or None
        The rest of the prompt: what should stand out.
    """

    strengths: Mapping[str, float]
    phrases: Mapping[str, str]
    objects: str | None


@dataclass(frozen=True)
class _Token:
    letter: str
    start: int
    stop: int
    kinds: tuple[str, ...] = ()


@lru_cache(maxsize=64)
def read_wishes(prompt: str) -> Wishes:
    """Separate the phrases about restoration from a prompt.

    Parameters
    ----------
    prompt : str
        In the languages of the lexicon.

    Returns
    -------
    Wishes

    Raises
    ------
    PromptError
        If the prompt contradicts itself, or the scope of a "not" is ambiguous.

    Examples
    --------
    >>> read_wishes("tumour, keep the light")
    Wishes(strengths={'light': 0.0}, phrases={'light': 'keep the light'}, objects='tumour')
    """
    tokens = list(_tokens(prompt))
    letters = "".join(token.letter for token in tokens)
    strengths: dict[str, float] = {}
    phrases: dict[str, str] = {}
    taken = [False] * len(tokens)
    last_stop, last_negated = -1, False
    for match in _PHRASES.finditer(letters):
        part = tokens[match.start() : match.end()]
        own = any(token.letter == "n" for token in part)
        negated = own
        link = letters[last_stop : match.start()] if last_stop >= 0 else "s"
        phrase = prompt[part[0].start : part[-1].stop]
        if last_negated and not own and match["alone"] and set(link) <= set("jof") and link:
            if "j" in link:
                raise PromptError(
                    f"It is not clear whether the prompt's 'not' includes {phrase!r}; separate "
                    "the two "
                    "by a comma, or write 'or'."
                )
            negated = True
        strength = _strength(match.lastgroup or "", part, negated)
        last_stop, last_negated = match.end(), negated
        if strength is None:
            continue
        taken[match.start() : match.end()] = [True] * len(part)
        for kind in _kinds(part):
            if strengths.get(kind, strength) != strength:
                raise PromptError(
                    f"The prompt says both {phrases[kind]!r} and {phrase!r}; use one of them."
                )
            strengths[kind], phrases[kind] = strength, phrase
    objects = _rest(prompt, tokens, taken) if strengths else prompt
    return Wishes(strengths, phrases, objects)


def _strength(form: str, part: list[_Token], negated: bool) -> float | None:
    """Return 1 for restore, 0 for keep unchanged, None for neither."""
    letters = {token.letter for token in part}
    if form == "nothing":
        return 0.0
    if form == "absent":
        return 1.0
    if letters & {"k", "u"}:
        return float(negated)
    if "D" in letters:
        return None
    wanted = bool(
        form == "alone"
        or letters & {"c", "R"}
        or ("r" in letters and "q" not in letters)
        or ("i" in letters and "d" not in letters)
    )
    if negated:
        return 0.0
    return 1.0 if wanted else None


def _kinds(part: list[_Token]) -> tuple[str, ...]:
    """Return what a phrase refers to: everything, if it has no noun and no specific verb."""
    return tuple(dict.fromkeys(kind for token in part for kind in token.kinds)) or KINDS


def _rest(prompt: str, tokens: list[_Token], taken: list[bool]) -> str | None:
    """Join the text that belongs to no phrase."""
    pieces: list[str] = []
    run: list[_Token] = []
    for token, gone in [*zip(tokens, taken, strict=True), (_Token("s", 0, 0), True)]:
        if not gone:
            run.append(token)
            continue
        while run and run[0].letter in _LOOSE - {"n"}:
            run.pop(0)
        while run and run[-1].letter in _LOOSE:
            run.pop()
        if any(t.letter not in _LOOSE | {"m", "p"} for t in run):
            pieces.append(prompt[run[0].start : run[-1].stop])
        run = []
    return ", ".join(pieces) or None


def _fold(word: str) -> str:
    word = unicodedata.normalize("NFKD", word.casefold())
    return "".join(c for c in word if not unicodedata.combining(c))


@lru_cache(maxsize=1)
def _vocabulary() -> dict[tuple[str, ...], tuple[str, tuple[str, ...]]]:
    """Map folded words to their letter and kinds."""
    known: dict[tuple[str, ...], tuple[str, tuple[str, ...]]] = {}
    for letter, by_language in CLASSES.items():
        for text in by_language.values():
            for phrase in text.split(","):
                known[_key(phrase)] = letter, ()
    for (letter, kind), by_language in NOUNS.items():
        for text in by_language.values():
            for phrase in text.split(","):
                known[_key(phrase)] = letter, (kind,)
    for kind, by_language in ALONE.items():
        for text in by_language.values():
            for phrase in text.split(","):
                known[_key(phrase)] = "a", (kind,)
    return known


def _key(phrase: str) -> tuple[str, ...]:
    return tuple(_fold(m.group()) for m in _TOKEN.finditer(phrase))


def _tokens(prompt: str) -> Iterator[_Token]:
    known = _vocabulary()
    words = [(m.group(), m.start()) for m in _TOKEN.finditer(prompt)]
    longest = max(map(len, known))
    position = 0
    while position < len(words):
        text, start = words[position]
        if _CHINESE.match(text):
            yield from _chinese(text, start)
            position += 1
            continue
        for length in range(min(longest, len(words) - position), 0, -1):
            part = words[position : position + length]
            name = tuple(_fold(word) for word, _ in part)
            if name in known:
                letter, kinds = known[name]
                yield _Token(letter, start, part[-1][1] + len(part[-1][0]), kinds)
                break
        else:
            length = 1
            letter = "x" if text[0].isalnum() else "s"
            yield _Token(letter, start, start + len(text))
        position += length


def _chinese(run: str, start: int) -> Iterator[_Token]:
    """Cut a run of Chinese, which has no spaces, at known words."""
    known = _vocabulary()
    place, other = 0, 0
    while place < len(run):
        size = next(
            (
                n
                for n in range(min(6, len(run) - place), 0, -1)
                if (run[place : place + n],) in known
            ),
            0,
        )
        if size:
            if other < place:
                yield _Token("x", start + other, start + place)
            letter, kinds = known[run[place : place + size],]
            yield _Token(letter, start + place, start + place + size, kinds)
            place += size
            other = place
        else:
            place += 1
    if other < len(run):
        yield _Token("x", start + other, start + len(run))
