"""One request, as made by the Fuse button, and how a worker executes it."""

from __future__ import annotations

from collections.abc import Callable, Sized
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

from ...errors import Cancelled
from ..layers import Placement
from .candidates import Candidate, candidates_of, rejection_note
from .outcome import Message, clipping_notes, describe
from .turned_session import TurnedSession
from .values import SourceValues, source_values

if TYPE_CHECKING:
    from napari.layers import Labels

    from ...fusion import FusionPipeline, FusionResult, FusionSession, Progress
    from ...volume import Volume
    from ..file_order import Turn

#: From this number of slices on, the current one is fused first.
LOOK_FIRST = 4
Report = Callable[["Progress"], bool]


@dataclass(frozen=True)
class SaveChoice:
    """Where and how a result is saved.

    Parameters
    ----------
    folder : Path
        Made if missing.
    dicom : bool
        DICOM in place of the files that the command line writes.
    source : Path or None
        DICOM of image A, to which the result is linked; None for an anonymous patient.
    """

    folder: Path
    dicom: bool = False
    source: Path | None = None


@dataclass(eq=False)
class Job:
    """A requested fusion, with copies of what it needs from its layers.

    Parameters
    ----------
    a, b : Volume
        Perhaps lazy; from `spatial.layers.read_layer`.
    placement : Placement
        Of image A's layer.
    prompt : str or None
    fuse_options : dict
        Other options of `FusionSession.fuse`: mask, drawing, strength, locator ...
    options : dict
        Options of `FusionPipeline.session`.
    shown : tuple of str
        Images that become layers in addition to the fused one and its mask.
    replace : bool
        Whether earlier results of the same name are replaced.
    pipeline : callable
        Makes or finds the pipeline; called in the worker.
    session : FusionSession or None
        Kept from the run before where only prompt, mask or strength changed; set by `run`.
    corrects : Labels or None
        The painted mask whose fused image is updated, and nothing else.
    drawn : str or None
        Name of the layer that is the prompt.
    settings_words : tuple of str
        Settings that are not the default, for the name of the result.
    layers : tuple of weak references
        Both layers.
    values, message, result
        Set by `run`: both images for reading values, the message, the outcome.
    start : tuple of int
        Axis of the chosen slices and the first of them; known once it runs.
    place : tuple of str
        Device and weights.
    origin : FusionSession or None
        Of the same pair with another balance; nothing is read again.
    replaces : str or None
        The result that takes this one's pixels in place; see `results.identity`.
    displayed_slice : int or None
        The current slice of image A along the axis of the slices; the preview begins with it.
    candidates : list of Candidate
        Set by `run`: what the user is to accept or reject.
    decisions : tuple of dict
        The user's decisions on those of a corrected mask, for the record.
    opened : str or None
        File or folder that image A was opened from.
    turns : tuple of Turn or None
        The order of the axes in the files of both images, where the layers have another.
    stored : FusionResult or None
        The result in that order; set by `run`.
    only : int or None
        The single slice of image A that is fused as a preview of such a result.
    """

    a: Volume
    b: Volume
    placement: Placement
    prompt: str | None
    fuse_options: dict[str, Any]
    options: dict[str, Any]
    pipeline: Callable[[], FusionPipeline]
    shown: tuple[str, ...] = ()
    replace: bool = True
    session: FusionSession | TurnedSession | None = None
    corrects: Labels | None = None
    drawn: str | None = None
    settings_words: tuple[str, ...] = ()
    layers: tuple[Any, ...] = ()
    values: SourceValues | None = None
    message: Message | None = None
    result: FusionResult | None = None
    start: tuple[int, int] = (0, 0)
    place: tuple[str, str | None] = ("auto", None)
    origin: FusionSession | TurnedSession | None = None
    replaces: str | None = None
    opened: str | None = None
    turns: tuple[Turn | None, Turn | None] = (None, None)
    stored: FusionResult | None = None
    only: int | None = None
    displayed_slice: int | None = None
    _looks: FusionSession | TurnedSession | None = None
    candidates: list[Candidate] = field(default_factory=list)
    decisions: tuple[dict[str, Any], ...] = ()

    @property
    def in_place(self) -> bool:
        """Whether an existing result is updated."""
        return self.corrects is not None or self.replaces is not None

    def run(self, report: Report) -> FusionResult:
        """Run the fusion; in the worker."""
        if self.session is None:
            self.session = self._open(report)
        chosen = self.session.pair.selection
        self.start = chosen.axis, chosen.start
        self.values = source_values(self.session, self.start)
        if self.displayed_slice is not None:
            self._look_first(self.displayed_slice, report)
        try:
            result = self.session.fuse(self.prompt, callback=report, **self.fuse_options)
        except Cancelled as cancelled:
            self.stored = getattr(self.session, "latest", None)
            if cancelled.partial is not None and self.stored is not None:
                self.start = place_of(cancelled.partial) or self.start
            self.message, self.result = self.describe(cancelled), cancelled.partial
            raise
        self.stored = getattr(self.session, "latest", None)
        if self.decisions:
            note = rejection_note(self.decisions)
            records = [v.record for v in (result, self.stored) if v is not None]
            for record in records:
                record["candidates"] = list(self.decisions)
                record["warnings"] = [*record["warnings"], *([note] if note else [])]
        self.candidates = candidates_of(result)
        self.message, self.result = self.describe(result), result
        note = rejection_note(self.decisions)
        if note and not any(row["voxels"] for row in result.objects):  # all were rejected
            self.message = replace(self.message, text=note)
        if self.corrects is None:
            self.message = self.message.with_details(clipping_notes(self.session.pair))
        return result

    def describe(self, outcome: FusionResult | Exception) -> Message:
        """Set the message for the outcome."""
        selection = getattr(getattr(self.session, "pair", None), "selection", None)
        chosen = len(selection) if isinstance(selection, Sized) else None
        return describe(outcome, (self.a.name, self.b.name), self.start, chosen)

    def in_colour(self, index: int, estimate: Any) -> Any:
        """Add colours to a running estimate if the session can; in the worker."""
        colour = getattr(self._looks or self.session, "in_colour", None)
        return estimate if colour is None else colour(0 if self._looks else index, estimate)

    def _look_first(self, place: int, report: Report) -> None:
        """Start the preview with the current slice."""
        session = self.session
        chosen = getattr(getattr(session, "pair", None), "selection", None)
        if session is None or chosen is None or not hasattr(session, "with_balance"):
            return
        if len(chosen) < LOOK_FIRST or not chosen.start <= place < chosen.stop:
            return

        def report_progress(state: Progress) -> bool:
            shown = {"slice_index": place - chosen.start, "slices": len(chosen)}
            return report(replace(state, step=0, total=1, **shown))

        self._looks = session.with_balance(self.options.get("balance", 0.0), place)
        try:
            self._looks.fuse(callback=report_progress)
        finally:
            self._looks = None

    def _open(self, report: Report) -> FusionSession | TurnedSession:
        if self.origin is not None:
            origin, self.origin = self.origin, None
            return origin.with_balance(self.options.get("balance", 0.0), self.only)
        # values are read anywhere under the pointer, so a lazy image is read completely here
        one = {} if self.only is None else {"slices": self.only}
        a, b = self.a.loaded(), self.b.loaded()
        options, (first, second) = self.options | one, self.turns
        if second is not None and a.affine is not None:  # else both lie edge to edge, as shown
            b = second.volume_to_file(b)
        if first is None:
            return self.pipeline().session(a, b, callback=report, **options)
        options = first.extent_to_file(options, a.shape)
        a = first.volume_to_file(a)
        return TurnedSession(self.pipeline().session(a, b, callback=report, **options), first)

    def can_reuse(self, other: Job) -> bool:
        """Return whether another job's session can be reused: same images and options."""
        return (
            all(
                mine.array is theirs.array and _same_place(mine, theirs)
                for mine, theirs in ((self.a, other.a), (self.b, other.b))
            )
            and self.options == other.options
            and self.key == other.key
            and self.place == other.place
        )

    def repeats(self, other: Job) -> bool:
        """Return whether another job makes the same result; a drawing may have changed."""
        return (
            self.replace
            and not (self.drawn or other.drawn or self.in_place or other.in_place)
            and self.can_reuse(other)
            and (self.prompt, self.fuse_options, self.shown)
            == (other.prompt, other.fuse_options, other.shown)
        )

    def save(
        self, choice: SaveChoice, report: Callable[[int, int], bool] | None = None
    ) -> dict[str, Path]:
        """Write the result into a folder, as the command line does or as DICOM; in the worker.

        Parameters
        ----------
        choice : SaveChoice
        report : callable, optional
            See `results.counter.Report`.

        Returns
        -------
        dict of str to Path
            The files written, by role; the preview only if the session still exists.

        Raises
        ------
        WriteError
            If anything cannot be written; nothing new is left in the folder.
        Cancelled
            If `report` returns False; nothing new is left in the folder either.
        """
        from ...results.folder import save_result

        result, folder, image = self.stored or self.result, choice.folder, self.a
        assert result is not None, "Only a job that has run has a result."
        session = self.session
        if isinstance(session, TurnedSession):
            session = session.stored
        pair = None if session is None else session.pair
        if choice.dicom:
            from ...results.dicom_folder import save_dicom

            if self.turns[0] is not None:
                image = self.turns[0].volume_to_file(image.loaded())
            return save_dicom(
                result, folder, pair, source=choice.source, image=image, report=report
            )
        flat = result.contribution.ndim == 2
        ending = ".nii.gz" if result.affine is not None else ".png" if flat else ".tif"
        return save_result(result, folder, ending, pair, report)

    @property
    def key(self) -> tuple[Any, ...]:
        """The meaning of the images; a session is not reused if it changes."""
        return tuple(
            (volume.modality, volume.unit, volume.window, volume.rgb, volume.name)
            for volume in (self.a, self.b)
        )


