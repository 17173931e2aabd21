"""Importing the package is instant and loads nothing heavy."""

from __future__ import annotations

import json
import subprocess
import sys

HEAVY = ("torch", "transformers", "napari", "qtpy", "PySide6", "magicgui", "superqt", "nibabel")

MEASURE = """
import json, sys, time
before = set(sys.modules)
started = time.process_time()  # not the wall: other programs may be busy
import napari_textdifuse
seconds = time.process_time() - started
print(json.dumps([seconds, sorted({name.split(".")[0] for name in set(sys.modules) - before})]))
"""


def in_a_new_process(code: str) -> str:
    command = [sys.executable, "-c", code]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_import_is_instant_and_light():
    runs = [json.loads(in_a_new_process(MEASURE)) for _ in range(3)]
    assert not set(HEAVY) & set(runs[0][1])
    assert min(seconds for seconds, _ in runs) < 0.15


def test_the_core_knows_nothing_of_napari():
    code = (
        "import sys, napari_textdifuse as t; t.fuse; t.evaluate; t.read; t.write; "
        "import napari_textdifuse.cli; print(' '.join(sys.modules))"
    )
    loaded = {name.split(".")[0] for name in in_a_new_process(code).split()}
    assert "torch" in loaded  # the pipeline itself was imported
    assert not loaded & {"napari", "qtpy", "PySide6", "PyQt6", "magicgui", "superqt"}


def test_threads_wait_passively_unless_the_policy_is_set():
    """Spinning threads make a fusion many times slower next to other busy programs."""
    code = "import os, napari_textdifuse; print(os.environ['OMP_WAIT_POLICY'])"
    assert (
        in_a_new_process(f"import os; os.environ.pop('OMP_WAIT_POLICY', None); {code}")
        == "PASSIVE\n"
    )
    assert (
        in_a_new_process(f"import os; os.environ['OMP_WAIT_POLICY'] = 'ACTIVE'; {code}")
        == "ACTIVE\n"
    )
