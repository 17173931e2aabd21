"""Result folders: images, mask, table of objects, record and preview, all or none.

In: a `FusionResult` and, for the preview, its `Pair`.
Out: files, the same for the command line and the panel.
"""
