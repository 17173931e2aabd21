"""A made-up head in four modalities and a made-up street, with the truth known."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import pytest
from scipy import ndimage

from napari_textdifuse.volume import Volume

SPACING = 2.0
SHAPE = (72, 112, 92)  # Z, Y, X


@dataclass(frozen=True)
class Head:
    """Maps of labels on one grid; `make` turns them into an image."""

    air: np.ndarray
    scalp: np.ndarray
    skull: np.ndarray
    grey: np.ndarray
    white: np.ndarray
    ventricle: np.ndarray
    vessel: np.ndarray
    lesion: np.ndarray

    def make(self, modality: str, noise: float = 1.0, seed: int = 0, lesion: float | None = None):
        """Values per tissue, blurred by the scanner, with noise; `lesion` replaces its value."""
        unit, fwhm, sigma, values = VALUES[modality]
        values = dict(values)
        if lesion is not None:
            values["lesion"] = lesion
        image = np.full(SHAPE, values["fluid"], np.float32)
        image[self.air] = values["air"]
        for name in ("scalp", "skull", "grey", "white", "ventricle", "vessel", "lesion"):
            value = values["fluid"] if name == "ventricle" else values[name]
            if value is not None:
                image[getattr(self, name)] = value
        image = ndimage.gaussian_filter(image, fwhm / 2.355 / SPACING)
        noisy = np.random.default_rng(seed).normal(0, sigma * noise, SHAPE)
        noisy = ndimage.gaussian_filter(noisy, 0.5) * 1.9
        kind = "MR" if modality in ("T2", "FLAIR") else modality
        return Volume((image + noisy).astype(np.float32), affine=AFFINE, unit=unit, modality=kind)


AFFINE = np.diag([-SPACING, SPACING, SPACING, 1.0])  # x index grows towards the patient's left
AFFINE[:3, 3] = [SPACING * SHAPE[2] / 2, -SPACING * SHAPE[1] / 2, -SPACING * SHAPE[0] / 2]
#: unit, resolution (FWHM, mm), noise, value per tissue; None leaves what is below.
VALUES = {
    "PT": (
        "SUVbw",
        5.5,
        0.35,
        {
            "air": 0,
            "scalp": 0.8,
            "skull": 0.4,
            "fluid": 0.5,
            "grey": 7.0,
            "white": 2.2,
            "vessel": None,
            "lesion": 14.0,
        },
    ),
    "NM": (
        "counts",
        9.0,
        3.0,
        {
            "air": 0,
            "scalp": 15,
            "skull": 5,
            "fluid": 5,
            "grey": 100,
            "white": 35,
            "vessel": None,
            "lesion": 210,
        },
    ),
    "CT": (
        "HU",
        1.2,
        8.0,
        {
            "air": -1000,
            "scalp": 40,
            "skull": 1000,
            "fluid": 5,
            "grey": 37,
            "white": 28,
            "vessel": 270,
            "lesion": 42,
        },
    ),
    "MR": (
        "a.u.",
        1.0,
        25.0,
        {
            "air": 0,
            "scalp": 900,
            "skull": 60,
            "fluid": 150,
            "grey": 480,
            "white": 720,
            "vessel": None,
            "lesion": 430,
        },
    ),
    "T2": (
        "a.u.",
        1.0,
        25.0,
        {
            "air": 0,
            "scalp": 500,
            "skull": 60,
            "fluid": 1100,
            "grey": 480,
            "white": 380,
            "vessel": None,
            "lesion": 700,
        },
    ),
    "FLAIR": (
        "a.u.",
        1.0,
        25.0,
        {
            "air": 0,
            "scalp": 500,
            "skull": 60,
            "fluid": 80,
            "grey": 480,
            "white": 400,
            "vessel": None,
            "lesion": 720,
        },
    ),
}


@cache
def build_head(diameter: float = 18.0) -> Head:
    z, y, x = (
        (np.arange(n) - (n - 1) / 2)[(...,) + (None,) * k] * SPACING
        for n, k in zip(SHAPE, (2, 1, 0), strict=True)
    )

    def ball(cz, cy, cx, rz, ry, rx):
        return ((z - cz) / rz) ** 2 + ((y - cy) / ry) ** 2 + ((x - cx) / rx) ** 2 < 1

    inner = ball(-6, 0, 0, 70, 82, 64)
    skull = ball(-6, 0, 0, 77, 89, 71) & ~inner
    outer = ball(-6, 0, 0, 84, 97, 79)
    scalp = outer & ~inner & ~skull
    brain = ball(-6, 0, 0, 66, 78, 60)
    folds = ndimage.gaussian_filter(np.random.default_rng(1).normal(size=SHAPE), 2.5)
    folds /= folds.std()
    inward = ndimage.distance_transform_edt(brain, [SPACING] * 3)
    sulci = brain & (inward < 14) & (folds > 1.1)
    fissure = brain & (np.abs(x) < 2) & (inward < 20) & (z > -20)
    brain &= ~sulci & ~fissure
    inward = ndimage.distance_transform_edt(brain, [SPACING] * 3)
    grey = brain & (inward < 5 + 2 * folds)
    grey |= ball(2, 5, 16, 10, 14, 8) | ball(2, 5, -16, 10, 14, 8)  # basal ganglia
    ventricle = ball(14, 0, 9, 8, 28, 5) | ball(14, 0, -9, 8, 28, 5)
    r = diameter / 2
    lesion = ball(16, -30, 32, r, r, r)
    vessel = ball(-20, 20, 0, 3, 3, 40) | ball(-10, 20, 0, 25, 3, 3)
    white = brain & ~grey
    return Head(~outer, scalp, skull, grey, white, ventricle, vessel, lesion)


@pytest.fixture(scope="session")
def head() -> Head:
    return build_head()


@pytest.fixture(scope="session")
def sized_head():
    return build_head


@pytest.fixture(scope="session")
def plane():
    """Cut one slice, with its geometry, out of a volume."""

    def cut(volume: Volume, index: int) -> Volume:
        return Volume(
            volume.array[index],
            affine=volume.affine,
            unit=volume.unit,
            modality=volume.modality,
            rgb=volume.rgb,
        )

    return cut


@pytest.fixture(scope="session")
def dice():
    def measure(found, truth) -> float:
        found, truth = found > 0, truth > 0
        return 2 * (found & truth).sum() / max(found.sum() + truth.sum(), 1)

    return measure


@pytest.fixture(scope="session")
def tiny_models(tmp_path_factory):
    """Folders and files of tiny OWL-ViT, OWLv2 and SAM models in their real formats."""
    import tiny_models as make

    folder = tmp_path_factory.mktemp("models")
    make.save_owl(folder / "owlvit")
    make.save_owl(folder / "owlv2", "owlv2")
    make.save_transformers_sam(folder / "sam")
    make.save_checkpoint(folder / "sam_tiny.pth")
    return folder


@pytest.fixture
def no_weights(monkeypatch, tmp_path):
    """A machine on which nothing was downloaded, and no network."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HOME", str(tmp_path / "hf"))
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hf" / "hub"))
    monkeypatch.setattr("huggingface_hub.file_download.constants.HF_HUB_CACHE", str(tmp_path / "h"))
    monkeypatch.delenv("TEXTDIFUSE_LOCATOR_WEIGHTS", raising=False)

    def refuse(*_, **__):
        raise AssertionError("the network was touched")

    monkeypatch.setattr("socket.socket.connect", refuse)
    monkeypatch.setattr("socket.getaddrinfo", refuse)
