import re

import numpy as np
import pytest
from scipy import ndimage

from napari_textdifuse.errors import InputError, PromptError
from napari_textdifuse.locate import (
    Detections,
    LexiconLocator,
    Location,
    Locator,
    get_locator,
    known_terms,
)
from napari_textdifuse.locate.vocabulary import TERMS
from napari_textdifuse.volume import Volume

LOCATOR = LexiconLocator()


@pytest.fixture(scope="module")
def pet(head):
    return head.make("PT")


@pytest.fixture(scope="module")
def mri(head):
    return head.make("MR")


def test_it_is_a_locator_found_by_name():
    assert isinstance(LOCATOR, Locator)
    assert isinstance(get_locator("lexicon"), LexiconLocator)
    with pytest.raises(InputError, match=r"'sam'.*'lexicon'"):
        get_locator("sam")


def test_boxes_masks_and_labels_agree(pet, mri):
    location = LOCATOR.locate([mri, pet], "ventricle, tumour")
    assert isinstance(location, Location)
    assert location.mask.dtype == np.uint8
    assert location.mask.shape == pet.shape
    found = location.detections
    assert isinstance(found, Detections)
    assert found.boxes.dtype == np.float32
    assert found.boxes.shape == (len(found), 6)
    assert location.names == {1: "ventricle", 2: "tumour"}
    assert ((found.scores >= 0) & (found.scores <= 1)).all()
    row = found.labels.index("tumour")
    assert found.label_values[row] == 2
    assert found.sources[row] == "PT"
    where = np.nonzero(location.mask == 2)[::-1]  # x, y, z
    edges = [w.min() for w in where] + [w.max() + 1 for w in where]
    assert found.boxes[row].tolist() == edges


def test_a_two_dimensional_box_has_exclusive_upper_edges():
    hu = np.full((40, 50), 40.0)
    hu[10:20, 30:34] = 1000
    location = LOCATOR.locate([Volume(hu, unit="HU", modality="CT")], "bone")
    assert location.detections.boxes.tolist() == [[30, 10, 34, 20]]
    assert location.detections.scores[0] > 0.9


def test_the_smaller_of_two_overlapping_objects_is_on_top(head):
    images = [head.make("MR"), head.make("PT")]
    for prompt, tumour in (("brain, tumour", 2), ("tumour, brain", 1)):
        location = LOCATOR.locate(images, prompt)
        assert (location.mask[head.lesion] == tumour).mean() > 0.7


def test_notes_name_the_rule_and_its_source(pet):
    location = LOCATOR.locate([pet], "hyper-metabolic lesion")
    notes = " ".join(location.notes)
    assert "'hypermetabolic lesion' was read as 'tumour'" in notes
    assert "41 %" in notes
    assert "Boellaard et al. 2015" in notes


def test_unknown_term_is_an_error_that_helps(pet, mri):
    with pytest.raises(PromptError) as error:
        LOCATOR.locate([pet, mri], "tumuoor")
    message = str(error.value)
    assert "'tumuoor'" in message
    assert "did you mean 'tumour'" in message
    assert "ventricle" in message
    assert "person" not in message.split("terms for these images are")[1]  # not for these images
    assert "mask=" in message
    assert "boxes=" in message
    assert "\n" not in message


def test_a_typo_is_told(pet, mri):
    location = LOCATOR.locate([pet, mri], "tumuor")
    assert location.names == {1: "tumour"}
    assert "'tumuor' was read as 'tumour', assuming a misspelling." in location.notes


def test_one_unknown_term_spoils_the_prompt(pet):
    with pytest.raises(PromptError, match="'zebra'"):
        LOCATOR.locate([pet], "tumour and zebra")


def test_a_term_without_its_image_is_an_error(pet, mri):
    with pytest.raises(PromptError, match=r"'bone' needs a CT in HU, .*PET in SUVbw and MRI;"):
        LOCATOR.locate([pet, mri], "bone")
    with pytest.raises(PromptError, match="'person' needs an infrared image"):
        LOCATOR.locate([pet, mri], "person")
    with pytest.raises(PromptError, match=r"unknown modality.*set the images' modality"):
        LOCATOR.locate([Volume(np.eye(30)), Volume(np.eye(30))], "skull")


