"""The panel *Compare images*.

In: layers of the viewer. Out: a view that shows them together, and a table of metrics of a
fused layer against its sources.
"""
