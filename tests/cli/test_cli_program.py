"""The program around its commands: the log, and completion in shells."""

from __future__ import annotations

import logging
import shutil
import subprocess
import sys

import pytest

from napari_textdifuse.cli.report import OURS


def test_the_log_is_shown_on_request_only(textdifuse, pictures, fast, tmp_path):
    quiet = textdifuse("fuse", *pictures, "--out", tmp_path / "o", *fast)
    assert "napari_textdifuse" not in quiet.err
    shown = textdifuse("fuse", *pictures, "--out", tmp_path / "o", *fast, "-v")
    assert shown.status == 0
    assert shown.out == quiet.out
    lines = [line for line in shown.err.splitlines() if " napari_textdifuse." in line]
    assert any("loaded weights tiny on cpu" in line for line in lines)
    assert any("image B: 37 x 50 x 3" in line for line in lines)
    assert any("wrote fused.png" in line for line in lines)
    assert "Mustermann" not in " ".join(lines)
    assert str(tmp_path) not in " ".join(lines)
    logger = logging.getLogger(OURS)  # left as it was
    assert not logger.handlers
    assert logger.propagate
    assert logging.root.manager.disable == logging.NOTSET


def test_other_libraries_stay_quiet(textdifuse, pictures, fast, tmp_path, monkeypatch):
    import napari_textdifuse.cli.fuse as module

    def noisy(*arguments, **options):
        logging.getLogger("someone").warning("chatter")
        return real(*arguments, **options)

    real = module.fuse_pair
    monkeypatch.setattr(module, "fuse_pair", noisy)
    ran = textdifuse("fuse", *pictures, "--out", tmp_path / "o", *fast, "-v")
    assert ran.status == 0
    assert "chatter" not in ran.err


def test_completion(textdifuse, monkeypatch, tmp_path):
    pytest.importorskip("shtab")
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("no bash here")
    script = tmp_path / "completion.bash"
    script.write_text(textdifuse("--print-completion", "bash").out)
    ask = f"source {script}; COMP_WORDS=(textdifuse {{}}); COMP_CWORD={{}}; _shtab_textdifuse; "
    ask += 'echo "${{COMPREPLY[@]}}"'
    for words, expected in (
        ("tr", "train"),
        ("train mod", "modulation"),
        ("fuse --modality", "--modality-a --modality-b"),
        ("fuse a b --quality ''", "fast standard best"),
    ):
        command = [bash, "-c", ask.format(words, len(words.split()))]
        ran = subprocess.run(command, capture_output=True, text=True, check=True)
        assert ran.stdout.strip() == expected

    monkeypatch.setitem(sys.modules, "shtab", None)
    ran = textdifuse("--print-completion", "zsh")
    assert ran.status == 2
    assert "napari-textdifuse[completion]" in ran.err
