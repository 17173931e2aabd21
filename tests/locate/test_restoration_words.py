"""Restoration in words: what is taken out of a prompt, and what is left alone."""

from __future__ import annotations

import pytest

from napari_textdifuse.errors import PromptError
from napari_textdifuse.locate import term_names
from napari_textdifuse.locate.restoration import KINDS, read_wishes
from napari_textdifuse.locate.restoration_words import EXAMPLES
from napari_textdifuse.samples import SAMPLES

ALL, NONE = dict.fromkeys(KINDS, 1.0), dict.fromkeys(KINDS, 0.0)


@pytest.mark.parametrize(
    ("prompt", "strengths", "objects"),
    [
        ("denoise", {"noise": 1}, None),
        ("Please denoise the image.", {"noise": 1}, None),
        ("tumour, keep the light", {"light": 0}, "tumour"),
        ("keep the light, tumour", {"light": 0}, "tumour"),
        ("tumour, keep the light, bone", {"light": 0}, "tumour, bone"),
        (
            "show the tumour but keep the light and denoise",
            {"light": 0, "noise": 1},
            "show the tumour",
        ),
        ("denoise the image then show the person", {"noise": 1}, "show the person"),
        ("find the person and keep it dark", {"light": 0}, "find the person"),
        ("person with noise reduction", {"noise": 1}, "person"),
        ("person without noise", {"noise": 1}, "person"),
        ("the light kept, car", {"light": 0}, "car"),
        ("keep the light, noise removed", {"light": 0, "noise": 1}, None),
        ("remove the noise, haze and colour cast from the image", ALL, None),
        ("keep the original colors", {"colour": 0}, None),
        ("leave the light as it is", {"light": 0}, None),
        ("low light enhancement", {"light": 1}, None),
        ("restore the colours", {"colour": 1}, None),
        ("restore the image", ALL, None),
        ("do not restore", NONE, None),
        ("change nothing, person", NONE, "person"),
        ("leave the image as it is", NONE, None),
        ("sharpen the picture of the tumour", {"noise": 1}, "tumour"),
        ("highlight the street light, denoise", {"noise": 1}, "highlight the street light"),
    ],
)
def test_english(prompt, strengths, objects):
    wishes = read_wishes(prompt)
    assert wishes.strengths == strengths
    assert wishes.objects == objects


@pytest.mark.parametrize(
    ("prompt", "strengths"),
    [
        ("do not denoise", {"noise": 0}),
        ("please don’t brighten the picture", {"light": 0}),
        ("do not denoise or brighten", {"noise": 0, "light": 0}),
        ("do not denoise, brighten", {"noise": 0, "light": 1}),
        ("without denoising", {"noise": 0}),
        ("do not keep the noise", {"noise": 1}),
        ("do not remove the noise", {"noise": 0}),
        ("never change the brightness", {"light": 0}),
        ("nicht entrauschen", {"noise": 0}),
        ("Rauschen nicht entfernen", {"noise": 0}),
        ("Licht nicht verändern und nicht entrauschen", {"light": 0, "noise": 0}),
        ("ne pas débruiter", {"noise": 0}),
        ("ne change pas la lumière", {"light": 0}),
        ("no quitar el ruido", {"noise": 0}),
        ("sin aclarar", {"light": 0}),
        ("不要去噪", {"noise": 0}),
        ("不要改变颜色", {"colour": 0}),
    ],
)
def test_negation(prompt, strengths):
    assert read_wishes(prompt).strengths == strengths
    assert read_wishes(prompt).objects is None


@pytest.mark.parametrize(
    ("prompt", "strengths", "objects"),
    [
        ("Tumor, Licht beibehalten", {"light": 0}, "Tumor"),
        ("Farben und Licht behalten", {"colour": 0, "light": 0}, None),
        ("Behalte die Farben und entferne das Rauschen, Tumor", {"colour": 0, "noise": 1}, "Tumor"),
        ("garder la lumière, tumeur", {"light": 0}, "tumeur"),
        ("éclaircis l'image", {"light": 1}, None),
        ("tumeur sans bruit", {"noise": 1}, "tumeur"),
        ("tumor, mantener la luz", {"light": 0}, "tumor"),
        ("肿瘤，保持亮度", {"light": 0}, "肿瘤"),
        ("显示肿瘤并去噪", {"noise": 1}, "显示肿瘤"),
        ("保留颜色和亮度", {"colour": 0, "light": 0}, None),
    ],
)
def test_other_languages(prompt, strengths, objects):
    wishes = read_wishes(prompt)
    assert wishes.strengths == strengths
    assert wishes.objects == objects


@pytest.mark.parametrize("language", EXAMPLES)
def test_the_phrases_offered_mean_the_same_in_every_language(language):
    meant = [
        {"noise": 1},
        {"noise": 0},
        {"light": 1},
        {"light": 0},
        {"light": 1},
        {"colour": 1},
        {"colour": 0},
        NONE,
    ]
    assert [read_wishes(phrase).strengths for phrase in EXAMPLES[language]] == meant


@pytest.mark.parametrize(
    "prompt",
    [
        "traffic light",
        "keep the traffic light",
        "keep the light source",
        "find the light",
        "light bulb, noise barrier",
        "remove the noise barrier",
        "keep light grey matter",
        "keep the contrast agent",
        "contrast-enhancing lesion",
        "keep the colour bar",
        "brighten the tumour",
        "make the tumour brighter",
        "enhance the bone",
        "the restored vessel",
        "keep the tumour as it is",
        "reduce the contrast",
        "no bone",
        "keep it",
        "",
        " , ",
    ],
)
def test_other_phrases_are_left_as_they_were_written(prompt):
    wishes = read_wishes(prompt)
    assert wishes.strengths == {}
    assert wishes.objects == prompt


def test_no_word_of_the_lexicon_is_taken_for_restoration():
    prompts = [sample.prompt for sample in SAMPLES.values()] + term_names()
    for name in prompts:
        for prompt in (name, f"please highlight the {name}", f"keep the {name}"):
            if prompt == "keep the light":  # of two meanings the page on restoration gives this one
                continue
            assert read_wishes(prompt).strengths == {}, prompt
        assert read_wishes(f"{name}, denoise").objects == name


@pytest.mark.parametrize(
    ("prompt", "words"),
    [
        ("denoise, keep the noise", "says both 'denoise' and 'keep the noise'"),
        ("do not denoise and brighten", "'not' includes 'brighten'"),
    ],
)
def test_what_can_mean_two_things_is_refused(prompt, words):
    with pytest.raises(PromptError, match=words):
        read_wishes(prompt)
