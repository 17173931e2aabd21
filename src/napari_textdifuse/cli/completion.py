"""``textdifuse --print-completion SHELL``: what a shell completes, by shtab."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from importlib import import_module
from typing import Any

from ..errors import MissingDependencyError

SHELLS = ("bash", "zsh", "tcsh")
#: Placeholders of paths in usage lines.
_FILES = ("FILE", "A", "B", "FIXED", "MOVING", "NAME|DIR|FILE")
_FOLDERS = ("DIR", "DIR_A", "DIR_B", "NAME|DIR")


class PrintCompletion(argparse.Action):
    """Print the completion script for a shell and leave."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str | Sequence[Any] | None,
        option_string: str | None = None,
    ) -> None:
        """Print the script.

        Raises
        ------
        MissingDependencyError
            If shtab is not installed.
        """
        try:
            shtab = import_module("shtab")
        except ImportError:
            raise MissingDependencyError(
                "shell completion needs shtab; install it with "
                "pip install 'napari-textdifuse[completion]'."
            ) from None
        for action in _actions(parser):
            if action.metavar in _FILES:
                action.complete = shtab.FILE  # type: ignore[attr-defined]
            elif action.metavar in _FOLDERS:
                action.complete = shtab.DIRECTORY  # type: ignore[attr-defined]
        print(shtab.complete(parser, shell=values))
        parser.exit()


def _actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    for action in parser._actions:
        yield action
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                yield from _actions(command)
