"""The project's own samples, for napari's File > Open Sample menu."""

from __future__ import annotations

from .layers import LayerData, to_layer


def _sample(name: str) -> list[LayerData]:
    from ..samples import load_sample

    volumes = list(load_sample(name))
    volumes.sort(key=lambda volume: volume.modality == "CT")  # over the MRI, which it lets through
    return [to_layer(volume) for volume in volumes]


def pet_mri() -> list[LayerData]:
    """Return the simulated T1 MRI and FDG PET of a brain with a tumour."""
    return _sample("pet-mri")


def ct_mri() -> list[LayerData]:
    """Return the simulated CT and T1 MRI of a brain with a tumour."""
    return _sample("ct-mri")


def spect_mri() -> list[LayerData]:
    """Return the simulated SPECT and T1 MRI of a brain with a tumour."""
    return _sample("spect-mri")


def pet_mri_dicom() -> list[LayerData]:
    """Return a PET and MRI pair, read from DICOM series."""
    return _sample("pet-mri-dicom")


def street() -> list[LayerData]:
    """Return a simulated night street, visible and infrared."""
    return _sample("street")
