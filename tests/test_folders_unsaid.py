"""Messages name files and models without their folders, which may be named after patients."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import napari_textdifuse
from napari_textdifuse.errors import TextDiFuseError, file_in, name_of

SOURCE = Path(napari_textdifuse.__file__).parent
#: Variables with a path in them, in this package.
PATHS = {"path", "folder", "file", "out", "root", "directory", "target", "final", "source"}
#: The user asks where something is, or chose the folder a moment ago.
ASKED = {"cli", "napari_plugin/models/entries.py", "napari_plugin/models/actions.py"}


def _is_path(value: ast.expr) -> bool:
    if isinstance(value, ast.Call):  # str(path), os.fspath(path)
        named = getattr(value.func, "id", getattr(value.func, "attr", ""))
        return named in ("str", "fspath", "abspath", "resolve") and any(map(_is_path, value.args))
    if isinstance(value, ast.BinOp) and isinstance(value.op, ast.Div):
        return _is_path(value.left)
    if isinstance(value, ast.Attribute):
        return value.attr in PATHS | {"parent"}
    return isinstance(value, ast.Name) and value.id in PATHS


def test_no_message_of_an_error_contains_a_whole_path():
    found = []
    for file in sorted(SOURCE.rglob("*.py")):
        where = file.relative_to(SOURCE).as_posix()
        if where.split("/")[0] in ASKED or where in ASKED:
            continue
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            made = node.exc if isinstance(node, ast.Raise) else getattr(node, "value", None)
            if not isinstance(node, ast.Raise | ast.Return) or not isinstance(made, ast.Call):
                continue
            if not str(getattr(made.func, "id", "")).endswith(("Error", "Cancelled")):
                continue
            for part in ast.walk(made):
                if isinstance(part, ast.FormattedValue) and _is_path(part.value):
                    found.append(f"{where}:{part.lineno}: {ast.unparse(part.value)}")
    assert found == []


def test_names():
    assert name_of("/scans/Doe/t1.nii.gz") == "t1.nii.gz"
    assert name_of(Path()) == Path.cwd().name
    assert name_of(f"/home/doe/hub/models--owner--tiny--x/snapshots/{'0' * 40}") == "owner/tiny--x"
    assert file_in("/home/doe/models/tiny/config.json") == "config.json"
    assert file_in("hf/textdifuse/owlvit-base/config.json") == "owlvit-base/config.json"
    assert file_in(SOURCE / "weights/light/config.json") == "light/config.json"


def open_weights(folder):
    from napari_textdifuse.weights import open_folder

    open_folder(folder)


def open_sam(folder):
    from napari_textdifuse.locate.sam import load_segmenter

    load_segmenter(folder / "nothing.pth", "cpu")


def open_atlas(folder):
    from napari_textdifuse.locate.atlas import read_atlas

    read_atlas(folder)


def open_model(folder):
    from napari_textdifuse.locate.checkpoints import model_type

    model_type(folder)


@pytest.mark.parametrize("use", [open_weights, open_sam, open_atlas, open_model])
@pytest.mark.parametrize("config", [None, "{", '{"architecture": "x", "sha256": 1}', "{}"])
def test_models_are_named_by_the_folder_itself_or_by_the_file(tmp_path, use, config):
    folder = tmp_path / "Doe^John" / "tiny"
    folder.mkdir(parents=True)
    if config is not None:
        (folder / "config.json").write_text(config)
        (folder / "model.safetensors").write_bytes(b"no tensors")
    with pytest.raises(TextDiFuseError) as error:
        use(folder)
    assert "Doe" not in str(error.value)
    assert str(tmp_path) not in str(error.value)
    named = ("tiny", "nothing.pth", "config.json", "model.safetensors")
    assert any(name in str(error.value) for name in named)
