"""Options: one list of them everywhere, and labels that keep their numbers."""

from __future__ import annotations

import inspect
import os
import subprocess
import sys
from dataclasses import fields

import numpy as np
import pytest

from napari_textdifuse import FusionPipeline, Volume, fuse
from napari_textdifuse.errors import InputError
from napari_textdifuse.fusion import FusionSession
from napari_textdifuse.fusion.options import FusionOptions
from napari_textdifuse.locate.drawn import Drawing


def picture(shape=(37, 50), seed=0):
    return np.random.default_rng(seed).integers(1, 256, shape).astype(np.uint8)


def parameters(function):
    found = inspect.signature(function).parameters
    return {name: p.default for name, p in found.items() if name != "self"}


def test_every_option_is_a_parameter_with_one_default_and_an_entry_in_the_docstring():
    options = {field.name: field.default for field in fields(FusionOptions)}
    images, running = {"a", "b"}, {"callback"}
    of_fuse = parameters(fuse)
    assert set(of_fuse) == images | set(options) | running | {"weights", "device"}
    of_call = parameters(FusionPipeline.__call__)
    assert set(of_call) == images | set(options) | running
    of_session = parameters(FusionPipeline.session)
    of_run = parameters(FusionSession.fuse)
    assert set(of_session) | set(of_run) == images | set(options) | running | {"memory"}
    assert set(of_session) & set(of_run) == running
    for found in (of_fuse, of_call, of_session, of_run):
        for name in found.keys() & options.keys():
            assert found[name] == options[name], name
    for function in (fuse, FusionPipeline.__call__, FusionPipeline.session, FusionSession.fuse):
        kinds = {p.kind for p in inspect.signature(function).parameters.values()}
        assert inspect.Parameter.VAR_KEYWORD not in kinds
    for name in of_fuse:
        if name not in images:
            assert f"\n    {name} : " in inspect.cleandoc(fuse.__doc__).replace("\n", "\n    ")


def test_the_pipeline_takes_the_same_arguments_by_position():
    names = list(parameters(FusionPipeline.__call__))
    assert names[:8] == ["a", "b", "prompt", "mask", "boxes", "steps", "seed", "callback"]
    assert list(parameters(fuse))[:3] == ["a", "b", "prompt"]


@pytest.mark.parametrize("label", [1, 3, 255])
def test_a_single_label_keeps_its_number(tiny_pipeline, label):
    a, b = picture(), picture(seed=1)
    mask = np.zeros(a.shape, np.uint8)
    mask[10:20, 12:30] = label
    plain, result = tiny_pipeline(a, b).fused, tiny_pipeline(a, b, mask=mask)
    np.testing.assert_array_equal(result.mask, mask)
    assert set(result.label_names) == {label}
    assert result.detections.label_values.tolist() == [label]
    assert not np.array_equal(result.fused, plain)
    still = tiny_pipeline(a, b, mask=mask, strength={label: 0.0})
    np.testing.assert_array_equal(still.fused, plain)


def test_true_is_label_one_and_labels_beyond_a_byte_are_refused(tiny_pipeline):
    a, b = picture(), picture(seed=1)
    assert tiny_pipeline(a, b, mask=a > 200).detections.label_values.tolist() == [1]
    for wrong in (np.where(a > 200, 300, 0), np.where(a > 200, -1, 0)):
        with pytest.raises(InputError, match="use 1 to 255"):
            tiny_pipeline(a, b, mask=wrong)


