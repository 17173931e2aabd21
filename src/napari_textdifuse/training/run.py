"""One training stage from folders to weights, for ``textdifuse train``."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from .._version import __version__
from ..device import choose_device
from ..errors import InputError, WriteError, name_of
from ..io._files import write_bytes
from ..io.staging import publish
from ..models import ChromaNetwork, LightNetwork
from ..weights import save_light
from .chroma import train_chroma
from .config import TrainConfig
from .data import CropSampler
from .diffusion import train_diffusion
from .distill import STUDENT, train_distill
from .fcm import train_fcm
from .modulation import train_modulation
from .progress import note
from .sources import Example, Source, describe, load_examples
from .split import SplitRule
from .start import FULL, Start, build, open_chroma, open_start
from .uncertainty import train_uncertainty

#: A stage: network, training and held-out sampler, folder, configuration. It sets
#: ``requires_grad``, defines its losses and passes them to a `Trainer`.
Train = Callable[..., None]


@dataclass(frozen=True)
class Stage:
    """One stage.

    Parameters
    ----------
    train : callable
        ``train(network, train, held_out, folder, config)``.
    pairs : bool
        Whether it needs pairs of images.
    colour : bool
        Whether it trains the chrominance network, on colour images.
    compiles : bool
        Whether ``--compile`` has an effect.
    teacher : bool
        Whether it trains a new network towards its start, which `train` receives as ``teacher``.
    """

    train: Train
    pairs: bool = False
    colour: bool = False
    compiles: bool = False
    teacher: bool = False


STAGES: dict[str, Stage] = {
    "diffusion": Stage(train_diffusion, compiles=True),
    "fcm": Stage(train_fcm, pairs=True),
    "modulation": Stage(train_modulation, pairs=True),
    "uncertainty": Stage(train_uncertainty, pairs=True),
    "distill": Stage(train_distill, pairs=True, teacher=True),
    "chroma": Stage(train_chroma, colour=True),
}


#: Parts of `TrainConfig` that are not written into weights: names of images may contain names of
#: patients.
PRIVATE = ("data", "device", "network")


@dataclass(frozen=True)
class StageRequest:
    """Request for a training run.

    Parameters
    ----------
    stage : str
        One of `STAGES`.
    sources : sequence of Source
    out : Path
        Folder of the run, which finally contains the weights.
    config : TrainConfig
        ``stage``, ``start``, ``network`` and ``data`` are filled in here.
    rule : SplitRule
    start : str, optional
        Initial weights, see `open_start`.
    network : dict
        Fields of `UNetConfig` that differ from the default, or from the initial weights.
    name : str, optional
        Name of the weights for records; by default that of the folder.
    student : str, optional
        Initial weights of the stage distill, see `open_start`; by default new ones.
    """

    stage: str
    sources: Sequence[Source]
    out: Path
    config: TrainConfig
    rule: SplitRule = field(default_factory=SplitRule)
    start: str | None = None
    network: dict[str, Any] = field(default_factory=dict)
    name: str | None = None
    student: str | None = None


def run_stage(request: StageRequest) -> Path:
    """Train one stage, or continue it, and write its weights.

    Returns
    -------
    Path
        The weights folder, which is ``request.out``.

    Raises
    ------
    TextDiFuseError
        If data, weights or options do not fit together.
    Cancelled
        After Ctrl-C; the same request continues the run.
    """
    stage = STAGES[request.stage]
    if request.config.compile and not stage.compiles:
        raise InputError(f"--compile has no effect in the stage {request.stage}; leave it out.")
    device = choose_device(request.config.device)
    start = open_start(request.start) if request.start and not stage.colour else None
    network = _network(request, stage, start)
    _check_crop(request.config.crop, network.config.multiple)
    train, held_out = _split(request, stage)
    config = replace(
        request.config,
        cooldown=min(request.config.cooldown, request.config.steps or request.config.cooldown),
        device=str(device),
        stage=request.stage,
        start=start.sha256 if start else "",
        network=network.config.to_dict(),
        data=describe(train, held_out),
    )
    network.to(device)
    seeds = config.seed, 1
    first, second = (
        _sampler(examples, config, seed, stage.colour)
        for examples, seed in zip((train, held_out), seeds, strict=True)
    )
    train_stage = stage.train
    if stage.teacher:
        train_stage = partial(train_stage, teacher=build(start, {}, 0).to(device))
    train_stage(network, first, second, request.out, config)
    network.to("cpu")
    _write(network, request, config, start)
    return request.out


def export(
    start: str,
    out: Path,
    name: str | None = None,
    chroma: Path | None = None,
    calibration: Path | None = None,
    fast: str | None = None,
    fast_calibration: Path | None = None,
) -> Path:
    """Write weights in half precision as a folder for ``--weights``.

    Parameters
    ----------
    start : str
        See `open_start`.
    out : Path
    name : str, optional
        For records; by default that of the folder.
    chroma : Path, optional
        Folder of a run of the stage chroma, or a weights folder with a chrominance network,
        which is added.
    fast : str, optional
        Weights of the stage distill for ``quality="fast"``, see `open_start`.
    calibration, fast_calibration : Path, optional
        JSON file with the calibration of the error, see `weights.calibration`; without it
        there is no uncertainty image.
    """
    opened = open_start(start)
    network = build(opened, {}, 0)
    colours = None if chroma is None else open_chroma(chroma)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WriteError(f"{name_of(out)} cannot be created: {error.strerror or error}.") from error
    quick = None if fast is None else build(open_start(fast), {}, 0)
    if fast is not None and quick is not None and quick.diffusion:
        raise InputError(
            f"{name_of(fast)} contains no weights of the stage distill; leave --fast out."
        )
    added = {"distill": quick, "chroma": colours}
    stages = [*opened.stages, *(stage for stage, part in added.items() if part is not None)]
    training = {"stages": list(dict.fromkeys(stages))}
    tables = (None if f is None else _read_table(f) for f in (calibration, fast_calibration))
    table, quick_table = tables
    name = name or out.resolve().name
    _write_folder(network, out, name, training, colours, table, quick, quick_table)
    return out


def _network(request: StageRequest, stage: Stage, start: Start | None) -> Any:
    if stage.teacher:
        assert start is not None
        return _student(start, request)
    if not stage.colour:
        wanted = request.config.diffusion if request.stage == "diffusion" else None
        return build(start, request.network, request.config.seed, wanted)
    if request.network:
        raise InputError(
            "the size of the chrominance network is fixed; leave out --base and similar options."
        )
    if request.start:
        network = open_chroma(Path(request.start))
    else:
        torch.manual_seed(request.config.seed)
        network = ChromaNetwork()
    return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def _student(start: Start, request: StageRequest) -> LightNetwork:
    if request.student:
        earlier = open_start(request.student)
        return build(earlier, request.network, request.config.seed, diffusion=False)
    shape = replace(STUDENT, restore=start.shape.restore)
    try:
        shape = replace(shape, **request.network)
    except ValueError as error:
        raise InputError(f"{error}.") from None
    torch.manual_seed(request.config.seed)
    network = LightNetwork(shape, diffusion=False)
    return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def _check_crop(crop: int, multiple: int) -> None:
    if crop % multiple:
        raise InputError(
            f"--crop {crop} must be a multiple of {multiple} for this network; use "
            f"{max(multiple, round(crop / multiple) * multiple)}."
        )


def _split(request: StageRequest, stage: Stage) -> tuple[list[Example], list[Example]]:
    """Read the images and hold out whole cases."""
    if stage.pairs and any(len(s.folders) != 2 for s in request.sources):
        raise InputError(
            f"the stage {request.stage} needs pairs of images: use --pairs or --data, not --images."
        )
    note(
        "reading " + ", ".join(f"{s.name} ({' and '.join(s.modalities)})" for s in request.sources)
    )
    examples = load_examples(request.sources, request.rule, stage.colour)
    chosen = request.rule.choose((e.set_name, e.case) for e in examples)
    train = [e for e in examples if e.case not in chosen]
    held_out = [e for e in examples if e.case in chosen]
    cases = sorted(chosen)
    shown = ", ".join(cases[:12]) + (" ..." if len(cases) > 12 else "")
    note(
        f"{len(train)} {'pairs' if stage.pairs else 'images or pairs'} for training; held out: "
        f"{len(held_out)} from {len(cases)} case{'s' if len(cases) > 1 else ''} ({shown})"
    )
    return train, held_out


def _sampler(examples: list[Example], config: TrainConfig, seed: int, colour: bool) -> Any:
    if not colour:
        return CropSampler(examples, config.crop, seed, config.device)
    from .chroma_data import ColourSampler

    sets: dict[str, list[Any]] = {}
    for example in examples:
        if example.colour is not None:
            sets.setdefault(example.set_name, []).append(example.colour)
    if not sets:
        raise InputError(
            "the stage chroma needs colour images of modality VIS in both the training and "
            "the held-out cases; use --images VIS=DIR."
        )
    return ColourSampler(list(sets.values()), config.crop, seed, config.device)


def _write(network: Any, request: StageRequest, config: TrainConfig, start: Start | None) -> None:
    """Write the weights in full precision for the next stage, and the folder for ``--weights``."""
    from safetensors.torch import save

    state = {k: v.contiguous() for k, v in network.state_dict().items()}
    metadata = {
        "unet": json.dumps(network.config.to_dict()),
        "diffusion": json.dumps(getattr(network, "diffusion", True)),
        "version": __version__,
    }
    write_bytes(request.out / FULL, save(state, metadata))
    if not isinstance(network, LightNetwork):
        return
    stages = [*(start.stages if start else ()), request.stage]
    settings = {k: v for k, v in config.to_dict().items() if k not in PRIVATE}
    counts = {part: len(config.data[part]) for part in ("train", "held_out")}
    training = {
        "stages": list(dict.fromkeys(stages)),
        "settings": settings | counts,
        "version": __version__,
        "torch": str(torch.__version__),
    }
    _write_folder(network, request.out, request.name or request.out.resolve().name, training)
    known = start is None or bool(start.stages)
    if known and "fcm" not in stages:
        note(
            "the fusion control of these weights is untrained: the result is the average of both "
            f"images. Next: textdifuse train fcm --start {request.out}"
        )


def _write_folder(
    network: LightNetwork,
    out: Path,
    name: str,
    training: dict[str, Any],
    chroma: ChromaNetwork | None = None,
    calibration: dict[str, Any] | None = None,
    fast: LightNetwork | None = None,
    fast_calibration: dict[str, Any] | None = None,
) -> None:
    partial = out / ".weights.partial"
    try:
        save_light(network, partial, name, training, chroma, calibration, fast, fast_calibration)
        # the description comes last: it contains the checksums of the other files
        files = sorted(partial.iterdir(), key=lambda f: f.name == "config.json")
        publish([(file, out / file.name) for file in files])
    except OSError as error:
        raise WriteError(f"{name_of(out)} cannot be written: {error.strerror or error}.") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _read_table(file: Path) -> dict[str, Any]:
    try:
        table: dict[str, Any] = json.loads(file.read_text("utf-8"))
        kept = {key: list(table[key]) for key in ("expected", "deviation")}
        more = ("modalities", "weights", "ranges")
        return kept | {key: list(table[key]) for key in more if key in table}
    except (OSError, ValueError, KeyError, TypeError):
        raise InputError(
            f"{name_of(file)} is not a calibration; it must be a JSON file with the lists expected "
            "and deviation."
        ) from None
