"""The command ``textdifuse``: arguments, exit status and one-line errors.

Nothing here imports torch; each command has a module in this package, loaded when it runs.
Exit status: 0 done; 2 the input or an option is wrong; 130 cancelled with Ctrl-C or SIGTERM; 1
anything else.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

from .._version import __version__
from ..errors import Cancelled, InputError, TextDiFuseError
from ..optional import import_optional
from ..results import DE_IDENTIFIED, LINKED
from .extent_options import add_extent
from .interrupt import terminable
from .locator_options import add_locator
from .numbers import balance, file_path, restore, strength, whole
from .report import quiet, say, shown, without_folders
from .train_options import add_train

DONE, UNEXPECTED, WRONG, CANCELLED = 0, 1, 2, 130
#: As `diffusion.SAMPLERS`, without importing torch.
SAMPLERS = ("ddim", "dpm++", "ancestral", "mean")
SHELLS = ("bash", "zsh", "tcsh")
#: Placeholders of paths in usage lines.
_FILES = ("FILE", "A", "B", "FIXED", "MOVING", "NAME|DIR|FILE")
_FOLDERS = ("DIR", "DIR_A", "DIR_B", "NAME|DIR")


class UsageError(InputError):
    """The arguments do not make a command."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    argv : sequence of str, optional
        Arguments without the program's name; default: those of the process.

    Returns
    -------
    int
        Exit status.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    debug = "--debug" in arguments
    asked = debug or any(re.fullmatch("-v+|--verbose", argument) for argument in arguments)

    def fail(message: str, status: int) -> int:
        return _fail(message if asked else without_folders(message, arguments), status, debug)

    try:
        with quiet(debug), terminable():
            options = build_parser().parse_args(arguments)
            if getattr(options, "out", None) is not None:
                from ..io.staging import sweep

                sweep(Path(options.out))
            command = import_module(f".{options.command}", __package__)
            with shown(2 if debug else options.verbose):
                status: int = command.run(options)
            return status
    except SystemExit as stop:  # --help and --version
        return int(stop.code or DONE)
    except KeyboardInterrupt:
        # where code from a string was interrupted, as in an import, "python -m" would end with
        # SIGINT instead of our status; running some clears that
        exec("")
        return fail("cancelled", CANCELLED)
    except Cancelled as stop:
        return fail(str(stop) or "cancelled", CANCELLED)
    except TextDiFuseError as error:
        return fail(f"error: {error}", WRONG)
    except Exception as error:
        hint = "" if debug else "; run with --debug for the traceback"
        return fail(f"error: unexpected {type(error).__name__}: {error}{hint}", UNEXPECTED)


