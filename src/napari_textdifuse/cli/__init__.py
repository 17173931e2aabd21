"""The command ``textdifuse``.

In: arguments, files and folders. Out: files under ``--out``, one line or one JSON object, an exit
status. `main` parses and reports errors; each command has a module, loaded when it runs.
"""

from .app import build_parser, main

__all__ = ["build_parser", "main"]
