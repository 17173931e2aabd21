"""Find the matching images of a BIDS data set, and name their derivatives.

The Brain Imaging Data Structure, https://bids-specification.readthedocs.io: files are
``sub-01[_ses-02][_entity-label...]_suffix.nii.gz`` in folders ``sub-01/[ses-02/]datatype/``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import InputError

#: The version of the specification that derivatives follow.
VERSION = "1.10.0"
_NAME = re.compile(r"((?:[A-Za-z]+-[A-Za-z0-9+]+_)+)([A-Za-z0-9]+)(\.nii(?:\.gz)?)")


@dataclass(frozen=True)
class BidsFile:
    """An image of a data set, parsed by its name.

    Parameters
    ----------
    path : Path
    entities : dict of str to str
        Such as ``{"sub": "01", "ses": "02", "run": "1"}``, in the order of the name.
    suffix : str
        Such as ``"T1w"`` or ``"pet"``.
    datatype : str
        Its folder, such as ``"anat"``.
    """

    path: Path
    entities: dict[str, str]
    suffix: str
    datatype: str

    @classmethod
    def parse(cls, path: Path) -> BidsFile | None:
        """Parse a path; None if its name is not a BIDS name of a NIfTI image."""
        found = _NAME.fullmatch(path.name)
        if found is None:
            return None
        parts = (part.split("-", 1) for part in found[1].rstrip("_").split("_"))
        entities = dict(parts)
        return cls(path, entities, found[2], path.parent.name) if "sub" in entities else None

    @property
    def session(self) -> str:
        """Subject and session, such as ``"sub-01_ses-02"``."""
        return "_".join(f"{k}-{v}" for k, v in self.entities.items() if k in ("sub", "ses"))

    @property
    def folder(self) -> str:
        """Its folder in the data set, such as ``"sub-01/ses-02/anat"``."""
        return f"{self.session.replace('_', '/')}/{self.datatype}"

    @property
    def label(self) -> str:
        """The option that selects this one, such as ``"run-1_T1w"``."""
        own = [f"{k}-{v}" for k, v in self.entities.items() if k not in ("sub", "ses")]
        return "_".join([*own, self.suffix])

    def derived(self, description: str, suffix: str | None = None) -> str:
        """Return the name of a derivative, without extension.

        Parameters
        ----------
        description : str
            Label of the entity ``desc``; characters that BIDS does not allow are removed.
        suffix : str, optional
            Such as ``"mask"``; default: that of this image.

        Returns
        -------
        str
            Relative to the derivatives, such as ``"sub-01/anat/sub-01_desc-fused_T1w"``.
        """
        words = re.findall(r"[A-Za-z0-9]+", description) or ["object"]
        label = words[0] + "".join(word.capitalize() for word in words[1:])
        entities = "_".join(f"{k}-{v}" for k, v in self.entities.items() if k != "desc")
        return f"{self.folder}/{entities}_desc-{label}_{suffix or self.suffix}"


@dataclass(frozen=True)
class BidsPairs:
    """Pairs of a data set by subject and session.

    Parameters
    ----------
    pairs : dict of str to pair of Path
        Image A and B, by session (``"sub-01_ses-02"``).
    unclear : dict of str to str
        Sessions with several images that fit, and which ones.
    unpaired : list of str
        Sessions with one of the two only.
    """

    pairs: dict[str, tuple[Path, Path]] = field(default_factory=dict)
    unclear: dict[str, str] = field(default_factory=dict)
    unpaired: list[str] = field(default_factory=list)


def find_pairs(root: Path, a: str, b: str) -> BidsPairs:
    """Pair the images of a BIDS data set by subject and session.

    Parameters
    ----------
    root : Path
        The data set; ``derivatives``, ``sourcedata`` and hidden folders are not searched.
    a, b : str
        Suffix of both images, with entities where several differ: ``"T1w"``,
        ``"ce-gadolinium_T1w"``, ``"trc-FDG_pet"``.

    Returns
    -------
    BidsPairs

    Raises
    ------
    InputError
        If the folder is not a data set, no session has both, or both options select one image.
    """
    if _asked(a) == _asked(b):
        raise InputError(
            f"image A and image B are both {a}, so each image would be fused with itself; choose "
            f"another suffix or entity for one of them, such as pet or run-2_{a.split('_')[-1]}."
        )
    if not any(root.glob("sub-*")):
        raise InputError(
            f"{root.name} has no folders sub-*, so it is not a BIDS data set; give its root, or "
            "fuse two plain folders."
        )
    found: dict[str, tuple[list[BidsFile], list[BidsFile]]] = {}
    for image in _images(root):
        for k, wanted in enumerate((a, b)):
            if _fits(image, wanted):
                found.setdefault(image.session, ([], []))[k].append(image)
    result = BidsPairs()
    for session, both in sorted(found.items()):
        several = [(w, images) for w, images in zip((a, b), both, strict=True) if len(images) > 1]
        if not all(both):
            missing = next(w for w, images in zip((a, b), both, strict=True) if not images)
            result.unpaired.append(f"{session} (no {missing})")
        elif several:
            wanted, images = several[0]
            option = "--a" if wanted == a else "--b"
            known = sorted(image.label for image in images)
            result.unclear[session] = (
                f"{session} has {len(images)} images {wanted}: {', '.join(known)}; choose one by "
                f"its entities, such as {option} {known[0]}."
            )
        elif both[0] == both[1]:
            result.unclear[session] = (
                f"{a} and {b} both select {both[0][0].path.name}, which would be fused with "
                "itself; choose image B by its entities, such as run-2_T1w."
            )
        else:
            result.pairs[session] = both[0][0].path, both[1][0].path
    if not result.pairs and not result.unclear:
        raise InputError(
            f"no subject or session of {root.name} has both a {a} and a {b} image; known are "
            f"{', '.join(sorted({i.suffix for i in _images(root)})) or 'none'}."
        )
    return result


def _images(root: Path) -> Iterator[BidsFile]:
    for pattern in ("sub-*/*/*.nii*", "sub-*/ses-*/*/*.nii*"):
        for path in sorted(root.glob(pattern)):
            image = BidsFile.parse(path)
            if image is not None and path.is_relative_to(root / image.folder):
                yield image


def _fits(image: BidsFile, wanted: str) -> bool:
    entities, suffix = _asked(wanted)
    return image.suffix.lower() == suffix and all(
        _index(image.entities.get(key)) == value for key, value in entities.items()
    )


def _asked(wanted: str) -> tuple[dict[str, str | None], str]:
    """Return the entities and the suffix of an option.

    The case of a suffix is often wrong; the specification allows zeros before an index.
    """
    *entities, suffix = wanted.split("_")
    pairs = (part.partition("-")[::2] for part in entities)
    return {key: _index(value) for key, value in pairs}, suffix.lower()


def _index(label: str | None) -> str | None:
    return str(int(label)) if label is not None and label.isdecimal() else label
