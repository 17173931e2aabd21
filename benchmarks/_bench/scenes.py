"""Images of scenes with the boxes of what is in them, real and made up."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy import ndimage

from napari_textdifuse.locate.scene_detector import CLASSES, to_detector_range
from napari_textdifuse.training.split import is_held_out

#: Boxes made by looking at the images, see its "about".
LABELS = Path(__file__).parents[1] / "scenes_boxes.json"
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Picture:
    """A pair of images in 0 to 255, shape (Y, X, 3), visible with blue first.

    `boxes` are pairs of a class's index and its edges XYXY; in `ignored` nothing is judged.
    """

    visible: npt.NDArray[Any]
    infrared: npt.NDArray[Any]
    boxes: list[tuple[int, Floats]]
    ignored: list[Floats]
    weight: float = 1.0


def held_out(name: str) -> bool:
    """Return whether ``SET/stem`` is held out and measured."""
    return is_held_out(*name.split("/"))


def files(data: Path, name: str) -> tuple[Path, Path]:
    """Return the visible and the infrared file of ``SET/stem``."""
    folder, stem = name.split("/")
    a, b = (next((data / folder / kind).glob(f"{stem}.*")) for kind in ("VIS", "IR"))
    return a, b


def load_picture(data: Path, name: str, entry: dict[str, Any]) -> Picture:
    """Load a pair as the detector sees it, with its boxes."""
    visible, infrared = (np.asarray(Image.open(f).convert("RGB")) for f in files(data, name))
    boxes = [(CLASSES.index(b["label"]), np.array(b["xyxy"], np.float32)) for b in entry["boxes"]]
    ignored = [np.array(b, np.float32) for b in entry["ignored"]]
    weight = 1.0 if entry["by"] == "eye" else 0.5
    return Picture(
        to_detector_range(visible)[..., ::-1].astype(np.uint8),
        to_detector_range(infrared, infrared=True).astype(np.uint8),
        boxes,
        ignored,
        weight,
    )


def made_up(rng: np.random.Generator) -> Picture:
    """Draw a scene: warm upright shapes are persons, wide ones with a darker cabin are cars.

    Posts, signs, bushes and lamps are there too and are nothing.
    """
    rows, columns = 480, 640
    y, x = np.indices((rows, columns), np.float32)
    horizon = rng.uniform(0.3, 0.5) * rows
    texture = ndimage.gaussian_filter(rng.normal(0, 1, (rows, columns)), rng.uniform(1, 8))
    texture *= rng.uniform(0, 12) / max(texture.std(), 1e-6)
    sky, ground = rng.uniform(0, 60), rng.uniform(30, 90)
    warmth = np.where(y < horizon, sky, ground + rng.uniform(-0.1, 0.1) * (y - horizon)) + texture
    light = np.where(y < horizon, rng.uniform(0, 220), rng.uniform(10, 120)) + 2 * texture
    colour = np.repeat(light[..., None], 3, -1) + rng.uniform(-20, 20, 3)
    for _ in range(rng.integers(0, 4)):  # buildings
        left, wide = rng.uniform(0, columns), rng.uniform(40, 250)
        part = (x > left) & (x < left + wide) & (y > rng.uniform(0, horizon)) & (y < horizon + 20)
        warmth[part] += rng.uniform(-15, 35)
        colour[part] += rng.uniform(-60, 60)
    for _ in range(rng.integers(0, 5)):  # posts, signs, bushes, lamps: not what is looked for
        cx, foot, tall = rng.uniform(0, columns), rng.uniform(horizon, rows), rng.uniform(40, 260)
        kind = rng.integers(4)
        if kind == 0:
            part = (abs(x - cx) < tall / rng.uniform(16, 40)) & (y < foot) & (y > foot - tall)
        elif kind == 1:
            pole = (abs(x - cx) < 3) & (y < foot) & (y > foot - tall)
            part = pole | (np.hypot(x - cx, y - foot + tall) < tall / rng.uniform(6, 10))
        elif kind == 2:
            leaves = ndimage.gaussian_filter(rng.normal(0, 1, x.shape), rng.uniform(1.5, 8))
            leaves *= rng.uniform(0, 0.8) / leaves.std()
            flat = rng.uniform(0.15, 0.4) * tall
            part = ((x - cx) / tall / rng.uniform(0.2, 0.8)) ** 2 + ((y - foot + flat) / flat) ** 2
            part = part < 1 + leaves
            warmth = np.where(part, warmth + rng.uniform(0, 12) * leaves, warmth)
            colour = np.where(
                part[..., None], colour + rng.uniform(0, 60) * leaves[..., None], colour
            )
        else:
            part = np.hypot(x - cx, y - foot + tall) < rng.uniform(3, 9)
        warmth[part] += rng.uniform(-25, 30) if kind != 3 else rng.uniform(50, 190)
        colour[part] += rng.uniform(-90, 130, 3) if kind != 3 else 200
    boxes: list[tuple[int, Floats]] = []
    dark = rng.random() < 0.5
    for _ in range(rng.integers(0, 6)):
        person = rng.random() < 0.6
        tall = rng.uniform(45, 200) if person else rng.uniform(35, 130)
        wide = tall * (rng.uniform(0.28, 0.48) if person else rng.uniform(1.15, 2.2))
        cx, foot = rng.uniform(0, columns), rng.uniform(max(horizon + 10, tall), rows)
        box = np.array([cx - wide / 2, foot - tall, cx + wide / 2, foot], np.float32)
        if any(_cover(box, other) > 0.2 for _, other in boxes):
            continue
        u, v = (x - cx) / wide * 2, (foot - y) / tall  # -1 to 1 across, 0 to 1 upwards
        part = _person(u, v, rng) if person else _car(u, v, rng)
        hot = rng.uniform(45, 170)
        uneven = 1 + rng.uniform(0, 0.25) * np.sin(rng.uniform(2, 9) * v + rng.uniform(0, 6))
        warmth = np.where(part, ground + hot * uneven, warmth)
        if not person:
            cabin = part & (v > 0.55) & (v < 0.9) & (abs(u) < 0.7)
            warmth[cabin] -= hot * rng.uniform(0, 0.8)
        change = rng.uniform(-50, 10, 3) if dark else rng.uniform(-120, 120, 3)
        colour = np.where(part[..., None], colour + change, colour)
        boxes.append((0 if person else 1, box))
    blur = rng.uniform(0.4, 1.6)
    warmth = ndimage.gaussian_filter(warmth, blur) + rng.normal(
        0, rng.uniform(0.5, 7), warmth.shape
    )
    if rng.random() < 0.15:  # a visible image that says nothing
        colour = rng.uniform(0, 255, (rows, columns, 3))
    elif dark:
        colour = colour * rng.uniform(0.05, 0.5)
    colour = ndimage.gaussian_filter(colour, (blur, blur, 0))
    colour = colour + rng.normal(0, rng.uniform(0.5, 7), colour.shape)
    visible = to_detector_range(np.clip(colour, 0, 255).astype(np.uint8))
    infrared = to_detector_range(np.clip(warmth, 0, 255).astype(np.uint8), infrared=True)
    infrared = np.repeat(infrared[..., None], 3, -1)
    clipped = [(k, np.clip(b, 0, [columns, rows, columns, rows])) for k, b in boxes]
    return Picture(visible.astype(np.uint8), infrared.astype(np.uint8), clipped, [])


def _person(u: Floats, v: Floats, rng: np.random.Generator) -> npt.NDArray[np.bool_]:
    kind = rng.random()
    if kind < 0.2:
        return (abs(u) < 1) & (v > 0) & (v < 1)
    if kind < 0.4:
        return np.asarray(u**2 + ((v - 0.5) * 2) ** 2 < 1)
    head = ((u - rng.uniform(-0.2, 0.2)) / 0.42) ** 2 + ((v - 0.91) / 0.09) ** 2 < 1
    body = (abs(u) < rng.uniform(0.65, 1)) & (v > 0.42) & (v < 0.84)
    gap = rng.uniform(0.0, 0.3)
    legs = (abs(u) > gap * (1 - v / 0.45)) & (abs(u) < 0.55 + 0.4 * (0.45 - v))
    legs &= (v >= 0) & (v < 0.45)
    return np.asarray(head | body | legs)


def _car(u: Floats, v: Floats, rng: np.random.Generator) -> npt.NDArray[np.bool_]:
    kind = rng.random()
    if kind < 0.15:
        return (abs(u) < 1) & (v > 0) & (v < 1)
    if kind < 0.3:
        return np.asarray(abs(u) ** 4 + abs((v - 0.5) * 2) ** 4 < 1)
    body = (abs(u) < 1) & (v > 0.12) & (v < 0.6)
    top = (abs(u) < rng.uniform(0.7, 0.95) - 0.3 * (v - 0.6)) & (v >= 0.6) & (v < 1)
    wheels = (abs(abs(u) - rng.uniform(0.6, 0.85)) < 0.13) & (v >= 0) & (v <= 0.2)
    return np.asarray(body | top | wheels)


def _cover(a: Floats, b: Floats) -> float:
    size = np.clip(np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2]), 0, None)
    return float(size.prod() / min((a[2:] - a[:2]).prod(), (b[2:] - b[:2]).prod()))
