"""Messages name the user's own control: an argument, an option, or a control of the panel.

The library writes arguments (``time=``); the command line and the panel replace them by theirs.
"""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

import napari_textdifuse
from napari_textdifuse.cli.report import in_options
from napari_textdifuse.napari_plugin.fuse.outcome import in_panel_words

SOURCE = Path(napari_textdifuse.__file__).parent
#: Their words are only met in one of the three places.
OF_ONE_PLACE = ("cli", "napari_plugin", "training")
#: Where the command line is named on purpose: a command works in every place.
COMMAND = re.compile(r"'textdifuse [^']*'|textdifuse [^ ]* [^ ]*")
ARGUMENT = re.compile(r"\b[a-z_]+=(?!=)")


@cache
def messages():
    """Every text of the library with an argument or option in it, with what is put in as "x"."""
    found = []
    for path in sorted(SOURCE.rglob("*.py")):
        if path.relative_to(SOURCE).parts[0] in OF_ONE_PLACE:
            continue
        tree = ast.parse(path.read_text("utf-8"))
        inner = {
            id(part)
            for node in ast.walk(tree)
            if isinstance(node, ast.JoinedStr)
            for part in node.values
        }
        plain = {id(n.value) for n in ast.walk(tree) if isinstance(n, ast.Expr)}  # docstrings
        for node in ast.walk(tree):
            if isinstance(node, ast.JoinedStr):
                parts = node.values
                text = "".join(p.value if isinstance(p, ast.Constant) else "x" for p in parts)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                if id(node) in inner or id(node) in plain:
                    continue
                text = node.value
            else:
                continue
            sentence = " " in text and "<" not in text and "\n" not in text and text[0] != "{"
            if sentence and (ARGUMENT.search(text) or "--" in text):
                found.append((f"{path.relative_to(SOURCE)}:{node.lineno}", text))
    return found


def test_there_are_such_messages():
    assert len(messages()) > 10


def test_the_library_names_no_option_of_the_command_line():
    named = [(where, COMMAND.sub("", text)) for where, text in messages()]
    ours = [(where, text) for where, text in named if re.search(r"(?<![\w-])--[a-z]", text)]
    assert [m for m in ours if "{image_a}" not in m[1]] == []  # a program's own options


@pytest.mark.parametrize("words", [in_options, in_panel_words])
def test_no_argument_is_left(words):
    left = [(where, words(text)) for where, text in messages() if ARGUMENT.search(words(text))]
    assert left == []


@pytest.mark.parametrize(
    ("text", "command", "panel"),
    [
        (
            "the modality of neither image is known; state the modality, such as with "
            "modality={'a': 'CT', 'b': 'MR'}, or pass mask= or boxes=.",
            "the modality of neither image is known; state the modality, such as with "
            "--modality-a CT --modality-b MR, or pass a mask with --mask.",
            "the modality of neither image is known; state the modality with State..., "
            "or draw a "
            "mask and choose it under Drawn.",
        ),
        (
            "x: 4 time points; choose one with time=0 to 3.",
            "x: 4 time points; choose one with --time 0 to 3.",
            "x: 4 time points; choose a time point with the slider.",
        ),
        (
            "no device 'mps'; use device='auto' or 'cpu'.",
            "no device 'mps'; use --device auto or cpu.",
            "no device 'mps'; set Device to auto or cpu.",
        ),
        (
            "Both have colour (colour='b' takes that of image B).",
            "Both have colour (--colour b takes that of image B).",
            "Both have colour.",
        ),
        (
            "the result has the colour of image A (colour='b' takes that of image B).",
            "the result has the colour of image A (--colour b takes that of image B).",
            "the result has the colour of image A; Swap A and B takes the other.",
        ),
        (
            "the result has the colour of image B, PET (colour='a' takes that of image A).",
            "the result has the colour of image B, PET (--colour a takes that of image A).",
            "the result has the colour of image B, PET.",
        ),
        (
            "The locator 'atlas' has no atlas; name its folder with atlas=, or set ATLAS.",
            "The locator 'atlas' has no atlas; name its folder with --atlas, or set ATLAS.",
            "Find with: 'atlas' has no atlas; set ATLAS before napari starts.",
        ),
        (
            "no detector weights; run 'textdifuse weights download x --yes' (9 MB), or name a "
            "folder with weights= of the locator.",
            "no detector weights; run 'textdifuse weights download x --yes' (9 MB), or name a "
            "folder with --locator-weights.",
            "no detector weights; download x (9 MB) in the Models panel.",
        ),
        (
            "use restore=1, or the embedded weights.",
            "use --restore 1, or the embedded weights.",
            "set Restoration to 100 %, or the embedded weights.",
        ),
    ],
)
def test_controls_by_place(text, command, panel):
    assert in_options(text) == command
    assert in_panel_words(text) == panel
