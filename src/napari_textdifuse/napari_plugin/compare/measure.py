"""Metrics of a fused image, as a whole and per labelled object; napari-free."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ...errors import Cancelled, InputError, kind_of_values
from ...intensity import default_window
from ...volume import Volume

if TYPE_CHECKING:
    from ..task import Report

Bytes = npt.NDArray[np.uint8]

#: What is measured on the pixels of an object. These follow from the set of its pixels alone.
#: AG, SF, VIF, Qabf and SSIM compare neighbouring pixels: at the edge of an object, and for VIF
#: within 41 pixels of it, they would measure its surround.
REGION_METRICS = ("EN", "SD", "SCD", "MI")
#: Name of the row about all pixels.
WHOLE = "Whole image"


@dataclass(frozen=True)
class Row:
    """Metrics of one region.

    Parameters
    ----------
    region : str
    pixels : int
    values : dict of str to float
        By metric; ``nan`` where the region is too small or too uniform.
    """

    region: str
    pixels: int
    values: dict[str, float]


@dataclass(frozen=True)
class Measurement:
    """The result of a measurement.

    Parameters
    ----------
    rows : tuple of Row
        The whole image first, then the labels in order.
    histograms : dict of str to ndarray of int64, shape (256,)
        How many pixels have each brightness, by the image's name.
    """

    rows: tuple[Row, ...]
    histograms: dict[str, npt.NDArray[np.int64]]

    def table(self, separator: str = ",") -> str:
        """Return one line per region, as CSV; undefined values are left empty.

        Parameters
        ----------
        separator : str
            A tab for the clipboard, as spreadsheets expect.
        """
        from ...evaluation import METRICS

        text = io.StringIO()
        lines = csv.writer(text, delimiter=separator, lineterminator="\n")
        lines.writerow(["region", "pixels", *METRICS])
        for row in self.rows:
            cells = (row.values.get(metric, math.nan) for metric in METRICS)
            lines.writerow(
                [row.region, row.pixels, *("" if math.isnan(v) else f"{v:.6f}" for v in cells)]
            )
        return text.getvalue()


def measure(
    a: Volume,
    b: Volume,
    fused: Volume,
    labels: Volume | None = None,
    *,
    names: Mapping[int, str] | None = None,
    report: Report | None = None,
) -> Measurement:
    """Measure a fused image against its two sources, on the fused image's grid.

    Parameters
    ----------
    a, b : Volume
        Sources; resampled onto the grid if theirs differs, and shown with their own window or
        the default one, taken before the resampling as a fusion does.
    fused : Volume
        Unsigned integers or floats in [0, 1].
    labels : Volume, optional
        Integers, 0 for the background.
    names : mapping of int to str, optional
        The names of the labels.
    report : callable, optional
        See `task.Report`.

    Returns
    -------
    Measurement
        The whole image has the metrics of `evaluation.evaluate`. The `REGION_METRICS` of an object
        are taken over all its pixels in all slices; a few pixels per slice are not enough.

    Raises
    ------
    InputError, GeometryError
        If the images cannot be used, or do not overlap.
    Cancelled
        If `report` returned False.
    """
    from ...evaluation.luminance import result_luminance, shown_colours, source_luminance
    from ...evaluation.metrics import evaluate_luminance, mean_of, worse_readback

    def report_progress(done: int, total: int, words: str) -> None:
        if report is not None and not report(done, total, words):
            raise Cancelled("The measurement was cancelled.")

    report_progress(0, 1, "Reading the images")
    flat = fused.ndim == 2
    shown, volume = result_luminance(fused, f"the fused image ({fused.name})")
    colours = [shown_colours(volume, shown, source=False)]
    sources = []
    for volume, role in ((a, "image A"), (b, "image B")):
        report_progress(0, 1, f"Reading {volume.name}")
        placed = _on_grid(_with_window(volume), fused, 1)
        luma, placed = source_luminance(placed, f"{role} ({volume.name})")
        sources.append(luma)
        colours.insert(-1, shown_colours(placed, luma, source=True))
    x, y, z = (image[None] if flat else image for image in (*sources, shown))
    seen = [image[None] if flat else image for image in colours]
    regions = [] if labels is None else _regions(_on_grid(labels, fused, 0), flat)

    # as `evaluate` does, one slice after the other so that it can be stopped
    chosen = [i for i in range(len(z)) if np.ptp(x[i]) or np.ptp(y[i])] or list(range(len(z)))
    rows, total = [], len(chosen) + len(regions)
    for done, i in enumerate(chosen):
        report_progress(done, total, f"Slice {done + 1} of {len(chosen)}")
        read = {"readback": worse_readback(*(image[i] for image in seen))}
        rows.append(evaluate_luminance(x[i], y[i], z[i]) | read)
    result = [Row(WHOLE, int(z.size), mean_of(rows))]
    for done, (label, inside) in enumerate(regions, len(chosen)):
        name = (names or {}).get(label, f"Label {label}")
        report_progress(done, total, name)
        result.append(Row(name, int(inside.sum()), _of_pixels(x[inside], y[inside], z[inside])))
    titles = (f"A: {a.name}", f"B: {b.name}", f"Fused: {fused.name.removeprefix('Fused: ')}")
    counts = {
        title: np.bincount(image.ravel(), minlength=256)
        for title, image in zip(titles, (x, y, z), strict=True)
    }
    report_progress(1, 1, "Done")
    return Measurement(tuple(result), counts)


def _with_window(volume: Volume) -> Volume:
    """Fix the window: that of a resampled image could differ."""
    array = volume.array
    if volume.rgb or (array.dtype.kind == "f" and not np.isfinite(array).any()):
        return volume  # the latter is refused when its brightness is needed
    window = default_window(volume)
    return replace(volume, window=(window.low, window.high))


def _on_grid(volume: Volume, fused: Volume, order: int) -> Volume:
    """Resample onto the grid of the fused image, which may be a slice of the volume."""
    from ...spatial import resample_to

    if fused.ndim == 2 and volume.ndim == 3:
        thick = resample_to(volume, replace(fused, array=fused.array[None]), order=order).volume
        return replace(thick, array=thick.array[0])
    return resample_to(volume, fused, order=order).volume


def _regions(labels: Volume, flat: bool) -> list[tuple[int, npt.NDArray[np.bool_]]]:
    """Return every label that occurs, in order, with its pixels (Z, Y, X)."""
    array = labels.array[None] if flat else labels.array
    if array.dtype.kind not in "biu":
        raise InputError(
            f"{labels.name} contains {kind_of_values(array.dtype)}; labels must be integers."
        )
    found = [int(value) for value in np.unique(array) if value]
    return [(value, array == value) for value in found]


def _of_pixels(a: Bytes, b: Bytes, f: Bytes) -> dict[str, float]:
    """`REGION_METRICS` of the brightness of some pixels, each image of shape (N,)."""
    from ...evaluation import metrics

    x, y, z = (image.astype(np.float64) for image in (a, b, f))
    values: dict[str, Callable[[], Any]] = {
        "EN": lambda: metrics.entropy(z),
        "SD": lambda: z.std(),
        "SCD": lambda: metrics.difference_correlation(x, y, z),
        "MI": lambda: metrics.mutual_information(x, z) + metrics.mutual_information(y, z),
    }
    return {name: float(values[name]()) for name in REGION_METRICS}
