"""What the samples of a TIFF's pixels mean: grey values, or colours in one of several models."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import numpy.typing as npt
import tifffile

from ..colour import BT601
from ..errors import InputError, kind_of_values
from ..volume import Array

_PHOTOMETRIC = tifffile.PHOTOMETRIC
_WHITE_POINT, _COEFFICIENTS, _BLACK_WHITE = 318, 529, 532
#: CIE x, y of the standard illuminants, of 2 degrees, that scikit-image knows the white of.
_ILLUMINANTS = {
    "A": (0.4476, 0.4074),
    "D50": (0.3457, 0.3585),
    "D55": (0.3324, 0.3474),
    "D65": (0.3127, 0.3290),
    "E": (1 / 3, 1 / 3),
}
#: From CIE XYZ to the responses of cones, for the change of the white (Bradford; Lam 1985).
_CONES = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
_AS_RGB = "save it as RGB, in Fiji, GIMP or another image program."
#: Compressions whose decoders convert YCbCr to RGB: JPEG, old and new.
_JPEG = (6, 7)


def check_colours(page: Any, name: str) -> None:
    """Refuse colours that are stored in a way that cannot be read, before they are decoded.

    Raises
    ------
    InputError
    """
    if (
        int(page.photometric) == _PHOTOMETRIC.YCBCR
        and int(page.compression) not in _JPEG
        and (tuple(page.subsampling or (1, 1)) != (1, 1) or page.bitspersample != 8)
    ):
        raise InputError(
            f"{name}: colours in YCbCr with fewer values for colour than for brightness, or of "
            f"other than 8 bits, can only be read where JPEG compressed them; {_AS_RGB}"
        )


def to_values(array: Array, axes: str, page: Any, name: str) -> tuple[Array, str, list[str]]:
    """Turn stored samples into grey values or RGB(A), by the page's photometric interpretation.

    Parameters
    ----------
    array : ndarray
        As stored.
    axes : str
        Its axes by tifffile's letters; S is the samples of a pixel.
    page : tifffile.TiffPage
    name : str
        Of the file, for messages.

    Returns
    -------
    array : ndarray
    axes : str
        S is the last, and missing for grey.
    notes : list of str

    Raises
    ------
    InputError
        If the values are complex numbers, or the colours cannot be converted.
    """
    photometric = int(page.photometric)
    if array.dtype.kind not in "biuf":
        raise InputError(
            f"{name}: {kind_of_values(array.dtype)} cannot be used; save real numbers."
        )
    if array.dtype == np.bool_ or (page.bitspersample == 1 and array.dtype == np.uint8):
        array = array.astype(np.uint8) * np.uint8(255)
    if photometric == _PHOTOMETRIC.PALETTE and page.colormap is not None:
        return (page.colormap.T[array] >> 8).astype(np.uint8), axes + "S", []
    if "S" not in axes:
        return array, axes, []
    array = np.moveaxis(array, axes.index("S"), -1)
    axes = axes.replace("S", "") + "S"
    count = array.shape[-1]
    extra = list(page.extrasamples or ())
    colours = count - len(extra)
    if photometric == _PHOTOMETRIC.SEPARATED and colours == 4:
        note = "The colours were converted from CMYK without a colour profile."
        return _of_inks(array[..., :4]), axes, [note]
    if photometric in (_PHOTOMETRIC.CIELAB, _PHOTOMETRIC.ICCLAB) and colours == 3:
        colour, white = _of_lab(array[..., :3], page, name)
        return colour, axes, [f"The colours were converted from CIE L*a*b* ({white}) to sRGB."]
    if photometric == _PHOTOMETRIC.YCBCR and page.compression not in _JPEG and colours == 3:
        return _of_ycbcr(array[..., :3], page, name), axes, []
    if photometric not in (0, 1, 2, 3, 4, _PHOTOMETRIC.YCBCR, _PHOTOMETRIC.CFA) and colours > 1:
        kind = getattr(page.photometric, "name", str(photometric))
        raise InputError(f"{name}: its colours ({kind}) cannot be read; {_AS_RGB}")
    if colours == 1 or (colours not in (3, 4) and photometric != _PHOTOMETRIC.RGB):
        alpha = all(int(kind) in (1, 2) for kind in extra)
        notes = [] if extra and alpha else [_left_out(count - 1)]
        return np.ascontiguousarray(array[..., 0]), axes[:-1], notes
    if count <= 3 or (count == 4 and (not extra or int(extra[0]) in (1, 2))):
        return array, axes, []
    if extra and int(extra[0]) in (1, 2):
        return array[..., :4], axes, [_left_out(count - 4)]
    return array[..., :3], axes, [_left_out(count - 3)]


def _left_out(count: int) -> str:
    bands = (
        "band beyond the first or the colours was"
        if count == 1
        else ("bands beyond the first or the colours were")
    )
    return f"{count} {bands} ignored."


def _of_inks(array: Array) -> Array:
    """Convert CMYK, 0 to the greatest value of the type, to RGB of the same range."""
    most = float(np.iinfo(array.dtype).max) if array.dtype.kind in "iu" else 1.0
    ink = array.astype(np.float32) / most
    return _stored((1 - ink[..., :3]) * (1 - ink[..., 3:]), array.dtype)


def _of_ycbcr(array: Array, page: Any, name: str) -> Array:
    """Convert uncompressed YCbCr to RGB, as TIFF 6.0, section 21 says."""
    red, green, blue = _numbers(page, _COEFFICIENTS, 3, name) or BT601
    low = _numbers(page, _BLACK_WHITE, 6, name) or (0, 255, 128, 255, 128, 255)
    if green <= 0:
        raise _damaged(_COEFFICIENTS, name)
    if not all(white > black for black, white in zip(low[::2], low[1::2], strict=True)):
        raise _damaged(_BLACK_WHITE, name)
    y, cb, cr = (
        (array[..., i] - low[2 * i]) * (span / (low[2 * i + 1] - low[2 * i]))
        for i, span in enumerate((255, 127, 127))
    )
    r = y + cr * (2 - 2 * red)
    b = y + cb * (2 - 2 * blue)
    return _stored(np.stack([r, (y - blue * b - red * r) / green, b], -1) / 255, array.dtype)


def _of_lab(array: Array, page: Any, name: str) -> tuple[Array, str]:
    """Convert CIE L*a*b* to sRGB (TIFF 6.0, section 23, and Adobe's note on ICC L*a*b*)."""
    from skimage.color import lab2xyz, xyz2rgb, xyz_tristimulus_values

    bits = array.dtype.itemsize * 8
    if array.dtype.kind not in "iu" or bits not in (8, 16):
        raise InputError(f"{name}: colours in L*a*b* of {bits} bits cannot be read; {_AS_RGB}")
    unsigned = array.astype(array.dtype.str.replace("i", "u"), copy=False)
    per_step = 1.0 if bits == 8 else 256.0
    if int(page.photometric) == _PHOTOMETRIC.ICCLAB:
        lightness = unsigned[..., 0] / (2.55 * per_step)
        colour = unsigned[..., 1:] / per_step - 128
    else:
        lightness = unsigned[..., 0] / (2.0**bits - 1) * 100
        colour = unsigned[..., 1:].view(unsigned.dtype.str.replace("u", "i")) / per_step
    white, note = _illuminant(page, name)
    lab = np.concatenate([lightness[..., None], colour], axis=-1)
    with warnings.catch_warnings():
        # of colours beyond the CIE's, which are clipped; skimage attributes it to this line
        warnings.filterwarnings("ignore", "Conversion from CIE-LAB", UserWarning)
        xyz = lab2xyz(lab, illuminant=white, observer="2")
    have, want = (
        _CONES @ xyz_tristimulus_values(illuminant=w, observer="2") for w in (white, "D65")
    )
    adapted = xyz @ (np.linalg.inv(_CONES) @ np.diag(want / have) @ _CONES).T
    return _stored(xyz2rgb(adapted), unsigned.dtype), note


def _illuminant(page: Any, name: str) -> tuple[str, str]:
    stated = _numbers(page, _WHITE_POINT, 2, name)
    if stated is None:
        return "D50", "white point D50, which was assumed"
    for illuminant, (x, y) in _ILLUMINANTS.items():
        if abs(stated[0] - x) < 0.002 and abs(stated[1] - y) < 0.002:
            return illuminant, f"white point {illuminant}"
    raise InputError(
        f"{name}: colours in L*a*b* with the white point x = {stated[0]:.4f}, y = {stated[1]:.4f} "
        f"cannot be read; {_AS_RGB}"
    )


def _numbers(page: Any, tag: int, count: int, name: str) -> tuple[float, ...] | None:
    """Return the fractions of a tag, so many; None if the file does not have it."""
    value = page.tags.valueof(tag)
    if value is None:
        return None
    try:
        numbers = tuple(a / b for a, b in zip(value[::2], value[1::2], strict=True))
    except (TypeError, ValueError, ZeroDivisionError):
        raise _damaged(tag, name) from None
    if len(numbers) != count:
        raise _damaged(tag, name)
    return numbers


def _damaged(tag: int, name: str) -> InputError:
    return InputError(
        f"{name}: TIFF tag {tag}, which says what its colours are, is damaged; {_AS_RGB}"
    )


def _stored(colours: npt.NDArray[np.floating[Any]], dtype: np.dtype[Any]) -> Array:
    """Return colours in [0, 1] in the range and type of the file."""
    shown = np.clip(colours, 0, 1)
    if dtype.kind not in "iu":
        return shown.astype(np.float32)
    return np.rint(shown * np.iinfo(dtype).max).astype(dtype)
