"""What happened, in one line, with the details for those who ask."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from ...errors import Cancelled, PromptError
from ..results import extent_words
from ..task import message_of
from .values import SourceValues, with_unit

if TYPE_CHECKING:
    from ...fusion import FusionResult
    from .job import Job

Level = Literal["info", "warning", "error"]
#: Options of the library and the command line, and what they are in the panel.
_CONTROLS = (
    (r",? or pass mask= or boxes=", " and choose it under Drawn"),
    (r"\b(?:mask|boxes|drawing)=", "Drawn"),
    (r"(?:use )?--locator-weights\b", "the Models panel"),
    (r"'?textdifuse [^']*download[^']*'", "the Models panel"),
    (r"\bregister\b(?= must)", "Register"),
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


def in_panel_words(text: str) -> str:
    """Name the panel's controls where a message names options of the library."""
    for pattern, words in _CONTROLS:
        text = re.sub(pattern, words, text)
    return text


def describe(outcome: FusionResult | Exception, job: Job) -> Message:
    """Say what a job ended in.

    Parameters
    ----------
    outcome : FusionResult or Exception
    job : Job
    """
    if isinstance(outcome, Cancelled):
        return _cancelled(outcome, job)
    if isinstance(outcome, Exception):
        level: Level = "warning" if isinstance(outcome, PromptError) else "error"
        return Message(in_panel_words(message_of(outcome, "The fusion")), level)
    details = tuple(in_panel_words(note) for note in outcome.record.get("warnings", ()))
    lines, missing = _objects(outcome, job.values)
    if not lines and not missing:
        return Message(_plain(outcome, job), details=details)
    text = "; ".join(lines + [f"{name}: not found" for name in missing])
    return Message(text, "warning" if missing else "info", details)


def _cancelled(outcome: Cancelled, job: Job) -> Message:
    part = outcome.partial
    if part is None:
        return Message("Cancelled: nothing was kept.")
    axis, first = job.start
    done = part.contribution.shape[axis]
    total = (part.record.get("slices") or {}).get("last", first + done - 1) - first + 1
    which = f"slice {first}" if done == 1 else f"slices {first}-{first + done - 1}"
    details = tuple(in_panel_words(note) for note in part.record.get("warnings", ()))
    return Message(f"Cancelled: {done} of {total} slices kept, {which}.", details=details)


def _plain(result: FusionResult, job: Job) -> str:
    what = extent_words(result.record.get("slices"))
    seconds = result.record.get("seconds")
    took = f" in {seconds:.1f} s" if isinstance(seconds, (int, float)) else ""
    return f"Fused {job.a.name} and {job.b.name}{', ' if what else ''}{what}{took}."


def _objects(result: FusionResult, values: SourceValues | None) -> tuple[list[str], list[str]]:
    """Return a line for each object of the mask, and the names of those not found."""
    if result.mask is None:
        return [], []
    lines, missing = [], []
    found = result.detections
    for label, name in result.label_names.items():
        where = np.argwhere(result.mask == label)
        if not len(where):
            missing.append(name)
            continue
        rows = [k for k, value in enumerate(found.label_values) if int(value) == label]
        parts = [_counted(max(1, len(rows)), "object")]
        if result.mask.ndim == 3:
            axis = int((result.record.get("slices") or {}).get("axis", 0))
            parts.append(_counted(len(np.unique(where[:, axis])), "slice"))
        if result.affine is not None:
            parts.append(_size(result, len(where)))
        if values is not None:
            parts += _highest(values, where, {found.sources[k] for k in rows})
        lines.append(f"{name}: {', '.join(parts)}")
    return lines, missing


def _size(result: FusionResult, count: int) -> str:
    """Return the volume of a number of voxels, or the area of so many pixels."""
    assert result.affine is not None
    if result.mask is not None and result.mask.ndim == 3:
        millilitres = count * abs(np.linalg.det(result.affine[:3, :3])) / 1000
        return f"{millilitres:.1f} mL" if millilitres >= 1 else f"{millilitres:.2f} mL"
    x, y = result.affine[:3, 0], result.affine[:3, 1]
    return f"{count * np.linalg.norm(np.cross(x, y)) / 100:.1f} cm²"


def _highest(
    values: SourceValues, where: np.ndarray[tuple[int, ...], np.dtype[np.intp]], sources: set[str]
) -> list[str]:
    """Return the highest value in the image that an object was found in, where units tell."""
    roles = [role for role in "ba" if values.label(role) in sources] or ["b"]
    role, unit = roles[0], values.unit(roles[0])
    inside = values.at(role, where)
    if unit in ("a.u.", "label") or np.isnan(inside).all():
        return []
    if unit.startswith("SUV"):
        return [f"SUVmax {np.nanmax(inside):.1f} (in {values.label(role)})"]
    return [f"mean {with_unit(float(np.nanmean(inside)), unit)} (in {values.label(role)})"]


def _counted(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"
