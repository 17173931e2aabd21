"""The outcome in one line, with details on demand."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from ...errors import Cancelled, PromptError
from ..results import extent_words
from ..task import message_of
from .values import with_unit

if TYPE_CHECKING:
    from ...fusion import FusionResult
    from ...fusion.pair import Pair

Level = Literal["info", "warning", "error"]
#: What restoration consists of, as `fusion.options.RESTORE`, whose import would load torch.
RESTORATIONS = ("noise", "light", "colour")
#: Options of the library and the command line, and their names in the panel.
_CONTROLS = (
    (r"\bpass mask= or boxes=", "draw a mask and choose it under Drawn"),
    (r"\b(?:mask|boxes|drawing)=", "Drawn"),
    (r", such as with modality=\{.*?\}", " with State..."),
    (r"\bmodality= and unit=", "modality and unit with State..."),
    (
        r"run 'textdifuse weights download (\S+) --yes' (\(\S+ MB\))"
        r"(, or name a folder with weights= of the locator)?",
        r"download \1 \2 in the Models panel",
    ),
    (r"name its folder with weights=(?: of the locator)?", "add its folder in the Models panel"),
    (r" If they are on the Hugging Face hub.*", " Add weights in the Models panel."),
    (r"choose one with time=0 to \w+", "choose a time point with the slider"),
    (r"use device='auto' or 'cpu'", "set Device to auto or cpu"),
    (r"(?<=image A) \(colour='b' takes that of image B\)", "; Swap A and B takes the other"),
    (r" \(colour='[^']*' takes that of image [^)]*\)+", ""),
    (r"use tint='?\w+'? to show it in colour, or leave out colour", "press Swap A and B"),
    (r"chroma='keep' leaves the colours unchanged", "set Restoration of colour to 0 to keep them"),
    (r"use chroma='keep' or 'auto'", "set Restoration of colour to 0"),
    (r"allow it more time with timeout=", "try a smaller image, or fewer terms at once"),
    (r"pass accept_licence=True", "run it in Python or on the command line"),
    (r"'?textdifuse [^']*download[^']*'", "the Models panel"),
    (r"\b[Tt]he locator (?='|has|needs|gave)", "Find with: "),
    (r"\bSUVbw\b", "SUV"),
    (r"\ba\.u\.", "arbitrary units"),
    (r"choose another locator\b", "choose another way under Find with"),
    (r"\b[Tt]here is no locator\b", "Find with has no"),
    (r"\b(?:Name|Give) [^;.]*\b(?:atlas|command)=, or set (\w+)", r"Set \1 before napari starts"),
    (r"[^;.]*\b(?:atlas|command)=[^,.]*, or set (\w+)", r" set \1 before napari starts"),
    (r"use restore=1\b", "set Restoration to 100 %"),
    (r"\bregister\b(?= must)", "Register"),
    (r"\bor register them\b", "or set Register to rigid"),
    (r"\bwindows? (?=must|\()", "Range "),
)


@dataclass(frozen=True)
class Message:
    """A line for the panel.

    Parameters
    ----------
    text : str
    level : {"info", "warning", "error"}
    details : tuple of str
        Rules with their sources, assumptions.
    """

    text: str
    level: Level = "info"
    details: tuple[str, ...] = ()

    def with_details(self, more: tuple[str, ...]) -> Message:
        """Return the message with more details."""
        return replace(self, details=(*self.details, *more))


def restoration_words(restore: Mapping[str, float] | None) -> str:
    """Say how much was restored; empty if fully.

    Parameters
    ----------
    restore : mapping of str to float, or None
        Shares, 0 to 1.
    """
    shares = {kind: (restore or {}).get(kind, 1.0) for kind in RESTORATIONS}
    if len(set(shares.values())) == 1:
        share = shares["noise"]
        return "" if share == 1 else f"restoration {share:.0%}".replace("%", " %")
    parts = [f"{kind} {100 * share:.0f} %" for kind, share in shares.items() if share != 1]
    return f"restoration of {', '.join(parts)}"


def in_panel_words(text: str) -> str:
    """Replace options of the library in a message by the panel's controls."""
    for pattern, words in _CONTROLS:
        text = re.sub(pattern, words, text)
    return text


