"""The position of a NIfTI image, and what its header does not specify."""

from __future__ import annotations

import itertools
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ..volume import millimetres_of

if TYPE_CHECKING:
    import nibabel

Floats = npt.NDArray[np.float64]

#: Lengths of an image in mm beyond which its unit is probably another: a head in m, a mouse in um.
_PLAUSIBLE = (1.0, 1e4)


def affine_of(image: nibabel.Nifti1Image, notes: list[str], stored_sizes: Any) -> Floats:
    """Return the affine of a NIfTI image in RAS mm; the sform before the qform.

    Parameters
    ----------
    image : nibabel.Nifti1Image
    notes : list of str
        Receives a sentence if the header states no orientation or no voxel size, or two
        orientations that disagree.
    stored_sizes : array_like, shape (3,)
        pixdim of x, y and z as the file has it.

    Returns
    -------
    ndarray, shape (4, 4)
    """
    header = image.header
    affine = _usable(image, notes)
    if int(header["sform_code"]) == 0 and int(header["qform_code"]) == 0:
        notes.append(
            "The file states no orientation (sform and qform codes are 0); left and right are as "
            "in older Analyze files and may be swapped."
        )
    if int(header["sform_code"]) == 0:
        zero = ["xyz"[k] for k in range(3) if stored_sizes[k] == 0]
        if zero:
            notes.append(
                f"The file gives no voxel size along {_listed(zero)} (pixdim is 0); 1 mm was "
                "assumed."
            )
    scale, stated = millimetres_of(header)
    affine[:3] *= scale
    if not stated:
        _check_extent(affine, image.shape, notes)
    if int(header["sform_code"]) and int(header["qform_code"]):
        _compare_forms(affine, image, scale, notes)
    return affine


def _check_extent(affine: Floats, shape: tuple[int, ...], notes: list[str]) -> None:
    """Note that an image without a unit of length would be implausibly small or large in mm."""
    sizes = np.linalg.norm(affine[:3, :3], axis=0)
    length = max(float(s) * n for s, n in zip(sizes, shape[:3], strict=False))
    if not _PLAUSIBLE[0] <= length <= _PLAUSIBLE[1]:
        notes.append(
            f"The file states no unit of length, so millimetres were assumed, in which the image "
            f"is {length:.3g} mm long; if the unit is another, correct the header (xyzt_units)."
        )


def _usable(image: Any, notes: list[str]) -> Floats:
    """Return nibabel's choice; the qform if the sform is stated, but singular or not finite."""
    affine = np.array(image.affine, dtype=np.float64)
    if _is_sound(affine) or not (int(image.header["sform_code"]) and image.header["qform_code"]):
        return affine
    with suppress(ValueError, np.linalg.LinAlgError):
        other = np.array(image.get_qform(), dtype=np.float64)
        if _is_sound(other):
            notes.append("The sform of the file is damaged; the qform was used.")
            return other
    return affine


def _is_sound(affine: Floats) -> bool:
    return bool(np.isfinite(affine).all() and np.linalg.det(affine[:3, :3]))


def _listed(words: list[str]) -> str:
    return " and ".join(filter(None, (", ".join(words[:-1]), words[-1])))


def _compare_forms(affine: Any, image: Any, scale: float, notes: list[str]) -> None:
    """Note the difference between the sform, which is used, and the qform."""
    try:
        other = np.array(image.get_qform(), dtype=np.float64)
        other[:3] *= scale
        ends = [(0, max(n - 1, 1)) for n in (*image.shape[:3], 1, 1)[:3]]
        corners = np.array([(*c, 1) for c in itertools.product(*ends)], dtype=np.float64)
        apart = float(np.linalg.norm((corners @ (affine - other).T)[:, :3], axis=1).max())
        u, _, vt = np.linalg.svd(affine[:3, :3] @ np.linalg.inv(other[:3, :3]))
    except (ValueError, np.linalg.LinAlgError):  # HeaderDataError is a ValueError in spirit
        notes.append("The qform of the file is damaged; the sform was used.")
        return
    if not apart > 0.1 * float(np.linalg.norm(affine[:3, :3], axis=0).min()):
        return
    degrees = np.degrees(np.arccos(np.clip((np.trace(u @ vt) - 1) / 2, -1, 1)))
    turn = f"{degrees:.1f} degrees" if np.linalg.det(u @ vt) > 0 else "are mirrored"
    notes.append(
        f"The two orientations in the file disagree by up to {apart:.3g} mm and {turn}; the sform "
        "was used, not the qform (some programs use the qform)."
    )
