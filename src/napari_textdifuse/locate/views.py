"""The views of an image: its modality if known, otherwise a marked guess."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from ..colour import BT601
from ..errors import InputError, size_of
from ..meaning import contrast_of_times
from ..name_words import part_in
from ..names import contrast_in
from ..volume import Volume

Floats = npt.NDArray[np.float32]

#: Channels that differ by no more than this fraction of the range are grey stored as colour.
_GREY_TOLERANCE = 0.02
#: A thinner stack of slices is processed slice by slice.
SLAB_MM = 40.0
#: Why a rule marked nothing, as part of a sentence, in `RuleImage.memo`.
WHY_NOT = "why nothing was marked"


@dataclass(frozen=True)
class RuleImage:
    """One image as a rule sees it: a single finite channel.

    Parameters
    ----------
    array : ndarray of float32, shape (Y, X) or (Z, Y, X)
        Values in `unit`; those that were not finite are the image's minimum.
    modality : str
        As in `Volume.modality`.
    unit : str
    spacing : tuple of float, optional
        Voxel size in mm in the array's axis order; None without geometry.
    name : str
        Name of the image in notes and detections.
    left_right : tuple of (int, int), optional
        The array's axis that runs most nearly along the patient's left-right line, and +1 if
        its index grows towards the patient's right, else -1; None if unknown.
    assumed : bool
        True when the modality is a guess.
    up : tuple of (int, int), optional
        The axis that runs most nearly from feet to head, and +1 if its index grows towards the
        head, else -1; None if unknown.
    front : tuple of (int, int), optional
        The axis that runs most nearly from back to front, and +1 if its index grows towards the
        front, else -1; None if unknown.
    contrast : str or None
        Of an MR image, see `contrast.stated_contrast`.
    contrast_source : str
        Source of the fact.
    colours : ndarray of float32, shape (Y, X, 3) or (Z, Y, X, 3), or None
        Of a colour image of a scene.
    partner : RuleImage or None
        The infrared image of the same scene for a visible one, and the other way round.
    memo : dict
        What rules have worked out about this image, so that the next one need not.
    """

    array: Floats
    modality: str
    unit: str
    spacing: tuple[float, ...] | None
    name: str
    left_right: tuple[int, int] | None = None
    assumed: bool = False
    up: tuple[int, int] | None = None
    front: tuple[int, int] | None = None
    contrast: str | None = None
    contrast_source: str = ""
    colours: Floats | None = field(default=None, repr=False, compare=False)
    partner: RuleImage | None = field(default=None, repr=False, compare=False)
    memo: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)

    @property
    def mm(self) -> tuple[float, ...]:
        """Spacing, where a pixel without geometry counts as 1 mm."""
        return self.spacing or (1.0,) * self.array.ndim

    @property
    def is_slab(self) -> bool:
        """Whether a volume is too thin to be judged in three dimensions."""
        return self.array.ndim == 3 and (
            self.array.shape[0] < 6 or self.array.shape[0] * self.mm[0] < SLAB_MM
        )

    @property
    def is_flat(self) -> bool:
        """Whether it is a slice or a stack too thin for three dimensions."""
        return self.array.ndim == 2 or self.is_slab

    def planes(self) -> list[RuleImage]:
        """Return the slices along the first axis, each as a 2-D image."""
        sideways = self.left_right
        if sideways is not None:
            sideways = (sideways[0] - 1, sideways[1]) if sideways[0] > 0 else None
        spacing = self.spacing[1:] if self.spacing else None
        return [
            replace(
                self, array=a, spacing=spacing, left_right=sideways, up=None, front=None, memo={}
            )
            for a in self.array
        ]


def views_of(images: Sequence[Volume]) -> list[RuleImage]:
    """List what each image may count as, known modalities first.

    An image without modality is guessed at only as far as rules on relative values need it: a
    colour image may be a scene (VIS) or a functional image in false colour (PT); a grey one
    may be infrared (IR) or anatomical (MR), never functional. Every guess is marked.

    Parameters
    ----------
    images : sequence of Volume
        On one grid.

    Returns
    -------
    list of RuleImage

    Raises
    ------
    InputError
        If there is no image or the shapes differ.
    """
    check_one_grid(images)
    known = [_view(image, image.modality) for image in images if image.modality]
    taken = {view.modality for view in known}
    guesses: list[RuleImage] = []
    for image in sorted(images, key=is_colour, reverse=True):
        if image.modality is None and is_colour(image):
            guesses += [_view(image, m, assumed=True) for m in ("VIS", "PT")]
        elif image.modality is None:
            free = [m for m in ("IR", "MR") if m not in taken]
            guesses += [_view(image, m, assumed=True) for m in free]
    if known:  # a guess must not contradict what the other image is known to be
        allowed = ("VIS", "IR") if taken & {"VIS", "IR"} else ("MR", "PT")
        guesses = [view for view in guesses if view.modality in allowed]
    return _paired(known + guesses)


def check_one_grid(images: Sequence[Volume]) -> None:
    """Refuse images of different shapes, or none.

    Raises
    ------
    InputError
    """
    if not images:
        raise InputError("The locator needs at least one image.")
    shapes = {image.shape for image in images}
    if len(shapes) > 1:
        listed = " and ".join(size_of(image.shape) for image in images)
        raise InputError(f"The images have the sizes {listed}; resample them onto one grid first.")


def _paired(views: list[RuleImage]) -> list[RuleImage]:
    """Tell an infrared image of the visible one of the same scene, and the other way round."""
    first = {m: next((v for v in views if v.modality == m), None) for m in ("VIS", "IR")}
    other = {"VIS": first["IR"], "IR": first["VIS"]}
    return [replace(view, partner=other.get(view.modality)) for view in views]


def image_names(images: Sequence[Volume]) -> list[str]:
    """Return what to call each image: its modality, else its name, else "image a", "image b"."""
    kinds = [image.modality for image in images]
    names = [
        kind if kind and kinds.count(kind) == 1 else image.name
        for kind, image in zip(kinds, images, strict=True)
    ]
    if len(set(names)) == len(names) and all(names):
        return names
    return [f"image {chr(ord('a') + n)}" for n in range(len(names))]


def is_colour(image: Volume) -> bool:
    """Tell a colour image from a grey one, also where grey is stored in three channels."""
    if not image.rgb:
        return False
    rgb = np.nan_to_num(image.array[..., :3].astype(np.float32))
    spread = rgb.max(axis=-1) - rgb.min(axis=-1)
    return bool(np.percentile(spread, 99) > _GREY_TOLERANCE * max(float(rgb.max()), 1e-12))


def _view(image: Volume, modality: str, assumed: bool = False) -> RuleImage:
    array, colours = image.array, None
    if image.rgb:
        rgb = np.nan_to_num(array[..., :3].astype(np.float32))
        false_colour = modality in ("PT", "NM") and is_colour(image)
        array = false_colour_to_intensity(rgb) if false_colour else luminance(rgb)
        colours = rgb if modality == "VIS" else None
    array = array.astype(np.float32)
    finite = np.isfinite(array)
    if not finite.all():
        array = np.where(finite, array, array[finite].min() if finite.any() else 0)
    contrast, contrast_source = stated_contrast(image) if modality == "MR" else (None, "")
    return RuleImage(
        array=array,
        modality=modality,
        unit="a.u." if image.rgb else image.unit,
        spacing=image.spacing,
        name=image.modality or image.name,
        left_right=_array_axis(image, 0),
        assumed=assumed,
        up=_array_axis(image, 2),
        front=_array_axis(image, 1),
        contrast=contrast,
        contrast_source=contrast_source,
        colours=colours,
    )


def _array_axis(image: Volume, world: int) -> tuple[int, int] | None:
    """Return the array's axis nearest to a world axis, and the sign."""
    if image.affine is None or image.modality in (None, "VIS", "IR"):
        return None
    sizes = np.linalg.norm(image.affine[:3, : image.ndim], axis=0)
    row = image.affine[world, : image.ndim] / sizes
    xyz = int(np.argmax(np.abs(row)))
    if abs(row[xyz]) < 0.7:  # a sagittal slice, or tilted by more than 45 degrees
        return None
    return image.ndim - 1 - xyz, 1 if row[xyz] > 0 else -1


