"""How many persons and cars are found in infrared and visible images, and how many are none.

    python benchmarks/scenes.py --data DIR --out benchmarks/results/scenes.md

asks the lexicon for "person, car" and compares the boxes of its answer with those of
``scenes_boxes.json``, or of ``--boxes FILE``: ``{stem: [{"label", "xyxy"}, ...]}`` for one set.
A box is right where its intersection over union with a true one, taken at most once, is at least
0.5. What lies mostly in an ignored place (too small, or not recognisable) is not counted.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from _bench.scenes import LABELS, files, held_out

from napari_textdifuse import Volume, read
from napari_textdifuse.errors import PromptError
from napari_textdifuse.locate import LexiconLocator
from napari_textdifuse.locate.boxes import iou

TERMS = ("person", "car")
RIGHT = 0.5
Boxes = npt.NDArray[np.float32]


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--data", type=Path, required=True, help="folder of sets with VIS and IR")
    add("--sets", nargs="+", default=["MSRS", "RoadScene", "LLVIP"])
    add("--split", choices=("held-out", "train", "all"), default="held-out")
    add("--boxes", type=Path, help="other true boxes, of the first of --sets")
    add("--picture", choices=("both", "IR", "VIS"), default="both")
    add("--threads", type=int, default=1)
    add("--out", type=Path, help="Markdown file")
    options = parser.parse_args(arguments)

    import torch

    torch.set_num_threads(options.threads)
    entries = true_boxes(options)
    head = ("set", "pairs", "term", "true", "precision", "recall", "F1", "s a pair")
    lines = [f"| {' | '.join(head)} |", "| --- " * len(head) + "|"]
    for folder in options.sets:
        chosen = {n: e for n, e in entries.items() if n.split("/")[0] == folder}
        if not chosen:
            continue
        counts = {term: np.zeros(3, int) for term in TERMS}
        seconds = []
        for name, entry in chosen.items():
            images = pair(options.data, name, options.picture)
            started = time.perf_counter()
            found = locate(images)
            seconds.append(time.perf_counter() - started)
            for term in TERMS:
                counts[term] += compared(found[term], entry, term)
        for term, (right, wrong, missed) in counts.items():
            precision, recall = right / max(right + wrong, 1), right / max(right + missed, 1)
            f1 = 2 * right / max(2 * right + wrong + missed, 1)
            lines.append(
                f"| {folder} | {len(chosen)} | {term} | {right + missed} | {precision:.2f} | "
                f"{recall:.2f} | {f1:.2f} | {np.median(seconds):.2f} |"
            )
            print(lines[-1], flush=True)
    if options.out:
        options.out.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return 0


def true_boxes(options: argparse.Namespace) -> dict[str, dict[str, Any]]:
    """Return the boxes by ``SET/stem``."""
    if options.boxes:
        content = json.loads(options.boxes.read_text("utf-8"))
        return {
            f"{options.sets[0]}/{stem}": {"boxes": boxes, "ignored": []}
            for stem, boxes in content.items()
        }
    entries = json.loads(LABELS.read_text("utf-8"))
    keep = {"held-out": (True,), "train": (False,), "all": (True, False)}[options.split]
    return {n: e for n, e in entries.items() if held_out(n) in keep}


def pair(data: Path, name: str, which: str) -> list[Volume]:
    """Read a pair, or one image of it."""
    visible, infrared = files(data, name)
    images = []
    if which != "IR":
        a = read(visible)
        images.append(Volume(a.array, rgb=a.rgb, modality="VIS"))
    if which != "VIS":
        b = read(infrared).array
        images.append(Volume(b[..., 0] if b.ndim == 3 else b, modality="IR"))
    return images


def locate(images: list[Volume]) -> dict[str, Boxes]:
    """Return the boxes of each term."""
    try:
        detections = LexiconLocator().locate(images, ", ".join(TERMS)).detections
    except PromptError:  # an image that the terms are not looked for in
        return {term: np.zeros((0, 4), np.float32) for term in TERMS}
    labels = np.array(detections.labels)
    return {term: detections.boxes[labels == term] for term in TERMS}


def compared(found: Boxes, entry: dict[str, Any], term: str) -> npt.NDArray[np.int_]:
    """Return how many are right, wrong and missed; `found` best first."""
    true = [b["xyxy"] for b in entry["boxes"] if b["label"] == term]
    left = np.array(true, np.float32).reshape(-1, 4)
    right = wrong = 0
    for box in found:
        shared = iou(box[None], left)[0]
        if len(left) and shared.max() >= RIGHT:
            left = np.delete(left, int(shared.argmax()), axis=0)
            right += 1
        elif not any(_share(box, np.array(other)) > 0.5 for other in entry["ignored"]):
            wrong += 1
    return np.array([right, wrong, len(left)])


def _share(box: Boxes, other: Boxes) -> float:
    size = np.clip(np.minimum(box[2:], other[2:]) - np.maximum(box[:2], other[:2]), 0, None)
    return float(size.prod() / max((box[2:] - box[:2]).prod(), 1e-6))


if __name__ == "__main__":
    raise SystemExit(main())
