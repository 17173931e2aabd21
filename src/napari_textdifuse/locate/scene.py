"""Objects in scenes: persons, cars, bicycles and cyclists by a detector, lamps by a rule."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from .objects import link
from .regions import Floats, Mask, components, empty, otsu
from .scene_detector import MIN_SCORE, SceneObject, detect
from .scene_outline import Outliner
from .terms import Objects
from .views import RuleImage

#: Objects in smaller images cannot be recognised.
_LEAST_SIDE = 16
#: Largest lamp, as a share of the image.
LARGEST_LAMP = 0.02
#: Lamps reach this share of the brightness range; the middle of the image stays below that one.
PEAK, DARK = 0.93, 0.25
#: Where the sky's infrared ends, between the coldest and the middle of the image.
COLD_SKY = 0.35
#: A rider's middle is no further from the bicycle's than this share of its width; the rider's box
#: covers this share of it, and sticks out above it by this share of its height.
ASTRIDE, SITS_ON, ABOVE = 0.45, 0.25, 0.2


def persons(view: RuleImage) -> Objects:
    """Find persons, also on bicycles."""
    return _objects(view, "person")


def cars(view: RuleImage) -> Objects:
    """Find cars and vans."""
    return _objects(view, "car")


def bicycles(view: RuleImage) -> Objects:
    """Find bicycles and motorcycles, ridden or parked."""
    return _objects(view, "bicycle")


def cyclists(view: RuleImage) -> Objects:
    """Find persons on bicycles, together with the bicycle."""
    return _objects(view, "cyclist")


def _parts(found: list[SceneObject], label: str) -> list[tuple[SceneObject, ...]]:
    """Return the parts of each object of a kind: itself, or a rider and a bicycle."""
    good = [f for f in found if f.score >= MIN_SCORE[f.label]]
    if label != "cyclist":
        return [(f,) for f in good if f.label == label]
    pairs: list[tuple[SceneObject, ...]] = []
    free = [f for f in good if f.label == "person"]
    for bicycle in (f for f in good if f.label == "bicycle"):
        riders = [f for f in free if _rides(f.box, bicycle.box)]
        if riders:  # the best of them
            pairs.append((riders[0], bicycle))
            free.remove(riders[0])
    return pairs


def _rides(person: Floats, bicycle: Floats) -> bool:
    low, high = np.maximum(person[:2], bicycle[:2]), np.minimum(person[2:], bicycle[2:])
    shared = float(np.clip(high - low, 0, None).prod())
    wide, tall = bicycle[2] - bicycle[0], bicycle[3] - bicycle[1]
    off = abs(float(person[0] + person[2] - bicycle[0] - bicycle[2])) / 2
    return bool(
        shared >= SITS_ON * wide * tall
        and off <= ASTRIDE * wide
        and bicycle[1] - person[1] >= ABOVE * tall
    )


def _joined(parts: tuple[SceneObject, ...], label: str) -> SceneObject:
    """Return one object around all parts, with the lowest of their scores."""
    edges = np.array([part.box for part in parts])
    box = np.concatenate([edges[:, :2].min(axis=0), edges[:, 2:].max(axis=0)])
    return SceneObject(label, box, min(part.score for part in parts))


def _objects(view: RuleImage, label: str) -> Objects:
    """Find objects in every image of a view and its partner, and follow them through a stack."""
    visible, infrared = (view, view.partner) if view.modality == "VIS" else (view.partner, view)
    planes = view.array[None] if view.array.ndim == 2 else view.array
    labels = np.zeros(planes.shape, np.int32)
    rows: list[tuple[int, SceneObject, str]] = []
    for z, plane in enumerate(planes):
        if min(plane.shape) < _LEAST_SIDE:
            continue
        a, b = _plane(visible, z), _plane(infrared, z)
        groups = _parts(_found(view, z, a, b), label)
        if not groups:
            continue
        outliner = view.memo.setdefault(f"outliner {z}", None) or Outliner(a, b)
        view.memo[f"outliner {z}"] = outliner
        found = [_joined(parts, label) for parts in groups]
        outlines = [_outline(outliner, parts) for parts in groups]
        # what stands lower in the image is nearer and hides the rest
        for k in sorted(range(len(found)), key=lambda k: float(found[k].box[3])):
            labels[z][outlines[k][0]] = len(rows) + k + 1
        rows += [(z, f, how) for f, (_, how) in zip(found, outlines, strict=True)]
    seen = " and ".join(v.name for v in (infrared, visible) if v is not None)
    if view.array.ndim == 2:
        return _rows(labels[0], rows, seen, [[k] for k in range(len(rows))], False)
    boxes = np.array([f.box for _, f, _ in rows], np.float32).reshape(-1, 4)
    object_of = link(boxes, [z for z, _, _ in rows], [0] * len(rows))
    members = [
        np.flatnonzero(object_of == k).tolist() for k in range(int(object_of.max(initial=-1)) + 1)
    ]
    number = np.zeros(len(rows) + 1, np.int32)
    number[1:] = object_of + 1
    return _rows(number[labels], rows, seen, members, True)


def _outline(outliner: Outliner, parts: tuple[SceneObject, ...]) -> tuple[Mask, str]:
    """Return the outlines of all parts as one, and how they were found."""
    outlines = [outliner.outline(part.box, part.label) for part in parts]
    if len(outlines) == 1:
        return outlines[0]
    ways = " and ".join(
        f"{part.label}: {how}" for part, (_, how) in zip(parts, outlines, strict=True)
    )
    return np.logical_or.reduce([mask for mask, _ in outlines]), ways


def _rows(
    labels: npt.NDArray[np.int32],
    rows: list[tuple[int, SceneObject, str]],
    seen: str,
    groups: list[list[int]],
    stack: bool,
) -> Objects:
    boxes, scores, reasons = [], [], []
    counts = np.bincount(labels.ravel(), minlength=len(groups) + 1)
    for k, group in enumerate(groups, start=1):
        best = max((rows[i] for i in group), key=lambda row: row[1].score)
        edges = np.array([rows[i][1].box for i in group])
        low, high = edges[:, :2].min(0).tolist(), edges[:, 2:].max(0).tolist()
        z = [rows[i][0] for i in group]
        boxes.append([*low, min(z), *high, max(z) + 1] if stack else low + high)
        scores.append(best[1].score)
        reasons.append(
            f"detector's score {best[1].score:.2f} from {seen}; {int(counts[k])} pixels, {best[2]}"
        )
    width = 6 if stack else 4
    return Objects(
        labels, np.array(boxes, np.float32).reshape(-1, width), tuple(scores), tuple(reasons)
    )


def _found(
    view: RuleImage, z: int, visible: Floats | None, infrared: Floats | None
) -> list[SceneObject]:
    """Ask the detector once for all terms."""
    key = f"scene {z}"
    if key not in view.memo:
        view.memo[key] = detect(visible, infrared, min(MIN_SCORE.values()))
    found: list[SceneObject] = view.memo[key]
    return found


def _plane(view: RuleImage | None, z: int) -> Floats | None:
    if view is None:
        return None
    picture = view.array if view.colours is None else view.colours
    return picture[z] if view.array.ndim == 3 else picture


def lamp(view: RuleImage) -> Mask:
    """Find small patches at the top of a dark image's range that are not as cold as the sky."""
    array = view.array
    low, high = np.percentile(array, (1, 99.99))
    levels = otsu(np.clip(array, low, high), 3)
    if not levels or high <= low:
        return empty(array)
    bright = array > max(levels[-1], low + 0.75 * (high - low))
    if bright.mean() > 0.2 or np.median(array) > DARK * high:
        return empty(array)
    labels, count = components(bright)
    sizes = np.bincount(labels.ravel(), minlength=count + 1)
    keep = sizes <= LARGEST_LAMP * array.shape[-2] * array.shape[-1]
    peaks = np.atleast_1d(ndimage.maximum(array, labels, np.arange(count + 1)))
    keep &= peaks >= low + PEAK * (high - low)
    if view.partner is not None:
        warmth = view.partner.array
        cold, middle = np.percentile(warmth, (2, 60))
        means = np.atleast_1d(ndimage.mean(warmth, labels, np.arange(count + 1)))
        keep &= means > cold + COLD_SKY * (middle - cold)
    keep[0] = False
    return np.asarray(keep[labels])
