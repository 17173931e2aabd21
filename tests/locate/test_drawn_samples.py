"""The classical refiner on the true boxes of everything that the sample images show."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from napari_textdifuse.locate.drawn import Drawing, refine
from napari_textdifuse.samples import SAMPLES, load_sample, sample_mask
from napari_textdifuse.spatial import resample_to
from napari_textdifuse.volume import Volume

OBJECTS = [
    (name, term) for name in SAMPLES if name != "pet-mri-dicom" for term in SAMPLES[name].masks
]


def plane(volume, index):
    return Volume(
        volume.array[index], affine=volume.affine, unit=volume.unit, modality=volume.modality
    )


def load(name, term):
    """Two images and the truth: the slice with most of the object."""
    a, b = load_sample(name)
    truth = sample_mask(name, term).array > 0
    if a.ndim == 2:
        return a, b, truth
    index = int(truth.sum(axis=(1, 2)).argmax())
    return plane(a, index), plane(resample_to(b, a).volume, index), truth[index]


def boxes(truth, loose=0.0):
    """XYXY around each connected part, with each edge up to a share of the size further out."""
    parts = ndimage.find_objects(ndimage.label(truth, np.ones((3, 3)))[0])
    edges = np.array([[x.start, y.start, x.stop, y.stop] for y, x in parts], float)
    rng = np.random.default_rng(0)
    size = np.tile(edges[:, 2:] - edges[:, :2], 2)
    return edges + rng.uniform(0, loose, edges.shape) * size * [-1, -1, 1, 1]


@pytest.mark.parametrize(("loose", "mean", "each"), [(0.0, 0.85, 0.8), (0.1, 0.85, 0.75)])
def test_true_boxes_become_true_outlines(dice, loose, mean, each):
    found = {}
    for name, term in OBJECTS:
        a, b, truth = load(name, term)
        location = refine(a, b, Drawing(boxes=boxes(truth, loose)), "classical")
        found[name, term] = dice(location.mask, truth)
    assert len(found) == 7
    assert np.mean(list(found.values())) >= mean, found
    assert min(found.values()) >= each, found


@pytest.mark.parametrize("margin", [0.25, 0.5, 1.0, 1.5, 2.0])
def test_a_wide_box_marks_its_object_and_no_background(dice, margin):
    """Boxes up to three times as wide as what is in their middle."""
    for name, term in (("pet-mri", "tumour"), ("street", "person"), ("street", "car")):
        a, b, truth = load(name, term)
        parts, _ = ndimage.label(truth, np.ones((3, 3)))
        wanted = parts == np.bincount(parts[parts > 0]).argmax()
        x0, y0, x1, y1 = boxes(wanted)[0]
        wide = np.array([-1, -1, 1, 1]) * margin / 2 * np.tile([x1 - x0, y1 - y0], 2)
        limits = [*truth.shape[::-1]] * 2
        box = np.clip(boxes(wanted)[0] + wide, 0, limits)
        found = refine(a, b, Drawing(boxes=[box]), "classical")
        assert dice(found.mask, wanted) > 0.85, (name, term)
        said = "of the box's width, around its middle" in found.notes[0]
        assert said == (margin > 0.25) or margin == 0.25


def test_a_click_on_a_person_or_a_tumour_is_enough(dice):
    for name, term in (("pet-mri", "tumour"), ("street", "person")):
        a, b, truth = load(name, term)
        parts, count = ndimage.label(truth, np.ones((3, 3)))
        for k in range(1, count + 1):
            depth = ndimage.distance_transform_edt(parts == k)
            y, x = np.unravel_index(depth.argmax(), depth.shape)
            location = refine(a, b, Drawing(points=[[x, y]]), "classical")
            assert dice(location.mask, parts == k) > 0.8, (name, k)


@pytest.mark.parametrize(
    ("name", "term", "least"),
    [
        ("pet-mri", "tumour", 0.8),
        ("ct-mri", "bone", 0.8),
        ("ct-mri", "ventricle", 0.8),
        ("spect-mri", "perfusion deficit", 0.7),
    ],
)
def test_one_slice_is_enough_for_a_volume(dice, name, term, least):
    a, b = load_sample(name)
    parts, _ = ndimage.label(sample_mask(name, term).array > 0)
    truth = parts == np.bincount(parts[parts > 0]).argmax()  # vessels and bones have several
    index = int(truth.sum(axis=(1, 2)).argmax())
    x0, y0, x1, y1 = boxes(truth[index]).tolist()[0]
    drawing = Drawing(boxes=[x0, y0, index, x1, y1, index + 1], follow=True)
    found = refine(a, resample_to(b, a).volume, drawing, "classical")
    assert dice(found.mask, truth) > least
    assert any("followed through slices" in note for note in found.notes)
