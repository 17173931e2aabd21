"""Metrics against recorded values of independent implementations."""

import json
from pathlib import Path

import numpy as np
import pytest
import slow_metrics
from PIL import Image

from napari_textdifuse import evaluate
from napari_textdifuse.evaluation import luminance8
from napari_textdifuse.evaluation.metrics import evaluate_luminance

#: Of the evaluator that most fusion articles use, on research images that cannot be passed on.
SHARED = Path(__file__).parents[2].parent / "shared"
ATLAS = SHARED / "goldens" / "metrics.json"
LOOSE = ("Qabf", "VIF")  # published variants differ in details of the gradients


def rows(file):
    if not file.is_file():
        return []
    return [
        pytest.param(row, id=f"{row.get('pair', row.get('a'))}-{row['fused']}")
        for row in json.loads(file.read_text())
    ]


@pytest.fixture(scope="module")
def pieces():
    return {name: (a, b) for name, a, b in slow_metrics.pairs()}


@pytest.mark.parametrize("row", rows(slow_metrics.GOLDENS))
def test_equals_the_values_recorded_for_the_samples(row, pieces):
    a, b = pieces[row["pair"]]
    fused = dict(slow_metrics.fusions(a, b))[row["fused"]]
    result = evaluate_luminance(a, b, fused)
    assert result == pytest.approx({name: row[name] for name in result}, rel=1e-6)


def test_all_samples_are_recorded(pieces):
    recorded = [(p.values[0]["pair"], p.values[0]["fused"]) for p in rows(slow_metrics.GOLDENS)]
    assert sorted(recorded) == sorted((name, rule) for name in pieces for rule in ("max", "mean"))


def picture(name):
    with Image.open(SHARED / "data" / name) as image:
        return np.asarray(image)


@pytest.mark.skipif(
    not (ATLAS.is_file() and (SHARED / "data").is_dir()),
    reason=f"research images, not in the repository: {ATLAS}",
)
@pytest.mark.parametrize("row", rows(ATLAS))
def test_equals_the_evaluator_of_the_field(row):
    sources = [picture(row[role]) for role in ("a", "b")]
    fused = dict(slow_metrics.fusions(*map(luminance8, sources)))[row["fused"]]
    result = evaluate(*sources, fused)
    expected = {name: row[name] for name in result if name in row}
    tight = {name: value for name, value in expected.items() if name not in LOOSE}
    loose = {name: expected[name] for name in LOOSE}
    assert {name: result[name] for name in tight} == pytest.approx(tight, rel=1e-3)
    assert {name: result[name] for name in loose} == pytest.approx(loose, rel=5e-3)
