"""Train the light network stage by stage: ``python -m napari_textdifuse.training``.

Each stage starts from the ``weights.safetensors`` of the one before, resumes if its folder holds
a checkpoint, and ends with the averaged weights. ``export`` makes a weights folder of the last.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import torch

from ..errors import TextDiFuseError
from ..models import LightNetwork
from ..weights import save_light
from .data import CropSampler, load_pairs
from .diffusion import train_diffusion
from .fcm import train_fcm
from .modulation import train_modulation
from .trainer import TrainConfig

STAGES = {"diffusion": train_diffusion, "fcm": train_fcm, "modulation": train_modulation}
SETS = ("CT-MRI", "PET-MRI", "SPECT-MRI", "RoadScene")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m napari_textdifuse.training")
    commands = parser.add_subparsers(dest="stage", required=True)
    for name in STAGES:
        stage = commands.add_parser(name)
        stage.add_argument("--data", type=Path, required=True, help="folder of SET/{A,B}/ pairs")
        stage.add_argument("--sets", nargs="+", default=SETS)
        stage.add_argument("--out", type=Path, required=True, help="checkpoints and curve")
        stage.add_argument("--start", type=Path, help="weights.safetensors of the stage before")
        stage.add_argument("--minutes", type=float, default=60)
        stage.add_argument("--rate", type=float, default=4e-4, help="peak learning rate")
        stage.add_argument("--crop", type=int, default=128)
        stage.add_argument("--pairs", type=int, default=4, help="pairs per step")
        stage.add_argument("--seed", type=int, default=0)
        stage.add_argument("--compile", action="store_true", help="slow start, faster steps")
    export = commands.add_parser("export")
    export.add_argument("--start", type=Path, required=True, help="weights.safetensors")
    export.add_argument("--out", type=Path, required=True, help="weights folder to write")
    export.add_argument("--name", required=True, help="name and version, for records")
    return parser


def main() -> int:
    """Run one stage; return the exit status."""
    args = _parser().parse_args()
    torch.manual_seed(getattr(args, "seed", 0))
    network = LightNetwork()
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    try:
        if args.start:
            from safetensors.torch import load_file

            network.load_state_dict(load_file(args.start))
        if args.stage == "export":
            print(save_light(network, args.out, args.name).sha256)
        else:
            _train(network, args)
    except (TextDiFuseError, OSError) as error:
        print(f"training: {error}", file=sys.stderr)
        return 2
    return 0


def _train(network: LightNetwork, args: argparse.Namespace) -> None:
    from safetensors.torch import save_file

    train = CropSampler(load_pairs(args.data, tuple(args.sets)), args.crop, args.seed)
    held_out = CropSampler(load_pairs(args.data, tuple(args.sets), held_out=True), args.crop, 1)
    config = TrainConfig(minutes=args.minutes, learning_rate=args.rate)
    print(f"{len(train.pairs)} training pairs, {len(held_out.pairs)} held out", flush=True)
    stage = STAGES[args.stage]
    stage(network, train, held_out, args.out, config, args.pairs, args.compile)
    state = {k: v.contiguous() for k, v in network.state_dict().items()}
    save_file(state, args.out / "weights.safetensors")


if __name__ == "__main__":
    sys.exit(main())
