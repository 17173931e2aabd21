"""`Volume`: an image as measured, with its grid, unit and modality."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from . import exports
from .errors import InputError, size_of

if TYPE_CHECKING:
    import nibabel

Array = npt.NDArray[Any]

#: DICOM modality codes (0008,0060) where one exists; VIS and IR are images of a scene.
MODALITIES = ("CT", "MR", "PT", "NM", "VIS", "IR")
#: Usual names of the modalities.
MODALITY_NAMES = {
    "CT": "CT",
    "MR": "MRI",
    "PT": "PET",
    "NM": "SPECT",
    "VIS": "visible light",
    "IR": "infrared",
}
#: Functional modalities (PET, SPECT), displayed in colour on the anatomy.
FUNCTIONAL = ("PT", "NM")
#: Modalities that are photographs.
NATURAL = ("VIS", "IR")
#: Key of this package's data in layers and files.
KEY = "textdifuse"
#: Notice in every file and record of a fusion.
NOTICE = "Derived image for research; not for diagnosis."
#: The unit of label images.
LABEL_UNIT = "label"
#: Number of slices of a lazy array that its statistics are based on.
SAMPLED_SLICES = 32
#: Levels that differ by less than this part of the brightest one are alike.
_EVEN = 6 / 255
#: A grid is flat if its determinant is below this part of the product of its voxel sizes.
FLAT = 1e-6
#: Entries of an affine are below this, in mm: far beyond any scene, and safe to compute with.
FARTHEST = 1e15
#: Millimetres per unit of length. Names as pint writes them, and as files do.
MILLIMETRES = {
    name: factor
    for names, factor in (
        ("m meter metre meters metres", 1e3),
        ("cm centimeter centimetre centimeters centimetres", 10.0),
        ("mm millimeter millimetre millimeters millimetres", 1.0),
        ("um µm μm micron microns micrometer micrometre micrometers micrometres", 1e-3),
        ("nm nanometer nanometre nanometers nanometres", 1e-6),
        ("pm picometer picometre", 1e-9),
        ("å angstrom", 1e-7),
        ("in inch inches", 25.4),
    )
    for name in names.split()
}
#: Sources of facts, the most trusted first.
SOURCES = ("stated", "file", "sidecar", "file name", "folder name", "viewer", "values", "unknown")


@dataclass(frozen=True)
class Fact:
    """One fact about an image.

    Parameters
    ----------
    value : str or None
        None when unknown.
    source : str
        One of `SOURCES`.
    """

    value: str | None
    source: str

    def __str__(self) -> str:
        return "unknown" if self.value is None else f"{self.value} ({_SOURCE_WORDS[self.source]})"


_SOURCE_WORDS = {
    "stated": "stated by you",
    "file": "from the file",
    "sidecar": "from the sidecar file",
    "file name": "from the file's name",
    "folder name": "from the folder's name",
    "viewer": "from the layer's place in the viewer",
    "values": "inferred from the values",
    "unknown": "unknown",
}


@dataclass(frozen=True)
class Volume:
    """An image with its geometry and the meaning of its values.

    Parameters
    ----------
    array : ndarray
        ``(Y, X)`` or ``(Z, Y, X)``; with ``rgb=True`` a last axis of 3 or 4 channels is added.
    affine : ndarray, shape (4, 4), optional
        Maps voxel indices **in the order x, y, z** (the reverse of the array's axes) to
        millimetres in RAS+ world space, as in NIfTI. None for a 2-D image without geometry. A
        two-dimensional array is the plane ``z = 0``.
    unit : str
        Unit of the values: ``"HU"``, ``"SUVbw"``, ``"Bq/mL"``, ``"a.u."`` ...
    modality : str, optional
        ``"CT"``, ``"MR"``, ``"PT"``, ``"NM"``, ``"VIS"``, ``"IR"``, or None when unknown.
    rgb : bool
        True if the last axis contains colour channels.
    name : str
        A short name for messages and layers; never a patient's.
    window : tuple of float, optional
        Display range ``(low, high)`` in `unit`, if the file states one.
    contrast : str, optional
        How an MR image is weighted: ``"T1"``, ``"T1Gd"`` (after gadolinium), ``"T2"``, ``"PD"``,
        ``"FLAIR"``, ``"DWI"``, ``"ADC"``, ``"T2*"``, ``"MRA"``, or None when unknown.
    sources : mapping of str to str
        Source of each fact ("modality", "unit", "contrast", "space", and "length", the unit of
        length, only where millimetres were assumed); one of `SOURCES`. See `facts`.
    metadata : mapping
        Facts about the acquisition, never the patient's identity. For one image of a time series,
        ``"time"`` is its index among ``"time_points"``, from 0.
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
                f"{self.name}: a{kind} array of {size_of(self.array.shape)} is not a 2-D image or "
                "a 3-D volume; select one time point or channel first."
            )
        if self.rgb and self.array.shape[-1] not in (3, 4):
            raise InputError(
                f"{self.name}: a colour image needs 3 or 4 channels in its last axis, "
                f"not {self.array.shape[-1]}."
            )
        if self.affine is not None:
            affine = _real_numbers(self.affine)
            if affine.shape != (4, 4) or not (np.abs(affine) < FARTHEST).all():
                raise InputError(
                    f"{self.name}: the affine (voxels to mm) must be 4 x 4 finite numbers; correct "
                    "the file's geometry."
                )
            if not np.allclose(affine[3], (0, 0, 0, 1), atol=1e-6):
                raise InputError(
                    f"{self.name}: the last row of the affine is {affine[3].tolist()}, not "
                    "0, 0, 0, 1; correct the file's geometry."
                )
            sizes = np.linalg.norm(affine[:3, :3], axis=0)
            # relative: voxels of a micrometre are valid, too
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
        """What is known of this image: modality, contrast, unit, colour, space and time, in order.

        "contrast" exists for MR images; "colour" is "grey", "natural colour" or "colours of
        measured values"; "space" is spacing and frame; "time" is the time point of a series and
        their number.
        """
        known = dict(self.sources)

        def fact(name: str, value: str | None) -> Fact:
            return Fact(value, "unknown" if value is None else known.get(name, "file"))

        unit = None if self.unit == "a.u." and "unit" not in known else self.unit
        facts = {"modality": fact("modality", self.modality)}
        facts["contrast"] = fact("contrast", self.contrast)
        facts["unit"] = fact("unit", unit)
        facts["colour"] = self._colour()
        spacing = self.spacing
        size = " x ".join(f"{s:.4g}" for s in spacing) if spacing else ""
        assumed = ", unit assumed" if known.get("length") == "unknown" else ""
        facts["space"] = fact("space", f"{size} mm, RAS{assumed}" if spacing else None)
        point, points = (self.metadata.get(k) for k in ("time", "time_points"))
        facts["time"] = fact("time", f"point {point} of {points}, from 0" if points else None)
        return facts

    def _colour(self) -> Fact:
        if not self.rgb:
            return Fact("grey", "file")
        if self.modality is None:
            black = has_black_background(self)
            return Fact("colours of measured values" if black else "natural colour", "values")
        source = self.sources.get("modality", "file")
        if self.modality == "VIS":
            return Fact("natural colour", source)
        return Fact("colours of measured values", source)

    @property
    def is_lazy(self) -> bool:
        """Whether the values are not in memory yet."""
        return not isinstance(self.array, np.ndarray)

    def loaded(self) -> Volume:
        """Return the volume with its values in memory."""
        return replace(self, array=np.asarray(self.array[...])) if self.is_lazy else self

    def sampled(self, slices: int = SAMPLED_SLICES) -> Volume:
        """Return a sample of the values for statistics, without its geometry.

        Parameters
        ----------
        slices : int
            Number of slices to read of a lazy volume, evenly spaced along the first axis. An array
            in memory is returned unchanged.

        Returns
        -------
        Volume
        """
        if not self.is_lazy:
            return self
        count = self.shape[0]
        if self.ndim == 2 or count <= slices:
            return self.loaded()
        chosen = np.linspace(0, count - 1, slices).round().astype(int)
        array = np.stack([np.asarray(self.array[int(i)]) for i in chosen])
        return replace(self, array=array, affine=None)

    def with_array(self, array: Array, **changes: Any) -> Volume:
        """Return a volume with other values and the same grid and meaning."""
        return replace(self, array=array, **changes)

    def to_nibabel(self) -> nibabel.Nifti1Image:
        """Return a NIfTI image; see `exports.to_nibabel`."""
        return exports.to_nibabel(self)

    def to_sitk(self) -> Any:
        """Return a `SimpleITK.Image`; see `exports.to_sitk`."""
        return exports.to_sitk(self)

    def to_itk(self) -> Any:
        """Return an `itk.Image`; see `exports.to_itk`."""
        return exports.to_itk(self)

    def to_monai(self) -> Any:
        """Return a `monai.data.MetaTensor`; see `exports.to_monai`."""
        return exports.to_monai(self)

    def to_torchio(self) -> Any:
        """Return a `torchio.ScalarImage` or `LabelMap`; see `exports.to_torchio`."""
        return exports.to_torchio(self)

    def to_xarray(self) -> Any:
        """Return an `xarray.DataArray`; see `exports.to_xarray`."""
        return exports.to_xarray(self)

    @classmethod
    def from_nibabel(cls, image: nibabel.Nifti1Image, **fields: Any) -> Volume:
        """Create a volume from a nibabel image (scl_slope and scl_inter applied).

        Parameters
        ----------
        image : nibabel.Nifti1Image
            Three-dimensional, or four-dimensional with a single time point. Lengths in metres or
            micrometres are converted; without a unit they are taken as millimetres.
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
        if "affine" not in fields and image.affine is not None:
            scale, stated = millimetres_of(image.header)
            fields["affine"] = np.diag([scale, scale, scale, 1.0]) @ image.affine
            if not stated:
                fields["sources"] = {"length": "unknown", **fields.get("sources", {})}
        return cls(array=np.ascontiguousarray(array), rgb=rgb, **fields)


def millimetres_of(header: Any) -> tuple[float, bool]:
    """Return the millimetres per unit of length of a header, and whether it states the unit.

    Parameters
    ----------
    header : nibabel.spatialimages.SpatialHeader
        The lower three bits of ``xyzt_units`` of NIfTI are 1 (m), 2 (mm), 3 (micrometre) or 0
        (unknown); other formats are always in millimetres.
    """
    if "xyzt_units" not in getattr(header, "keys", tuple)():
        return 1.0, True
    factor = {1: 1e3, 2: 1.0, 3: 1e-3}.get(int(header["xyzt_units"]) & 7)
    return (1.0, False) if factor is None else (factor, True)


def _real_numbers(affine: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Return a matrix in float64; an empty one if its entries are not real numbers, or masked."""
    try:
        given = np.asarray(affine)
    except ValueError:  # rows of several lengths
        return np.empty((0, 0))
    if given.dtype.kind not in "iuf" or np.ma.is_masked(affine):
        return np.empty((0, 0))
    return given.astype(np.float64)


