"""No term marks anything in a volume that does not hold it."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from scipy import ndimage

from napari_textdifuse.errors import PromptError
from napari_textdifuse.locate import LexiconLocator, known_terms
from napari_textdifuse.locate.classes import gaussian_classes
from napari_textdifuse.locate.intracranial import Interior, inward
from napari_textdifuse.locate.mr import _without_bulges, bright_lesion
from napari_textdifuse.locate.tissue import _dark_fluid, tissues
from napari_textdifuse.locate.views import WHY_NOT, RuleImage, views_of
from napari_textdifuse.volume import Volume

LOCATOR = LexiconLocator()
AFFINE = np.diag([-4.0, 4.0, 4.0, 1.0])


def ball_head(air, scalp, skull, brain, unit, modality, contrast=None):
    """A head of shells: nothing in it but even brain."""
    z, y, x = np.indices((48, 56, 48))
    radius = 4 * np.sqrt((z - 24) ** 2 + ((y - 28) / 1.2) ** 2 + (x - 24) ** 2)
    array = np.select([radius < 68, radius < 76, radius < 84], [brain, skull, scalp], air)
    array = ndimage.gaussian_filter(array.astype(np.float32), 0.5)
    noise = np.random.default_rng(0).normal(0, 0.01 * abs(brain), array.shape)
    return Volume(
        (array + noise).astype(np.float32),
        affine=AFFINE,
        unit=unit,
        modality=modality,
        contrast=contrast,
    )


HEADS = {
    "CT": ball_head(-1000, 40, 1000, 35, "HU", "CT"),
    "T1": ball_head(0, 900, 60, 600, "a.u.", "MR", "T1"),
    "T2": ball_head(0, 500, 60, 450, "a.u.", "MR", "T2"),
    "FLAIR": ball_head(0, 500, 60, 450, "a.u.", "MR", "FLAIR"),
    "DWI": ball_head(0, 100, 30, 450, "a.u.", "MR", "DWI"),
    "PT": ball_head(0, 0.8, 0.4, 7, "SUVbw", "PT"),
    "NM": ball_head(0, 15, 5, 100, "counts", "NM"),
}
#: What such a head does hold; soft tissue and the like are plain ranges of HU.
PRESENT = {"bone", "brain", "grey matter", "white matter", "air", "soft tissue"}
#: Edges between tissues pass through any value between them.
EDGES = {"fat", "lung"}
CASES = [
    (kind, term)
    for kind, image in HEADS.items()
    for term in sorted({known.term for known in known_terms([image])} - PRESENT - EDGES)
]
#: What each term means, put into the same head: value, middle and radii (Z, Y, X) in mm.
BALL, SMALL = ((20, -16, 28), (18, 18, 18)), ((20, -16, 28), (10, 10, 10))
TWINS = (((8, 0, 12), (12, 34, 8)), ((8, 0, -12), (12, 34, 8)))
HELD = {
    ("CT", "ventricle"): (5, *TWINS),
    ("CT", "vessel"): (300, ((0, 10, 0), (5, 5, 36))),
    ("CT", "haemorrhage"): (66, BALL),
    ("CT", "calcification"): (800, ((0, 0, 0), (7, 7, 7))),
    ("CT", "metal"): (3500, ((0, 0, 0), (9, 9, 9))),
    ("T1", "ventricle"): (150, *TWINS),
    ("T2", "ventricle"): (1100, *TWINS),
    ("T2", "lesion"): (800, BALL),
    ("T2", "infarct"): (800, BALL),
    ("FLAIR", "ventricle"): (80, *TWINS),
    ("FLAIR", "hyperintensity"): (800, SMALL),
    ("FLAIR", "lesion"): (800, BALL),
    ("FLAIR", "infarct"): (800, BALL),
    ("DWI", "hyperintensity"): (800, SMALL),
    ("DWI", "lesion"): (800, BALL),
    ("DWI", "infarct"): (800, BALL),
    ("PT", "tumour"): (16, BALL),
    ("PT", "lesion"): (16, BALL),
    ("PT", "hot spot"): (16, BALL),
    ("NM", "tumour"): (220, BALL),
    ("NM", "lesion"): (220, BALL),
    ("NM", "hot spot"): (220, BALL),
    ("NM", "infarct"): (25, BALL),
    ("NM", "perfusion deficit"): (25, BALL),
}
#: Terms that can be asked for but never mark anything, and why.
NEVER = {
    ("T1", "hyperintensity"): "it means bright on FLAIR or DWI; the rule's text says so",
    ("T2", "hyperintensity"): "as on T1",
    ("DWI", "ventricle"): "tissues are not told apart on DWI",
}


def holding(kind, term):
    """The head of a kind with what a term means in it."""
    value, *parts = HELD[kind, term]
    head = HEADS[kind]
    places = 4.0 * (np.indices(head.shape) - np.array([24, 28, 24])[:, None, None, None])
    inside = np.zeros(head.shape, bool)
    for middle, radii in parts:
        off = [(places[i] - middle[i]) / radii[i] for i in range(3)]
        inside |= sum(o**2 for o in off) < 1
    return head.with_array(np.where(inside, np.float32(value), head.array)), inside


@cache
def located(where, kind):
    """All terms at once: what they share is computed once."""
    images, cases = (HEADS, CASES) if where == "heads" else (BOTTLES, IN_BOTTLES)
    return LOCATOR.locate([images[kind]], ", ".join(term for k, term in cases if k == kind))


def marked(where, kind, term):
    """Return how much a term marks, and what is said of it."""
    location = located(where, kind)
    label = next(k for k, name in location.names.items() if name == term)
    rows = [name for name in location.detections.labels if name == term]
    return (location.mask == label).sum(), rows, [n for n in location.notes if n.startswith(term)]


@pytest.mark.parametrize(("kind", "term"), CASES)
def test_nothing_is_marked_where_nothing_is(kind, term):
    amount, rows, notes = marked("heads", kind, term)
    assert amount == 0
    assert not rows
    assert notes


@pytest.mark.parametrize(("kind", "term"), [case for case in CASES if case not in NEVER])
def test_the_same_head_with_it_is_marked_there(kind, term):
    image, inside = holding(kind, term)
    mask = LOCATOR.locate([image], term).mask > 0
    assert 2 * (mask & inside).sum() > 0.5 * (mask.sum() + inside.sum())
    assert not (mask & ~ndimage.binary_dilation(inside, iterations=3)).any()


def test_each_case_is_shown_to_be_able_to_fail_or_has_a_reason():
    assert {*CASES} == {*HELD} | {*NEVER}


#: Words of street scenes; what holds none of them is in test_scene.
SCENE = ("person", "cyclist", "bicycle", "car", "lamp")
#: A bottle of even fluid: no bone around it, nothing in it.
BOTTLES = {
    "CT": ball_head(-1000, 20, 20, 20, "HU", "CT"),
    "T1": ball_head(0, 600, 600, 600, "a.u.", "MR", "T1"),
    "T2": ball_head(0, 600, 600, 600, "a.u.", "MR", "T2"),
    "FLAIR": ball_head(0, 600, 600, 600, "a.u.", "MR", "FLAIR"),
}


IN_BOTTLES = [
    (kind, term)
    for kind, image in BOTTLES.items()
    for term in sorted({k.term for k in known_terms([image])} - {"air", "soft tissue"} - EDGES)
]


@pytest.mark.parametrize(("kind", "term"), IN_BOTTLES)
def test_nothing_is_marked_in_a_bottle(kind, term):
    """Bone and brain are absent here; `test_the_brain_is_marked` and others show them found."""
    amount, _, _ = marked("bottles", kind, term)
    assert amount == 0


def test_every_finding_of_medicine_is_tried():
    findings = {k.term for k in known_terms() if k.kind == "finding"} - {*SCENE}
    assert findings == {term for _, term in CASES if term in findings}


@pytest.mark.parametrize("kind", ["CT", "T1", "T2", "FLAIR"])
def test_the_brain_is_marked_and_does_not_leak(kind):
    mask = LOCATOR.locate([HEADS[kind]], "brain").mask > 0
    millilitres = mask.sum() * 64 / 1000
    assert 1200 < millilitres < 1700  # an ellipsoid of 68 x 81.6 x 68 mm has 1580 mL


def test_words_of_a_scene_are_refused_in_a_head():
    for term in SCENE:
        with pytest.raises(PromptError):
            LOCATOR.locate([HEADS["CT"]], term)


@pytest.mark.parametrize(("long_mm", "marked"), [(88, True), (36, False)])
def test_on_pd_a_cistern_is_not_a_ventricle(long_mm, marked):
    head = ball_head(0, 350, 60, 450, "a.u.", "MR", "PD")
    z, y, x = 4 * (np.indices(head.shape) - np.array([24, 28, 24])[:, None, None, None])
    fluid = (z / 12) ** 2 + (y / (long_mm / 2)) ** 2 + (x / 12) ** 2 < 1
    array = np.where(fluid, np.float32(620), head.array)
    location = LOCATOR.locate([head.with_array(array)], "ventricle")
    assert location.mask.any() == marked


@pytest.mark.parametrize(
    ("fluid", "marked"), [(0.50, True), (0.88, False), (0.92, False), (1.1, True), (1.3, True)]
)
def test_on_pd_ventricles_are_brighter_or_darker_than_both_tissues_or_not_found(fluid, marked):
    """By repetition time: grey matter has 0.88 and white matter 0.72."""
    head = ball_head(0, 350, 60, 720, "a.u.", "MR", "PD")
    z, y, x = 4 * (np.indices(head.shape) - np.array([24, 28, 24])[:, None, None, None])
    cortex = (z / 58) ** 2 + (y / 70) ** 2 + (x / 58) ** 2 > 1
    cortex &= (z / 68) ** 2 + (y / 81) ** 2 + (x / 68) ** 2 < 1
    array = np.where(cortex, np.float32(880), head.array)
    array = np.where((z**2 + (y / 2) ** 2 + (np.abs(x) - 34) ** 2) < 100, np.float32(880), array)
    twins = np.zeros(head.shape, bool)
    for side in (-9, 9):
        twins |= ((z - 8) / 10) ** 2 + (y / 34) ** 2 + ((x - side) / 9) ** 2 < 1
    array = np.where(twins, np.float32(1000 * fluid), array)
    noise = np.random.default_rng(1).normal(0, 20, array.shape).astype(np.float32)
    location = LOCATOR.locate([head.with_array(array + noise)], "ventricle")
    mask = location.mask > 0
    assert mask.any() == marked
    if marked:
        assert 2 * (mask & twins).sum() > 0.7 * (mask.sum() + twins.sum())
    else:  # a reason in plain words, and the level that is needed
        assert any("brighter than grey matter, where 8% are needed" in n for n in location.notes)


def test_why_nothing_is_marked_is_said():
    head = HEADS["DWI"]
    notes = LOCATOR.locate([head], "ventricle").notes
    said = (
        "ventricle: not found (fluid and brain are not distinguished on DWI contrast; by the rule:"
    )
    assert any(note.startswith(said) for note in notes)


def test_classes_that_lie_within_one_another_still_have_levels():
    """The fit of these values gives levels of 415 and 396; a histogram needs them in order."""
    rng = np.random.default_rng(5)
    for draw in (rng.normal(500, 100, 5000), rng.gamma(2, 100, 5000)):
        assert len(draw) == 5000  # what was drawn before
    means, levels = gaussian_classes(rng.laplace(500, 60, 5000))
    assert means[0] < levels[0] < levels[1] < means[2]


def test_an_eye_that_the_border_let_in_is_not_a_hyperintensity():
    """A bulge of the brain's mask is not surrounded by it; a lesion near its surface is."""
    z, y, x = 2.0 * (np.indices((70, 90, 70)) - np.array([35, 35, 35])[:, None, None, None])

    def ball(centre, radius):
        return z**2 + (y - centre) ** 2 + x**2 < radius**2

    inside = ball(0, 60) | ball(72, 17)
    eye, lesion = ball(72, 12), ball(-43, 12)
    np.testing.assert_array_equal(_without_bulges(eye | lesion, inside, (2.0, 2.0, 2.0)), lesion)