def test_bad_input_is_named():
    with pytest.raises(PromptError, match="must be text, not int"):
        LOCATOR.locate([Volume(np.eye(8))], 3)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="8 x 8 and 9 x 9"):
        LOCATOR.locate([Volume(np.eye(8)), Volume(np.eye(9))], "tumour")
    with pytest.raises(InputError, match="at least one image"):
        LOCATOR.locate([], "tumour")


@pytest.mark.parametrize("modality", ["CT", "MR", "PT", "NM", "IR", "VIS", None])
@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (3, 3), (5, 40), (2, 6, 6)])
def test_odd_images_never_crash(modality, shape):
    rng = np.random.default_rng(0)
    unit = {"CT": "HU", "PT": "SUVbw"}.get(modality, "a.u.")
    noise = rng.normal(0, 300, shape)
    broken = noise.copy()
    broken.flat[0] = np.nan
    for array in (noise, broken, np.zeros(shape), np.full(shape, np.inf), noise > 0):
        image = Volume(array, unit=unit, modality=modality)
        for term in sorted({known.term for known in LOCATOR.known_terms([image])}):
            location = LOCATOR.locate([image], term)
            assert location.mask.shape == shape
            assert location.notes


def test_left_and_right_are_the_patients(head):
    # a second lesion, mirrored; x index grows towards the patient's left
    pet = head.make("PT")
    both = pet.with_array(np.maximum(pet.array, np.where(head.lesion, pet.array, 0)[..., ::-1]))
    every = LOCATOR.locate([both], "lesion")
    assert len(every.detections) == 2
    columns = {
        side: np.nonzero(LOCATOR.locate([both], f"the {side} lesion").mask)[2].mean()
        for side in ("left", "right")
    }
    assert columns["left"] > 46 > columns["right"]
    flipped = Volume(
        both.array[..., ::-1].copy(),
        affine=both.affine @ [[-1, 0, 0, 91], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]],
        unit="SUVbw",
        modality="PT",
    )
    assert np.nonzero(LOCATOR.locate([flipped], "left lesion").mask)[2].mean() < 46
    unplaced = Volume(both.array, unit="SUVbw", modality="PT")
    location = LOCATOR.locate([unplaced], "left lesion")
    assert any("'left' in the prompt had no effect" in note for note in location.notes)
    assert len(location.detections) == 2


def blob(shape=(96, 96), at=(40, 60), radius=8):
    y, x = np.indices(shape)
    return (y - at[0]) ** 2 + (x - at[1]) ** 2 < radius**2


def head_picture():
    y, x = np.indices((96, 96))
    return np.where(((y - 48) / 40) ** 2 + ((x - 48) / 34) ** 2 < 1, 90.0, 0.0)


@pytest.mark.parametrize("prompt", ["tumour", "lesion", "stroke", "haemorrhage", "hot spot"])
def test_a_finding_in_images_of_which_nothing_is_known_is_refused(prompt):
    functional = ndimage.gaussian_filter(np.where(blob(), 220.0, head_picture()), 2)
    rgb = np.stack([functional, functional * 0.6, functional * 0.1], -1).astype(np.uint8)
    for other in (Volume(functional), Volume(rgb, rgb=True)):
        with pytest.raises(PromptError, match=r"is a finding.*state the modality") as refused:
            LOCATOR.locate([Volume(head_picture()), other], prompt)
        kinds = {"stroke": "MR", "haemorrhage": "CT"}
        # what is proposed is what the term needs
        assert re.search(rf"'b': '{kinds.get(prompt, 'PT')}'", str(refused.value))


def test_a_grey_image_is_never_taken_for_a_pet():
    functional = ndimage.gaussian_filter(np.where(blob(), 220.0, head_picture()), 2)
    with pytest.raises(PromptError, match="'tumour' needs a PET"):
        LOCATOR.locate([Volume(head_picture(), modality="MR"), Volume(functional)], "tumour")


