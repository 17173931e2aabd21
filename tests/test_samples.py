"""The bundled samples: small, honest headers, aligned in space, and true to their masks."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pydicom
import pytest
from scipy import ndimage

from napari_textdifuse import samples
from napari_textdifuse.errors import InputError
from napari_textdifuse.io import read
from napari_textdifuse.samples import SAMPLES, load_sample, sample_dir, sample_mask
from napari_textdifuse.volume import Volume

SCRIPTS = Path(__file__).resolve().parents[1] / "scripts"
BRAIN = ("t1", "pet", "ct", "spect")


@pytest.fixture(scope="module")
def brain() -> dict[str, Volume]:
    return {name: read(sample_dir() / "brain" / f"{name}.nii.gz") for name in BRAIN}


@pytest.fixture
def scripts(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.syspath_prepend(str(SCRIPTS))
    yield
    for name in [n for n in sys.modules if n.split(".")[0] == "sample_data"]:
        del sys.modules[name]


def truth(structure: str, grid: str) -> np.ndarray:
    mask = read(sample_dir() / "brain" / "masks" / f"{structure}_{grid}.nii.gz").array
    assert mask.dtype == np.uint8
    assert set(np.unique(mask)) == {0, 1}
    return mask == 1


def world(volume: Volume, mask: np.ndarray) -> np.ndarray:
    """RAS mm of the voxels of a mask, shape (N, 3)."""
    assert volume.affine is not None
    xyz = np.argwhere(mask)[:, ::-1]
    return xyz @ volume.affine[:3, :3].T + volume.affine[:3, 3]


def values_at(volume: Volume, points: np.ndarray) -> np.ndarray:
    """Values of a volume at RAS mm, by its own affine."""
    assert volume.affine is not None
    inverse = np.linalg.inv(volume.affine)
    xyz = points @ inverse[:3, :3].T + inverse[:3, 3]
    return ndimage.map_coordinates(volume.array.astype(float), xyz.T[::-1], order=1)


def around(volume: Volume, mask: np.ndarray, near: float, far: float) -> np.ndarray:
    """A shell between two distances in mm from a mask."""
    distance = ndimage.distance_transform_edt(~mask, volume.spacing)
    return (distance > near) & (distance < far)


def test_all_files_are_small_together() -> None:
    files = [p for p in sample_dir().rglob("*") if p.is_file()]
    assert sum(p.stat().st_size for p in files) < 8e6
    assert not (sample_dir() / ".keep").exists()


def test_licence_notice_and_provenance_travel_with_the_files() -> None:
    assert "Louis Collins" in (sample_dir() / "NOTICE").read_text("utf-8")
    text = (sample_dir() / "README.md").read_text("utf-8")
    assert "simulated" in text
    assert "ICBM 152" in text


@pytest.mark.parametrize("name", SAMPLES)
def test_every_sample_reads_with_modality_and_unit(name: str) -> None:
    a, b = load_sample(name)
    expected = {
        "pet-mri": (("MR", "a.u."), ("PT", "SUVbw")),
        "ct-mri": (("MR", "a.u."), ("CT", "HU")),
        "spect-mri": (("MR", "a.u."), ("NM", "counts")),
        "street": (("VIS", "a.u."), ("IR", "a.u.")),
        "pet-mri-dicom": (("MR", "a.u."), ("PT", "SUVbw")),
    }[name]
    assert ((a.modality, a.unit), (b.modality, b.unit)) == expected
    assert SAMPLES[name].prompt in SAMPLES[name].masks


@pytest.mark.parametrize("name", SAMPLES)
@pytest.mark.parametrize("grid", ["a", "b"])
def test_masks_lie_on_the_grid_of_their_image(name: str, grid: str) -> None:
    image = load_sample(name)[grid == "b"]
    for term in SAMPLES[name].masks:
        mask = sample_mask(name, term, grid=grid)
        assert mask.shape == image.shape
        assert mask.array.dtype == np.uint8
        assert mask.array.max() == 1
        assert mask.modality is None
        if image.affine is None:
            assert mask.affine is None
        else:
            np.testing.assert_allclose(mask.affine, image.affine, atol=1e-4)


def test_grids_differ_and_are_oblique(brain: dict[str, Volume]) -> None:
    assert len({v.shape for v in brain.values()}) == 4
    assert len({tuple(np.round(v.spacing, 2)) for v in brain.values()}) == 4
    for name in ("pet", "ct", "spect"):
        axes = brain[name].affine[:3, :3] / np.linalg.norm(brain[name].affine[:3, :3], axis=0)
        assert np.abs(axes).max(axis=0).min() < 0.9999
        np.testing.assert_allclose(axes.T @ axes, np.eye(3), atol=1e-5)  # tilted, not sheared


def test_sidecars_say_simulated() -> None:
    for name in BRAIN:
        text = (sample_dir() / "brain" / f"{name}.json").read_text("utf-8")
        assert json.loads(text)["Description"].startswith("Simulated")


@pytest.mark.parametrize("grid", ["t1", "pet"])
def test_tumour_is_hot_and_in_the_left_hemisphere(brain: dict[str, Volume], grid: str) -> None:
    mask = truth("lesion", grid)
    points = world(brain[grid], mask)
    assert points[:, 0].max() < -15  # RAS: x < 0 is the patient's left
    inside = values_at(brain["pet"], points)
    shell = values_at(brain["pet"], world(brain[grid], around(brain[grid], mask, 6, 14)))
    mirrored = values_at(brain["pet"], points * (-1, 1, 1))
    assert 9 < inside.mean() < 12
    assert inside.mean() > 2.5 * shell.mean()
    assert inside.mean() > 2.5 * mirrored.mean()
    assert 12 < brain["pet"].array.max() < 15  # no saturation in a window of SUV 0 to 15


def test_tumour_is_the_only_uptake_above_normal_grey_matter(brain: dict[str, Volume]) -> None:
    pet, mask = brain["pet"], truth("lesion", "pet")
    elsewhere = pet.array[around(pet, mask, 6, 1e9)].max()
    assert elsewhere < 8.5
    assert np.percentile(pet.array[mask], 75) > 1.3 * elsewhere


def test_tumour_is_dark_on_t1(brain: dict[str, Volume]) -> None:
    mask = truth("lesion", "t1")
    shell = around(brain["t1"], mask, 2, 6)
    assert brain["t1"].array[mask].mean() < 0.8 * brain["t1"].array[shell].mean()


def test_ct_is_in_hounsfield_units(brain: dict[str, Volume]) -> None:
    ct = brain["ct"].array
    assert np.median(ct[:, :5, :5]) == pytest.approx(-1000, abs=3)
    skull = ct[truth("skull", "ct")]
    assert np.percentile(skull, 5) > 500
    assert 700 < skull.mean() < 1500
    assert 0 < ct[truth("ventricle", "ct")].mean() < 15
    assert 200 < ct[truth("vessel", "ct")].mean() < 300
    assert 40 < ct[truth("lesion", "ct")].mean() < 50


@pytest.mark.parametrize(("structure", "low", "high"), [("skull", 500, 1500), ("ventricle", 0, 16)])
def test_masks_of_mr_meet_the_same_structure_in_ct(
    brain: dict[str, Volume], structure: str, low: float, high: float
) -> None:
    points = world(brain["t1"], truth(structure, "t1"))
    ct = brain["ct"]
    xyz = (points - ct.affine[:3, 3]) @ np.linalg.inv(ct.affine[:3, :3]).T
    in_view = ((xyz > 1) & (xyz < np.array(ct.array.shape[::-1]) - 2)).all(axis=1)
    assert in_view.mean() > 0.8
    assert low < values_at(ct, points[in_view]).mean() < high


def test_skull_is_dark_and_ventricles_are_dark_on_t1(brain: dict[str, Volume]) -> None:
    t1 = brain["t1"].array
    white = np.percentile(t1[around(brain["t1"], truth("lesion", "t1"), 8, 14)], 75)
    assert t1[truth("skull", "t1")].mean() < 0.5 * white
    assert t1[truth("ventricle", "t1")].mean() < 0.35 * white


def test_spect_deficit_is_on_the_right(brain: dict[str, Volume]) -> None:
    points = world(brain["spect"], truth("deficit", "spect"))
    assert points[:, 0].min() > 15
    inside = values_at(brain["spect"], points).mean()
    assert inside < 0.65 * values_at(brain["spect"], points * (-1, 1, 1)).mean()


def test_dicom_pet_has_the_suv_of_nifti(brain: dict[str, Volume]) -> None:
    dicom = read(sample_dir() / "brain" / "dicom" / "pet")
    assert dicom.unit == "SUVbw"
    np.testing.assert_allclose(dicom.affine, brain["pet"].affine, atol=1e-3)
    np.testing.assert_allclose(dicom.array, brain["pet"].array, atol=5e-4)  # both are 16 bit


def test_dicom_headers_are_real_and_name_nobody() -> None:
    expected = {
        "pet": "Positron Emission Tomography Image Storage",
        "t1": "MR Image Storage",
    }
    uids = set()
    for folder, sop_class in expected.items():
        files = sorted((sample_dir() / "brain" / "dicom" / folder).glob("*.dcm"))
        for file in files:
            header = pydicom.dcmread(file, stop_before_pixels=True)
            assert header.SOPClassUID.name == sop_class
            assert str(header.PatientName) == "SIMULATED^BRAIN"
            assert header.SOPInstanceUID.is_valid
            assert len(header.SOPInstanceUID) <= 64
            uids.add(header.SOPInstanceUID)
    assert len(uids) == sum(v.shape[0] for v in load_sample("pet-mri-dicom"))


def test_both_dicom_series_share_one_space() -> None:
    t1, pet = load_sample("pet-mri-dicom")
    mask = sample_mask("pet-mri-dicom", "tumour").array == 1
    points = world(t1, mask)
    assert points[:, 0].max() < -15
    assert values_at(pet, points).mean() > 9
    assert t1.array[mask].mean() < 0.8 * t1.array[around(t1, mask, 2, 6)].mean()


def test_persons_and_car_are_warm_and_hard_to_see() -> None:
    visible, infrared = load_sample("street")
    person, car = (sample_mask("street", t).array == 1 for t in ("person", "car"))
    assert ndimage.label(person)[1] == 3
    assert ndimage.label(car)[1] == 1
    assert not (person & car).any()
    background = np.median(infrared.array[~person & ~car])
    assert infrared.array[person].mean() > 2.2 * background
    assert infrared.array[car].mean() > 1.5 * background
    grey = visible.array.mean(axis=-1)
    clean = read(sample_dir() / "street" / "visible_clean.png").array.mean(axis=-1)
    assert grey.mean() < 0.5 * clean.mean()
    red, blue = (visible.array[..., c].mean() for c in (0, 2))
    assert red > 1.2 * blue  # sodium light


def test_unknown_names_are_distinguished() -> None:
    with pytest.raises(InputError, match="no sample 'brain'; choose pet-mri"):
        load_sample("brain")
    with pytest.raises(InputError, match="no mask of 'tree'; choose person, car"):
        sample_mask("street", "tree")
    with pytest.raises(InputError, match="no grid 'c'"):
        sample_mask("street", "car", grid="c")


def test_missing_samples_are_an_error_that_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    module = tmp_path / "site" / "napari_textdifuse" / "samples.py"
    module.parent.mkdir(parents=True)
    monkeypatch.setattr(samples, "__file__", str(module))
    with pytest.raises(InputError, match="not installed"):
        sample_dir()
    inside = module.parent / "sample_data"  # where the wheel puts them
    for name in ("brain", "street"):
        (inside / name).mkdir(parents=True)
    assert sample_dir() == inside


@pytest.mark.usefixtures("scripts")
def test_writers_give_the_same_bytes_every_time(tmp_path: Path) -> None:
    from sample_data import dicom_series, files, scanners

    affine = scanners.Grid((5, 4, 3), (2.0, 2.5, 3.0), "LPS", tilt=(5, 3, -2)).affine
    values = np.random.default_rng(0).uniform(0, 12, (5, 4, 3)).astype(np.float32)
    for run in ("one", "two"):
        files.write_nifti(tmp_path / run / "x.nii.gz", values, affine, {"Modality": "PT"}, 0.001)
        dicom_series.write_pet(tmp_path / run / "dicom", values, affine)
        shutil.copy(tmp_path / run / "x.nii.gz", tmp_path / run / "renamed")  # no name inside
    for file in sorted(p for p in (tmp_path / "one").rglob("*") if p.is_file()):
        twin = tmp_path / "two" / file.relative_to(tmp_path / "one")
        assert file.read_bytes() == twin.read_bytes()
    nifti, dicom = read(tmp_path / "one" / "x.nii.gz"), read(tmp_path / "one" / "dicom")
    np.testing.assert_allclose(nifti.array, values.transpose(2, 1, 0), atol=6e-4)
    np.testing.assert_allclose(dicom.array, values.transpose(2, 1, 0), atol=6e-4)
    np.testing.assert_allclose(dicom.affine, nifti.affine, atol=1e-4)


@pytest.mark.usefixtures("scripts")
def test_drawings_depend_on_the_seed_alone() -> None:
    from sample_data.anatomy import noise_field
    from sample_data.scanners import GRIDS

    fields = [noise_field((20, 22, 18), 6.0, np.random.default_rng(s)) for s in (1, 1, 2)]
    np.testing.assert_array_equal(fields[0], fields[1])
    assert not np.allclose(fields[0], fields[2])
    for name in BRAIN:  # the committed files have the script's grids
        image = read(sample_dir() / "brain" / f"{name}.nii.gz")
        assert image.shape == GRIDS[name].shape[::-1]
        np.testing.assert_allclose(image.affine, GRIDS[name].affine, atol=1e-4)
