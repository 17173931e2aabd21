"""Error of results and accuracy of the predicted uncertainty: calibration and coverage.

The error is the distance of a result from degraded images to that from the clean ones. The
calibration is fitted on training pairs with random noise and blur, and checked on held-out pairs.

    python benchmarks/uncertainty.py --data DIR --out benchmarks/results/uncertainty

`--plot` draws the calibration with matplotlib, which the extra `benchmark` installs.
"""

from __future__ import annotations

import argparse
import itertools
import json
import shutil
import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from _bench.pairs import load_pairs, selection
from scipy import ndimage
from scipy.optimize import isotonic_regression
from scipy.stats import spearmanr

from napari_textdifuse import FusionPipeline
from napari_textdifuse.colour import rgb_to_ycbcr
from napari_textdifuse.fusion.degradation import degradation_of
from napari_textdifuse.fusion.prepare import brightness
from napari_textdifuse.models.uncertainty import ErrorCalibration
from napari_textdifuse.weights import WeightsFolder, open_folder

Bytes = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]
MODALITIES = {
    "CT-MRI": ("CT", "MR"),
    "PET-MRI": ("PT", "MR"),
    "SPECT-MRI": ("NM", "MR"),
    "RoadScene": ("VIS", "IR"),
    "LLVIP": ("VIS", "IR"),
    "MSRS": ("VIS", "IR"),
}
#: Strongest noise of the images that the calibration is fitted on, in 1/255; the distilled network
#: gets none with more than 10.
LOUDEST, LOUDEST_FAST = 55.0, 10.0
#: Points of the calibration table, and the interval that must hold nine errors in ten.
POINTS, SHARE, DEVIATIONS = 16, 0.9, 1.645
#: One pixel in so many is kept.
THINNED = 3


def noisy(x: Floats, sigma: float, rng: np.random.Generator) -> Floats:
    return np.clip(x + rng.normal(0, sigma / 255, x.shape), 0, 1).astype(np.float32)


def blurred(x: Floats, width: float) -> Floats:
    return ndimage.gaussian_filter(x, width, axes=(0, 1))


#: Image, whether it is of visible light, and random numbers, to the degraded image.
Degrade = Callable[[Floats, bool, np.random.Generator], Floats]
DEGRADATIONS: dict[str, Degrade] = {
    "noise8": lambda x, _, rng: noisy(x, 8, rng),
    "noise15": lambda x, _, rng: noisy(x, 15, rng),
    "noise30": lambda x, _, rng: noisy(x, 30, rng),
    "noise50": lambda x, _, rng: noisy(x, 50, rng),
    "blur1": lambda x, _, rng: blurred(x, 1),
    "blur1+noise6": lambda x, _, rng: noisy(blurred(x, 1), 6, rng),
    "blur1.5+noise20": lambda x, _, rng: noisy(blurred(x, 1.5), 20, rng),
    "dark+noise25": lambda x, light, rng: noisy(x**2.2 if light else x, 25, rng),
    "over-exposed": lambda x, light, rng: np.clip(1.5 * x, 0, 1) if light else x,
}


def uncalibrated(folder: WeightsFolder, copy: Path) -> FusionPipeline:
    """Return the pipeline whose uncertainty is the bound of the error itself."""
    shutil.copytree(folder.path, copy)
    file = copy / "config.json"
    config = json.loads(file.read_text("utf-8"))
    plain = {"expected": [-40, 40], "deviation": [-40, 40]}
    for described in (config, config.get("fast")):
        if described is not None:
            described["calibration"] = plain
    file.write_text(json.dumps(config))
    return FusionPipeline.from_pretrained(copy)


@dataclass(frozen=True)
class Fused:
    """Brightness of a fused pair, bound of its error, and whether the distilled network made it."""

    luma: Floats
    bound: Floats
    fast: bool
    degradation: npt.NDArray[np.float64]


def fuse(
    pipeline: FusionPipeline, images: tuple[Bytes, Bytes], options: argparse.Namespace, name: str
) -> Fused:
    known = dict(zip("ab", MODALITIES[name], strict=True))
    quality = None if options.steps else options.quality
    session = pipeline.session(*images, modality=known, quality=quality, steps=options.steps)
    result = session.fuse()
    luma = rgb_to_ycbcr(result.fused)[0] if result.rgb else result.fused
    assert result.uncertainty is not None
    seen = degradation_of(*(stack[0] for stack in brightness(session.pair)))
    return Fused(luma, result.uncertainty, "network" in result.record, seen)


