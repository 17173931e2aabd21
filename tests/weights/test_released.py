"""The authors' released checkpoints: found, checked and refused."""

from __future__ import annotations

import hashlib
import os
import pickle

import pytest
import torch

from napari_textdifuse.errors import WeightsError
from napari_textdifuse.weights import load_control, load_released, open_folder, released
from napari_textdifuse.weights.released import CONTROLS, DECODER, ENCODER

VIS_IR, MEDICAL = CONTROLS["natural"], CONTROLS["medical"]


@pytest.fixture
def folder(tmp_path):
    """A folder with the right names and nothing in the files."""
    for name in (ENCODER, DECODER, VIS_IR, MEDICAL):
        (tmp_path / name).write_bytes(name.encode())
    return tmp_path


def refusal(path, *words):
    """One sentence that names the file."""
    with pytest.raises(WeightsError) as caught:
        load_control(open_folder(path), "natural")
    message = str(caught.value)
    assert "\n" not in message
    assert message.endswith(".")
    for word in (VIS_IR, *words):
        assert word in message, message
    for advice in ("weights_only", "torch", "pickle", "Error", "corrupt"):
        assert advice not in message.replace(path.name, ""), message
    return message


@pytest.mark.parametrize("present", [[VIS_IR], [MEDICAL], [VIS_IR, MEDICAL]])
def test_one_of_the_two_control_modules_is_enough(folder, present):
    for name in {VIS_IR, MEDICAL} - set(present):
        (folder / name).unlink()
    found = open_folder(folder)
    assert found.architecture == "reference"
    assert list(found.controls.values()) == present
    assert sorted(found.checksums) == sorted([ENCODER, DECODER, *present])


@pytest.mark.parametrize(
    ("missing", "words"),
    [
        ([ENCODER], [ENCODER]),
        ([DECODER], [DECODER]),
        ([VIS_IR, MEDICAL], [VIS_IR, MEDICAL]),
        ([ENCODER, DECODER, MEDICAL], [ENCODER, DECODER]),
    ],
)
def test_missing_files_are_named(folder, missing, words):
    for name in missing:
        (folder / name).unlink()
    with pytest.raises(WeightsError, match="lacks") as caught:
        open_folder(folder)
    lacking = str(caught.value).split(";")[0]
    assert all(word in lacking for word in words)
    assert (ENCODER in lacking) == (ENCODER in missing)


def test_checksums_are_those_of_the_files(folder):
    found = open_folder(folder)
    assert found.checksums[ENCODER] == hashlib.sha256(ENCODER.encode()).hexdigest()
    lines = "".join(f"{found.checksums[n]}  {n}\n" for n in sorted(found.checksums))
    assert found.sha256 == hashlib.sha256(lines.encode()).hexdigest()
    assert found.verify() is False


def test_a_list_of_checksums_is_compared(folder):
    found = open_folder(folder)
    lines = [f"{digest} *./{name}\n" for name, digest in found.checksums.items()]
    (folder / "SHA256SUMS").write_text("".join(lines) + f"{'0' * 64}  something-else\n")
    assert open_folder(folder).verify() is True
    (folder / DECODER).write_bytes(b"changed")
    with pytest.raises(WeightsError, match=rf"{DECODER} .*SHA-256.*SHA256SUMS"):
        open_folder(folder).verify()
    with pytest.raises(WeightsError, match="SHA-256"):
        load_released(open_folder(folder), "natural")


class Code:
    def __reduce__(self):
        return os.mkdir, ("must-not-appear",)


def test_code_in_a_file_is_never_run(folder, monkeypatch):
    monkeypatch.chdir(folder)
    for protocol in (2, 4):
        (folder / VIS_IR).write_bytes(pickle.dumps(Code(), protocol=protocol))
        refusal(folder, "could run code")
    torch.save({"a": Code()}, folder / VIS_IR)
    refusal(folder, "could run code")
    assert not (folder / "must-not-appear").exists()


