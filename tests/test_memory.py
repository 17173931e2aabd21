"""Large arrays take little memory, and nothing is lost by it."""

from __future__ import annotations

import hashlib
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from napari_textdifuse import Volume, memory, read
from napari_textdifuse.fusion import pair as pair_module
from napari_textdifuse.fusion import result as result_module
from napari_textdifuse.fusion.pair import make_pair
from napari_textdifuse.fusion.record import describe_input
from napari_textdifuse.fusion.result import FusedSlices
from napari_textdifuse.fusion.slices import from_front
from napari_textdifuse.inputs import as_volumes
from napari_textdifuse.intensity import Window, default_window, whole_window
from napari_textdifuse.meaning import infer
from napari_textdifuse.memory import empty, page_out, parts, sha256_of
from napari_textdifuse.results import folder
from napari_textdifuse.results.preview import montage
from napari_textdifuse.spatial import coarse_pair

on_linux = pytest.mark.skipif(
    not Path("/proc/self/status").exists(), reason="only Linux says what is in memory"
)


def resident() -> int:
    """Return the bytes of files in this process's memory."""
    status = Path("/proc/self/status").read_text("utf-8")
    lines = dict(line.split(":", 1) for line in status.splitlines())
    return 1024 * sum(int(lines[name].split()[0]) for name in ("RssFile", "RssShmem"))


def test_parts_cover_the_first_axis_once():
    assert list(parts((5, 10, 10), 200)) == [slice(0, 2), slice(2, 4), slice(4, 5)]
    assert list(parts((2, 10, 10), 7)) == [slice(0, 1), slice(1, 2)]  # a row is not divided
    assert list(parts((3,), 2)) == [slice(0, 2), slice(2, 3)]
    assert list(parts((0, 4))) == []


@pytest.mark.parametrize(
    "array",
    [
        np.arange(24.0).reshape(2, 3, 4),
        np.asfortranarray(np.arange(24, dtype=">i2").reshape(2, 3, 4)),
        np.arange(24, dtype=np.float16)[::2],
        np.array([[True, False]]),
        np.zeros((0, 3)),
        np.array(3.0),
    ],
    ids=["3-D", "Fortran, big-endian", "strided", "bool", "empty", "scalar"],
)
def test_the_checksum_is_that_of_all_values_in_c_order(array, monkeypatch):
    monkeypatch.setattr(memory, "PART", 3)
    whole = hashlib.sha256(b"before" + np.ascontiguousarray(array).tobytes()).hexdigest()
    assert sha256_of(array, b"before") == whole


@on_linux
def test_a_large_array_leaves_memory_and_keeps_its_values(monkeypatch):
    monkeypatch.setattr(memory, "IN_FILE", 2**20)
    before = resident()
    array = empty((64, 256, 256), np.float32)  # 16 MiB
    array[:] = np.arange(64, dtype=np.float32)[:, None, None]
    assert resident() - before > 15 * 2**20
    page_out(array[3:])
    assert resident() - before < 2**20
    assert array[:, 5, 7].tolist() == list(range(64))


@on_linux
def test_colours_in_a_file_leave_memory_while_they_are_converted(monkeypatch):
    monkeypatch.setattr(memory, "IN_FILE", 2**20)
    array = empty((64, 128, 128, 3), np.float32)  # 12 MiB
    array[:] = 0.5
    Volume(array[:1], rgb=True).to_nibabel()  # what is imported on demand
    page_out(array)
    before = resident()
    image = Volume(array, rgb=True).to_nibabel()
    assert resident() - before < 2**20
    assert np.asarray(image.dataobj)["G"].max() == 128


def test_without_room_for_the_file_the_array_is_in_memory(monkeypatch):
    monkeypatch.setattr(memory, "IN_FILE", 0)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(memory.os, "posix_fallocate", full, raising=False)
    array = empty((2, 3), np.float32)
    assert array.base is None
    array[:] = 1
    page_out(array)
    assert array.sum() == 6


def test_changes_of_a_private_copy_of_a_file_are_kept(tmp_path):
    """nibabel opens files this way; the file does not have what was changed."""
    np.zeros(10_000, np.uint8).tofile(tmp_path / "values")
    array = np.memmap(tmp_path / "values", np.uint8, "c")
    array[:] = 7
    page_out(np.asarray(array)[10:])
    assert array.min() == 7


