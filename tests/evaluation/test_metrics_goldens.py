"""Metrics against an independent implementation, on development data, not in the repository."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from napari_textdifuse import evaluate
from napari_textdifuse.evaluation import luminance8

SHARED = Path(__file__).parents[2].parent / "shared"
GOLDENS = SHARED / "goldens" / "metrics.json"
LOOSE = ("Qabf", "VIF")  # published variants differ in details of the gradients

pytestmark = pytest.mark.skipif(
    not (GOLDENS.is_file() and (SHARED / "data").is_dir()),
    reason=f"development data, not in the repository: {GOLDENS}",
)


def picture(name):
    with Image.open(SHARED / "data" / name) as image:
        return np.asarray(image)


def rows():
    if not GOLDENS.is_file():
        return []
    return [
        pytest.param(row, id=f"{row['a']}-{row['fused']}")
        for row in json.loads(GOLDENS.read_text())
    ]


@pytest.mark.parametrize("row", rows())
def test_equals_the_golden_values(row):
    sources = [picture(row[role]) for role in ("a", "b")]
    a, b = (luminance8(source).astype(int) for source in sources)
    fused = np.maximum(a, b) if row["fused"] == "max" else (a + b + 1) // 2
    result = evaluate(*sources, fused.astype(np.uint8))
    expected = {name: row[name] for name in result}
    tight = {name: value for name, value in expected.items() if name not in LOOSE}
    loose = {name: expected[name] for name in LOOSE}
    assert {name: result[name] for name in tight} == pytest.approx(tight, rel=1e-3)
    assert {name: result[name] for name in loose} == pytest.approx(loose, rel=5e-3)