def head_with_fluid(scalp, skull, brain, fluid, contrast=None, lesion=None):
    """A head with two ventricles, and perhaps a ball of 22 mm on one side."""
    head = ball_head(0, scalp, skull, brain, "a.u.", "MR", contrast)
    z, y, x = 4 * (np.indices(head.shape) - np.array([24, 28, 24])[:, None, None, None])
    array = head.array.copy()
    for side in (-10, 10):
        array[((z - 8) / 12) ** 2 + (y / 36) ** 2 + ((x - side) / 10) ** 2 < 1] = fluid
    ball = (z - 16) ** 2 + (y - 8) ** 2 + (x - 36) ** 2 < 22**2
    if lesion is not None:
        array[ball] = lesion
    return head.with_array(array), ball


@pytest.mark.parametrize(("scalp", "contrast"), [(100, "DWI"), (700, "FLAIR")])
def test_a_bright_lesion_is_not_taken_for_the_fluid_of_t2(scalp, contrast):
    image, ball = head_with_fluid(scalp, 30, 450, 120, lesion=950)
    location = LOCATOR.locate([image], "lesion")
    assert any(f"assumed to be {contrast}-weighted" in note for note in location.notes)
    mask = location.mask > 0
    assert 2 * (mask & ball).sum() > 0.7 * (mask.sum() + ball.sum())


