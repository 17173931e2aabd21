"""Flat figures of the street, drawn in metres: walking persons and a car seen from the front.

A figure is a height map over its own plane (x to the right, y up from the ground): how far the
surface bulges towards the camera. Slopes of the bulge give it light and shade.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Figure:
    """What is drawn at one depth.

    Parameters
    ----------
    inside : ndarray of bool, shape (Y, X)
    bulge : ndarray, shape (Y, X)
        Metres towards the camera.
    albedo : ndarray, shape (Y, X, 3)
        Reflectance, linear RGB.
    glow : ndarray, shape (Y, X)
        Light it gives off itself, relative units.
    heat : ndarray, shape (Y, X)
        Infrared brightness, 0 (cold sky) to 1.
    """

    inside: npt.NDArray[np.bool_]
    bulge: Floats
    albedo: Floats
    glow: Floats
    heat: Floats


@dataclass(frozen=True)
class Pose:
    """Where and how a person walks."""

    x: float
    z: float
    height: float
    stride: float  # 0 standing, 1 a long step
    facing: int  # 1 to the right, -1 to the left
    coat: tuple[float, float, float]
    trousers: tuple[float, float, float]


def person(x: Floats, y: Floats, pose: Pose, grain: Floats) -> Figure:
    """Draw a walking person; `x`, `y` in metres from the feet, `grain` noise of their shape."""
    u, v = x * pose.facing / pose.height * 1.75, y / pose.height * 1.75
    s = pose.stride
    limbs: dict[str, list[tuple[Sequence[float], Sequence[float], float, float]]] = {
        "skin": [
            ((0.035, 1.63), (0.05, 1.66), 0.088, 0.098),
            ((0.02, 1.48), (0.03, 1.56), 0.055, 0.055),
            ((0.16 * s + 0.05, 0.88), (0.18 * s + 0.06, 0.83), 0.04, 0.035),
            ((-0.20 * s, 0.86), (-0.21 * s, 0.81), 0.04, 0.035),
        ],
        "hair": [((0.0, 1.70), (0.03, 1.72), 0.085, 0.075)],
        "coat": [
            ((0.0, 0.92), (0.015, 1.38), 0.165, 0.175),
            ((-0.05, 1.40), (0.08, 1.40), 0.10, 0.10),
            ((0.03, 1.38), (0.05 + 0.05 * s, 1.13), 0.070, 0.060),
            ((0.05 + 0.05 * s, 1.13), (0.05 + 0.16 * s, 0.90), 0.058, 0.045),
            ((-0.02, 1.38), (-0.16 * s - 0.04, 1.12), 0.070, 0.060),
            ((-0.16 * s - 0.04, 1.12), (-0.20 * s, 0.88), 0.058, 0.045),
        ],
        "trousers": [
            ((0.02, 0.90), (0.15 * s + 0.03, 0.50), 0.105, 0.072),
            ((0.15 * s + 0.03, 0.50), (0.27 * s + 0.04, 0.10), 0.068, 0.048),
            ((-0.02, 0.90), (-0.09 * s - 0.03, 0.50), 0.105, 0.072),
            ((-0.09 * s - 0.03, 0.50), (-0.33 * s - 0.04, 0.14 + 0.05 * s), 0.066, 0.046),
        ],
        "shoes": [
            ((0.27 * s + 0.03, 0.05), (0.27 * s + 0.17, 0.04), 0.05, 0.038),
            ((-0.33 * s - 0.06, 0.07 + 0.05 * s), (-0.33 * s + 0.05, 0.03), 0.05, 0.036),
        ],
    }
    colours = {
        "skin": (0.50, 0.33, 0.25), "hair": (0.05, 0.04, 0.03), "coat": pose.coat,
        "trousers": pose.trousers, "shoes": (0.05, 0.05, 0.05),
    }  # fmt: skip
    warmth = {"skin": 0.97, "hair": 0.78, "coat": 0.76, "trousers": 0.74, "shoes": 0.60}
    bulge = np.zeros_like(u)
    albedo = np.zeros((*u.shape, 3))
    heat = np.zeros_like(u)
    for name in ("trousers", "shoes", "coat", "skin", "hair"):
        own = np.zeros_like(u)
        for start, end, r0, r1 in limbs[name]:
            own = np.maximum(own, _capsule(u, v, start, end, r0, r1))
        on_top = (own > 0) & ((own > 0.6 * bulge) | (name in ("skin", "hair", "coat")))
        albedo[on_top] = np.array(colours[name])
        folds = 0.10 * grain if name in ("coat", "trousers") else 0.03 * grain
        heat[on_top] = (warmth[name] + folds)[on_top]
        bulge = np.where(on_top, np.maximum(own, bulge), bulge)
    albedo *= np.clip(1 + 0.25 * grain, 0.3, 1.7)[..., None]
    inside = bulge > 0
    # cloth is cooler where it hangs off the body, at its edges
    heat *= 0.86 + 0.14 * np.clip(bulge / 0.12, 0, 1)
    return Figure(inside, bulge, albedo, np.zeros_like(u), heat)


def car(x: Floats, y: Floats, grain: Floats) -> Figure:
    """Draw a saloon from the front, 1.8 m wide; `x` from its middle, `y` from the ground."""
    a = np.abs(x)
    body = (a < 0.89 - 0.10 * np.clip((y - 0.62) / 0.34, 0, 1) ** 2) & (y > 0.24) & (y < 0.98)
    body &= ~((a > 0.78) & (y < 0.30))
    half = 0.76 - 0.26 * np.clip((y - 0.95) / 0.46, 0, 1) ** 1.3  # the cabin narrows upwards
    cabin = (a < half) & (y >= 0.95) & (y < 1.44 - 0.10 * (a / 0.55) ** 4)
    wheels = (a > 0.60) & (a < 0.83) & (y > 0.0) & (y < 0.34)
    mirrors = (np.hypot((a - 0.90) / 0.11, (y - 1.0) / 0.07) < 1) & (a > 0.70)
    inside = body | cabin | wheels | mirrors
    glass = cabin & (a < half - 0.07) & (y > 1.0) & (y < 1.34)
    bonnet = body & (y > 0.72)
    grille = (a < 0.42) & (y > 0.50) & (y < 0.68)
    intake = (a < 0.55) & (y > 0.28) & (y < 0.40)
    lamps = np.hypot((a - 0.66) / 0.15, (y - 0.63 - 0.10 * (a - 0.66)) / 0.075) < 1
    plate = (a < 0.26) & (y > 0.42) & (y < 0.50)

    albedo = np.full((*x.shape, 3), (0.10, 0.12, 0.17))
    albedo[bonnet] = (0.13, 0.155, 0.21)
    albedo[cabin] = (0.11, 0.13, 0.18)
    albedo[glass] = (0.03, 0.035, 0.04)
    albedo[wheels & ~body] = (0.025, 0.025, 0.025)
    albedo[(grille & (np.mod(y, 0.045) < 0.03)) | intake] = (0.02, 0.02, 0.02)
    albedo[lamps] = (0.7, 0.7, 0.65)
    albedo[plate] = (0.55, 0.55, 0.50)
    glow = np.where(lamps, 1.0, 0.0)

    heat = np.full(x.shape, 0.50)
    heat[bonnet] = (0.66 + 0.10 * np.exp(-((x / 0.45) ** 2)))[bonnet]  # the engine below it
    heat[cabin] = 0.53
    heat[glass] = (0.36 + 0.06 * (y - 1.0))[glass]
    heat[grille] = (0.86 + 0.05 * np.sign(np.sin(y * 140)))[grille]
    heat[intake] = 0.80
    heat[wheels] = (0.72 + 0.16 * (y < 0.08))[wheels]
    heat[lamps] = 0.93
    heat[plate] = 0.48
    heat += 0.02 * grain

    bulge = 0.25 * np.sqrt(np.clip(1 - (a / 0.95) ** 2, 0, 1))
    bulge = bulge + np.where(y < 0.72, 0.30, np.clip(0.30 - 0.9 * (y - 0.72), -0.3, 0.3))
    return Figure(inside, bulge, albedo, glow, heat)


def _capsule(
    x: Floats, y: Floats, start: Sequence[float], end: Sequence[float], r0: float, r1: float
) -> Floats:
    """Thickness of a rounded, tapering limb; 0 outside."""
    dx, dy = end[0] - start[0], end[1] - start[1]
    along = np.clip(((x - start[0]) * dx + (y - start[1]) * dy) / (dx * dx + dy * dy), 0, 1)
    distance = np.hypot(x - start[0] - along * dx, y - start[1] - along * dy)
    radius = r0 + along * (r1 - r0)
    return np.sqrt(np.clip(radius**2 - distance**2, 0, None))
