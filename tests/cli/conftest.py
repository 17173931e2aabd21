"""Small images on disk, and a way to run a command and see all it says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from cli_images import write_colour, write_grey, write_nifti

from napari_textdifuse.cli import main


@dataclass(frozen=True)
class Ran:
    status: int
    out: str
    err: str


@pytest.fixture
def textdifuse(capsys) -> Callable[..., Ran]:
    def run(*arguments: object) -> Ran:
        capsys.readouterr()
        status = main([str(a) for a in arguments])
        return Ran(status, *capsys.readouterr())

    return run


@pytest.fixture
def fast(tiny_weights) -> tuple[object, ...]:
    """Options that make a fusion quick."""
    return ("--weights", tiny_weights, "--device", "cpu", "--steps", "1")


@pytest.fixture
def pictures(tmp_path) -> tuple[Path, Path]:
    return write_grey(tmp_path / "Mustermann_Erika.png"), write_colour(
        tmp_path / "Mustermann_Erika_pet.png"
    )


@pytest.fixture
def volumes(tmp_path) -> tuple[Path, Path]:
    """The same ball on two grids."""
    a = write_nifti(tmp_path / "a.nii.gz", flip=True)
    b = write_nifti(tmp_path / "b.nii.gz", (14, 16, 9), (3, 3, 2.5), (-18, -22, -11))
    return a, b
