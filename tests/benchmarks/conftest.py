"""The benchmark scripts are not a package: they run from their own folder."""

import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))


@pytest.fixture
def data(tmp_path):
    """Three PET-MRI pairs of two cases (the third has an empty source), two colour scenes."""
    rng = np.random.default_rng(0)

    def write(folder, stem, channels):
        (tmp_path / "data" / folder).mkdir(parents=True, exist_ok=True)
        coarse = rng.integers(0, 256, (11, 12, *channels)).astype(np.uint8)
        picture = coarse.repeat(4, axis=0).repeat(4, axis=1)
        if (folder, stem) == ("PET-MRI/PET", "2003"):
            picture[:] = 0
        Image.fromarray(picture).save(tmp_path / "data" / folder / f"{stem}.png")

    for stem in ("1001", "2002", "2003"):
        write("PET-MRI/PET", stem, (3,))
        write("PET-MRI/MRI", stem, ())
    for stem in ("day", "night"):
        write("Road/VIS", stem, (3,))
        write("Road/IR", stem, ())
    return tmp_path / "data"
