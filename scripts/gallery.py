"""Write ``docs/gallery.md`` and its images: each sample with its prompts, and the call.

python scripts/gallery.py
"""

from __future__ import annotations

import io
import sys
from pathlib import Path

import numpy as np
from PIL import Image

from napari_textdifuse import FusionPipeline
from napari_textdifuse.samples import SAMPLES, load_sample, sample_mask

DOCS = Path(__file__).parents[1] / "docs"
PICTURES = DOCS / "images" / "gallery"
#: Sample and prompt.
CALLS = (
    ("pet-mri", None),
    ("pet-mri", "tumour"),
    ("ct-mri", "bone"),
    ("ct-mri", "ventricle"),
    ("spect-mri", "perfusion deficit"),
    ("street", None),
    ("street", "person"),
    ("street", "car"),
)
#: Term whose largest section is shown of each head.
SHOWN = {"pet-mri": "tumour", "ct-mri": "ventricle", "spect-mri": "perfusion deficit"}
WIDTH = 640


def call(sample: str, prompt: str | None, index: int | None) -> str:
    """Return the Python that makes an image."""
    arguments = ["a", "b"]
    arguments += [] if prompt is None else [f'"{prompt}"']
    arguments += [] if index is None else [f"slices={index}"]
    return f'a, b = load_sample("{sample}")\nfuse({", ".join(arguments)})'


def section(sample: str) -> int | None:
    """Return the slice with most of what is shown; None for a 2-D image."""
    if sample not in SHOWN:
        return None
    return int(np.argmax(sample_mask(sample, SHOWN[sample]).array.sum(axis=(1, 2))))


def main() -> int:
    """Fuse, and write page and images."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    pipeline = FusionPipeline.from_pretrained(device="cpu")
    lines = [
        "# Gallery",
        "",
        "Each bundled sample, fused, with the named object outlined. The heads are simulated and",
        "the street scene is drawn. `scripts/gallery.py` makes this page with the embedded",
        "weights. To get an image in a notebook, run",
        "",
        "```python",
        "from napari_textdifuse import fuse",
        "from napari_textdifuse.samples import load_sample",
        "```",
        "",
        "followed by the call given below.",
    ]
    for sample, prompt in CALLS:
        a, b = load_sample(sample)
        index = section(sample)
        result = pipeline(a, b, prompt, slices=index) if index else pipeline(a, b, prompt)
        name = f"{sample}{'' if prompt is None else '-' + prompt.replace(' ', '-')}.jpg"
        _save(result._repr_png_(), PICTURES / name)
        title = sample if prompt is None else f"{sample}, {prompt}"
        text = SAMPLES[sample].description
        lines += ["", f"## {title}", "", f"{text}.", "", "```python"]
        lines += [call(sample, prompt, index), "```", "", f"![{title}](images/gallery/{name})"]
        print(name, flush=True)
    (DOCS / "gallery.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return 0


def _save(png: bytes, path: Path) -> None:
    picture = Image.open(io.BytesIO(png)).convert("RGB")
    if picture.width > WIDTH:
        height = round(picture.height * WIDTH / picture.width)
        picture = picture.resize((WIDTH, height), Image.Resampling.LANCZOS)
    picture.save(path, quality=88)


if __name__ == "__main__":
    sys.exit(main())
