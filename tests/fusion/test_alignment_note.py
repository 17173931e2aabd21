"""A fusion says when image B lies next to its place."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from napari_textdifuse.fusion.pair import make_pair
from napari_textdifuse.samples import load_sample


def test_a_shifted_image_is_reported_in_the_notes():
    a, b = load_sample("pet-mri")
    assert not any("moved" in note for note in make_pair(a, b).notes)
    affine = b.affine.copy()
    affine[:3, 3] += (9, 0, 0)
    (note,) = [n for n in make_pair(a, replace(b, affine=affine)).notes if "moved" in n]
    assert "9 mm left" in note


def with_nan(volume):
    array = volume.array.astype(float)
    array[0] = np.nan
    return replace(volume, array=array)


@pytest.mark.parametrize(
    ("change", "noted"),
    [
        (lambda v: v, True),
        (lambda v: replace(v, array=v.array.copy(), modality="PT"), True),
        (lambda v: replace(v, array=v.array.astype(np.float64)), True),
        (lambda v: replace(v, array=v.array + 1), False),
        (lambda v: replace(v, affine=v.affine + np.eye(4, k=3)), False),
        (lambda v: replace(v, affine=None), False),
        (lambda v: replace(v, array=v.array[1:]), False),
    ],
)
@pytest.mark.parametrize("prepare", [lambda v: v, with_nan])
def test_an_image_with_itself_is_noted(change, noted, prepare):
    a = prepare(load_sample("pet-mri")[0])
    notes = make_pair(a, change(a)).notes
    assert any("same image" in note for note in notes) == noted
