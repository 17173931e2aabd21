"""The base of all comparison modes: temporary changes to the viewer."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, ClassVar

from napari.layers import Image
from psygnal import EmitLoopError

from ..layers import KEY


class Changes:
    """Attributes that are changed temporarily.

    The user's own changes are kept: only values that are still as set here are restored.
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
        """Restore everything, the last change first."""
        while self._changed:
            (_, name), (owner, before, now) = self._changed.popitem()
            if getattr(owner, name) == now != before:
                # a window that is closed deletes its canvas first
                with suppress(RuntimeError, EmitLoopError):
                    setattr(owner, name, before)


#: In ``metadata["textdifuse"]`` of the layer that a mode makes.
MARK = "comparison"


def is_comparison(layer: Any) -> bool:
    """Return whether a layer was made by a mode, for the duration of a comparison."""
    return MARK in layer.metadata.get(KEY, {})


class Mode(ABC):
    """A way to show images together.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
    layers : sequence of napari.layers.Image
        Of the viewer, at least two.
    show : callable
        Shows a line about what is displayed.
    """

    name: ClassVar[str]
    explanation: ClassVar[str]
    #: Name, smallest, largest, default and unit of the mode's one setting; None without one.
    setting: ClassVar[tuple[str, float, float, float, str] | None] = None
    #: Whether it needs the flat view.
    flat: ClassVar[bool] = False

    def __init__(self, viewer: Any, layers: Sequence[Image], show: Callable[[str], None]) -> None:
        self.viewer = viewer
        self.layers = list(layers)
        self.show = show
        #: Called with the setting's value when it changes on the canvas.
        self.moved: Callable[[float], None] = lambda value: None
        self.changes = Changes()

    @abstractmethod
    def start(self, value: float) -> None:
        """Begin, with a value of the setting."""

    def set_value(self, value: float) -> None:  # noqa: B027  (there may be nothing to set)
        """Change the setting."""

    def stop(self) -> None:
        """Restore everything; may be called repeatedly."""
        self.changes.undo()

    def uses(self, layer: Any) -> bool:
        """Return whether the mode needs a layer to continue."""
        return layer in self.layers

    def hide_other_images(self) -> None:
        """Hide the images that are not compared; labels and shapes stay visible."""
        for layer in self.viewer.layers:
            if isinstance(layer, Image) and layer not in self.layers:
                self.changes.set(layer, "visible", False)
