"""``textdifuse sample NAME --out DIR``: fuse a bundled sample pair."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..errors import InputError
from ..inputs import as_volume
from ..results.folder import format_for
from ..samples import SAMPLES, load_sample, sample_dir
from .fuse import fuse_into


def run(options: argparse.Namespace) -> int:
    """Fuse a bundled sample, with its own prompt unless another or a mask is given."""
    if options.name not in SAMPLES:
        raise InputError(f"There is no sample {options.name!r}; choose {', '.join(SAMPLES)}.")
    sample = SAMPLES[options.name]
    if options.prompt is None and options.mask is None:
        options.prompt = sample.prompt
    a, b = load_sample(options.name)
    a = as_volume(a, "image A")
    ending = format_for(Path(sample.a), a)
    fuse_into(options, a, as_volume(b, "image B"), ending, sample_dir() / sample.a)
    return 0
