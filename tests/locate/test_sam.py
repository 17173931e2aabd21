"""SAM from both of its formats: masks come back in the image's pixels."""

from __future__ import annotations

import shutil
import subprocess
import sys

import numpy as np
import pytest
import torch
from bright import plant_segmenter

from napari_textdifuse.errors import WeightsError
from napari_textdifuse.locate.checkpoints import unusable_transformers
from napari_textdifuse.locate.sam import Embedding, load_segmenter
from napari_textdifuse.locate.sam_checkpoint import CheckpointSam
from tiny_models import SAM_SIDE

CPU = torch.device("cpu")
SHAPES = [(19, 31), (37, 53), (203, 90)]


@pytest.fixture(scope="module", params=["sam", "sam_tiny.pth"])
def segmenter(request, tiny_models):
    return load_segmenter(tiny_models / request.param, CPU)


@pytest.mark.parametrize("shape", SHAPES)
def test_mask_and_box_are_in_image_pixels(segmenter, shape, monkeypatch):
    height, width = shape
    x0, y0, x1, y1 = width // 5, height // 3, width // 5 + width // 2, height // 3 + height // 3
    picture = np.zeros((*shape, 3), np.uint8)
    picture[y0:y1, x0:x1] = 255
    seen = plant_segmenter(segmenter, monkeypatch)
    image = segmenter.encode(picture)
    (mask,) = segmenter.segment(image, np.array([[x0, y0, x1, y1]], np.float32))
    assert mask.shape == shape
    assert mask.dtype == bool
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    cell = 4 * max(shape) / SAM_SIDE  # the planted network sees in cells of four input pixels
    found = [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]
    np.testing.assert_allclose(found, [x0, y0, x1, y1], atol=cell + 0.5)
    scale = SAM_SIDE / max(shape)  # to the model's input, up to its rounding to whole pixels
    np.testing.assert_allclose(
        seen[0].reshape(4), np.array([x0, y0, x1, y1]) * scale, atol=0.02 * SAM_SIDE
    )


def test_many_boxes_give_each_its_mask(segmenter):
    picture = np.random.default_rng(0).integers(0, 255, (37, 53, 3), np.uint8)
    image = segmenter.encode(picture)
    edges = np.array([[k, k, 20 + k, 15 + k] for k in range(20)], np.float32)  # more than a batch
    masks = segmenter.segment(image, edges)
    assert masks.shape == (20, 37, 53)
    for k in (0, 18):
        np.testing.assert_array_equal(segmenter.segment(image, edges[k : k + 1])[0], masks[k])
    assert segmenter.segment(image, np.zeros((0, 4), np.float32)).shape == (0, 37, 53)


def test_two_images_do_not_mix(segmenter):
    rng = np.random.default_rng(1)
    box = np.array([[2, 3, 30, 25]], np.float32)
    one = segmenter.encode(rng.integers(0, 255, (37, 53, 3), np.uint8))
    before = segmenter.segment(one, box)
    segmenter.segment(segmenter.encode(rng.integers(0, 255, (64, 20, 3), np.uint8)), box)
    np.testing.assert_array_equal(segmenter.segment(one, box), before)
    assert isinstance(one, Embedding)
    assert one.nbytes == one.tensor.nbytes > 0


def test_the_checkpoint_is_that_of_segment_anything(tiny_models):
    """The network is rebuilt from the shapes of the weights; its own predictor agrees."""
    loaded = CheckpointSam(tiny_models / "sam_tiny.pth", CPU)
    sam = loaded.predictor.model
    encoder = sam.image_encoder
    assert (encoder.img_size, len(encoder.blocks)) == (SAM_SIDE, 3)
    assert [block.window_size for block in encoder.blocks] == [3, 0, 0]
    assert encoder.blocks[0].attn.num_heads == 3
    from segment_anything import SamPredictor

    picture = np.random.default_rng(2).integers(0, 255, (37, 53, 3), np.uint8)
    box = np.array([5, 6, 40, 30], np.float32)
    predictor = SamPredictor(sam)
    predictor.set_image(picture)
    expected, _, _ = predictor.predict(box=box, multimask_output=False)
    found = loaded.segment(loaded.encode(picture), box[None])
    np.testing.assert_array_equal(found, expected)


def test_the_real_sizes_are_recognised():
    """ViT-B, without its 375 MB: the builder of segment-anything on the meta device."""
    from napari_textdifuse.locate.sam_checkpoint import build
    from napari_textdifuse.locate.torchvision_standin import import_segment_anything

    package = import_segment_anything()
    with torch.device("meta"):
        real = package.sam_model_registry["vit_b"]()
        rebuilt = build(real.state_dict(), "sam_vit_b.pth")
    encoder, ours = real.image_encoder, rebuilt.image_encoder
    assert [b.window_size for b in ours.blocks] == [b.window_size for b in encoder.blocks]
    assert ours.blocks[0].attn.num_heads == encoder.blocks[0].attn.num_heads == 12
    assert {k: v.shape for k, v in rebuilt.state_dict().items()} == {
        k: v.shape for k, v in real.state_dict().items()
    }