@dataclass(frozen=True)
class Case:
    """A fused pair of degraded images: errors and their bounds at each pixel."""

    set_name: str
    kind: str
    errors: Floats
    bounds: Floats
    degradation: npt.NDArray[np.float64]

    def ratios(self, calibration: ErrorCalibration) -> Floats:
        """Errors relative to the deviation that is stated for them."""
        deviation = calibration.for_images(self.degradation)(self.bounds)
        return self.errors / np.maximum(deviation, 1e-9)


def random_degradations(count: int, loudest: float, rng: np.random.Generator) -> dict[str, Degrade]:
    """Noise, blur and both in turn, of random strength."""
    made: dict[str, Degrade] = {}
    for number in range(count):
        width, sigma = rng.uniform(0.5, 2.0), rng.uniform(0.1, 1) * loudest
        only_noise, only_blur = number % 3 == 0, number % 3 == 1
        made[f"random {number}"] = _mixed(0 if only_noise else width, 0 if only_blur else sigma)
    return made


def _mixed(width: float, sigma: float) -> Degrade:
    def change(x: Floats, _: bool, rng: np.random.Generator) -> Floats:
        return noisy(blurred(x, width) if width else x, sigma, rng)

    return change


def measure(
    options: argparse.Namespace,
    pipeline: FusionPipeline,
    split: str,
    kinds: Callable[[np.random.Generator], Mapping[str, Degrade]],
) -> Iterable[Case]:
    rng = np.random.default_rng(0)
    for name in options.sets:
        for pair in load_pairs(options.data, name, selection(None, split), options.limit):
            a, b = pair.a.astype(np.float32) / 255, pair.b.astype(np.float32) / 255
            clean = fuse(pipeline, (pair.a, pair.b), options, name).luma
            for kind, change in kinds(rng).items():
                if kind == "over-exposed" and not pair.scene:
                    continue
                degraded = change(a, pair.scene, rng), change(b, False, rng)
                x, y = (np.rint(255 * np.clip(v, 0, 1)).astype(np.uint8) for v in degraded)
                made = fuse(pipeline, (x, y), options, name)
                if made.fast != (options.quality == "fast"):
                    continue  # too much noise for the distilled network
                errors = np.abs(made.luma - clean).ravel()[::THINNED]
                yield Case(name, kind, errors, made.bound.ravel()[::THINNED], made.degradation)


def fit(cases: list[Case], modalities: list[str]) -> dict[str, Any]:
    """Return the entry `calibration` of a weights folder: a table, and how the images change it."""
    errors, bounds = (np.concatenate([getattr(c, n) for c in cases]) for n in ("errors", "bounds"))
    level = np.log(bounds + 1e-9)
    edges = np.unique(np.quantile(level, np.linspace(0, 1, POINTS + 1)))
    table: dict[float, float] = {}
    for low, high in itertools.pairwise(edges):
        inside = (level >= low) & (level <= high)
        deviation = np.log(np.quantile(errors[inside], SHARE) / DEVIATIONS + 1e-6)
        table[round(float(level[inside].mean()), 4)] = float(deviation)
    expected = sorted(table)
    rising = isotonic_regression([table[k] for k in expected]).x
    deviation = [round(float(v), 4) for v in rising]
    # by image: the factor with which nine errors in ten would be covered
    plain = ErrorCalibration(expected, deviation)
    needed = [np.log(np.quantile(c.ratios(plain), SHARE) / DEVIATIONS + 1e-3) for c in cases]
    seen = np.array([c.degradation for c in cases])
    design = np.column_stack([np.ones(len(seen)), seen])
    weights = np.linalg.lstsq(design, np.array(needed), rcond=None)[0]
    ranges = np.column_stack([seen.min(axis=0), seen.max(axis=0)])
    entry = {
        "expected": expected,
        "deviation": deviation,
        "modalities": modalities,
        "weights": np.round(weights, 4).tolist(),
        "ranges": np.round(ranges, 3).tolist(),
    }
    # an image needs more or less than the line says, which costs coverage on the whole
    shifts = entry["weights"][0] + np.linspace(-0.5, 0.5, 101)
    for shift in shifts:
        entry["weights"][0] = round(float(shift), 4)
        if np.mean([covered(c, ErrorCalibration(**entry)) for c in cases]) >= SHARE:
            break
    return entry