def _fail(message: str, status: int, debug: bool) -> int:
    if debug:
        import traceback

        traceback.print_exc()
    say(" ".join(message.split()))
    return status


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message} (see '{self.prog} --help')")


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    debug = _Parser(add_help=False)
    text = "show the log of the steps, with times; -vv: more"
    debug.add_argument("-v", "--verbose", action="count", default=0, help=text)
    text = "show tracebacks, the whole log and the warnings of other libraries"
    debug.add_argument("--debug", action="store_true", help=text)
    json = _Parser(add_help=False)
    json.add_argument("--json", action="store_true", help="print one JSON object to stdout")
    fusion = _fusion_options()
    parser = _Parser(
        prog="textdifuse",
        description="Fuse two images of the same anatomy or scene; objects named in a prompt "
        "stand out. "
        "For research; not for diagnosis.",
    )
    parser.add_argument("--version", action="version", version=f"textdifuse {__version__}")
    text = "print a completion script for a shell (needs the extra 'completion')"
    parser.add_argument("--print-completion", choices=SHELLS, action=PrintCompletion, help=text)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def add(name: str, text: str, *parents: _Parser) -> _Parser:
        return commands.add_parser(
            name, help=text, description=f"{text[0].upper()}{text[1:]}.", parents=[*parents, debug]
        )

    images = "PNG, JPEG, TIFF, NIfTI, DICOM file or DICOM series folder"
    fuse = add("fuse", "fuse two images", fusion, json)
    fuse.add_argument("a", metavar="A", type=_existing, help=images)
    fuse.add_argument(
        "b", metavar="B", type=_existing, help="second image, resampled onto the grid of A"
    )
    for role in "ab":
        text = (
            f"series of folder {role.upper()}, by number or UID; default: that with the most images"
        )
        fuse.add_argument(f"--series-{role}", metavar="N|UID", help=text)

    text = "fuse two folders, paired by file name, or a BIDS data set; resumes"
    batch = add("batch", text, _fusion_options(out_required=False), json)
    batch.add_argument("a", metavar="DIR_A", type=_folder, help="or the root of a BIDS data set")
    batch.add_argument("b", metavar="DIR_B", type=_folder, nargs="?")
    text = "pair the images of one data set by subject and session; writes BIDS derivatives"
    batch.add_argument("--bids", action="store_true", help=text)
    for role, example in (("a", "T1w, ce-gadolinium_T1w"), ("b", "pet, trc-FDG_pet")):
        text = f"with --bids: suffix of image {role.upper()}, such as {example}"
        batch.add_argument(f"--{role}", dest=f"bids_{role}", metavar="SUFFIX", help=text)
    batch.add_argument("--scheduler", metavar="ADDRESS", help="address of a dask cluster")

    sample = add("sample", "fuse a bundled sample pair", fusion, json)
    sample.add_argument("name", metavar="NAME", help="pet-mri, ct-mri, spect-mri, street ...")

    register = add("register", "align one image with another, by mutual information", json)
    register.add_argument("fixed", metavar="FIXED", type=_existing, help=images)
    register.add_argument(
        "moving", metavar="MOVING", type=_existing, help="image to align with FIXED"
    )
    register.add_argument(
        "--out", metavar="DIR", type=_output_folder, required=True, help="created if missing"
    )
    text = "transform to search for; default rigid"
    register.add_argument("--kind", choices=("rigid", "affine"), default="rigid", help=text)
    add_meaning(register, "FIXED", "MOVING")

    evaluate = add("evaluate", "measure fused images against their sources", json)
    for role in ("a", "b", "fused"):
        evaluate.add_argument(f"--{role}", metavar="DIR", type=_folder, required=True)
    evaluate.add_argument(
        "--csv", metavar="FILE", type=file_path, help="also write the table to a file"
    )
    text = "'all', or names such as SSIM MS-SSIM CC Nabf FMI_pixel FMI_gradient Qcb Qcv; default: "
    text += "the ten standard ones"
    evaluate.add_argument("--metrics", nargs="+", metavar="NAME", help=text)
    add_meaning(evaluate, "each image of --a", "each image of --b")

    train = add("train", "train the network on your own images, stage by stage; resumes")
    add_train(train, debug)

    text = "list or verify weights, download some or a locator's, or publish your own"
    weights = add("weights", text, json)
    weights.add_argument("action", choices=("list", "verify", "download", "push"))
    text = "only these; what to download: a locator's model, or owner/name[@revision] on the "
    text += "Hugging Face hub; push: the weights folder"
    weights.add_argument("name", nargs="?", metavar="NAME|DIR", help=text)
    weights.add_argument("repo", nargs="?", metavar="OWNER/NAME", help="push: destination")
    weights.add_argument("--yes", action="store_true", help="consent to the download or upload")
    weights.add_argument("--private", action="store_true", help="push: a private repository")
    text = "push: licence of your weights, as the hub names it, such as cc-by-4.0"
    weights.add_argument("--licence", metavar="ID", help=text)
    text = "show what is known about images; without FILE: versions, devices, weights "
    info = add("info", text + "and the terms for prompts", json)
    info.add_argument(
        "files", nargs="*", metavar="FILE", type=file_path, help=images + ", or folder"
    )
    info.add_argument("--modality", metavar="M", help="state the modality of the images")
    info.add_argument("--unit", metavar="U", help="state the unit of the values")
    return parser