def test_false_colour_next_to_an_mri_is_used_with_a_warning(dice):
    lesion = blob()
    functional = ndimage.gaussian_filter(np.where(lesion, 220.0, head_picture()), 2)
    rgb = np.stack([functional, functional * 0.6, functional * 0.1], -1).astype(np.uint8)
    mri = Volume(head_picture(), modality="MR")
    location = LOCATOR.locate([mri, Volume(rgb, rgb=True, name="B")], "tumour")
    assert dice(location.mask, lesion) > 0.7
    assert set(location.detections.sources) == {"B"}
    assert any("uncalibrated" in note for note in location.notes)


def test_a_rainbow_image_is_ranked_by_hue(dice):
    from skimage.color import hsv2rgb

    lesion = blob()
    level = ndimage.gaussian_filter(np.where(lesion, 1.0, head_picture() / 90 * 0.35), 2)
    hue = 0.66 * (1 - level)  # blue to red
    rgb = hsv2rgb(np.stack([hue, np.ones_like(hue), np.clip(level * 6, 0, 1)], -1))
    mri = Volume(head_picture(), modality="MR")
    picture = Volume((rgb * 255).astype(np.uint8), rgb=True)
    assert dice(LOCATOR.locate([mri, picture], "tumour").mask, lesion) > 0.7


def test_findings_are_candidates_with_a_reason_and_structures_are_not(head):
    location = LOCATOR.locate([head.make("MR"), head.make("PT")], "tumour, ventricle")
    rows = location.detections
    kinds = dict(zip(rows.labels, rows.kinds, strict=True))
    assert kinds == {"tumour": "candidate", "ventricle": "structure"}
    assert len(rows.reasons) == len(rows)
    assert "mL, mean" in rows.reasons[rows.labels.index("tumour")]
    notes = " ".join(location.notes)
    assert "tumour: 1 candidate in PT, to be accepted or rejected" in notes
    assert "tumour: found" not in notes


def test_an_implausible_structure_is_not_marked(head):
    # three times as wide: the brain has 27 times its volume
    mri = head.make("MR")
    affine = mri.affine @ np.diag([3.0, 3.0, 3.0, 1.0])
    location = LOCATOR.locate([mri.with_array(mri.array, affine=affine)], "white matter")
    assert not location.mask.any()
    assert any("mL, where 200 to 950 mL are plausible" in note for note in location.notes)


@pytest.mark.parametrize("channels", [1, 3])
def test_grey_next_to_colour_is_taken_as_infrared(channels):
    rng = np.random.default_rng(0)
    warm = rng.normal(50, 4, (120, 160))
    warm[40:90, 70:86] = 200
    grey = np.clip(warm, 0, 255).astype(np.uint8)
    infrared = Volume(np.stack([grey] * 3, -1), rgb=True) if channels == 3 else Volume(grey)
    colour = Volume(rng.integers(0, 255, (120, 160, 3), dtype=np.uint8), rgb=True, name="scene")
    location = LOCATOR.locate([colour, infrared], "person")
    assert (location.mask[40:90, 70:86] == 1).mean() > 0.9
    assert any("assumed to be an infrared image" in note for note in location.notes)
    with pytest.raises(PromptError, match="'person' needs an infrared image"):
        LOCATOR.locate([colour], "person")


def test_what_is_known_depends_on_the_images(pet):
    everything = known_terms()
    assert {k.term for k in everything} == {t.name for t in TERMS}
    assert {k.term for k in known_terms([pet])} == {"tumour", "lesion", "hot spot"}
    for known in everything:
        assert re.search(r"\b(19|20)\d\d\b", known.source), known.term  # a dated publication
        assert known.rule
        assert known.modality


def test_inputs_are_left_as_they_were(pet):
    before = pet.array.copy()
    LOCATOR.locate([pet], "tumour")
    np.testing.assert_array_equal(pet.array, before)