def is_photograph(volume: Volume) -> bool:
    """Return whether a colour image looks like a photograph, not like a displayed measurement.

    A measurement is surrounded by one colour of its map, which is not white.
    """
    if not volume.rgb:
        return False
    border = _border(volume)
    middle = np.nanmedian(border, axis=0)
    even = (np.abs(border - middle) < _EVEN).all(axis=-1).mean() > 0.5
    return not even or bool((middle > 1 - _EVEN).all())


def has_black_background(volume: Volume) -> bool:
    """Return whether an image's border is black, as around a displayed measurement."""
    return float(np.nanmedian(_border(volume))) < _EVEN


def _border(volume: Volume) -> npt.NDArray[np.float64]:
    """Return the colours or grey values along the border (of the middle slice), at most 1."""
    rows, columns = volume.shape[-2:]
    y, x = max(1, rows // 25), max(1, columns // 25)
    colours = volume.array[..., :3] if volume.rgb else volume.array
    if volume.ndim == 3:
        colours = colours[len(colours) // 2]
    colours = np.asarray(colours)
    outside = np.ones((rows, columns), bool)
    outside[y:-y, x:-x] = False
    top = 255.0 if colours.dtype == np.uint8 else max(float(np.nanmax(colours)), 1e-12)
    return colours[outside] / top
