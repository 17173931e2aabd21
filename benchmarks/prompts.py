"""Measure prompts on the bundled samples: objects found and their contrast.

Contrast is the mean brightness of the true object less that of its surround. The saliency rank is
the mean percentile of the true object's pixels in a saliency map of the whole image, here the
spectral residual (Hou and Zhang 2007, CVPR), which knows nothing of objects: 50 is average.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from scipy.stats import rankdata

from napari_textdifuse import FusionPipeline, Volume
from napari_textdifuse.colour import rgb_to_ycbcr
from napari_textdifuse.fusion import FusionResult
from napari_textdifuse.fusion.remodulation import contrast
from napari_textdifuse.samples import SAMPLES, load_sample, sample_mask
from napari_textdifuse.spatial import resample_to

HEAD = (
    "| sample | prompt | Dice | contrast without | with | rise | saliency rank without | with "
    "| largest change outside |"
)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", nargs="+", default=list(SAMPLES))
    parser.add_argument("--strength", type=float, default=1.0)
    parser.add_argument("--weights", help="name or folder")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--out", type=Path, help="Markdown file")
    options = parser.parse_args()
    pipeline = FusionPipeline.from_pretrained(options.weights, device=options.device)
    lines = [HEAD, "| --- " * 9 + "|"]
    for name in options.samples:
        for term in SAMPLES[name].masks:
            line = measure(pipeline, name, term, options.strength)
            print(line, flush=True)
            lines.append(line)
    if options.out:
        options.out.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return 0


def measure(pipeline: FusionPipeline, name: str, term: str, strength: float) -> str:
    """Fuse the slice with most of the object, without and with the prompt."""
    a, b = load_sample(name)
    truth = resample_to(sample_mask(name, term), a, order=0).volume.array != 0
    if a.ndim == 3:
        b = resample_to(b, a).volume
        k = int(truth.sum(axis=(1, 2)).argmax())
        a, b, truth = (_slice(v, k) for v in (a, b, Volume(truth)))
        truth = truth.array
    plain = pipeline(a, b)
    prompted = pipeline(a, b, prompt=term, strength=strength)
    found = prompted.mask != 0
    before, after = (contrast(_luma(r), truth.astype(np.uint8), 1) for r in (plain, prompted))
    outside = np.abs(prompted.fused - plain.fused)[~found].max()
    overlap = 2 * (found & truth).sum() / max(1, found.sum() + truth.sum())
    rise = abs(after) / max(abs(before), 1e-6) - 1
    ranks = [saliency_rank(_luma(r), truth) for r in (plain, prompted)]
    return (
        f"| {name} | {term} | {overlap:.3f} | {before:+.3f} | {after:+.3f} | {rise:+.0%} "
        f"| {ranks[0]:.1f} | {ranks[1]:.1f} | {outside * 255:.2f}/255 |"
    )


def saliency_rank(image: npt.NDArray[np.float32], truth: npt.NDArray[np.bool_]) -> float:
    """Return the mean percentile of an object's pixels in the spectral residual."""
    small = ndimage.zoom(image, 64 / max(image.shape), order=1)
    spectrum = np.fft.fft2(small)
    level = np.log(np.abs(spectrum) + 1e-8)
    residual = level - ndimage.uniform_filter(level, 3, mode="wrap")
    back = np.fft.ifft2(np.exp(residual + 1j * np.angle(spectrum)))
    saliency = ndimage.gaussian_filter(np.abs(back) ** 2, 1.5)
    zoom = [large / little for large, little in zip(image.shape, saliency.shape, strict=True)]
    full = ndimage.zoom(saliency, zoom, order=1)
    ranks = rankdata(full).reshape(full.shape) / full.size
    return float(100 * ranks[truth].mean())


def _slice(volume: Volume, k: int) -> Volume:
    window = volume.window
    if window is None:  # the window of the whole volume, as when the volume is fused
        from napari_textdifuse.intensity import default_window

        chosen = default_window(volume)
        window = (chosen.low, chosen.high)
    return volume.with_array(volume.array[k], affine=None, window=window)


def _luma(result: FusionResult) -> npt.NDArray[np.float32]:
    return rgb_to_ycbcr(result.fused)[0] if result.rgb else result.fused


if __name__ == "__main__":
    sys.exit(main())
