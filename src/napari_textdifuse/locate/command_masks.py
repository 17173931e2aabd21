"""The masks that a program wrote, on the grid of the images that it was given."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ..errors import InputError, ReadError, TextDiFuseError
from ..volume import LABEL_UNIT, Volume

_ENDINGS = (".nii.gz", ".nii")


def masks_of(
    paths: dict[str, Path], grid: Volume, prompts: list[str]
) -> tuple[npt.NDArray[np.uint8], dict[int, str]]:
    """Read the one label file, or the folder with a file per object.

    Parameters
    ----------
    paths : dict
        The file ``output`` and the folder ``output_dir``.
    grid : Volume
        The image that the program was given.
    prompts : list of str

    Returns
    -------
    mask : ndarray of uint8
        Shape of the image.
    names : dict of int to str

    Raises
    ------
    TextDiFuseError
        If there is no usable mask.
    """
    if paths["output"].is_file():
        labels = _on_grid(paths["output"], grid)
        names = dict(enumerate(prompts, start=1))
        for value in np.unique(labels[labels > 0]).tolist():
            names.setdefault(value, f"label {value}")
        return labels, names
    files = sorted(p for p in paths["output_dir"].rglob("*") if p.name.endswith(_ENDINGS))
    if not files:
        raise TextDiFuseError(
            "The program ended without a mask; it must write a NIfTI file to {output}, or into "
            "{output_dir}."
        )
    found = {_object_name(path): _on_grid(path, grid) for path in files}
    if len(found) == 1 and len(np.unique(next(iter(found.values())))) > 2:
        paths["output"] = files[0]  # one file for all
        return masks_of(paths, grid, prompts)
    if len(found) > 255:
        raise InputError(f"The program wrote {len(found)} masks; at most 255 are possible.")
    order = {_plain(word): n for n, word in enumerate(prompts)}
    listed = sorted(found, key=lambda n: (order.get(_plain(n), len(order)), n))
    mask = np.zeros(grid.shape, np.uint8)
    # the smaller on top
    for name in sorted(listed, key=lambda n: -int((found[n] > 0).sum())):
        mask[found[name] > 0] = listed.index(name) + 1
    return mask, dict(enumerate(listed, start=1))


def _object_name(path: Path) -> str:
    stem = path.name.removesuffix(".gz").removesuffix(".nii")
    return re.sub(r"^image_[ab]_", "", stem).replace("_", " ") or "object"


def _plain(name: str) -> str:
    return name.casefold().replace("_", " ")


def _on_grid(path: Path, grid: Volume) -> npt.NDArray[np.uint8]:
    """Read a mask and resample it onto the images' grid."""
    from ..io import read
    from ..spatial import resample_to

    try:
        volume = read(path)
        if grid.ndim == 2 and volume.ndim == 3 and volume.shape[0] == 1:
            volume = Volume(volume.array[0], affine=volume.affine, name=volume.name)
        values = volume.array
        whole = np.rint(values)
        if volume.rgb or not np.isfinite(whole).all() or whole.min(initial=0) < 0:
            raise ReadError(f"{path.name} contains no labels (integers from 0).")
        if whole.max(initial=0) > 255:
            raise InputError(
                f"{path.name} has labels up to {whole.max():.0f}; at most 255 are possible."
            )
        if np.abs(values - whole).max(initial=0) > 1e-3:  # a probability
            whole = values > 0.5
        placed = Volume(whole.astype(np.uint8), affine=volume.affine, unit=LABEL_UNIT)
        _check_place(placed, grid, path.name)
        if grid.affine is None:  # it was written with a meaningless affine
            placed = Volume(placed.array, unit=LABEL_UNIT)
        result = resample_to(placed, grid, order=0, check_overlap=False).volume.array
    except InputError as error:
        raise TextDiFuseError(f"The program's mask cannot be used: {error}") from None
    return np.asarray(result, np.uint8)


def _check_place(mask: Volume, grid: Volume, name: str) -> None:
    """Refuse a mask that was written with another geometry than that of its image.

    Raises
    ------
    InputError
        If it has the image's size but covers another part of the world, or if part of what it
        marks is outside the image.
    """
    if mask.affine is None or grid.affine is None or mask.ndim != grid.ndim:
        return
    fix = "the program must write it with the affine of the image that it was given."
    size = float(np.linalg.norm(grid.affine[:3, : grid.ndim], axis=0).max())
    boxes = [_world_box(v.affine, v.shape) for v in (mask, grid) if v.affine is not None]
    if sorted(mask.shape) == sorted(grid.shape) and np.abs(boxes[0] - boxes[1]).max() > size:
        raise InputError(f"{name} has the image's size, but another position or voxel size; {fix}")
    marked = np.argwhere(mask.array)[:, ::-1]
    if not len(marked):
        return
    pixels = np.c_[marked, np.zeros((len(marked), 3 - mask.ndim)), np.ones(len(marked))]
    index = (pixels @ (np.linalg.inv(grid.affine) @ mask.affine).T)[:, : grid.ndim]
    inside = (index > -1).all(axis=1) & (index < np.array(grid.shape[::-1])).all(axis=1)
    if inside.mean() < 0.9:
        raise InputError(
            f"{1 - inside.mean():.0%} of what {name} marks is outside the image; {fix}"
        )


def _world_box(affine: npt.NDArray[np.float64], shape: tuple[int, ...]) -> npt.NDArray[np.float64]:
    """Return the lowest and highest world coordinates of a grid, shape (2, 3)."""
    edges = [(-0.5, n - 0.5) for n in shape[::-1]] + [(0.0, 0.0)] * (3 - len(shape))
    corners = np.array(np.meshgrid(*edges)).reshape(3, -1)
    places = affine[:3, :3] @ corners + affine[:3, 3:]
    return np.array([places.min(axis=1), places.max(axis=1)])
