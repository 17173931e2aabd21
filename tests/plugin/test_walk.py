"""A whole session, recorded: two pairs, five prompts, three extents, a painted correction.

At every step the layers' names, order, visibility and selection are what a person expects.
"""

from __future__ import annotations

from head_layers import head
from napari.components import ViewerModel

from napari_textdifuse.napari_plugin.fuse.extent_box import CURRENT, RANGE, WHOLE
from napari_textdifuse.napari_plugin.fuse.widget import FusionWidget


def visible_layers(viewer: ViewerModel) -> list[str]:
    return [layer.name for layer in viewer.layers if layer.visible]


def test_a_whole_session(make_napari_viewer, qtbot, tiny_pipeline, notifications):
    viewer = make_napari_viewer()
    for layer in (head("t1", "MR", 0), head("pet", "PT", 1, "SUVbw")):
        viewer.add_layer(layer)
    widget = FusionWidget(viewer, make_pipeline=lambda device: tiny_pipeline)
    viewer.window.add_dock_widget(widget, name="Fuse")
    widget.quality.value = "fast"

    def fuse(prompt: str | None = None, button: str = "fuse") -> None:
        if prompt is not None:
            widget.prompt.value = prompt
        getattr(widget, button).native.click()
        qtbot.waitUntil(lambda: not widget.running, timeout=120_000)
        mask = viewer.layers.selection.active
        if mask is not None and mask.name.startswith("Mask"):
            below = viewer.layers[viewer.layers.index(mask) - 1]
            assert below.name.startswith("Fused"), "the mask lies on its own fused image"

    # open, fuse
    fuse("")
    assert visible_layers(viewer) == ["t1", "pet", "Fused: t1 + pet, fast"]
    # a prompt: its result comes into sight, the one before goes out of it
    fuse("tumour")
    first = ["Fused: t1 + pet, tumour, fast", "Mask: tumour, fast (t1 + pet)"]
    assert visible_layers(viewer) == ["t1", "pet", *first]
    assert viewer.layers.selection.active.name == first[1]
    # the same term in other words is the same result
    for words in ("Tumor", "neoplasm"):
        fuse(words)
        assert [layer.name for layer in viewer.layers[2:]] == ["Fused: t1 + pet, fast", *first]
    whole = viewer.layers[first[1]]
    # one slice: the result of all slices stays
    viewer.dims.set_current_step(0, 3)
    widget.extent.what.value = CURRENT
    fuse("tumour")
    one = [
        "Fused: t1 + pet, tumour, slice 3, fast",
        "Mask: tumour, slice 3, fast (t1 + pet)",
    ]
    assert visible_layers(viewer) == ["t1", "pet", *one]
    assert whole in viewer.layers
    assert whole.data.shape == (6, 20, 24)
    # a range
    widget.extent.what.value = RANGE
    widget.extent.first.value, widget.extent.last.value = 2, 4
    fuse()
    some = [name.replace("slice 3", "slices 2-4") for name in one]
    assert visible_layers(viewer) == ["t1", "pet", *some]
    assert viewer.layers.selection.active.name == some[1]
    # a painted correction keeps its own result, and nothing moves
    widget.extent.what.value = WHOLE
    fuse("tumour")
    mask = viewer.layers.selection.active
    assert mask is whole
    assert visible_layers(viewer) == ["t1", "pet", *first]
    order = list(viewer.layers)
    mask.mode = "paint"
    assert mask.contour == 0, "filled while it is painted on"
    mask.paint((4, 15, 15), 1)
    fuse(button="update_from_mask")
    assert list(viewer.layers) == order
    assert viewer.layers.selection.active is mask
    assert mask.mode == "paint"
    mask.mode = "pan_zoom"
    assert mask.contour == 1
    corrected = [f"{name}, corrected" for name in first]
    assert visible_layers(viewer) == ["t1", "pet", *corrected]
    # the prompt again does not destroy the correction
    fuse("tumour")
    assert mask in viewer.layers
    assert visible_layers(viewer) == ["t1", "pet", *first]
    # what is not there is a warning, and changes nothing of the others
    fuse("xylophone")
    assert widget.message.level == "warning"
    assert "xylophone" in widget.message.text
    # two terms at once
    widget.extent.what.value = CURRENT
    fuse("grey matter, tumour")
    both = [name.replace("tumour", "grey matter, tumour") for name in one]
    assert visible_layers(viewer) == ["t1", "pet", *both]
    assert viewer.layers.selection.active.name == both[1]
    widget.extent.what.value = WHOLE
    # a second patient
    for layer in (head("t1 B", "MR", 5), head("pet B", "PT", 6, "SUVbw")):
        viewer.add_layer(layer)
    widget.image_a.value, widget.image_b.value = viewer.layers["t1 B"], viewer.layers["pet B"]
    assert not widget.update_from_mask.enabled, "the corrected mask belongs to the other pair"
    fuse("tumour")
    other = [name.replace("t1 + pet", "t1 B + pet B") for name in first]
    assert visible_layers(viewer) == ["t1", "pet", "t1 B", "pet B", *other]
    assert widget.update_from_mask.enabled
    # a deleted input is chosen again when it returns
    pet = viewer.layers["pet B"]
    viewer.layers.remove(pet)
    assert widget.image_b.value is not pet
    assert not widget.update_from_mask.enabled
    viewer.add_layer(pet)
    assert widget.image_b.value is pet
    assert widget.update_from_mask.enabled
    names = [layer.name for layer in viewer.layers]
    assert len(set(names)) == len(names)
    assert not [name for name in names if "[1]" in name or "(running)" in name]
    assert notifications == []
