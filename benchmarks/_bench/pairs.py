"""Folders of registered pairs: which to run."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from napari_textdifuse.errors import InputError, ReadError
from napari_textdifuse.evaluation.folders import images_by_stem
from napari_textdifuse.training.split import case_of, is_held_out

Bytes = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]
#: Whether to run a pair, by set and stem.
Keep = Callable[[str, str], bool]

#: Subfolders of a set: first and second source.
LAYOUTS = (("CT", "MRI"), ("PET", "MRI"), ("SPECT", "MRI"), ("VIS", "IR"))
SPLITS = ("all", "held-out", "train")


@dataclass(frozen=True)
class Pair:
    """Two registered images, uint8 ``(Y, X)`` or ``(Y, X, 3)``."""

    set_name: str
    stem: str
    a: Bytes
    b: Bytes
    scene: bool  # visible and infrared, as opposed to medical

    @property
    def case(self) -> str:
        """Unit of the bootstrap: a patient's case, whose slices are similar, or a scene.

        Medical names are ``<case><slice, 3 digits>``, as in the Harvard Whole Brain Atlas.
        """
        return self.stem if self.scene else case_of(self.stem) or self.stem


def load_pairs(root: Path, set_name: str, keep: Keep, limit: int | None) -> Iterator[Pair]:
    """Yield the pairs of a set that are to be kept, in order of name.

    With a `limit`, that many pairs spread evenly over the set. Pairs with a uniform source, which
    leave nothing to fuse, are left out.
    """
    folders = _folders(root / set_name)
    first, second = (images_by_stem(folder) for folder in folders)
    stems = [stem for stem in sorted(first.keys() & second.keys()) if keep(set_name, stem)]
    if not stems:
        raise InputError(f"{root / set_name} holds no pair to run; check --names and --split.")
    for stem in spread(stems, limit):
        a, b = load_picture(first[stem]), load_picture(second[stem])
        if np.ptp(a) and np.ptp(b):
            yield Pair(set_name, stem, a, b, scene=folders[0].name == "VIS")
        else:
            print(f"{set_name}/{stem}: left out, a source is uniform", file=sys.stderr)


def selection(names: Path | None, split: str) -> Keep:
    """Choose pairs by a file of stems (or ``SET/stem``), or by the training split."""
    if names is not None:
        listed = set(names.read_text(encoding="utf-8").split())
        return lambda set_name, stem: stem in listed or f"{set_name}/{stem}" in listed
    if split == "all":
        return lambda set_name, stem: True
    return lambda set_name, stem: is_held_out(set_name, stem) == (split == "held-out")


def spread(items: list[str], limit: int | None) -> list[str]:
    """At most `limit` items, evenly spaced."""
    if limit is None or limit >= len(items):
        return items
    return [items[i] for i in np.linspace(0, len(items) - 1, limit).round().astype(int)]


def load_picture(path: Path) -> Bytes:
    """Read 8 bits of grey, or RGB if the channels differ anywhere."""
    try:
        with Image.open(path) as image:
            array = np.asarray(image.convert("L" if image.mode in ("1", "L") else "RGB"))
    except OSError as error:
        raise ReadError(f"{path} cannot be read as an image ({error}).") from None
    grey = array.ndim == 3 and (array == array[..., :1]).all()
    return array[..., 0] if grey else array


def as_floats(picture: Bytes) -> Floats:
    """8 bits to [0, 1]."""
    return picture.astype(np.float32) / np.float32(255)


def as_bytes(picture: npt.NDArray[Any]) -> Bytes:
    """[0, 1] to 8 bits, as a result would be saved."""
    return np.rint(np.clip(picture, 0, 1) * 255).astype(np.uint8)


def _folders(folder: Path) -> tuple[Path, Path]:
    for names in LAYOUTS:
        first, second = (folder / name for name in names)
        if first.is_dir() and second.is_dir():
            return first, second
    known = ", ".join("/".join(names) for names in LAYOUTS)
    raise InputError(f"{folder} has no pair of subfolders {known}; check --data and --sets.")