@pytest.mark.parametrize(("size", "contrast"), [(1.2, "FLAIR"), (2.0, "DWI")])
def test_small_voxels_without_fat_are_those_of_flair(size, contrast):
    coarse, _ = head_with_fluid(100, 30, 450, 120)
    array = ndimage.zoom(coarse.array, 4 / size, order=1)
    image = Volume(array, affine=np.diag([-size, size, size, 1.0]), modality="MR", unit="a.u.")
    view = views_of([image])[0]
    assert tissues(view).contrast == contrast
    assert "FLAIR" in tissues(view).note  # the other possibility is said
    # without geometry the size of a voxel is not known
    assert tissues(replace(view, spacing=None, memo={})).contrast in (None, "DWI")


def test_where_nothing_is_found_the_contrast_and_its_limit_are_said():
    head, _ = head_with_fluid(900, 60, 600, 150)
    location = LOCATOR.locate([head.with_array(head.array, contrast="T1")], "hyperintensity")
    said = " ".join(location.notes)
    assert "looked for on FLAIR and DWI only, not on T1" in said
    assert "T1 contrast by" in said
    unstated, _ = head_with_fluid(900, 60, 600, 150)
    said = " ".join(LOCATOR.locate([unstated], "lesion").notes)
    assert "its contrast is not stated; it was assumed to be" in said
    view = replace(views_of([unstated])[0], contrast="T1")
    assert not bright_lesion(view).any()
    assert view.memo[WHY_NOT] == "looked for on T2, FLAIR and DWI only, not on T1"


