"""Everything that uses napari, Qt or magicgui.

In: layers and what the user sets in the panels. Out: layers and files. The work itself is done by
the packages above this one, which never import it.
"""
