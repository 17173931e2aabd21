"""The display window of each input: the user's, or that of the whole volume."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from ..errors import InputError
from ..intensity import PRESETS, Window, default_window, with_window
from ..spatial.lazy import SAMPLED_SLICES, is_lazy, sampled
from ..volume import Volume


def whole_window(volume: Volume) -> tuple[Window, tuple[str, ...]]:
    """Return the window of the whole volume, whatever part of it is fused.

    Parameters
    ----------
    volume : Volume
        Uncut. Of a lazy one, evenly spaced slices stand for all.

    Returns
    -------
    window : Window
    notes : tuple of str
        Says so, where the window rests on a sample.
    """
    window = default_window(sampled(volume))
    fixed = window.origin == "file" or window.origin.startswith(("preset soft", "type"))
    if fixed or not is_lazy(volume.array) or volume.shape[0] <= SAMPLED_SLICES:
        return window, ()
    note = (
        f"The display window of {volume.name} rests on {SAMPLED_SLICES} of {volume.shape[0]} "
        "slices, evenly spaced."
    )
    return window, (note,)


def choose_windows(
    a: Volume, b: Volume, windows: Mapping[str, Any] | None = None
) -> tuple[dict[str, Window], tuple[str, ...]]:
    """Return the windows that a pair is fused with.

    Parameters
    ----------
    a, b : Volume
        Uncut.
    windows : mapping, optional
        For ``"a"``, ``"b"`` or both: ``(low, high)`` in the image's unit, a preset's name, or a
        `Window`. By default, and for None, `whole_window`.

    Returns
    -------
    windows : dict of str to Window
        Keys "a" and "b".
    notes : tuple of str

    Raises
    ------
    InputError
        If a window is empty, unknown, or belongs to another unit than the image's values.
    """
    asked = dict(windows or {})
    unknown = set(asked) - {"a", "b"}
    if unknown:
        raise InputError(f"windows are given for 'a' and 'b', not for {unknown.pop()!r}.")
    chosen: dict[str, Window] = {}
    notes: list[str] = []
    for role, volume in (("a", a), ("b", b)):
        wanted = asked.get(role)
        if wanted is None:
            chosen[role], more = whole_window(volume)
            notes += more
        else:
            chosen[role] = _window(wanted, volume)
    return chosen, tuple(notes)


def _window(wanted: Any, volume: Volume) -> Window:
    if isinstance(wanted, (str, Window)):
        with_window(volume, wanted)  # the unit must fit
        return PRESETS[wanted] if isinstance(wanted, str) else wanted
    try:
        low, high = (float(v) for v in wanted)
    except (TypeError, ValueError):
        raise InputError(
            f"a window is (low, high) in {volume.unit}, or a preset's name, not {wanted!r}."
        ) from None
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise InputError(f"the window {low:g} to {high:g} {volume.unit} is empty; give low < high.")
    return Window(low, high, volume.unit, "asked for")
