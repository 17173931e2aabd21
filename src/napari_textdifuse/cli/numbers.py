"""Parsers of numbers and paths on the command line; each refusal is one clause for argparse."""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Callable
from pathlib import Path


def file_path(text: str) -> Path:
    """Parse a path that file systems accept; others raise an OSError wherever they are used."""
    found = Path(text)
    if len(os.fsencode(text)) > 4095:
        raise argparse.ArgumentTypeError(
            f"{found.name[:40]}: the names of its folders have more than 4095 bytes in all; move it"
        )
    for part in found.parts:
        if len(os.fsencode(part)) > 255:
            raise argparse.ArgumentTypeError(
                f"{part[:40]}...: the name is longer than 255 bytes; shorten it"
            )
    return found


def whole(low: int, high: int) -> Callable[[str], int]:
    """Return a parser of integers in a range."""

    def parse(text: str) -> int:
        if not re.fullmatch(r"\d{1,20}", text.strip()) or not low <= int(text) <= high:
            raise argparse.ArgumentTypeError(
                f"must be an integer from {low} to {high}, not {text!r}"
            )
        return int(text)

    return parse


def not_negative(text: str) -> float:
    """Parse a finite number that is at least 0."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"must be a number of at least 0, not {text!r}")
    return value


def positive(text: str) -> float:
    """Parse a finite number above 0."""
    value = not_negative(text)
    if value == 0:
        raise argparse.ArgumentTypeError("must be above 0")
    return value


def balance(text: str) -> float:
    """Parse the balance between both images, -1 to 1."""
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not -1 <= value <= 1:
        raise argparse.ArgumentTypeError(f"must be a number from -1 to 1, not {text!r}")
    return value


def restore(text: str) -> float | dict[str, float]:
    """Parse the restoration: a number from 0 to 1, or values such as ``noise=0,light=1``."""
    values: dict[str, float] = {}
    try:
        if "=" not in text:
            values["all"] = float(text)
        else:
            for part in text.split(","):
                kind, _, number = part.partition("=")
                values[kind.strip()] = float(number)
    except ValueError:
        values = {"all": float("nan")}
    known = {"all"} if "=" not in text else {"noise", "light", "colour"}
    if not values.keys() <= known or not all(0 <= v <= 1 for v in values.values()):
        raise argparse.ArgumentTypeError(
            "must be a number from 0 to 1, or a list such as noise=0,light=0.5,colour=1, not "
            f"{text!r}"
        )
    return values.get("all", values)


def strength(text: str) -> float:
    """Parse the strength of emphasis, 0 to 2."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 2:
        raise argparse.ArgumentTypeError(f"must be a number from 0 to 2, not {text!r}")
    return value