def test_slices_along_any_axis_are_stored_as_they_are_returned():
    for axis, shape in ((0, (4, 5, 6, 3)), (1, (5, 4, 6, 3)), (2, (5, 6, 4, 3))):
        out = FusedSlices((4, 5, 6), True, False, axis)
        image = from_front(out.fused, axis)
        assert image.shape == shape
        assert image.flags.c_contiguous
        assert np.shares_memory(image, out.fused)


def test_a_window_in_parts_is_that_of_the_whole(monkeypatch):
    values = np.random.default_rng(0).normal(size=(9, 8, 7)).astype(np.float32)
    values[0, 0, :3] = np.nan, np.inf, -np.inf
    window = Window(-1, 1, "a.u.", "test")
    monkeypatch.setattr(memory, "PART", 100)
    with np.errstate(invalid="ignore"):
        expected = np.clip((values.astype(np.float64) + 1) / 2, 0, 1)
    expected[0, 0, 0] = 0
    assert np.array_equal(window.normalise(values), expected.astype(np.float32))
    assert window.normalise(np.array(0.5)) == 0.75


@pytest.mark.parametrize("kind", [np.float32, np.float16, np.int16, np.uint16, np.int64])
def test_percentiles_are_those_of_all_values(kind):
    values = (np.random.default_rng(1).gamma(2, 300, (11, 13, 17))).astype(kind)
    window = default_window(Volume(values))
    low, high = np.percentile(values.astype(np.float64), (0.1, 99.9))
    assert window.high == high
    assert window.low == (0 if low < 0.1 * high else low)


def peak(function: Callable[..., object], *arguments: object) -> int:
    """Return the bytes that a call takes at most."""
    function(*arguments)  # imports what it needs
    tracemalloc.start()
    try:
        function(*arguments)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_a_volume_is_opened_and_recorded_without_copies_of_it(monkeypatch):
    monkeypatch.setattr(memory, "PART", 2**16)
    monkeypatch.setitem(coarse_pair.VOXELS, 3, 10_000)
    rng = np.random.default_rng(2)
    a, b = (
        Volume(rng.random((64, 128, 128), np.float32) * 300 + 5, affine=np.eye(4)) for _ in range(2)
    )
    window, size = whole_window(a)[0], a.array.nbytes
    common = coarse_pair.common_field(a, b)
    assert peak(as_volumes, a, b) < 0.5 * size
    assert peak(whole_window, a) < 1.5 * size  # percentiles need all finite values
    assert peak(infer, replace(a, modality="CT")) < 0.5 * size
    assert peak(lambda: make_pair(a, b).notes) < 1.6 * size  # waits for the check of alignment
    assert peak(coarse_pair.CoarsePair, a, b, common) < 0.6 * size
    assert peak(describe_input, a, window) < 0.5 * size


def test_the_preview_of_a_volume_takes_one_slice_of_it(tiny_pipeline):
    rng = np.random.default_rng(3)
    a, b = (Volume(rng.random((64, 64, 64), np.float32), affine=np.eye(4)) for _ in range(2))
    result = tiny_pipeline(a, b, slices=(0, 1))
    whole = replace(
        result, fused=rng.random((64, 64, 64)), contribution=np.ones((64, 64, 64), np.float32)
    )
    assert peak(lambda: montage(a, b, whole, anatomical=True, side=64)) < 0.5 * a.array.nbytes


def test_finished_slices_and_written_images_leave_memory(tiny_pipeline, monkeypatch, tmp_path):
    paged_out: list[tuple[int, ...]] = []
    for module in (result_module, folder):
        monkeypatch.setattr(module, "page_out", lambda array: paged_out.append(array.shape))
    monkeypatch.setattr(pair_module, "SLAB_PIXELS", 16 * 16)
    monkeypatch.setattr(memory, "IN_FILE", 0)
    rng = np.random.default_rng(4)
    a, b = (Volume(rng.random((2, 16, 16), np.float32), affine=np.eye(4)) for _ in range(2))
    result = tiny_pipeline(a, b)
    assert paged_out == [(2, 16, 16)] * 4  # fused and contribution, after each of two slabs
    folder.save_result(result, tmp_path, ".nii.gz")
    assert paged_out[4:] == [(2, 16, 16)] * 2
    saved = read(tmp_path / "fused.nii.gz").loaded().array
    assert np.array_equal(saved, result.fused)
