"""Detection as the judge: how many persons does a people detector find in each image.

OpenCV's built-in detector (histograms of oriented gradients, Dalal and Triggs 2005, with the linear
SVM that OpenCV ships) looks at the visible image, the infrared image, the fused image and the
fused image re-modulated for "person" (the lexicon's mask, which comes from the infrared). Larger
images are first brought to 640 pixels, and all are shown to the detector in grey at 1280. Nothing
is tuned: the detector's own settings, detections of a weight of at least 0.5, overlapping ones
counted once. There are no true boxes in such folders, so false alarms count too.

Needs OpenCV, which the package does not: ``pip install "opencv-python-headless<5"`` (OpenCV 5 has
moved the detector to its contributed modules).
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from _bench.pairs import SPLITS, as_bytes, load_pairs, selection

from napari_textdifuse import FusionPipeline, Volume
from napari_textdifuse.colour import rgb_to_ycbcr
from napari_textdifuse.errors import PromptError
from napari_textdifuse.locate.boxes import without_duplicates

WEIGHT = 0.5
#: Longer sides in pixels: of what is fused at most, of what the detector sees at least.
FUSED, SEEN = 640, 1280
KINDS = ("visible", "infrared", "fused", "re-modulated")
Bytes = npt.NDArray[np.uint8]


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--data", type=Path, required=True, help="folder of sets with VIS and IR")
    add("--sets", nargs="+", default=["LLVIP", "RoadScene"])
    add("--split", choices=SPLITS, default="all")
    add("--limit", type=int, help="so many pairs of each set, evenly spread")
    add("--weights", help="name or folder")
    add("--strength", type=float, default=1.0)
    add("--threads", type=int, default=os.cpu_count() or 1)
    add("--out", type=Path, help="Markdown file")
    options = parser.parse_args(arguments)

    import torch

    torch.set_num_threads(options.threads)
    detector = people_detector()
    pipeline = FusionPipeline.from_pretrained(options.weights)
    lines = [f"| set | pairs | {' | '.join(KINDS)} |", "| --- " * 6 + "|"]
    for set_name in options.sets:
        keep = selection(None, options.split)
        counts = [
            {kind: count(detector, picture) for kind, picture in pictures.items()}
            for pictures in (
                fuse(pipeline, smaller(pair.a), smaller(pair.b), options.strength)
                for pair in load_pairs(options.data, set_name, keep, options.limit)
            )
        ]
        sums = [sum(c[kind] for c in counts) for kind in KINDS]
        lines.append(f"| {set_name} | {len(counts)} | {' | '.join(map(str, sums))} |")
        print(lines[-1], flush=True)
    print("\n".join(lines))
    if options.out:
        options.out.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return 0


def people_detector() -> Any:
    """Return OpenCV's detector, or say how to get it."""
    try:
        import cv2

        detector = cv2.HOGDescriptor()
        detector.setSVMDetector(cv2.HOGDescriptor_getDefaultPeopleDetector())
    except (ImportError, AttributeError):
        sys.exit('people.py needs OpenCV 4: pip install "opencv-python-headless<5"')
    return detector


def fuse(
    pipeline: FusionPipeline, visible: Bytes, infrared: Bytes, strength: float
) -> dict[str, Bytes]:
    """Return the four images in grey."""
    session = pipeline.session(
        Volume(visible, rgb=visible.ndim == 3, modality="VIS"),
        Volume(grey(infrared), modality="IR"),
    )
    plain = session.fuse()
    try:
        prompted = session.fuse("person", strength=strength)
    except PromptError:
        prompted = plain
    results = (visible, infrared, as_bytes(plain.fused), as_bytes(prompted.fused))
    return dict(zip(KINDS, map(grey, results), strict=True))


def smaller(picture: Bytes) -> Bytes:
    """Bring a large image to `FUSED` pixels."""
    import cv2

    factor = FUSED / max(picture.shape[:2])
    if factor >= 1:
        return picture
    return np.asarray(cv2.resize(picture, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA))


def grey(picture: Bytes) -> Bytes:
    """Return BT.601 brightness."""
    if picture.ndim == 2:
        return picture
    return as_bytes(rgb_to_ycbcr(picture[..., :3].astype(np.float32) / 255)[0])


def count(detector: Any, picture: Bytes) -> int:
    """Count the persons that the detector finds."""
    import cv2

    factor = max(1.0, SEEN / max(picture.shape))
    large = cv2.resize(picture, None, fx=factor, fy=factor, interpolation=cv2.INTER_LINEAR)
    found, weights = detector.detectMultiScale(large, hitThreshold=0, winStride=(8, 8), scale=1.05)
    if not len(found):
        return 0
    weights = np.ravel(weights)
    good = weights >= WEIGHT
    x, y, width, height = np.asarray(found, np.float32)[good].T
    boxes = np.stack([x, y, x + width, y + height], axis=1)
    return len(without_duplicates(boxes, weights[good], 0.5))


if __name__ == "__main__":
    raise SystemExit(main())
