"""Fusion methods by name: ours, classical ones, and folders of other methods' results."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal
from zlib import crc32

import numpy as np

import napari_textdifuse
from napari_textdifuse.errors import InputError, MissingDependencyError
from napari_textdifuse.evaluation.baselines import BASELINES, Fusion, laplacian
from napari_textdifuse.evaluation.folders import images_by_stem

from .conditions import parts_for
from .pairs import Bytes, Floats, Pair, as_bytes, as_floats, load_picture

if TYPE_CHECKING:
    from napari_textdifuse import FusionPipeline

OURS, NLM, ORACLE = "textdifuse", "nlm+laplacian", "nlm+ungamma (oracle)"
METHODS = (*BASELINES, NLM, OURS)
DEFAULT = ("average", "maximum", "laplacian", "wavelet", OURS)

#: Files that decide about a result of ours: code, settings and weights.
_MADE_OF = (".py", ".json", ".safetensors", ".pt", ".pth")

Kind = Literal["ours", "learned", "classical", "oracle"]
#: The clean pair (for its name), the sources to see and the condition they are in, to an image;
#: None if the method has no result for it.
Run = Callable[[Pair, tuple[Bytes, Bytes], str], Bytes | None]


@dataclass(frozen=True)
class Method:
    """A way to fuse.

    Parameters
    ----------
    name : str
    kind : str
        "oracle" methods get what nobody knows, and are not ranked.
    run : callable
    version : callable
        Of a pair and condition; a result measured under another version is measured again.
    """

    name: str
    kind: Kind
    run: Run
    version: Callable[[Pair, str], str]


def make_methods(
    names: list[str],
    others: dict[str, Path],
    degraded: bool,
    device: str = "auto",
    steps: int | str | None = None,
    weights: str | None = None,
) -> list[Method]:
    """Make the methods asked for; our pipeline is only loaded if it is among them.

    Parameters
    ----------
    names : list of str
        Of `METHODS`.
    others : dict of str to Path
        Name to folder of results; see `_from_folder`.
    degraded : bool
        Add denoising before fusion, and the oracle.
    device, steps, weights
        For our pipeline.

    Raises
    ------
    InputError
        If a name is unknown, occurs twice, or a folder does not exist.
    """
    unknown = [name for name in names if name not in METHODS]
    if unknown:
        raise InputError(f"{', '.join(unknown)}: unknown; the methods are {', '.join(METHODS)}.")
    taken = [name for name in others if name in (*METHODS, ORACLE)]
    if taken:
        raise InputError(f"--others {taken[0]}=...: the name is taken; choose another one.")
    methods = [_classical(name, BASELINES[name]) for name in names if name in BASELINES]
    if NLM in names or degraded:
        methods += [Method(NLM, "classical", partial(_nlm, clean=NLM in names), _constant)]
    if degraded:
        methods += [Method(ORACLE, "oracle", _oracle, _constant)]
    methods += [_from_folder(name, folder) for name, folder in others.items()]
    if OURS in names:
        methods.append(_ours(device, steps, weights))
    return methods


def parse_others(pairs: list[str]) -> dict[str, Path]:
    """Read ``NAME=DIR`` options."""
    others = {}
    for text in pairs:
        name, separator, folder = text.partition("=")
        if not separator or not name or not Path(folder).is_dir() or name in others:
            raise InputError(f"--others {text}: give NAME=DIR, a new name and an existing folder.")
        others[name] = Path(folder)
    return others


def _constant(pair: Pair, condition: str) -> str:
    return "1"


def _classical(name: str, fuse: Fusion) -> Method:
    def run(pair: Pair, seen: tuple[Bytes, Bytes], condition: str) -> Bytes:
        a, b = map(as_floats, seen)
        return as_bytes(fuse(a, b))

    return Method(name, "classical", run, _constant)


def _ours(device: str, steps: int | str | None, weights: str | None) -> Method:
    from napari_textdifuse import FusionPipeline

    pipe = FusionPipeline.from_pretrained(weights, device=device)
    return pipeline_method(OURS, pipe, steps)


def pipeline_method(name: str, pipe: FusionPipeline, steps: int | str | None = None) -> Method:
    """Make a method of a pipeline that is loaded already."""
    made_by = _checksum([*pipe.backend.weights.path.iterdir(), *_code()])
    version = f"{napari_textdifuse.__version__} {made_by} steps={steps or 'default'}"
    version += f" {pipe.backend.device.type}"

    def run(pair: Pair, seen: tuple[Bytes, Bytes], condition: str) -> Bytes:
        a, b = map(as_floats, seen)
        return as_bytes(pipe(a, b, seed=0, steps=steps).fused)

    return Method(name, "ours", run, lambda pair, condition: version)


def _code() -> list[Path]:
    """Source files that a fusion of two images goes through."""
    package = Path(napari_textdifuse.__file__).parent
    folders = (package / name for name in ("models", "diffusion", "fusion"))
    return [package / "colour.py", *(file for folder in folders for file in folder.glob("*.py"))]


def _checksum(files: list[Path]) -> str:
    value = 0
    for file in sorted(file for file in files if file.suffix in _MADE_OF):
        value = crc32(file.read_bytes(), value)
    return f"{value:08x}"


def _nlm(
    pair: Pair, seen: tuple[Bytes, Bytes], condition: str, *, clean: bool = True
) -> Bytes | None:
    """Non-local means on each source (noise estimated, not given), then the Laplacian pyramid."""
    if condition == "none" and not clean:
        return None
    a, b = (_denoise(as_floats(image)) for image in seen)
    return as_bytes(laplacian(a, b))


def _oracle(pair: Pair, seen: tuple[Bytes, Bytes], condition: str) -> Bytes | None:
    """As `_nlm`, and given the gamma of the visible image."""
    gamma = dict(parts_for(pair, condition)).get("gamma")
    if gamma is None:
        return None
    a, b = (_denoise(as_floats(image)) for image in seen)
    return as_bytes(laplacian(np.clip(a, 0, 1) ** np.float32(1 / gamma), b))


def _denoise(image: Floats) -> Floats:
    """Non-local means with the filter strength that Buades et al. 2011 advise: 0.8 sigma."""
    from skimage.restoration import denoise_nl_means, estimate_sigma

    axis = -1 if image.ndim == 3 else None
    try:
        sigma = float(estimate_sigma(image, channel_axis=axis, average_sigmas=True))
    except ImportError:
        raise MissingDependencyError(
            f"{NLM} needs PyWavelets; install it with pip install 'napari-textdifuse[benchmark]'."
        ) from None
    if not sigma > 0:  # nothing to remove
        return image
    clean = denoise_nl_means(
        image, 5, 6, h=0.8 * sigma, sigma=sigma, fast_mode=True, channel_axis=axis
    )
    return np.clip(clean, 0, 1).astype(np.float32)


def _from_folder(name: str, folder: Path) -> Method:
    """Read results made elsewhere: ``DIR/<condition>/<set>/<stem>.*``; clean: ``DIR/<set>/...``."""
    listing = cache(images_by_stem)

    def find(pair: Pair, condition: str) -> Path | None:
        places = [folder / condition / pair.set_name]
        if condition == "none":
            places += [folder / pair.set_name, folder]
        for place in places:
            if place.is_dir():
                return listing(place).get(pair.stem)
        return None

    def run(pair: Pair, seen: tuple[Bytes, Bytes], condition: str) -> Bytes | None:
        path = find(pair, condition)
        if path is None:
            print(
                f"{name}: no result for {pair.set_name}/{pair.stem} ({condition})", file=sys.stderr
            )
            return None
        picture = load_picture(path)
        if picture.shape[:2] != pair.a.shape[:2]:
            raise InputError(
                f"{path} is {picture.shape[:2]} and its sources are {pair.a.shape[:2]}; "
                "compare results of the sources' size only."
            )
        return picture

    def version(pair: Pair, condition: str) -> str:
        path = find(pair, condition)
        return "missing" if path is None else f"{crc32(path.read_bytes()):08x}"

    return Method(name, "learned", run, version)
