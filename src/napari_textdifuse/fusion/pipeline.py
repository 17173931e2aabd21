"""`FusionPipeline`: images and a prompt in, a `FusionResult` out."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from ..colour import ycbcr_to_rgb
from ..diffusion import SAMPLERS, Schedule
from ..errors import Cancelled, InputError
from ..locate import Detections, Locator, get_locator
from ..models import LightNetwork, cast
from ..weights import WeightsFolder, load_light, open_folder
from .device import choose_device, choose_precision
from .engine import SliceEngine
from .inputs import as_volume
from .masks import locate_objects
from .prepare import Prepared, prepare
from .record import describe_input, start_record
from .result import FusionResult, Progress

Floats = npt.NDArray[np.float32]
#: Called after every network evaluation; returning False cancels the run.
Callback = Callable[[Progress], bool | None]

DEFAULT_STEPS = 4


class FusionPipeline:
    """Text-DiFuse fusion with loaded weights; make it with `from_pretrained`.

    Holds no state between calls: the order of images never changes a result.

    Parameters
    ----------
    network : LightNetwork
    weights : WeightsFolder
        Where the network came from, for the record.
    device : str
        See `from_pretrained`.
    """

    def __init__(self, network: LightNetwork, weights: WeightsFolder, device: str = "auto") -> None:
        self.device = choose_device(device)
        self.precision = choose_precision(self.device)
        self.network = cast(network, self.precision).to(self.device)
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
            Name of embedded weights or a weights folder; default: the embedded ``"light"``.
        device : {"auto", "cpu", "cuda", "mps"}

        Raises
        ------
        WeightsError
            If the weights are missing, damaged or of another architecture.
        InputError
            If the device is not there.
        """
        folder = open_folder(weights)
        choose_device(device)
        return cls(load_light(folder), folder, device)

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
        sampler: str = "ddim",
        locator: str | Locator = "lexicon",
    ) -> FusionResult:
        """Fuse two images; see `fuse` for the parameters."""
        started = time.perf_counter()
        steps = DEFAULT_STEPS if steps is None else steps
        _check_options(steps, seed, strength, samples, sampler)
        volume_a, volume_b = as_volume(a, "image A"), as_volume(b, "image B")
        finder = get_locator(locator) if isinstance(locator, str) else locator
        ready = prepare(volume_a, volume_b)
        location = locate_objects(ready.a, ready.b, prompt, mask, boxes, finder)
        labels = None if location is None else location.mask

        engine = SliceEngine(self.network, self.schedule, self.device, steps, sampler)
        runs = [
            _fuse_slices(engine, ready, labels, strength, seed + k, callback, k, samples)
            for k in range(samples)
        ]
        lumas = np.stack([luma for luma, _ in runs])
        luma = lumas.mean(axis=0) if samples > 1 else lumas[0]
        fused = luma if ready.chroma is None else ycbcr_to_rgb(luma, ready.chroma)

        notes = list(ready.notes) + list(location.notes if location is not None else ())
        if location is not None and not location.mask.any():
            notes.append("The mask is empty, so nothing was emphasised.")
        record = start_record() | {
            "weights": self.weights.name,
            "weights_sha256": self.weights.sha256,
            "seed": seed,
            "steps": steps,
            "sampler": sampler,
            "samples": samples,
            "device": str(self.device),
            "precision": str(self.precision).removeprefix("torch."),
            "prompt": prompt,
            "locator": finder.name if prompt and mask is None and boxes is None else None,
            "strength": dict(strength) if isinstance(strength, Mapping) else strength,
            "objects": {str(k): v for k, v in location.names.items()} if location else {},
            "inputs": {
                "a": describe_input(volume_a, ready, "a"),
                "b": describe_input(volume_b, ready, "b"),
            },
            "colour_from": ready.colour_from,
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
        steps : network evaluations per chain, 1 to 1000; default 4.
        seed : starting noise; equal inputs, seed and device give equal output.
        callback : called with a `Progress` after every evaluation; returning False cancels.
        strength : how far objects are moved from their surround; 0 changes nothing; a mapping
        gives one value per label.
        samples : number of seeds; with more than one the result is their mean, and
        ``result.uncertainty`` their standard deviation.
        sampler : "ddim" (deterministic) or "ancestral" (Eq. 5-7).
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


def _check_options(
    steps: Any, seed: Any, strength: float | Mapping[int, float], samples: Any, sampler: str
) -> None:
    for name, value, low, high in (
        ("steps", steps, 1, 1000),
        ("samples", samples, 1, 100),
        ("seed", seed, 0, 2**62),
    ):
        whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
        if not whole or not low <= value <= high:
            raise InputError(f"{name} must be a whole number from {low} to {high}, not {value!r}.")
    values = strength.values() if isinstance(strength, Mapping) else [strength]
    if not all(isinstance(v, (int, float, np.number)) and 0 <= v <= 2 for v in values):
        raise InputError(f"strength must lie between 0 and 2, not {strength!r}.")
    if sampler not in SAMPLERS:
        raise InputError(f"sampler must be one of {', '.join(SAMPLERS)}, not {sampler!r}.")


def _fuse_slices(
    engine: SliceEngine,
    ready: Prepared,
    labels: npt.NDArray[np.uint8] | None,
    strength: float | Mapping[int, float],
    seed: int,
    callback: Callback | None,
    sample: int,
    samples: int,
) -> tuple[Floats, Floats]:
    """Fuse every slice along the first axis; a 2-D image is a stack of one."""
    shape = ready.luma_a.shape
    stack = (-1, *shape[-2:])
    luma_a, luma_b = ready.luma_a.reshape(stack), ready.luma_b.reshape(stack)
    masks = None if labels is None else labels.reshape(stack)
    count = len(luma_a)
    of_slice = [None] * count if masks is None else list(masks)
    costs = [engine.evaluations((shape[-2], shape[-1]), mask) for mask in of_slice]
    total, done = sum(costs) * samples, sum(costs) * sample
    luma, share = np.zeros_like(luma_a), np.full_like(luma_a, 0.5)

    for i in range(count):

        def report(estimate: Floats, i: int = i) -> None:
            nonlocal done
            done += 1
            state = Progress(done, total, i, count, np.clip(estimate, 0, 1))
            if callback is not None and callback(state) is False:
                raise Cancelled("The fusion was cancelled; no result was made.")

        if not luma_a[i].any() and not luma_b[i].any():  # outside the body: nothing to fuse
            done += costs[i]
            continue
        fused = engine.fuse(luma_a[i], luma_b[i], of_slice[i], strength, seed, report)
        luma[i], share[i] = fused.luma, fused.share
    return luma.reshape(shape), share.reshape(shape)
