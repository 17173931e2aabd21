"""Spelling: as forgiving with consonants as with vowels, for every word of the lexicon."""

from collections.abc import Iterator
from itertools import islice

import pytest

from napari_textdifuse.errors import PromptError
from napari_textdifuse.locate import LexiconLocator
from napari_textdifuse.locate.languages import OTHER_WORDS
from napari_textdifuse.locate.prompt import normalise, parse, vocabulary
from napari_textdifuse.locate.typos import nearest
from napari_textdifuse.locate.vocabulary import TERMS

VOWELS = "aeiou"
NAMES = {" ".join(name): term.name for name, term in vocabulary(TERMS).items()}
#: In all languages but Chinese, where a slip is another word.
WORDS = sorted(name for name in NAMES if name.isascii() and name.isalpha() and len(name) >= 5)
PHRASES = sorted(name for name in NAMES if name.isascii() and " " in name)


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
            if slip in NAMES or slip in OTHER_WORDS:  # "hematoma" is a word itself
                continue
            asked += 1
            terms = {NAMES[name] for name in nearest(slip, NAMES)}
            # several terms are a question to the user, one other term would be a wrong mark
            assert terms in (set(), {NAMES[word]}) or (len(terms) > 1 and NAMES[word] in terms)
            read += terms == {NAMES[word]}
    assert asked > 4000
    assert read / asked > 0.99


@pytest.mark.parametrize("vowels", [True, False], ids=["vowels", "consonants"])
def test_slips_in_names_of_several_words_are_read(vowels):
    read = asked = 0
    for phrase in PHRASES:
        words = phrase.split()
        for i, word in enumerate(words):
            if len(word) < 6 or word in NAMES:
                continue
            for slip in islice(slips(word, vowels), 0, None, 5):
                if (
                    slip.endswith("s") or slip in NAMES or slip in OTHER_WORDS
                ):  # read as a plural first
                    continue
                said = " ".join([*words[:i], slip, *words[i + 1 :]])
                asked += 1
                requests, unknown = parse(said, TERMS)
                read += [r.term.name for r in requests] == [NAMES[phrase]] and not unknown
                assert all(r.misspelt == said for r in requests if r.phrase == phrase)
    assert asked > 300
    assert read / asked > 0.99


@pytest.mark.parametrize(
    ("said", "term"),
    [
        ("white mater", "white matter"),
        ("ischemc lesion", "infarct"),  # "lesion" alone is another term
        ("white mater lesions", "hyperintensity"),
        ("graue Subtanz", "grey matter"),
        ("substanse blanche", "white matter"),
        ("déficit de perfussion", "perfusion deficit"),
        ("sustancia blnca", "white matter"),
        ("the left white mattter, please", "white matter"),
    ],
)
def test_a_slip_in_one_of_several_words(said, term):
    requests, unknown = parse(said, TERMS)
    assert [r.term.name for r in requests] == [term]
    assert not unknown
    assert requests[0].misspelt


@pytest.mark.parametrize("said", ["bone lesion", "brain lesion", "left lesion", "water lesion"])
def test_words_that_are_known_are_not_slips(said):
    requests, _ = parse(said, TERMS)
    assert [(r.term.name, r.misspelt) for r in requests] == [("lesion", None)]


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
        ("tumro", "tumour"),
        ("haemorage", "haemorrhage"),
        ("hemmorhage", "haemorrhage"),
        ("brian", "brain"),
        ("Tumro", "tumour"),
        ("Blutnug", "haemorrhage"),
        ("Schädell", "bone"),
        ("tumuer", "tumour"),
        ("tumeurr", "tumour"),
        ("hémoragie", "haemorrhage"),
        ("lésoin", "lesion"),
        ("hemoragia", "haemorrhage"),
        ("lessión", "lesion"),
        ("tumorr", "tumour"),
        ("calcificaton", "calcification"),
    ],
)
def test_usual_slips_are_read_and_said(said, term):
    requests, unknown = parse(f"the {said}, please", TERMS)
    assert not unknown
    assert [(r.term.name, r.misspelt) for r in requests] == [(term, normalise(said)[0])]


def test_what_may_be_two_terms_is_asked_and_a_wrong_first_letter_is_suggested(head):
    with pytest.raises(PromptError, match="may be 'hepatoma' or 'haematoma'"):
        parse("haepatoma", TERMS)
    with pytest.raises(PromptError, match="did you mean 'tumour'"):
        LexiconLocator().locate([head.make("PT")], "sumour")


ENGLISH = ["infection", "mental", "medal", "lesson", "phase", "track", "trunk", "bode", "humour"]
OTHERS = [
    "Schaden",
    "kochen",
    "Länge",
    "vésicule",
    "couche",
    "personnel",
    "camino",
    "clasificación",
]


@pytest.mark.parametrize("said", ENGLISH + OTHERS)
def test_another_word_is_no_misspelling(said):
    """What is alike is only suggested."""
    requests, unknown = parse(said, TERMS)
    assert not requests
    assert unknown


def test_other_words_are_in_normal_form_and_are_no_names():
    assert all(normalise(word) == [word] for word in OTHER_WORDS)
    assert not OTHER_WORDS & NAMES.keys()
    assert not OTHER_WORDS & {word for name in NAMES for word in name.split()}
