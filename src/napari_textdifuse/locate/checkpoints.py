"""What lies in a folder or file of model weights, told from its content, not from its name."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from ..errors import WeightsError

Role = Literal["detector", "segmenter"]

#: ``model_type`` of ``config.json`` for each role.
MODEL_TYPES: dict[str, Role] = {"owlvit": "detector", "owlv2": "detector", "sam": "segmenter"}
#: Endings of segment-anything's own checkpoints.
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
        raise WeightsError(f"There is no folder {str(folder)!r} of model weights; check the path.")
    path = folder / "config.json"
    if not path.is_file():
        raise WeightsError(f"{folder} has no config.json; name the folder of one model.")
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
        kind = config["model_type"]
    except (OSError, ValueError, KeyError, TypeError):
        raise WeightsError(f"{path} is damaged or no model's; download the model again.") from None
    if kind not in MODEL_TYPES:
        hint = "; its SAM 2 needs torchvision, so use a first SAM" if "sam2" in str(kind) else ""
        known = ", ".join(MODEL_TYPES)
        raise WeightsError(f"{folder} holds a {kind!r} model, not one of {known}{hint}.")
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
        f"{folder} has no {' or '.join(WEIGHT_FILES)}; the download may be incomplete."
    )


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
        raise WeightsError(f"There is no folder {str(folder)!r} of model weights; check the path.")
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
        A checkpoint file, or a folder (of which the file with the weights counts).
    """
    with (weight_file(path) if path.is_dir() else path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


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
    except Exception as error:  # safetensors, pickle, torch and transformers raise their own
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise WeightsError(
            f"{path} cannot be loaded as {model_class.__name__} ({reason}); the file is damaged or "
            "belongs to another model, so download it again."
        ) from None
    missing = sorted(info["missing_keys"])
    if missing:
        raise WeightsError(
            f"{path} lacks {len(missing)} of the weights of {model_class.__name__}, such as "
            f"{missing[0]}; it belongs to another model."
        )
    return model.eval()


@contextmanager
def _without_progress_bars() -> Iterator[None]:
    """Keep transformers' bars off stderr; loading from a disk takes seconds."""
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()
