"""The list of weights, locators and models, by its controls; nothing here touches the network."""

from __future__ import annotations

import hashlib
import json
import shutil
import threading
from pathlib import Path

import pytest
from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import QApplication, QFileDialog, QInputDialog, QMessageBox

from napari_textdifuse import downloads
from napari_textdifuse.errors import Cancelled, InputError, WeightsError, WriteError
from napari_textdifuse.locate import hub
from napari_textdifuse.napari_plugin.models import store as store_module
from napari_textdifuse.napari_plugin.models.entries import GROUPS, collect, describe
from napari_textdifuse.napari_plugin.models.store import ModelStore, chosen_weights
from napari_textdifuse.napari_plugin.models.widget import ModelsWidget
from napari_textdifuse.weights import EMBEDDED, open_folder

MODEL = "slimsam-uniform-77"


@pytest.fixture(autouse=True)
def home(monkeypatch, tmp_path) -> Path:
    """A computer on which nothing was downloaded or chosen yet."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HOME", str(tmp_path / "hf"))
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hf" / "hub"))
    monkeypatch.setenv("TEXTDIFUSE_CONFIG", str(tmp_path / "config"))
    monkeypatch.delenv("TEXTDIFUSE_LOCATOR_WEIGHTS", raising=False)
    return tmp_path


@pytest.fixture
def make(qtbot):
    made = []

    def make_widget() -> ModelsWidget:
        widget = ModelsWidget()
        qtbot.addWidget(widget)
        made.append(widget)
        settle(widget, qtbot)
        return widget

    yield make_widget
    for widget in made:
        widget.end()


def settle(widget: ModelsWidget, qtbot) -> None:
    qtbot.waitUntil(lambda: not widget.running, timeout=120_000)


def listed(widget: ModelsWidget) -> dict[str, dict[str, str]]:
    """Name and state by heading."""
    groups = (widget.tree.topLevelItem(i) for i in range(widget.tree.topLevelItemCount()))
    return {
        group.text(0): {
            group.child(i).text(0): group.child(i).text(1) for i in range(group.childCount())
        }
        for group in groups
    }


def select(widget: ModelsWidget, name: str) -> None:
    flags = Qt.MatchFlag.MatchExactly | Qt.MatchFlag.MatchRecursive
    (item,) = widget.tree.findItems(name, flags, 0)
    widget.tree.setCurrentItem(item)


def click(button) -> None:
    assert button.isEnabled(), button.toolTip()
    button.click()


def answer(button: QMessageBox.StandardButton) -> list[str]:
    """Answer the next question with a click; the question is put into the list."""
    seen: list[str] = []

    def press() -> None:
        box = QApplication.activeModalWidget()
        if not isinstance(box, QMessageBox):
            QTimer.singleShot(50, press)
            return
        seen.append(box.text())
        box.button(button).click()

    QTimer.singleShot(50, press)
    return seen


def choose_folder(monkeypatch, path: Path) -> None:
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: str(path))


class FakeHub:
    """Writes a model where `download` puts it, block by block, as long as it is let."""

    def __init__(self, monkeypatch) -> None:
        self.blocks = 3
        self.error: Exception | None = None
        self.started, self.stopped = threading.Event(), threading.Event()
        monkeypatch.setattr(downloads, "download", self)

    def __call__(self, model, folder, report):
        self.started.set()
        self.stopped.clear()
        try:
            folder.mkdir(parents=True, exist_ok=True)
            part = folder / ".model.safetensors.0123.part"
            done = 0
            while done < self.blocks:
                done += 1
                part.write_bytes(bytes(1000 * min(done, 5)))
                if self.error is not None:
                    raise self.error
                if report("model.safetensors", 1_000_000 * done, 1_000_000 * self.blocks) is False:
                    raise Cancelled("The download was cancelled.")
                threading.Event().wait(0.005)
            part.unlink()
            (folder / "config.json").write_text('{"model_type": "sam"}')
            (folder / "preprocessor_config.json").write_text("{}")
            (folder / "model.safetensors").write_bytes(b"weights")
            return folder
        finally:
            self.stopped.set()


@pytest.fixture
def fake_hub(monkeypatch):
    fake = FakeHub(monkeypatch)
    yield fake
    if fake.started.is_set():
        assert fake.stopped.wait(120)


def test_everything_is_listed_with_what_there_is_to_know(make):
    widget = make()
    shown = listed(widget)
    assert list(shown) == list(dict.fromkeys(GROUPS.values()))
    assert shown["Fusion weights"] == {open_folder().name: "in use"}
    locators = shown[GROUPS["locator"]]
    assert locators["lexicon"] == "ready"
    assert locators["owlvit-sam"] == "needs models"
    assert set(shown[GROUPS["model"]]) == {model.name for model in hub.MODELS}
    assert set(shown[GROUPS["model"]].values()) == {"not downloaded"}

    text = widget.details.toPlainText()
    assert widget.entry.name == open_folder().name  # selected first
    assert open_folder().sha256 in text.replace(" ", "").replace("\n", "")
    for words in ("BSD-3-Clause", "Training data", "RoadScene", "MB"):  # the last from the card
        assert words in text
    select(widget, MODEL)
    text = widget.details.toPlainText()
    for words in ("Apache-2.0", "39 MB", "Zigeng/SlimSAM-uniform-77", "segmenter"):
        assert words in text
    select(widget, "owlvit-sam")
    assert "download a detector and a segmenter below" in widget.details.toPlainText()


def test_disabled_buttons_say_why(make):
    widget = make()
    assert widget.use.toolTip() == "These weights are in use."
    assert "came with the package" in widget.remove.toolTip()
    assert "nothing else is downloaded" in widget.download.toolTip()
    select(widget, MODEL)
    assert "download it first" in widget.verify.toolTip()
    assert widget.remove.toolTip() == "It is not on this machine."
    select(widget, "lexicon")
    buttons = (widget.use, widget.verify, widget.download, widget.remove)
    assert not any(button.isEnabled() for button in buttons)
    assert all(button.toolTip() for button in buttons)


def test_embedded_weights_are_verified(make, qtbot, notifications):
    widget = make()
    click(widget.verify)
    assert not widget.use.isEnabled()
    settle(widget, qtbot)
    assert notifications == [f"{open_folder().name}: the SHA-256 of every file is correct."]


def test_own_weights_are_added_used_and_forgotten(
    make, tiny_weights, home, monkeypatch, qtbot, notifications
):
    folder = home / "my_run"
    shutil.copytree(tiny_weights, folder)
    widget = make()
    told = []
    widget.chosen.connect(told.append)
    choose_folder(monkeypatch, folder)
    click(widget.add)
    settle(widget, qtbot)
    name = "my_run (tiny)"
    assert listed(widget)["Fusion weights"] == {open_folder().name: "in use", name: "ready"}
    assert chosen_weights() is None

    select(widget, name)
    assert "my_run" in widget.details.toPlainText()
    click(widget.use)
    settle(widget, qtbot)
    assert told == [folder]
    assert chosen_weights() == str(folder)
    assert listed(widget)["Fusion weights"] == {open_folder().name: "ready", name: "in use"}
    again = make()  # after a restart
    assert listed(again)["Fusion weights"][name] == "in use"

    select(widget, name)
    assert widget.remove.text() == "Forget"
    click(widget.remove)
    settle(widget, qtbot)
    assert told == [folder, None]
    assert chosen_weights() is None
    assert listed(widget)["Fusion weights"] == {open_folder().name: "in use"}
    assert open_folder(folder).verify()  # the files were left alone
    assert all(message.endswith(".") for message in notifications)


def test_weights_of_the_hub_after_consent_only(
    make, hub, tiny_weights, monkeypatch, qtbot, notifications
):
    commit = hub.add("me/mine", {path.name: path.read_bytes() for path in tiny_weights.iterdir()})
    widget = make()
    entered = iter([("me/mine", False), ("mine", True), ("me/mine", True), (" me/mine ", True)])
    monkeypatch.setattr(QInputDialog, "getText", lambda *_: next(entered))
    click(widget.add_hub)  # cancelled
    click(widget.add_hub)
    assert "write it as owner/name" in notifications[-1]
    seen = answer(QMessageBox.StandardButton.Cancel)
    click(widget.add_hub)
    assert hub.url in seen[0]
    assert "config.json, model.safetensors" in seen[0]
    assert hub.requests == []
    answer(QMessageBox.StandardButton.Yes)
    click(widget.add_hub)
    settle(widget, qtbot)
    name = "me/mine (tiny)"
    assert listed(widget)["Fusion weights"][name] == "ready"
    select(widget, name)
    assert commit in widget.details.toPlainText()
    click(widget.use)
    settle(widget, qtbot)
    assert open_folder(chosen_weights()).origin == {"repo": "me/mine", "revision": commit}


def test_going_back_to_the_embedded_weights(make, tiny_weights, qtbot):
    store = ModelStore()
    store.add(tiny_weights)
    store.choose(tiny_weights)
    widget = make()
    told = []
    widget.chosen.connect(told.append)
    select(widget, open_folder().name)
    click(widget.use)
    settle(widget, qtbot)
    assert told == [None]
    assert chosen_weights() is None


def damaged(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(b"other")


def without_weights(folder: Path) -> None:
    (folder / "model.safetensors").unlink()


def of_another_kind(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"architecture": "heavy"}))


def emptied(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.mkdir()


def half_a_release(folder: Path) -> None:
    emptied(folder)
    (folder / "diffusion_stage1.pth").write_bytes(b"x")


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (damaged, "is damaged or was changed"),
        (without_weights, "model.safetensors is missing"),
        (of_another_kind, "architecture 'heavy'"),
        (emptied, "is not a weights folder"),
        (half_a_release, "lacks diffusion_stage2.pth"),
    ],
)
def test_a_wrong_folder_is_refused_in_a_sentence(
    make, tiny_weights, home, monkeypatch, qtbot, notifications, spoil, words
):
    folder = home / "wrong"
    shutil.copytree(tiny_weights, folder)
    spoil(folder)
    widget = make()
    choose_folder(monkeypatch, folder)
    click(widget.add)
    settle(widget, qtbot)
    assert len(notifications) == 1
    assert words in notifications[0]
    assert ModelStore().folders == []


def test_the_authors_checkpoints_are_accepted(make, home, monkeypatch, qtbot, notifications):
    folder = home / "released"
    folder.mkdir()
    for name in ("diffusion_stage1.pth", "diffusion_stage2.pth", "FCM-Medi.pt"):
        (folder / name).write_bytes(name.encode())
    widget = make()
    choose_folder(monkeypatch, folder)
    click(widget.add)
    settle(widget, qtbot)
    select(widget, "released (reference)")
    assert "medical (FCM-Medi.pt)" in widget.details.toPlainText()
    click(widget.verify)
    settle(widget, qtbot)
    assert "nothing to compare with" in notifications[-1]
    assert open_folder(folder).sha256 in notifications[-1]


def test_a_folder_that_is_gone_says_so_and_can_be_forgotten(make, tiny_weights, home, qtbot):
    folder = home / "gone"
    shutil.copytree(tiny_weights, folder)
    ModelStore().add(folder)
    shutil.rmtree(folder)
    widget = make()
    assert listed(widget)["Fusion weights"]["gone"] == "cannot be used"
    select(widget, "gone")
    assert "No weights named" in widget.use.toolTip()
    assert "No weights named" in widget.details.toPlainText()
    click(widget.remove)
    settle(widget, qtbot)
    assert "gone" not in listed(widget)["Fusion weights"]


def test_nothing_is_downloaded_without_consent(make, fake_hub, qtbot):
    widget = make()
    select(widget, MODEL)
    seen = answer(QMessageBox.StandardButton.Cancel)
    click(widget.download)
    settle(widget, qtbot)
    assert not fake_hub.started.is_set()
    for words in ("Zigeng/SlimSAM-uniform-77", "39 MB", "Apache-2.0", "GB are free", "hf"):
        assert words in seen[0]


def test_download_verify_and_delete(make, fake_hub, home, qtbot, notifications):
    widget = make()
    select(widget, MODEL)
    answer(QMessageBox.StandardButton.Yes)
    shares = []
    widget.progress.valueChanged.connect(shares.append)
    click(widget.download)
    settle(widget, qtbot)
    folder = home / "hf" / "textdifuse" / MODEL
    assert listed(widget)[GROUPS["model"]][MODEL] == "ready"
    assert max(shares) == 1000
    assert widget.entry.name == MODEL  # still selected
    digest = hashlib.sha256(b"weights").hexdigest()
    assert digest in widget.details.toPlainText().replace(" ", "").replace("\n", "")
    assert "on this machine already" in widget.download.toolTip()

    click(widget.verify)
    settle(widget, qtbot)
    assert "is correct" in notifications[-1]
    (folder / "model.safetensors").write_bytes(b"changed")
    click(widget.verify)
    settle(widget, qtbot)
    assert "is damaged or was changed" in notifications[-1]

    seen = answer(QMessageBox.StandardButton.Cancel)
    click(widget.remove)
    assert folder.is_dir()
    assert MODEL in seen[0]
    answer(QMessageBox.StandardButton.Yes)
    click(widget.remove)
    settle(widget, qtbot)
    assert not folder.exists()
    assert folder.parent.is_dir()
    assert listed(widget)[GROUPS["model"]][MODEL] == "not downloaded"


def test_cancelling_keeps_the_part_which_can_be_deleted(make, fake_hub, home, qtbot, notifications):
    fake_hub.blocks = 100_000
    widget = make()
    select(widget, MODEL)
    answer(QMessageBox.StandardButton.Yes)
    click(widget.download)
    qtbot.waitUntil(lambda: "of 100000.0 MB" in widget.hint.text(), timeout=120_000)
    assert not widget.download.isEnabled()
    assert not widget.add.isEnabled()
    click(widget.cancel)
    assert widget.hint.text() == "Cancelling..."
    settle(widget, qtbot)
    assert notifications == []
    assert listed(widget)[GROUPS["model"]][MODEL] == "partly (0.0 MB)"
    assert widget.download.isEnabled()  # goes on
    answer(QMessageBox.StandardButton.Yes)
    click(widget.remove)
    settle(widget, qtbot)
    assert listed(widget)[GROUPS["model"]][MODEL] == "not downloaded"


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (WeightsError("The hub does not answer; try later."), "The hub does not answer"),
        (RuntimeError("boom\nmore"), r"The download failed unexpectedly (RuntimeError: boom)."),
    ],
)
def test_a_failed_download_is_one_sentence(make, fake_hub, qtbot, notifications, error, words):
    fake_hub.error = error
    widget = make()
    select(widget, MODEL)
    answer(QMessageBox.StandardButton.Yes)
    click(widget.download)
    settle(widget, qtbot)
    assert len(notifications) == 1
    assert words in notifications[0]
    assert "\n" not in notifications[0]


def test_closing_the_panel_stops_the_download(make, fake_hub, qtbot):
    fake_hub.blocks = 100_000
    widget = make()
    select(widget, MODEL)
    answer(QMessageBox.StandardButton.Yes)
    click(widget.download)
    qtbot.waitUntil(fake_hub.started.is_set, timeout=120_000)
    widget.end()
    assert fake_hub.stopped.wait(120)
    qtbot.wait(20)


def test_what_others_downloaded_is_used_but_not_deleted(make, home, qtbot, notifications):
    repo = home / "hf" / "hub" / "models--Zigeng--SlimSAM-uniform-77"
    snapshot = repo / "snapshots" / "0123456789abcdef0123456789abcdef01234567"
    (repo / "refs").mkdir(parents=True)
    (repo / "refs" / "main").write_text(snapshot.name)
    (repo / "blobs").mkdir()
    snapshot.mkdir(parents=True)
    for name in ("config.json", "preprocessor_config.json", "model.safetensors"):
        data = b'{"model_type": "sam"}'
        blob = repo / "blobs" / hashlib.sha256(data).hexdigest()
        blob.write_bytes(data)
        (snapshot / name).symlink_to(blob)
    widget = make()
    assert listed(widget)[GROUPS["model"]][MODEL] == "ready (hub cache)"
    select(widget, MODEL)
    assert "other programs use" in widget.remove.toolTip()
    click(widget.verify)
    settle(widget, qtbot)
    assert "is correct" in notifications[-1]


def test_deleting_refuses_what_was_not_downloaded(home):
    from napari_textdifuse.napari_plugin.models.actions import delete

    (embedded, *others) = collect()
    with pytest.raises(InputError, match="was not downloaded here"):
        delete(embedded)
    entry = next(e for e in others if e.name == MODEL)
    with pytest.raises(InputError, match="was not downloaded here"):
        delete(entry)
    elsewhere = home / "elsewhere"
    elsewhere.mkdir()
    link = hub.download_folder(entry.model)
    link.parent.mkdir(parents=True)
    link.symlink_to(elsewhere)
    linked = next(e for e in collect() if e.name == MODEL)
    with pytest.raises(InputError, match="is a link"):
        delete(linked)
    assert elsewhere.is_dir()


def test_names_and_paths_are_not_markup(tiny_weights, home):
    folder = home / "my_own_*weights*"
    shutil.copytree(tiny_weights, folder)
    entry = next(e for e in collect([folder]) if e.kind == "folder")
    from qtpy.QtGui import QTextDocument

    document = QTextDocument()
    document.setMarkdown(describe(entry))
    assert str(folder) in document.toPlainText()


def test_the_store_survives_damage_and_says_when_it_cannot_write(tmp_path):
    path = tmp_path / "config" / "models.json"
    store = ModelStore(path)
    assert (store.folders, store.chosen) == ([], None)
    store.choose(tmp_path)
    store.add(tmp_path)
    store.add(tmp_path)
    assert (store.folders, store.chosen) == ([tmp_path], tmp_path)
    for text in ("{", "[]", '{"folders": 3, "chosen": 4}', '{"folders": [1]}'):
        path.write_text(text)
        assert (store.folders, store.chosen) == ([], None)
    store.add(tmp_path)
    assert store.folders == [tmp_path]
    (tmp_path / "file").write_text("")
    with pytest.raises(WriteError, match="cannot be created"):
        ModelStore(tmp_path / "file" / "models.json").choose(None)


def test_the_store_lies_in_the_users_configuration(monkeypatch):
    monkeypatch.delenv("TEXTDIFUSE_CONFIG")
    path = store_module.default_path()
    assert path.name == "models.json"
    assert path.parent.name == "napari-textdifuse"
    assert path.is_absolute()


def test_the_default_is_what_fusion_takes_without_instructions():
    from napari_textdifuse.napari_plugin.models.entries import is_chosen, is_default

    (entry,) = [e for e in collect() if e.kind == "embedded"]
    assert is_default(entry)
    assert is_chosen(entry, None)
    assert entry.path.name == EMBEDDED
    assert not is_chosen(entry, Path("elsewhere"))