def test_boxes_keep_their_numbers_when_others_lie_outside_the_slices(tiny_pipeline):
    a, b = picture((5, 20, 24)), picture((5, 20, 24), 1)
    boxes = [[2, 2, 0, 6, 6, 1], [2, 2, 3, 6, 6, 4]]
    whole = tiny_pipeline(a, b, boxes=boxes, strength={2: 0.0})
    part = tiny_pipeline(a, b, boxes=boxes, strength={1: 1.0, 2: 0.0}, slices=(3, 5))
    assert part.detections.label_values.tolist() == [2]
    np.testing.assert_array_equal(part.mask, whole.mask[3:5])
    np.testing.assert_array_equal(part.fused, whole.fused[3:5])


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_drawn_shapes_keep_their_numbers_when_others_lie_outside_the_slices(tiny_pipeline, axis):
    a, b = picture((12, 14, 16)), picture((12, 14, 16), 1)
    along = 2 - axis
    shapes = []
    for first in (0, 5):
        box = np.array([2.0, 2, 2, 7, 7, 7])
        box[[along, along + 3]] = first, first + 1
        corners = np.full((4, 3), first + 0.5)
        corners[:, [k for k in range(3) if k != along]] = [[8, 8], [8, 11], [11, 11], [11, 8]]
        shapes.append((box, corners))
    drawing = Drawing(
        boxes=[box for box, _ in shapes],
        polygons=[corners for _, corners in shapes],
        names={4: "the last"},
    )
    options = {"drawing": drawing, "axis": axis, "refiner": "none"}
    whole = tiny_pipeline(a, b, **options)
    part = tiny_pipeline(a, b, **options, slices=(4, 7), strength={1: 0.5, 4: 0.5})
    assert sorted(set(part.detections.label_values.tolist())) == [2, 4]
    assert part.label_names[4] == "the last"
    cut = (slice(None),) * axis + (slice(4, 7),)
    np.testing.assert_array_equal(part.mask, whole.mask[cut])
    assert "1 of 2 polygons are outside the chosen slices." in part.record["warnings"]


def test_a_strength_needs_its_label(tiny_pipeline):
    a, b = picture(), picture(seed=1)
    mask = np.zeros(a.shape, np.uint8)
    mask[3:9, 3:9], mask[20:25, 20:30] = 2, 7
    for strength, given in (
        ({3: 0.0}, {"mask": mask}),
        ({2: 1.0, "7": 0.0}, {"mask": mask}),
        ({3: 0.5}, {"boxes": [[1, 1, 5, 5], [9, 9, 12, 12]]}),
        ({1: 0.5}, {}),
    ):
        with pytest.raises(InputError, match="strength names label"):
            tiny_pipeline(a, b, strength=strength, **given)
    drawing = Drawing(labels=mask, names={2: "spot", 9: "erased"})
    tiny_pipeline(a, b, drawing=drawing, strength={2: 0.5, 7: 0.5, 9: 0.5})


def test_a_label_outside_the_chosen_slices_may_have_a_strength(tiny_pipeline):
    a, b = picture((5, 20, 24)), picture((5, 20, 24), 1)
    mask = np.zeros(a.shape, np.uint8)
    mask[0, 3:9, 3:9], mask[3, 3:9, 3:9] = 1, 2
    placed = Volume(mask, affine=np.eye(4))
    for given in (mask, placed):
        result = tiny_pipeline(a, b, mask=given, slices=(2, 5), strength={1: 0.0, 2: 1.0})
        np.testing.assert_array_equal(result.mask, mask[2:5])
        assert set(result.label_names) == {2}


STALE = """
import sys
import numpy as np
from napari_textdifuse import FusionPipeline
pipeline = FusionPipeline.from_pretrained(sys.argv[1], device="cpu")
a, b = np.random.default_rng(0).random((2, 20, 24))
pipeline(a, b)
pipeline(a, b, mask=a > 0.5)
pipeline(a, b, boxes=[[2, 2, 9, 9]])
pipeline(a, b, locator="owlvit-sam")
session = pipeline.session(a, b)
session.fuse(refiner="sam")
loaded = [name for name in sys.modules if name.split(".")[0] in ("huggingface_hub", "transformers")]
assert not loaded, loaded
assert "napari_textdifuse.locate.hub" not in sys.modules
"""


def test_without_a_drawing_no_refiner_is_built(tiny_weights, tmp_path):
    """Also where the variable names weights that are gone."""
    environment = os.environ | {"TEXTDIFUSE_LOCATOR_WEIGHTS": str(tmp_path / "gone")}
    subprocess.run(
        [sys.executable, "-c", STALE, str(tiny_weights)], env=environment, check=True, timeout=600
    )
