import numpy as np
import pytest

from napari_textdifuse import Volume
from napari_textdifuse.errors import PromptError
from napari_textdifuse.locate import term_names
from napari_textdifuse.locate.languages import NAMES, foreign_names
from napari_textdifuse.locate.prompt import normalise, parse, suggestions, vocabulary
from napari_textdifuse.locate.terms import Term
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
        ("please highlight the lesions in the scan", ["lesion"]),
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
        ("lesion, tumour, the tumor", ["lesion", "tumour"]),
        ("a stroke", ["infarct"]),
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
    meanings: dict[tuple[str, ...], set[str]] = {}
    for term in TERMS:
        for name in (term.name, *term.synonyms, *foreign_names(term.name)):
            meanings.setdefault(tuple(normalise(name)), set()).add(term.name)
    assert [words for words, terms in meanings.items() if len(terms) > 1] == []
    assert set(meanings) == set(vocabulary(TERMS))


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


@pytest.mark.parametrize(
    ("prompt", "expected", "written"),
    [
        ("tumro", "tumour", "tumro"),
        ("tumr", "tumour", "tumr"),
        ("lession", "lesion", "lession"),
        ("ventrcle", "ventricle", "ventrcle"),
        ("tumuor", "tumour", "tumuor"),
        ("the left ventricel", "ventricle", "ventricel"),
        ("calcificatoins", "calcification", "calcificatoin"),
        ("haemorrage", "haemorrhage", "haemorrage"),
        ("hemorrage", "haemorrhage", "hemorrage"),
        ("bnoe", "bone", "bnoe"),
        ("Schadle", "bone", "schadle"),
    ],
)
def test_a_clear_typo_is_read_and_remembered(prompt, expected, written):
    requests, unknown = parse(prompt, TERMS)
    assert [r.term.name for r in requests] == [expected]
    assert requests[0].misspelt == written
    assert not unknown


REAL = (
    "fetal clamp cloth plot liver cerebellum aorta grain drain vain fiver lymph nerve kidney "
    "bladder tissue heart spleen thyroid prostate lipoma tendon muscle skin"
)


@pytest.mark.parametrize("word", REAL.split())
def test_real_words_are_not_corrected(word):
    requests, unknown = parse(word, TERMS)
    assert requests == []
    assert len(unknown) == 1


def test_a_typo_of_two_terms_is_an_error_that_names_both():
    terms = [Term("metal", (), ()), Term("medal", (), ())]
    with pytest.raises(PromptError, match="'mebal' may be 'metal' or 'medal'"):
        parse("mebal", terms)


def test_a_typo_next_to_a_known_word_stays_unused():
    requests, _ = parse("big tumour of the ventricel", TERMS)
    assert [r.term.name for r in requests] == ["tumour"]
    assert requests[0].misspelt is None


def test_suggestions():
    assert suggestions("tumuor", TERMS)[0] == "tumour"
    assert suggestions("big ventricel", TERMS)[0] in ("ventricle", "ventrikel")
    assert suggestions("qqqq", TERMS) == []


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("Bitte den Tumor hervorheben", ["tumour"]),
        ("Läsionen und Gefäße", ["lesion", "vessel"]),
        ("LASION", ["lesion"]),
        ("Schädel sowie Ventrikel", ["bone", "ventricle"]),
        ("weiße Substanz", ["white matter"]),
        ("Fußgänger, Autos", ["person", "car"]),
        ("montrez la tumeur et le crâne", ["tumour", "bone"]),
        ("l'os", ["bone"]),
        ("d'une lésion", ["lesion"]),
        ("déficit de perfusion", ["perfusion deficit"]),
        ("les piétons ou les voitures", ["person", "car"]),
        ("destaca el tumor y los ventrículos", ["tumour", "ventricle"]),
        ("peatones y coches", ["person", "car"]),
        ("请突出显示肿瘤", ["tumour"]),
        ("脑肿瘤和颅骨", ["tumour", "bone"]),
        ("行人、汽车", ["person", "car"]),
        ("脑室", ["ventricle"]),
    ],
)
def test_other_languages(prompt, expected):
    assert names(prompt) == expected


@pytest.mark.parametrize(
    "prompt", ["linker Tumor", "tumeur gauche", "tumor izquierdo", "左侧肿瘤", "left tumour"]
)
def test_sides_in_other_languages(prompt):
    requests, _ = parse(prompt, TERMS)
    assert [(r.term.name, r.side, r.unused) for r in requests] == [("tumour", "left", ())]


@pytest.mark.parametrize("prompt", ["kein Tumor", "Knochen ohne Gefäße", "sans os", "没有肿瘤"])
def test_negations_in_other_languages(prompt):
    with pytest.raises(PromptError, match="only show what is named"):
        parse(prompt, TERMS)


@pytest.mark.parametrize("language", NAMES)
def test_every_foreign_name_finds_its_own_term(language):
    assert set(NAMES[language]) == {term.name for term in TERMS}
    for term, foreign in NAMES[language].items():
        for name in foreign:
            assert names(name) == [term], name
            assert names(name.upper()) == [term], name


def test_names_for_completion():
    everything = term_names()
    assert everything[0] == "tumour"
    assert {"skull", "Gefäße", "crâne", "hueso", "肿瘤"} <= set(everything)
    assert len(everything) == len(set(everything))
    assert "Tumor" in term_names(language="de")
    assert "tumour" not in term_names(language="de")
    picture = Volume(np.ones((4, 4, 3), np.uint8), rgb=True, modality="VIS")
    assert "lamp" in term_names([picture], "en")
    assert "bone" not in term_names([picture], "en")
    with pytest.raises(PromptError, match="no names in 'la'"):
        term_names(language="la")
