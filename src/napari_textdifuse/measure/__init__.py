"""What marked objects hold, measured in the source images in their own units."""

from __future__ import annotations

from .objects import measure_objects
from .table import COLUMNS, columns_of, in_words, to_csv

__all__ = ["COLUMNS", "columns_of", "in_words", "measure_objects", "to_csv"]
