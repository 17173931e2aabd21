"""The two inputs of a fusion and what of them is fused, ready slab by slab."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..intensity import Window
from ..spatial import Registration, RegistrationProgress, resample_to
from ..spatial.registration import KINDS
from ..spatial.registration import aligned as register_onto
from ..spatial.resample import overlap_notes
from ..volume import Volume
from .cutting import cut, cut_pair, to_front
from .inputs import as_volumes
from .options import FusionOptions
from .prepare import ColourChoice, Prepared, choose_colours, prepare
from .result import Progress
from .selection import Selection, select, slabs
from .tally import Callback
from .tally import report as tell
from .windows import choose_windows

#: Pixels that are prepared at once; each takes about 100 bytes while it is, 40 afterwards.
SLAB_PIXELS = 2**23


@dataclass(frozen=True)
class Pair:
    """Two whole images, perhaps lazy, and the slices that were chosen.

    Everything that belongs to the whole (windows, the place of image B) is decided here, so that a
    slice looks the same alone and in its stack.

    Parameters
    ----------
    a, b : Volume
        `b` in its place after registration, not resampled.
    selection : Selection
        Of `a`.
    windows : dict of str to Window
    registration : Registration or None
    time : tuple of int or None
        Chosen time points.
    notes : tuple of str
    colours : ColourChoice
    """

    a: Volume
    b: Volume
    selection: Selection
    windows: dict[str, Window]
    registration: Registration | None = None
    time: tuple[int | None, int | None] = (None, None)
    notes: tuple[str, ...] = ()
    colours: ColourChoice = field(default_factory=choose_colours)

    @cached_property
    def slabs(self) -> tuple[Selection, ...]:
        """Parts of the selection that are prepared at once."""
        pixels = self.turned_shape[-1] * self.turned_shape[-2]
        return tuple(slabs(self.selection, max(1, SLAB_PIXELS // pixels)))

    @cached_property
    def turned_shape(self) -> tuple[int, ...]:
        """Spatial shape of the chosen slices, brought to the first axis."""
        if self.a.ndim == 2:
            return self.a.shape
        axis = self.selection.axis
        rest = [n for k, n in enumerate(self.a.shape) if k != axis]
        return (len(self.selection), *rest)

    @cached_property
    def slab_notes(self) -> tuple[str, ...]:
        """What no single slab can tell: how much of the selection image B covers.

        Raises
        ------
        GeometryError
            If nothing is covered.
        """
        if len(self.slabs) == 1:
            return ()
        return overlap_notes(self.b, cut(self.a, self.selection))

    def prepared(self, part: Selection) -> Prepared:
        """Read, align and window one of the `slabs`, turned to the first axis."""
        single = len(self.slabs) == 1
        return prepare(*cut_pair(self.a, self.b, part), self.windows, self.colours, whole=single)

    def on_one_grid(self) -> tuple[Volume, Volume]:
        """Return all chosen slices in their own units, turned, `b` on the grid of `a`."""
        a, b = cut_pair(self.a, self.b, self.selection)
        return a, resample_to(b, a).volume

    def grid(self, done: int) -> Volume:
        """Return image A on the first `done` of the chosen slices, as it lies in space."""
        return cut(self.a, self.selection.first(done) if self.a.ndim == 3 else self.selection)

    @property
    def partner(self) -> Volume:
        """Image B as it lies beside `grid`: cut, where only numbers tell which slices belong."""
        by_place = self.a.affine is not None and self.b.affine is not None
        return self.b if by_place or self.b.shape != self.a.shape else cut(self.b, self.selection)

    def turned(self, volume: Volume) -> Volume:
        """Return an image of the shape of `grid`, turned to the first axis."""
        return to_front(volume, self.selection.axis)


def make_pair(
    a: Any, b: Any, options: FusionOptions | None = None, callback: Callback | None = None
) -> Pair:
    """Read both inputs and apply every option that concerns the images.

    Parameters
    ----------
    a, b : array_like, Volume, path or image layer
    options : FusionOptions, optional
        ``slices``, ``axis``, ``windows``, ``time``, ``register``, ``colormap``, ``tint`` and
        ``colour``; see `fuse`.
    callback : callable, optional
        Called while images are registered.

    Raises
    ------
    InputError
        If an input or option cannot be used.
    Cancelled
        If the callback returned False during registration.
    """
    options = options or FusionOptions()
    colours = choose_colours(options.colormap, options.tint, options.colour)
    time, register = options.time, options.register
    volume_a, volume_b = as_volumes(a, b, time=time, lazy=True)
    selection = select(volume_a, options.slices, options.axis)
    chosen, notes = choose_windows(volume_a, volume_b, options.windows)
    found = None
    if register is not None:
        volume_b, found, more = _registered(volume_a, volume_b, register, callback)
        notes += more
    times = time if isinstance(time, tuple) else (time, time)
    notes = selection.notes + notes
    return Pair(volume_a, volume_b, selection, chosen, found, times, notes, colours)


def _registered(
    a: Volume,
    b: Volume,
    wanted: str | os.PathLike[str] | Registration,
    callback: Callback | None,
) -> tuple[Volume, Registration, tuple[str, ...]]:
    if isinstance(wanted, str) and wanted in KINDS:

        def report(state: RegistrationProgress) -> bool:
            tell(callback, Progress(int(100 * state.fraction), 100, 0, 1, None, "registration"))
            return True

        done = register_onto(a, b, wanted, report)
        return done.volume, done.registration, done.notes
    if isinstance(wanted, Registration):
        found = wanted
    elif isinstance(wanted, (str, os.PathLike)):
        if isinstance(wanted, str) and not Path(wanted).suffix:
            raise InputError(
                f"register must be {', '.join(KINDS)} or a saved transform (.json, .tfm), not "
                f"{wanted!r}."
            )
        found = Registration.load(wanted)
    else:
        raise InputError(f"register must be {', '.join(KINDS)} or a transform, not {wanted!r}.")
    note = (
        f"Image B was moved by a given {found.kind} transform ({found.shift_mm:.1f} mm, "
        f"{found.angle:.1f} degrees); check the fit."
    )
    return found.apply(b), found, (note, *found.warnings)
