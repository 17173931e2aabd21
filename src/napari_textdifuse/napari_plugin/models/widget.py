"""The dock widget: installed weights and models, their origin, and which ones fusion uses."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import napari
from napari.utils.notifications import show_error, show_info
from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QFileDialog,
    QGridLayout,
    QInputDialog,
    QLabel,
    QMessageBox,
    QProgressBar,
    QPushButton,
    QTextBrowser,
    QVBoxLayout,
    QWidget,
)

from ...errors import TextDiFuseError, name_of
from ..docking import Scroll, Watch
from ..task import Report, Task, message_of
from . import actions
from .entries import (
    Entry,
    about_removal,
    collect,
    describe,
    is_chosen,
    is_default,
    why_not_download,
    why_not_remove,
    why_not_verify,
)
from .store import ModelStore
from .tree import ModelTree

_LOOKING = "Looking for models on this computer..."


class ModelsWidget(QWidget):  # type: ignore[misc]
    """List weights, locators and models; verify, download, add and delete them.

    Signals: ``chosen`` carries the folder (`pathlib.Path`) that fusion is to use from now on, or
    None for the embedded weights.

    Parameters
    ----------
    napari_viewer : napari.viewer.Viewer, optional
        Not used; napari passes it.
    store : ModelStore, optional
        Where the choices are kept.
    """

    chosen = Signal(object)

    def __init__(
        self, napari_viewer: napari.viewer.Viewer | None = None, store: ModelStore | None = None
    ) -> None:
        super().__init__()
        self._store = store or ModelStore()
        self._task: Task | None = None
        self._listing: Task | None = None

        self.tree = ModelTree()
        self.details = QTextBrowser()
        self.details.document().setIndentWidth(15)
        self.details.setOpenLinks(False)
        self.use, self.verify = QPushButton("Use for fusion"), QPushButton("Verify")
        self.download, self.remove = QPushButton("Download..."), QPushButton("Delete...")
        self.add, self.cancel = QPushButton("Add folder..."), QPushButton("Cancel")
        self.add.setToolTip("Weights from your own training, or the authors' checkpoints.")
        self.add_hub = QPushButton("From the hub...")
        self.add_hub.setToolTip("Fusion weights that somebody published as owner/name; asks first.")
        self.progress = QProgressBar()
        self.progress.setRange(0, 1000)
        self.progress.setTextVisible(False)
        self.hint = QLabel()
        self.hint.setWordWrap(True)
        self.hint.setTextFormat(Qt.TextFormat.PlainText)

        grid = QGridLayout()
        buttons = (self.use, self.verify, self.download, self.remove, self.add, self.add_hub)
        for place, button in enumerate(buttons):
            grid.addWidget(button, place // 2, place % 2)
        grid.addWidget(self.cancel, len(buttons) // 2, 0, 1, 2)
        rows = QWidget()
        layout = QVBoxLayout(rows)
        layout.addWidget(self.tree, stretch=1)
        layout.addWidget(self.details, stretch=1)
        layout.addLayout(grid)
        layout.addWidget(self.progress)
        layout.addWidget(self.hint)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(Scroll(rows))

        self.tree.currentItemChanged.connect(self._select)
        self.use.clicked.connect(self._use)
        self.verify.clicked.connect(self._verify)
        self.download.clicked.connect(self._download)
        self.remove.clicked.connect(self._remove)
        self.add.clicked.connect(self._add)
        self.add_hub.clicked.connect(self._add_from_hub)
        self.cancel.clicked.connect(self._cancel)
        me = weakref.ref(self)
        self._watch = Watch(self, lambda: _close(me()))
        self.refresh()

    @property
    def running(self) -> bool:
        """Whether a check, a download or an update of the list is running."""
        return self._task is not None or self._listing is not None

    @property
    def entry(self) -> Entry | None:
        """What is selected."""
        return self.tree.entry

    def refresh(self) -> None:
        """Update the list in a worker thread."""
        if self._listing is not None:
            return
        folders = self._store.folders
        self._listing = task = Task(lambda report: collect(folders), panel=self)
        task.finished.connect(self._list)
        if self.tree.topLevelItemCount() == 0:
            self.hint.setText(_LOOKING)
        self._update()
        task.start()

    def end(self) -> None:
        """Stop all work; a download can be resumed later."""
        tasks, self._task, self._listing = (self._task, self._listing), None, None
        for task in tasks:
            if task is not None:
                task.abandon()

    def _list(self, outcome: Any) -> None:
        self._listing = None
        if self.hint.text() == _LOOKING:
            self.hint.setText("")
        if isinstance(outcome, Exception):
            show_error(message_of(outcome, "The list of models"))
            outcome = []
        self.tree.show_entries(outcome, self._store.chosen)
        self._select()

    def _select(self, *_: Any) -> None:
        entry = self.entry
        self.details.setMarkdown("" if entry is None else describe(entry))
        self._update()

    def _update(self) -> None:
        """Enable the possible controls, and give the reason for the others."""
        entry = self.entry
        self.remove.setText("Forget" if entry and entry.kind == "folder" else "Delete...")
        for button, (why, what) in {
            self.use: (self._why_not_use(entry), "The next fusion runs with these weights."),
            self.verify: (why_not_verify(entry), "Compare the files with their SHA-256."),
            self.download: (why_not_download(entry), "Shows size and licence first."),
            self.remove: (why_not_remove(entry), about_removal(entry)),
        }.items():
            if self.running:
                why = "Wait until the current work is done, or cancel it."
            button.setEnabled(not why)
            button.setToolTip(why or what)
        self.add.setEnabled(not self.running)
        self.add_hub.setEnabled(not self.running)
        self.cancel.setEnabled(self._task is not None)
        self.cancel.setToolTip("" if self._task is not None else "Nothing is running.")

    def _why_not_use(self, entry: Entry | None) -> str:
        if entry is None or entry.kind not in ("embedded", "folder"):
            return "Choose fusion weights; Find with in the fusion panel chooses the others."
        if entry.problem:
            return entry.problem
        return "These weights are in use." if is_chosen(entry, self._store.chosen) else ""

    def _use(self) -> None:
        entry = self.entry
        if entry is None or self._why_not_use(entry):
            return
        folder = None if is_default(entry) else entry.path
        if self._try_change(lambda: self._store.choose(folder)):
            self.chosen.emit(folder)
            self.hint.setText(f"Fusion uses {entry.name} from now on.")
            self.refresh()

    def _verify(self) -> None:
        if (entry := self.entry) is not None:
            self._run(lambda report: actions.verify(entry, report), "The check", self._say)

    def _download(self) -> None:
        entry = self.entry
        if entry is not None and confirm(self, "Download", actions.consent(entry)):
            self._run(lambda report: actions.fetch(entry, report), "The download", self._changed)

    def _remove(self) -> None:
        """Delete a download after confirmation; remove a folder of the user from the list."""
        entry = self.entry
        if entry is None or (entry.path is None and not entry.downloaded):
            return
        if entry.kind == "folder" and entry.path is not None:
            path, used = entry.path, entry.path == self._store.chosen
            if self._try_change(lambda: self._store.forget(path)):
                if used:
                    self.chosen.emit(None)
                self._changed(f"{entry.name} is no longer listed; its files were kept.")
        elif confirm(self, "Delete", f"Delete {entry.name} from this computer?"):
            self._run(lambda report: actions.delete(entry), "The deletion", self._changed)

    def _add(self) -> None:
        name = QFileDialog.getExistingDirectory(self, "Folder with fusion weights")
        if name:
            folder = Path(name)
            self._run(
                lambda report: actions.check_folder(folder, report),
                "The check",
                self._register_folder,
            )

    def _add_from_hub(self) -> None:
        from ...weights.hub import parse, question

        title, label = "From the hub", "Weights, as owner/name or owner/name@revision:"
        name, given = QInputDialog.getText(self, title, label)
        if not given or not name.strip():
            return
        weights = parse(name.strip())
        if weights is None:
            show_error(f"{name!r} is not a repository of the hub; write it as owner/name.")
        elif confirm(
            self, "Download", question(weights) + ".\n\nNothing about your images is sent."
        ):
            self._run(
                lambda report: actions.fetch_weights(weights, report),
                "The download",
                self._register_folder,
            )

    def _register_folder(self, folder: Path) -> None:
        if self._try_change(lambda: self._store.add(folder)):
            self._changed(f"{name_of(folder)} is listed; press Use for fusion to fuse with it.")

    def _try_change(self, change: Callable[[], None]) -> bool:
        try:
            change()
        except TextDiFuseError as error:
            show_error(str(error))
            return False
        return True

    def _run(self, job: Callable[[Report], Any], what: str, then: Callable[[Any], None]) -> None:
        """Run a job in a worker thread, then pass on its outcome."""
        if self.running:
            return

        def finish(outcome: Any) -> None:
            self._task = None
            self.progress.setValue(0)
            self.hint.setText("")
            self._update()
            if isinstance(outcome, Exception):
                if message := message_of(outcome, what):
                    show_error(message)
                self.refresh()
            else:
                then(outcome)

        self._task = task = Task(
            job, f"{what[:1].lower()}{what[1:]} of models for Text-DiFuse", self
        )
        task.progressed.connect(self._show_progress)
        task.finished.connect(finish)
        self._update()
        task.start()

    def _say(self, sentence: str) -> None:
        self.hint.setText(sentence)
        show_info(sentence)

    def _changed(self, sentence: str) -> None:
        self._say(sentence)
        self.refresh()

    def _cancel(self) -> None:
        if self._task is not None:
            self.cancel.setEnabled(False)
            self.hint.setText("Cancelling...")
            self._task.cancel()

    def _show_progress(self, share: int, words: str) -> None:
        if self._task is not None and self.cancel.isEnabled():
            self.progress.setValue(share)
            self.hint.setText(words)


def _close(widget: ModelsWidget | None) -> None:
    if widget is not None:
        widget.end()


def confirm(parent: QWidget, verb: str, question: str) -> bool:
    """Ask, and wait for the answer.

    Parameters
    ----------
    parent : QWidget
    verb : str
        Text of the confirming button.
    question : str
        Plain text.

    Returns
    -------
    bool
        True only after a click on that button; Enter and Escape mean Cancel.
    """
    box = QMessageBox(parent)
    box.setIcon(QMessageBox.Icon.Question)
    box.setWindowTitle(verb)
    box.setTextFormat(Qt.TextFormat.PlainText)
    box.setText(question)
    box.setStandardButtons(QMessageBox.StandardButton.Yes | QMessageBox.StandardButton.Cancel)
    box.setDefaultButton(QMessageBox.StandardButton.Cancel)
    box.button(QMessageBox.StandardButton.Yes).setText(verb)
    answer = box.exec()
    box.deleteLater()
    return bool(answer == QMessageBox.StandardButton.Yes)
