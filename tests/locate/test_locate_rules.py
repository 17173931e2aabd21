"""Rules against a made-up head and street whose truth is known."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from napari_textdifuse.locate import LexiconLocator
from napari_textdifuse.volume import Volume

LOCATOR = LexiconLocator()


def find(images, prompt):
    return LOCATOR.locate(images, prompt)


@pytest.mark.parametrize("diameter", [12, 18, 30])
@pytest.mark.parametrize("noise", [1, 2])
def test_pet_tumour_in_a_volume(sized_head, dice, diameter, noise):
    head = sized_head(diameter)
    location = find([head.make("PT", noise=noise, seed=diameter)], "tumour")
    assert dice(location.mask, head.lesion) > 0.85
    assert len(location.detections) == 1


@pytest.mark.parametrize("diameter", [12, 18, 30])
def test_pet_tumour_in_a_slice(sized_head, plane, dice, diameter):
    head = sized_head(diameter)
    location = find([plane(head.make("PT", seed=3), 43)], "tumour")
    assert dice(location.mask, head.lesion[43]) > 0.85


def test_pet_tumour_does_not_depend_on_the_unit(head, dice):
    pet = head.make("PT")
    raw = pet.with_array(pet.array * 3217.0, unit="Bq/mL")
    assert dice(find([raw], "tumour").mask, head.lesion) > 0.85


def test_a_lesion_between_cortex_and_white_matter(dice):
    """Each side of the outline is adapted to what is there: one background for both moves it."""
    z, y, x = 2.0 * np.indices((44, 60, 60))
    head = (z - 44) ** 2 + (y - 60) ** 2 + (x - 60) ** 2 < 40**2
    ball = (z - 44) ** 2 + (y - 60) ** 2 + (x - 60) ** 2 < 9**2
    uptake = np.where(ball, 14.0, np.where(x < 60, 7.0, 2.1)) * head
    seen = ndimage.gaussian_filter(uptake, 5.5 / 2.355 / 2).astype(np.float32)
    affine = np.diag([2.0, 2, 2, 1])
    found = find([Volume(seen, affine, unit="SUVbw", modality="PT")], "tumour").mask > 0
    assert dice(found, ball) > 0.9
    sides = [(found & side).sum() / (ball & side).sum() for side in (x < 60, x > 60)]
    assert sides == pytest.approx([1, 1], abs=0.2)


def test_amino_acid_pet_over_a_flat_brain(head, dice):
    uptake = np.where(head.grey | head.white | head.ventricle, 1.2, 0.4) * ~head.air
    uptake[head.lesion] = 4.0
    uptake = ndimage.gaussian_filter(uptake, 1.2).astype(np.float32)
    pet = head.make("PT").with_array(uptake)
    assert dice(find([pet], "tumour").mask, head.lesion) > 0.85


def test_a_healthy_brain_has_no_tumour(head, plane):
    pet = head.make("PT", lesion=2.2)
    for images in ([pet], *([plane(pet, k)] for k in range(10, 60, 5))):
        location = find(images, "tumour")
        assert not location.mask.any()
        assert location.names == {1: "tumour"}
        assert len(location.detections) == 0
        assert any("tumour: not found (" in note for note in location.notes)


def test_body_scan_uses_suv_4_and_41_percent(dice):
    z, y, x = (np.arange(n)[(...,) + (None,) * k] * 5.0 for n, k in ((120, 2), (60, 1), (80, 0)))
    body = (((y - 150) / 110) ** 2 + ((x - 200) / 160) ** 2 < 1) & (z >= 0)
    lesion = (z - 300) ** 2 + (y - 150) ** 2 + (x - 150) ** 2 < 25**2
    array = ndimage.gaussian_filter(np.where(lesion, 12.0, np.where(body, 1.5, 0)), 0.5)
    pet = Volume(
        array.astype(np.float32), affine=np.diag([5.0, 5, 5, 1]), unit="SUVbw", modality="PT"
    )
    location = find([pet], "metastasis")
    assert dice(location.mask, lesion) > 0.9
    assert any("SUV above 4" in note for note in location.notes)


@pytest.mark.parametrize(
    ("modality", "prompt", "truth", "least"),
    [
        ("CT", "skull", "skull", 0.9),
        ("CT", "ventricle", "ventricle", 0.85),
        ("CT", "vessel", "vessel", 0.75),
        ("CT", "brain", "brain", 0.9),
        ("MR", "ventricle", "ventricle", 0.85),
        ("MR", "brain", "brain", 0.9),
        ("MR", "grey matter", "grey", 0.85),
        ("MR", "white matter", "white", 0.9),
        ("NM", "tumour", "lesion", 0.75),
    ],
)
def test_anatomy_in_a_volume(head, dice, modality, prompt, truth, least):
    wanted = head.grey | head.white | head.lesion if truth == "brain" else getattr(head, truth)
    assert dice(find([head.make(modality)], prompt).mask, wanted) > least


@pytest.mark.parametrize(
    ("modality", "prompt", "truth", "index"),
    [
        ("CT", "skull", "skull", 30),
        ("CT", "ventricle", "ventricle", 43),
        ("CT", "vessel", "vessel", 26),
        ("MR", "ventricle", "ventricle", 43),
    ],
)
def test_anatomy_in_a_slice(head, plane, dice, modality, prompt, truth, index):
    location = find([plane(head.make(modality), index)], prompt)
    assert dice(location.mask, getattr(head, truth)[index]) > 0.8


def test_haemorrhage_only_where_there_is_blood(head, dice):
    assert dice(find([head.make("CT", lesion=68)], "haemorrhage").mask, head.lesion) > 0.75
    assert not find([head.make("CT")], "haemorrhage").mask.any()


def test_perfusion_deficit_only_where_it_is(head, dice):
    # a symmetric brain, so that the two sides can be compared
    left = head.make("NM", noise=0, lesion=35).array
    symmetric = np.maximum(left, left[..., ::-1])
    spect = head.make("NM").with_array(symmetric)
    assert not find([spect], "perfusion deficit").mask.any()
    z, y, x = np.indices(symmetric.shape)
    gone = (z - 40) ** 2 + (y - 40) ** 2 + (x - 66) ** 2 < 7**2
    lowered = spect.with_array(
        symmetric * (1 - 0.8 * ndimage.gaussian_filter(gone.astype(np.float32), 1.5))
    )
    found = find([lowered], "hypoperfusion").mask
    assert (found > 0)[gone].mean() > 0.5
    assert (found > 0)[..., :46].sum() == 0


def test_plain_hu_ranges():
    hu = np.full((80, 80), 40, np.int16)
    hu[5:25, 5:25] = -1000
    hu[5:25, 45:65] = -100
    hu[45:65, 5:25] = 1200
    hu[45:65, 45:65] = 3000
    ct = Volume(hu, affine=np.eye(4), unit="HU", modality="CT")
    for prompt, box in {
        "air": np.s_[5:25, 5:25],
        "fat": np.s_[5:25, 45:65],
        "bone": np.s_[45:65, 5:25],
        "metal": np.s_[45:65, 45:65],
    }.items():
        found = find([ct], prompt).mask > 0
        assert found[box].mean() > 0.9, prompt
        found[box] = False
        assert found.mean() < 0.01, prompt


@pytest.mark.parametrize("noise", [1.0, 1.6])
@pytest.mark.parametrize(
    ("contrast", "prompt", "truth"),
    [
        ("T2", "ventricle", "ventricle"),
        ("T2", "brain", "brain"),
        ("FLAIR", "ventricle", "ventricle"),
        ("FLAIR", "brain", "brain"),
        ("FLAIR", "white matter lesion", "lesion"),
    ],
)
def test_t2_and_flair(head, plane, dice, contrast, prompt, truth, noise):
    wanted = head.grey | head.white | head.lesion if truth == "brain" else getattr(head, truth)
    image = head.make(contrast, noise=noise)
    assert dice(find([image], prompt).mask, wanted) > 0.9
    assert dice(find([plane(image, 43)], prompt).mask, wanted[43]) > 0.9


@pytest.mark.parametrize("contrast", ["T2", "FLAIR"])
@pytest.mark.parametrize(("prompt", "truth"), [("white matter", "white"), ("grey matter", "grey")])
def test_tissues_follow_the_contrast(head, dice, contrast, prompt, truth):
    assert dice(find([head.make(contrast)], prompt).mask, getattr(head, truth)) > 0.8


def test_hyperintensity_only_on_flair_and_only_where_it_is(head):
    for contrast in ("MR", "T2"):
        location = find([head.make(contrast)], "hyperintensity")
        assert not location.mask.any()
        assert any("for FLAIR" in note for note in location.notes)
    healthy = head.make("FLAIR", lesion=400)
    assert not find([healthy], "hyperintensity").mask.any()


def test_blurred_ventricles_on_t2_end_half_way_to_pure_fluid(head):
    """In an average of heads the ventricles' edge is wide; fluid around the brain is still pure."""
    t2 = head.make("T2", lesion=380)
    near = ndimage.binary_dilation(head.ventricle, iterations=6)
    wide = ndimage.gaussian_filter(np.where(head.ventricle, np.float32(1100), np.float32(380)), 1.5)
    blurred = t2.with_array(np.where(near & (head.white | head.ventricle), wide, t2.array))
    mask = find([blurred], "ventricle").mask > 0
    true = near & (wide > 740)  # half fluid
    assert 2 * (mask & true).sum() > 0.82 * (mask.sum() + true.sum())


