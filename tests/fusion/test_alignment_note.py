"""A fusion says when image B lies next to its place."""

from __future__ import annotations

from dataclasses import replace

from napari_textdifuse.fusion.pair import make_pair
from napari_textdifuse.samples import load_sample


def test_a_shifted_image_is_reported_in_the_notes():
    a, b = load_sample("pet-mri")
    assert not any("moved" in note for note in make_pair(a, b).notes)
    affine = b.affine.copy()
    affine[:3, 3] += (9, 0, 0)
    (note,) = [n for n in make_pair(a, replace(b, affine=affine)).notes if "moved" in n]
    assert "9 mm left" in note
