"""SIGTERM ends a command as Ctrl-C does, and a killed one leaves nothing for long."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

#: A command whose fusion sends a signal to its own process, in the middle of the work.
PROGRAM = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background process ignores it
import napari_textdifuse.fusion.chain as chain
real = chain.FusionChain.encode_and_weight
def slow(self, *arguments):
    if not os.environ.get("SENT"):
        os.environ["SENT"] = "1"
        os.kill(os.getpid(), int(sys.argv[1]))
    return real(self, *arguments)
chain.FusionChain.encode_and_weight = slow
from napari_textdifuse.cli import main
sys.exit(main(sys.argv[2:]))
"""


def run(number, *arguments, program=PROGRAM):
    words = [sys.executable, "-c", program, str(int(number)), *map(str, arguments)]
    return subprocess.run(words, capture_output=True, text=True, timeout=600)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("command", ["fuse", "batch"])
def test_sigterm_is_like_ctrl_c(pictures, tiny_weights, tmp_path, number, command):
    a, b = pictures
    if command == "batch":
        for name, path in (("a", a), ("b", b)):
            (tmp_path / name).mkdir()
            for stem in ("1", "2"):
                (tmp_path / name / f"{stem}.png").write_bytes(path.read_bytes())
        a, b = tmp_path / "a", tmp_path / "b"
    out = tmp_path / "out"
    fast = ("--weights", tiny_weights, "--device", "cpu", "--steps", "3")
    ran = run(number, command, a, b, "--out", out, *fast)
    assert ran.returncode == 130, ran.stderr
    assert "Traceback" not in ran.stderr
    assert "cancelled" in ran.stderr
    assert not list(tmp_path.rglob(".textdifuse-*"))
    assert not list(out.rglob("*.png"))


def test_sigterm_while_reading_is_a_plain_end(pictures, tmp_path):
    program = PROGRAM.replace(
        "from napari_textdifuse.cli",
        "import napari_textdifuse.io as io\n"
        "io.read = lambda *a, **k: os.kill(os.getpid(), signal.SIGTERM)\n"
        "from napari_textdifuse.cli",
    )
    ran = run(0, "register", *pictures, "--out", tmp_path / "out", program=program)
    assert (ran.returncode, ran.stderr.splitlines()[-1]) == (130, "textdifuse: cancelled")


def test_sigterm_within_code_from_a_string_is_a_plain_end_too(pictures, tmp_path):
    """As in imports of libraries that make classes from text; ``python -m`` forgets its status."""
    program = """
import os, signal, sys
import napari_textdifuse.io as io
stop = "os.kill(os.getpid(), signal.SIGTERM)"
io.read = lambda *a, **k: exec(stop, {"os": os, "signal": signal})
from napari_textdifuse.cli import main
sys.exit(main(sys.argv[1:]))
"""
    (tmp_path / "program.py").write_text(program)
    words = [sys.executable, "-m", "program", "register", *map(str, pictures), "--out", "out"]
    ran = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, timeout=600)
    assert (ran.returncode, ran.stderr.splitlines()[-1]) == (130, "textdifuse: cancelled")


def test_what_a_killed_command_left_is_swept_by_the_next(textdifuse, pictures, fast, tmp_path):
    program = """
import os, signal, sys
import napari_textdifuse.results.folder as outputs
outputs.write_json = lambda *a: os.kill(os.getpid(), signal.SIGKILL)
from napari_textdifuse.cli import main
main(sys.argv[2:])
"""
    out = tmp_path / "out"
    ran = run(0, "fuse", *pictures, "--out", out, *fast, program=program)
    assert ran.returncode == -signal.SIGKILL
    assert len(list(out.glob(".textdifuse-*"))) == 1
    assert textdifuse("fuse", *pictures, "--out", out, *fast).status == 0
    assert not list(out.glob(".textdifuse-*"))
    assert (out / "fused.png").is_file()
