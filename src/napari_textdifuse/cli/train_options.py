"""Arguments of ``textdifuse train``; nothing here imports torch."""

from __future__ import annotations

import argparse
from pathlib import Path

from .numbers import file_path, not_negative, positive, whole

#: What each stage trains.
STAGES = {
    "diffusion": "train the restoration diffusion on single images or pairs (stage 1)",
    "fcm": "train the fusion control on pairs (stage 2)",
    "modulation": "train the modulation by prompt or mask on pairs (stage 3)",
    "uncertainty": "train the head for the bound of the error on pairs (stage 4)",
    "distill": "train a small network towards a trained one, for one step on pairs",
    "chroma": "train the chrominance diffusion on colour images",
}


def add_train(train: argparse.ArgumentParser, debug: argparse.ArgumentParser) -> None:
    """Add the stages to the parser of ``train``."""
    kind = type(train)
    stages = train.add_subparsers(dest="stage", required=True, metavar="STAGE", parser_class=kind)
    for name, text in STAGES.items():
        stage = stages.add_parser(
            name, help=text, description=f"{text[0].upper()}{text[1:]}.", parents=[debug]
        )
        _data(stage, single=name in ("diffusion", "chroma"))
        _course(stage)
        if name == "diffusion":
            stage.add_argument("--compile", action="store_true", help="use torch.compile")
            text = "train a plain autoencoder instead, for comparison"
            stage.add_argument("--no-diffusion", action="store_true", help=text)
        if name == "fcm":
            _loss(stage)
        if name != "chroma":
            _network(stage, new=name in ("diffusion", "distill"), teacher=name == "distill")
        else:
            text = "folder of a finished run of this stage to continue from; default: new weights"
            stage.add_argument("--start", metavar="DIR", help=text)
    text = "write weights in half precision as a folder for --weights"
    export = stages.add_parser("export", help=text, parents=[debug])
    add = export.add_argument
    add("--start", metavar="NAME|DIR|FILE", required=True, help="weights, or the folder of a run")
    add("--out", metavar="DIR", type=file_path, required=True, help="weights folder to write")
    add("--name", help="name and version for records; default: that of the folder")
    text = "folder of a run of the stage chroma, to restore the colours of natural images"
    add("--chroma", metavar="DIR", type=file_path, help=text)
    text = "calibration of the error, from benchmarks/uncertainty.py"
    add("--calibration", metavar="FILE", type=file_path, help=text)
    text = "folder of a run of the stage distill, for --quality fast"
    add("--fast", metavar="DIR|FILE", help=text)
    text = "calibration of the error of --fast"
    add("--fast-calibration", metavar="FILE", type=file_path, help=text)


def _loss(stage: argparse.ArgumentParser) -> None:
    loss = stage.add_argument_group(
        "loss",
        "the paper's: --level maximum --gradient magnitude --gradient-weight 0.2 --correlation 0",
    )
    add = loss.add_argument
    add("--intensity", type=not_negative, default=1.0, metavar="X", help="weight of the intensity "
        "term (Eq. 10); default 1")  # fmt: skip
    levels = "maximum", "salience", "adaptive"
    add("--level", choices=levels, default="maximum", help="target of the intensity "
        "term; default maximum: the brighter source (Eq. 10); salience: the source that "
        "varies more; adaptive: the first for dark pairs, the second for bright ones")  # fmt: skip
    add("--gradient", choices=("signed", "magnitude"), default="signed", help="target of the "
        "gradient term; default signed: the vector of the stronger source")  # fmt: skip
    text = "weight of the gradient term; default 4"
    add("--gradient-weight", type=not_negative, default=4.0, metavar="X", help=text)
    add("--correlation", type=not_negative, default=0.05, metavar="X", help="weight of the "
        "correlation term; default 0.05")  # fmt: skip
    add("--structure", type=not_negative, default=0.0, metavar="X", help="weight of the structural "
        "similarity term; default 0")  # fmt: skip
    text = "weight of the penalty on values outside the range of both sources; default 0"
    add("--overshoot", type=not_negative, default=0.0, metavar="X", help=text)
    text = "weight of the penalty on a result whose darkest parts are grey; default 0"
    add("--haze", type=not_negative, default=0.0, metavar="X", help=text)
    add("--joint", action="store_true", help="also train encoder and decoder with this loss")