@pytest.mark.parametrize("contrast", ["T2", "FLAIR"])
def test_a_stroke_is_a_candidate_on_the_side_where_it_is(head, dice, contrast):
    location = find([head.make(contrast)], "stroke")
    assert dice(location.mask, head.lesion) > 0.7
    assert set(location.detections.kinds) == {"candidate"}
    assert set(location.detections.labels) == {"infarct"}


def test_a_stated_contrast_wins_over_the_values(head):
    flair = head.make("FLAIR")
    named = Volume(flair.array, affine=flair.affine, modality="MR", name="sub-01_T1w")
    location = find([named], "hyperintensity")
    assert not location.mask.any()
    stated = find([named], "brain")
    assert any("T1 contrast by its name" in note for note in stated.notes)
    tissue = replace(named, name="GM_T1")
    assert not any("by its name" in note for note in find([tissue], "brain").notes)
    unnamed = find([flair], "brain")
    assert any("not stated; it was assumed to be FLAIR-weighted" in note for note in unnamed.notes)


@pytest.mark.parametrize(
    ("contrast", "prompt", "words"),
    [
        ("FLAIR", "white matter lesion", "assumed to be FLAIR"),
        ("FLAIR", "brain", "assumed to be T1-weighted or FLAIR"),
        ("T2", "brain", "assumed to be T2-weighted"),
        ("T2", "ventricle", "assumed to be T2-weighted"),
        ("MR", "white matter", "assumed to be T1-weighted"),
    ],
)
def test_what_a_slice_of_unknown_contrast_was_taken_for(head, contrast, prompt, words):
    whole = head.make(contrast)
    picture = Volume(whole.array[43], affine=whole.affine, modality="MR")
    notes = find([picture], prompt).notes
    (note,) = [n for n in notes if "its contrast is not stated" in n]
    assert words in note
    assert note.endswith("state it if that is wrong.")
    stated = replace(picture, contrast={"MR": "T1"}.get(contrast, contrast))
    assert not any("its contrast is not stated" in n for n in find([stated], prompt).notes)


