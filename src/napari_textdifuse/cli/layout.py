"""The file layout of a batch: plain folders, BIDS derivatives, or DICOM."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .._version import __version__
from ..errors import InputError
from ..io import write_json
from ..io._files import write_bytes
from ..io.bids import VERSION, BidsFile
from ..results.dicom_folder import written_before
from ..results.folder import PREVIEW, RECORD
from ..volume import NOTICE
from .batch_report import OBJECTS, PAGE, TABLE

CODE = "https://github.com/napari-textdifuse/napari-textdifuse"


@dataclass(frozen=True)
class PlainLayout:
    """``NAME.ending``, with the other files in subfolders; see `results.folder.SUBFOLDERS`."""

    name: str

    @property
    def record(self) -> str:
        """The record's file."""
        return f"records/{self.name}.json"

    @property
    def preview(self) -> str:
        """The image for the report."""
        return f"previews/{self.name}.png"

    def files(self, labels: Mapping[str, str], ending: str) -> dict[str, str]:
        """Return the image files by role."""
        folders = {"fused": "", "mask": "masks/", "uncertainty": "uncertainty/"}
        return {role: f"{folder}{self.name}{ending}" for role, folder in folders.items()}

    def about(self) -> dict[str, Any]:
        """Return nothing: the record is complete."""
        return {}

    def finish(self, out: Path, record: Mapping[str, Any]) -> None:
        """Do nothing: only the record accompanies the images."""

    def sidecars(self, path: Path) -> list[Path]:
        """Return nothing: an image has no sidecar."""
        return []


@dataclass(frozen=True)
class DicomLayout(PlainLayout):
    """A folder for each pair, with the files of `results.dicom_folder.save_dicom`."""

    @property
    def record(self) -> str:
        """The record's file."""
        return f"{self.name}/{RECORD}"

    @property
    def preview(self) -> str:
        """The image for the report."""
        return f"{self.name}/{PREVIEW}"


@dataclass(frozen=True)
class BidsLayout:
    """Derivatives of image A: ``sub-01/anat/sub-01_desc-fused_T1w.nii.gz`` with its sidecar.

    Parameters
    ----------
    image, partner : BidsFile
        Images A and B.
    identity : bool
        Whether the derivatives are inside the data set, so that they can name their sources.
    """

    image: BidsFile
    partner: BidsFile
    identity: bool

    @property
    def record(self) -> str:
        """The sidecar of the fused image, which is the record."""
        return f"{self.image.derived('fused')}.json"

    @property
    def preview(self) -> str:
        """The image for the report; not part of the data set (``.bidsignore``)."""
        return f"previews/{self.image.session}.png"

    def files(self, labels: Mapping[str, str], ending: str) -> dict[str, str]:
        """Return the image files by role: one object is a mask, several are a ``dseg``."""
        names = list(labels.values())
        mask = ("objects", "dseg") if len(names) > 1 else (names[0] if names else "object", "mask")
        return {
            "fused": f"{self.image.derived('fused')}{ending}",
            "mask": f"{self.image.derived(*mask)}{ending}",
            "uncertainty": f"{self.image.derived('uncertainty')}{ending}",
        }

    def about(self) -> dict[str, Any]:
        """Return the keys that BIDS requires of a derivative."""
        sources = [f"bids:raw:{f.folder}/{f.path.name}" for f in (self.image, self.partner)]
        return {"SkullStripped": False, "Description": f"Fused with a {self.partner.suffix}"} | (
            {"Sources": sources} if self.identity else {}
        )

    def finish(self, out: Path, record: Mapping[str, Any]) -> None:
        """Write the sidecars of mask and uncertainty, and the table of labels."""
        labels: Mapping[str, str] = record.get("label_names", {})
        files = self.files(labels, ".nii.gz")
        about = {"Sources": record["Sources"]} if "Sources" in record else {}
        if "mask" in record["outputs"]:
            name = files["mask"].removesuffix(".nii.gz")
            what = ", ".join(labels.values())
            content: dict[str, Any] = {
                "Type": "ROI",
                "Description": f"{what}. {NOTICE}",
                "SpatialReference": "orig",
            }
            content |= about
            if name.endswith("_dseg"):
                del content["Type"]
                rows = "".join(f"{k}\t{v}\n" for k, v in labels.items())
                write_bytes(out / f"{name}.tsv", f"index\tname\n{rows}".encode())
            write_json(out / f"{name}.json", content)
        if "uncertainty" in record["outputs"]:
            name = files["uncertainty"].removesuffix(".nii.gz")
            text = (
                "Expected deviation of the fused brightness: nine in ten pixels within 1.645. "
                f"{NOTICE}"
            )
            content = {"SkullStripped": False, "Description": text, **about}
            write_json(out / f"{name}.json", content)

    def sidecars(self, path: Path) -> list[Path]:
        """Return the files that accompany an image."""
        stem = path.name.removesuffix(".nii.gz")
        return [path.with_name(stem + ending) for ending in (".json", ".tsv")]