def _data(stage: argparse.ArgumentParser, single: bool) -> None:
    data = stage.add_argument_group("data")
    add = data.add_argument
    if single:
        add(
            "--images",
            type=_source,
            action="append",
            default=[],
            metavar="MODALITY=DIR",
            help="a folder of single images or volumes, such as MR=scans/t1; the name states their "
            "modality; repeatable",
        )
    add(
        "--pairs",
        type=_source,
        nargs=2,
        action="append",
        default=[],
        metavar="MODALITY=DIR",
        help="two folders of registered images, paired by equal name, such as CT=ct MR=mr; the "
        "second is resampled onto the grid of the first; the names state the modalities (units "
        "are those "
        "of the files, and HU where a CT reaches the value of air); repeatable",
    )
    add("--data", type=file_path, metavar="DIR", help="sets DIR/SET/{CT,MRI,PET,SPECT,VIS,IR}")
    add("--sets", nargs="+", metavar="SET", help="use these sets of --data; default: all")
    add(
        "--case-pattern",
        metavar="REGEX",
        help="pattern whose one group is the case in an image's name; default: the whole name",
    )
    add("--held-out", nargs="+", default=[], metavar="CASE", help="cases excluded from training")
    add(
        "--held-out-every",
        type=whole(2, 1000),
        default=5,
        metavar="N",
        help="otherwise one case in N, by a checksum of its name; default 5",
    )


def _course(stage: argparse.ArgumentParser) -> None:
    course = stage.add_argument_group("schedule")
    add = course.add_argument
    text = "folder of the run; continued if it contains a checkpoint"
    add("--out", type=file_path, required=True, metavar="DIR", help=text)
    add("--minutes", type=positive, metavar="X", help="time budget over all sessions; default 60 "
        "without --steps")  # fmt: skip
    add("--steps", type=whole(1, 10**9), metavar="N", help="length of the run in steps")
    add(
        "--cooldown",
        type=whole(0, 10**9),
        default=200,
        metavar="N",
        help="last steps, in which the rate falls to 0; after the minutes, within the steps; "
        "default 200",
    )
    add("--rate", type=positive, default=4e-4, metavar="X", help="learning rate; default 4e-4")
    add("--warmup", type=whole(0, 10**6), default=100, metavar="N", help="first steps, in which "
        "the rate rises; default 100")  # fmt: skip
    text = "side of the crops in pixels; default 128"
    add("--crop", type=whole(8, 4096), default=128, metavar="N", help=text)
    add("--batch", type=whole(1, 4096), default=4, metavar="N", help="pairs per step; default 4")
    text = "of the initial weights, the crops and the noise; default 0"
    add("--seed", type=whole(0, 2**62), default=0, metavar="N", help=text)
    text = "steps between validations; default 250"
    add("--validate-every", type=whole(1, 10**9), default=250, metavar="N", help=text)
    text = "minutes between checkpoints; default 3"
    add("--save-minutes", type=not_negative, default=3.0, metavar="X", help=text)
    add("--device", default="auto", help="auto (default), cpu, cuda or mps")
    add("--name", help="name of the weights for records; default: that of the folder")


def _network(stage: argparse.ArgumentParser, new: bool, teacher: bool) -> None:
    network = stage.add_argument_group("network")
    add = network.add_argument
    add(
        "--start",
        metavar="NAME|DIR|FILE",
        required=teacher or not new,
        help=f"{'weights of the teacher' if teacher else 'initial weights'}: an embedded name such "
        "as 'light', a weights folder, the folder of a run, or a safetensors file"
        + ("; default: new ones" if new and not teacher else ""),
    )
    if teacher:
        text = "initial weights of the small network, such as the folder of an earlier run of this "
        add("--student", metavar="DIR|FILE", help=f"{text}stage; default: new ones")
    if new:
        add("--base", type=whole(8, 1024), metavar="N", help="channels of the finest level")
        add(
            "--multipliers",
            type=whole(1, 64),
            nargs="+",
            metavar="N",
            help="channels of each level, as multiples of --base",
        )
        text = "residual blocks of each level; default 2"
        add("--blocks", type=whole(1, 64), nargs="+", metavar="N", help=text)
    zero = "0 for none; with --start it adds them without effect, or removes them"
    add("--refine", type=whole(0, 256), metavar="N", help=f"channels of the last layers; {zero}")
    add(
        "--control-fine",
        type=whole(0, 256),
        metavar="N",
        help=f"channels of the fusion control's layers at full resolution; {zero}",
    )
    add(
        "--restore",
        type=whole(0, 2),
        choices=(0, 2),
        metavar="N",
        help="kinds of restoration whose strength conditions the network: 2 for noise and "
        f"light, learned by fcm --joint; {zero}",
    )
    add(
        "--uncertainty",
        type=whole(0, 256),
        metavar="N",
        help=f"channels of the head for the bound of the error, trained by "
        f"the stage uncertainty; {zero}",
    )


def _source(text: str) -> tuple[str, Path]:
    modality, equals, folder = text.partition("=")
    if not (modality and equals and folder):
        raise argparse.ArgumentTypeError(f"must be MODALITY=DIR, such as MR=scans/t1, not {text!r}")
    found = file_path(folder)
    if not found.is_dir():
        raise argparse.ArgumentTypeError(f"{folder!r} is not a folder")
    return modality, found
