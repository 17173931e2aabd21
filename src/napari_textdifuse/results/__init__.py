"""Result folders: images, mask, table of objects, record and preview, all or none.

In: a `FusionResult` and, for the preview, its `Pair`.
Out: files, the same for the command line and the panel.
"""

#: Whose images DICOM output contains: those of the patient and study of image A, or of nobody.
LINKED, DE_IDENTIFIED = "linked", "de-identified"
