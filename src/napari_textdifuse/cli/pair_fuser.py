"""Fuses the pairs of a batch, here or on a cluster's worker."""

from __future__ import annotations

import argparse
import hashlib
import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .._version import __version__
from ..errors import InputError
from ..evaluation.folders import images_by_stem
from ..io import read
from ..memory import sha256_of
from ..results.dicom_folder import save_dicom
from ..results.folder import format_for, full_record, load_record, preview_of, save
from ..volume import Volume
from .layout import layout_of, written_files
from .locator_options import facts, make_locator

if TYPE_CHECKING:
    from PIL import Image

    from ..fusion import FusionPipeline


#: Pixels of a panel's longer side. At most 160 keep a report of 1000 cases readable by a browser;
#: the title needs 96. Between them an image is not enlarged, which takes time and shows no more.
PREVIEW_SIDES = 96, 160
#: Options that the key contains in another form. The device is not part of it, so a run may move
#: to another machine.
_ELSEWHERE = ("mask", "locator", "register")


class PairFuser:
    """Fuses pairs one after the other; the network is loaded once, when first needed."""

    def __init__(self, options: argparse.Namespace) -> None:
        from ..weights import open_folder

        self.options = options
        self.weights = open_folder(options.weights)
        self.weights.verify()
        if options.device not in ("auto", "cpu"):
            from ..device import choose_device

            choose_device(options.device)  # a missing device is one error, not one per pair
        self.locator = make_locator(options)  # the same holds for missing weights
        self.facts = facts(self.locator, options)
        self.pipeline: FusionPipeline | None = None
        by_name = options.mask is not None and options.mask.is_dir()
        self.masks = images_by_stem(options.mask) if by_name else None

    def fuse(self, name: str, path_a: Path, path_b: Path, title: str) -> float | None:
        """Fuse one pair and write it; return the seconds it took, None if it was done before."""
        started = time.perf_counter()
        a, b = (read(path, time=self.options.time) for path in (path_a, path_b))
        mask = self._mask(name)
        ending = format_for(path_a, a)
        layout, out = layout_of(self.options, name, path_a, path_b), self.options.out
        key = resume_key(self.options, self.weights.sha256, a, b, mask, self.facts)
        earlier = load_record(out / layout.record)
        written = written_files(layout, out, earlier, ending)
        if earlier.get("resume_key") == key and all(path.exists() for path in written):
            return None

        loading = time.perf_counter()
        from ..fusion import FusionPipeline
        from ..inputs import as_volume
        from .fuse import check_target, fuse_pair

        if self.pipeline is None:
            self.pipeline = FusionPipeline.from_pretrained(
                self.options.weights, self.options.device
            )
        started += time.perf_counter() - loading  # loading the network does not count for any image
        a, b = as_volume(a, "image A"), as_volume(b, "image B")
        source = check_target(self.options, out / name, path_a, a, replace=True)
        result, pair = fuse_pair(self.pipeline, a, b, mask, self.locator, self.options, title)
        smallest, largest = PREVIEW_SIDES
        side = min(max(smallest, *result.contribution.shape), largest)
        if self.options.dicom is not None:
            save_dicom(
                result,
                out / name,
                pair,
                source=source,
                image=a,
                facts={"resume_key": key},
                replace=True,
                side=side,
            )
            return time.perf_counter() - started
        record = full_record(result) | layout.about() | {"resume_key": key}
        picture = preview_of(result, pair, anatomical=ending == ".nii.gz", side=side)
        preview = layout.preview, _smaller(picture)
        names = layout.files(record["label_names"], ending)
        files = save(result, out, names, layout.record, record, preview)
        for path in set(written) - set(files.values()):  # a mask of other objects
            for stale in (path, *layout.sidecars(path)):
                stale.unlink(missing_ok=True)
        layout.finish(out, load_record(files["record"]))
        return time.perf_counter() - started

    def _mask(self, name: str) -> Volume | None:
        if self.options.mask is None:
            return None
        if self.masks is None:
            return read(self.options.mask)
        if name not in self.masks:
            raise InputError(f"there is no mask {name} in {self.options.mask}; add one.")
        return read(self.masks[name])


def resume_key(
    options: argparse.Namespace,
    weights_sha256: str,
    a: Volume,
    b: Volume,
    mask: Volume | None,
    locator: dict[str, Any] | None = None,
) -> str:
    """Return a checksum of everything that affects a result.

    Parameters
    ----------
    options : argparse.Namespace
    weights_sha256 : str
    a, b : Volume
    mask : Volume, optional
    locator : dict, optional
        The settings of the locator, if one is used.

    Returns
    -------
    str
        SHA-256 of the settings, the weights, this package's version and the images' values and
        meaning. It does not reveal them.
    """
    from .fuse import fusion_options  # loads torch

    settings = fusion_options(options)
    if options.dicom is not None:
        settings["dicom"] = options.dicom
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
        return None  # registration will report the problem


def _fingerprint(volume: Volume) -> str:
    affine = None if volume.affine is None else volume.affine.tolist()
    meaning = [affine, volume.unit, volume.modality, volume.window, volume.rgb]
    form = [str(volume.array.dtype), volume.array.shape]
    return sha256_of(volume.array, json.dumps([meaning, form], default=float).encode())


def _smaller(picture: Image.Image) -> Image.Image:
    """Return an image with one byte per pixel; grey images are preserved exactly."""
    from PIL import Image, ImageChops

    red, green, blue = picture.split()
    if ImageChops.difference(red, green).getbbox() or ImageChops.difference(red, blue).getbbox():
        return picture.quantize(256, Image.Quantize.FASTOCTREE)
    return red
