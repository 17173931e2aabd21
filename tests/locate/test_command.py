"""A stand-in program gets NIfTI files and gives a NIfTI mask back."""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time

import numpy as np
import pytest

from napari_textdifuse import fuse
from napari_textdifuse.errors import (
    Cancelled,
    InputError,
    MissingDependencyError,
    PromptError,
    TextDiFuseError,
)
from napari_textdifuse.locate import command as command_module
from napari_textdifuse.locate import get_locator
from napari_textdifuse.locate.command import PROGRAMS, CommandLocator
from napari_textdifuse.volume import Volume

#: Marks what is brighter than half the maximum; leaves a trace of what it was given.
PROGRAM = """
import json, os, sys, time
from pathlib import Path
mode, trace, image, out, *words = sys.argv[1:]
if mode == "hang":
    import fcntl, subprocess
    lock = open(trace + ".lock", "w")
    fcntl.flock(lock, fcntl.LOCK_EX)  # held until the last process that has it open ends
    sleep = [sys.executable, "-c", "import time; time.sleep(600)"]
    subprocess.Popen(sleep, pass_fds=[lock.fileno()])
text = json.dumps({"args": sys.argv[1:], "cwd": os.getcwd(), "pid": os.getpid()})
Path(trace + ".part").write_text(text)
os.replace(trace + ".part", trace)
if mode == "hang":
    time.sleep(600)
import nibabel as nib, numpy as np
img = nib.load(image)
data = np.asarray(img.dataobj)
Path(trace + ".header").write_bytes(img.header.binaryblock)
bright = (data > data.max() / 2).astype(np.uint8)
if mode == "fail":
    print("loading the model")
    sys.exit("out of memory on device 0")
if mode == "nothing":
    sys.exit(0)
if mode == "text":
    Path(out).write_text("no nifti")
elif mode == "folder":
    for n, word in enumerate(words):
        part = bright * 0
        part[n::2] = bright[n::2]
        name = f"image_a_{word.replace(' ', '_')}.nii.gz"
        nib.save(nib.Nifti1Image(part, img.affine), Path(out) / name)
elif mode == "large":
    nib.save(nib.Nifti1Image(bright.astype(np.int16) * 300, img.affine), out)
elif mode == "identity":  # geometry lost, the usual fault
    nib.save(nib.Nifti1Image(bright, np.eye(4)), out)
elif mode == "shifted":
    affine = img.affine.copy()
    affine[0, 3] += 500
    nib.save(nib.Nifti1Image(bright[1:], affine), out)
elif mode == "turned":  # the same voxels in another order
    nib.save(nib.as_closest_canonical(nib.Nifti1Image(bright, img.affine)), out)
elif mode == "half":  # on a coarser grid, as many networks answer
    affine = img.affine @ np.diag([2, 2, 2, 1])
    affine[:3, 3] = (img.affine @ [0.5, 0.5, 0.5, 1])[:3]
    nib.save(nib.Nifti1Image(bright[::2, ::2, ::2], affine), out)
else:
    nib.save(nib.Nifti1Image(bright.astype(np.float32), img.affine), out)
"""

AFFINE = np.array([[-2.0, 0, 0, 30], [0, 2, 0, -40], [0, 0, 3, 10], [0, 0, 0, 1]])


def block(shape=(12, 16, 20)):
    array = np.random.default_rng(0).normal(0, 1, shape).astype(np.float32)
    array[4:8, 4:12, 6:14] = 100
    return Volume(array, affine=AFFINE, modality="CT", unit="HU", name="secret name")