#: Both have the same methods; names are relative to ``--out``.
Layout = PlainLayout | BidsLayout  # a DicomLayout is a plain one


def layout_of(options: argparse.Namespace, name: str, path_a: Path, path_b: Path) -> Layout:
    """Return the layout of a pair's files.

    Parameters
    ----------
    options : argparse.Namespace
        Those of ``batch``.
    name : str
        Of the pair.
    path_a, path_b : Path
    """
    if options.bids:
        image, partner = BidsFile.parse(path_a), BidsFile.parse(path_b)
        if image is None or partner is None:
            raise InputError(f"{path_a.name} is not a BIDS file name.")
        return BidsLayout(image, partner, _keeps_identity(options))
    return PlainLayout(name) if options.dicom is None else DicomLayout(name)


def written_files(layout: Layout, out: Path, record: Mapping[str, Any], ending: str) -> list[Path]:
    """Return the images, or folders of DICOM slices, that an earlier record lists.

    Parameters
    ----------
    layout : Layout
    out : Path
        Of the batch.
    record : mapping
        May be empty.
    ending : str
        Of the images.
    """
    roles = record.get("outputs", ())
    if isinstance(layout, DicomLayout):
        found = written_before(out / layout.name)
        return [found.get(role, out / layout.name / role) for role in roles]
    names = layout.files(record.get("label_names", {}), ending)
    return [out / names[role] for role in roles if role in names]


def _keeps_identity(options: argparse.Namespace) -> bool:
    return bool(options.out.absolute().is_relative_to(options.a.absolute()))


def describe_dataset(options: argparse.Namespace) -> None:
    """Write the files that make the output folder a BIDS derivative data set."""
    generated = {"Name": "napari-textdifuse", "Version": __version__, "CodeURL": CODE}
    content: dict[str, Any] = {
        "Name": "Fused images (Text-DiFuse)",
        "BIDSVersion": VERSION,
        "DatasetType": "derivative",
        "GeneratedBy": [generated],
        "License": "as the source data",
    }
    if _keeps_identity(options):
        up = options.out.absolute().relative_to(options.a.absolute())
        content["DatasetLinks"] = {"raw": "/".join([".."] * len(up.parts))}
    write_json(options.out / "dataset_description.json", content)
    readme = (
        "Fused images of two sources each, made with napari-textdifuse.\n\n"
        f"{NOTICE}\nThe sidecar of each fused image is its record: settings, weights, windows,\n"
        f"what is known about both sources, and notes. {PAGE} shows every case.\n"
    )
    write_bytes(options.out / "README", readme.encode())
    ignored = f"{PAGE}\n{TABLE}\n{OBJECTS}\npreviews\n"
    write_bytes(options.out / ".bidsignore", ignored.encode())
