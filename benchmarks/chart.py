"""Chart of MRI levels by PET levels: CIEDE2000 of each at any level of the other."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt
from _bench.report import table
from PIL import Image

import napari_textdifuse
from napari_textdifuse import FusionPipeline, Volume

RESULTS = Path(__file__).parent / "results"
#: Levels of each source, and the side of a patch in pixels, less its edge on either side.
LEVELS, SIDE, EDGE = 10, 32, 8
#: What must be seen: PET 20 against 90 %, each step of 10 % of PET, MRI dark against bright.
WANTED = (15.0, 1.0, 15.0)

Floats = npt.NDArray[np.float64]


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("--maps", nargs="+", default=["functional", "hot"], help="colour maps")
    add("--weights", help="name or folder")
    add("--steps", type=int)
    add("--device", default="cpu")
    add("--out", type=Path, default=RESULTS)
    options = parser.parse_args(arguments)
    pipe = FusionPipeline.from_pretrained(options.weights, device=options.device)
    lines, failed = [], False
    for name in options.maps:
        a, b = sources()
        fused = np.asarray(pipe(a, b, steps=options.steps, colormap=name).fused)
        options.out.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.rint(fused * 255).astype(np.uint8)).save(
            options.out / f"chart-{name}.png"
        )
        figures = measure(fused)
        lines.append([name, *(f"{value:.1f}" for value in figures)])
        failed |= any(f < w for f, w in zip(figures, WANTED, strict=True))
    head = ["colour map", "PET 20 / 90 %", "PET step of 10 %", "MRI dark / bright"]
    lines.append(["wanted, at least", *(f"{value:.0f}" for value in WANTED)])
    made_by = f"textdifuse {napari_textdifuse.__version__}, weights {pipe.backend.weights.name}"
    text = (
        f"# Chart\n\nSmallest CIEDE2000 on the chart of {LEVELS} x {LEVELS} levels; {made_by}.\n\n"
    )
    (options.out / "chart.md").write_text(text + table(head, lines) + "\n", encoding="utf-8")
    print(table(head, lines))
    return int(failed)


def sources() -> tuple[Volume, Volume]:
    """MRI by rows, with a little noise, and PET by columns, both from dark to bright."""
    level = np.repeat(np.linspace(0, 1, LEVELS), SIDE)
    mri, pet = np.meshgrid(0.03 + 0.94 * level, level, indexing="ij")
    mri = np.clip(mri + np.random.default_rng(0).normal(0, 0.01, mri.shape), 0, 1)
    shown = {"window": (0.0, 1.0)}
    return (
        Volume(mri.astype(np.float32), modality="MR", name="MRI", **shown),
        Volume(pet.astype(np.float32), modality="PT", unit="SUVbw", name="PET", **shown),
    )


def measure(fused: Floats) -> tuple[float, float, float]:
    """Return the smallest of each difference in `WANTED`.

    Parameters
    ----------
    fused : ndarray, shape (LEVELS * SIDE, LEVELS * SIDE, 3)
    """
    from skimage.color import deltaE_ciede2000, rgb2lab

    patches = fused.reshape(LEVELS, SIDE, LEVELS, SIDE, 3)[:, EDGE:-EDGE, :, EDGE:-EDGE]
    lab = rgb2lab(patches.mean(axis=(1, 3)))
    wide = deltaE_ciede2000(lab[:, 2], lab[:, 9])
    step = deltaE_ciede2000(lab[:, 1:-1], lab[:, 2:])
    anatomy = deltaE_ciede2000(lab[0], lab[-1])
    return float(wide.min()), float(step.min()), float(anatomy.min())


if __name__ == "__main__":
    sys.exit(main())
