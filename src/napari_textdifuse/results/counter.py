"""Progress of saving a result: parts are counted and reported, and the callback may cancel."""

from __future__ import annotations

from collections.abc import Callable

from ..errors import Cancelled

#: Called with the parts done and all parts; returning False cancels. The last call, with both
#: equal, comes before the first file is moved to its final name. Nothing cancels after it.
Report = Callable[[int, int], bool | None]


class Counter:
    """Counts the parts of one result.

    Parameters
    ----------
    report : callable, optional
        See `Report`.
    total : int
        Parts to be made; the last one is that all of them are ready.
    """

    def __init__(self, report: Report | None, total: int) -> None:
        self._report, self._total, self._done = report, total, 0

    def advance(self, parts: int = 1) -> None:
        """Count finished parts.

        Parameters
        ----------
        parts : int

        Raises
        ------
        Cancelled
            If the callback returns False.
        """
        self._done += parts
        if self._report is not None and self._report(self._done, self._total) is False:
            raise Cancelled("Saving was cancelled; nothing was written.")