def covered(case: Case, calibration: ErrorCalibration) -> float:
    """Return the share of the pixels with an error below the stated bound."""
    return float((case.ratios(calibration) <= DEVIATIONS).mean())


def plot(curves: dict[str, tuple[Floats, Floats]], file: Path) -> None:
    """Draw for each set the bound that nine errors in ten lay below, against the stated one."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5, 5), layout="constrained")
    axes = figure.subplots()
    for (name, (errors, bounds)), marker in zip(curves.items(), "os^Dv*", strict=False):
        edges = np.unique(np.quantile(bounds, np.linspace(0, 1, POINTS + 1)))
        stated, found = [], []
        for low, high in itertools.pairwise(edges):
            inside = (bounds >= low) & (bounds <= high)
            stated.append(255 * float(bounds[inside].mean()))
            found.append(255 * float(np.quantile(errors[inside], SHARE)))
        axes.plot(stated, found, marker=marker, label=name)
    limit = max(axes.get_xlim()[1], axes.get_ylim()[1])
    axes.plot([0, limit], [0, limit], color="grey", linestyle=":", label="calibrated")
    axes.set(
        xlabel="stated bound of nine errors in ten (1/255)",
        ylabel="found on held-out pairs (1/255)",
        xlim=(0, limit),
        ylim=(0, limit),
        aspect="equal",
    )
    axes.legend()
    figure.savefig(file, dpi=110)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--weights", default=None)
    parser.add_argument("--calibration", type=Path, help="check this file; nothing is fitted")
    parser.add_argument("--sets", nargs="+", choices=MODALITIES, default=list(MODALITIES))
    parser.add_argument("--quality", default="standard", help="see fuse; default standard")
    parser.add_argument("--steps", type=int, help="of the chain, instead of --quality")
    parser.add_argument("--limit", type=int, default=10, help="pairs per set; default 10")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--plot", action="store_true", help="also draw OUT/calibration.png")
    options = parser.parse_args()
    torch.set_num_threads(1)
    folder = open_folder(options.weights)
    assert isinstance(folder, WeightsFolder)
    options.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary:
        pipeline = uncalibrated(folder, Path(temporary) / "weights")
        if options.calibration is None:
            loudest = LOUDEST_FAST if options.quality == "fast" else LOUDEST
            made = partial(random_degradations, 9, loudest)
            fitted = list(measure(options, pipeline, "train", made))
            entry = fit(fitted, sorted({m for name in options.sets for m in MODALITIES[name]}))
            file = options.out / "calibration.json"
            file.write_text(json.dumps(entry, indent=2) + "\n")
        else:
            entry = json.loads(options.calibration.read_text("utf-8"))
        cases = list(measure(options, pipeline, "held-out", lambda _: DEGRADATIONS))
    calibration = ErrorCalibration(**entry)
    lines = [
        f"Coverage of nominal 90 % intervals on held-out pairs ({folder.name}).",
        "Error and deviation are means in 1/255.",
        "",
        "| set | degradation | error | deviation | covered | Spearman |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for name, kind in itertools.product(options.sets, DEGRADATIONS):
        chosen = [c for c in cases if c.set_name == name and c.kind == kind]
        if not chosen:
            continue
        error, deviation = curve(chosen, calibration)
        share = np.mean([covered(c, calibration) for c in chosen])
        rank = float(spearmanr(error, deviation)[0])
        lines.append(
            f"| {name} | {kind} | {255 * error.mean():.1f} | {255 * deviation.mean():.1f} | "
            f"{100 * share:.0f} % | {rank:.2f} |"
        )
    (options.out / "coverage.md").write_text("\n".join(lines) + "\n")
    print("\n".join(lines))
    if options.plot:
        curves = {}
        for name in options.sets:
            error, deviation = curve([c for c in cases if c.set_name == name], calibration)
            curves[name] = error, DEVIATIONS * deviation
        plot(curves, options.out / "calibration.png")


def curve(cases: list[Case], calibration: ErrorCalibration) -> tuple[Floats, Floats]:
    """Errors and stated deviations of all pixels."""
    stated = [calibration.for_images(c.degradation)(c.bounds) for c in cases]
    return np.concatenate([c.errors for c in cases]), np.concatenate(stated)


if __name__ == "__main__":
    main()
