"""The lexicon on the project's simulated sample data, whose masks are the truth."""

from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from napari_textdifuse.io import read
from napari_textdifuse.locate import LexiconLocator
from napari_textdifuse.spatial import resample_to
from napari_textdifuse.volume import Volume

SAMPLES = Path(__file__).parents[2] / "sample_data"
LOCATOR = LexiconLocator()


def load(name: str) -> Volume:
    return read(SAMPLES / f"{name}.nii.gz")


def truth(name: str) -> np.ndarray:
    return load(f"brain/masks/{name}").array > 0


def cut(volume: Volume, index: int) -> Volume:
    return Volume(
        volume.array[index], affine=volume.affine, unit=volume.unit, modality=volume.modality
    )


@pytest.fixture(scope="module")
def pet_on_t1() -> tuple[Volume, Volume]:
    t1 = load("brain/t1")
    return t1, resample_to(load("brain/pet"), t1).volume


def test_tumour_on_the_grid_of_the_pet(dice):
    pet, lesion = load("brain/pet"), truth("lesion_pet")
    assert dice(LOCATOR.locate([pet], "tumour").mask, lesion) >= 0.8
    index = int(lesion.sum(axis=(1, 2)).argmax())
    assert dice(LOCATOR.locate([cut(pet, index)], "tumour").mask, lesion[index]) >= 0.8


def test_tumour_on_the_grid_of_the_mri(dice, pet_on_t1):
    lesion = truth("lesion_t1")
    assert dice(LOCATOR.locate(pet_on_t1, "tumour").mask, lesion) >= 0.8
    index = int(lesion.sum(axis=(1, 2)).argmax())
    slices = [cut(image, index) for image in pet_on_t1]
    assert dice(LOCATOR.locate(slices, "tumour").mask, lesion[index]) >= 0.8


def test_slices_without_a_lesion_have_no_tumour(pet_on_t1):
    lesion = truth("lesion_t1")
    for index in np.flatnonzero(~lesion.any(axis=(1, 2))):
        location = LOCATOR.locate([cut(image, index) for image in pet_on_t1], "tumour")
        assert not location.mask.any(), index


@pytest.mark.parametrize(
    ("image", "prompt", "mask", "in_volume", "in_slice"),
    [
        ("ct", "skull", "skull_ct", 0.85, 0.85),
        ("ct", "vessel", "vessel_ct", 0.8, 0.8),
        ("ct", "ventricle", "ventricle_ct", 0.8, 0.8),
        ("t1", "ventricle", "ventricle_t1", 0.8, 0.8),
        ("spect", "perfusion deficit", "deficit_spect", 0.8, 0.8),
    ],
)
def test_anatomy(dice, image, prompt, mask, in_volume, in_slice):
    volume, wanted = load(f"brain/{image}"), truth(mask)
    assert dice(LOCATOR.locate([volume], prompt).mask, wanted) > in_volume
    index = int(wanted.sum(axis=(1, 2)).argmax())
    assert dice(LOCATOR.locate([cut(volume, index)], prompt).mask, wanted[index]) > in_slice


@pytest.mark.parametrize(("prompt", "least"), [("person", 0.85), ("car", 0.85)])
def test_street(dice, prompt, least):
    pair = [read(SAMPLES / "street" / name) for name in ("visible.png", "infrared.png")]
    wanted = read(SAMPLES / "street" / "masks" / f"{prompt}.png").array > 0
    assert dice(LOCATOR.locate(pair, prompt).mask, wanted) > least


@pytest.mark.parametrize(
    ("image", "absent"),
    [
        ("ct", ("haemorrhage", "calcification", "metal", "lung")),
        ("t1", ("hyperintensity",)),
        ("spect", ("tumour",)),
    ],
)
def test_what_a_sample_does_not_hold_is_not_found(image, absent):
    for term in absent:
        location = LOCATOR.locate([load(f"brain/{image}")], term)
        assert not location.mask.any(), term
        assert len(location.detections) == 0
        assert any(note.startswith(f"{term}: not found (") for note in location.notes)


def test_brain_is_between_skull_and_fluid(dice):
    """There is no mask of the brain, but it lies within the skull and is brighter than fluid."""
    t1, skull = load("brain/t1"), truth("skull_t1")
    inside = np.stack([ndimage.binary_fill_holes(plane) for plane in skull]) & ~skull
    fluid = np.median(t1.array[truth("ventricle_t1")])
    white = np.percentile(t1.array[inside], 90)
    grey = 0.75 * white  # about, on T1
    solid = inside & (t1.array > (fluid + grey) / 2)
    assert dice(LOCATOR.locate([t1], "brain").mask, solid) > 0.9
