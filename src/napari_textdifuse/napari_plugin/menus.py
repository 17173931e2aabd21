"""What the entries of napari's menus do: fuse the selected layers, open a sample.

napari lets plugins add no command to the layers' context menu, so the first is in the Layers menu.
"""

from __future__ import annotations

import napari
from napari.layers import Image
from napari.utils.notifications import show_error

from .docking import open_panel, unwrapped
from .fuse.roles import guess_pair
from .layers import LayerData, to_layer
from .reader import let_through
from .results import is_result


def fuse_selected(viewer: napari.viewer.Viewer) -> None:
    """Open the fusion panel with the two selected image layers in it.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
    """
    from .fuse.widget import FusionWidget

    selected = set(viewer.layers.selection)
    images = [
        v for v in viewer.layers if v in selected and isinstance(v, Image) and not is_result(v)
    ]
    if len(images) != 2:
        show_error(f"Select the two image layers to fuse; {len(images)} are selected.")
        return
    widget = open_panel(unwrapped(viewer), "Fuse two images", FusionWidget)
    widget.image_a.value, widget.image_b.value = guess_pair(images)


def _sample(name: str) -> list[LayerData]:
    from ..samples import load_sample

    volumes = list(load_sample(name))
    volumes.sort(key=lambda volume: volume.modality == "CT")  # over the MRI, which it lets through
    layers = [to_layer(volume) for volume in volumes]
    let_through(layers)
    return layers


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
