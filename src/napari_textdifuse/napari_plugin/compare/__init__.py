"""The panel *Compare images*.

In: layers of the viewer. Out: a view that lays them over each other, and a table of measures of a
fused layer against its sources.
"""
