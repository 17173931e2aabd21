"""Metrics of folders: pairing, means, and what is written."""

import csv
import json
import math

import numpy as np
import pytest
from PIL import Image

from napari_textdifuse import evaluate
from napari_textdifuse.errors import InputError, WriteError
from napari_textdifuse.evaluation import METRICS, Report, evaluate_folders

SHAPE = (48, 50)


def picture(seed, *channels):
    return np.random.default_rng(seed).integers(0, 256, (*SHAPE, *channels)).astype(np.uint8)


def save(folder, images):
    folder.mkdir()
    for name, image in images.items():
        Image.fromarray(image).save(folder / name)
    return folder


@pytest.fixture
def trio(tmp_path):
    """Folders in which the alphabetical order of the files misleads."""
    a = {"9.png": picture(1, 3), "10.png": picture(2, 3), "alone.png": picture(3)}
    b = {"10.tif": picture(4), "9.png": picture(5), "00.png": picture(6)}
    f = {"10.png": picture(7, 3), "9.png": picture(8), "9_mask.png": picture(9)}
    return tuple(
        save(tmp_path / name, images) for name, images in zip("abf", (a, b, f), strict=True)
    )


def test_pairs_by_name_never_by_order(trio):
    report = evaluate_folders(*trio)
    assert list(report.images) == ["10", "9"]
    assert report.images["10"] == evaluate(picture(2, 3), picture(4), picture(7, 3))
    assert report.images["9"] == evaluate(picture(1, 3), picture(5), picture(8))


def test_missing_partners_are_listed_with_where(trio):
    assert evaluate_folders(*trio).missing == {
        "00": ("a", "fused"),
        "9_mask": ("a", "b"),
        "alone": ("b", "fused"),
    }


def test_files_that_are_not_images_do_not_count(trio):
    for folder in trio:
        (folder / "record.json").write_text("{}")
        (folder / ".9.png").write_text("hidden")
    assert list(evaluate_folders(*map(str, trio)).images) == ["10", "9"]


def test_dictionary_is_stable_json(trio):
    report = evaluate_folders(*trio)
    plain = json.loads(json.dumps(report.to_dict(), allow_nan=False))
    assert list(plain) == ["metrics", "images", "mean", "count", "missing"]
    assert plain["metrics"] == list(METRICS)
    assert [list(row) for row in plain["images"]] == [["name", *METRICS]] * 2
    assert plain["count"] == 2
    assert plain["missing"] == ["00", "9_mask", "alone"]
    for name in METRICS:
        values = [row[name] for row in plain["images"]]
        assert plain["mean"][name] == pytest.approx(sum(values) / 2)


def test_undefined_metrics_are_left_out_of_the_mean():
    one = dict.fromkeys(METRICS, 1.0)
    report = Report({"x": one | {"VIF": math.nan}, "y": dict.fromkeys(METRICS, 3.0)})
    assert report.mean["VIF"] == 3
    assert report.mean["EN"] == 2
    assert report.to_dict()["images"][0]["VIF"] is None


def test_csv_holds_every_image_and_the_mean(trio, tmp_path):
    report = evaluate_folders(*trio)
    path = report.to_csv(tmp_path / "out.csv")
    with path.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["name"] for row in rows] == ["10", "9", "mean"]
    assert list(rows[0]) == ["name", *METRICS]
    assert float(rows[1]["SD"]) == pytest.approx(report.images["9"]["SD"], abs=1e-6)
    assert float(rows[2]["MI"]) == pytest.approx(report.mean["MI"], abs=1e-6)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a", "b", "f", "out.csv"]


def test_csv_leaves_undefined_metrics_empty(tmp_path):
    report = Report({"x": dict.fromkeys(METRICS, math.nan)})
    text = report.to_csv(tmp_path / "x.csv").read_text()
    assert text.splitlines()[1] == "x" + "," * len(METRICS)


def test_csv_in_a_missing_folder_is_refused(tmp_path):
    report = Report({"x": dict.fromkeys(METRICS, 1.0)})
    with pytest.raises(WriteError, match="cannot be written"):
        report.to_csv(tmp_path / "none" / "x.csv")


def test_no_common_name_is_refused(tmp_path):
    folders = [save(tmp_path / name, {f"{name}.png": picture(1)}) for name in "abf"]
    with pytest.raises(InputError, match="no image name occurs in all three"):
        evaluate_folders(*folders)


def test_missing_folder_is_named(trio, tmp_path):
    with pytest.raises(InputError, match="nowhere is not a folder"):
        evaluate_folders(trio[0], tmp_path / "nowhere", trio[2])


def test_one_name_twice_is_refused(trio):
    Image.fromarray(picture(0)).save(trio[1] / "9.jpg")
    with pytest.raises(InputError, match=r"contains both 9\.jpg and 9\.png"):
        evaluate_folders(*trio)


def test_different_sizes_name_the_files(trio):
    Image.fromarray(picture(0)[:20]).save(trio[2] / "9.png")
    with pytest.raises(InputError, match=r"A \(9\) is 48 x 50 .*fused image \(9\) is 20 x 50"):
        evaluate_folders(*trio)


def test_volumes_pair_by_the_stem_before_nii_gz(tmp_path):
    import nibabel as nib

    folders = [tmp_path / name for name in "abf"]
    stack = np.random.default_rng(0).random((44, 42, 3), dtype=np.float32)
    for folder, suffix in zip(folders, (".nii.gz", ".nii", ".nii.gz"), strict=True):
        folder.mkdir()
        nib.save(nib.Nifti1Image(stack, np.diag([1, 1, 3, 1])), folder / f"case1{suffix}")
    report = evaluate_folders(*folders)
    assert list(report.images) == ["case1"]
    assert report.images["case1"]["SSIM"] == pytest.approx(2)


def test_sources_on_their_own_grids_are_resampled(tmp_path):
    """As for the fusion; a volume of a batch lies on the grid of image A."""
    import nibabel as nib

    def save(role, array, spacing):
        (tmp_path / role).mkdir()
        image = nib.Nifti1Image(array.astype(np.float32).T, np.diag([*spacing, 1.0]))
        nib.save(image, tmp_path / role / "x.nii.gz")

    _, y, x = np.indices((6, 40, 40))
    blob = np.exp(-((y - 20) ** 2 + (x - 15) ** 2) / 120.0)
    save("a", 100 * blob + 3 * x, (2, 2, 4))
    save("b", (9 * blob + 0.1 * y)[:, ::2, ::2], (4, 4, 4))
    save("f", np.clip(blob, 0, 1), (2, 2, 4))
    report = evaluate_folders(*(tmp_path / role for role in "abf"))
    row = report.images["x"]
    assert row["MI"] > 0
    save("same", 9 * blob + 0.1 * y, (2, 2, 4))
    same = evaluate_folders(tmp_path / "a", tmp_path / "same", tmp_path / "f").images["x"]
    assert row["SSIM"] == pytest.approx(same["SSIM"], abs=0.02)
    assert row["EN"] == same["EN"]