class Evil:
    def __reduce__(self):
        import os

        return os.abort, ()


def test_what_is_wrong_with_a_checkpoint(tiny_models, tmp_path):
    def refusal(path):
        with pytest.raises(WeightsError) as error:
            load_segmenter(path, CPU)
        return str(error.value)

    whole = (tiny_models / "sam_tiny.pth").read_bytes()
    (tmp_path / "cut.pth").write_bytes(whole[: len(whole) // 2])
    assert "damaged" in refusal(tmp_path / "cut.pth")
    (tmp_path / "page.pth").write_text("<html>not found</html>")
    assert "damaged" in refusal(tmp_path / "page.pth")
    torch.save({"model": Evil()}, tmp_path / "evil.pth")  # would end this process
    assert "damaged" in refusal(tmp_path / "evil.pth")
    torch.save({"epoch": 3}, tmp_path / "other.pth")
    assert "no plain SAM weights" in refusal(tmp_path / "other.pth")
    torch.save({"weight": torch.ones(2)}, tmp_path / "net.pth")
    assert "no weights of SAM" in refusal(tmp_path / "net.pth")
    state = torch.load(tiny_models / "sam_tiny.pth", weights_only=True)
    del state["mask_decoder.iou_token.weight"]
    torch.save(state, tmp_path / "part.pth")
    assert "does not fit" in refusal(tmp_path / "part.pth")
    assert "check the path" in refusal(tmp_path / "nowhere.pth")
    (tmp_path / "sam.onnx").write_bytes(b"x")
    assert "neither a SAM checkpoint" in refusal(tmp_path / "sam.onnx")
    assert "no SAM model" in refusal(tiny_models / "owlvit")
    bare = shutil.copytree(tiny_models / "sam", tmp_path / "bare")
    (bare / "preprocessor_config.json").unlink()
    assert "preprocessor_config.json" in refusal(bare)


_BROKEN = "raise RuntimeError('operator torchvision::nms does not exist')"
_CODE = """
import sys
import numpy as np
from napari_textdifuse.locate.torchvision_standin import import_segment_anything

broken, healthy = sys.argv[1:]
sys.path.insert(0, broken)
package = import_segment_anything()
assert package.SamPredictor and import_segment_anything() is package
assert not [m for m in sys.modules if m.startswith('torchvision')]
from segment_anything.utils.transforms import ResizeLongestSide
picture = np.zeros((20, 40, 3), np.uint8)
assert ResizeLongestSide(64).apply_image(picture).shape == (32, 64, 3)
try:
    import torchvision
except RuntimeError:
    print('still broken')

sys.path.remove(broken)
sys.path.insert(0, healthy)
for name in [m for m in sys.modules if m.startswith('segment_anything')]:
    del sys.modules[name]
import_segment_anything()
import segment_anything.utils.transforms as used
print(used.resize)
"""


_AFTER_ANOTHER = """
import sys
sys.modules["torchvision"] = None  # as where it is not installed
try:
    import segment_anything
except ImportError:
    pass
assert any(name.startswith("segment_anything.") for name in sys.modules)
from napari_textdifuse.locate.torchvision_standin import import_segment_anything
assert import_segment_anything().modeling.Sam
"""


def test_an_import_that_another_library_tried_in_vain():
    """MONAI tries segment-anything without torchvision, which leaves parts of it loaded."""
    ran = subprocess.run(
        [sys.executable, "-c", _AFTER_ANOTHER], capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr


def test_torchvision_broken_and_healthy(tmp_path, monkeypatch):
    """PyPI's torchvision next to a torch without CUDA raises RuntimeError on import."""
    broken, healthy = tmp_path / "broken", tmp_path / "healthy"
    (broken / "torchvision").mkdir(parents=True)
    (healthy / "torchvision").mkdir(parents=True)
    (healthy / "torchvision/__init__.py").write_text("")
    (broken / "torchvision/__init__.py").write_text(_BROKEN)
    for name in ("transforms", "ops"):
        (healthy / "torchvision" / name).mkdir()
        (healthy / "torchvision" / name / "__init__.py").write_text("")
    (healthy / "torchvision/ops/boxes.py").write_text("batched_nms = box_area = None\n")
    (healthy / "torchvision/transforms/functional.py").write_text(
        "resize = to_pil_image = 'the real one'\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", _CODE, broken, healthy],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.stdout.splitlines() == ["still broken", "the real one"], ran.stderr
    monkeypatch.syspath_prepend(str(broken))
    assert "uninstall torchvision" in str(unusable_transformers(ImportError("no reason given")))
