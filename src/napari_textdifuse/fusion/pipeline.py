"""`fuse` and `FusionPipeline`: images and a prompt in, a `FusionResult` out."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from time import perf_counter
from typing import Any

import numpy.typing as npt

from ..device import choose_device
from ..inputs import as_volumes
from ..locate import Locator
from ..locate.drawn import Drawing, Refiner
from ..spatial import Registration
from ..weights import ReleasedFolder, WeightsFolder, open_folder
from .backend import open_backend
from .colour_cast import decide
from .options import Facts, FusionOptions, Strength, TimePoints, WindowChoice
from .pair import make_pair
from .prepare import prepare_slab
from .progress import Callback
from .result import FusionResult
from .session import MEMORY, FusionSession
from .slices import Slices

_log = logging.getLogger(__name__)


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
        started = perf_counter()
        self.backend = open_backend(weights, choose_device(device))
        _log.info(
            "loaded weights %s on %s in %s in %.2f s",
            self.backend.weights.name,
            self.backend.device,
            str(self.backend.precision).removeprefix("torch."),
            perf_counter() - started,
        )

    @classmethod
    def from_pretrained(
        cls,
        weights: str | os.PathLike[str] | None = None,
        device: str = "auto",
        *,
        revision: str | None = None,
        download: bool = False,
    ) -> FusionPipeline:
        """Load weights; nothing is downloaded unless `download` is true.

        Parameters
        ----------
        weights : str or PathLike, optional
            Name of embedded weights, a weights folder, or a folder with the authors' released
            checkpoints (``diffusion_stage1.pth``, ``diffusion_stage2.pth``, ``FCM-VIS-IR.pt``
            and/or ``FCM-Medi.pt``); or ``"owner/name"`` on the Hugging Face hub. Default: the
            embedded ``"light"``.
        device : {"auto", "cpu", "cuda", "mps"}
        revision : str, optional
            Branch, tag or commit on the hub; short for ``"owner/name@revision"``. Default:
            the latest on this machine, else the newest.
        download : bool
            Your consent: weights of the hub that are not on this machine are downloaded.

        Raises
        ------
        WeightsError
            If the weights are missing, damaged, of another architecture, or cannot be
            downloaded.
        InputError
            If the device is not available.
        """
        if revision is not None:
            weights = f"{weights}@{revision}"
        return cls(open_folder(weights, download), device)

    def __call__(
        self,
        a: Any,
        b: Any,
        prompt: str | None = None,
        mask: Any = None,
        boxes: npt.ArrayLike | None = None,
        steps: int | None = None,
        seed: int = 0,
        callback: Callback | None = None,
        *,
        drawing: Drawing | None = None,
        strength: Strength = 1.0,
        slices: Slices = None,
        axis: int | str = 0,
        windows: Mapping[str, WindowChoice] | str | None = None,
        time: TimePoints | None = None,
        register: str | os.PathLike[str] | Registration | None = None,
        quality: str | None = None,
        samples: int = 1,
        sampler: str | None = None,
        chroma: str = "auto",
        balance: float = 0.0,
        restore: float | Mapping[str, float] | None = None,
        colormap: Any = None,
        tint: str | None = None,
        colour: str | None = None,
        modality: Facts = None,
        unit: Facts = None,
        locator: str | Locator = "lexicon",
        refiner: str | Refiner | None = "auto",
    ) -> FusionResult:
        """Fuse two images.

        Parameters
        ----------
        a, b, prompt, mask, boxes, drawing, strength, slices, axis, windows, time, register, \
        quality, steps, seed, samples, sampler, chroma, balance, restore, colormap, tint, colour, \
        modality, unit, locator, refiner, callback
            See `fuse`; the defaults are the same.

        Returns
        -------
        FusionResult

        Raises
        ------
        InputError, GeometryError, PromptError, Cancelled
            See `fuse`.
        """
        options = FusionOptions.from_arguments(locals())
        return self.open(a, b, options, 0, callback).run(options, callback)

    def session(
        self,
        a: Any,
        b: Any,
        *,
        slices: Slices = None,
        axis: int | str = 0,
        windows: Mapping[str, WindowChoice] | str | None = None,
        time: TimePoints | None = None,
        register: str | os.PathLike[str] | Registration | None = None,
        quality: str | None = None,
        steps: int | None = None,
        seed: int = 0,
        samples: int = 1,
        sampler: str | None = None,
        chroma: str = "auto",
        balance: float = 0.0,
        restore: float | Mapping[str, float] | None = None,
        colormap: Any = None,
        tint: str | None = None,
        colour: str | None = None,
        modality: Facts = None,
        unit: Facts = None,
        callback: Callback | None = None,
        memory: int = MEMORY,
    ) -> FusionSession:
        """Prepare a pair to be fused several times, with other prompts or corrected masks.

        Parameters
        ----------
        a, b, slices, axis, windows, time, register, quality, steps, seed, samples, sampler, \
        chroma, balance, restore, colormap, tint, colour, modality, unit
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
            If the callback returned False.
        """
        options = FusionOptions.from_arguments(locals())
        return self.open(a, b, options, memory, callback)

    def open(
        self,
        a: Any,
        b: Any,
        options: FusionOptions,
        memory: int = MEMORY,
        callback: Callback | None = None,
    ) -> FusionSession:
        """Run the stages before the mask; like `session`, with the options in one object.

        Parameters
        ----------
        a, b : array_like, Volume, path or image layer
        options : FusionOptions
        memory, callback
            See `session`.

        Returns
        -------
        FusionSession

        Raises
        ------
        InputError, GeometryError, Cancelled
            See `session`.
        """
        volumes = as_volumes(
            a, b, time=options.time, modality=options.modality, unit=options.unit, lazy=True
        )
        pair = make_pair(*volumes, options, callback)
        # the middle of a volume, which is rarely empty, represents the whole pair
        middle = pair.slabs[len(pair.slabs) // 2]
        ready = prepare_slab(pair, middle)
        choice = self.backend.choose_network(ready, options.quality)
        colours = decide(ready, options.chroma, self.backend.chroma is not None)
        return FusionSession(self.backend, pair, options, choice, colours, memory, (middle, ready))


def fuse(
    a: Any,
    b: Any,
    prompt: str | None = None,
    *,
    mask: Any = None,
    boxes: npt.ArrayLike | None = None,
    drawing: Drawing | None = None,
    strength: Strength = 1.0,
    slices: Slices = None,
    axis: int | str = 0,
    windows: Mapping[str, WindowChoice] | str | None = None,
    time: TimePoints | None = None,
    register: str | os.PathLike[str] | Registration | None = None,
    quality: str | None = None,
    steps: int | None = None,
    seed: int = 0,
    samples: int = 1,
    sampler: str | None = None,
    chroma: str = "auto",
    balance: float = 0.0,
    restore: float | Mapping[str, float] | None = None,
    colormap: Any = None,
    tint: str | None = None,
    colour: str | None = None,
    modality: Facts = None,
    unit: Facts = None,
    locator: str | Locator = "lexicon",
    refiner: str | Refiner | None = "auto",
    weights: str | os.PathLike[str] | None = None,
    device: str = "auto",
    callback: Callback | None = None,
) -> FusionResult:
    """Fuse two images of the same anatomy or scene into one.

    The result has the grid of `a`; `b` is resampled onto it through world coordinates.

    Parameters
    ----------
    a, b : array_like, Volume, path or image layer
        ``(Y, X)`` or ``(Z, Y, X)``, a leading T for series, a last axis of 3 or 4 for colour; any
        real type, in the image's own unit (HU, SUVbw, ...). Layers keep their place in the viewer.
    prompt : str, optional
        What should stand out, such as ``"tumour"`` or ``"person, car"``. With `mask`, `boxes` or
        `drawing` it names a single object. It may also set the restoration, such as ``"tumour,
        keep the light"``. Default: nothing is emphasised.
    mask : array_like, Volume, path, labels layer or an image of another library, optional
        Labels 1 to 255, 0 for the background, used instead of a prompt. Of the shape of `a` or of
        its chosen slices, or with its own geometry. Labels keep their numbers.
    boxes : array_like, shape (N, 4) or (N, 6), optional
        Filled boxes, used instead of a prompt: pixel edges ``(x0, y0, x1, y1)``, in volumes
        ``(x0, y0, z0, x1, y1, z1)``, on the whole of `a`. Box k gets label k.
    drawing : locate.drawn.Drawing, optional
        Boxes, polygons, points and painted labels, used instead of a prompt. Objects in boxes and
        at points are outlined, see `refiner`.
    strength : float or mapping of int to float
        How far objects are moved away from their surround, 0 to 2; 0 changes nothing. A mapping
        gives one value per label; labels that it leaves out get 1. Default: 1.
    slices : int, slice or (start, stop), optional
        One slice, or a half-open range; negative numbers count from the end. The result has
        the grid of these slices. Default: the whole volume.
    axis : {0, 1, 2, "axial", "coronal", "sagittal"}
        Array axis along which slices are taken, or their anatomical plane. The
        network processes the slices one by one. Default: 0.
    windows : mapping or str, optional
        Range of values from black to white, by ``"a"`` and ``"b"`` or for both: ``(low, high)`` in
        the image's unit, the name of a preset (`intensity.PRESETS`), or ``"shown"`` for the
        contrast limits of a napari layer. Default: by unit and modality.
    time : int or pair of int, optional
        Time point of a series, from 0, or one for each image. Series of several need it.
    register : {"rigid", "affine"}, Registration or path, optional
        Align `b` with `a` by mutual information, or by a saved transform. Default: `b` stays
        where its geometry places it.
    quality : {"fast", "standard", "best"}, optional
        Preset of `steps`: 1, 4 or 25; 10, 25 or 100 for the authors' weights. Default:
        ``"standard"``.
    steps : int, optional
        Network evaluations per chain, 1 to 1000, instead of `quality`.
    seed : int
        Of the starting noise, 0 to 2**62. Equal inputs, options and device give equal pixels.
        Default: 0.
    samples : int
        Number of seeds, 1 to 100, counted up from `seed`. With more than one, the result is their
        mean, and their spread adds to ``result.uncertainty``. Default: 1.
    sampler : {"ddim", "dpm++", "ancestral", "mean"}, optional
        See `diffusion.make_sampler`. Default: that of the weights.
    chroma : {"auto", "restore", "keep"}
        Whether colour cast and chroma noise are removed. "auto" does so for natural images whose
        light has a cast; colours that encode measured values are not changed. Default: "auto".
    balance : float
        More of image A (down to -1) or of image B (up to 1) in the whole image, through the
        coefficients of Eq. 12. At the ends a single image is restored: its brightness, and its
        colours if it has any. Default: 0, what the network chooses.
    restore : float or mapping of str to float
        How much is restored, 0 to 1, or for each of ``"noise"`` (with blur), ``"light"`` (with
        contrast) and ``"colour"`` (cast and chroma noise); kinds that a mapping leaves out get 1.
        With 0 the images are fused as measured: nothing is brightened, denoised or recoloured.
        Default: what the prompt says (see `prompt`), else 1.
    colormap : str, array_like of shape (N, 3) or (N, 4), or colour map object, optional
        Colours of PET, SPECT or a tinted image from low to high: a name of `colormaps.BUILT_IN`,
        of matplotlib or of napari if installed, or colours in [0, 1]. Colour images
        keep their own. Default: "functional", which stays readable over any
        anatomy.
    tint : {"a", "b"}, optional
        Show this grey image in the colours of `colormap`, over the other.
    modality : str or mapping of {"a", "b"} to str, optional
        What the images are, such as ``{"a": "MR", "b": "PT"}``: ``"CT"``, ``"MR"`` (or ``"T1"``,
        ``"FLAIR"`` ...), ``"PT"``, ``"NM"``, ``"VIS"``, ``"IR"``; a single word is meant for both.
        It overrides the files and their names. Default: what is known or inferred.
    unit : str or mapping of {"a", "b"} to str, optional
        Unit of the values, such as ``{"b": "SUVbw"}``; they are not converted.
    colour : {"a", "b"}, optional
        Which image gives the colours if both have some. Default: `tint`, else PET, SPECT or
        visible light, else the first.
    locator : str or Locator
        Finds what the prompt names; see `locate.locator_names`. Default: "lexicon".
    refiner : {"auto", "sam", "classical", "none"}, Refiner or None
        Finds outlines for a drawing's boxes and points. "auto" is SAM if its weights are on this
        machine, else "classical"; "none" takes boxes as drawn. Default: "auto".
    weights : str or PathLike, optional
        Name of embedded weights, a weights folder, or ``"owner/name"`` of weights that were
        downloaded from the Hugging Face hub; see `FusionPipeline.from_pretrained`.
        Default: the embedded "light".
    device : {"auto", "cpu", "cuda", "mps"}
        "auto" uses a GPU if there is one. Default: "auto".
    callback : callable, optional
        Called with a `Progress` after every network evaluation; returning False cancels.

    Returns
    -------
    FusionResult

    Raises
    ------
    InputError
        If an image or option cannot be used, or contradicts the prompt; `GeometryError` if the two
        have no common space.
    PromptError
        If the prompt names nothing that the locator knows, or contradicts itself.
    WeightsError
        If the weights are missing, damaged or of another architecture.
    Cancelled
        If the callback returned False; ``partial`` contains the finished slices of a volume.
    """
    options = FusionOptions.from_arguments(locals())
    pipeline = FusionPipeline.from_pretrained(weights, device)
    return pipeline.open(a, b, options, 0, callback).run(options, callback)