def test_a_refused_lesion_names_the_contrast_that_is_needed():
    with pytest.raises(PromptError) as caught:
        LOCATOR.locate([HEADS["T1"]], "infarct")
    assert "an MR image with T2, FLAIR or DWI contrast" in str(caught.value)
    assert "these images are MRI with T1 contrast" in str(caught.value)


def test_grey_matter_ends_half_way_to_fluid_where_ventricles_are_small():
    """They are the hundredth part of what is deep; around the brain fluid is a thin film."""
    z, y, x = 2 * (np.indices((80, 96, 80)) - np.array([40, 48, 40])[:, None, None, None])
    radius = np.sqrt(z**2 + (y / 1.2) ** 2 + x**2)
    sharp = np.select([radius < 48, radius < 66, radius < 70], [820.0, 560.0, 200.0], 20)
    sharp[z**2 + (y / 2) ** 2 + x**2 < 10**2] = 200
    noise = np.random.default_rng(0).normal(0, 12, sharp.shape)
    array = (ndimage.gaussian_filter(sharp, 0.8) + noise).astype(np.float32)
    mm, mask = (2.0, 2.0, 2.0), radius < 70
    view = RuleImage(array, "MR", "a.u.", mm, "MR", contrast="T1")
    inside = Interior(mask, inward(mask, mm), float(mask.sum()) * 8 / 1000)
    _, grey, white = _dark_fluid(view, inside, "T1")
    for found, level in ((grey, 560), (white, 820)):
        known = sharp == level
        assert 2 * (found & known).sum() / (found.sum() + known.sum()) > 0.96
