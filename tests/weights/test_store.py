from __future__ import annotations

import json
import shutil

import pytest
import torch

from napari_textdifuse.errors import WeightsError
from napari_textdifuse.weights import load_light, open_folder


@pytest.fixture
def folder(tiny_weights, tmp_path):
    return shutil.copytree(tiny_weights, tmp_path / "weights")


def test_round_trip_is_exact_to_half_precision(folder):
    one, two = load_light(open_folder(folder)), load_light(open_folder(folder))
    assert not one.training
    for name, value in one.state_dict().items():
        assert value.dtype == torch.float32
        assert torch.equal(value, two.state_dict()[name])


def test_a_changed_file_is_refused(folder):
    data = bytearray((folder / "model.safetensors").read_bytes())
    data[-1] ^= 1
    (folder / "model.safetensors").write_bytes(bytes(data))
    with pytest.raises(WeightsError, match="SHA-256"):
        load_light(open_folder(folder))


def test_a_missing_file_is_named(folder):
    (folder / "model.safetensors").unlink()
    with pytest.raises(WeightsError, match=r"model\.safetensors is missing"):
        open_folder(folder).verify()


def test_other_architectures_and_other_folders_are_refused(folder, tmp_path):
    with pytest.raises(WeightsError, match="No weights"):
        open_folder(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(WeightsError, match="not a weights folder"):
        open_folder(tmp_path / "empty")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"architecture": "other"}))
    with pytest.raises(WeightsError, match="'other'"):
        open_folder(folder)
    config["unet"]["base"] = 16
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(WeightsError, match="does not fit"):
        load_light(open_folder(folder))
