"""Reading ``config.json`` of a weights folder, with a check of every value."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import WeightsError, file_in

if TYPE_CHECKING:
    from ..models import UNetConfig

NAME = "config.json"
#: A description has a few kB; larger files are refused.
LARGEST = 1 << 20


def read_description(folder: Path) -> dict[str, Any]:
    """Read and check the description of a weights folder.

    Parameters
    ----------
    folder : Path

    Returns
    -------
    dict
        Content of ``config.json``; every value has the right type and a valid value.

    Raises
    ------
    WeightsError
        If there is none, or a value has the wrong type or is invalid; the message names it.
    """
    config = _json(folder)
    kind = config["architecture"]
    if kind != "light":
        raise WeightsError(f"{NAME} names the architecture {kind!r}; this version reads 'light'.")
    _checksum(folder, "sha256", config["sha256"])
    _shape(folder, "unet", config.get("unet"))
    for key in ("name", "schedule", "fusion"):
        if key in config and not _is_word(config[key]):
            raise wrong(folder, key, "a word", config[key])
    _choice(folder, config, "schedule", ("cosine", "linear"))
    _choice(folder, config, "fusion", ("fcm", "max", "add", "mean", "variance"))
    if not isinstance(config.get("diffusion", True), bool):
        raise wrong(folder, "diffusion", "true or false", config["diffusion"])
    _training(folder, config.get("training"))
    _calibration(folder, config.get("calibration"))
    for key in ("fast", "chroma"):
        if key not in config:
            continue
        part = config[key]
        if not isinstance(part, dict):
            raise wrong(folder, key, "an object with unet and sha256", part)
        _checksum(folder, f"sha256 of {key}", part.get("sha256"))
        _shape(folder, f"unet of {key}", part.get("unet"))
        _calibration(folder, part.get("calibration"), f"calibration of {key}")
    return config


def unet_shape(folder: Path, values: Any, key: str = "unet") -> UNetConfig:
    """Return the shape of a network from ``config.json``.

    Raises
    ------
    WeightsError
        If it has the wrong type or is invalid.
    """
    from ..models import UNetConfig

    if not isinstance(values, Mapping):
        raise wrong(folder, key, "an object with the shape of the network", values)
    try:
        return UNetConfig.from_dict(dict(values))
    except ValueError as error:
        raise WeightsError(
            f"{file_in(folder / NAME)}: in {key}, {error}; download or copy the weights again."
        ) from None


def wrong(folder: Path, key: str, wanted: str, found: Any) -> WeightsError:
    """Describe which value of a description is wrong."""
    shown = repr(found) if isinstance(found, str) else json.dumps(found)
    shown = shown if len(shown) <= 40 else shown[:37] + "..."
    return WeightsError(
        f"{file_in(folder / NAME)}: {key} must be {wanted}, not {shown}; download or copy the "
        "weights again."
    )


def _json(folder: Path) -> dict[str, Any]:
    path = folder / NAME
    try:
        # a pipe of that name would block
        if not path.is_file() or path.stat().st_size > LARGEST:
            raise ValueError
        config = json.loads(path.read_text("utf-8"))
        config["architecture"], config["sha256"]
    # brackets in brackets in brackets end in a RecursionError
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        lacks = "states no architecture and checksum" if path.is_file() else "is missing"
        raise WeightsError(
            f"{NAME} {lacks}, so this is not a weights folder: it needs {NAME} (with architecture "
            "and sha256) and model.safetensors, as the training command writes them, or the "
            "authors' released checkpoints."
        ) from None
    return dict(config)


def _checksum(folder: Path, key: str, value: Any) -> None:
    if not (isinstance(value, str) and re.fullmatch("[0-9a-f]{64}", value)):
        raise wrong(folder, key, "a SHA-256 (64 digits 0-9, a-f)", value)


def _choice(folder: Path, config: dict[str, Any], key: str, choices: tuple[str, ...]) -> None:
    if key in config and config[key] not in choices:
        raise wrong(folder, key, f"one of {', '.join(choices)}", config[key])


def _shape(folder: Path, key: str, value: Any) -> None:
    unet_shape(folder, value, key)


def _training(folder: Path, value: Any) -> None:
    """Check the training stages, which are displayed and passed on."""
    if value is not None and not isinstance(value, dict):
        raise wrong(folder, "training", "an object", value)
    stages = (value or {}).get("stages")
    if stages is not None and not (isinstance(stages, list) and all(map(_is_word, stages))):
        raise wrong(folder, "stages of training", "a list of words", stages)


def _calibration(folder: Path, table: Any, key: str = "calibration") -> None:
    if table is None:
        return
    lists: list[Any] = (
        [table.get(k) for k in ("expected", "deviation")] if isinstance(table, dict) else []
    )
    if not (
        lists
        and all(isinstance(v, list) and v and all(map(_is_logarithm, v)) for v in lists)
        and len(lists[0]) == len(lists[1])
        and lists[0] == sorted(set(lists[0]))
        and isinstance(table.get("modalities", []), list)
        and all(map(_is_word, table.get("modalities", [])))
        and _is_linear(table.get("weights", []), table.get("ranges", []))
    ):
        wanted = (
            "two lists of logarithms (-40 to 40) of one length, expected (rising) and deviation, "
            "a list of modalities, and either no weights and ranges or 5 weights (-40 to 40) and 4 "
            "rising pairs"
        )
        raise wrong(folder, key, wanted, table)


def _is_linear(weights: Any, ranges: Any) -> bool:
    """Return whether a list has a weight more than another has ranges, or both are empty."""
    if not (isinstance(weights, list) and isinstance(ranges, list)):
        return False
    pairs = all(isinstance(r, list) and len(r) == 2 and all(map(_is_logarithm, r)) for r in ranges)
    numbers = pairs and all(map(_is_logarithm, weights))
    return numbers and (
        (len(weights), len(ranges)) in ((0, 0), (5, 4)) and all(low < high for low, high in ranges)
    )


def _is_word(value: Any) -> bool:
    # printed and recorded: no control characters, no half characters (surrogates)
    return isinstance(value, str) and bool(value.strip()) and value.isprintable()


def _is_logarithm(value: Any) -> bool:
    """Return whether a value is a natural logarithm whose power, also squared, fits into float32.

    Comparisons are exact for integers of any size, and false for NaN; true is an int in Python.
    """
    return isinstance(value, int | float) and not isinstance(value, bool) and -40 <= value <= 40
