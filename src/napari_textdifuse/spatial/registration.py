"""Registration: the transform that aligns one image of a patient with another.

Mattes mutual information (Mattes et al. 2003, PET-CT image registration in the chest using
free-form deformations), coarse to fine, with ITK through SimpleITK (the extra ``register``). The
result is a transform in world coordinates; nothing is resampled, only affines change.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import GeometryError, InputError, ReadError, size_of
from ..volume import Volume
from .grid import LEAST_SIDE, check_plane, orthonormal
from .registration_search import Callback
from .transform_files import decode_tfm, encode_tfm

Matrix = npt.NDArray[np.float64]

KINDS = ("rigid", "affine")
#: Possible, but more often a failure.
UPSIDE_DOWN_ANGLE, LARGE_SCALE = 120.0, 1.25
#: Mutual information of another place, as a part of the best one's, above which the two cannot be
#: distinguished; the second value applies if only a single search ended at the best.
CLOSE, LONE = 0.95, 0.85
#: A volume thinner than this, in mm, and than this part of its longest side, hardly shows its tilt:
#: 5 of 9 slabs of 30 mm ended more than 5 mm off (benchmarks/registration.py).
THIN_MM, THIN_PART = 40.0, 1 / 3


@dataclass(frozen=True)
class Registration:
    """A transform and its reliability.

    Parameters
    ----------
    matrix : ndarray, shape (4, 4)
        Takes the moving image's world coordinates to the fixed image's, RAS mm.
    kind : {"rigid", "affine"}
    metric_before, metric_after : float or None
        Mutual information in nats, higher is better; None before if the images did not overlap.
    shift_mm : float
        Displacement of the centre of the fixed image.
    angle : float
        Degrees of rotation.
    scale : float
        Largest stretch or inverse squeeze; 1 for rigid movements.
    warnings : tuple of str
        One sentence each.
    starts, agreeing : int
        Number of quick searches from different positions and angles, and number of those that
        ended here; 0 for a transform from a file.
    rival : float
        Mutual information of the best other place as a part of this one's; 0 if there is none.
    """

    matrix: Matrix
    kind: str
    metric_before: float | None
    metric_after: float
    shift_mm: float
    angle: float
    scale: float = 1.0
    warnings: tuple[str, ...] = field(default=())
    starts: int = 0
    agreeing: int = 0
    rival: float = 0.0

    @property
    def moves(self) -> bool:
        """False if no better position than that of the files was found."""
        return self.metric_before is None or self.metric_after > self.metric_before

    def apply(self, moving: Volume) -> Volume:
        """Return the moving image in its new position: the same values, another affine.

        Raises
        ------
        InputError
            If the image has no geometry.
        """
        if moving.affine is None:
            raise InputError(f"{moving.name} has no geometry, so it cannot be moved in space.")
        return replace(moving, affine=self.matrix @ moving.affine)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, ready for JSON and for a result's record."""
        meaning = "moving world to fixed world, RAS mm"
        return asdict(self) | {
            "matrix": self.matrix.tolist(),
            "matrix_maps": meaning,
            "warnings": list(self.warnings),
        }

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write a ``.json`` file (everything) or an ITK ``.tfm`` file (the transform only).

        Parameters
        ----------
        path : str or PathLike
            Replaced, whole or not at all. See `transform_files` for ITK's convention.

        Raises
        ------
        InputError
            If the extension is another.
        WriteError
            If the file cannot be written.
        """
        # io is not needed otherwise, and this keeps spatial importable without it
        from ..io import write_json
        from ..io._files import write_bytes

        path = Path(path)
        if path.suffix == ".json":
            return write_json(path, self.to_dict())
        if path.suffix == ".tfm":
            return write_bytes(path, encode_tfm(self.matrix).encode())
        raise InputError(f"{path.name}: a transform is saved as .json or .tfm; rename it.")

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Registration:
        """Read a file of `save`, or an ITK affine transform of another program.

        Raises
        ------
        ReadError
            If the file is missing or is not such a transform.
        """
        path = Path(path)
        try:
            text = path.read_text("utf-8")
        except (OSError, UnicodeDecodeError):
            raise ReadError(
                f"{path.name}: the file does not exist or is not a text file."
            ) from None
        if path.suffix != ".json":
            matrix = decode_tfm(text, path.name)
            size = _size(matrix, np.zeros(3))
            kind = "rigid" if size[2] < 1 + 1e-4 else "affine"
            return cls(matrix, kind, None, float("nan"), *size)
        try:
            values = json.loads(text)
            values.pop("matrix_maps", None)
            values["matrix"] = np.array(values["matrix"], dtype=float).reshape(4, 4)
            values["warnings"] = tuple(values["warnings"])
            if values["metric_after"] is None:
                values["metric_after"] = float("nan")
            return cls(**values)
        except (ValueError, KeyError, TypeError, AttributeError):
            raise ReadError(
                f"{path.name}: this is not a transform of napari-textdifuse; register again."
            ) from None


@dataclass(frozen=True)
class Aligned:
    """A moving image in its new position, with notes for the record.

    Parameters
    ----------
    volume : Volume
    registration : Registration
    notes : tuple of str
    """

    volume: Volume
    registration: Registration
    notes: tuple[str, ...]


def register(
    fixed: Volume, moving: Volume, kind: str = "rigid", callback: Callback | None = None
) -> Registration:
    """Find the transform that aligns `moving` with `fixed`.

    Quick searches start from the best of three positions (as in the files, centres on centres,
    centres of gravity on each other), also turned by 20 and by 180 degrees about each axis; the
    best of them is refined. The result is trusted if the searches agree; see ``warnings``. If the
    search finds nothing better than the files, nothing is moved. Equal inputs give equal results:
    one thread, one seed.

    Parameters
    ----------
    fixed, moving : Volume
        Both with geometry; both 3-D, or slices of one plane (which then move within the plane).
        Colours count as their brightness. Any contrast: CT, MR, PET.
    kind : {"rigid", "affine"}
        Affine adds scaling and shearing to rotation and translation: for two people, or wrong
        voxel sizes; not needed for one head.
    callback : callable, optional
        Called with a `RegistrationProgress`; returning False cancels.

    Returns
    -------
    Registration

    Raises
    ------
    InputError
        If `kind` is unknown or the images cannot be registered (no geometry, 2-D with 3-D, fewer
        than 4 voxels along an axis, one value everywhere).
    MissingDependencyError
        If SimpleITK is not installed.
    Cancelled
        If the callback returned False.
    """
    from .registration_search import Search

    if kind not in KINDS:
        raise InputError(f"kind must be one of {', '.join(KINDS)}, not {kind!r}.")
    frame = frame_of(fixed, moving)
    search = Search(fixed, moving, frame, callback)
    found = search.run(kind)
    matrix = frame @ found.matrix @ np.linalg.inv(frame)
    centre = (frame @ np.r_[found.centre, np.zeros(3 - len(found.centre)), 1])[:3]
    result = Registration(
        matrix,
        kind,
        found.before,
        found.after,
        *_size(matrix, centre),
        starts=found.starts,
        agreeing=found.agreeing,
        rival=found.rival,
    )
    return replace(result, warnings=(*_warnings(result), *_thin(fixed, moving)))


def frame_of(fixed: Volume, moving: Volume) -> Matrix:
    """Return the coordinates to search in: the world; for slices, their plane.

    Returns
    -------
    ndarray, shape (4, 4)
        Frame to RAS mm. Slices lie at z = 0 of it.

    Raises
    ------
    InputError
        If the two cannot be registered.
    """
    if fixed.ndim != moving.ndim:
        raise InputError(
            f"{fixed.name} is {fixed.ndim}-D and {moving.name} is {moving.ndim}-D; register the "
            "whole volumes."
        )
    for volume in (fixed, moving):
        if volume.affine is None:
            raise GeometryError(
                f"{volume.name} has no geometry, which registration in mm needs; use a DICOM "
                "or NIfTI file, or a layer with a scale in mm."
            )
        if min(volume.shape) < LEAST_SIDE:
            raise GeometryError(
                f"{volume.name} ({size_of(volume.shape)}) is too thin to be registered: at least "
                f"{LEAST_SIDE} voxels are needed along each axis; register the whole volume."
            )
    frame = np.eye(4)
    if fixed.ndim == 2 and fixed.affine is not None:
        frame[:3, 3] = fixed.affine[:3, 3]
        check_plane(moving, fixed)
        frame[:3, :3] = orthonormal(fixed.affine)
    return frame


def aligned(
    fixed: Volume,
    moving: Volume,
    how: str | os.PathLike[str] | Registration = "rigid",
    callback: Callback | None = None,
) -> Aligned:
    """Move `moving` by registration or by a known transform.

    Parameters
    ----------
    fixed, moving : Volume
        Image A and image B.
    how : {"rigid", "affine"}, path or Registration
        Register, see `register`, or use a saved transform.
    callback : callable, optional
        See `register`.

    Returns
    -------
    Aligned
        ``notes`` describes the movement and includes the warnings.

    Raises
    ------
    InputError
        If `how` is none of these, or `moving` cannot be moved.
    ReadError
        If a file contains no transform.
    """
    if isinstance(how, str) and how in KINDS:
        found = register(fixed, moving, how, callback)
        done = f"onto image A by {how} registration (mutual information)"
    else:
        found = _given(how)
        done = f"by a given {found.kind} transform"
    note = (
        f"Image B was moved {done}: {found.shift_mm:.1f} mm and {found.angle:.1f} degrees; check "
        "the fit."
    )
    notes = (note, *found.warnings) if found.moves else found.warnings
    return Aligned(found.apply(moving), found, notes)


def _given(how: Any) -> Registration:
    if isinstance(how, Registration):
        return how
    if not isinstance(how, (str, os.PathLike)):
        raise InputError(f"register must be {', '.join(KINDS)} or a transform, not {how!r}.")
    if isinstance(how, str) and not Path(how).suffix:
        raise InputError(
            f"register must be {', '.join(KINDS)} or a saved transform (.json, .tfm), not {how!r}."
        )
    return Registration.load(how)


def _size(matrix: Matrix, centre: Matrix) -> tuple[float, float, float]:
    """Return the displacement of a point in mm, the rotation in degrees and the scale."""
    left, stretches, right = np.linalg.svd(matrix[:3, :3])
    cosine = np.clip((np.trace(left @ right) - 1) / 2, -1, 1)
    shift = centre - (np.linalg.inv(matrix) @ np.r_[centre, 1])[:3]
    return (
        float(np.linalg.norm(shift)),
        float(np.degrees(np.arccos(cosine))),
        float(max(stretches.max(), 1 / stretches.min())),
    )


def _thin(fixed: Volume, moving: Volume) -> tuple[str, ...]:
    """Warn of a slab, whose searches may agree and be wrong."""
    if fixed.ndim == 2 or fixed.affine is None or moving.affine is None:
        return ()
    sides = [
        np.linalg.norm(volume.affine[:3, :3], axis=0) * volume.shape[::-1]
        for volume in (fixed, moving)
        if volume.affine is not None
    ]
    thin = [s.min() for s in sides if s.min() < min(THIN_MM, THIN_PART * s.max())]
    if not thin:
        return ()
    return (
        f"One image is only {min(thin):.0f} mm thick, so its tilt and its position across are "
        "uncertain; check the fit.",
    )


def _warnings(found: Registration) -> tuple[str, ...]:
    warnings = []
    if not found.moves:
        warnings.append("Registration found no better position, so nothing was moved.")
    if found.agreeing == 0 or found.rival > CLOSE or (found.agreeing == 1 and found.rival > LONE):
        warnings.append(
            f"Registration is uncertain: {found.agreeing} of {found.starts} searches from "
            "different "
            f"starts ended here, and another position agrees {found.rival:.0%} as well; "
            "check the fit, or align the images roughly by hand first."
        )
    if found.angle > UPSIDE_DOWN_ANGLE:
        warnings.append(
            f"Registration turned the image by {found.angle:.0f} degrees, as if it were upside "
            "down or back to front; check that this is right."
        )
    if found.scale > LARGE_SCALE:
        warnings.append(
            f"Registration stretched or squeezed the image by a factor of {found.scale:.2f}; make "
            "sure that it is right."
        )
    return tuple(warnings)
