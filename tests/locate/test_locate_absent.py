"""No term marks anything in a volume that does not hold it."""

import numpy as np
import pytest
from scipy import ndimage

from napari_textdifuse.errors import PromptError
from napari_textdifuse.locate import LexiconLocator, known_terms
from napari_textdifuse.locate.tissue import gaussian_classes
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


@pytest.mark.parametrize(("kind", "term"), CASES)
def test_nothing_is_marked_where_nothing_is(kind, term):
    location = LOCATOR.locate([HEADS[kind]], term)
    assert not location.mask.any()
    assert len(location.detections) == 0
    assert location.notes


def test_every_finding_of_medicine_is_tried():
    findings = {k.term for k in known_terms() if k.kind == "finding"} - {"person", "car", "lamp"}
    assert findings == {term for _, term in CASES if term in findings}


@pytest.mark.parametrize("kind", ["CT", "T1", "T2", "FLAIR"])
def test_the_brain_is_marked_and_does_not_leak(kind):
    mask = LOCATOR.locate([HEADS[kind]], "brain").mask > 0
    millilitres = mask.sum() * 64 / 1000
    assert 1200 < millilitres < 1700  # an ellipsoid of 68 x 81.6 x 68 mm has 1580 mL


def test_words_of_a_scene_are_refused_in_a_head():
    for term in ("person", "car", "lamp"):
        with pytest.raises(PromptError):
            LOCATOR.locate([HEADS["CT"]], term)


@pytest.mark.parametrize(("long_mm", "marked"), [(88, True), (36, False)])
def test_on_pd_a_cistern_is_no_ventricle(long_mm, marked):
    head = ball_head(0, 350, 60, 450, "a.u.", "MR", "PD")
    z, y, x = 4 * (np.indices(head.shape) - np.array([24, 28, 24])[:, None, None, None])
    fluid = (z / 12) ** 2 + (y / (long_mm / 2)) ** 2 + (x / 12) ** 2 < 1
    array = np.where(fluid, np.float32(620), head.array)
    location = LOCATOR.locate([head.with_array(array)], "ventricle")
    assert location.mask.any() == marked


def test_classes_that_lie_within_one_another_still_have_levels():
    """The fit of these values gives levels of 415 and 396; a histogram needs them in order."""
    rng = np.random.default_rng(5)
    for draw in (rng.normal(500, 100, 5000), rng.gamma(2, 100, 5000)):
        assert len(draw) == 5000  # what was drawn before
    means, levels = gaussian_classes(rng.laplace(500, 60, 5000))
    assert means[0] < levels[0] < levels[1] < means[2]
