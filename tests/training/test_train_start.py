from __future__ import annotations

import json

import pytest
import torch
from safetensors.torch import save_file

from napari_textdifuse.errors import InputError, WeightsError
from napari_textdifuse.models import LightNetwork, UNetConfig
from napari_textdifuse.models.uncertainty import ErrorCalibration
from napari_textdifuse.training.run import export
from napari_textdifuse.training.start import build, infer_shape, open_start
from napari_textdifuse.weights import calibration, open_folder

SMALL = UNetConfig(base=8, multipliers=(1, 2), blocks=(1, 2), time_dim=16)
OLD = UNetConfig(**{**SMALL.to_dict(), "refine": 0, "control_fine": 0, "control_cell": 0})


def network(shape: UNetConfig) -> LightNetwork:
    torch.manual_seed(1)
    made = LightNetwork(shape)
    for parameter in made.parameters():
        if not parameter.any():
            torch.nn.init.normal_(parameter, std=0.1)
    return made


def save(shape: UNetConfig, path):
    save_file(dict(network(shape).state_dict()), path)
    return str(path)


def restored(net: LightNetwork) -> torch.Tensor:
    g = torch.Generator().manual_seed(0)
    z, seen = (torch.randn(1, 1, 32, 32, generator=g) for _ in range(2))
    with torch.no_grad():
        return net.restore(z, seen, torch.tensor([500]))[0]


@pytest.mark.parametrize("shape", [SMALL, OLD, UNetConfig()])
def test_a_file_alone_tells_its_shape(shape):
    assert infer_shape(LightNetwork(shape).state_dict()) == shape


def test_new_layers_begin_without_effect(tmp_path, capsys):
    start = open_start(save(OLD, tmp_path / "old.safetensors"))
    wider = build(start, {"refine": 16, "control_fine": 8}, 0)
    assert "decoder.refine" in capsys.readouterr().err
    assert wider.config.refine == 16
    torch.testing.assert_close(restored(wider), restored(network(OLD)), rtol=0, atol=1e-6)


def test_layers_can_be_left_out(tmp_path, capsys):
    start = open_start(save(SMALL, tmp_path / "new.safetensors"))
    assert build(start, {"refine": 0}, 0).decoder.refine is None
    assert "left out" in capsys.readouterr().err


def test_weights_are_taken_as_they_are(tmp_path):
    start = open_start(save(SMALL, tmp_path / "w.safetensors"))
    torch.testing.assert_close(restored(build(start, {}, 5)), restored(network(SMALL)))


def test_another_size_is_refused(tmp_path):
    start = open_start(save(SMALL, tmp_path / "w.safetensors"))
    with pytest.raises(InputError, match="have base 8, not 16"):
        build(start, {"base": 16}, 0)


def test_embedded_weights_by_name():
    start = open_start("light")
    assert start.shape.base == 48
    assert build(start, {}, 0).config == start.shape


def test_what_is_not_weights_is_one_sentence(tmp_path):
    (tmp_path / "bad.safetensors").write_bytes(b"\x08\0\0\0\0\0\0\0nonsense")
    with pytest.raises(WeightsError, match="safetensors"):
        open_start(str(tmp_path / "bad.safetensors"))
    save_file({"other": torch.zeros(2)}, tmp_path / "other.safetensors")
    with pytest.raises(WeightsError, match="light network"):
        open_start(str(tmp_path / "other.safetensors"))
    with pytest.raises(WeightsError, match="nowhere"):
        open_start("nowhere")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "checkpoint.pt").write_bytes(b"x")
    with pytest.raises(WeightsError, match="not finished"):
        open_start(str(tmp_path / "run"))


def test_a_calibration_is_exported_and_read_back(tmp_path):
    save(SMALL, tmp_path / "w.safetensors")
    table = {
        "expected": [-4.0, -2.0],
        "deviation": [-3.5, -2.5],
        "modalities": ["MR"],
        "weights": [0.1, 0.2, 0.3, 0.4, 0.5],
        "ranges": [[-6.0, -1.0], [-6.0, -2.0], [-2.0, 1.0], [-1.0, 0.5]],
    }
    (tmp_path / "table.json").write_text(json.dumps(table))
    start = str(tmp_path / "w.safetensors")
    folder = export(start, tmp_path / "out", calibration=tmp_path / "table.json")
    assert calibration(open_folder(folder)) == ErrorCalibration(**table)
    assert calibration(open_folder(export(start, tmp_path / "bare"))) is None
    (tmp_path / "table.json").write_text("[]")
    with pytest.raises(InputError, match="not a calibration"):
        export(start, tmp_path / "out", calibration=tmp_path / "table.json")


def test_colours_are_taken_over_from_finished_weights(tmp_path):
    save(SMALL, tmp_path / "w.safetensors")
    embedded = open_folder(None)
    start = str(tmp_path / "w.safetensors")
    folder = open_folder(export(start, tmp_path / "out", chroma=embedded.path))
    assert folder.config["chroma"]["sha256"] == embedded.config["chroma"]["sha256"]
