"""Metrics of whole folders: `textdifuse evaluate`."""

from __future__ import annotations

import csv
import io
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..intensity import default_window
from ..io import read
from ..io._files import write_bytes
from ..meaning import by_role, state
from ..spatial import resample_to
from ..volume import Volume
from .luminance import check_same_grid
from .metrics import METRICS, evaluate, mean_of, metric_names

#: Extensions of images in a folder; a subfolder counts as a DICOM series.
SUFFIXES = (
    *(".nii.gz", ".nii", ".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp"),
    *(".dcm", ".dicom", ".ima"),
)


@dataclass(frozen=True)
class Report:
    """Metrics of the images of a folder.

    Parameters
    ----------
    images : dict of str to dict
        The metrics of each image, by name (the common stem), in alphabetical order.
    missing : dict of str to tuple of str
        Names that were not measured, with the folders ("a", "b", "fused") that lack them.
    """

    images: dict[str, dict[str, float]]
    missing: dict[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def metrics(self) -> tuple[str, ...]:
        """Names of the computed metrics."""
        return tuple(next(iter(self.images.values()), METRICS))

    @property
    def mean(self) -> dict[str, float]:
        """Mean of each metric over the images in which it is defined."""
        return mean_of(list(self.images.values()))

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, ready for JSON; an undefined metric is None.

        Returns
        -------
        dict
            ``{"metrics": [...], "images": [{"name": ..., "EN": ...}, ...], "mean": {...},
            "count": n, "missing": [names]}``.
        """
        return {
            "metrics": list(self.metrics),
            "images": [{"name": name, **_plain(row)} for name, row in self.images.items()],
            "mean": _plain(self.mean),
            "count": len(self.images),
            "missing": list(self.missing),
        }

    def to_csv(self, path: str | os.PathLike[str]) -> Path:
        """Write one line per image and a last line ``mean``; an undefined metric is left empty.

        Parameters
        ----------
        path : path
            The file gets this name only when it is complete.

        Returns
        -------
        Path
            The file written.

        Raises
        ------
        WriteError
            If the file cannot be written.
        """
        table = io.StringIO(newline="")
        rows = csv.writer(table)
        rows.writerow(["name", *self.metrics])
        for name, row in (*self.images.items(), ("mean", self.mean)):
            rows.writerow([name, *(_cell(row[metric]) for metric in self.metrics)])
        return write_bytes(Path(path), table.getvalue().encode())


def evaluate_folders(
    a_dir: str | os.PathLike[str],
    b_dir: str | os.PathLike[str],
    fused_dir: str | os.PathLike[str],
    *,
    modality: str | Mapping[str, str | None] | None = None,
    unit: str | Mapping[str, str | None] | None = None,
    metrics: str | Sequence[str] = METRICS,
) -> Report:
    """Measure every fused image against its sources, paired by equal stem, never by order.

    A source with geometry on another grid is resampled onto that of the fused image, as for the
    fusion.

    Parameters
    ----------
    a_dir, b_dir, fused_dir : path
        Folders of images, NIfTI files, DICOM files or DICOM series folders. ``1.nii.gz`` and
        ``1.png`` have the same stem.
    modality, unit : str or mapping of {"a", "b"} to str, optional
        Modality and unit of all images of a folder, stated as for `fuse`.
    metrics : sequence of str, or "all"
        As for `evaluate`.

    Returns
    -------
    Report
        With every name that lacks a partner listed in ``missing``.

    Raises
    ------
    InputError
        If a folder does not exist, a name occurs twice in one, no name occurs in all three, an
        image cannot be used, or a metric is unknown.
    """
    wanted = metric_names(metrics)
    folders = {"a": Path(a_dir), "b": Path(b_dir), "fused": Path(fused_dir)}
    found = {role: images_by_stem(folder) for role, folder in folders.items()}
    names = sorted(set().union(*found.values()))
    absent = {name: tuple(role for role in found if name not in found[role]) for name in names}
    complete = [name for name in names if not absent[name]]
    if not complete:
        raise InputError(
            "no image name occurs in all three folders "
            f"({', '.join(f'{len(found[role])} in {folders[role].name}' for role in found)}); "
            "name the fused images like their sources."
        )
    images = {
        name: evaluate(
            *_on_one_grid({r: found[r][name] for r in found}, modality, unit), metrics=wanted
        )
        for name in complete
    }
    return Report(images, {name: roles for name, roles in absent.items() if roles})


def _on_one_grid(
    paths: Mapping[str, Path],
    modality: str | Mapping[str, str | None] | None,
    unit: str | Mapping[str, str | None] | None,
) -> tuple[Volume, Volume, Volume]:
    """Read A, B and the fused image, and bring the sources onto the grid of the fused image."""
    kinds, units = by_role(modality, "modality"), by_role(unit, "unit")
    fused = read(paths["fused"])
    a, b = (
        _onto(state(read(paths[role]), modality=kinds[role], unit=units[role]), fused)
        for role in "ab"
    )
    return a, b, fused


def _onto(source: Volume, fused: Volume) -> Volume:
    if source.affine is None or fused.affine is None:
        return source
    try:
        check_same_grid(source, fused, ("", ""))
    except InputError:
        window = default_window(source)  # belongs to the values before resampling
        moved = resample_to(source, fused).volume
        return moved.with_array(moved.array, window=(window.low, window.high))
    return source


def images_by_stem(folder: Path) -> dict[str, Path]:
    """Image files and series folders in `folder` by stem; hidden entries are left out.

    Raises
    ------
    InputError
        If the folder does not exist or two images have the same stem.
    """
    if not folder.is_dir():
        raise InputError(f"{folder.name} is not a folder; choose a folder of images.")
    images: dict[str, Path] = {}
    for entry in sorted(folder.iterdir()):
        stem = _stem(entry)
        if entry.name.startswith(".") or stem is None:
            continue
        if stem in images:
            raise InputError(
                f"{folder.name} contains both {images[stem].name} and {entry.name}; keep one of "
                "them."
            )
        images[stem] = entry
    return images


def _stem(entry: Path) -> str | None:
    """Name without its image extension; None for other files."""
    if entry.is_dir():
        return entry.name
    name = entry.name.lower()
    suffix = next((s for s in SUFFIXES if name.endswith(s)), None)
    return entry.name[: -len(suffix)] if suffix else None


def _plain(row: dict[str, float]) -> dict[str, float | None]:
    return {name: None if math.isnan(value) else value for name, value in row.items()}


def _cell(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.6f}"
