"""The options for the locator, which finds the objects of a prompt."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..locate import Locator

#: Option of the command -> option of the locator.
_PASSED = {
    "locator_weights": "weights",
    "threshold": "threshold",
    "top_k": "top_k",
    "look_at": "look_at",
    "locator_command": "command",
    "accept_licence": "accept_licence",
    "atlas": "atlas",
}


def add_locator(
    parser: argparse.ArgumentParser,
    folder: Callable[[str], Path],
    whole: Callable[[int, int], Callable[[str], int]],
) -> None:
    """Add the options to a parser.

    Parameters
    ----------
    parser : argparse.ArgumentParser
    folder : callable
        Converts text to an existing folder.
    whole : callable
        Makes a parser of integers in a range.
    """
    add = parser.add_argument
    add(
        "--locator",
        metavar="NAME",
        default="lexicon",
        help="method that finds the objects of the prompt: lexicon (default, built in), free-text, "
        "owlvit-sam, owlv2-sam, grounding-dino-sam or sam3 (need models), atlas, command, or one "
        "of a plugin",
    )
    add("--locator-weights", metavar="DIR", type=folder, help="folder with a locator's weights")
    add(
        "--locator-command",
        metavar="COMMAND",
        help="program of the locator 'command', with {image_a} {image_b} {prompt} {output} among "
        "its arguments, or voxtell, or totalsegmentator",
    )
    add(
        "--accept-licence",
        action="store_true",
        default=None,
        help="accept the licence of the program of --locator-command",
    )
    add("--atlas", metavar="DIR", type=folder, help="folder of the locator 'atlas'")
    add("--threshold", type=_score, metavar="X", help="lowest score of a detection, 0 to 1")
    add("--top-k", type=whole(1, 1000), metavar="N", help="largest number of objects per term")
    add("--look-at", choices=("a", "b", "both"), help="image to search; default both")


def make_locator(options: argparse.Namespace) -> Locator:
    """Make the locator chosen by the options; with a prompt, load it at once.

    Raises
    ------
    InputError
        If there is no such locator, or it does not support one of the options.
    WeightsError
        If it is needed and its weights are missing; nothing has been fused by then.
    """
    from ..locate import get_locator, locator_options

    given = {ours: getattr(options, name) for name, ours in _PASSED.items()}
    passed = {name: value for name, value in given.items() if value is not None}
    if "device" in locator_options(options.locator):
        passed["device"] = options.device
    locator = get_locator(options.locator, **passed)
    if is_used(options) and hasattr(locator, "load"):
        locator.load()
    return locator


def is_used(options: argparse.Namespace) -> bool:
    """Return whether a locator affects the mask."""
    if options.prompt is None or options.mask is not None:
        return False
    from ..locate.restoration import read_wishes  # loads NumPy with its package

    return read_wishes(options.prompt).objects is not None


def facts(locator: Locator, options: argparse.Namespace) -> dict[str, Any] | None:
    """Return the settings of a locator that affect its mask; None without a locator."""
    if not is_used(options):
        return None
    settings = getattr(locator, "settings", None)
    return {"name": locator.name} | (settings() if settings is not None else {})


def _score(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"must be a number from 0 to 1, not {text!r}")
    return value
