"""Train the light network stage by stage: ``python -m napari_textdifuse.training``."""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from ..models import LightNetwork
from .data import CropSampler, load_pairs
from .diffusion import train_diffusion
from .fcm import train_fcm
from .modulation import train_modulation
from .trainer import TrainConfig

STAGES = {"diffusion": train_diffusion, "fcm": train_fcm, "modulation": train_modulation}
SETS = ("CT-MRI", "PET-MRI", "SPECT-MRI", "RoadScene")


def main() -> None:
    """Run one stage; resumes a run whose folder exists."""
    parser = argparse.ArgumentParser(prog="python -m napari_textdifuse.training")
    parser.add_argument("stage", choices=STAGES)
    parser.add_argument("--data", type=Path, required=True, help="folder of SET/{A,B}/ pairs")
    parser.add_argument("--sets", nargs="+", default=SETS)
    parser.add_argument("--out", type=Path, required=True, help="checkpoints and curve")
    parser.add_argument("--start", type=Path, help="weights (safetensors) of the stage before")
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--rate", type=float, default=4e-4)
    parser.add_argument("--crop", type=int, default=128)
    parser.add_argument("--pairs", type=int, default=4, help="pairs per step")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--compile", action="store_true")
    args = parser.parse_args()

    from safetensors.torch import load_file, save_file

    torch.manual_seed(args.seed)
    network = LightNetwork()
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    if args.start:
        network.load_state_dict(load_file(args.start))
    train = CropSampler(load_pairs(args.data, tuple(args.sets)), args.crop, args.seed)
    held_out = CropSampler(load_pairs(args.data, tuple(args.sets), held_out=True), args.crop, 1)
    config = TrainConfig(minutes=args.minutes, learning_rate=args.rate)
    print(f"{len(train.pairs)} training pairs, {len(held_out.pairs)} held out", flush=True)
    stage = STAGES[args.stage]
    stage(network, train, held_out, args.out, config, args.pairs, args.compile)
    state = {k: v.contiguous() for k, v in network.state_dict().items()}
    save_file(state, args.out / "weights.safetensors")


if __name__ == "__main__":
    main()
