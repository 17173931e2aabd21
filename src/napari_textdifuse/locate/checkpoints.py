"""Identify a folder or file of model weights by its content, not by its name."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ..errors import MissingDependencyError, WeightsError, file_in, name_of
from ..stopping import interruptible
from ..weights.tensors import finite
from .torchvision_standin import torchvision_works

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import torch

Role = Literal["detector", "segmenter"]

#: ``model_type`` of ``config.json`` for each role.
MODEL_TYPES: dict[str, Role] = {
    "owlvit": "detector",
    "owlv2": "detector",
    "grounding-dino": "detector",
    "mm-grounding-dino": "detector",
    "sam3": "detector",
    "sam3_video": "detector",  # as published; the part for images is taken
    "sam": "segmenter",
    "sam2": "segmenter",
    "sam2_video": "segmenter",
}
#: Extensions of segment-anything's own checkpoints.
CHECKPOINTS = (".pth", ".pt")
#: Weights of a folder, in the order of preference.
WEIGHT_FILES = ("model.safetensors", "pytorch_model.bin")


def model_type(folder: Path) -> str:
    """Read which architecture a folder of transformers weights is for.

    Parameters
    ----------
    folder : Path

    Raises
    ------
    WeightsError
        If there is no readable ``config.json`` with a known ``model_type``, or no weights.
    """
    if not folder.is_dir():
        raise WeightsError(
            f"There is no folder {name_of(folder)!r} of model weights; check the path."
        )
    path = folder / "config.json"
    if not path.is_file():
        raise WeightsError(f"{name_of(folder)} has no config.json; name the folder of one model.")
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
        kind = config["model_type"]
    except (OSError, ValueError, KeyError, TypeError):
        raise WeightsError(
            f"{file_in(path)} is damaged or does not belong to a model; download the model again."
        ) from None
    if kind not in MODEL_TYPES:
        known = ", ".join(MODEL_TYPES)
        raise WeightsError(f"{name_of(folder)} contains a {kind!r} model, not one of {known}.")
    return str(kind)


def weight_file(folder: Path) -> Path:
    """Return the file with a folder's weights.

    Raises
    ------
    WeightsError
        If there is none.
    """
    for name in WEIGHT_FILES:
        if (folder / name).is_file():
            return folder / name
    raise WeightsError(
        f"{name_of(folder)} has no {' or '.join(WEIGHT_FILES)}; the download may be incomplete."
    )


def preprocessing(
    folder: Path, side: int, mean: Sequence[float], std: Sequence[float]
) -> Callable[[npt.NDArray[np.uint8]], torch.Tensor]:
    """Return a converter from images to network input, if the model's own needs torchvision.

    Parameters
    ----------
    folder : Path
        Its ``preprocessor_config.json`` or ``processor_config.json`` may give mean and SD.
    side : int
        The image is squeezed into a square of so many pixels (bilinear).
    mean, std : sequence of float
        Of the three channels, in [0, 1], where the folder gives none.

    Returns
    -------
    callable
        From uint8 of shape (Y, X, 3) to a tensor of shape (1, 3, side, side).

    Raises
    ------
    WeightsError
        If the file is damaged.
    """
    import numpy as np
    import torch
    from PIL import Image

    for name in ("preprocessor_config.json", "processor_config.json"):
        path = folder / name
        if path.is_file():
            try:
                config = json.loads(path.read_text(encoding="utf-8"))
                config = config.get("image_processor", config)
                mean, std = config.get("image_mean", mean), config.get("image_std", std)
                middle, spread = np.array(mean, np.float32), np.array(std, np.float32)
                if middle.shape != (3,) or not (spread > 0).all():
                    raise ValueError
            except (OSError, ValueError, TypeError, AttributeError):
                raise WeightsError(
                    f"{file_in(path)} is damaged; download the model again."
                ) from None
            break

    def prepare(picture: npt.NDArray[np.uint8]) -> torch.Tensor:
        small = Image.fromarray(picture).resize((side, side), Image.Resampling.BILINEAR)
        values = np.asarray(small, np.float32) / 255
        scaled = (values - np.array(mean, np.float32)) / np.array(std, np.float32)
        return torch.from_numpy(np.ascontiguousarray(scaled.transpose(2, 0, 1)))[None]

    return prepare


def find(folder: Path) -> dict[Role, Path]:
    """Look for a detector and a segmenter in a folder and in the folders directly inside it.

    Parameters
    ----------
    folder : Path

    Returns
    -------
    dict
        ``"detector"`` and ``"segmenter"`` to a folder or a checkpoint file, as far as found; the
        first by name wins.

    Raises
    ------
    WeightsError
        If there is no such folder.
    """
    if not folder.is_dir():
        raise WeightsError(
            f"There is no folder {name_of(folder)!r} of model weights; check the path."
        )
    found: dict[Role, Path] = {}
    inside = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    for path in (folder, *inside):
        role: Role | None = None
        if path.is_file() and path.suffix in CHECKPOINTS:
            role = "segmenter"
        elif (path / "config.json").is_file():
            try:
                role = MODEL_TYPES[model_type(path)]
                weight_file(path)
            except WeightsError:  # another model, or one that is still being copied
                role = None
        if role is not None:
            found.setdefault(role, path)
    return found


def sha256(path: Path) -> str:
    """Return the SHA-256 of a checkpoint, for the record of how a mask was made.

    Parameters
    ----------
    path : Path
        A checkpoint file, or a folder with one.
    """
    with (weight_file(path) if path.is_dir() else path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def transformers_classes() -> Iterator[None]:
    """Context of an import from transformers: describe a failure in one sentence.

    Raises
    ------
    MissingDependencyError
    """
    try:
        yield
    except (ImportError, RuntimeError) as error:
        raise unusable_transformers(error) from None


def unusable_transformers(error: Exception) -> MissingDependencyError:
    """Describe in one sentence why transformers cannot be imported."""
    # with a broken torchvision installed, transformers gives no reason at all
    if find_spec("torchvision") is not None and not torchvision_works():
        return MissingDependencyError(
            "transformers cannot load because the installed torchvision does not fit this torch; "
            "uninstall torchvision ('pip uninstall torchvision') or install the one that fits."
        )
    reason = " ".join(str(error).split())[:200]
    return MissingDependencyError(
        f"transformers is missing or cannot load ({reason}); 'pip install transformers' repairs it."
    )


@contextmanager
def usable_files(folder: Path, what: str) -> Iterator[None]:
    """Context of reading a model's smaller files: describe a failure in one sentence.

    Raises
    ------
    WeightsError
    """
    try:
        yield
    except Exception as error:  # of transformers, whatever it is
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise WeightsError(
            f"{name_of(folder)} has no usable {what} ({reason}); download the model again."
        ) from None


def load_tokenizer(
    tokenizer_class: Any, folder: Path, vocabulary: int, files: Sequence[str], special: int = 2
) -> Any:
    """Load a tokenizer that fits a model; within `usable_files`.

    Parameters
    ----------
    tokenizer_class : type
    folder : Path
    vocabulary : int
        Vocabulary of the model.
    files : sequence of str
        One of them must be there: without any, transformers makes a tokenizer of no words.
    special : int
        Number of words that every tokenizer has.
    """
    if not any((folder / name).is_file() for name in files):
        raise FileNotFoundError(f"{' or '.join(files)} is missing")
    tokenizer = tokenizer_class.from_pretrained(folder, local_files_only=True)
    if not special < len(tokenizer) <= vocabulary:
        raise ValueError("the vocabulary does not fit the model")
    return tokenizer


def load_pretrained(model_class: Any, folder: Path) -> Any:
    """Load a transformers model from a folder, offline, and only if every weight is there.

    Parameters
    ----------
    model_class : type
        A ``PreTrainedModel``.
    folder : Path

    Returns
    -------
    the model, in evaluation mode

    Raises
    ------
    WeightsError
        If the weights are damaged, of another architecture or incomplete: transformers would fill
        what is missing with random numbers.
    """
    path = weight_file(folder)
    try:
        with _without_progress_bars():
            model, info = model_class.from_pretrained(
                folder, local_files_only=True, output_loading_info=True
            )
    # safetensors, pickle, torch and transformers raise their own errors, with unsuitable advice
    except Exception:
        raise WeightsError(
            f"{file_in(path)} cannot be loaded as {model_class.__name__}; the file is damaged or "
            "belongs to another model, so download it again."
        ) from None
    missing = sorted(info["missing_keys"])
    if missing:
        raise WeightsError(
            f"{file_in(path)} lacks {len(missing)} of the weights of {model_class.__name__}, such "
            f"as {missing[0]}; it belongs to another model."
        )
    if not finite(model.parameters()):
        raise WeightsError(
            f"{file_in(path)} contains values that are not finite; download the model again."
        )
    return interruptible(model.eval())


@contextmanager
def _without_progress_bars() -> Iterator[None]:
    """Hide transformers' progress bars; loading from disk takes seconds."""
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()
