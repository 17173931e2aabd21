"""`CommandLocator`: any program that reads NIfTI files and writes NIfTI masks finds the objects."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import (
    Cancelled,
    InputError,
    MissingDependencyError,
    PromptError,
    TextDiFuseError,
)
from ..volume import Volume
from .command_masks import masks_of
from .protocol import Detections, Location, LocatorInfo
from .views import image_names

#: The default command.
VARIABLE = "TEXTDIFUSE_LOCATOR_COMMAND"
PLACEHOLDERS = ("image_a", "image_b", "prompt", "prompts", "output", "output_dir")
#: Seconds between two checks of the program and of the Cancel button.
POLL = 0.05
#: Seconds between asking a program to end and killing it.
GRACE = 2.0

_FIELD = re.compile(r"\{(\w*)\}")


@dataclass(frozen=True)
class Program:
    """A program that is known by name.

    Parameters
    ----------
    name : str
        What `CommandLocator` takes instead of a command.
    command : str
        Its template.
    licence : str
        The licence terms, in a sentence.
    network : str
        What it sends or downloads without asking, in a sentence.
    home : str
    """

    name: str
    command: str
    licence: str
    network: str
    home: str


PROGRAMS = {
    program.name: program
    for program in (
        Program(
            "voxtell",
            "voxtell-predict -i {image_a} -o {output_dir} -p {prompts}",
            "VoxTell's weights are under CC BY-NC-SA 4.0 (non-commercial), its code is under "
            "Apache 2.0.",
            "At its first use it downloads its weights (unless VOXTELL_MODEL names a folder with "
            "them), a table of common prompts, and, for a prompt that is not in the table, the "
            "text "
            "model Qwen3-Embedding-4B (8 GB).",
            "https://github.com/MIC-DKFZ/VoxTell",
        ),
        Program(
            "totalsegmentator",
            "TotalSegmentator -i {image_a} -o {output_dir} --roi_subset {prompts}",
            "TotalSegmentator's tasks 'total' and 'total_mr' are under Apache 2.0; others need "
            "a licence from its authors.",
            "It downloads its weights at its first use, and sends anonymous usage statistics "
            "unless "
            "send_usage_stats is false in ~/.totalsegmentator/config.json.",
            "https://github.com/wasserth/TotalSegmentator",
        ),
    )
}


class CommandLocator:
    """Passes the images to a program as NIfTI files and reads its masks.

    The files contain only voxels and geometry: no names, dates or other identity. They are in a
    temporary folder that is always removed.

    Parameters
    ----------
    command : str or sequence of str, optional
        Program and arguments, with ``{image_a}`` ``{image_b}`` (paths of .nii.gz files),
        ``{prompt}`` (the whole text as one argument), ``{prompts}`` (each comma-separated part as
        an argument), and ``{output}`` (a .nii.gz file that the program writes: 0 is background, k
        the k-th prompt) or ``{output_dir}`` (a folder in which it writes one mask per object; the
        files' names become the objects'). No shell is involved. Or the name of a known program:
        "voxtell", "totalsegmentator". By default the environment variable
        ``TEXTDIFUSE_LOCATOR_COMMAND``.
    timeout : float
        Seconds after which the program is stopped.
    accept_licence : bool
        Needed for the known programs; without it their licence is shown and nothing is run.
    callback : callable, optional
        Called regularly with 0 and 1; returning False stops the program.

    Raises
    ------
    InputError
        If the command cannot be used as a template, or the licence was not accepted.
    """

    name = "command"

    def __init__(
        self,
        command: str | Sequence[str] | None = None,
        *,
        timeout: float = 1800.0,
        accept_licence: bool = False,
        callback: Callable[[int, int], bool | None] | None = None,
    ) -> None:
        if not timeout > 0:
            raise InputError(f"timeout must be a number of seconds above 0, not {timeout!r}.")
        given = command if command is not None else os.environ.get(VARIABLE, "")
        self.program = PROGRAMS.get(given.lower()) if isinstance(given, str) else None
        if self.program is not None:
            if not accept_licence:
                raise InputError(
                    f"{self.program.licence} {self.program.network} See {self.program.home}; to "
                    "agree, pass accept_licence=True."
                )
            given = self.program.command
        self.command = _template(given)
        self.timeout, self.callback = float(timeout), callback

    @classmethod
    def describe(cls) -> LocatorInfo:
        """Describe this locator; runs nothing."""
        missing: tuple[str, ...] = ()
        if not os.environ.get(VARIABLE):
            missing = (f"Give a command with command=, or set {VARIABLE}.",)
        return LocatorInfo(
            name=cls.name,
            summary="any program that reads and writes NIfTI files (VoxTell, TotalSegmentator ...)",
            good_at="whatever the program is good at",
            licence="the program's own",
            missing=missing,
        )

    def load(self) -> None:
        """Make sure that the program is installed.

        Raises
        ------
        InputError
            If there is no command.
        MissingDependencyError
            If the program is not on this machine.
        """
        if not self.command:
            raise InputError(
                f"The locator 'command' has no command; give one with command=, or set {VARIABLE}."
            )
        if shutil.which(self.command[0]) is None:
            hint = f"; see {self.program.home}" if self.program is not None else ""
            raise MissingDependencyError(
                f"The program {self.command[0]!r} is not on this machine or not on the PATH; "
                f"install it in an environment of its own and name its full path{hint}."
            )

    def settings(self) -> dict[str, Any]:
        """Return the settings that affect a mask, as plain values."""
        return {"command": [*self.command], "timeout": self.timeout}

    def locate(self, images: Sequence[Volume], prompt: str) -> Location:
        """Let the program find what `prompt` names.

        Parameters
        ----------
        images : sequence of Volume
            One or two, on one grid.
        prompt : str
            Passed on unchanged.

        Raises
        ------
        PromptError
            If it is empty.
        InputError
            If the command needs an image that is missing, or there are more than 255 labels.
        MissingDependencyError
            If the program is not on this machine.
        TextDiFuseError
            If the program fails, takes too long, or writes no usable mask; with its last output.
        Cancelled
            If the callback returned False.
        """
        prompts = [part.strip() for part in re.split(r"[,;\n]", prompt) if part.strip()]
        if not prompts:
            raise PromptError("The prompt is empty; say what the program should find.")
        self.load()
        if len(images) < 2 and any("{image_b}" in part for part in self.command):
            raise InputError("The command has {image_b}, but there is only one image.")
        begun = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="textdifuse-", ignore_cleanup_errors=True) as name:
            folder = Path(name)
            paths = {"output": folder / "mask.nii.gz", "output_dir": folder / "masks"}
            paths["output_dir"].mkdir()
            for letter, image in zip("ab", images, strict=False):
                path = paths[f"image_{letter}"] = folder / f"image_{letter}.nii.gz"
                image.to_nibabel().to_filename(path)
            arguments = _filled(self.command, paths, prompt.strip(), prompts)
            self._run(arguments, folder)
            mask, names = masks_of(paths, images[0], prompts)
        seconds = time.monotonic() - begun
        note = f"Located by the program {Path(self.command[0]).name} in {seconds:.0f} s."
        seen = image_names(images)
        used = [n for n, letter in zip(seen, "ab", strict=False) if self._uses(f"image_{letter}")]
        return Location(mask, Detections.of_mask(mask, names, " and ".join(used)), names, (note,))

    def _uses(self, field: str) -> bool:
        return any(f"{{{field}}}" in part for part in self.command)

    def _run(self, arguments: list[str], folder: Path) -> None:
        program = Path(arguments[0]).name
        log = folder / "log.txt"
        with log.open("wb") as stream:
            try:
                process = subprocess.Popen(
                    arguments,
                    cwd=folder,
                    stdin=subprocess.DEVNULL,
                    stdout=stream,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            except OSError as error:
                raise MissingDependencyError(
                    f"{program} cannot be started ({error.strerror or error})."
                ) from None
            ends = time.monotonic() + self.timeout
            try:
                while process.poll() is None:
                    if self.callback is not None and self.callback(0, 1) is False:
                        raise Cancelled(f"{program} was stopped; nothing was located.")
                    if time.monotonic() > ends:
                        raise TextDiFuseError(
                            f"{program} was stopped after {self.timeout:g} s without a result; "
                            f"allow it more time with timeout=.{_last_words(log)}"
                        )
                    time.sleep(POLL)
            finally:
                _stop(process)
        if process.returncode:
            raise TextDiFuseError(
                f"{program} failed with status {process.returncode}.{_last_words(log)}"
            )


def _template(given: str | Sequence[str]) -> list[str]:
    try:
        # a Windows path keeps its backslashes
        parts = shlex.split(given, posix=os.name != "nt") if isinstance(given, str) else [*given]
    except ValueError as error:
        raise InputError(f"The command {given!r} cannot be read ({error}).") from None
    fields = {field for part in parts for field in _FIELD.findall(part)}
    if unknown := sorted(fields - {*PLACEHOLDERS}):
        known = ", ".join(f"{{{name}}}" for name in PLACEHOLDERS)
        raise InputError(f"The command has {{{unknown[0]}}}, which is not one of {known}.")
    if parts and not fields & {"output", "output_dir"}:
        raise InputError(
            "The command has neither {output} nor {output_dir}, so its mask would be lost."
        )
    if parts and not fields & {"image_a", "image_b"}:
        raise InputError("The command has neither {image_a} nor {image_b}, so it gets no image.")
    return parts


def _filled(
    command: Sequence[str], paths: dict[str, Path], prompt: str, prompts: list[str]
) -> list[str]:
    values = {name: str(path) for name, path in paths.items()} | {"prompt": prompt}
    arguments = []
    for part in command:
        if part == "{prompts}":
            arguments += prompts
        else:
            arguments.append(
                _FIELD.sub(lambda m: values.get(m[1], " ".join(prompts)), part)  # once, not again
            )
    return arguments


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End a program and what it started."""
    if process.poll() is not None:
        return
    for end in (signal.SIGTERM, getattr(signal, "SIGKILL", signal.SIGTERM)):
        try:
            if os.name == "posix":
                os.killpg(process.pid, end)
            else:
                process.terminate()
            process.wait(GRACE)
        except ProcessLookupError:
            return
        except subprocess.TimeoutExpired:
            continue
        return


def _last_words(log: Path) -> str:
    lines = log.read_text("utf-8", errors="replace").replace("\r", "\n").splitlines()
    words = " | ".join(line.strip() for line in lines if line.strip())[-400:]
    return f" Its last output: {words}" if words else ""
