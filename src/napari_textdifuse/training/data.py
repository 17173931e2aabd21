"""Training crops from folders of registered pairs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ..errors import InputError
from .degrade import degrade
from .split import is_held_out

#: Folder name to modality.
FOLDERS = {"CT": "CT", "MRI": "MR", "PET": "PT", "SPECT": "NM", "VIS": "VIS", "IR": "IR"}

Bytes = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Pair:
    """One registered pair of brightness images, 8 bits each."""

    set_name: str
    stem: str
    a: Bytes
    b: Bytes
    modality_a: str
    modality_b: str


def load_luminance(path: Path) -> Bytes:
    """Read a picture's brightness (BT.601) as ``uint8 (H, W)``."""
    from PIL import Image

    with Image.open(path) as image:
        return np.asarray(image.convert("L"))


def load_pairs(root: Path, sets: tuple[str, ...], held_out: bool = False) -> list[Pair]:
    """Load the training (or held-out) pairs of ``root/SET/{A,B}/stem.*``.

    Parameters
    ----------
    root : Path
        Folder of the sets.
    sets : tuple of str
        Names such as ``"PET-MRI"`` or ``"RoadScene"``.
    held_out : bool
        Return the held-out pairs instead of the training pairs.

    Raises
    ------
    InputError
        If a set has no two folders with known names, or no pair.
    """
    pairs = []
    for name in sets:
        found = [d for d in FOLDERS if (root / name / d).is_dir()]
        if len(found) != 2:
            raise InputError(
                f"{root / name} must hold two of the folders {', '.join(FOLDERS)}; "
                f"found {', '.join(found) or 'none'}."
            )
        first, second = sorted(found, key=lambda d: d in ("MRI", "IR"))
        partners = {p.stem: p for p in (root / name / second).iterdir()}
        for path in sorted((root / name / first).iterdir()):
            if path.stem in partners and is_held_out(name, path.stem) == held_out:
                a, b = load_luminance(path), load_luminance(partners[path.stem])
                if a.shape == b.shape:
                    kinds = FOLDERS[first], FOLDERS[second]
                    pairs.append(Pair(name, path.stem, a, b, *kinds))
    if not pairs:
        raise InputError(f"No pairs with equal names and sizes in {root} for {', '.join(sets)}.")
    return pairs


@dataclass(frozen=True)
class Batch:
    """Crops in [-1, 1], each ``float32 (B, 1, H, W)``: clean and degraded, of both sources."""

    clean_a: Floats
    clean_b: Floats
    seen_a: Floats
    seen_b: Floats


class CropSampler:
    """Draws random crops; every draw is a function of the seed and the step number alone.

    Parameters
    ----------
    pairs : list of Pair
    crop : int
        Side of the square crops in pixels.
    seed : int
    """

    def __init__(self, pairs: list[Pair], crop: int, seed: int = 0) -> None:
        self.pairs = pairs
        self.crop = crop
        self.seed = seed
        self._sets = sorted({p.set_name for p in pairs})
        self._by_set = {s: [p for p in pairs if p.set_name == s] for s in self._sets}

    def batch(self, step: int, size: int) -> Batch:
        """Return batch number `step`; sets are drawn in equal shares."""
        rng = np.random.default_rng((self.seed, step))
        rows = [self._draw(rng) for _ in range(size)]
        a, b, sa, sb = (np.stack(column)[:, None] * 2 - 1 for column in zip(*rows, strict=True))
        return Batch(a, b, sa, sb)

    def _draw(self, rng: np.random.Generator) -> tuple[Floats, Floats, Floats, Floats]:
        group = self._by_set[self._sets[rng.integers(len(self._sets))]]
        pair = group[rng.integers(len(group))]
        a, b = self._crop(pair, rng)
        flips = rng.random(3) < 0.5
        for axis in (0, 1):
            if flips[axis] and (axis == 1 or pair.modality_a != "VIS"):
                a, b = np.flip(a, axis), np.flip(b, axis)
        if flips[2] and pair.modality_a != "VIS":
            a, b = a.T, b.T
        clean_a, clean_b = (np.divide(x, np.float32(255), dtype=np.float32) for x in (a, b))
        seen_a, seen_b = (
            degrade(clean_a, pair.modality_a, rng),
            degrade(clean_b, pair.modality_b, rng),
        )
        return clean_a, clean_b, seen_a, seen_b

    def _crop(self, pair: Pair, rng: np.random.Generator) -> tuple[Bytes, Bytes]:
        a, b = pair.a, pair.b
        short = [max(0, self.crop - n) for n in a.shape]
        if any(short):
            widths = [(0, n) for n in short]
            a, b = np.pad(a, widths, mode="symmetric"), np.pad(b, widths, mode="symmetric")
        for _ in range(4):  # medical images are mostly black; prefer crops with content
            y, x = (int(rng.integers(n - self.crop + 1)) for n in a.shape)
            window = np.s_[y : y + self.crop, x : x + self.crop]
            if max(a[window].mean(), b[window].mean()) > 12:
                break
        return a[window], b[window]