def _fusion_options(out_required: bool = True) -> _Parser:
    options = _Parser(add_help=False)
    add = options.add_argument
    text = "output folder; created if missing"
    if not out_required:
        text += "; default with --bids: derivatives/textdifuse"
    add("--out", metavar="DIR", type=_output_folder, required=out_required, help=text)
    text = "objects to emphasise, such as 'tumour', and restoration, such as 'keep the light'"
    add("--prompt", metavar="TEXT", help=text)
    text = "integer labels instead of a prompt; for batch also a folder of such files"
    add("--mask", metavar="FILE", type=_existing, help=text)
    effort = options.add_mutually_exclusive_group()
    text = "1, 4 (standard, the default) or 25 network evaluations per slice; "
    text += "10, 25 or 100 with the authors' weights"
    effort.add_argument("--quality", choices=("fast", "standard", "best"), help=text)
    text = "network evaluations per slice, instead of --quality"
    effort.add_argument("--steps", type=whole(1, 1000), metavar="N", help=text)
    add("--seed", type=whole(0, 2**62), default=0, metavar="N", help="of the noise; default 0")
    add("--device", type=_device, default="auto", help="auto (default), cpu, cuda or mps")
    text = "embedded name, weights folder, or owner/name[@revision] downloaded from the hub; "
    text += "default: the embedded weights"
    add("--weights", metavar="NAME|DIR", help=text)
    text = "strength of the emphasis, 0 to 2; default 1"
    add("--strength", type=strength, default=1.0, metavar="X", help=text)
    text = "-1 to 1: more of image A (negative) or of image B (positive); default 0"
    add("--balance", type=balance, default=0.0, metavar="X", help=text)
    text = "strength of the restoration, 0 to 1, or noise=X,light=X,colour=X; "
    text += "default: as in the prompt, else 1"
    add("--restore", type=restore, metavar="X", help=text)
    add(
        "--samples",
        type=whole(1, 100),
        default=1,
        metavar="N",
        help="number of seeds; the result is their mean; default 1",
    )
    add("--sampler", choices=SAMPLERS, help="of the diffusion; default: that of the weights")
    text = "correct the colours of natural images with a cast (auto), always, or never"
    add("--chroma", choices=("auto", "restore", "keep"), default="auto", help=text)
    text = "colour map of PET, SPECT or a tinted image: functional (default), hot, ... or one of "
    add("--colormap", metavar="NAME", help=text + "matplotlib or napari, where installed")
    add_meaning(options)
    add("--tint", choices=("a", "b"), help="show this grey image in colour")
    add(
        "--colour",
        choices=("a", "b"),
        help="image with the colours of the result if both have some",
    )
    text = "write DICOM: linked to the patient and study of A, which must be DICOM, or "
    add("--dicom", choices=(LINKED, DE_IDENTIFIED), help=text + "de-identified")
    add_extent(options)
    add_locator(options, _folder, whole)
    return options


def add_meaning(parser: argparse.ArgumentParser, *names: str) -> None:
    """Add the options that state what both images are.

    Parameters
    ----------
    parser : argparse.ArgumentParser
    *names : str
        Names of the images in the help; default "image A" and "image B".
    """
    for role, name in zip("ab", names or ("image A", "image B"), strict=True):
        text = f"modality of {name}: CT, MR, T1, FLAIR, PT, NM, VIS, IR ..."
        parser.add_argument(f"--modality-{role}", metavar="M", help=text)
        text = f"unit of {name}: HU, SUVbw, Bq/mL ..."
        parser.add_argument(f"--unit-{role}", metavar="U", help=text)


def _existing(text: str) -> Path:
    path = file_path(text)
    if not path.exists():
        raise argparse.ArgumentTypeError(f"there is no file or folder {text!r}")
    return path


def _folder(text: str) -> Path:
    path = file_path(text)
    if not path.is_dir():
        raise argparse.ArgumentTypeError(f"{text!r} is not a folder")
    return path


def _output_folder(text: str) -> Path:
    path = file_path(text)
    present = next(p for p in (path, *path.absolute().parents) if p.exists())
    if not present.is_dir():
        raise argparse.ArgumentTypeError(f"{str(present)!r} is a file; choose a folder")
    return path


def _device(text: str) -> str:
    if not re.fullmatch(r"auto|cpu|mps|cuda(:\d+)?", text):
        raise argparse.ArgumentTypeError(f"must be auto, cpu, cuda or mps, not {text!r}")
    return text


class PrintCompletion(argparse.Action):
    """Print the completion script for a shell and exit."""

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
        shtab = import_optional(
            "shtab", "shell completion needs shtab", "'napari-textdifuse[completion]'."
        )
        for action in _actions(parser):  # `complete` is shtab's own attribute
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
