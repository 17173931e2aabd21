"""Import segment-anything where torchvision is missing or broken.

segment-anything imports four names of torchvision at its start: `resize` and `to_pil_image`, which
it uses to scale an image, and `batched_nms` and `box_area`, which only its generator of masks for
everything uses. PyPI's torchvision does not import with a torch without CUDA (``operator
torchvision::nms does not exist``), so asking everyone for it would fail on the most common
installation. The stand-ins are in ``sys.modules`` only while segment-anything is imported, so no
other library takes them for torchvision.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from types import ModuleType
from typing import Any

from ..errors import MissingDependencyError

_NAMES = (
    "torchvision",
    "torchvision.ops",
    "torchvision.ops.boxes",
    "torchvision.transforms",
    "torchvision.transforms.functional",
)


def import_segment_anything() -> ModuleType:
    """Import segment-anything, with the real torchvision where that works.

    Returns
    -------
    module

    Raises
    ------
    MissingDependencyError
        If segment-anything is not installed or cannot be imported.
    """
    if "segment_anything" in sys.modules:
        return sys.modules["segment_anything"]
    # another library may have tried before, without torchvision: what is left of that attempt would
    # be mistaken for loaded, and missing in the package
    for name in [n for n in sys.modules if n.startswith("segment_anything.")]:
        del sys.modules[name]
    try:
        if torchvision_works():
            return import_module("segment_anything")
        with _standing_in():
            return import_module("segment_anything")
    except ImportError as error:
        raise MissingDependencyError(
            f"segment-anything cannot be imported ({error}); 'pip install segment-anything', or "
            "use a SAM folder in transformers' format."
        ) from None


def torchvision_works() -> bool:
    """Return whether torchvision is installed and fits this torch."""
    try:
        import_module("torchvision.ops.boxes")
        import_module("torchvision.transforms.functional")
    except Exception:  # a torchvision of another torch raises RuntimeError, AttributeError, OSError
        return False
    return True


@contextmanager
def _standing_in() -> Iterator[None]:
    before = {name: sys.modules.pop(name) for name in _NAMES if name in sys.modules}
    sys.modules.update(_stand_ins())
    try:
        yield
    finally:
        for name in _NAMES:
            sys.modules.pop(name, None)
        sys.modules.update(before)


def _stand_ins() -> dict[str, ModuleType]:
    modules = {name: ModuleType(name) for name in _NAMES}
    for name, module in modules.items():
        parent, _, child = name.rpartition(".")
        module.__path__ = []  # a package: submodules may be imported from it
        if parent:
            setattr(modules[parent], child, module)
    functional: Any = modules["torchvision.transforms.functional"]
    functional.resize, functional.to_pil_image = _resize, _to_pil_image
    boxes: Any = modules["torchvision.ops.boxes"]
    boxes.batched_nms = boxes.box_area = _not_here
    return modules


def _to_pil_image(array: Any) -> Any:
    from PIL import Image

    return Image.fromarray(array)


def _resize(image: Any, size: tuple[int, int]) -> Any:
    """Scale a PIL image to ``(Y, X)``, bilinear, which is what torchvision does to PIL images."""
    from PIL import Image

    return image.resize((size[1], size[0]), Image.Resampling.BILINEAR)


def _not_here(*_: Any, **__: Any) -> Any:
    raise MissingDependencyError(
        "This function of segment-anything needs torchvision; install one that fits torch."
    )
