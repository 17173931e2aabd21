"""The interface of all locators: a prompt becomes boxes and a label mask."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from ..volume import Volume


@dataclass(frozen=True)
class Detections:
    """Objects found, one row each.

    Parameters
    ----------
    boxes : ndarray of float32, shape (N, 4) or (N, 6)
        Pixel edges ``(x0, y0, x1, y1)`` in 2-D; ``(x0, y0, z0, x1, y1, z1)`` in volumes.
        The upper edge is exclusive, so a single pixel at 3 has edges 3 and 4.
    scores : ndarray of float32, shape (N,)
        In [0, 1]; the meaning depends on the locator.
    labels : tuple of str
        The term each object was found for.
    label_values : ndarray of uint8, shape (N,)
        The value of the object's pixels in `Location.mask`.
    sources : tuple of str
        Which image each object was found in: its modality or name.
    kinds : tuple of str
        Per object ``"structure"`` (anatomy that passed a plausibility check) or ``"candidate"``
        (a finding to accept or reject); empty if a locator does not distinguish them.
    reasons : tuple of str
        Per object, why it was marked; empty if a locator gives none.
    """

    boxes: npt.NDArray[np.float32] = field(default_factory=lambda: np.zeros((0, 4), np.float32))
    scores: npt.NDArray[np.float32] = field(default_factory=lambda: np.zeros(0, np.float32))
    labels: tuple[str, ...] = ()
    label_values: npt.NDArray[np.uint8] = field(default_factory=lambda: np.zeros(0, np.uint8))
    sources: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.labels)

    @classmethod
    def of_mask(
        cls, mask: npt.NDArray[np.uint8], names: Mapping[int, str], source: str
    ) -> Detections:
        """Describe the labels of a mask as one object each, with score 1.

        Parameters
        ----------
        mask : ndarray of uint8
        names : mapping of int to str
            The name of each label.
        source : str
            Image that they were found in.
        """
        from scipy import ndimage

        boxes, values = [], []
        for value, window in enumerate(ndimage.find_objects(mask), start=1):
            if window is not None:
                low, high = zip(*((part.start, part.stop) for part in window[::-1]), strict=True)
                boxes.append([*low, *high])
                values.append(value)
        return cls(
            boxes=np.array(boxes, np.float32).reshape(-1, 2 * mask.ndim),
            scores=np.ones(len(values), np.float32),
            labels=tuple(names[value] for value in values),
            label_values=np.array(values, np.uint8),
            sources=(source,) * len(values),
        )


@dataclass(frozen=True)
class Location:
    """The answer of a locator.

    Parameters
    ----------
    mask : ndarray of uint8
        Spatial shape of the images; 0 is background, ``k`` the k-th term of the prompt.
    detections : Detections
        The objects in the mask.
    names : dict of int to str
        The name of each label value, also for terms that were not found.
    notes : tuple of str
        One sentence each: the rule used per term with its source, terms that were not found.
    instances : ndarray of uint32, optional
        Shape of the mask; 0 is background, ``i`` the object in row ``i - 1`` of `detections`.
        None if a locator does not separate the objects of one term.
    """

    mask: npt.NDArray[np.uint8]
    detections: Detections
    names: dict[int, str]
    notes: tuple[str, ...] = ()
    instances: npt.NDArray[np.uint32] | None = None


@dataclass(frozen=True)
class LocatorInfo:
    """The description of a locator, available without loading anything.

    Parameters
    ----------
    name : str
        The name for `get_locator` and ``--locator``.
    summary : str
        One line.
    good_at : str
        What it finds, and its training data.
    needs_download : bool
        Whether it needs files that are not part of the package.
    megabytes : int
        Size of those files; 0 for none.
    licence : str
        Of those files.
    missing : tuple of str
        What is missing on this machine, one sentence each with what to do.
    problem : str
        Why it cannot be used at all (a broken plugin), else empty.
    """

    name: str
    summary: str
    good_at: str = ""
    needs_download: bool = False
    megabytes: int = 0
    licence: str = ""
    missing: tuple[str, ...] = ()
    problem: str = ""


@runtime_checkable
class Locator(Protocol):
    """Any object that converts a prompt to a `Location`.

    Other packages offer theirs through the entry-point group ``napari_textdifuse.locators``: a
    class or function that makes the locator from keyword options. It may have a ``describe``
    attribute, callable without arguments, that returns a `LocatorInfo`.
    """

    name: str

    def locate(self, images: Sequence[Volume], prompt: str) -> Location:
        """Find what `prompt` names.

        Parameters
        ----------
        images : sequence of Volume
            On one grid (equal spatial shape), values in their own units.
        prompt : str
            Free text.

        Returns
        -------
        Location

        Raises
        ------
        PromptError
            If the prompt names nothing that the locator knows; the message lists the known terms.
        """
        ...
