import pytest

from napari_textdifuse.errors import PromptError
from napari_textdifuse.locate.prompt import normalise, parse, suggestions, vocabulary
from napari_textdifuse.locate.vocabulary import TERMS


def names(prompt: str) -> list[str]:
    requests, unknown = parse(prompt, TERMS)
    assert not unknown
    return [request.term.name for request in requests]


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("tumour", ["tumour"]),
        ("Tumor", ["tumour"]),
        ("TUMORS.", ["tumour"]),
        ("metastases", ["tumour"]),
        ("the hyper-metabolic lesion", ["tumour"]),
        ("please highlight the lesions in the scan", ["tumour"]),
        ("brain tumour", ["tumour"]),
        ("tumour in the brain", ["tumour"]),
        ("bone metastases", ["tumour"]),
        ("skull and ventricles", ["bone", "ventricle"]),
        ("skull, ventricle; vessel", ["bone", "ventricle", "vessel"]),
        ("bone/fat & air + lung", ["bone", "fat", "air", "lung"]),
        ("person und car", ["person", "car"]),
        ("blood vessels", ["vessel"]),
        ("Gray matter", ["grey matter"]),
        ("grey-matter", ["grey matter"]),
        ("hemorrhage", ["haemorrhage"]),
        ("hematomas", ["haemorrhage"]),
        ("pedestrians, vehicles", ["person", "car"]),
        ("people", ["person"]),
        ("street lamps", ["lamp"]),
        ("ventricles of the brain", ["ventricle"]),
        ("lateral ventricles", ["ventricle"]),
        ("calcium", ["calcification"]),
        ("lesion, tumour, the tumor", ["tumour"]),
        ("perfusion defect", ["perfusion deficit"]),
        ("soft tissue", ["soft tissue"]),
    ],
)
def test_what_a_prompt_asks_for(prompt, expected):
    assert names(prompt) == expected


def test_every_name_and_synonym_finds_its_own_term():
    for term in TERMS:
        for name in (term.name, *term.synonyms):
            assert names(name) == [term.name], name
            assert names(name.upper() + " ") == [term.name], name


def test_no_word_stands_for_two_terms():
    words = [tuple(normalise(n)) for t in TERMS for n in (t.name, *t.synonyms)]
    assert len(words) == len(set(words)) == len(vocabulary(TERMS))


def test_side_and_unused_words_are_kept():
    requests, _ = parse("the large hyper-metabolic lesion on the left side", TERMS)
    assert requests[0].side == "left"
    assert requests[0].unused == ("large",)
    requests, _ = parse("left lesion, right lesion", TERMS)
    assert [r.side for r in requests] == ["left", "right"]


@pytest.mark.parametrize("prompt", ["", "   ", "please highlight the", ",;", "?!"])
def test_a_prompt_without_content_is_an_error(prompt):
    with pytest.raises(PromptError, match="names nothing"):
        parse(prompt, TERMS)


@pytest.mark.parametrize("prompt", ["no tumour", "bone without vessels", "everything except bone"])
def test_negations_are_refused(prompt):
    with pytest.raises(PromptError, match="only show what is named"):
        parse(prompt, TERMS)


def test_unknown_phrases_are_returned_not_dropped():
    requests, unknown = parse("tumour, the left kidney and a zebra", TERMS)
    assert [r.term.name for r in requests] == ["tumour"]
    assert unknown == ["kidney", "zebra"]


def test_typos_are_suggested_never_taken():
    requests, unknown = parse("tumuor", TERMS)
    assert requests == []
    assert unknown == ["tumuor"]
    assert suggestions("tumuor", TERMS)[0] == "tumour"
    assert suggestions("big ventricel", TERMS)[0] == "ventricle"
    assert suggestions("qqqq", TERMS) == []
