"""``textdifuse info``: facts about images, or about the installation for bug reports."""

from __future__ import annotations

import argparse
import platform
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from .._version import __version__
from ..errors import InputError
from ..locate import describe_locators, known_terms
from ..weights import embedded_names
from .report import print_json
from .weights import describe

REQUIRED = (
    "torch",
    "numpy",
    "scipy",
    "safetensors",
    "nibabel",
    "pydicom",
    "pillow",
    "rapidfuzz",
)
OPTIONAL = (
    "highdicom",
    "napari",
    "transformers",
    "segment-anything",
    "torchvision",
    "SimpleITK",
    "nilearn",
)


def run(options: argparse.Namespace) -> int:
    """Show images, or without any: versions, devices, weights and terms."""
    if options.files:
        from .image_facts import run as show_images

        return show_images(options)
    if options.modality or options.unit:
        raise InputError("--modality and --unit state what an image is; name its file as well.")
    content = collect()
    if options.json:
        print_json(content)
    else:
        print(_text(content))
    return 0


def collect() -> dict[str, Any]:
    """Return everything that ``info`` shows, as plain values."""
    import torch

    from ..device import choose_device, choose_precision

    device = choose_device()
    return {
        "version": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": {name: _version(name) for name in REQUIRED},
        "optional": {name: _version(name) for name in OPTIONAL},
        "devices": {
            "cpu": True,
            "cuda": torch.cuda.is_available(),
            "mps": torch.backends.mps.is_available(),
        },
        "device": str(device),
        "precision": str(choose_precision(device)).removeprefix("torch."),
        "weights": [describe(name) for name in embedded_names()],
        "locator_list": [asdict(info) for info in describe_locators()],
        "locators": {"lexicon": [asdict(term) for term in known_terms()]},
        "config_files": [],
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _text(content: dict[str, Any]) -> str:
    lines = [
        f"napari-textdifuse {content['version']}, Python {content['python']}, "
        f"{content['platform']}",
        "device: "
        + f"{content['device']} in {content['precision']}; present: "
        + ", ".join(name for name, here in content["devices"].items() if here),
        "packages: " + _versions(content["packages"]),
        "optional: " + _versions(content["optional"]),
        "configuration files: none",
        "weights:" + ("" if content["weights"] else " none embedded"),
    ]
    lines += [f"  {w['name']} ({w['version']})  SHA-256 {w['sha256']}" for w in content["weights"]]
    lines += ["locators:", *map(_locator_line, content["locator_list"])]
    for locator, terms in content["locators"].items():
        lines += [f"terms of the locator '{locator}':", *_term_lines(terms)]
    lines.append("  and their German, French, Spanish and Chinese names")
    return "\n".join(lines)


def _versions(packages: dict[str, str | None]) -> str:
    return ", ".join(f"{name} {number or 'missing'}" for name, number in packages.items())


def _locator_line(info: dict[str, Any]) -> str:
    line = f"  {info['name']}: {info['summary']}"
    if info["needs_download"]:
        line += f"; {info['megabytes']} MB, {info['licence']}"
        line += "; weights are missing" if info["missing"] else "; ready"
    return line + (f"; {info['problem']}" if info["problem"] else "")


def _term_lines(terms: list[dict[str, Any]]) -> list[str]:
    """Each term once with its synonyms, and a line for each of its rules."""
    lines: list[str] = []
    shown = None
    for term in terms:
        if term["term"] != shown:
            shown = term["term"]
            also = ", ".join(term["synonyms"])
            lines.append(f"  {shown}" + (f" (also: {also})" if also else ""))
        kind = term["modality"] + (f" in {term['unit']}" if term["unit"] else "")
        lines.append(f"    {kind}: {term['rule']}")
    return lines
