"""The panel *Three planes*.

In: the visible layers of the viewer and its point. Out: an axial, a coronal and a sagittal image
through that point; a click moves it.
"""
