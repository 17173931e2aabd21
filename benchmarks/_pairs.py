"""Pair folders: which pairs to run, and their degraded versions."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from zlib import crc32

import numpy as np
import numpy.typing as npt
from PIL import Image

from napari_textdifuse.errors import InputError
from napari_textdifuse.evaluation.folders import images_by_stem

Bytes = npt.NDArray[np.uint8]

#: Subfolders of a set: first and second source.
LAYOUTS = (("CT", "MRI"), ("PET", "MRI"), ("SPECT", "MRI"), ("VIS", "IR"))
DEGRADATIONS = ("none", "noise20", "metrics")


@dataclass(frozen=True)
class Pair:
    """Two registered pictures, uint8 ``(Y, X)`` or ``(Y, X, 3)``."""

    set_name: str
    stem: str
    a: Bytes
    b: Bytes
    scene: bool  # visible and infrared, as opposed to medical


def load_pairs(
    root: Path, set_name: str, keep: Callable[[str, str], bool], limit: int | None
) -> Iterator[Pair]:
    """Yield the pairs of a set whose ``(set_name, stem)`` is to be kept, in order of name.

    With a `limit`, that many pairs spread evenly over the set. Pairs with a uniform source, which
    leave nothing to fuse, are left out.
    """
    folders = _folders(root / set_name)
    first, second = (images_by_stem(folder) for folder in folders)
    stems = [stem for stem in sorted(first.keys() & second.keys()) if keep(set_name, stem)]
    if not stems:
        raise InputError(f"{root / set_name} holds no pair to run; check --names and --split.")
    for stem in spread(stems, limit):
        a, b = _load(first[stem]), _load(second[stem])
        if np.ptp(a) and np.ptp(b):
            yield Pair(set_name, stem, a, b, scene=folders[0].name == "VIS")
        else:
            print(f"{set_name}/{stem}: left out, a source is uniform")


def spread(items: list[str], limit: int | None) -> list[str]:
    """At most `limit` items, evenly spaced."""
    if limit is None or limit >= len(items):
        return items
    return [items[i] for i in np.linspace(0, len(items) - 1, limit).round().astype(int)]


def degrade(pair: Pair, how: str) -> tuple[Bytes, Bytes]:
    """Make what the methods get to see: the pair itself, or a degraded copy.

    ``noise20``: Gaussian noise of sigma 20 on both sources. ``metrics``: for scenes, the visible
    picture darkened with gamma 2.2, then noise of sigma 25 on both; for medical pairs noise of
    sigma 15 on both. Noise is independent per pixel and channel, rounded and clipped, and the
    same in every run.
    """
    if how == "none":
        return pair.a, pair.b
    rng = np.random.default_rng(crc32(f"{pair.set_name}/{pair.stem}".encode()))
    a, b = pair.a.astype(float), pair.b.astype(float)
    sigma = 20.0
    if how == "metrics":
        sigma = 25.0 if pair.scene else 15.0
        if pair.scene:
            a = 255 * (a / 255) ** 2.2
    noisy = (image + rng.normal(0, sigma, image.shape) for image in (a, b))
    a8, b8 = (np.clip(np.rint(image), 0, 255).astype(np.uint8) for image in noisy)
    return a8, b8


def _folders(folder: Path) -> tuple[Path, Path]:
    for names in LAYOUTS:
        first, second = (folder / name for name in names)
        if first.is_dir() and second.is_dir():
            return first, second
    known = ", ".join("/".join(names) for names in LAYOUTS)
    raise InputError(f"{folder} has no pair of subfolders {known}; check --data and --sets.")


def _load(path: Path) -> Bytes:
    with Image.open(path) as image:
        array = np.asarray(image.convert("L" if image.mode in ("1", "L") else "RGB"))
    grey = array.ndim == 3 and (array == array[..., :1]).all()
    return array[..., 0] if grey else array