def luminance(rgb: Floats) -> Floats:
    """Return ITU-R BT.601 luma of ``(..., 3)`` colours, in their own range."""
    return (rgb @ np.array(BT601, np.float32)).astype(np.float32)


def false_colour_to_intensity(rgb: Floats) -> Floats:
    """Undo a colour table roughly: rank false colours from cold to hot.

    Tables that pass through blue or green (rainbow-like) are ranked by hue from blue over green,
    yellow and red to magenta, times brightness; all others (hot, iron) by luminance. Only the
    order means something; the result is not a measurement.

    Parameters
    ----------
    rgb : ndarray of float32, shape (..., 3)
        Any range from 0 up.

    Returns
    -------
    ndarray of float32
        In [0, 1].
    """
    from scipy.ndimage import gaussian_filter
    from skimage.color import rgb2hsv

    top = float(rgb.max())
    if top <= 0:
        return np.zeros(rgb.shape[:-1], np.float32)
    hsv = rgb2hsv(np.clip(rgb / top, 0, 1))
    hue, saturation, value = (hsv[..., i] for i in range(3))
    vivid = (saturation > 0.5) & (value > 0.35)
    cold = vivid & (hue > 0.25) & (hue < 0.70)
    warm = vivid & ((hue <= 0.25) | (hue > 0.85))
    rainbow = min(cold.sum(), warm.sum()) > 0.02 * max(int(vivid.sum()), 1)
    if not rainbow:
        return luminance(rgb) / top
    violet = (hue >= 0.70) & (hue < 0.82)  # below blue in some tables, never the top
    position = np.where(violet, 0, (0.70 - hue) % 1.0) * value
    # hue jumps where colours are dark or greyish: take those by brightness alone
    position = np.where(vivid, position, 0.3 * value)
    smooth = gaussian_filter(position.astype(np.float32), 0.7, mode="nearest")
    return np.clip(smooth, 0, 1).astype(np.float32)


