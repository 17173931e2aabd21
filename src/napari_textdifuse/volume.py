"""`Volume`: an image as it was measured, with its grid, unit and modality."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from .errors import InputError

if TYPE_CHECKING:
    import nibabel

    from .meaning import Fact

Array = npt.NDArray[Any]

#: DICOM modality codes (0008,0060) where one exists; VIS and IR are pictures of a scene.
MODALITIES = ("CT", "MR", "PT", "NM", "VIS", "IR")
#: Modalities that show a function (PET, SPECT), in colour on top of the anatomy.
FUNCTIONAL = ("PT", "NM")
#: Modalities that are photographs.
NATURAL = ("VIS", "IR")
#: Key of what this package stores in layers and files.
KEY = "textdifuse"
#: Stands in every file and record that a fusion makes.
NOTICE = "Derived image for research; not for diagnosis."
#: The unit of label images.
LABEL_UNIT = "label"
#: A grid whose determinant is this part of the product of its voxel sizes is flat.
FLAT = 1e-6
#: Turns RAS (NIfTI) into LPS (DICOM, ITK, napari's world here) millimetres, and back.
RAS_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])


@dataclass(frozen=True)
class Volume:
    """An image with its place in space and the meaning of its values.

    Parameters
    ----------
    array : ndarray
        ``(Y, X)`` or ``(Z, Y, X)``; with ``rgb=True`` a last axis of 3 or 4 channels is added.
    affine : ndarray, shape (4, 4), optional
        Maps voxel indices **in the order x, y, z** (the reverse of the array's axes) to
        millimetres in RAS+ world space, as in NIfTI. None for a picture without geometry. A
        two-dimensional array is the plane ``z = 0``.
    unit : str
        What the values are: ``"HU"``, ``"SUVbw"``, ``"Bq/mL"``, ``"a.u."`` ...
    modality : str, optional
        ``"CT"``, ``"MR"``, ``"PT"``, ``"NM"``, ``"VIS"``, ``"IR"``, or None when unknown.
    rgb : bool
        True when the last axis holds colour channels.
    name : str
        A short name for messages and layers; never a patient's.
    window : tuple of float, optional
        Display range ``(low, high)`` in `unit`, where the file gives one.
    contrast : str, optional
        How an MR image is weighted: ``"T1"``, ``"T1Gd"`` (after gadolinium), ``"T2"``, ``"PD"``,
        ``"FLAIR"``, ``"DWI"``, ``"ADC"``, ``"T2*"``, ``"MRA"``, or None when unknown.
    sources : mapping of str to str
        What says so, by the fact's name ("modality", "unit", "contrast", "space"); one of
        `meaning.SOURCES`. See `facts`.
    metadata : mapping
        Facts about the acquisition. Patient identity is never kept here. Of a series over time,
        ``"time"`` is the index of this one in ``"time_points"``, from 0.
    """

    array: Array
    affine: npt.NDArray[np.float64] | None = None
    unit: str = "a.u."
    modality: str | None = None
    rgb: bool = False
    name: str = "image"
    window: tuple[float, float] | None = None
    contrast: str | None = None
    sources: Mapping[str, str] = field(default_factory=dict)
    metadata: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        spatial = self.array.ndim - int(self.rgb)
        if spatial not in (2, 3):
            kind = " colour" if self.rgb else ""
            raise InputError(
                f"{self.name}: a{kind} array of shape {self.array.shape} is not a 2-D image or a "
                "3-D volume; select one time point or channel first."
            )
        if self.rgb and self.array.shape[-1] not in (3, 4):
            raise InputError(
                f"{self.name}: a colour image needs 3 or 4 channels in its last axis, "
                f"not {self.array.shape[-1]}."
            )
        if self.affine is not None:
            affine = np.asarray(self.affine, dtype=np.float64)
            if affine.shape != (4, 4) or not np.isfinite(affine).all():
                raise InputError(f"{self.name}: the affine must be a finite 4x4 matrix.")
            if not np.allclose(affine[3], (0, 0, 0, 1), atol=1e-6):
                raise InputError(
                    f"{self.name}: the last row of the affine is {affine[3].tolist()}, not "
                    "0, 0, 0, 1; correct the file's geometry."
                )
            sizes = np.linalg.norm(affine[:3, :3], axis=0)
            # relative: a voxel of a micrometre is as good as one of a millimetre
            if abs(np.linalg.det(affine[:3, :3])) <= FLAT * sizes.prod():
                raise InputError(
                    f"{self.name}: the affine has no volume (a voxel size is 0, or two axes are "
                    "parallel); correct the file's geometry."
                )
            object.__setattr__(self, "affine", affine)

    @property
    def ndim(self) -> int:
        """Number of spatial axes, 2 or 3."""
        return self.array.ndim - int(self.rgb)

    @property
    def shape(self) -> tuple[int, ...]:
        """Spatial shape, ``(Y, X)`` or ``(Z, Y, X)``."""
        return tuple(self.array.shape[: self.ndim])

    @property
    def spacing(self) -> tuple[float, ...] | None:
        """Voxel size in mm in the array's axis order (Z, Y, X or Y, X); None without geometry."""
        if self.affine is None:
            return None
        xyz = np.linalg.norm(self.affine[:3, :3], axis=0)
        return tuple(float(s) for s in xyz[::-1][3 - self.ndim :])

    @property
    def facts(self) -> dict[str, Fact]:
        """What this image is and how that is known; see `meaning.facts_of`."""
        from .meaning import facts_of

        return facts_of(self)

    def with_array(self, array: Array, **changes: Any) -> Volume:
        """Return the same grid and meaning with other values."""
        return replace(self, array=array, **changes)

    def to_nibabel(self) -> nibabel.Nifti1Image:
        """Return a NIfTI image with the affine in RAS mm and axes (X, Y, Z).

        Colour becomes NIfTI's RGB24 structured type, in 8 bits (floats are taken as [0, 1]).

        Returns
        -------
        nibabel.Nifti1Image

        Raises
        ------
        InputError
            If integer colours do not fit into 8 bits.
        """
        import nibabel as nib

        data = self.array if self.ndim == 3 else self.array[np.newaxis]
        if self.rgb:
            data = data[..., :3]
            if data.dtype.kind == "f":
                data = np.rint(np.clip(np.nan_to_num(data), 0, 1) * 255)
            elif data.size and (data.min() < 0 or data.max() > 255):
                raise InputError(
                    f"{self.name}: colours from {data.min()} to {data.max()} do not fit into "
                    "NIfTI's 8 bits; scale them to [0, 1] floats, or write a TIFF."
                )
            data = np.ascontiguousarray(data.astype(np.uint8).transpose(2, 1, 0, 3))
            rgb = np.dtype([("R", "u1"), ("G", "u1"), ("B", "u1")])
            data = data.view(rgb)[..., 0]
        else:
            data = data.transpose(2, 1, 0)
            if data.dtype == np.bool_:
                data = data.astype(np.uint8)
            elif data.dtype.kind in "iu" and data.dtype.itemsize == 8:
                data = data.astype(np.float64)
            elif data.dtype == np.float16:
                data = data.astype(np.float32)
        image = nib.Nifti1Image(data, self.affine if self.affine is not None else np.eye(4))
        if self.affine is not None:
            image.header.set_xyzt_units("mm")
        return image

    def to_sitk(self) -> Any:
        """Return a `SimpleITK.Image`; see `io.objects_out.to_sitk`."""
        from .io.objects_out import to_sitk

        return to_sitk(self)

    def to_itk(self) -> Any:
        """Return an `itk.Image`; see `io.objects_out.to_itk`."""
        from .io.objects_out import to_itk

        return to_itk(self)

    def to_monai(self) -> Any:
        """Return a `monai.data.MetaTensor`; see `io.objects_out.to_monai`."""
        from .io.objects_out import to_monai

        return to_monai(self)

    def to_torchio(self) -> Any:
        """Return a `torchio.ScalarImage` or `LabelMap`; see `io.objects_out.to_torchio`."""
        from .io.objects_out import to_torchio

        return to_torchio(self)

    def to_xarray(self) -> Any:
        """Return an `xarray.DataArray`; see `io.data_array.to_data_array`."""
        from .io.objects_out import to_xarray

        return to_xarray(self)

    @classmethod
    def from_nibabel(cls, image: nibabel.Nifti1Image, **fields: Any) -> Volume:
        """Make a volume from a nibabel image (scl_slope and scl_inter applied).

        Parameters
        ----------
        image : nibabel.Nifti1Image
            Three-dimensional, or four-dimensional with a single time point.
        **fields
            Any field of `Volume`, such as ``modality="PT", unit="SUVbw"``.

        Returns
        -------
        Volume
            Axes (Z, Y, X), or (Z, Y, X, 3) for RGB24/RGBA32 images.

        Raises
        ------
        InputError
            If the image has several time points.
        """
        data = np.asanyarray(image.dataobj)
        rgb = data.dtype.names is not None
        if rgb:
            data = np.stack([data[name] for name in data.dtype.names or ()], axis=-1)
        spatial = data.shape[:-1] if rgb else data.shape
        while len(spatial) > 3 and spatial[-1] == 1:
            data = data.reshape(spatial[:-1] + ((data.shape[-1],) if rgb else ()))
            spatial = spatial[:-1]
        while len(spatial) < 3:
            data = data.reshape((*spatial, 1) + ((data.shape[-1],) if rgb else ()))
            spatial = (*spatial, 1)
        if len(spatial) > 3:
            raise InputError(
                f"{fields.get('name', 'the image')}: a {len(spatial)}-D NIfTI image of shape "
                f"{spatial} has several time points; choose one first."
            )
        array = data.transpose(2, 1, 0, 3) if rgb else data.transpose(2, 1, 0)
        fields.setdefault("affine", image.affine)
        return cls(array=np.ascontiguousarray(array), rgb=rgb, **fields)
