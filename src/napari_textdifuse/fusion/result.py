"""The result of a fusion."""

from __future__ import annotations

import base64
import html
from collections import Counter
from dataclasses import dataclass, field, replace
from io import BytesIO
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from ..locate import Detections, Location
from ..locate.drawn.refine import DRAWN
from ..locate.regions import components
from ..measure import measure_objects
from ..memory import empty, page_out
from ..volume import Volume
from .pair import Pair
from .slices import boxes_from_front, from_front

#: Colours of the outlines of label 1, 2 ...; light, because the background is mostly dark.
OUTLINES = ((255, 220, 0), (0, 230, 255), (255, 110, 220), (120, 255, 120))


class ResultPictures:
    """The display of a `FusionResult` in IPython and Jupyter."""

    fused: npt.NDArray[np.float32]
    mask: npt.NDArray[np.uint8] | None
    contribution: npt.NDArray[np.float32]
    label_names: dict[int, str]
    record: dict[str, Any]

    def _repr_png_(self) -> bytes:
        """Return the fused image as PNG, with the outlines of the mask.

        For a volume, the slice along its first axis with most of the mask; without one, the middle.
        """
        from PIL import Image
        from scipy import ndimage

        index = self._shown_slice()
        fused, mask = self.fused, self.mask
        if index is not None:
            fused, mask = fused[index], None if mask is None else mask[index]
        picture = np.rint(np.clip(fused, 0, 1) * 255).astype(np.uint8)
        if mask is not None and mask.any():
            if picture.ndim == 2:
                picture = np.stack([picture] * 3, axis=-1)
            for label in np.unique(mask[mask > 0]):
                inside = mask == label
                edge = inside & ~ndimage.binary_erosion(inside)
                picture[edge] = OUTLINES[(int(label) - 1) % len(OUTLINES)]
        stream = BytesIO()
        Image.fromarray(picture).save(stream, "PNG")
        return stream.getvalue()

    def _repr_html_(self) -> str:
        """Return the image with a description and one line for each object."""
        data = base64.b64encode(self._repr_png_()).decode()
        shape = " x ".join(map(str, self.contribution.shape))
        index = self._shown_slice()
        where = "" if index is None else f", slice {index}"
        lines = [f"Fused image, {shape}{where}; not for diagnosis"]
        for label, name in sorted(self.label_names.items()):
            count = 0 if self.mask is None else int(np.count_nonzero(self.mask == label))
            colour = "rgb({}, {}, {})".format(*OUTLINES[(label - 1) % len(OUTLINES)])
            mark = f'<span style="background: {colour}">&nbsp;&nbsp;</span>'
            lines.append(f"{mark} {label}: {html.escape(str(name))}, {count} pixels")
        lines += [f"Note: {html.escape(str(note))}" for note in self.record.get("warnings", ())]
        text = "".join(f"<div>{line}</div>" for line in lines)
        style = "image-rendering: auto; max-width: 512px; min-width: 192px"
        source = f"data:image/png;base64,{data}"
        return f'<div><img alt="fused image" style="{style}" src="{source}"/>{text}</div>'

    def _shown_slice(self) -> int | None:
        if self.contribution.ndim == 2:
            return None
        if self.mask is not None and self.mask.any():
            return int(np.argmax(np.count_nonzero(self.mask, axis=(1, 2))))
        return len(self.contribution) // 2


if TYPE_CHECKING:
    import nibabel


class _HasVolumes(Protocol):
    def volume(self, name: str = "fused") -> Volume: ...


