"""Error of results and accuracy of the predicted uncertainty: calibration and coverage.

The error is the distance of a result from degraded images to that from the clean ones, one step
each. The table is fitted on every other held-out pair and checked on the rest.

    python benchmarks/uncertainty.py --data DIR --out benchmarks/results/uncertainty

`--plot` draws the calibration with matplotlib, which the extra `benchmark` installs.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from _bench.pairs import load_pairs, selection
from scipy import ndimage
from scipy.optimize import isotonic_regression
from scipy.stats import spearmanr

from napari_textdifuse.diffusion import Schedule, trailing_timesteps
from napari_textdifuse.evaluation.luminance import luminance8
from napari_textdifuse.fusion.chain import FusionChain
from napari_textdifuse.fusion.tiling import pad_to_multiple
from napari_textdifuse.models import LightNetwork
from napari_textdifuse.weights import WeightsFolder, load_light, open_folder

Floats = npt.NDArray[np.float32]
MODALITIES = {
    "CT-MRI": ("CT", "MR"),
    "PET-MRI": ("PT", "MR"),
    "SPECT-MRI": ("NM", "MR"),
    "RoadScene": ("VIS", "IR"),
    "LLVIP": ("VIS", "IR"),
    "MSRS": ("VIS", "IR"),
}
#: Side of the middle part that is looked at.
SIDE = 192
#: Points of the calibration table, and the interval that must hold nine errors in ten.
POINTS, SHARE, DEVIATIONS = 16, 0.9, 1.645


def noisy(x: Floats, sigma: float, rng: np.random.Generator) -> Floats:
    return np.clip(x + rng.normal(0, sigma / 255, x.shape), 0, 1).astype(np.float32)


def blurred(x: Floats, width: float) -> Floats:
    return ndimage.gaussian_filter(x, width)


#: Image, whether it is of visible light, and random numbers, to the degraded image.
Degrade = Callable[[Floats, bool, np.random.Generator], Floats]
DEGRADATIONS: dict[str, Degrade] = {
    "noise15": lambda x, _, rng: noisy(x, 15, rng),
    "noise30": lambda x, _, rng: noisy(x, 30, rng),
    "noise50": lambda x, _, rng: noisy(x, 50, rng),
    "blur1": lambda x, _, rng: blurred(x, 1),
    "blur1.5+noise20": lambda x, _, rng: noisy(blurred(x, 1.5), 20, rng),
    "dark+noise25": lambda x, light, rng: noisy(x**2.2 if light else x, 25, rng),
    "over-exposed": lambda x, light, rng: np.clip(1.5 * x, 0, 1) if light else x,
}


@torch.inference_mode()
def fuse(network: LightNetwork, a: Floats, b: Floats, steps: int) -> tuple[Floats, Floats]:
    """Fused brightness from seed 0, and the bound of its error from the first step."""
    x, y = (torch.from_numpy(pad_to_multiple(v, network.multiple))[None, None] for v in (a, b))
    noise = torch.randn(x.shape, generator=torch.Generator().manual_seed(0))
    chain = FusionChain(network, Schedule("cosine"), trailing_timesteps(steps))
    made = list(chain.base(2 * x - 1, 2 * y - 1, noise))
    error, estimate = made[0].error, made[-1].estimate
    if error is None:
        sys.exit("these weights have no head for the error.")
    height, width = a.shape
    shown = ((estimate + 1) / 2).clamp(0, 1)
    return shown[0, 0, :height, :width].numpy(), error[0, 0, :height, :width].numpy()


def middle(picture: npt.NDArray[np.uint8]) -> Floats:
    luma = luminance8(picture)
    top, left = (max(0, (n - SIDE) // 2) for n in luma.shape)
    return luma[top : top + SIDE, left : left + SIDE].astype(np.float32) / 255


def measure(
    options: argparse.Namespace, network: LightNetwork
) -> list[tuple[str, str, int, Floats, Floats]]:
    """Set, degradation, number of the pair, errors and expected errors."""
    rng = np.random.default_rng(0)
    rows = []
    for name in options.sets:
        pairs = load_pairs(options.data, name, selection(None, "held-out"), options.limit)
        for number, pair in enumerate(pairs):
            a, b = middle(pair.a), middle(pair.b)
            clean, _ = fuse(network, a, b, options.steps)
            for kind, change in DEGRADATIONS.items():
                if kind == "over-exposed" and not pair.scene:
                    continue
                seen = (change(a, pair.scene, rng), change(b, False, rng))
                fused, error = fuse(
                    network,
                    *(np.rint(v * 255).astype(np.float32) / 255 for v in seen),
                    options.steps,
                )
                rows.append((name, kind, number, np.abs(fused - clean).ravel(), error.ravel()))
    return rows


def fit(errors: Floats, expected: Floats) -> dict[str, list[float]]:
    """Logarithms of the bound of the error and of the deviation that covers nine errors in ten."""
    level = np.log(expected + 1e-9)
    edges = np.unique(np.quantile(level, np.linspace(0, 1, POINTS + 1)))
    table: dict[float, float] = {}
    for low, high in itertools.pairwise(edges):
        inside = (level >= low) & (level <= high)
        deviation = np.log(np.quantile(errors[inside], SHARE) / DEVIATIONS + 1e-6)
        table[round(float(level[inside].mean()), 4)] = float(deviation)
    expected = sorted(table)
    rising = isotonic_regression([table[k] for k in expected]).x
    return {"expected": expected, "deviation": [round(float(v), 4) for v in rising]}


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
    parser.add_argument("--sets", nargs="+", choices=MODALITIES, default=list(MODALITIES))
    parser.add_argument("--steps", type=int, default=1, help="of the chain; default 1")
    parser.add_argument("--limit", type=int, default=8, help="held-out pairs per set; default 8")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--plot", action="store_true", help="also draw OUT/calibration.png")
    options = parser.parse_args()
    torch.set_num_threads(1)
    folder = open_folder(options.weights)
    assert isinstance(folder, WeightsFolder)
    rows = measure(options, load_light(folder))
    even = [r for r in rows if r[2] % 2 == 0]
    table = fit(np.concatenate([r[3] for r in even]), np.concatenate([r[4] for r in even]))
    modalities = {m for name in options.sets for m in MODALITIES[name]}
    described = table | {"modalities": sorted(modalities)}
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "calibration.json").write_text(json.dumps(described, indent=2) + "\n")
    lines = [
        f"Coverage of nominal 90 % intervals on held-out pairs that the table was not fitted on "
        f"({folder.name}).",
        "Error and deviation are means in 1/255.",
        "",
        "| set | degradation | error | deviation | covered | Spearman |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for name in options.sets:
        for kind in DEGRADATIONS:
            rest = [r for r in rows if r[0] == name and r[1] == kind and r[2] % 2]
            if not rest:
                continue
            error, level = (np.concatenate([r[i] for r in rest]) for i in (3, 4))
            deviation = np.exp(
                np.interp(np.log(level + 1e-9), table["expected"], table["deviation"])
            )
            covered = float((error <= DEVIATIONS * deviation).mean())
            rank = float(spearmanr(error[::5], deviation[::5])[0])
            lines.append(
                f"| {name} | {kind} | {255 * error.mean():.1f} | {255 * deviation.mean():.1f} | "
                f"{100 * covered:.0f} % | {rank:.2f} |"
            )
    (options.out / "coverage.md").write_text("\n".join(lines) + "\n")
    print("\n".join(lines))
    if options.plot:
        curves = {}
        for name in options.sets:
            rest = [r for r in rows if r[0] == name and r[2] % 2]
            error, level = (np.concatenate([r[i] for r in rest]) for i in (3, 4))
            levels = np.log(level + 1e-9), table["expected"], table["deviation"]
            curves[name] = error, DEVIATIONS * np.exp(np.interp(*levels))
        plot(curves, options.out / "calibration.png")


if __name__ == "__main__":
    main()
