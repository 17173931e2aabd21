"""`FusionPipeline`: images and a prompt in, a `FusionResult` out."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..colour import ycbcr_to_rgb
from ..diffusion import SAMPLERS, Schedule
from ..errors import InputError
from ..locate import Detections, Locator, get_locator
from ..weights import ReleasedFolder, WeightsFolder, open_folder
from .backend import open_backend
from .chrominance import ChromaEngine, decide, guide
from .device import choose_device
from .engine import SliceEngine
from .inputs import as_volume
from .masks import locate_objects
from .prepare import prepare
from .record import describe_input, start_record
from .result import FusionResult
from .stack import Callback, Tally, chroma_cost, fuse_slices, luma_cost, restore_slices


class FusionPipeline:
    """Text-DiFuse fusion with loaded weights; make it with `from_pretrained`.

    Holds no state between calls: the order of images never changes a result.

    Parameters
    ----------
    weights : WeightsFolder or ReleasedFolder
        From `weights.open_folder`.
    device : str
        See `from_pretrained`.
    """

    def __init__(self, weights: WeightsFolder | ReleasedFolder, device: str = "auto") -> None:
        self.device = choose_device(device)
        self.backend = open_backend(weights, self.device)
        self.weights = weights
        self.schedule = Schedule(weights.config.get("schedule", "cosine"))

    @classmethod
    def from_pretrained(
        cls, weights: str | os.PathLike[str] | None = None, device: str = "auto"
    ) -> FusionPipeline:
        """Load weights; nothing is ever downloaded.

        Parameters
        ----------
        weights : str or PathLike, optional
            Name of embedded weights, a weights folder, or a folder with the authors' released
            checkpoints (``diffusion_stage1.pth``, ``diffusion_stage2.pth``, ``FCM-VIS-IR.pt``
            and/or ``FCM-Medi.pt``); default: the embedded ``"light"``.
        device : {"auto", "cpu", "cuda", "mps"}

        Raises
        ------
        WeightsError
            If the weights are missing, damaged or of another architecture.
        InputError
            If the device is not there.
        """
        return cls(open_folder(weights), device)

    def __call__(
        self,
        a: Any,
        b: Any,
        prompt: str | None = None,
        mask: Any = None,
        boxes: Any = None,
        steps: int | None = None,
        seed: int = 0,
        callback: Callback | None = None,
        *,
        strength: float | Mapping[int, float] = 1.0,
        samples: int = 1,
        sampler: str | None = None,
        chroma: str = "auto",
        locator: str | Locator = "lexicon",
        quality: str | None = None,
    ) -> FusionResult:
        """Fuse two images; see `fuse` for the parameters."""
        started = time.perf_counter()
        steps = _steps(self.backend.qualities, quality, steps)
        _check_options(steps, self.backend.fewest_steps, seed, strength, samples, sampler)
        sampler = self.backend.default_sampler if sampler is None else sampler
        volume_a, volume_b = as_volume(a, "image A"), as_volume(b, "image B")
        finder = get_locator(locator) if isinstance(locator, str) else locator
        ready = prepare(volume_a, volume_b)
        location = locate_objects(ready.a, ready.b, prompt, mask, boxes, finder)
        labels = None if location is None else location.mask

        chosen = self.backend.assign(ready)
        engine = SliceEngine(
            self.backend, chosen.network, self.schedule, self.device, steps, sampler
        )
        colours = decide(ready, chroma, self.backend.chroma is not None)
        restorer = None
        if colours.restore and self.backend.chroma is not None:
            restorer = ChromaEngine(self.backend.chroma, self.schedule, self.device, sampler)
        pair = (ready.luma_a, ready.luma_b)
        tally = Tally(callback, pair[0].shape)
        tally.total = samples * luma_cost(engine, pair[0].shape, labels)
        tally.total += chroma_cost(restorer, pair[0].shape)
        runs = [
            fuse_slices(engine, pair, chosen.swapped, labels, strength, seed + k, tally)
            for k in range(samples)
        ]
        lumas = np.stack([luma for luma, _ in runs])
        luma = lumas.mean(axis=0) if samples > 1 else lumas[0]
        fused = luma
        if ready.chroma is not None:
            shown = ready.chroma
            if restorer is not None:
                shown = restore_slices(restorer, guide(ready), shown, luma, seed, tally)
            fused = ycbcr_to_rgb(luma, shown)

        notes = list(ready.notes) + list(chosen.notes)
        notes += list(location.notes if location is not None else ())
        if location is not None and not location.mask.any():
            notes.append("The mask is empty, so nothing was emphasised.")
        record = start_record() | {
            "method": self.backend.method,
            "weights": self.weights.name,
            "weights_sha256": self.weights.sha256,
            **chosen.facts,
            "seed": seed,
            "steps": len(engine.chain.timesteps),
            "sampler": sampler,
            "samples": samples,
            "device": str(self.device),
            "precision": str(self.backend.precision).removeprefix("torch."),
            "prompt": prompt,
            "locator": finder.name if prompt and mask is None and boxes is None else None,
            "strength": dict(strength) if isinstance(strength, Mapping) else strength,
            "objects": {str(k): v for k, v in location.names.items()} if location else {},
            "inputs": {
                "a": describe_input(volume_a, ready, "a"),
                "b": describe_input(volume_b, ready, "b"),
            },
            "colour_from": ready.colour_from,
            "chroma": {"restored": colours.restore, "reason": colours.reason},
            "warnings": notes,
            "seconds": round(time.perf_counter() - started, 3),
        }
        return FusionResult(
            fused=np.clip(fused, 0, 1).astype(np.float32),
            mask=labels,
            detections=location.detections if location is not None else Detections(),
            contribution=runs[0][1],
            uncertainty=lumas.std(axis=0) if samples > 1 else None,
            record=record,
            label_names=dict(location.names) if location is not None else {},
            affine=volume_a.affine,
        )


def fuse(
    a: Any,
    b: Any,
    prompt: str | None = None,
    *,
    weights: str | os.PathLike[str] | None = None,
    device: str = "auto",
    **options: Any,
) -> FusionResult:
    """Fuse two images of the same anatomy or scene into one.

    Parameters
    ----------
    a, b : array, Volume, path, or image layer
        Arrays ``(Y, X)`` or ``(Z, Y, X)``, with a last axis of 3 or 4 for colour; any real type.
        The result lies on the grid of `a`; `b` is resampled onto it through world coordinates.
    prompt : str, optional
        What should stand out, such as ``"tumour"`` or ``"person, car"``.
    weights : str or PathLike, optional
        Embedded name or weights folder.
    device : {"auto", "cpu", "cuda", "mps"}
    **options
        mask : labels on the grid of `a` (array, Volume, path, layer), instead of a prompt.
        boxes : ``(N, 4)`` pixel edges XYXY (``(N, 6)`` XYZXYZ in volumes), instead of a prompt.
        quality : "fast" (1 network evaluation per chain), "standard" (4, the default) or "best"
        (25); 10, 25 and 100 for the authors' weights.
        steps : network evaluations per chain instead of a quality, 1 to 1000.
        seed : starting noise; equal inputs, seed and device give equal output.
        callback : called with a `Progress` after every evaluation; returning False cancels.
        strength : how far objects are moved from their surround; 0 changes nothing; a mapping
        gives one value per label.
        samples : number of seeds; with more than one the result is their mean, and
        ``result.uncertainty`` their standard deviation.
        sampler : see `diffusion.SAMPLERS`; default: what the weights were made for.
        chroma : "auto" removes colour cast and chroma noise from natural pictures and leaves the
        colours of measured values as they are; "restore" and "keep" say so.
        locator : name of a locator, or an object with a ``locate`` method.

    Returns
    -------
    FusionResult

    Raises
    ------
    InputError
        If an image or option cannot be used; `GeometryError` if the two have no common space.
    PromptError
        If the prompt names nothing that the locator knows.
    Cancelled
        If the callback asked for it.
    """
    return FusionPipeline.from_pretrained(weights, device)(a, b, prompt, **options)


def _steps(qualities: Mapping[str, int], quality: str | None, steps: int | None) -> int:
    if quality is None:
        return qualities["standard"] if steps is None else steps
    if steps is not None:
        raise InputError("give quality or steps, not both.")
    if quality not in qualities:
        raise InputError(f"quality must be one of {', '.join(qualities)}, not {quality!r}.")
    return qualities[quality]


def _check_options(
    steps: Any,
    fewest: int,
    seed: Any,
    strength: float | Mapping[int, float],
    samples: Any,
    sampler: str | None,
) -> None:
    for name, value, low, high in (
        ("steps", steps, fewest, 1000),
        ("samples", samples, 1, 100),
        ("seed", seed, 0, 2**62),
    ):
        whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
        if not whole or not low <= value <= high:
            raise InputError(f"{name} must be a whole number from {low} to {high}, not {value!r}.")
    values = strength.values() if isinstance(strength, Mapping) else [strength]
    if not all(isinstance(v, (int, float, np.number)) and 0 <= v <= 2 for v in values):
        raise InputError(f"strength must lie between 0 and 2, not {strength!r}.")
    if sampler is not None and sampler not in SAMPLERS:
        raise InputError(f"sampler must be one of {', '.join(SAMPLERS)}, not {sampler!r}.")
