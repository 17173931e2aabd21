"""Further metrics, written from the articles window by window; no code of the package."""

from __future__ import annotations

import cmath
import math

import numpy as np


def slow_cc(a, b, f):
    return (np.corrcoef(a.ravel(), f.ravel())[0, 1] + np.corrcoef(b.ravel(), f.ravel())[0, 1]) / 2


def slow_ms_ssim(source, f):
    """Wang, Simoncelli & Bovik 2003."""
    weights = [0.0448, 0.2856, 0.3001, 0.2363, 0.1333]
    window = np.array(
        [
            [math.exp(-((i - 5) ** 2 + (j - 5) ** 2) / (2 * 1.5**2)) for j in range(11)]
            for i in range(11)
        ]
    )
    window /= window.sum()
    x, y = source.astype(float), f.astype(float)
    product = 1.0
    for scale, weight in enumerate(weights):
        structures, wholes = [], []
        for i in range(x.shape[0] - 10):
            for j in range(x.shape[1] - 10):
                p, q = x[i : i + 11, j : j + 11], y[i : i + 11, j : j + 11]
                mp, mq = (window * p).sum(), (window * q).sum()
                vp, vq = (window * (p - mp) ** 2).sum(), (window * (q - mq) ** 2).sum()
                c = (window * (p - mp) * (q - mq)).sum()
                structure = (2 * c + 58.5225) / (vp + vq + 58.5225)
                structures.append(structure)
                wholes.append(structure * (2 * mp * mq + 6.5025) / (mp * mp + mq * mq + 6.5025))
        values = wholes if scale == 4 else structures
        product *= max(0.0, sum(values) / len(values)) ** weight
        x, y = (slow_half(image) for image in (x, y))
    return product


