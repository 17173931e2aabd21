"""World-to-world transforms as ITK's text files (.tfm), for ITK, 3D Slicer and ANTs."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ..errors import ReadError
from ..exports import RAS_LPS

Matrix = npt.NDArray[np.float64]

_HEAD = "#Insight Transform File V1.0"
_KINDS = ("AffineTransform_double_3_3", "MatrixOffsetTransformBase_double_3_3")


def encode_tfm(matrix: Matrix) -> str:
    """Return a transform in ITK's convention.

    Parameters
    ----------
    matrix : ndarray, shape (4, 4)
        Takes the moving image's world to the fixed image's world, in RAS mm.

    Returns
    -------
    str
        ITK resamples, so its transforms take **fixed points to moving points**, in LPS mm.
    """
    itk = RAS_LPS @ np.linalg.inv(matrix) @ RAS_LPS
    parameters = [*itk[:3, :3].ravel(), *itk[:3, 3]]
    text = " ".join(repr(float(p)) for p in parameters)
    kind = _KINDS[0]
    return f"{_HEAD}\n#Transform 0\nTransform: {kind}\nParameters: {text}\nFixedParameters: 0 0 0\n"


def decode_tfm(text: str, name: str) -> Matrix:
    """Read a single affine transform; the inverse of `encode_tfm`.

    Parameters
    ----------
    text : str
    name : str
        Name of the file in messages.

    Returns
    -------
    ndarray, shape (4, 4)

    Raises
    ------
    ReadError
        If it is not an ITK text file with one three-dimensional affine transform.
    """
    fields: dict[str, str] = {}
    transforms = 0
    for line in text.splitlines():
        key, colon, value = line.partition(":")
        if colon and not line.startswith("#"):
            transforms += key == "Transform"
            fields[key.strip()] = value.strip()
    try:
        parameters = np.array(fields["Parameters"].split(), dtype=float)
        centre = np.array(fields["FixedParameters"].split(), dtype=float)
        known = transforms == 1 and fields["Transform"] in _KINDS
        if not known or parameters.shape != (12,) or centre.shape != (3,):
            raise ValueError
        itk = np.eye(4)
        itk[:3, :3] = parameters[:9].reshape(3, 3)
        itk[:3, 3] = parameters[9:] + centre - itk[:3, :3] @ centre
        matrix: Matrix = RAS_LPS @ np.linalg.inv(itk) @ RAS_LPS
    except (KeyError, ValueError, np.linalg.LinAlgError):
        raise ReadError(
            f"{name}: this is not an ITK text file with one 3-D affine transform; export it as "
            "such, or use "
            "the transform.json of napari-textdifuse."
        ) from None
    return matrix
