"""Measurement of marked objects in the source images, in their own units.

In: a label mask and the source images, each on its own grid.
Out: one row per label (size, place, statistics, SUV measures), as plain values or CSV.
"""

from __future__ import annotations

from .objects import measure_objects
from .table import COLUMNS, columns_of, in_words, to_csv

__all__ = ["COLUMNS", "columns_of", "in_words", "measure_objects", "to_csv"]
