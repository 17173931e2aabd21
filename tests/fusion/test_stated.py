"""Facts that the user states win over what is read or guessed."""

from __future__ import annotations

import numpy as np
import pytest

from napari_textdifuse import Volume, fuse
from napari_textdifuse.errors import InputError


def picture(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).random((24, 20)).astype(np.float32)


def test_a_stated_pet_is_shown_in_colour_and_recorded(tiny_pipeline):
    a, b = picture(0), 8 * picture(1)
    assert tiny_pipeline(a, b, steps=1).fused.ndim == 2  # nothing says what they are
    stated = {"modality": {"a": "T1", "b": "PT"}, "unit": {"b": "SUVbw"}}
    result = tiny_pipeline(a, b, steps=1, **stated)
    assert result.fused.shape == (24, 20, 3)
    inputs = result.record["inputs"]
    assert (inputs["a"]["modality"], inputs["b"]["modality"]) == ("MR", "PT")
    assert inputs["b"]["unit"] == "SUVbw"
    assert inputs["b"]["facts"]["modality"] == {"value": "PT", "source": "stated"}
    assert inputs["a"]["facts"]["contrast"]["value"] == "T1"


def test_what_is_stated_wins_over_the_file(tiny_pipeline):
    said = Volume(picture(0), modality="MR", sources={"modality": "file"})
    result = tiny_pipeline(said, picture(1), steps=1, modality={"a": "CT"})
    assert result.record["inputs"]["a"]["modality"] == "CT"
    assert any("stated as CT; the file states MR" in note for note in result.record["warnings"])


@pytest.mark.parametrize("option", [{"modality": "banana"}, {"unit": {"c": "HU"}}, {"modality": 3}])
def test_wrong_statements_are_refused_before_anything_is_read(option):
    with pytest.raises(InputError):
        fuse("not there", "not there either", **option)
