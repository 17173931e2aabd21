"""Which image is source 1 of a network that tells its sources apart."""

from __future__ import annotations

import numpy as np
import pytest

from napari_textdifuse import Volume
from napari_textdifuse.fusion.pair import make_pair
from napari_textdifuse.fusion.prepare import prepare_slab
from napari_textdifuse.fusion.source_order import order_sources


def prepare(a, b):
    pair = make_pair(a, b)
    return prepare_slab(pair, pair.slabs[0])


def image(modality=None, rgb=False, border=0.5):
    values = np.full((20, 24, 3) if rgb else (20, 24), 0.7, np.float32)
    values[[0, -1]] = values[:, [0, -1]] = border
    unit = {"CT": "HU", "PT": "SUVbw"}.get(modality, "a.u.")
    return Volume(values, rgb=rgb, modality=modality, unit=unit)


@pytest.mark.parametrize(
    ("a", "b", "kind", "swapped"),
    [
        (("VIS",), ("IR",), "natural", False),
        (("IR",), ("VIS",), "natural", True),
        (("IR",), (None, True), "natural", True),
        ((None,), ("IR",), "natural", False),
        (("IR",), (None,), "natural", True),
        (("VIS", True), (None,), "natural", False),
        ((None, True), (None,), "natural", False),
        ((None,), (None, True), "natural", True),
        (("MR",), ("PT",), "medical", False),
        (("PT",), ("MR",), "medical", True),
        (("CT",), ("MR",), "medical", True),
        (("MR",), ("NM",), "medical", False),
        (("PT",), ("CT",), "medical", True),
        (("CT",), ("PT",), "medical", False),
        (("MR",), (None, True), "medical", False),
        ((None, True), ("MR",), "medical", True),
        ((None, True, 0), (None, False, 0), "medical", True),
        ((None, False, 0), (None, True, 0), "medical", False),
    ],
)
def test_source_one_is_visible_light_or_the_mri(a, b, kind, swapped):
    roles = order_sources(prepare(image(*a), image(*b)))
    assert (roles.kind, roles.swapped) == (kind, swapped)


@pytest.mark.parametrize(
    ("a", "b"), [(("MR",), ("MR",)), (("VIS",), ("VIS",)), ((None,), (None,)), (("CT",), ("CT",))]
)
def test_a_choice_without_reason_is_noted(a, b):
    roles = order_sources(prepare(image(*a), image(*b)))
    assert not roles.swapped
    assert any("image A was assumed" in note for note in roles.notes)


def test_what_was_guessed_is_noted_and_what_was_known_is_not():
    assert order_sources(prepare(image("MR"), image("CT"))).notes == ()
    guessed = order_sources(prepare(image(), image(rgb=True))).notes
    assert guessed == ("The pair was assumed to be a visible and an infrared image.",)
    dark = order_sources(prepare(image(border=0), image(rgb=True, border=0))).notes
    assert "black background" in dark[0]
