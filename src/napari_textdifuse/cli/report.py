"""Text for people on stderr, output for programs on stdout, and the log."""

from __future__ import annotations

import logging
import os
import re
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from ..fusion import Progress

#: The logger above all modules of this package.
OURS = __name__.split(".")[0]
#: Arguments of the library in messages, and the options of the command line that stand for them.
_OPTIONS: tuple[tuple[str, str | Callable[[re.Match[str]], str]], ...] = (
    (r"with modality=\{'a': '(\w+)', 'b': '(\w+)'\}", r"with --modality-a \1 --modality-b \2"),
    (r"\bmodality= and unit=", "--modality-a, --modality-b, --unit-a and --unit-b"),
    (r"\bpass mask= or boxes=", "pass a mask with --mask"),
    (r"\b(?:mask|boxes|drawing)=", "--mask"),
    (r"\bpass accept_licence=True", "add --accept-licence"),
    (r"\bweights= of the locator", "--locator-weights"),
    (r"\bcommand=", "--locator-command"),
    (r" or from_pretrained\(\.\.\., download=True\)", ""),
    (r"allow it more time with timeout=", "try a smaller image, or fewer terms at once"),
    (
        r"(?<![\w,])(atlas|chroma|colour|device|private|restore|time|tint|weights)="
        r"(?:'(\w+)' or '(\w+)'|'?(\w*)'?)",
        lambda found: " ".join(
            ["--" + found[1], *([f"{found[2]} or {found[3]}"] if found[2] else [found[4]])]
        ).rstrip(),
    ),
)


def in_options(message: str) -> str:
    """Replace arguments of the library in a message by options of the command line.

    Examples
    --------
    >>> in_options("This machine has no device 'cuda'; use device='auto' or 'cpu'.")
    "This machine has no device 'cuda'; use --device auto or cpu."
    """
    for pattern, words in _OPTIONS:
        message = re.sub(pattern, words, message)
    return message


def say(message: str) -> None:
    """Print one line on stderr, with the options of the command line."""
    print(f"textdifuse: {in_options(message)}", file=sys.stderr, flush=True)


def without_folders(message: str, arguments: Sequence[str]) -> str:
    """Return a message with the paths among a command's arguments as bare names.

    The names of folders may be those of patients, and errors are kept in logs and sent to others.

    Parameters
    ----------
    message : str
    arguments : sequence of str
        Also such as ``MR=scans/t1``. Names on the Hugging Face hub, ``owner/name``, are kept.
    """
    for argument in arguments:
        path = Path(argument.rpartition("=")[2])
        # Path.exists raises on names that are too long, such as in a prompt with a slash
        present = path.is_absolute() or os.path.exists(path.parent)  # noqa: PTH110
        if len(path.parts) < 2 or not present:
            continue
        for whole in (path, path.absolute(), path.resolve()):
            message = message.replace(str(whole), path.name)
            if len(whole.parent.parts) > 1:
                message = message.replace(f"{whole.parent}{os.sep}", "")
    return message


def print_json(content: dict[str, Any]) -> None:
    """Print one JSON object to stdout; NaN and infinity become null."""
    from ..io._files import to_json  # loads NumPy, which help and wrong arguments do not need

    print(to_json(content, indent=2))


class ProgressLine:
    """A pipeline callback: one self-updating line on a terminal, otherwise occasional lines.

    Use it as a context manager, so that the line on the terminal is cleared at the end.

    Parameters
    ----------
    title : str
        Shown before the numbers.
    interval : float
        Seconds between lines if stderr is not a terminal.
    """

    def __init__(self, title: str, interval: float = 10.0) -> None:
        self.title = title
        self.stream: TextIO = sys.stderr
        self.live = self.stream.isatty()
        self.interval = 0.1 if self.live else interval
        self.last = time.monotonic()
        self.width = 0

    def __call__(self, progress: Progress) -> None:
        """Show the progress, unless something was shown a moment ago."""
        text = f"step {progress.step} of {progress.total}"
        if progress.slices > 1:
            text += f", slice {progress.slice_index + 1} of {progress.slices}"
        self.show(text)

    def show(self, text: str) -> None:
        """Show a line, unless one was shown a moment ago."""
        now = time.monotonic()
        if now - self.last < self.interval:
            return
        self.last = now
        text = f"{self.title}: {text}"
        if self.live:
            self.stream.write("\r" + text.ljust(self.width))
            self.width = len(text)
            self.stream.flush()
        else:
            say(text)

    def __enter__(self) -> ProgressLine:
        return self

    def __exit__(self, *_: object) -> None:
        if self.width:
            self.stream.write("\r" + " " * self.width + "\r")
            self.stream.flush()


@contextmanager
def quiet(debug: bool) -> Iterator[None]:
    """Keep the warnings and log lines of all libraries off the user's terminal."""
    if debug:
        yield
        return
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


@contextmanager
def shown(verbosity: int) -> Iterator[None]:
    """Show this package's log on stderr; other libraries stay quiet.

    Parameters
    ----------
    verbosity : int
        0: nothing; 1: the steps; 2 and more: also details.
    """
    if not verbosity:
        yield
        return
    logger, root = logging.getLogger(OURS), logging.getLogger()
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(name)s: %(message)s", "%H:%M:%S"))
    silent = logging.NullHandler()  # otherwise Python shows the warnings of other libraries
    before = logger.level, logger.propagate, root.manager.disable
    logger.setLevel(logging.DEBUG if verbosity > 1 else logging.INFO)
    logger.propagate = False
    logger.addHandler(handler)
    root.addHandler(silent)
    logging.disable(logging.NOTSET)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        root.removeHandler(silent)
        logger.level, logger.propagate = before[:2]
        logging.disable(before[2])
