"""Find persons, cars and bicycles with the embedded detector, in infrared and visible together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from .boxes import Indices, without_duplicates

if TYPE_CHECKING:
    from ..models.detector import DetectorNetwork

Floats = npt.NDArray[np.float32]

#: The classes of the detector, in the order of its outputs.
CLASSES = ("person", "car", "bicycle")
#: Score thresholds, chosen on frames of MSRS.
MIN_SCORE = {"person": 0.4, "car": 0.48, "bicycle": 0.4}
#: Longer side of the network's input in pixels, and the multiple of its sides.
SIDE, STEP = 640, 32
#: Boxes of one class that overlap more (intersection over union) are one object.
OVERLAP = 0.55
#: Of two cars, the worse is a part of the other where more than this of the smaller box is shared.
PART = 0.7


def to_detector_range(picture: npt.NDArray[Any], infrared: bool = False) -> Floats:
    """Stretch an image to 0 to 255 as the detector was trained with.

    Parameters
    ----------
    picture : ndarray, shape (Y, X) or (Y, X, C)
        Any range.
    infrared : bool
        Infrared images are mostly dark with few hot spots: their middle is lifted.

    Returns
    -------
    ndarray of float32
        Of the same shape.
    """
    values = np.nan_to_num(np.asarray(picture, np.float32))
    low, high = np.percentile(values, (0.5, 99.8))
    scaled = np.clip((values - low) / max(float(high - low), 1e-12), 0, 1)
    return np.asarray(255 * (scaled**0.7 if infrared else scaled), np.float32)


@dataclass(frozen=True, eq=False)
class SceneObject:
    """One object.

    Parameters
    ----------
    label : str
        One of `CLASSES`.
    box : ndarray of float32, shape (4,)
        Edges ``(x0, y0, x1, y1)`` in pixels.
    score : float
        In [0, 1].
    """

    label: str
    box: Floats
    score: float


def detect(
    visible: npt.NDArray[Any] | None,
    infrared: npt.NDArray[Any] | None,
    threshold: float,
    network: DetectorNetwork | None = None,
) -> list[SceneObject]:
    """Find objects in a pair of images, or in one.

    Parameters
    ----------
    visible : ndarray, shape (Y, X) or (Y, X, 3), or None
    infrared : ndarray, shape (Y, X), or None
        On the same grid. Any range; warm is bright.
    threshold : float
        Smallest score.
    network : DetectorNetwork, optional
        The embedded one by default.

    Returns
    -------
    list of SceneObject
        By falling score. Equal inputs give equal results.
    """
    import torch
    import torch.nn.functional as F

    from ..models.detector import decoded

    if network is None:
        from ..weights.detector import load_detector

        network = load_detector()
    shape = next(p.shape[:2] for p in (visible, infrared) if p is not None)
    scale = SIDE / max(shape)
    size = [max(STEP, round(n * scale / STEP) * STEP) for n in shape]

    def fitted(picture: npt.NDArray[Any] | None, warm: bool) -> torch.Tensor | None:
        if picture is None:
            return None
        values = to_detector_range(picture, infrared=warm)
        colours = values[..., ::-1] if values.ndim == 3 else np.repeat(values[..., None], 3, -1)
        tensor = torch.from_numpy(np.ascontiguousarray(colours.transpose(2, 0, 1)))[None]
        return F.interpolate(tensor, size=size, mode="bilinear", antialias=True)

    with torch.inference_mode():
        outcomes = network(fitted(visible, False), fitted(infrared, True))
        tensors = decoded(outcomes, network.classes)
    boxes, scores = (t[0].numpy() for t in tensors)
    factor = np.array([shape[1] / size[1], shape[0] / size[0]] * 2, np.float32)
    edges = np.array([shape[1], shape[0]] * 2, np.float32)
    boxes = np.clip(boxes * factor, 0, edges)
    found = []
    for index, label in enumerate(CLASSES):
        good = scores[:, index] >= threshold
        kept = without_duplicates(boxes[good], scores[good, index], OVERLAP)
        if (
            label == "car"
        ):  # a child may stand in front of an adult, but a part of a car is not a car
            kept = _without_parts(boxes[good], kept)
        found += [SceneObject(label, boxes[good][k], float(scores[good, index][k])) for k in kept]
    return sorted(found, key=lambda f: -f.score)


def _without_parts(boxes: Floats, order: Indices) -> Indices:
    """Drop boxes that mostly lie in a better one, or that a better one mostly lies in."""
    kept: list[int] = []
    for k in order:
        low = np.maximum(boxes[k, :2], boxes[kept, :2])
        high = np.minimum(boxes[k, 2:], boxes[kept, 2:])
        shared = np.clip(high - low, 0, None).prod(axis=1)
        sizes = (boxes[[k, *kept], 2:] - boxes[[k, *kept], :2]).prod(axis=1)
        if (shared <= PART * np.minimum(sizes[0], sizes[1:])).all():
            kept.append(int(k))
    return np.array(kept, np.intp)