class ResultObjects:
    """Conversions of a `FusionResult` to other libraries, with the geometry of the first input.

    Each method takes `what`: "fused", "mask", "contribution" or "uncertainty". The library is
    imported on demand; `MissingDependencyError` names it if it is not installed.
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


Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class FusionResult(ResultObjects, ResultPictures):
    """A fused image with its mask, evidence and record.

    Parameters
    ----------
    fused : ndarray of float32
        ``(Y, X)`` or ``(Y, X, 3)``, a leading Z for volumes; in [0, 1]. On the first input's grid,
        or that of its chosen slices.
    mask : ndarray of uint8, or None
        Label ``k`` is the k-th object; shape of the grid. None without prompt, mask or boxes.
    detections : Detections
        Boxes in pixels of the grid, scores and labels.
    contribution : ndarray of float32
        Share of each pixel that came from the first input, from the FCM's weights; in [0, 1].
    uncertainty : ndarray of float32, or None
        Expected deviation of the fused brightness from that of images without noise, blur and wrong
        light: nine in ten pixels are within 1.645 times this value. With several samples their
        spread is added. None if neither is known.
    record : dict
        How the result was made; plain values, ready for JSON. Contains no patient identity.
    label_names : dict of int to str
        The name of each label of the mask.
    affine : ndarray, shape (4, 4), or None
        Of the first input, or of its chosen slices (see `Volume`).
    objects : list of dict
        One row per label: size, position, and the values of both inputs in their own units; see
        `measure.measure_objects`. Plain values, ready for JSON.
    """

    fused: Floats
    mask: npt.NDArray[np.uint8] | None
    detections: Detections
    contribution: Floats
    uncertainty: Floats | None
    record: dict[str, Any]
    label_names: dict[int, str] = field(default_factory=dict)
    affine: npt.NDArray[np.float64] | None = None
    objects: list[dict[str, Any]] = field(default_factory=list)

    @property
    def rgb(self) -> bool:
        """Whether the fused image has colour."""
        return self.fused.ndim > self.contribution.ndim

    def volume(self, name: str = "fused") -> Volume:
        """Return one of the images as a `Volume` on the first input's grid.

        Parameters
        ----------
        name : {"fused", "mask", "contribution", "uncertainty"}

        Raises
        ------
        ValueError
            If there is no such image in this result.
        """
        array = getattr(self, name) if name in _IMAGES else None
        if array is None:
            raise ValueError(f"This result has no image {name!r}.")
        return Volume(
            array,
            affine=self.affine,
            rgb=name == "fused" and self.rgb,
            name=name,
            unit="label" if name == "mask" else "a.u.",
        )

    def __repr__(self) -> str:
        found = ", ".join(f"{n!r}" for n in self.label_names.values()) or "no prompt"
        seconds = self.record.get("seconds", float("nan"))
        return (
            f"FusionResult(fused {self.fused.shape} float32, {found}, "
            f"{len(self.detections)} detections, {seconds:.2f} s; not for diagnosis)"
        )


_IMAGES = ("fused", "mask", "contribution", "uncertainty")


class FusedSlices:
    """The images of all chosen slices, filled from the first on.

    Parameters
    ----------
    shape : tuple of int
        Number of slices, height and width.
    coloured : bool
    uncertain : bool
        Whether it is known how far the result may be off.
    axis : int
        Of the grid, along which the slices were cut.

    Attributes
    ----------
    fused : ndarray of float32, shape (N, Y, X) or (N, Y, X, 3)
    contribution : ndarray of float32, shape (N, Y, X)
        Share of image A.
    uncertainty : ndarray of float32, shape (N, Y, X), or None
    done : int
        How many slices are finished.
    recoloured : set of int
        Labels of the objects that had to be shown in another colour.
    """

    def __init__(
        self, shape: tuple[int, int, int], coloured: bool, uncertain: bool, axis: int = 0
    ) -> None:
        self._shape, self._axis = shape, axis
        self.fused = self._stack(3 if coloured else None)
        self.contribution = self._stack()
        self.uncertainty = self._stack() if uncertain else None
        self.done = 0
        self.recoloured: set[int] = set()

    def __len__(self) -> int:
        return len(self.fused)

    def put(self, index: int, picture: Floats) -> None:
        """Take a finished slice; a grey stack gets colour with its first slice that has some."""
        if picture.ndim == self.fused.ndim:
            grey, self.fused = self.fused, self._stack(3)
            self.fused[:index] = grey[:index, ..., None]
        elif picture.ndim < self.fused.ndim - 1:
            picture = picture[..., None]
        self.fused[index] = np.clip(picture, 0, 1)

    def page_out(self) -> None:
        """Take finished slices out of memory if they lie in a file."""
        for images in (self.fused, self.contribution, self.uncertainty):
            if images is not None:
                page_out(images)

    def _stack(self, colours: int | None = None) -> Floats:
        """Return an empty image, stored as it will lie on the grid that the slices are cut from."""
        shape = list(self._shape[1:])
        shape.insert(self._axis, self._shape[0])
        stored = empty((*shape, colours) if colours else tuple(shape), np.float32)
        return np.moveaxis(stored, self._axis, 0)


def make_result(
    pair: Pair, slices: FusedSlices, location: Location | None, record: dict[str, Any]
) -> FusionResult:
    """Return the finished slices on the grid that they were cut from.

    Parameters
    ----------
    pair : Pair
    slices : FusedSlices
        With at least one finished slice.
    location : Location or None
        On the reoriented grid of all chosen slices.
    record : dict
    """
    axis, done = pair.selection.axis, slices.done

    def reoriented(image: npt.NDArray[Any] | None) -> Any:
        if image is None:
            return None
        return image[0] if pair.a.ndim == 2 else from_front(image[:done], axis)

    mask, detections = None, Detections()
    if location is not None:
        mask = location.mask.reshape(len(slices), *location.mask.shape[-2:])
        detections = location.detections
        if done < len(slices):
            detections = _first_slices(detections, done)
    names = dict(location.names) if location is not None else {}
    mask = reoriented(mask)
    objects = [] if mask is None else _measured(pair, mask, names, detections, done)
    return FusionResult(
        fused=reoriented(slices.fused),
        mask=mask,
        detections=replace(detections, boxes=boxes_from_front(detections.boxes, axis)),
        contribution=reoriented(slices.contribution),
        uncertainty=reoriented(slices.uncertainty),
        record=record | {"objects": objects},
        label_names=names,
        affine=pair.grid(done).affine,
        objects=objects,
    )


def _measured(
    pair: Pair,
    mask: npt.NDArray[np.uint8],
    names: dict[int, str],
    detections: Detections,
    done: int,
) -> list[dict[str, Any]]:
    """Measure the objects of a mask in both images, each on its own grid."""
    a, b = pair.grid(done), pair.partner_of(done)
    if a.shape == b.shape:  # if only one has geometry, it was assumed for both
        affine = b.affine if a.affine is None else a.affine
        a = a if a.affine is not None else replace(a, affine=affine)
        b = b if b.affine is not None else replace(b, affine=affine)
    rows = list(zip(detections.label_values.tolist(), detections.sources, strict=False))
    return measure_objects(
        mask,
        names,
        a,
        {"a": a, "b": b},
        axis=pair.selection.axis,
        found_in={
            label: ", ".join(dict.fromkeys(source for value, source in rows if value == label))
            for label in {value for value, _ in rows}
        },
        counts={**Counter(detections.label_values.tolist()), **_drawn_parts(mask, rows)},
    )


def _drawn_parts(mask: npt.NDArray[np.uint8], rows: list[tuple[int, str]]) -> dict[int, int]:
    """Count the separate parts of painted labels, of which each is one detection."""
    drawn = {value for value, _ in rows} - {value for value, source in rows if source != DRAWN}
    return {value: components(mask == value)[1] for value in drawn}


def _first_slices(rows: Detections, done: int) -> Detections:
    """Remove what is in slices that were not finished."""
    kept = np.flatnonzero(rows.boxes[:, 2] < done)
    boxes = rows.boxes[kept].copy()
    boxes[:, 5] = np.minimum(boxes[:, 5], done)
    return Detections(
        boxes=boxes,
        scores=rows.scores[kept],
        labels=tuple(rows.labels[i] for i in kept),
        label_values=rows.label_values[kept],
        sources=tuple(rows.sources[i] for i in kept),
        kinds=tuple(rows.kinds[i] for i in kept if rows.kinds),
        reasons=tuple(rows.reasons[i] for i in kept if rows.reasons),
    )
