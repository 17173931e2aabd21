"""Every panel in a small window and at 150 %: the window keeps its size, and no text is cut.

Run as a script, it prints what does not fit; Qt takes the scale only when a program starts.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import (
    QAbstractButton,
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QHeaderView,
    QLabel,
    QPushButton,
    QScrollArea,
    QSpinBox,
    QStyle,
    QStyleOptionButton,
    QStyleOptionComboBox,
    QStyleOptionSpinBox,
    QWidget,
)

PLUGIN = "napari-textdifuse"
PANELS = ("Fuse two images", "Compare images", "Models")
LONG = "a name of a layer that is longer than any panel is wide, as those of DICOM series are"


@pytest.mark.parametrize(("scale", "size"), [("1", (1280, 800)), ("1.5", (1066, 666))])
def test_panels_fit_and_no_text_is_cut(tmp_path, scale, size):
    environment = os.environ | {"QT_SCALE_FACTOR": scale, "TEXTDIFUSE_CONFIG": str(tmp_path)}
    command = [sys.executable, __file__, *map(str, size)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600)
    assert done.stdout.split("\n")[-2:] == ["checked", ""], done.stderr[-2000:]
    assert done.stdout == "checked\n"


def main(size: tuple[int, int]) -> None:
    import napari

    viewer = napari.Viewer()
    window = viewer.window._qt_window
    window.resize(*size)
    for name in (LONG, "pet"):
        image = np.random.default_rng(len(name)).random((12, 40, 40)).astype(np.float32)
        known = {"modality": "PT", "unit": "SUVbw"} if name == "pet" else {"modality": "MR"}
        viewer.add_image(image, name=name, metadata={"textdifuse": known})
    panels = {}

    def wrong_size() -> Iterator[str]:
        if (now := (window.width(), window.height())) != size:
            yield f"the window is {now}, not {size}"

    for name in PANELS:
        panels[name] = viewer.window.add_plugin_dock_widget(PLUGIN, name)
        print_what_stays(f"With {name}", wrong_size)
    form = panels[PANELS[0]][1]
    fill(form)
    print_what_stays("alignment", lambda: iter(() if form.alignment.level else ("not checked",)))

    def off_screen() -> Iterator[str]:
        for button in (form.fuse, form.cancel, form.progress):
            corner = button.native.mapTo(window, button.native.rect().bottomRight())
            if not (button.native.isVisible() and window.rect().contains(corner)):
                yield f"{button.name} is off-screen"

    for theme in ("dark", "light"):
        viewer.theme = theme
        for name, (dock, panel) in panels.items():
            dock.raise_()
            for tab in range(2 if name == PANELS[1] else 1):
                if name == PANELS[1]:
                    panel.tabs.setCurrentIndex(tab)
                print_what_stays(f"{theme}, {name}", lambda d=dock: problems(window, d))
            if name == PANELS[0]:
                print_what_stays(f"{theme}, {name}", off_screen)
        print_what_stays(theme, wrong_size)
    viewer.close()
    print("checked")


def print_what_stays(where: str, find: Callable[[], Iterator[str]]) -> None:
    """Print the problems that are still there once everything is laid out."""
    QTest.qWait(300)
    end = time.monotonic() + 20
    while (found := list(find())) and time.monotonic() < end:
        QTest.qWait(100)
    for problem in found:
        print(f"{where}: {problem}")


def fill(form) -> None:
    """Unfold everything, with the longest words."""
    from napari_textdifuse.napari_plugin.fuse.candidates import Candidate
    from napari_textdifuse.napari_plugin.fuse.outcome import Message

    form.more.value = True
    form.extent.what.value = "range"
    form.restoration.each.native.click()
    form.window_a.choice.value = form.window_b.choice.value = "own"
    form.balance.value = -0.35
    form.view.fade.value = 1.0
    form.strengths.follow({1: "tumour", 2: "grey matter"}, 1.0)
    place = (np.array([0]), np.array([0]), np.array([0]))
    form.candidates.show_candidates([Candidate("tumour 1", 1, 0.8, "uptake above 41 %", place)])
    form.drawing.points.native.click()
    text = "tumour: 1 object, 12 slices, 3.1 mL, SUVmax 9.8 (in PET)"
    form.message.show_message(Message(f"{text}; grey {text}", details=("a rule",)))


def problems(window: QWidget, dock: QWidget) -> Iterator[str]:
    """Say what of a panel is cut, wider than its area, or outside the window."""
    for area in dock.findChildren(QScrollArea):
        if area.isVisible() and area.widget().width() > area.viewport().width():
            yield f"{area.widget().width()} pixels in an area of {area.viewport().width()}"
    right = dock.mapTo(window, dock.rect().bottomRight())
    if not window.rect().contains(right):
        yield f"the panel ends at {right.x()}, {right.y()}"
    for widget in dock.findChildren(QWidget):
        if widget.isVisible():
            for text, needed, room in texts(widget):
                if needed > room and LONG not in text:
                    yield f"{text!r} needs {needed} pixels and has {room}"


def texts(widget: QWidget) -> Iterator[tuple[str, int, int]]:
    """Yield each text of a control with the width it needs and has."""
    width, style = widget.fontMetrics().horizontalAdvance, widget.style()
    if isinstance(widget, QComboBox):
        option = QStyleOptionComboBox()
        widget.initStyleOption(option)
        part = QStyle.SubControl.SC_ComboBoxEditField
        field = style.subControlRect(QStyle.ComplexControl.CC_ComboBox, option, part, widget)
        for row in range(widget.count()):
            yield widget.itemText(row), width(widget.itemText(row)), field.width()
    elif isinstance(widget, (QSpinBox, QDoubleSpinBox)):
        option = QStyleOptionSpinBox()
        widget.initStyleOption(option)
        part = QStyle.SubControl.SC_SpinBoxEditField
        field = style.subControlRect(QStyle.ComplexControl.CC_SpinBox, option, part, widget)
        yield widget.text(), width(widget.text()), field.width()
    elif isinstance(widget, (QPushButton, QCheckBox)):
        option = QStyleOptionButton()
        widget.initStyleOption(option)
        elements = QStyle.SubElement
        part = elements.SE_CheckBoxContents
        if isinstance(widget, QPushButton):
            part = elements.SE_PushButtonContents
        contents = style.subElementRect(part, option, widget)
        yield widget.text(), width(widget.text()), contents.width()
    elif isinstance(widget, QAbstractButton):
        yield widget.text(), width(widget.text()), widget.contentsRect().width()
    elif isinstance(widget, QLabel):
        if widget.wordWrap():
            yield widget.text(), widget.heightForWidth(widget.width()), widget.height()
        else:
            yield widget.text(), width(widget.text()), widget.contentsRect().width()
    elif isinstance(widget, QHeaderView) and widget.orientation() == Qt.Orientation.Horizontal:
        for column in range(widget.count()):
            text = str(widget.model().headerData(column, Qt.Orientation.Horizontal))
            yield text, width(text), widget.sectionSize(column)


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[2] / "src"))
    main((int(sys.argv[1]), int(sys.argv[2])))
