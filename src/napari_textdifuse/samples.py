"""The simulated images of the package and their true masks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from .errors import InputError
from .volume import Volume


@dataclass(frozen=True)
class Sample:
    """Two images of one head or scene.

    Parameters
    ----------
    name : str
        Argument of `load_sample`.
    a, b : str
        Files, or folders with a DICOM series, relative to `sample_dir`.
    prompt : str
        Suggested prompt.
    masks, masks_b : mapping of str to str
        Prompt to the file with its true mask: on the grid of `a`, and on that of `b`.
    description : str
        One line for display.
    modalities : tuple of str or None
        Modalities, if the files do not state them.
    """

    name: str
    a: str
    b: str
    prompt: str
    masks: Mapping[str, str]
    masks_b: Mapping[str, str]
    description: str
    modalities: tuple[str | None, str | None] = (None, None)


def _brain(grid: str, **structures: str) -> dict[str, str]:
    return {
        term.replace("_", " "): f"brain/masks/{structure}_{grid}.nii.gz"
        for term, structure in structures.items()
    }


_STREET = {"person": "street/masks/person.png", "car": "street/masks/car.png"}

#: By name. The anatomical or visible image is `a`, whose grid the fused image has.
SAMPLES: dict[str, Sample] = {
    sample.name: sample
    for sample in (
        Sample(
            name="pet-mri",
            a="brain/t1.nii.gz",
            b="brain/pet.nii.gz",
            prompt="tumour",
            masks=_brain("t1", tumour="lesion"),
            masks_b=_brain("pet", tumour="lesion"),
            description="Simulated T1 MRI and FDG PET (SUV) of a head with a tumour on the left",
        ),
        Sample(
            name="ct-mri",
            a="brain/t1.nii.gz",
            b="brain/ct.nii.gz",
            prompt="bone",
            masks=_brain("t1", bone="skull", ventricle="ventricle", vessel="vessel"),
            masks_b=_brain("ct", bone="skull", ventricle="ventricle", vessel="vessel"),
            description="Simulated T1 MRI and contrast-enhanced CT (HU) of a head",
        ),
        Sample(
            name="spect-mri",
            a="brain/t1.nii.gz",
            b="brain/spect.nii.gz",
            prompt="perfusion deficit",
            masks=_brain("t1", perfusion_deficit="deficit"),
            masks_b=_brain("spect", perfusion_deficit="deficit"),
            description="Simulated T1 MRI and HMPAO SPECT of a head, perfusion deficit on the "
            "right",
        ),
        Sample(
            name="street",
            a="street/visible.png",
            b="street/infrared.png",
            prompt="person",
            masks=_STREET,
            masks_b=_STREET,
            description="Simulated street at night, in visible light and infrared",
            modalities=("VIS", "IR"),
        ),
        Sample(
            name="pet-mri-dicom",
            a="brain/dicom/t1",
            b="brain/dicom/pet",
            prompt="tumour",
            masks=_brain("t1dicom", tumour="lesion"),
            masks_b=_brain("pet", tumour="lesion"),
            description="Simulated T1 MRI and FDG PET (Bq/mL, read as SUV) as DICOM series",
        ),
    )
}


def sample_dir() -> Path:
    """Return the folder with the sample images.

    Returns
    -------
    Path
        Inside the installed package, or ``sample_data`` of a development checkout.

    Raises
    ------
    InputError
        If neither exists.
    """
    package = Path(__file__).resolve().parent
    for folder in (package / "sample_data", package.parents[1] / "sample_data"):
        if (folder / "brain").is_dir() and (folder / "street").is_dir():
            return folder
    raise InputError(
        "The sample images are not installed with this copy of napari-textdifuse; install the "
        "wheel, or run scripts/make_sample_data.py in a checkout."
    )


def load_sample(name: str) -> tuple[Volume, Volume]:
    """Read the two images of a sample.

    Parameters
    ----------
    name : str
        A key of `SAMPLES`.

    Returns
    -------
    a, b : Volume
        Each on its own grid, in its own unit (SUVbw, HU, counts, a.u.).

    Raises
    ------
    InputError
        If there is no such sample, or the sample images are not installed.
    """
    from .io import read

    sample = _sample(name)
    folder = sample_dir()
    volumes = [read(folder / file) for file in (sample.a, sample.b)]
    a, b = (
        volume if modality is None else replace(volume, modality=modality)
        for volume, modality in zip(volumes, sample.modalities, strict=True)
    )
    return a, b


def sample_mask(name: str, term: str, *, grid: str = "a") -> Volume:
    """Read the true mask of a structure in a sample.

    Parameters
    ----------
    name : str
        A key of `SAMPLES`.
    term : str
        A key of that sample's ``masks``.
    grid : {"a", "b"}
        Grid of the mask.

    Returns
    -------
    Volume
        uint8: 1 in voxels that the structure fills to at least half, else 0.

    Raises
    ------
    InputError
        If there is no such sample, term or grid, or the sample images are not installed.
    """
    from .io import read

    sample = _sample(name)
    if grid not in ("a", "b"):
        raise InputError(f"There is no grid {grid!r}; choose 'a' or 'b'.")
    masks = sample.masks if grid == "a" else sample.masks_b
    if term not in masks:
        raise InputError(f"Sample {name!r} has no mask of {term!r}; choose {', '.join(masks)}.")
    found = read(sample_dir() / masks[term])
    # file names that contain "pet" or "ct" would make the mask look like an image
    return Volume((found.array > 0).astype("uint8"), affine=found.affine, unit="label", name=term)


def _sample(name: str) -> Sample:
    if name not in SAMPLES:
        raise InputError(f"There is no sample {name!r}; choose {', '.join(SAMPLES)}.")
    return SAMPLES[name]