@pytest.fixture
def program(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temp"))
    (tmp_path / "temp").mkdir()
    script = tmp_path / "stand in.py"  # with a space
    script.write_text(PROGRAM)

    def make(mode="mask", rest="{image_a} {output} {prompt}", **options):
        trace = tmp_path / "trace.json"
        command = [sys.executable, str(script), mode, str(trace), *rest.split()]
        return CommandLocator(command, **options)

    make.trace = lambda: json.loads((tmp_path / "trace.json").read_text())
    make.header = lambda: (tmp_path / "trace.json.header").read_bytes()
    make.left = lambda: list((tmp_path / "temp").iterdir())
    return make


def test_files_go_out_and_a_mask_comes_back(program):
    found = program().locate([block(), block()], 'the "bright"; block')
    expected = np.zeros((12, 16, 20), np.uint8)
    expected[4:8, 4:12, 6:14] = 1
    np.testing.assert_array_equal(found.mask, expected)
    assert found.detections.boxes.tolist() == [[6, 4, 4, 14, 12, 8]]
    assert found.detections.sources == ("image a",)
    assert found.names[1] == 'the "bright"'
    *_, prompt = program.trace()["args"]
    assert prompt == 'the "bright"; block'  # one argument, untouched
    assert program.left() == []
    assert b"secret" not in program.header()
    assert all("secret" not in a for a in program.trace()["args"])


def test_a_prompt_is_never_a_command(program):
    evil = "x; touch hacked && {output} $(id) `id` --flag"
    program().locate([block()], evil)
    assert program.trace()["args"][-1] == evil


def test_a_folder_with_a_file_per_object(program):
    locator = program("folder", "{image_a} {output_dir} {prompts}")
    found = locator.locate([block()], "right kidney, liver")
    assert program.trace()["args"][-2:] == ["right kidney", "liver"]
    assert found.names == {1: "right kidney", 2: "liver"}
    assert set(np.unique(found.mask)) == {0, 1, 2}


def test_a_mask_on_another_grid_is_laid_onto_the_images(program):
    found = program("half").locate([block()], "block")
    assert found.mask.shape == (12, 16, 20)
    truth = np.zeros((12, 16, 20), bool)
    truth[4:8, 4:12, 6:14] = True
    assert 2 * (truth & (found.mask > 0)).sum() / (truth.sum() + (found.mask > 0).sum()) > 0.9


def test_a_mask_in_another_order_of_axes_is_the_same_mask(program):
    expected = program().locate([block()], "bright block").mask
    assert expected.any()
    np.testing.assert_array_equal(program("turned").locate([block()], "x").mask, expected)


def test_images_without_geometry(program):
    picture = np.zeros((30, 40), np.float32)
    picture[5:10, 8:20] = 1
    found = program().locate([Volume(picture)], "thing")
    np.testing.assert_array_equal(found.mask, picture.astype(np.uint8))


@pytest.mark.parametrize(
    ("mode", "words"),
    [
        ("fail", r"failed with status 1.*out of memory on device 0"),
        ("nothing", "ended without a mask"),
        ("text", "mask cannot be used"),
        ("large", "labels up to 300"),
        ("identity", "has the image's size, but another position.* affine of the image"),
        ("shifted", "100% of what mask.nii.gz marks is outside the image"),
    ],
)
def test_what_goes_wrong_is_said_with_the_programs_words(program, mode, words):
    with pytest.raises(TextDiFuseError, match=words) as error:
        program(mode).locate([block()], "x")
    assert "\n" not in str(error.value)
    assert program.left() == []


class Clock:
    """Stands still until the program has left its trace, and runs fast then."""

    def __init__(self, trace):
        self.trace, self.now = trace, 0.0
        self.sleep = time.sleep

    def monotonic(self):
        self.now += 2000.0 if self.trace.exists() else 0.0
        return self.now


def test_it_is_stopped_on_time_with_all_that_it_started(program, tmp_path, monkeypatch):
    monkeypatch.setattr(command_module, "time", Clock(tmp_path / "trace.json"))
    with pytest.raises(TextDiFuseError, match="stopped after 1800 s"):
        program("hang").locate([block()], "x")
    with pytest.raises(ProcessLookupError):
        os.kill(program.trace()["pid"], 0)
    with (tmp_path / "trace.json.lock").open("w") as lock:
        wait_until(lambda: lockable(lock))
    assert program.left() == []


def lockable(file):
    import fcntl

    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def wait_until(condition):
    """For what another process does; the patience is many times what it takes."""
    for _ in range(3000):
        if condition():
            return
        time.sleep(0.02)
    pytest.fail("nothing happened for a minute")


def test_it_is_stopped_on_request(program):
    with pytest.raises(Cancelled):
        program("hang", callback=lambda *_: False).locate([block()], "x")
    assert program.left() == []


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("run {image_a}", "neither {output} nor"),
        ("run {output}", "neither {image_a} nor"),
        ("run {image_a} {output} {lesion}", "{lesion}, which is not"),
        ("run '{image_a} {output}", "cannot be read"),
    ],
)
def test_templates_are_checked(command, words):
    with pytest.raises(InputError, match=words):
        CommandLocator(command)


def test_what_is_missing_is_named(program, monkeypatch):
    with pytest.raises(MissingDependencyError, match="no-such-program"):
        CommandLocator("no-such-program {image_a} {output}").locate([block()], "x")
    monkeypatch.delenv("TEXTDIFUSE_LOCATOR_COMMAND", raising=False)
    with pytest.raises(InputError, match="command="):
        get_locator("command").locate([block()], "x")
    with pytest.raises(PromptError):
        program().locate([block()], " , ")
    with pytest.raises(InputError, match="only one image"):
        program(rest="{image_b} {output}").locate([block()], "x")


@pytest.mark.parametrize("name", sorted(PROGRAMS))
def test_licences_come_before_use(name):
    with pytest.raises(InputError, match="licence") as error:
        CommandLocator(name)
    assert "accept_licence=True" in str(error.value)
    assert PROGRAMS[name].home in str(error.value)
    assert CommandLocator(name, accept_licence=True).command[0] in PROGRAMS[name].command


def test_it_works_in_a_fusion(program):
    a, b = block().array[6], block().array[6] * 2
    result = fuse(a, b, "block", locator=program(), quality="fast")
    assert result.mask[4:12, 6:14].all()
    assert result.mask.sum() == 64
    assert set(result.label_names.values()) == {"block"}