def describe(
    outcome: FusionResult | Exception,
    names: tuple[str, str],
    start: tuple[int, int],
    chosen: int | None = None,
) -> Message:
    """Describe the outcome of a fusion.

    Parameters
    ----------
    outcome : FusionResult or Exception
    names : tuple of str
        Of image A and image B.
    start : tuple of int
        Axis of the chosen slices and the first of them, or of those that were finished.
    chosen : int, optional
        How many slices were to be fused.
    """
    if isinstance(outcome, Cancelled):
        return _cancelled(outcome, start, chosen)
    if isinstance(outcome, Exception):
        level: Level = "warning" if isinstance(outcome, PromptError) else "error"
        return Message(in_panel_words(message_of(outcome, "The fusion")), level)
    details = tuple(in_panel_words(note) for note in outcome.record.get("warnings", ()))
    lines, missing = _objects(outcome)
    restored = restoration_words(outcome.record.get("restore"))
    if not lines and not missing:
        text = _plain(outcome, names) + (f" {restored.capitalize()}." if restored else "")
        return Message(text, details=details)
    shown = [*lines, *missing, *([restored] if restored else [])]
    text = "; ".join(shown)
    return Message(text, "warning" if missing else "info", details)


def _cancelled(outcome: Cancelled, start: tuple[int, int], chosen: int | None) -> Message:
    part = outcome.partial
    if part is None:
        return Message("Cancelled: nothing was kept.")
    axis, first = start
    done = part.contribution.shape[axis]
    total = done if chosen is None else chosen
    which = f"slice {first}" if done == 1 else f"slices {first}-{first + done - 1}"
    details = tuple(in_panel_words(note) for note in part.record.get("warnings", ()))
    return Message(f"Cancelled: {done} of {total} slices kept, {which}.", details=details)


def _plain(result: FusionResult, names: tuple[str, str]) -> str:
    what = extent_words(result.record.get("slices"))
    seconds = result.record.get("seconds")
    took = f" in {seconds:.1f} s" if isinstance(seconds, (int, float)) else ""
    return f"Fused {names[0]} and {names[1]}{', ' if what else ''}{what}{took}."


def _objects(result: FusionResult) -> tuple[list[str], list[str]]:
    """Return a line for each object of the mask, and one for each term without a pixel."""
    from ...measure import in_words

    missing = [
        f"{row['term']}: {'covered by another term' if row['objects'] else 'not found'}"
        for row in result.objects
        if not row["voxels"]
    ]
    found = [in_panel_words(in_words(row)) for row in result.objects if row["voxels"]]
    return found, missing


#: Smaller parts than this are not reported.
WORTH = 0.005


def clipping_notes(pair: Pair) -> tuple[str, ...]:
    """Say which part of the values of both images is clipped by the range.

    Parameters
    ----------
    pair : Pair

    Returns
    -------
    tuple of str
        One sentence for each end that clips at least `WORTH` of the values.
    """
    notes: list[str] = []
    if not getattr(pair, "windows", None):
        return ()
    for role, volume in (("A", pair.a), ("B", pair.b)):
        window = pair.windows.get(role.lower())
        if volume.rgb or window is None:
            continue
        values = np.asarray(volume.sampled().array, np.float64)
        values = values[np.isfinite(values)]
        for part, end, side in (
            ((values > window.high).mean() if values.size else 0.0, window.high, "above"),
            ((values < window.low).mean() if values.size else 0.0, window.low, "below"),
        ):
            if part >= WORTH:
                notes.append(
                    f"Image {role}: {100 * part:.1f} % of the values are {side} the range "
                    f"({with_unit(end, volume.unit)}) and are shown as its limit."
                )
    return tuple(notes)
