"""Two images and the choices for their fusion: slices, windows, and the position of image B."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from ..colormaps import ColourChoice, choose_colours
from ..intensity import Window, choose_windows
from ..memory import parts
from ..spatial import Registration, RegistrationProgress, resample_to
from ..spatial.agreement import Alignment, check_alignment
from ..spatial.registration import aligned
from ..spatial.resample import overlap_notes
from ..volume import Volume
from .options import FusionOptions
from .progress import Callback, Progress, report
from .slices import Selection, cut, cut_pair, select, slabs, slice_with, to_front

#: Pixels prepared at once; each takes about 100 bytes during preparation, 40 afterwards.
SLAB_PIXELS = 2**23


@dataclass(frozen=True)
class Pair:
    """Two whole images, perhaps lazy, and the slices that were chosen.

    What concerns the whole image (windows, position of image B) is decided here, so that a
    slice looks the same alone and in its stack.

    Parameters
    ----------
    a, b : Volume
        `b` in its registered position, not resampled.
    selection : Selection
        Of `a`.
    windows : dict of str to Window
    registration : Registration or None
    time : tuple of int or None
        Chosen time points.
    noted : tuple of str
    alignment : Future of Alignment, or None
        Whether the images are aligned; found while the first slices are fused.
    colours : ColourChoice
    """

    a: Volume
    b: Volume
    selection: Selection
    windows: dict[str, Window]
    registration: Registration | None = None
    time: tuple[int | None, int | None] = (None, None)
    noted: tuple[str, ...] = ()
    alignment: Future[Alignment] | None = None
    colours: ColourChoice = field(default_factory=choose_colours)

    @property
    def notes(self) -> tuple[str, ...]:
        """One sentence for each thing to know about the pair; waits for the check of alignment."""
        message = None if self.alignment is None else self.alignment.result().message
        return (*self.noted, message) if message else self.noted

    @cached_property
    def slabs(self) -> tuple[Selection, ...]:
        """Parts of the selection that are prepared at once."""
        pixels = self.reoriented_shape[-1] * self.reoriented_shape[-2]
        return tuple(slabs(self.selection, max(1, SLAB_PIXELS // pixels)))

    @cached_property
    def reoriented_shape(self) -> tuple[int, ...]:
        """Spatial shape of the chosen slices, brought to the first axis."""
        if self.a.ndim == 2:
            return self.a.shape
        axis = self.selection.axis
        rest = [n for k, n in enumerate(self.a.shape) if k != axis]
        return (len(self.selection), *rest)

    @property
    def stack_shape(self) -> tuple[int, int, int]:
        """As `reoriented_shape`; a 2-D image is a stack of one slice."""
        rows, columns = self.reoriented_shape[-2:]
        return len(self.selection), rows, columns

    @cached_property
    def slab_notes(self) -> tuple[str, ...]:
        """Note how much of the selection image B covers.

        Raises
        ------
        GeometryError
            If nothing is covered.
        """
        if len(self.slabs) == 1:
            return ()
        return overlap_notes(self.b, cut(self.a, self.selection))

    def on_one_grid(self) -> tuple[Volume, Volume]:
        """Return all chosen slices in their own units, reoriented, `b` on the grid of `a`."""
        a, b = cut_pair(self.a, self.b, self.selection)
        return a, resample_to(b, a).volume

    def grid(self, done: int) -> Volume:
        """Return image A on the first `done` of the chosen slices, in its original orientation."""
        return cut(self.a, self.selection.first(done) if self.a.ndim == 3 else self.selection)

    @property
    def partner(self) -> Volume:
        """Image B for `grid`, cut if only slice numbers match the slices."""
        return self.partner_of(len(self.selection))

    def partner_of(self, done: int) -> Volume:
        """Return image B for the first `done` of the chosen slices; see `partner`."""
        by_place = self.a.affine is not None and self.b.affine is not None
        if by_place or self.b.shape != self.a.shape or self.b.ndim == 2:
            return self.b
        return cut(self.b, self.selection.first(done))

    def reoriented(self, volume: Volume) -> Volume:
        """Return an image of the shape of `grid`, its slices along the first axis."""
        return to_front(volume, self.selection.axis)


def make_pair(
    a: Volume,
    b: Volume,
    options: FusionOptions | None = None,
    callback: Callback | None = None,
) -> Pair:
    """Choose slices, windows and the position of image B.

    Parameters
    ----------
    a, b : Volume
        From `inputs.as_volumes`.
    options : FusionOptions, optional
        ``slices``, ``axis``, ``windows``, ``time``, ``register``, ``colormap``, ``tint`` and
        ``colour``; see `fuse`.
    callback : callable, optional
        Called while images are registered.

    Raises
    ------
    InputError
        If an option does not fit the images.
    Cancelled
        If the callback returned False during registration.
    """
    options = options or FusionOptions()
    colours = choose_colours(options.colormap, options.tint, options.colour)
    selection = _selection(a, b, options)
    windows, notes = choose_windows(a, b, options.windows)
    if _are_equal(a, b):
        notes += ("Images A and B are the same image; check that image B is the one you mean.",)
    registration = alignment = None
    if options.register is not None:

        def on_progress(state: RegistrationProgress) -> bool:
            report(callback, Progress(int(100 * state.fraction), 100, 0, 1, None, "registration"))
            return True

        moved = aligned(a, b, options.register, on_progress)
        b, registration = moved.volume, moved.registration
        notes += moved.notes
    elif not (a.is_lazy or b.is_lazy):  # of a lazy image, only what is fused is read
        worker = ThreadPoolExecutor(1, "alignment")
        alignment = worker.submit(check_alignment, a, b)
        worker.shutdown(wait=False)
    time = options.time if isinstance(options.time, tuple) else (options.time, options.time)
    notes = selection.notes + notes
    return Pair(a, b, selection, windows, registration, time, notes, alignment, colours)


def _are_equal(a: Volume, b: Volume) -> bool:
    """Return whether two images have the same values at the same place; lazy ones are not read."""
    if a.affine is None or b.affine is None:
        if a.affine is not b.affine:
            return False
    elif not np.allclose(a.affine, b.affine):
        return False
    if a.array is b.array:
        return True
    if a.is_lazy or b.is_lazy or a.array.shape != b.array.shape:
        return False
    return all(
        np.array_equal(a.array[part], b.array[part], equal_nan=a.array.dtype.kind == "f")
        for part in parts(a.array.shape)
    )


def _selection(a: Volume, b: Volume, options: FusionOptions) -> Selection:
    """Return the chosen slices; by default all, or the one at the position of a single slice B."""
    everything = select(a, options.slices, options.axis)
    if options.slices is not None or options.register is not None:
        return everything
    only = slice_with(a, b, everything.axis)
    if only is None:
        return everything
    note = (
        f"Image B is a single slice, so only slice {only} of image A, at its position, is fused; "
        "choose slices for more."
    )
    chosen = select(a, only, options.axis)
    return replace(chosen, notes=(*chosen.notes, note))
