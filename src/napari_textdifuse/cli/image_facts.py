"""``textdifuse info FILE...``: what is known about each image, and its source."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import ReadError, TextDiFuseError
from ..evaluation.folders import images_by_stem
from ..inputs import as_volume
from ..intensity import default_window
from ..io import list_series, read
from ..meaning import facts_record, state
from ..volume import Fact, Volume
from .report import in_options, print_json, say

DONE, WRONG = 0, 2
#: Degrees between an array axis and the nearest patient axis that count as tilted.
TILTED = 0.5


def run(options: argparse.Namespace) -> int:
    """Show the images; an unreadable one does not affect the others."""
    images: list[dict[str, Any]] = []
    failed: list[dict[str, str]] = []
    for path in options.files:
        for label, found in _read_all(path, options):
            if isinstance(found, Exception):
                line = " ".join(str(found).split())
                failed.append({"path": label, "error": line})
                say(f"error: {line}")
                continue
            images.append({"path": label, **describe(found)})
            if not options.json:
                print(_text(images[-1]))
    if options.json:
        print_json({"images": images, "failed": failed})
    return WRONG if failed else DONE


def describe(volume: Volume) -> dict[str, Any]:
    """Return what is known about an image, as plain values.

    Parameters
    ----------
    volume : Volume

    Returns
    -------
    dict
        ``facts`` (each with ``value`` and ``source``, one of `volume.SOURCES`); ``shape`` in the
        order of the array, ``dtype`` and the ``range`` of finite values in the unit;
        ``spacing_mm`` in the order of the array; ``affine`` (index x, y, z to RAS mm),
        ``orientation`` (direction of x, y and z, such as ``"LPS"``) and ``tilt_degrees`` of
        the array against the patient's axes; ``time_points``; ``window`` and ``window_from`` that
        a fusion would use; ``notes``, a sentence per assumption.
    """
    orientation, tilt = _orientation(volume)
    window = default_window(volume)
    values = volume.sampled().array
    finite = values[np.isfinite(values)] if values.dtype.kind == "f" else values
    return {
        "facts": facts_record(volume),
        "shape": list(volume.array.shape),
        "dtype": str(volume.array.dtype),
        "range": [float(finite.min()), float(finite.max())] if finite.size else None,
        "spacing_mm": list(volume.spacing) if volume.spacing else None,
        "affine": None if volume.affine is None else volume.affine.tolist(),
        "orientation": orientation,
        "tilt_degrees": tilt,
        "time_points": volume.metadata.get("time_points", 1),
        "window": [window.low, window.high],
        "window_from": window.origin,
        "notes": list(volume.metadata.get("notes", ())),
    }


def _read_all(path: Path, options: argparse.Namespace) -> Iterator[tuple[str, Volume | Exception]]:
    """Yield the images of a file, a folder of files or a folder of DICOM series."""
    try:
        targets = _targets(path)
    except TextDiFuseError as error:
        yield str(path), error
        return
    for label, target, series in targets:
        try:
            volume = as_volume(read(target, series=series, time=0), target.name)
            yield label, state(volume, modality=options.modality, unit=options.unit)
        except TextDiFuseError as error:
            yield label, error


def _targets(path: Path) -> list[tuple[str, Path, str | None]]:
    if not path.is_dir():
        return [(str(path), path, None)]
    try:
        found = list_series(path)
    except ReadError:
        images = [image for image in images_by_stem(path).values() if image.is_file()]
        if not images:
            raise
        return [(str(image), image, None) for image in images]
    if len(found) == 1:
        return [(str(path), path, found[0].uid)]
    return [(f"{path}, {info.title}", path, info.uid) for info in found]


def _orientation(volume: Volume) -> tuple[str | None, float | None]:
    """Return the directions of the axes x, y, z, and the largest angle to the patient's axes."""
    if volume.affine is None:
        return None, None
    import nibabel as nib

    codes = "".join(code or "?" for code in nib.aff2axcodes(volume.affine))
    axes = volume.affine[:3, :3] / np.linalg.norm(volume.affine[:3, :3], axis=0)
    angles = np.degrees(np.arccos(np.clip(np.abs(axes).max(axis=0), 0, 1)))
    return codes, round(float(angles.max()), 2)


def _text(image: dict[str, Any]) -> str:
    lines = [image["path"]]

    def add(name: str, text: str) -> None:
        lines.append(f"  {name:<12}{text}")

    for name, fact in image["facts"].items():
        if name == "contrast" and image["facts"]["modality"]["value"] != "MR":
            continue
        if name == "time" and fact["value"] is None:
            add(name, "a single image")
        else:
            add(name, str(Fact(**fact)))
        if name == "space" and image["orientation"]:
            tilt = image["tilt_degrees"]
            tilted = f", tilted by up to {tilt:.1f} degrees" if tilt > TILTED else ""
            add("", f"x, y, z point to {', '.join(image['orientation'])}{tilted}")
    size = " x ".join(map(str, image["shape"]))
    unit = image["facts"]["unit"]["value"]
    unit = f" {unit}" if unit else ""
    low_high = image["range"]
    values = f", {low_high[0]:g} to {low_high[1]:g}{unit}" if low_high else ", no finite value"
    add("values", f"{size} {image['dtype']}{values}")
    low, high = image["window"]
    add("window", f"{low:g} to {high:g}{unit} ({image['window_from']})")
    lines += [f"  note: {in_options(note)}" for note in image["notes"]]
    return "\n".join(lines)
