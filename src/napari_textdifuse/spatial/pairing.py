"""Two images as a pair: in one world, with the same number of axes."""

from __future__ import annotations

from dataclasses import replace

from ..exports import RAS_LPS
from ..volume import Volume


def share_world(a: Volume, b: Volume) -> tuple[Volume, Volume]:
    """Place a layer at the origin as the viewer displays it, if the other layer was placed.

    Scale 1 at the origin may mean an image without geometry, or the grid to which another one was
    scaled. The second is the case if the other layer has a transform of its own.

    Parameters
    ----------
    a, b : Volume
        From `layers.read_layer`; other volumes are returned as they are.
    """
    in_viewer = all(volume.sources.get("space") == "viewer" for volume in (a, b))
    if in_viewer and a.ndim == b.ndim and (a.affine is None) != (b.affine is None):
        if a.affine is None:
            return replace(a, affine=RAS_LPS), b
        return a, replace(b, affine=RAS_LPS)
    return a, b


def equal_axes(a: Volume, b: Volume) -> tuple[Volume, Volume]:
    """Match the number of axes of a slice and a volume.

    A volume of one slice becomes that slice, as other formats write it. A slice with a known
    position becomes a volume of one slice, with the thickness that the file states.

    Parameters
    ----------
    a, b : Volume

    Returns
    -------
    a, b : Volume
        Unchanged where their axes are equal or the slice has no position.
    """
    if a.ndim == b.ndim:
        return a, b
    if 1 in (a.shape[0] * (a.ndim == 3), b.shape[0] * (b.ndim == 3)):
        volume = (a if a.ndim == 3 else b).loaded()
        flat = replace(volume, array=volume.array[0])
        return (flat, b) if a.ndim == 3 else (a, flat)
    if a.affine is None or b.affine is None:
        return a, b
    slice_ = (a if a.ndim == 2 else b).loaded()
    thick = replace(slice_, array=slice_.array[None])
    return (thick, b) if a.ndim == 2 else (a, thick)
