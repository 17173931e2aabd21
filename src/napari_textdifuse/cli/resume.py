"""Tell whether a stored result is the one that would be made again."""

from __future__ import annotations

import argparse
import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np

from .._version import __version__
from ..volume import Volume
from .fusion_options import fusion_options

#: Options whose content is in the key in another form. The device is not in it, so a run may move
#: to another machine.
_ELSEWHERE = ("mask", "locator", "register")


def resume_key(
    options: argparse.Namespace,
    weights_sha256: str,
    a: Volume,
    b: Volume,
    mask: Volume | None,
    locator: dict[str, Any] | None = None,
) -> str:
    """Return a checksum of everything that a result depends on.

    Parameters
    ----------
    options : argparse.Namespace
    weights_sha256 : str
    a, b : Volume
    mask : Volume, optional
    locator : dict, optional
        What the locator's masks depend on, if one is used.

    Returns
    -------
    str
        SHA-256 over the settings, the weights, this package's version and the images' values and
        meaning. It reveals neither.
    """
    settings = fusion_options(options)
    for name in _ELSEWHERE:
        settings.pop(name, None)
    images = [None if volume is None else _fingerprint(volume) for volume in (a, b, mask)]
    content = [__version__, weights_sha256, settings, _register(options), images, locator]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _register(options: argparse.Namespace) -> str | None:
    wanted = options.register
    if not isinstance(wanted, Path):
        return None if wanted is None else str(wanted)
    try:
        return hashlib.sha256(wanted.read_bytes()).hexdigest()
    except OSError:
        return None  # registration will say what is wrong


def _fingerprint(volume: Volume) -> str:
    affine = None if volume.affine is None else volume.affine.tolist()
    meaning = [affine, volume.unit, volume.modality, volume.window, volume.rgb]
    form = [str(volume.array.dtype), volume.array.shape]
    digest = hashlib.sha256(json.dumps([meaning, form], default=float).encode())
    digest.update(np.ascontiguousarray(volume.array).tobytes())
    return digest.hexdigest()
