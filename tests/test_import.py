"""Importing the package is instant, because it loads nothing."""

from __future__ import annotations

import json
import subprocess
import sys

LOADED = """
import json, sys
before = set(sys.modules)
import napari_textdifuse
print(json.dumps(sorted(set(sys.modules) - before)))
"""


def in_a_new_process(code: str) -> str:
    command = [sys.executable, "-c", code]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_import_is_instant_and_light():
    """It loads some modules of Python itself, and two files of the package."""
    loaded = json.loads(in_a_new_process(LOADED))
    others = {name for name in loaded if name.split(".")[0] not in sys.stdlib_module_names}
    assert others == {"napari_textdifuse", "napari_textdifuse._version"}
    assert len(loaded) < 40


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
