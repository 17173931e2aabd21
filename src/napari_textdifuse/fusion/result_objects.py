"""A result's images as objects of other libraries."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from ..volume import Volume

if TYPE_CHECKING:
    import nibabel


class _HasVolumes(Protocol):
    def volume(self, name: str = "fused") -> Volume: ...


class ResultObjects:
    """What `FusionResult` offers to other libraries; geometry is that of the first input.

    Each method takes `what`: "fused", "mask", "contribution" or "uncertainty". The library is
    imported when it is asked for; `MissingDependencyError` names it where it is not installed.
    """

    def to_nibabel(self: _HasVolumes, what: str = "fused") -> nibabel.Nifti1Image:
        """Return a NIfTI image; colours in 8 bits. See `Volume.to_nibabel`."""
        return self.volume(what).to_nibabel()

    def to_sitk(self: _HasVolumes, what: str = "fused") -> Any:
        """Return a `SimpleITK.Image`; colours as components. See `Volume.to_sitk`."""
        return self.volume(what).to_sitk()

    def to_itk(self: _HasVolumes, what: str = "fused") -> Any:
        """Return an `itk.Image`; colours as components. See `Volume.to_itk`."""
        return self.volume(what).to_itk()

    def to_monai(self: _HasVolumes, what: str = "fused") -> Any:
        """Return a `monai.data.MetaTensor`, channel first. See `Volume.to_monai`."""
        return self.volume(what).to_monai()

    def to_torchio(self: _HasVolumes, what: str = "fused") -> Any:
        """Return a `torchio.ScalarImage`, or a `LabelMap` for the mask. See `Volume.to_torchio`."""
        return self.volume(what).to_torchio()

    def to_xarray(self: _HasVolumes, what: str = "fused") -> Any:
        """Return an `xarray.DataArray` with coordinates in mm. See `Volume.to_xarray`."""
        return self.volume(what).to_xarray()
