"""Change what the user set, and put it back."""

from __future__ import annotations

from typing import Any


class Changes:
    """Attributes that are changed for a while.

    What the user changes meanwhile is theirs: only what still is as it was set here is put back.
    """

    def __init__(self) -> None:
        self._changed: dict[tuple[int, str], tuple[Any, Any, Any]] = {}  # owner, before, now

    def set(self, owner: Any, name: str, value: Any) -> None:
        """Set an attribute of a layer or of the viewer's grid.

        Parameters
        ----------
        owner : object
            Is kept alive until `undo`.
        name : str
        value : object
        """
        key = (id(owner), name)
        before = self._changed[key][1] if key in self._changed else getattr(owner, name)
        if getattr(owner, name) != value:
            setattr(owner, name, value)
        self._changed[key] = (owner, before, getattr(owner, name))

    def undo(self) -> None:
        """Put everything back, the last change first."""
        while self._changed:
            (_, name), (owner, before, now) = self._changed.popitem()
            if getattr(owner, name) == now != before:
                setattr(owner, name, before)