def slow_half(image):
    h, w = image.shape
    half = np.zeros(((h + 1) // 2, (w + 1) // 2))
    for i in range(half.shape[0]):
        for j in range(half.shape[1]):
            rows, columns = (2 * i, min(2 * i + 1, h - 1)), (2 * j, min(2 * j + 1, w - 1))
            half[i, j] = sum(image[r, c] for r in rows for c in columns) / 4
    return half


def slow_nabf(a, b, f):
    """Shreyamsha Kumar 2013, with loops over the pixels."""

    def edges(image):
        h, w = image.shape
        mirrored = image[np.ix_([1, *range(h), h - 2], [1, *range(w), w - 2])].astype(float)
        strength, angle = np.zeros((h, w)), np.zeros((h, w))
        for i in range(h):
            for j in range(w):
                p = mirrored[i : i + 3, j : j + 3]
                v = (p[0, 2] + 2 * p[1, 2] + p[2, 2] - p[0, 0] - 2 * p[1, 0] - p[2, 0]) / 8
                u = (p[2, 0] + 2 * p[2, 1] + p[2, 2] - p[0, 0] - 2 * p[0, 1] - p[0, 2]) / 8
                strength[i, j] = math.hypot(u, v)
                if u:
                    angle[i, j] = math.atan(v / u)
                elif v:
                    angle[i, j] = math.copysign(math.pi / 2, v)
        return strength, angle

    gf, of = edges(f)
    lost = total = 0.0
    (ga, oa), (gb, ob) = edges(a), edges(b)
    for i in range(f.shape[0]):
        for j in range(f.shape[1]):
            invented = gf[i, j] > ga[i, j] and gf[i, j] > gb[i, j]
            for g, o in ((ga[i, j], oa[i, j]), (gb[i, j], ob[i, j])):
                ratio = min(g, gf[i, j]) / max(g, gf[i, j]) if g and gf[i, j] else 0.0
                turn = abs(abs(o - of[i, j]) - math.pi / 2) / (math.pi / 2)
                q = 0.9999 / (1 + math.exp(-19 * (ratio - 0.5)))
                q *= 0.9995 / (1 + math.exp(-22 * (turn - 0.5)))
                weight = g**1.5 if g >= 2 else 0.001
                total += weight
                if invented:
                    lost += (1 - math.sqrt(q)) * weight
    return lost / total


def slow_fmi(a, b, f, feature):
    """Haghighat & Razian 2014, window by window, mass by mass."""
    a, b, f = (image.astype(float) for image in (a, b, f))
    if feature == "gradient":
        a, b, f = (slow_across(image) for image in (a, b, f))
    values = []
    for i in range(f.shape[0] - 2):
        for j in range(f.shape[1] - 2):
            x, y, z = (image[i : i + 3, j : j + 3].ravel(order="F").tolist() for image in (a, b, f))
            values.append((slow_information(x, z) + slow_information(y, z)) / 2)
    return sum(values) / len(values)


def slow_across(image):
    out = np.zeros(image.shape)
    last = image.shape[1] - 1
    for j in range(last + 1):
        left, right = max(0, j - 1), min(last, j + 1)
        out[:, j] = (image[:, right] - image[:, left]) / (right - left)
    return out


def slow_information(x, y):
    if x == y:
        return 1.0

    def distribution(values):
        low, high = min(values), max(values)
        scaled = [(v - low) / (high - low) if high > low else 1.0 for v in values]
        return [v / sum(scaled) for v in scaled]

    def cumulative(p):
        return lambda k: sum(p[: k + 1]) if k >= 0 else 0.0

    def bits(masses):
        return -sum(m * math.log2(abs(m)) for m in masses if abs(m) > 1e-15)

    def sd(p):
        mean = sum(k * m for k, m in enumerate(p))
        return math.sqrt(sum(m * (k - mean) ** 2 for k, m in enumerate(p)))

    p, q = distribution(x), distribution(y)
    entropies = bits(p) + bits(q)
    if len({*p}) == 1 or len({*q}) == 1 or sd(p) < 1e-9 or sd(q) < 1e-9:
        return 0.0  # the joint distribution is that of independence
    r = np.corrcoef(p, q)[0, 1]
    cp, cq = cumulative(p), cumulative(q)

    def bound(i, j):
        if i < 0 or j < 0:
            return 0.0
        return min(cp(i), cq(j)) if r >= 0 else max(cp(i) + cq(j) - 1, 0.0)

    covariance = sum(bound(i, j) - cp(i) * cq(j) for i in range(9) for j in range(9))
    share = r / (covariance / (sd(p) * sd(q)))
    joint = []
    for i in range(9):
        for j in range(9):
            mass = bound(i, j) - bound(i - 1, j) - bound(i, j - 1) + bound(i - 1, j - 1)
            joint.append(share * mass + (1 - share) * p[i] * q[j])
    return 2 * (entropies - bits(joint)) / entropies


def slow_stretched(image):
    low, high = int(image.min()), int(image.max())
    return np.array(
        [[float(round((int(v) - low) * 255 / (high - low))) for v in row] for row in image]
    )


def slow_filtered(image, response):
    """Multiply each term of the discrete Fourier transform, written out as sums."""

    def transform(n, sign):
        return np.array(
            [[cmath.exp(sign * 2j * math.pi * k * m / n) for m in range(n)] for k in range(n)]
        )

    h, w = image.shape
    terms = transform(h, -1) @ image @ transform(w, -1)
    for k in range(h):
        for m in range(w):
            # terms above half the number of pixels are negative frequencies
            cycles_y, cycles_x = (n - size if n >= size / 2 else n for n, size in ((k, h), (m, w)))
            terms[k, m] *= response(cycles_y, cycles_x)
    return (transform(h, 1) @ terms @ transform(w, 1)).real / (h * w)


def slow_qcb(a, b, f):
    """Chen & Blum 2009."""

    def sensitivity(cycles_y, cycles_x):
        r = math.hypot(cycles_y, cycles_x) / 15  # freqspace runs from -1 to 1, times size / 30
        return math.exp(-((r / 15.3870) ** 2)) - 0.7622 * math.exp(-((r / 1.3456) ** 2))

    def gaussian(image, sigma):
        padded = np.pad(image, 15)
        kernel = np.array(
            [
                [
                    math.exp(-(i * i + j * j) / (2 * sigma**2)) / (2 * math.pi * sigma**2)
                    for j in range(-15, 16)
                ]
                for i in range(-15, 16)
            ]
        )
        return np.array(
            [
                [(padded[i : i + 31, j : j + 31] * kernel).sum() for j in range(image.shape[1])]
                for i in range(image.shape[0])
            ]
        )

    def contrast(image):
        seen = slow_filtered(slow_stretched(image), sensitivity)
        c = np.abs(gaussian(seen, 2) / gaussian(seen, 4) - 1)
        return c**3 / (c**2 + 0.0001)

    ca, cb, cf = (contrast(image).ravel().tolist() for image in (a, b, f))
    values = []
    for x, y, z in zip(ca, cb, cf, strict=True):
        kept = [min(c, z) / max(c, z) for c in (x, y)]
        values.append((kept[0] * x * x + kept[1] * y * y) / (x * x + y * y))
    return sum(values) / len(values)


def slow_qcv(a, b, f):
    """Chen & Varshney 2007."""

    def sensitivity(cycles_y, cycles_x):
        r = math.hypot(cycles_y, cycles_x) / 4  # freqspace runs from -1 to 1, times size / 8
        return 2.6 * (0.0192 + 0.144 * r) * math.exp(-((0.144 * r) ** 1.1))

    above = below = 0.0
    for source in (slow_stretched(a), slow_stretched(b)):
        seen = slow_filtered(source - slow_stretched(f), sensitivity)
        padded = np.pad(source, 1)
        h, w = source.shape
        for top in range(0, h, 16):
            for left in range(0, w, 16):
                saliency, squares = 0.0, []
                for i in range(top, min(top + 16, h)):
                    for j in range(left, min(left + 16, w)):
                        p = padded[i : i + 3, j : j + 3]
                        u = p[0, 2] + 2 * p[1, 2] + p[2, 2] - p[0, 0] - 2 * p[1, 0] - p[2, 0]
                        v = p[2, 0] + 2 * p[2, 1] + p[2, 2] - p[0, 0] - 2 * p[0, 1] - p[0, 2]
                        saliency += math.hypot(u, v) ** 5
                        squares.append(seen[i, j] ** 2)
                above += saliency * sum(squares) / len(squares)
                below += saliency
    return above / below
