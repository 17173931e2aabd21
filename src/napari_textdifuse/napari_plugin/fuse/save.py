"""A result in a folder, as the command line writes it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ...fusion import FusionResult
    from .job import Job


def save_result(folder: Path, result: FusionResult, job: Job) -> dict[str, Path]:
    """Write the images of a result and its record, completely or not at all.

    Parameters
    ----------
    folder : Path
        Made if missing.
    result : FusionResult
    job : Job
        For the preview, where its images are still known.

    Returns
    -------
    dict of str to Path
        What was written, by role.

    Raises
    ------
    WriteError
        If anything cannot be written; nothing new is left in the folder.
    """
    from ...cli.fuse import PREVIEW, RECORD, file_names
    from ...cli.outputs import full_record, save
    from ...cli.preview import montage

    flat = result.contribution.ndim == 2
    ending = ".nii.gz" if result.affine is not None else ".png" if flat else ".tif"
    preview = None
    if job.session is not None:
        pair = job.session.pair
        grid = pair.grid(len(pair.selection))
        picture = montage(grid, pair.partner, result, anatomical=ending == ".nii.gz")
        preview = PREVIEW, picture
    return save(result, folder, file_names(ending), RECORD, full_record(result), preview)
