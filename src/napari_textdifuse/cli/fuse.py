"""``textdifuse fuse A B --out DIR``."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from ..errors import Cancelled, InputError
from ..fusion import FusionPipeline, FusionResult, Progress
from ..fusion.options import FusionOptions
from ..fusion.pair import Pair
from ..inputs import as_volume
from ..io import list_series, read
from ..locate import Locator
from ..results import LINKED
from ..results.dicom_folder import check_dicom, save_dicom
from ..results.folder import (
    PARTIAL,
    PREVIEW,
    RECORD,
    file_names,
    format_for,
    load_record,
    refuse_overwriting,
    save_result,
)
from ..volume import Volume
from .interrupt import interruptible
from .locator_options import make_locator
from .report import ProgressLine, print_json, say


def run(options: argparse.Namespace) -> int:
    """Fuse two images."""
    series = _series(options.a, options.series_a)
    a = _read(options.a, series, options.time, "image A")
    ending = format_for(options.a, a)
    inputs = [options.a, options.b] + ([options.mask] if options.mask else [])
    names = [*file_names(ending).values(), *file_names(PARTIAL + ending).values(), RECORD, PREVIEW]
    refuse_overwriting([options.out / name for name in names], inputs)
    b = _read(options.b, _series(options.b, options.series_b), options.time, "image B")
    fuse_into(options, a, b, ending, options.a, series)
    return 0


def fuse_into(
    options: argparse.Namespace,
    a: Volume,
    b: Volume,
    ending: str,
    path_a: Path,
    series: str | None = None,
) -> None:
    """Fuse two volumes as the options say, write everything and report it.

    Parameters
    ----------
    options : argparse.Namespace
        With the fusion options and ``json``.
    a, b : Volume
    ending : str
        Of the result files; see `format_for`.
    path_a : Path
        What image A was read from.
    series : str, optional
        SeriesInstanceUID of image A, if it was chosen.

    Raises
    ------
    WriteError
        If DICOM is asked for and cannot be written; before anything is fused.
    Cancelled
        After Ctrl-C; slices that were finished are written under names of their own.
    """
    source = check_target(options, options.out, path_a, a, series)
    locator = make_locator(options)
    pipeline = FusionPipeline.from_pretrained(options.weights, options.device)
    try:
        with interruptible() as stopped:
            result, pair = fuse_pair(
                pipeline, a, b, options.mask, locator, options, "fusing", stopped
            )
    except Cancelled as stop:
        if stop.partial is None:
            raise
        save_result(stop.partial, options.out, ending)
        raise Cancelled(f"{stop} They are in {options.out} as *{PARTIAL}{ending}.") from None
    if options.dicom is None:
        files = save_result(result, options.out, ending, pair)
    else:
        files = save_dicom(result, options.out, pair, source=source, image=a, series=series)
    if options.json:
        names = {role: path.name for role, path in files.items()}
        written = load_record(files["record"])
        print_json({"out": str(options.out), "files": names, "record": written})
        return
    for note in result.record["warnings"]:
        say(f"note: {note}")
    for path in files.values():
        print(path)
    say(f"done in {result.record['seconds']:.1f} s; not for diagnosis")


def fuse_pair(
    pipeline: FusionPipeline,
    a: Volume,
    b: Volume,
    mask: Any,
    locator: Locator,
    options: argparse.Namespace,
    title: str,
    stopped: Callable[[], bool] = lambda: False,
) -> tuple[FusionResult, Pair]:
    """Run the pipeline with the command's options and a line of progress.

    File names may carry a patient's identity, so the volumes lose theirs before anything is
    noted in the record.
    """
    with ProgressLine(title) as line:

        def callback(progress: Progress) -> bool:
            line(progress)
            return not stopped()

        asked = FusionOptions(**fusion_options(options) | {"mask": mask, "locator": locator})
        a, b = replace(a, name="image A"), replace(b, name="image B")
        session = pipeline.open(a, b, asked, 0, callback)
        result = session.run(asked, callback)
    return result, session.pair


def check_target(
    options: argparse.Namespace,
    out: Path,
    path_a: Path,
    a: Volume,
    series: str | None = None,
    *,
    replace: bool = False,
) -> Path | None:
    """Refuse DICOM that cannot be written, before anything is fused.

    Parameters
    ----------
    options : argparse.Namespace
        Without ``dicom``, nothing is checked.
    out : Path
        Folder of the result.
    path_a : Path
        What image A was read from.
    a : Volume
    series : str, optional
        SeriesInstanceUID of image A, if it was chosen.
    replace : bool
        Whether an earlier result in `out` will be replaced.

    Returns
    -------
    Path or None
        What the result is linked to.

    Raises
    ------
    WriteError
    """
    if options.dicom is None:
        return None
    source = path_a if options.dicom == LINKED else None
    mask = options.prompt is not None or options.mask is not None
    check_dicom(out, a, source, series, mask=mask, replace=replace)
    return source


def _series(path: Path, series: str | None) -> str | None:
    """Return the UID of the series that was chosen by its number or UID; None for none."""
    if series is not None and path.is_dir() and len(series) < 9 and series.isdigit():
        found = list_series(path)
        uids = [info.uid for info in found if info.number == int(series)]
        if len(uids) != 1:
            known = ", ".join(f"{info.title} ({info.images} images)" for info in found)
            raise InputError(
                f"{path.name} has {len(uids) or 'no'} series numbered {series}; it has {known}."
            )
        series = uids[0]
    return series


def _read(path: Path, series: str | None, time: int | None, role: str) -> Volume:
    return as_volume(read(path, series=series, time=time), role)


def fusion_options(options: argparse.Namespace) -> dict[str, Any]:
    """Return the options of a fusion among those of a command.

    Parameters
    ----------
    options : argparse.Namespace
        An option for each image has two attributes, such as ``unit_a`` and ``unit_b``.

    Returns
    -------
    dict of str to object
        Arguments of `FusionOptions`.
    """
    names = {field.name for field in fields(FusionOptions)}
    asked = {name: value for name, value in vars(options).items() if name in names}
    for name, attribute in (("modality", "modality"), ("unit", "unit"), ("windows", "window")):
        asked[name] = {role: getattr(options, f"{attribute}_{role}") for role in "ab"}
    return asked
