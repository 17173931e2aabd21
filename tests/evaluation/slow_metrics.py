"""The nine metrics, written from the articles pixel by pixel; shares no code with the package.

``python tests/evaluation/slow_metrics.py`` records what they give for pieces of the sample images
in ``goldens.json`` (some minutes).
"""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np

GOLDENS = Path(__file__).with_name("goldens.json")


def slow_qabf(a, b, f):
    """Xydeas & Petrovic 2000."""

    def edges(image):
        padded = np.pad(image.astype(float), 1)
        strength, angle = np.zeros(image.shape), np.zeros(image.shape)
        for i in range(image.shape[0]):
            for j in range(image.shape[1]):
                p = padded[i : i + 3, j : j + 3]
                right = p[0, 2] + 2 * p[1, 2] + p[2, 2] - p[0, 0] - 2 * p[1, 0] - p[2, 0]
                up = p[0, 0] + 2 * p[0, 1] + p[0, 2] - p[2, 0] - 2 * p[2, 1] - p[2, 2]
                strength[i, j] = math.sqrt(right**2 + up**2)
                angle[i, j] = math.atan(up / right) if right else math.pi / 2
        return strength, angle

    edges_f = edges(f)
    kept = total = 0.0
    for strength, angle in (edges(a), edges(b)):
        for g, o, gf, of in zip(
            *(image.ravel() for image in (strength, angle, *edges_f)), strict=True
        ):
            if g == 0:
                continue
            ratio = min(g, gf) / max(g, gf)
            turn = 1 - abs(o - of) / (math.pi / 2)
            q = 0.9994 / (1 + math.exp(-15 * (ratio - 0.5)))
            q *= 0.9879 / (1 + math.exp(-22 * (turn - 0.8)))
            kept, total = kept + q * g, total + g
    return kept / total


def slow_vif(source, f):
    """Sheikh & Bovik 2006, pixel domain."""
    x, y = source.astype(float), f.astype(float)
    kept = held = 0.0
    for scale in range(1, 5):
        n = 2 ** (5 - scale) + 1
        offsets = range(-(n // 2), n // 2 + 1)
        window = np.array(
            [[math.exp(-(i * i + j * j) / (2 * (n / 5) ** 2)) for j in offsets] for i in offsets]
        )
        window /= window.sum()

        def windows(image, n=n):
            for i in range(image.shape[0] - n + 1):
                for j in range(image.shape[1] - n + 1):
                    yield image[i : i + n, j : j + n]

        if scale > 1:
            shape = (x.shape[0] - n + 1, x.shape[1] - n + 1)
            x, y = (
                np.array([(window * p).sum() for p in windows(image)]).reshape(shape)[::2, ::2]
                for image in (x, y)
            )
        for p, q in zip(windows(x), windows(y), strict=True):
            p0, q0 = p - (window * p).sum(), q - (window * q).sum()
            vp, vq, c = (window * p0**2).sum(), (window * q0**2).sum(), (window * p0 * q0).sum()
            gain = c / vp if vp > 0 else 0.0
            if gain < 0:
                gain = 0.0
            rest = vq - gain * c
            kept += math.log(1 + gain**2 * vp / (rest + 2))
            held += math.log(1 + vp / 2)
    return kept / held


def slow_ssim(source, f):
    """Wang et al. 2004 with a uniform 7 x 7 window."""
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    values = []
    for i in range(source.shape[0] - 6):
        for j in range(source.shape[1] - 6):
            p, q = (image[i : i + 7, j : j + 7].astype(float).ravel() for image in (source, f))
            mp, mq = p.mean(), q.mean()
            (vp, c), (_, vq) = np.cov(p, q)
            values.append(
                (2 * mp * mq + c1) * (2 * c + c2) / ((mp * mp + mq * mq + c1) * (vp + vq + c2))
            )
    return sum(values) / len(values)


def slow_mi(source, f):
    """Qu et al. 2002, from relative frequencies of pairs."""
    n = source.size
    pairs, left, right = {}, {}, {}
    for p, q in zip(source.ravel().tolist(), f.ravel().tolist(), strict=True):
        pairs[p, q] = pairs.get((p, q), 0) + 1
        left[p] = left.get(p, 0) + 1
        right[q] = right.get(q, 0) + 1
    return sum(k / n * math.log(k * n / (left[p] * right[q])) for (p, q), k in pairs.items())


def slow_scd(a, b, f):
    """Aslantas & Bendes 2015."""
    a, b, f = (image.astype(float).ravel() for image in (a, b, f))
    return np.corrcoef(a, f - b)[0, 1] + np.corrcoef(b, f - a)[0, 1]


def slow_gradients(f):
    """AG and SF by loops over the pixels."""
    f = f.astype(float)
    h, w = f.shape
    total = 0.0
    for i in range(h):
        for j in range(w):
            up, down = max(i - 1, 0), min(i + 1, h - 1)
            left, right = max(j - 1, 0), min(j + 1, w - 1)
            dy = (f[down, j] - f[up, j]) / (down - up)
            dx = (f[i, right] - f[i, left]) / (right - left)
            total += math.sqrt((dx * dx + dy * dy) / 2)
    rows = [(f[i + 1, j] - f[i, j]) ** 2 for i in range(h - 1) for j in range(w)]
    columns = [(f[i, j + 1] - f[i, j]) ** 2 for i in range(h) for j in range(w - 1)]
    return total / (h * w), math.sqrt(sum(rows) / len(rows) + sum(columns) / len(columns))


def slow_all(a, b, f):
    levels = [list(f.ravel()).count(v) / f.size for v in set(f.ravel().tolist())]
    ag, sf = slow_gradients(f)
    return {
        "EN": -sum(p * math.log2(p) for p in levels),
        "AG": ag,
        "SD": math.sqrt(sum((v - f.mean()) ** 2 for v in f.ravel().tolist()) / f.size),
        "SCD": slow_scd(a, b, f),
        "VIF": slow_vif(a, f) + slow_vif(b, f),
        "SF": sf,
        "MI": slow_mi(a, f) + slow_mi(b, f),
        "Qabf": slow_qabf(a, b, f),
        "SSIM": slow_ssim(a, f) + slow_ssim(b, f),
    }


def pairs():
    """Pieces of the sample images: name, and 8-bit brightness of both sources."""
    from napari_textdifuse.evaluation import luminance8
    from napari_textdifuse.samples import load_sample

    for name in ("pet-mri", "ct-mri", "spect-mri"):
        a, b = (v.array[len(v.array) // 2] for v in load_sample(name))
        a = a[::2, ::2]
        rows, columns = np.minimum(a.shape, b.shape)
        yield name, eight_bits(a[-rows:, -columns:]), eight_bits(b[-rows:, -columns:])
    a, b = (luminance8(volume.array)[60:124, 100:180] for volume in load_sample("street"))
    yield "street", a, b


def eight_bits(image):
    low, high = float(image.min()), float(image.max())
    return np.round((image - low) / (high - low) * 255).astype(np.uint8)


def fusions(a, b):
    """Two trivial results: the maximum, and the mean rounded up."""
    a, b = a.astype(int), b.astype(int)
    yield "max", np.maximum(a, b).astype(np.uint8)
    yield "mean", ((a + b + 1) // 2).astype(np.uint8)


def main():
    rows = [
        {"pair": name, "fused": rule, **{k: round(v, 9) for k, v in slow_all(a, b, f).items()}}
        for name, a, b in pairs()
        for rule, f in fusions(a, b)
    ]
    GOLDENS.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
