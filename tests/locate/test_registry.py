"""Locators by name, also those of other packages, of which one is broken."""

from __future__ import annotations

import sys
from importlib.metadata import EntryPoint

import numpy as np
import pytest

from napari_textdifuse.errors import InputError, MissingDependencyError, TextDiFuseError
from napari_textdifuse.fusion.masks import locate_objects
from napari_textdifuse.fusion.options import FusionOptions
from napari_textdifuse.fusion.pair import make_pair
from napari_textdifuse.locate import (
    Detections,
    LexiconLocator,
    Location,
    Locator,
    LocatorInfo,
    describe_locators,
    get_locator,
    locator_names,
    locator_options,
    registry,
)
from napari_textdifuse.volume import Volume

BUILT_IN = (
    "lexicon",
    "owlvit-sam",
    "owlv2-sam",
    "grounding-dino-sam",
    "sam3",
    "free-text",
    "atlas",
    "command",
)

PLUGIN = '''
import numpy as np
from napari_textdifuse.locate import Detections, Location, LocatorInfo


class Corner:
    """Finds the corner of an image."""

    name = "corner"

    def __init__(self, size=2):
        self.size = size

    def locate(self, images, prompt):
        mask = np.zeros(images[0].shape, np.uint8)
        mask[: self.size, : self.size] = 1
        return Location(mask, Detections(), {1: prompt})


def with_words():
    return Corner()


with_words.describe = lambda: LocatorInfo("words", "a corner", licence="MIT", megabytes=3)
NOTHING = 3
'''


@pytest.fixture
def plugins(tmp_path, monkeypatch):
    (tmp_path / "textdifuse_corner.py").write_text(PLUGIN)
    (tmp_path / "textdifuse_broken.py").write_text("import a_package_that_is_not_there\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    values = {
        "corner": "textdifuse_corner:Corner",
        "words": "textdifuse_corner:with_words",
        "constant": "textdifuse_corner:NOTHING",
        "broken": "textdifuse_broken:Locator",
        "lexicon": "textdifuse_broken:Locator",  # a name that is taken
    }
    points = [EntryPoint(name, value, registry.GROUP) for name, value in values.items()]
    monkeypatch.setattr(registry, "entry_points", lambda group: points)
    yield
    for name in ("textdifuse_corner", "textdifuse_broken"):
        sys.modules.pop(name, None)


def test_names_and_descriptions_of_the_built_in(no_weights):
    assert locator_names() == list(BUILT_IN)
    lexicon, owlvit, owlv2, dino, sam3, *_ = describe_locators()
    assert len(dino.missing) == 2
    assert len(sam3.missing) == 1
    assert sam3.licence.startswith("SAM License")
    assert not lexicon.needs_download
    assert owlvit.needs_download
    assert owlvit.megabytes == 615 + 375
    assert owlvit.licence == "Apache-2.0"
    assert len(owlvit.missing) == 2
    assert "medical" in owlvit.good_at
    assert "owlv2" in owlv2.summary
    for name in locator_names():
        assert isinstance(get_locator(name), Locator)
        assert get_locator(name).name == name
    assert isinstance(get_locator("lexicon"), LexiconLocator)


def test_unknown_names_and_options():
    with pytest.raises(InputError, match="no locator 'clip'; choose from: 'lexicon', 'owlvit-sam'"):
        get_locator("clip")
    with pytest.raises(InputError, match="'lexicon' has no option 'threshold'"):
        get_locator("lexicon", threshold=0.2)
    assert "threshold" in locator_options("owlvit-sam")


def test_other_packages_bring_locators(plugins):
    brought = [name for name in locator_names() if name not in BUILT_IN]
    assert brought == ["broken", "constant", "corner", "words"]
    corner = get_locator("corner", size=3)
    image = Volume(np.zeros((5, 6), np.float32))
    assert corner.locate([image], "edge").mask.sum() == 9
    with pytest.raises(InputError, match="its options are: size"):
        get_locator("corner", colour="red")
    assert isinstance(get_locator("lexicon"), LexiconLocator)  # not taken over


def test_a_broken_one_says_so_and_the_rest_works(plugins, no_weights):
    with pytest.raises(MissingDependencyError) as error:
        get_locator("broken")
    text = str(error.value)
    assert "'broken'" in text
    assert "a_package_that_is_not_there" in text
    assert "\n" not in text
    with pytest.raises(MissingDependencyError, match="not a class or function"):
        get_locator("constant")
    told = {info.name: info for info in describe_locators()}
    assert "a_package_that_is_not_there" in told["broken"].problem
    assert told["corner"] == LocatorInfo("corner", "Finds the corner of an image.")
    assert told["words"].licence == "MIT"
    assert not told["lexicon"].problem


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (np.ones((4, 4), np.uint8), r"shape \(4, 4\) instead of uint8 of shape \(5, 6\)"),
        (np.ones((5, 6), np.int64), "int64 mask"),
        (np.full((5, 6), 7, np.uint8), "no name for label 7"),
    ],
)
def test_wrong_answers_of_a_plugin_are_refused(mask, message):
    class Wrong:
        name = "wrong"

        def locate(self, images, prompt):
            return Location(mask, Detections(), {1: prompt})

    image = Volume(np.ones((5, 6), np.float32))
    with pytest.raises(TextDiFuseError, match=message):
        locate_objects(make_pair(image, image), FusionOptions(prompt="x"), (image, image), Wrong())


def test_drawn_masks_and_lexicon_number_their_objects(head):
    labels = np.zeros((5, 6), np.uint8)
    labels[0, 0], labels[3:, 2:4] = 4, 9
    image = Volume(np.ones((5, 6), np.float32))
    drawn = locate_objects(make_pair(image, image), FusionOptions(mask=labels))
    assert drawn.instances[0, 0] == 1
    assert drawn.instances[4, 3] == 2
    assert drawn.instances.max() == 2

    found = LexiconLocator().locate([head.make("CT")], "bone, ventricle")
    rows = found.detections
    assert ((found.instances > 0) == (found.mask > 0)).all()
    assert found.instances.max() == len(rows) > 1
    for i in range(1, len(rows) + 1):
        where = np.nonzero(found.instances == i)
        if len(where[0]):
            assert (found.mask[where] == rows.label_values[i - 1]).all()
            low = [w.min() for w in where[::-1]]
            high = [w.max() + 1 for w in where[::-1]]
            assert (rows.boxes[i - 1][:3] <= low).all()
            assert (rows.boxes[i - 1][3:] >= high).all()
