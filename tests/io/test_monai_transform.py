"""`FuseTextDifused` in a real `Compose`, with MONAI's own readers and loaders."""

from __future__ import annotations

import json
import pickle

import nibabel as nib
import numpy as np
import pytest
from monai.data import DataLoader, Dataset
from monai.transforms import Compose, LoadImaged, SpatialPadd

from napari_textdifuse import FusionPipeline, fuse
from napari_textdifuse.errors import InputError
from napari_textdifuse.monai_transform import FuseTextDifused

# MONAI says at every reader it makes that it has no GPU decoder
pytestmark = pytest.mark.filterwarnings("ignore:NvImgCodec:UserWarning")

AFFINE = np.diag([-2, 1.5, 3, 1.0])


@pytest.fixture
def sample(tmp_path):
    rng = np.random.default_rng(0)
    files = {}
    for key in ("mri", "pet"):
        values = rng.random((32, 24, 2), np.float32) * 100
        files[key] = str(tmp_path / f"{key}.nii.gz")
        nib.save(nib.Nifti1Image(values, AFFINE), files[key])
    return files


def test_in_a_compose(sample):
    steps = Compose(
        [
            LoadImaged(("mri", "pet"), ensure_channel_first=True),
            FuseTextDifused(
                ("mri", "pet"), contribution_key="share", mask_key="mask", steps=1, seed=3
            ),
        ]
    )
    done = steps(sample)
    expected = fuse(sample["mri"], sample["pet"], steps=1, seed=3)
    assert expected.rgb  # a PET, by its file's name, in both ways
    np.testing.assert_array_equal(
        np.moveaxis(np.asarray(done["fused"]), 0, -1), expected.fused.transpose(2, 1, 0, 3)
    )
    np.testing.assert_array_equal(done["share"][0], expected.contribution.transpose(2, 1, 0))
    np.testing.assert_allclose(done["fused"].affine, AFFINE)
    assert "mask" not in done
    assert json.loads(done["fused"].meta["record"])["seed"] == 3
    assert done["mri"].shape == (1, 32, 24, 2)


def test_in_a_loader_with_a_prompt_of_the_sample(sample):
    pipe = FusionPipeline.from_pretrained()
    fusion = FuseTextDifused(
        ("mri", "pet"), prompt_key="prompt", pipeline=pipe, steps=1, locator="lexicon"
    )
    steps = Compose(
        [
            LoadImaged(("mri", "pet"), ensure_channel_first=True),
            fusion,
            SpatialPadd("fused", (40, 32, 2)),
        ]
    )
    batch = next(iter(DataLoader(Dataset([{**sample, "prompt": "brain"}], steps), batch_size=1)))
    assert batch["fused"].shape == (1, 3, 40, 32, 2)
    assert json.loads(batch["fused"].meta["record"][0])["prompt"] == "brain"


def test_weights_do_not_travel_to_workers_unless_they_were_given(sample):
    fusion = FuseTextDifused(("mri", "pet"), steps=1)
    fusion(sample)
    assert pickle.loads(pickle.dumps(fusion))._pipeline is None


def test_what_is_missing(sample):
    with pytest.raises(InputError, match="image A and image B"):
        FuseTextDifused(("mri",))
    with pytest.raises(KeyError, match="'pet'"):
        FuseTextDifused(("mri", "pet"))({"mri": sample["mri"]})
    passed = FuseTextDifused(("mri", "pet"), allow_missing_keys=True)({"mri": sample["mri"]})
    assert set(passed) == {"mri"}