def test_spongy_bone_is_not_a_vessel(head):
    ct = head.make("CT")
    plain = ct.array.copy()
    plain[ndimage.binary_dilation(head.vessel, iterations=2) & (plain > 60) & ~head.skull] = 40
    inner = ndimage.binary_erosion(head.skull, iterations=1)
    plain[inner] = 220
    location = find([ct.with_array(plain)], "vessel")
    assert not location.mask.any()


def test_with_contrast_agent_a_spongy_skull_is_no_vessel(head, dice):
    """In an average, or with thick slices, the whole skull is no denser than enhanced vessels."""
    ct = head.make("CT", lesion=30)
    spongy = ct.with_array(np.where(head.skull & (ct.array > 300), 0.4 * ct.array, ct.array))
    mask = find([spongy], "vessel").mask > 0
    assert dice(mask, head.vessel) > 0.7
    assert (mask & head.skull).sum() < 0.1 * mask.sum()


def test_dense_contrast_agent_is_no_calcification(head):
    """Vessels reach 500 HU in angiography, where calcium must be denser than they are."""
    ct = head.make("CT", lesion=30)
    tube = np.zeros(ct.shape, bool)
    tube[44:46, 70:72, 36:50] = True  # 28 mm long and 4 mm wide
    dense = ct.with_array(np.where(tube, np.float32(480), ct.array))
    assert not find([dense], "calcification").mask.any()
    z, y, x = np.indices(ct.shape)
    spot = (z - 40) ** 2 + (y - 40) ** 2 + (x - 60) ** 2 < 3**2
    calcium = ct.with_array(np.where(spot, np.float32(800), dense.array))
    mask = find([calcium], "calcification").mask > 0
    assert 2 * (mask & spot).sum() > 0.8 * (mask.sum() + spot.sum())


