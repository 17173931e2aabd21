"""The objects that a prompt found, as a list to inspect, accept or reject."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from napari.layers import Labels
from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QAbstractItemView,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QPushButton,
    QTreeWidget,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from .outcome import in_panel_words

if TYPE_CHECKING:
    from ...fusion import FusionResult

#: Rows visible without scrolling.
ROWS = 4
ACCEPTED, REJECTED, OPEN = "accepted", "rejected", ""
#: More objects than this are not listed one by one.
MOST = 50


@dataclass(eq=False)
class Candidate:
    """An object to accept or reject.

    Parameters
    ----------
    name : str
        The term, numbered if there are several.
    label : int
        Of its pixels in the mask.
    score : float
        In [0, 1].
    reason : str
        Why it was marked.
    places : tuple of ndarray
        Indices of its pixels in the mask.
    decision : str
        "accepted", "rejected" or empty.
    """

    name: str
    label: int
    score: float
    reason: str
    places: tuple[npt.NDArray[np.intp], ...]
    decision: str = OPEN

    @property
    def middle(self) -> npt.NDArray[np.intp]:
        """Index of the pixel of the object that is closest to its centre."""
        points = np.stack(self.places, axis=1)
        return points[np.abs(points - points.mean(axis=0)).sum(axis=1).argmin()]


def candidates_of(result: FusionResult) -> list[Candidate]:
    """Return the findings of a result, which are not established anatomy, in the order of its rows.

    Parameters
    ----------
    result : FusionResult

    Returns
    -------
    list of Candidate
        Empty for drawn masks, and where there are more than `MOST`.
    """
    found, mask = result.detections, result.mask
    if mask is None or (not found.reasons and not found.kinds):
        return []
    rows = [k for k in range(len(found)) if not found.kinds or found.kinds[k] == "candidate"]
    if not rows or len(rows) > MOST:
        return []
    parts = {label: _parts(mask == label) for label in {int(found.label_values[k]) for k in rows}}
    listed = []
    counts: dict[str, int] = {}
    several = {name for name in found.labels if found.labels.count(name) > 1}
    for k in rows:
        name, label = found.labels[k], int(found.label_values[k])
        counts[name] = counts.get(name, 0) + 1
        places = _inside(mask == label, parts[label], np.asarray(found.boxes[k], int))
        if not len(places[0]):
            continue  # covered by another object
        title = f"{name} {counts[name]}" if name in several else name
        reason = found.reasons[k] if found.reasons else ""
        listed.append(Candidate(title, label, float(found.scores[k]), reason, places))
    return listed


def _parts(mask: Any) -> dict[tuple[int, ...], tuple[Any, int, tuple[slice, ...]]]:
    """Return the connected parts of a mask by the edges of their boxes, x first."""
    from scipy import ndimage

    from ...locate.regions import components

    labels, _ = components(mask)
    parts: dict[tuple[int, ...], tuple[Any, int, tuple[slice, ...]]] = {}
    for number, box in enumerate(ndimage.find_objects(labels), start=1):
        edges = [s.start for s in box[::-1]] + [s.stop for s in box[::-1]]
        parts[tuple(edges)] = labels, number, box
    return parts


def _inside(mask: Any, parts: Any, box: npt.NDArray[Any]) -> tuple[npt.NDArray[np.intp], ...]:
    """Return the pixels of the part with this box, else all marked pixels in the box."""
    known = parts.get(tuple(box.tolist()))
    low, high = np.split(box, 2)
    window = tuple(slice(a, b) for a, b in zip(low[::-1], high[::-1], strict=True))
    here = mask[window] if known is None else known[0][window] == known[1]
    return tuple(places + part.start for places, part in zip(np.nonzero(here), window, strict=True))


class CandidateList(QWidget):  # type: ignore[misc]
    """The list with its buttons; signals carry rows."""

    chosen = Signal(int)
    decided = Signal(int, str)
    undone = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.title = QLabel()
        self.tree = QTreeWidget()
        self.tree.setHeaderLabels(["Candidate", "Score", "Decision", "Why"])
        header = self.tree.headerItem()
        header.setToolTip(1, "Contrast to its surround, 0 to 1; not a probability.")
        header.setToolTip(2, "A rejected candidate is removed from the mask and the fusion.")
        self.tree.setRootIsDecorated(False)
        self.tree.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.tree.header().setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        self.accept, self.reject = QPushButton("Accept"), QPushButton("Reject")
        self.undo = QPushButton("Undo")
        self.accept.setToolTip("Keep it in the mask, or put it back.")
        self.reject.setToolTip("Remove it from the mask and from the emphasis.")
        self.undo.setToolTip("Undo the last decision.")
        row = QHBoxLayout()
        for button in (self.accept, self.reject, self.undo):
            button.setMinimumWidth(60)
            row.addWidget(button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for part in (self.title, self.tree):
            layout.addWidget(part)
        layout.addLayout(row)
        self.tree.itemClicked.connect(lambda item: self.chosen.emit(self._row(item)))
        self.tree.itemActivated.connect(lambda item: self.chosen.emit(self._row(item)))
        self.accept.clicked.connect(lambda: self._decide(ACCEPTED))
        self.reject.clicked.connect(lambda: self._decide(REJECTED))
        self.undo.clicked.connect(self.undone)
        self.show_candidates([])

    def show_candidates(self, candidates: Sequence[Candidate], undoable: bool = False) -> None:
        """Fill the list; the selected row stays selected."""
        row = max(self._row(self.tree.currentItem()), 0)
        self.tree.clear()
        for candidate in candidates:
            texts = [
                candidate.name,
                f"{candidate.score:.2f}",
                candidate.decision,
                in_panel_words(candidate.reason),
            ]
            item = QTreeWidgetItem(self.tree, texts)
            for column, text in enumerate(texts):
                item.setToolTip(column, text)
                if candidate.decision == REJECTED:
                    item.setForeground(column, Qt.GlobalColor.gray)
        if candidates:
            self.tree.setCurrentItem(self.tree.topLevelItem(min(row, len(candidates) - 1)))
        line = self.tree.fontMetrics().lineSpacing() + 3
        self.tree.setFixedHeight((2 + min(len(candidates), ROWS)) * line)
        rejected = sum(candidate.decision == REJECTED for candidate in candidates)
        words = f", {rejected} rejected" if rejected else ""
        self.title.setText(f"{len(candidates)} to accept or reject{words}")
        self.undo.setEnabled(undoable)
        self.setVisible(bool(candidates))

    def enable(self, reason: str) -> None:
        """Enable decisions, or say why they are not possible."""
        for button in (self.accept, self.reject):
            button.setEnabled(not reason)
        self.title.setToolTip(reason)

    def _row(self, item: QTreeWidgetItem | None) -> int:
        return -1 if item is None else int(self.tree.indexOfTopLevelItem(item))

    def _decide(self, decision: str) -> None:
        row = self._row(self.tree.currentItem())
        if row >= 0:
            self.decided.emit(row, decision)


class Candidates:
    """Keeps the list of the displayed mask up to date, and applies decisions.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
    box : CandidateList
    displayed_mask : callable
        Returns the mask that can be corrected and, without one, the reason.
    update : callable
        Fuses again from the mask.
    """

    def __init__(
        self,
        viewer: Any,
        box: CandidateList,
        displayed_mask: Callable[[], tuple[Labels | None, str]],
        update: Callable[[Labels], None],
    ) -> None:
        self._viewer, self._box = viewer, box
        self._displayed_mask, self._update = displayed_mask, update
        self._of: weakref.WeakKeyDictionary[Labels, list[Candidate]] = weakref.WeakKeyDictionary()
        self._done: weakref.WeakKeyDictionary[Labels, list[tuple[Candidate, str]]] = (
            weakref.WeakKeyDictionary()
        )
        box.chosen.connect(self.go_to)
        box.decided.connect(self.decide)
        box.undone.connect(self.undo)

    def take(self, mask: Labels | None, candidates: list[Candidate]) -> None:
        """Register the candidates of a new result."""
        if mask is not None:
            self._of[mask], self._done[mask] = candidates, []
        self.follow()

    def follow(self) -> None:
        """Show the candidates of the displayed mask in its current state."""
        mask, reason = self._displayed_mask()
        listed = self._of.get(mask, []) if mask is not None else []
        for candidate in listed:
            assert mask is not None
            there = (mask.data[candidate.places] == candidate.label).any()
            if candidate.decision == REJECTED and there:
                candidate.decision = OPEN  # undone, or painted again, on the layer
        self._box.show_candidates(listed, bool(mask is not None and self._done.get(mask)))
        self._box.enable(reason if mask is None else "")

    def go_to(self, row: int) -> None:
        """Show a candidate in the viewer."""
        mask, _ = self._displayed_mask()
        if mask is not None and 0 <= row < len(self._of.get(mask, [])):
            world = np.asarray(mask.data_to_world(self._of[mask][row].middle), float)
            dims = self._viewer.dims
            dims.set_point(range(dims.ndim - len(world), dims.ndim), world)

    def decide(self, row: int, decision: str) -> None:
        """Accept or reject a candidate; the mask and the fusion follow.

        Parameters
        ----------
        row : int
        decision : {"accepted", "rejected"}
        """
        mask, _ = self._displayed_mask()
        listed = self._of.get(mask, []) if mask is not None else []
        if mask is None or not 0 <= row < len(listed):
            return
        candidate = listed[row]
        if candidate.decision != decision:
            self._done[mask].append((candidate, candidate.decision))
            self._carry_out(mask, candidate, decision)

    def undo(self) -> None:
        """Undo the last decision."""
        mask, _ = self._displayed_mask()
        if mask is not None and self._done.get(mask):
            self._carry_out(mask, *self._done[mask].pop())

    def record(self, mask: Labels) -> tuple[dict[str, Any], ...]:
        """Return the decisions on a mask's candidates, for the record."""
        return tuple(
            {
                "object": candidate.name,
                "score": round(candidate.score, 4),
                "reason": candidate.reason,
                "decision": candidate.decision or "open",
            }
            for candidate in self._of.get(mask, [])
        )

    def _carry_out(self, mask: Labels, candidate: Candidate, decision: str) -> None:
        changes = REJECTED in (decision, candidate.decision)
        if changes:
            values = mask.data[candidate.places]
            if decision == REJECTED:
                change, value = values == candidate.label, 0
            else:
                change, value = values == 0, candidate.label  # keep what was painted meanwhile
            mask.data_setitem(tuple(axis[change] for axis in candidate.places), value)
        candidate.decision = decision  # after it: napari's events come before the change
        self.follow()
        if changes:
            self._update(mask)


def rejection_note(decisions: Sequence[Mapping[str, Any]]) -> str:
    """Return a sentence about rejected candidates; empty if there are none."""
    rejected = [str(row["object"]) for row in decisions if row["decision"] == REJECTED]
    if not rejected:
        return ""
    count = f"{len(decisions)} candidate{'' if len(decisions) == 1 else 's'}"
    return f"Rejected by hand, out of {count}: {', '.join(rejected)}."
