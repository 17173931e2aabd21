"""Spelling: as forgiving with consonants as with vowels, for every word of the lexicon."""

from collections.abc import Iterator

import pytest

from napari_textdifuse.errors import PromptError
from napari_textdifuse.locate import LexiconLocator
from napari_textdifuse.locate.prompt import parse, vocabulary
from napari_textdifuse.locate.typos import nearest
from napari_textdifuse.locate.vocabulary import TERMS

VOWELS = "aeiou"
NAMES = {" ".join(name): term.name for name, term in vocabulary(TERMS).items()}
WORDS = sorted(
    name
    for term in TERMS
    for name in (term.name, *term.synonyms)
    if name in NAMES and name.isalpha() and len(name) >= 5
)


def slips(word: str, vowels: bool) -> Iterator[str]:
    """All of one letter lost, doubled, exchanged with the next or wrong, but for the first."""
    for i in range(1, len(word)):
        if (word[i] in VOWELS) != vowels:
            continue
        yield word[:i] + word[i + 1 :]
        yield word[:i] + word[i] + word[i:]
        if i + 1 < len(word) and word[i] != word[i + 1]:
            yield word[:i] + word[i + 1] + word[i] + word[i + 2 :]
        others = VOWELS if vowels else "bdlrtx"
        yield from (word[:i] + other + word[i + 1 :] for other in others if other != word[i])


@pytest.mark.parametrize("vowels", [True, False], ids=["vowels", "consonants"])
def test_slips_of_one_letter_are_read_and_never_as_another_term(vowels):
    read = asked = 0
    for word in WORDS:
        for slip in slips(word, vowels):
            if slip in NAMES:  # "hematoma" is a word itself
                continue
            asked += 1
            terms = {NAMES[name] for name in nearest(slip, NAMES)}
            # several terms are a question to the user, one other term would be a wrong mark
            assert terms in (set(), {NAMES[word]}) or (len(terms) > 1 and NAMES[word] in terms)
            read += terms == {NAMES[word]}
    assert asked > 700
    assert read / asked > 0.99


@pytest.mark.parametrize(
    ("said", "term"),
    [
        ("tumr", "tumour"),
        ("tumur", "tumour"),
        ("lession", "lesion"),
        ("leson", "lesion"),
        ("ventrcle", "ventricle"),
        ("ventricel", "ventricle"),
        ("hemorrage", "haemorrhage"),
        ("haemorrhge", "haemorrhage"),
        ("brian", "brain"),
        ("calcificaton", "calcification"),
    ],
)
def test_usual_slips_are_read_and_said(said, term):
    requests, unknown = parse(f"the {said}, please", TERMS)
    assert not unknown
    assert [(r.term.name, r.misspelt) for r in requests] == [(term, said)]


def test_what_may_be_two_terms_is_asked_and_a_wrong_first_letter_is_suggested(head):
    with pytest.raises(PromptError, match="may be 'hepatoma' or 'haematoma'"):
        parse("haepatoma", TERMS)
    with pytest.raises(PromptError, match="did you mean 'tumour'"):
        LexiconLocator().locate([head.make("PT")], "sumour")
