"""Training images from folders: images and volumes, single or in registered pairs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
import numpy.typing as npt

from ..colormaps import hot
from ..colour import rgb_to_ycbcr
from ..errors import GeometryError, InputError, name_of
from ..evaluation.folders import images_by_stem
from ..intensity import default_window
from ..io import read
from ..meaning import state
from ..spatial import resample_to
from ..volume import FUNCTIONAL, MODALITIES, Volume
from .split import SplitRule

#: Folder name to modality.
FOLDERS = {"CT": "CT", "MRI": "MR", "PET": "PT", "SPECT": "NM", "VIS": "VIS", "IR": "IR"}
#: Slices with a lower mean brightness are skipped.
EMPTY = 0.01

#: Brightness: 8 bits from 8-bit images, float16 in [0, 1] from anything else.
Pixels = npt.NDArray[Any]


@dataclass(frozen=True)
class Source:
    """Folders of images that belong together.

    Parameters
    ----------
    name : str
        Sources with the same name form one set; sets are drawn in equal shares.
    folders : tuple of Path
        One folder of single images, or two folders paired by equal file names.
    modalities : tuple of str
        One per folder.
    """

    name: str
    folders: tuple[Path, ...]
    modalities: tuple[str, ...]


@dataclass(frozen=True)
class Example:
    """One image, or one registered pair: brightness ``(H, W)`` each.

    Parameters
    ----------
    set_name, stem, case : str
    images : tuple of ndarray
        Equal shapes, `Pixels`.
    modalities : tuple of str
    colour : ndarray of uint8, shape (H, W, 3), optional
        A visible-light image in colour, if requested.
    """

    set_name: str
    stem: str
    case: str
    images: tuple[Pixels, ...]
    modalities: tuple[str, ...]
    colour: npt.NDArray[np.uint8] | None = None


def modality_of(name: str) -> str:
    """Return the modality for a common name; unknown names are returned in capitals."""
    return FOLDERS.get(name.upper(), name.upper())


def find_sets(root: Path, names: Sequence[str] | None = None) -> list[Source]:
    """Find the sets ``root/SET/{A,B}/`` with folders of known names.

    Parameters
    ----------
    root : Path
    names : sequence of str, optional
        Sets to use; by default all that have two such folders.

    Raises
    ------
    InputError
        If a named set lacks them, or no set exists.
    """
    if not root.is_dir():
        raise InputError(
            f"{name_of(root)} is not a folder; choose a folder that contains SET/A and SET/B."
        )
    sources = []
    for name in names or sorted(p.name for p in root.iterdir() if p.is_dir()):
        found = [d for d in FOLDERS if (root / name / d).is_dir()]
        if len(found) == 2:
            # the image with the colour, or the bone, comes first
            first, second = sorted(found, key=lambda d: d in ("MRI", "IR"))
            folders = root / name / first, root / name / second
            sources.append(Source(name, folders, (FOLDERS[first], FOLDERS[second])))
        elif names:
            raise InputError(
                f"{name_of(root / name)} must contain two of the folders {', '.join(FOLDERS)}; "
                f"found {', '.join(found) or 'none'}."
            )
    if not sources:
        raise InputError(
            f"{name_of(root)} contains no folder with two of the folders {', '.join(FOLDERS)}; "
            "for other layouts use --images or --pairs."
        )
    return sources


def load_examples(
    sources: Sequence[Source], rule: SplitRule, colour: bool = False
) -> list[Example]:
    """Read every image of the sources; volumes give one example per slice of their first axis.

    The values are those of fusion: in the default window, functional images as the
    brightness of their colour map, and the second image of a pair on the grid of the first.

    Parameters
    ----------
    sources : sequence of Source
    rule : SplitRule
        Defines the cases.
    colour : bool
        Whether to keep the colours of visible-light images.

    Raises
    ------
    InputError
        If there are no images or an image cannot be used.
    """
    examples = [e for source in sources for e in _load(source, rule, colour)]
    if not examples:
        folders = ", ".join(str(f) for s in sources for f in s.folders)
        raise InputError(f"no image with content was found in {folders}.")
    return examples


def describe(train: Sequence[Example], held_out: Sequence[Example]) -> dict[str, Any]:
    """Describe a split for the checkpoint: names, and a checksum of all values."""
    total = 0
    for example in (*train, *held_out):
        for image in example.images:
            total = crc32(image.tobytes(), total)

    def names(examples: Sequence[Example]) -> list[str]:
        return [f"{e.set_name}/{e.stem}" for e in examples]

    return {"train": names(train), "held_out": names(held_out), "checksum": total}


def _load(source: Source, rule: SplitRule, colour: bool) -> Iterator[Example]:
    files = [images_by_stem(folder) for folder in source.folders]
    stems = sorted(set(files[0]).intersection(*files[1:]))
    if not stems:
        what = "images" if len(files) == 1 else "images with equal names"
        raise InputError(f"no {what} in {' and '.join(map(str, source.folders))}.")
    for stem in stems:
        case = rule.case(source.name, stem)
        volumes = [
            state(read(f[stem]), modality=m if m in MODALITIES else None)
            for f, m in zip(files, source.modalities, strict=True)
        ]
        picture = _colour(volumes, source.modalities) if colour else None
        stacks = [_slices(v) for v in _aligned(volumes)]
        for index, images in enumerate(zip(*stacks, strict=True)):
            if max(_mean(image) for image in images) >= EMPTY:
                name = stem if len(stacks[0]) == 1 else f"{stem}:{index}"
                yield Example(source.name, name, case, images, source.modalities, picture)


def _colour(volumes: list[Volume], modalities: tuple[str, ...]) -> npt.NDArray[np.uint8] | None:
    for volume, modality in zip(volumes, modalities, strict=True):
        if modality == "VIS" and volume.rgb and volume.ndim == 2:
            shown = default_window(volume).normalise(volume.array[..., :3])
            return np.rint(shown * 255).astype(np.uint8)
    return None


def _aligned(volumes: list[Volume]) -> list[Volume]:
    """Resample the second volume onto the grid of the first."""
    if len(volumes) == 1 or _same_place(*volumes):
        return volumes
    first, second = volumes
    window = default_window(second)  # belongs to the values before resampling
    moved = resample_to(second, first).volume
    if moved.shape != first.shape:
        raise GeometryError(f"{second.name} could not be resampled onto the grid of {first.name}.")
    return [first, moved.with_array(moved.array, window=(window.low, window.high))]


def _same_place(a: Volume, b: Volume) -> bool:
    if a.shape != b.shape:
        return False
    return a.affine is None or b.affine is None or np.allclose(a.affine, b.affine, atol=1e-3)


def _slices(volume: Volume) -> Pixels:
    """Brightness ``(Z, H, W)`` of a volume, as for fusion."""
    shown = default_window(volume).normalise(volume.array)
    if volume.rgb:
        shown = rgb_to_ycbcr(shown[..., :3])[0]
    elif volume.modality in FUNCTIONAL:
        shown = rgb_to_ycbcr(hot(shown))[0]
    stack = shown.reshape(-1, *volume.shape[-2:])
    if volume.array.dtype == np.uint8 and volume.window is None:
        return np.rint(stack * 255).astype(np.uint8)
    return stack.astype(np.float16)


def as_floats(image: Pixels) -> npt.NDArray[np.float32]:
    """Brightness in [0, 1] of the pixels of an `Example`."""
    if image.dtype == np.uint8:
        return np.divide(image, np.float32(255), dtype=np.float32)
    return image.astype(np.float32)


def _mean(image: Pixels) -> float:
    scale = 255 if image.dtype == np.uint8 else 1
    return float(image.mean(dtype=np.float32)) / scale
