"""Drawn images in folders, and a network small enough for tests."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import ndimage

from napari_textdifuse.models import LightNetwork, UNetConfig
from napari_textdifuse.training.data import CropSampler
from napari_textdifuse.training.sources import find_sets, load_examples
from napari_textdifuse.training.split import SplitRule


def draw(path: Path, seed: int, shape: tuple[int, int] = (40, 48)) -> Path:
    """Write smooth blobs: an image in which noise can be distinguished from content."""
    field = ndimage.gaussian_filter(np.random.default_rng(seed).standard_normal(shape), 4)
    field = (field - field.min()) / np.ptp(field)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.rint(30 + 220 * field).astype(np.uint8)).save(path)
    return path


@pytest.fixture(scope="session")
def pairs(tmp_path_factory) -> Path:
    """A set of the Harvard kind: two training pairs, one held out."""
    root = tmp_path_factory.mktemp("pairs")
    for folder in ("PET", "MRI"):
        for number, stem in enumerate(("25001", "25002", "41001")):
            draw(root / "PET-MRI" / folder / f"{stem}.png", number)
    return root


@pytest.fixture
def samplers(pairs) -> tuple[CropSampler, CropSampler]:
    examples = load_examples(find_sets(pairs), SplitRule())
    train = [e for e in examples if e.case != "41"]
    held_out = [e for e in examples if e.case == "41"]
    return CropSampler(train, 32), CropSampler(held_out, 32, 1)


@pytest.fixture
def tiny() -> LightNetwork:
    torch.manual_seed(0)
    return LightNetwork(UNetConfig(base=8, multipliers=(1, 2), blocks=(1, 1), time_dim=16))
