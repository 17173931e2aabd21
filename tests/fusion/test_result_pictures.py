"""What a notebook shows of a result."""

from __future__ import annotations

from io import BytesIO

import numpy as np
from PIL import Image

from napari_textdifuse.fusion.result import OUTLINES


def picture(result):
    return np.asarray(Image.open(BytesIO(result._repr_png_())))


def test_an_image_and_its_outline(tiny_pipeline):
    a, b = np.random.default_rng(0).random((2, 24, 32))
    plain = tiny_pipeline(a, b)
    assert np.array_equal(picture(plain), np.rint(plain.fused * 255).astype(np.uint8))
    mask = np.zeros((24, 32), np.uint8)
    mask[5:10, 6:16] = 1
    shown = picture(tiny_pipeline(a, b, prompt="<b>it</b>", mask=mask))
    edge = (shown == OUTLINES[0]).all(axis=-1)
    inner = mask.astype(bool).copy()
    inner[6:9, 7:15] = False
    assert np.array_equal(edge, inner)


def test_each_label_has_its_own_colour(tiny_pipeline):
    a, b = np.random.default_rng(0).random((2, 24, 32))
    mask = np.zeros((24, 32), np.uint8)
    for label in range(1, len(OUTLINES) + 2):
        mask[3, 3 * label - 1] = label
    shown = picture(tiny_pipeline(a, b, mask=mask))
    for label in range(1, len(OUTLINES) + 2):
        expected = OUTLINES[0 if label > len(OUTLINES) else label - 1]
        assert tuple(shown[3, 3 * label - 1]) == tuple(expected)


def test_the_page_names_what_was_found(tiny_pipeline):
    a, b = np.random.default_rng(0).random((2, 24, 32))
    mask = np.zeros((24, 32), np.uint8)
    mask[5:10, 6:16] = 1
    page = tiny_pipeline(a, b, prompt="<b>it</b>", mask=mask)._repr_html_()
    assert "&lt;b&gt;it&lt;/b&gt;, 50 pixels" in page
    assert "<b>" not in page
    assert "24 x 32; not for diagnosis" in page


def test_of_a_volume_the_slice_with_most_of_the_mask(tiny_pipeline):
    a, b = np.random.default_rng(0).random((2, 5, 16, 24))
    mask = np.zeros((5, 16, 24), np.uint8)
    mask[1, 4:6, 4:6] = mask[3, 4:10, 4:10] = 1
    found = tiny_pipeline(a, b, mask=mask)
    assert "slice 3;" in found._repr_html_()
    expected = np.rint(found.fused[3] * 255).astype(np.uint8)
    outside = mask[3] == 0
    shown = picture(found)[..., 0] if found.fused.ndim == 3 else picture(found)
    assert np.array_equal(shown[outside], expected[outside])
    assert "slice 2;" in tiny_pipeline(a, b)._repr_html_()
