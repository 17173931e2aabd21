"""The kinds of file that can be read."""

from __future__ import annotations

NIFTI = (".nii", ".nii.gz")
TIFF = (".tif", ".tiff")
PICTURES = (".png", ".jpg", ".jpeg", ".bmp")
CAN_READ = (
    "NIfTI (.nii, .nii.gz), PNG, JPEG, TIFF, BMP, a DICOM file, or a folder with a DICOM series"
)