def test_body_scan_in_becquerel_goes_by_the_bodys_mean(dice):
    z, y, x = (np.arange(n)[(...,) + (None,) * k] * 5.0 for n, k in ((120, 2), (60, 1), (80, 0)))
    body = (((y - 150) / 110) ** 2 + ((x - 200) / 160) ** 2 < 1) & (z >= 0)
    lesion = (z - 300) ** 2 + (y - 150) ** 2 + (x - 150) ** 2 < 25**2
    array = ndimage.gaussian_filter(np.where(lesion, 12.0, np.where(body, 1.5, 0)), 0.5) * 4321
    pet = Volume(
        array.astype(np.float32), affine=np.diag([5.0, 5, 5, 1]), unit="Bq/mL", modality="PT"
    )
    location = find([pet], "metastasis")
    assert dice(location.mask, lesion) > 0.9
    assert any("mean of the body in view" in note for note in location.notes)


def street(seed=0, noise=6.0):
    """Grey infrared with two persons and a car; coordinates are the test's truth."""
    y, x = np.mgrid[:240, :320]
    person = np.zeros((240, 320), bool)
    for cy, cx, size in ((140, 60, 1.0), (150, 270, 1.4)):
        person |= ((y - cy) / (24 * size)) ** 2 + ((x - cx) / (7 * size)) ** 2 < 1
        person |= (y - cy + 28 * size) ** 2 + (x - cx) ** 2 < (6 * size) ** 2
    car = (np.abs(y - 170) < 14) & (np.abs(x - 165) < 30)
    scene = 40 + 0.15 * y
    scene[:60] = 10
    scene[:100, 100:200] += 25  # a building, warmer than the rest
    scene = np.where(person | car, 190.0, scene)
    scene = ndimage.gaussian_filter(scene, 1) + np.random.default_rng(seed).normal(
        0, noise, scene.shape
    )
    return np.clip(scene, 0, 255).astype(np.uint8), person, car


@pytest.mark.parametrize("noise", [6, 18])
def test_people_and_cars_in_infrared(dice, noise):
    grey, person, car = street(noise=noise)
    location = find([Volume(grey, modality="IR")], "people and vehicles")
    assert location.names == {1: "person", 2: "car"}
    assert dice(location.mask == 1, person) > 0.85
    assert dice(location.mask == 2, car) > 0.85
    assert location.detections.labels == ("person", "person", "car")
    assert location.detections.sources == ("IR",) * 3


def test_lamps_in_a_colour_image(dice):
    rng = np.random.default_rng(0)
    picture = rng.normal(30, 5, (120, 160, 3))
    lamp = np.zeros((120, 160), bool)
    lamp[20:30, 40:50] = lamp[60:68, 120:128] = True
    picture[lamp] = [250, 240, 200]
    picture = np.clip(picture, 0, 255).astype(np.uint8)
    location = find([Volume(picture, rgb=True, modality="VIS")], "street lamps")
    assert dice(location.mask, lamp) > 0.9
    assert len(location.detections) == 2