_SOURCE_WORDS = {
    "stated": "what you stated",
    "sidecar": "its sidecar file",
    "file name": "its file's name",
    "folder name": "its folder's name",
}


def stated_contrast(volume: Volume) -> tuple[str | None, str]:
    """Return an MR image's contrast as far as anything outside its values says it.

    In order: ``volume.contrast``, facts about the acquisition (a contrast agent, series or
    protocol description, echo, repetition and inversion time), the image's name.

    Parameters
    ----------
    volume : Volume

    Returns
    -------
    contrast : {"T1", "T1Gd", "T2", "PD", "FLAIR", "DWI", "ADC", "T2*", "MRA"} or None
    source : str
        What said so, for a note.
    """
    if volume.contrast:
        return (
            volume.contrast,
            f"by {_SOURCE_WORDS.get(volume.sources.get('contrast', ''), 'its file')}",
        )
    facts = dict(volume.metadata)
    nested = facts.get("acquisition")
    if isinstance(nested, Mapping):
        facts |= nested
    for key in ("contrast", "suffix", "SeriesDescription", "ProtocolName"):
        if (found := contrast_in(str(facts.get(key) or ""))) is not None:
            agent = facts.get("ContrastBolusAgent")
            return ("T1Gd" if found == "T1" and agent else found), f"by its {key}"
    if (found := contrast_of_times(facts)) is not None:
        return found, "by its echo, repetition and inversion times"
    if part_in(volume.name) is None and (found := contrast_in(volume.name)) is not None:
        return found, "by its name"
    return None, ""
