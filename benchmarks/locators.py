"""How long does a user wait for a mask: the first prompt, another prompt, a box, another box.

On the street sample (two images), in a fresh locator each time; a Markdown table. With
``--random`` the networks have the published sizes and random weights: the masks mean nothing, the
times are those of the real ones. Without it the weights must be on this machine. What the fusion
adds is in `latency.py`.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from _bench.random_models import DETECTORS, SAM2, SEGMENTERS, TODAY, save_detector, save_segmenter

from napari_textdifuse import Volume
from napari_textdifuse.locate import get_locator
from napari_textdifuse.locate.drawn import Drawing, Refiner, get_refiner, refine
from napari_textdifuse.locate.drawn.sam import SamRefiner
from napari_textdifuse.samples import load_sample

PROMPTS = "person", "car"
#: Around a person and around the car, XYXY in pixels.
BOXES = [[115, 162, 159, 252]], [[275, 176, 355, 233]]
#: Objects per prompt and image; random weights score everything alike.
TOP_K = 3


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--detectors", nargs="*", default=list(DETECTORS), help="names or folders")
    add("--segmenter", default="sam-vit-base", help="name, folder or checkpoint")
    add("--random", action="store_true", help="networks of these names with random weights")
    add("--threads", type=int, default=os.cpu_count() or 1)
    add("--device", default="auto")
    add("--out", type=Path, help="Markdown file")
    options = parser.parse_args(arguments)

    import torch

    torch.set_num_threads(options.threads)
    if options.random:
        unknown = {*options.detectors, options.segmenter} - {*DETECTORS, *TODAY, *SEGMENTERS, *SAM2}
        if unknown:
            parser.error(f"--random knows {', '.join([*DETECTORS, *TODAY, *SEGMENTERS, *SAM2])}")
    images = load_sample("street")
    with tempfile.TemporaryDirectory() as folder:
        lines = measure(images, options, Path(folder))
    kind = "random weights" if options.random else "weights of this machine"
    size = " x ".join(map(str, images[0].shape))
    head = f"Two images of {size}, {options.threads} threads, device {options.device}, {kind}."
    text = "\n".join([head, "", "| what | load, s | first, s | another, s |", "| --- " * 4 + "|"])
    text = "\n".join([text, *lines])
    print(text)
    if options.out:
        options.out.write_text(text + "\n", encoding="utf-8")
    return 0


def measure(images: tuple[Volume, Volume], options: argparse.Namespace, folder: Path) -> list[str]:
    """Return the rows of the table."""
    segmenter: Any = options.segmenter
    if options.random:
        segmenter = save_segmenter(segmenter, folder)
    lexicon = get_locator("lexicon")
    rows = [_row("lexicon", None, lambda n: lexicon.locate(images, PROMPTS[n]))]
    for name in options.detectors:
        locator: Any = get_locator(
            "free-text",
            detector=save_detector(name, folder) if options.random else name,
            segmenter=segmenter,
            threshold=0.0 if options.random else 0.1,
            top_k=TOP_K,
            device=options.device,
        )
        rows.append(
            _row(
                Path(name).name
                if name == "sam3"
                else f"{Path(name).name}, {Path(options.segmenter).name}",
                locator.load,
                lambda n, locator=locator: locator.locate(images, PROMPTS[n]),
            )
        )
    rows.append(_boxed("box, classical", images, get_refiner("classical"), None))
    sam = SamRefiner(segmenter, device=options.device)
    rows.append(_boxed(f"box, {Path(options.segmenter).name}", images, sam, sam.load))
    return rows


def _boxed(
    name: str,
    images: tuple[Volume, Volume],
    refiner: Refiner | None,
    load: Callable[[], object] | None,
) -> str:
    return _row(name, load, lambda n: refine(*images, Drawing(boxes=BOXES[n]), refiner))


def _row(name: str, load: Callable[[], object] | None, work: Callable[[int], object]) -> str:
    seconds = [_seconds(load) if load is not None else 0.0]
    seconds += [_seconds(lambda n=n: work(n)) for n in (0, 1)]
    line = f"| {name} | {' | '.join(f'{s:.2f}' for s in seconds)} |"
    print(line, flush=True)
    return line


def _seconds(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


if __name__ == "__main__":
    raise SystemExit(main())
