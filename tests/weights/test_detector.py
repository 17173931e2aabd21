"""The embedded detector: checked, loaded, saved."""

import json
import shutil

import pytest
import torch

from napari_textdifuse.errors import WeightsError
from napari_textdifuse.models.detector import DetectorNetwork
from napari_textdifuse.weights import embedded_names
from napari_textdifuse.weights.detector import (
    DESCRIPTION,
    FILE,
    FOLDER,
    load_detector,
    save_detector,
)


def test_the_embedded_detector_loads_and_is_small():
    network = load_detector()
    assert network.classes == 3
    assert not network.training
    assert (FOLDER / FILE).stat().st_size < 4_000_000
    assert load_detector() is network  # read once


def test_it_is_not_offered_as_weights_of_a_fusion():
    assert FOLDER.name not in embedded_names()


def test_a_changed_byte_is_refused(tmp_path):
    folder = tmp_path / "scenes"
    shutil.copytree(FOLDER, folder)
    data = bytearray((folder / FILE).read_bytes())
    data[-1] ^= 1
    (folder / FILE).write_bytes(data)
    with pytest.raises(WeightsError, match="SHA-256"):
        load_detector(folder)


@pytest.mark.parametrize("missing", [FILE, DESCRIPTION])
def test_a_missing_file_is_named(tmp_path, missing):
    folder = tmp_path / "scenes"
    shutil.copytree(FOLDER, folder)
    (folder / missing).unlink()
    with pytest.raises(WeightsError, match=missing):
        load_detector(folder)


def test_another_number_of_classes_does_not_fit(tmp_path):
    folder = tmp_path / "scenes"
    shutil.copytree(FOLDER, folder)
    content = json.loads((folder / DESCRIPTION).read_text("utf-8"))
    (folder / DESCRIPTION).write_text(json.dumps({**content, "classes": ["person"]}), "utf-8")
    with pytest.raises(WeightsError, match="does not fit"):
        load_detector(folder)


def test_saving_keeps_weights_to_half_a_step(tmp_path):
    torch.manual_seed(0)
    network = DetectorNetwork(2)
    again = load_detector(save_detector(network, tmp_path / "new", {"classes": ["a", "b"]}))
    for (key, a), b in zip(network.state_dict().items(), again.state_dict().values(), strict=True):
        if key.endswith("weight"):  # one byte: 127 steps from 0 to a filter's largest weight
            step = a.abs().amax(dim=(1, 2, 3), keepdim=True) / 127
            assert bool(((a - b).abs() <= 0.51 * step).all()), key
        else:
            assert torch.allclose(a, b, atol=1e-3), key
