"""`FusionPipeline`: images and a prompt in, a `FusionResult` out."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from ..diffusion import Schedule
from ..locate import Locator
from ..locate.drawn import Drawing, Refiner
from ..spatial import Registration
from ..weights import ReleasedFolder, WeightsFolder, open_folder
from .backend import open_backend
from .device import choose_device
from .loaded import Loaded
from .options import check_strength, make_options
from .pair import make_pair
from .result import FusionResult
from .selection import Slices
from .session import MEMORY, FusionSession
from .tally import Callback


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
        self._loaded = Loaded(
            self.backend, self.schedule, self.device, weights.name, weights.sha256
        )

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
        drawing: Drawing | None = None,
        strength: float | Mapping[int, float] = 1.0,
        locator: str | Locator = "lexicon",
        refiner: str | Refiner | None = "auto",
        **options: Any,
    ) -> FusionResult:
        """Fuse two images; see `fuse` for the parameters."""
        check_strength(strength)  # before anything is read
        session = self.session(a, b, steps=steps, seed=seed, callback=callback, memory=0, **options)
        return session.fuse(
            prompt,
            mask,
            boxes,
            drawing=drawing,
            strength=strength,
            locator=locator,
            refiner=refiner,
            callback=callback,
        )

    def session(
        self,
        a: Any,
        b: Any,
        *,
        slices: Slices = None,
        axis: int | str = 0,
        windows: Mapping[str, Any] | None = None,
        time: int | tuple[int | None, int | None] | None = None,
        register: str | os.PathLike[str] | Registration | None = None,
        quality: str | None = None,
        steps: int | None = None,
        seed: int = 0,
        samples: int = 1,
        sampler: str | None = None,
        chroma: str = "auto",
        callback: Callback | None = None,
        memory: int = MEMORY,
    ) -> FusionSession:
        """Prepare a pair that is fused several times, with other prompts or corrected masks.

        Parameters
        ----------
        a, b, slices, axis, windows, time, register, quality, steps, seed, samples, sampler, chroma
            See `fuse`.
        callback : callable, optional
            Called while images are registered, with `Progress` of stage "registration".
        memory : int
            Bytes that may be kept between calls of `FusionSession.fuse`.

        Returns
        -------
        FusionSession
            Each ``session.fuse(prompt, mask=..., strength=...)`` gives a `FusionResult`.

        Raises
        ------
        InputError
            If an image or option cannot be used; `GeometryError` if the two have no common space.
        Cancelled
            If the callback asked for it.
        """
        options = make_options(
            self.backend,
            quality=quality,
            steps=steps,
            seed=seed,
            samples=samples,
            sampler=sampler,
            chroma=chroma,
        )
        pair = make_pair(
            a,
            b,
            slices=slices,
            axis=axis,
            windows=windows,
            time=time,
            register=register,
            callback=callback,
        )
        return FusionSession(self._loaded, pair, options, memory)


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
        boxes : ``(N, 4)`` pixel edges XYXY (``(N, 6)`` XYZXYZ in volumes), filled, instead of a
        prompt.
        drawing : `locate.drawn.Drawing`, boxes, polygons, points and labels drawn by hand, instead
        of a prompt; boxes and points get the outline of what they mark.
        refiner : what finds these outlines: "sam" (where its weights are here), "classical", "none"
        (as drawn) or "auto" (the first that can).
        slices : one slice, a range ``(start, stop)``, or None for the whole volume; the result
        lies on the grid of these slices.
        axis : array axis 0, 1 or 2 that slices follow each other along, or "axial", "coronal" or
        "sagittal"; the network sees them one by one.
        windows : ``{"a": ..., "b": ...}``, what is shown from black to white: ``(low, high)`` in
        the image's unit, or the name of a preset (`intensity.PRESETS`); default: by unit.
        time : time point of a series (4-D), or one for each image.
        register : "rigid" or "affine" moves `b` onto `a` by mutual information; or a transform
        saved earlier (`Registration`, or its file).
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