def test_a_pickled_network_is_refused(folder):
    torch.save(torch.nn.Linear(2, 2), folder / VIS_IR)
    refusal(folder, "could run code")


@pytest.mark.parametrize("content", [b"", b"<html>", b"PK\x03\x04" + bytes(99)])
def test_what_is_not_a_checkpoint_is_refused(folder, content):
    (folder / VIS_IR).write_bytes(content)
    refusal(folder)


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("kept", [0.2, 0.9])
def test_truncated_files_are_refused(folder, zipped, kept):
    path = folder / VIS_IR
    torch.save({"a": torch.ones(5000)}, path, _use_new_zipfile_serialization=zipped)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * kept)])
    refusal(folder)


def test_a_folder_in_place_of_a_file(folder):
    (folder / ENCODER).unlink()
    (folder / ENCODER).mkdir()
    with pytest.raises(WeightsError, match=ENCODER):
        open_folder(folder)


def test_lists_and_numbers_are_refused(folder):
    for content in ([torch.ones(2)], {"a": 1}, {1: torch.ones(1)}, torch.ones(3)):
        torch.save(content, folder / VIS_IR)
        refusal(folder, "not a state dict")


@pytest.fixture
def control():
    """The right keys and shapes at no cost: one stored number each."""
    from napari_textdifuse.models.reference import ReferenceControl

    with torch.device("meta"):
        state = ReferenceControl().state_dict()
    return {k: torch.zeros(1).expand(v.shape) for k, v in state.items()}


def test_right_keys_load_also_from_the_usual_wrappers(folder, control):
    wrapped = {f"module.{key}": value for key, value in control.items()}
    for content in (control, {"state_dict": control, "epoch": 3}, wrapped, {"state_dict": wrapped}):
        torch.save(content, folder / VIS_IR)
        loaded = load_control(open_folder(folder), "natural")
        assert loaded.state_dict().keys() == control.keys()
        assert not loaded.training
        assert not any(p.requires_grad or p.is_meta for p in loaded.parameters())


def test_missing_and_left_over_keys_are_named_and_counted(folder, control):
    for key in ("inBlock.weight", "CBMA4.spatial_attention.conv2d.bias"):
        del control[key]
    torch.save(control | {f"extra{n}": torch.ones(1) for n in range(5)}, folder / VIS_IR)
    refusal(
        folder,
        "missing: 2 (inBlock.weight, CBMA4.spatial_attention.conv2d.bias)",
        "left over: 5 (extra0, extra1, extra2 ...)",
    )
    # half a wrapper is none
    torch.save(control | {"module.inBlock.weight": torch.ones(1)}, folder / VIS_IR)
    refusal(folder, "left over: 1 (module.inBlock.weight)")


def test_other_shapes_are_named(folder, control):
    control["inBlock.bias"] = torch.zeros(3)
    torch.save(control, folder / VIS_IR)
    refusal(folder, "misshaped: 1 (inBlock.bias)")


def test_not_a_number_is_refused(folder, control):
    control["inBlock.bias"] = torch.full((544,), torch.nan)
    torch.save(control, folder / VIS_IR)
    refusal(folder, "not finite")


@pytest.mark.parametrize(
    "odd",
    [
        torch.zeros(544, dtype=torch.int64),
        torch.zeros(544, dtype=torch.complex64),
        torch.zeros(544).to_sparse(),
        torch.zeros(544, device="meta"),
    ],
    ids=["int", "complex", "sparse", "meta"],
)
def test_tensors_that_are_not_plain_are_refused(folder, control, odd):
    control["inBlock.bias"] = odd
    torch.save(control, folder / VIS_IR)
    refusal(folder)


def test_config_json_comes_first(folder, tiny_weights):
    for path in tiny_weights.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    assert open_folder(folder).architecture == "light"
    assert released.is_released_folder(folder)