def _same_place(a: Volume, b: Volume) -> bool:
    if a.affine is None or b.affine is None:
        return a.affine is b.affine
    return bool((a.affine == b.affine).all())


#: Makes the pipeline for a device; called in the worker thread.
MakePipeline = Callable[[str], "FusionPipeline"]


class Pipelines:
    """Makes and keeps pipelines.

    Parameters
    ----------
    make : callable, optional
        By default with the weights that are asked for.
    """

    def __init__(self, make: MakePipeline | None = None) -> None:
        self._make = make
        self._cached: dict[tuple[str, str | None], FusionPipeline] = {}
        self._lock = Lock()  # a cancelled worker may still be loading

    def get(self, device: str, weights: str | None) -> FusionPipeline:
        """Return the pipeline; called in the worker."""
        with self._lock:
            if (device, weights) not in self._cached:
                if self._make is not None:
                    self._cached[device, weights] = self._make(device)
                else:
                    from ...fusion import FusionPipeline

                    self._cached[device, weights] = FusionPipeline.from_pretrained(weights, device)
            return self._cached[device, weights]


def place_of(result: FusionResult) -> tuple[int, int] | None:
    """Return the axis of a result's slices and the first of them, as its record says."""
    slices = result.record.get("slices")
    return None if not slices else (int(slices["axis"]), int(slices["first"]))
