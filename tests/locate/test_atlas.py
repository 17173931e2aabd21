"""A synthetic atlas, a subject that is a known deformation of it, and names."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from napari_textdifuse.errors import GeometryError, InputError, PromptError, WeightsError
from napari_textdifuse.locate import get_locator
from napari_textdifuse.locate.atlas import AtlasLocator, read_table
from napari_textdifuse.samples import load_sample
from napari_textdifuse.volume import Volume

pytest.importorskip("SimpleITK", reason="registration is an extra")

#: Name -> middle and radii in RAS mm from the middle of the head.
STRUCTURES = {
    "Left-Hippocampus": ((-26, -10, -8), (8, 16, 8)),
    "Right-Hippocampus": ((26, -10, -8), (8, 16, 8)),
    "Left-Putamen": ((-24, 12, 6), (7, 14, 10)),
    "Right-Putamen": ((24, 12, 6), (7, 14, 10)),
    "Brain-Stem": ((0, -20, -20), (9, 9, 12)),
}
TABLE = "# No. Label Name: R G B A\n" + "\n".join(
    f"{k}  {name}  {k} 100 30 0" for k, name in enumerate(STRUCTURES, start=10)
)


def head():
    """The sample's T1 at 2.5 mm: no deep grey matter of its own, but folds and ventricles."""
    t1, _ = load_sample("pet-mri")
    array = ndimage.zoom(t1.array.astype(np.float32), (1, 0.5, 0.5), order=1)
    factors = [o / n for o, n in zip(t1.shape[::-1], array.shape[::-1], strict=True)]
    affine = t1.affine @ np.diag([*factors, 1])
    return Volume(array, affine=affine, modality="MR", name="t1")


def world(volume):
    z, y, x = np.indices(volume.shape)
    index = np.stack([x, y, z, np.ones_like(x)])
    return np.tensordot(volume.affine, index, axes=1)[:3]


def structures(volume):
    middle = (volume.affine @ np.r_[(np.array(volume.shape[::-1]) - 1) / 2, 1])[:3]
    labels = np.zeros(volume.shape, np.int16)
    places = world(volume)
    for k, (centre, radii) in enumerate(STRUCTURES.values(), start=10):
        off = [(places[i] - middle[i] - centre[i]) / radii[i] for i in range(3)]
        labels[sum(o**2 for o in off) < 1] = k
    return volume.with_array(labels, unit="label")


def deformed(volume, order, seed=0):
    """Stretch, turn, shift and bend by up to about 8 mm; the same for image and labels."""
    rng = np.random.default_rng(seed)
    spacing = np.array(volume.spacing)
    bend = [ndimage.gaussian_filter(rng.normal(size=volume.shape), 22 / spacing) for _ in range(3)]
    bend = [b / np.abs(b).max() * 5 / s for b, s in zip(bend, spacing, strict=True)]
    c, s = np.cos(0.08), np.sin(0.08)
    turn = np.array([[1, 0, 0], [0, c, -s], [0, s, c]]) @ np.diag([1.04, 0.96, 1.05])
    matrix = np.diag(1 / spacing) @ turn @ np.diag(spacing)
    middle = (np.array(volume.shape) - 1) / 2
    index = np.indices(volume.shape).reshape(3, -1)
    where = matrix @ (index - middle[:, None]) + middle[:, None]
    where += np.array([b.ravel() for b in bend])
    array = ndimage.map_coordinates(volume.array, where, order=order, mode="constant")
    return volume.with_array(array.reshape(volume.shape))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("my_atlas")
    template = head()
    template.to_nibabel().to_filename(path / "template_T1.nii.gz")
    structures(template).to_nibabel().to_filename(path / "dseg.nii.gz")
    (path / "names.txt").write_text(TABLE)
    return path


@pytest.fixture(scope="module")
def subject():
    """Another scanner: other brightness, noise, and 20 mm elsewhere."""
    image = deformed(head(), 1)
    values = 900 * (image.array / image.array.max()) ** 0.85
    values += np.random.default_rng(1).normal(0, 12, values.shape)
    affine = image.affine.copy()
    affine[:3, 3] += (12, -20, 8)
    return Volume(values.astype(np.float32), affine=affine, modality="MR", name="subject")


@pytest.fixture(scope="module")
def locator(folder):
    return get_locator("atlas", atlas=folder)


def dice(one, other):
    return 2 * (one & other).sum() / (one.sum() + other.sum())


def test_structures_land_where_they_are(locator, subject):
    truth = deformed(structures(head()), 0).array
    prompt = "left hippocampus, right hippocampus, left putamen, right putamen, brain stem"
    found = locator.locate([subject], prompt)
    ml = float(np.prod(subject.spacing)) / 1000
    for k in range(1, 6):
        true = truth == k + 9
        assert true.sum() * ml > 2
        assert dice(found.mask == k, true) >= 0.75, found.names[k]
    assert found.detections.labels[0] == "left hippocampus"
    assert "tissue overlaps by" in found.notes[-1]
    assert " mL" in found.notes[0]


def test_without_a_side_both_are_meant_and_the_fit_is_kept(locator, subject, monkeypatch):
    locator.locate([subject], "left hippocampus")
    monkeypatch.setattr("napari_textdifuse.locate.atlas.fit", None)  # not again
    both = locator.locate([subject], "the hippocampus")
    left = locator.locate([subject], "Left_Hippocampus")
    right = locator.locate([subject], "hippocampus r")
    assert both.names == {1: "hippocampus"}
    np.testing.assert_array_equal(both.mask > 0, (left.mask > 0) | (right.mask > 0))
    assert not ((left.mask > 0) & (right.mask > 0)).any()


def test_what_the_atlas_does_not_have_is_refused_with_what_it_has(locator, subject):
    with pytest.raises(PromptError, match="Left-Hippocampus"):
        locator.locate([subject], "left hipocampus")
    with pytest.raises(PromptError, match="no 'tumour'"):
        locator.locate([subject], "tumour")


def test_an_image_that_is_something_else_is_refused(folder):
    noise = np.random.default_rng(0).normal(size=(40, 48, 40)).astype(np.float32)
    noise = Volume(noise, affine=np.diag([4.0, 4, 4, 1]), modality="MR")
    with pytest.raises((GeometryError, InputError)):
        AtlasLocator(folder).locate([noise], "hippocampus")
    ct = Volume(noise.array, affine=noise.affine, modality="CT")
    with pytest.raises(InputError, match="T1-weighted MR"):
        AtlasLocator(folder).locate([ct], "hippocampus")


@pytest.mark.parametrize(
    "text",
    [
        "index,name\n10,Left Hippocampus\n",
        "index\tname\tabbreviation\n10\tLeft Hippocampus\n",
        '10   255 0 0  1 1 1  "Left Hippocampus"\n',
        "10 Left-Hippocampus 220 216 20 0\n",
        "Left Hippocampus;10\n",
    ],
)
def test_the_usual_tables_are_read(tmp_path, text):
    path = tmp_path / "table.txt"
    path.write_text(text)
    assert {k: v.replace("-", " ") for k, v in read_table(path).items()} == {10: "Left Hippocampus"}


def test_missing_files_are_named(tmp_path, monkeypatch):
    monkeypatch.delenv("TEXTDIFUSE_ATLAS", raising=False)
    with pytest.raises(WeightsError, match="atlas="):
        AtlasLocator().load()
    with pytest.raises(WeightsError, match="no folder"):
        AtlasLocator(tmp_path / "none").load()
    with pytest.raises(WeightsError, match="has no labels"):
        AtlasLocator(tmp_path).load()
