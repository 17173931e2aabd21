"""Labels layers as other plugins leave them are prompts."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest

from napari_textdifuse import Volume, fuse
from napari_textdifuse.errors import InputError
from napari_textdifuse.locate.drawn import Drawing

layers = pytest.importorskip("napari.layers")


@pytest.mark.parametrize("dtype", [np.uint8, np.int32, np.uint32, np.int64])
def test_several_labels_of_any_type(dtype):
    """micro-sam: int32 or uint32, numbers with gaps."""
    a, b = np.random.default_rng(0).random((2, 32, 40)).astype(np.float32)
    labels = np.zeros((32, 40), dtype)
    labels[4:10, 5:15] = 2
    labels[20:28, 5:15] = 7
    result = fuse(a, b, mask=layers.Labels(labels), strength={7: 0.5}, quality="fast")
    np.testing.assert_array_equal(result.mask, labels)


def test_a_volume_with_scale():
    """nnInteractive and napari-voxtell: uint8, one object, the scale of the image in mm."""
    a, b = np.random.default_rng(0).random((2, 3, 24, 32)).astype(np.float32)
    scale, units = (3, 1, 1), ("mm",) * 3
    images = [layers.Image(x, scale=scale, units=units) for x in (a, b)]
    labels = np.zeros(a.shape, np.uint8)
    labels[1, 4:12, 8:20] = 1
    drawn = layers.Labels(labels, scale=scale, units=units)
    result = fuse(*images, mask=drawn, quality="fast")
    np.testing.assert_array_equal(result.mask, labels)


@pytest.mark.parametrize(
    ("word", "name"),
    [
        ("tumour", "tumour"),
        ("Hirntumor", "tumour"),
        ("the gray matter", "grey matter"),
        ("linker Tumor", "linker Tumor"),  # the side would be lost
        ("tumr", "tumr"),  # a guess would be saved as a fact
        ("left hippocampus", "left hippocampus"),
    ],
)
@pytest.mark.parametrize("drawn", ["mask", "boxes", "drawing"])
def test_a_word_with_a_drawing_is_its_name_and_never_silently(word, name, drawn):
    """Nothing of the word is in these images; it must be said that it was not looked for."""
    a, b = np.random.default_rng(0).random((2, 24, 32)).astype(np.float32)
    labels = np.zeros((24, 32), np.uint8)
    labels[4:12, 8:20] = 1
    given = {
        "mask": labels,
        "boxes": [[8, 4, 20, 12]],
        "drawing": Drawing(boxes=[[8, 4, 20, 12]]),
    }
    options = {"refiner": "none"} if drawn == "drawing" else {}
    result = fuse(a, b, prompt=word, quality="fast", **{drawn: given[drawn]}, **options)
    np.testing.assert_array_equal(result.mask, labels)
    assert result.label_names == {1: name}
    assert result.objects[0]["term"] == name
    assert set(result.detections.labels) == {name}
    assert result.record["prompt"] == word
    assert result.record["drawn"] == drawn
    said = [note for note in result.record["warnings"] if "only names the drawing" in note]
    assert len(said) == 1
    assert repr(word) in said[0]
    assert "not checked" in said[0]


def test_a_word_with_several_labels_is_said_to_have_no_effect():
    a, b = np.random.default_rng(0).random((2, 24, 32)).astype(np.float32)
    labels = np.zeros((24, 32), np.uint8)
    labels[4:12, 8:20], labels[16:20, 8:20] = 1, 2
    result = fuse(a, b, prompt="tumour", mask=labels, quality="fast")
    assert result.label_names == {1: "mask 1", 2: "mask 2"}
    assert any("'tumour' had no effect" in note for note in result.record["warnings"])


def test_a_layer_at_another_place_than_a_file_is_refused_and_not_empty():
    """A layer's axes run to the left and back; those of the file run to the right and front."""
    a, b = np.random.default_rng(0).random((2, 32, 24, 4)).astype(np.float32)
    images = [nib.Nifti1Image(x, np.diag([1.5, 2.0, 3.0, 1])) for x in (a, b)]
    labels = np.zeros((4, 24, 32), np.uint8)
    labels[1, 4:12, 8:20] = 1
    with pytest.raises(InputError, match="lie outside the first image"):
        fuse(*images, mask=layers.Labels(labels, scale=(3, 2, 1.5)), quality="fast")
    result = fuse(*images, mask=layers.Labels(labels), quality="fast")  # by voxel
    np.testing.assert_array_equal(result.mask, labels)


def test_labels_in_slices_that_are_not_fused_are_no_mistake():
    a, b = np.random.default_rng(0).random((2, 32, 24, 4)).astype(np.float32)
    affine = np.diag([1.5, 2.0, 3.0, 1])
    images = [nib.Nifti1Image(x, affine) for x in (a, b)]
    labels = np.zeros((32, 24, 4), np.uint8)
    labels[4:12, 8:20, 1] = 1
    mask = Volume.from_nibabel(nib.Nifti1Image(labels, affine))
    assert not fuse(*images, mask=mask, slices=(3, 4), quality="fast").mask.any()


def test_a_mask_of_another_library_has_its_place():
    a, b = np.random.default_rng(0).random((2, 32, 24, 4)).astype(np.float32)
    affine = np.diag([1.5, 2.0, 3.0, 1])
    labels = np.zeros((32, 24, 4), np.uint8)
    labels[4:12, 8:20, 1] = 2
    images = [nib.Nifti1Image(x, affine) for x in (a, b)]
    result = fuse(*images, mask=nib.Nifti1Image(labels, affine), quality="fast")
    np.testing.assert_array_equal(result.mask, labels.T)
