"""Where and how a result is saved: as the command line does, or as DICOM with whose identity."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QStackedWidget,
    QWidget,
)

from ...results import DE_IDENTIFIED, LINKED
from ..reader import is_dicom_source
from .job import SaveChoice

if TYPE_CHECKING:
    from ...fusion import FusionResult

FILES = "files"
_MEANING = {
    FILES: "The files that the command line writes: images, objects, preview and the record of how "
    "they were made. No patient is named.",
    LINKED: "DICOM of the same patient, study and frame of reference as image A, whose images it "
    "refers to: for the archive that contains them.",
    DE_IDENTIFIED: "DICOM of an anonymous patient in a new study; nothing refers to the source.",
}


class SaveDialog(QDialog):  # type: ignore[misc]
    """Ask for folder, format and identity.

    Parameters
    ----------
    parent : QWidget or None
    result : FusionResult
    opened : str or None
        What image A was opened from.
    """

    def __init__(self, parent: Any, result: FusionResult, opened: str | None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Save the result")
        placed = result.affine is not None
        flat = result.contribution.ndim == 2
        self.folder, self.source = QLineEdit(), QLineEdit()
        self.how = QComboBox()
        family = "NIfTI" if placed else "PNG" if flat else "TIFF"
        for title, choice in (
            (f"{family}, as the command line", FILES),
            ("DICOM, linked: same patient and study", LINKED),
            ("DICOM, de-identified: new UIDs", DE_IDENTIFIED),
        ):
            self.how.addItem(title, choice)
        reason = _no_dicom(result)
        for row in (1, 2):
            item = self.how.model().item(row)
            item.setEnabled(not reason)
            item.setData(reason, Qt.ItemDataRole.ToolTipRole)
        self._meaning = QStackedWidget()  # as high as the longest, so that the buttons stay
        for text in _MEANING.values():
            label = QLabel(text)
            label.setWordWrap(True)
            label.setAlignment(Qt.AlignmentFlag.AlignTop)
            self._meaning.addWidget(label)
        if opened is not None and is_dicom_source(Path(opened)):
            self.source.setText(opened)
        self.source.setPlaceholderText("folder or file with the DICOM series of image A")
        self._source_row = _with_button(self.source, self._choose_source)
        buttons = QDialogButtonBox.StandardButton
        self.buttons = QDialogButtonBox(buttons.Save | buttons.Cancel)
        self.buttons.accepted.connect(self.accept)
        self.buttons.rejected.connect(self.reject)
        form = QFormLayout(self)
        form.addRow("Folder", _with_button(self.folder, self._choose_folder))
        form.addRow("Format", self.how)
        form.addRow("Source", self._source_row)
        form.addRow(self._meaning)
        form.addRow(self.buttons)
        self.setMinimumWidth(460)
        for signal in (self.folder.textChanged, self.source.textChanged):
            signal.connect(self._follow)
        self.how.currentIndexChanged.connect(self._follow)
        self._follow()

    @classmethod
    def ask(
        cls,
        parent: Any,
        result: FusionResult,
        opened: str | None,
        save: Callable[[SaveChoice], None],
    ) -> SaveDialog:
        """Open the dialog; call `save` with the choice once it is made."""
        dialog = cls(parent, result, opened)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.accepted.connect(lambda: save(dialog.choice))
        dialog.open()
        return dialog

    @property
    def choice(self) -> SaveChoice:
        """What is chosen now."""
        how = self.how.currentData()
        source = Path(self.source.text()).expanduser() if how == LINKED else None
        return SaveChoice(Path(self.folder.text()).expanduser(), how != FILES, source)

    def _follow(self, *_: Any) -> None:
        how = self.how.currentData()
        self._meaning.setCurrentIndex(list(_MEANING).index(how))
        self._source_row.setEnabled(how == LINKED)
        missing = [
            what
            for what, line, needed in (
                ("a folder", self.folder, True),
                ("the source that the result is linked to", self.source, how == LINKED),
            )
            if needed and not line.text().strip()
        ]
        save = self.buttons.button(QDialogButtonBox.StandardButton.Save)
        save.setEnabled(not missing)
        save.setToolTip(f"Choose {' and '.join(missing)} first." if missing else "")

    def _choose_folder(self) -> None:
        _choose(self, self.folder, "Save the result in this folder")

    def _choose_source(self) -> None:
        _choose(self, self.source, "Folder with the DICOM series of image A")


def _no_dicom(result: FusionResult) -> str:
    """Return why a result cannot become DICOM; empty if it can."""
    if result.affine is None:
        return "Image A has no place in a patient, which DICOM needs."
    if not result.record.get("complete", True):
        return "This fusion was cancelled; DICOM takes complete results."
    return ""


def _choose(parent: Any, line: QLineEdit, title: str) -> None:
    folder = QFileDialog.getExistingDirectory(parent, title, line.text())
    if folder:
        line.setText(folder)


def _with_button(line: QLineEdit, choose: Callable[[], None]) -> QWidget:
    row = QWidget()
    layout = QHBoxLayout(row)
    layout.setContentsMargins(0, 0, 0, 0)
    button = QPushButton("Choose...")
    button.setAutoDefault(False)
    button.clicked.connect(choose)
    layout.addWidget(line, 1)
    layout.addWidget(button)
    return row
