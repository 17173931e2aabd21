"""A fusion in the order of the files, shown in the order of the layers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ...errors import Cancelled
from ..file_order import Turn

if TYPE_CHECKING:
    from ...fusion import FusionResult, FusionSession, Progress
    from ...fusion.pair import Pair
    from ...fusion.slices import Selection
    from ...locate.drawn import Drawing

Floats = npt.NDArray[np.float32]
#: Networks pad a slice by fewer pixels than this; what differs by more is a tile.
PADDING = 64


class TurnedSession:
    """What the panel uses of a `FusionSession`, in the order of image A's layer.

    Parameters
    ----------
    stored : FusionSession
        Of the images as they are in their files.
    turn : Turn
        Of image A.

    Attributes
    ----------
    latest : FusionResult or None
        The last result, in the order of the file.
    """

    def __init__(self, stored: FusionSession, turn: Turn) -> None:
        self.stored, self._turn = stored, turn
        self.latest: FusionResult | None = None

    @cached_property
    def pair(self) -> Pair:
        """Both images and the chosen slices, in the order of image A's layer."""
        pair = self.stored.pair
        a = self._turn.volume_to_layer(pair.a)
        return replace(pair, a=a, selection=self._selection(pair.selection))

    def fuse(
        self,
        prompt: str | None = None,
        *,
        callback: Callable[[Progress], bool | None] | None = None,
        **asked: Any,
    ) -> FusionResult:
        """Fuse; see `FusionSession.fuse`."""
        if (drawing := asked.get("drawing")) is not None:
            asked["drawing"] = self._drawing(drawing)

        def report(state: Progress) -> bool | None:
            return None if callback is None else callback(self._state(state))

        try:
            self.latest = self.stored.fuse(prompt, callback=report, **asked)
        except Cancelled as cancelled:
            self.latest = cancelled.partial
            partial = None if self.latest is None else self._result(self.latest)
            raise Cancelled(str(cancelled), partial=partial) from None
        return self._result(self.latest)

    def with_balance(self, balance: float, slice_index: int | None = None) -> TurnedSession:
        """Return a session of the same pair with another balance; see `FusionSession`."""
        chosen = self.pair.selection
        if slice_index is not None and self.pair.a.ndim == 3:
            slice_index = self._turn.slice_to_file(chosen.axis, slice_index, chosen.count)
        return TurnedSession(self.stored.with_balance(balance, slice_index), self._turn)

    def in_colour(self, index: int, estimate: Floats) -> Floats:
        """Return a running estimate in the colours of its slice; see `FusionSession`."""
        if not self._is_slice(estimate):
            return estimate
        coloured = self.stored.in_colour(self._index(index), self._plane_to_file(estimate))
        return self._plane_to_layer(coloured)

    def _selection(self, chosen: Selection) -> Selection:
        """Turn chosen slices of the file."""
        if self.stored.pair.a.ndim == 2:
            return chosen
        axis = self._turn.axes.index(chosen.axis)
        start, stop = chosen.start, chosen.stop
        if self._turn.flipped[axis]:
            start, stop = chosen.count - stop, chosen.count - start
        return replace(chosen, axis=axis, start=start, stop=stop)

    def _index(self, index: int) -> int:
        """Turn the number of a slice among the chosen ones; its own inverse."""
        chosen = self.pair.selection
        if self.stored.pair.a.ndim == 2:
            return index
        return self._turn.slice_to_file(chosen.axis, index, len(chosen))

    def _state(self, state: Progress) -> Progress:
        estimate = state.estimate
        if estimate is None:
            return state
        rows, columns = self.stored.pair.reoriented_shape[-2:]
        if all(0 <= e - n < PADDING for e, n in zip(estimate.shape, (rows, columns), strict=True)):
            whole = estimate[:rows, :columns]
            estimate = self._plane_to_layer(whole)
        return replace(state, slice_index=self._index(state.slice_index), estimate=estimate)

    def _is_slice(self, estimate: Floats) -> bool:
        return estimate.shape[:2] == self.pair.reoriented_shape[-2:]

    def _plane_to_file(self, plane: Floats) -> Floats:
        """Turn one slice, perpendicular to the axis of the chosen ones."""
        if self.stored.pair.a.ndim == 2:
            return np.asarray(self._turn.to_file(plane))
        layer, file = self.pair.selection.axis, self.stored.pair.selection.axis
        return np.asarray(self._turn.to_file(np.expand_dims(plane, layer)).squeeze(file))

    def _plane_to_layer(self, plane: Floats) -> Floats:
        """Inverse of `_plane_to_file`."""
        if self.stored.pair.a.ndim == 2:
            return np.asarray(self._turn.to_layer(plane))
        layer, file = self.pair.selection.axis, self.stored.pair.selection.axis
        return np.asarray(self._turn.to_layer(np.expand_dims(plane, file)).squeeze(layer))

    def _drawing(self, drawing: Drawing) -> Drawing:
        turn, shape = self._turn, self.pair.a.shape
        boxes, points, labels = drawing.boxes, drawing.points, drawing.labels
        return replace(
            drawing,
            boxes=None if boxes is None else turn.boxes_to_file(boxes, shape),
            polygons=[turn.points_to_file(corners, shape) for corners in drawing.polygons],
            points=None if points is None else turn.points_to_file(points, shape),
            labels=None if labels is None else turn.to_file(labels),
        )

    def _result(self, result: FusionResult) -> FusionResult:
        """Turn a result, also one of the first slices only."""
        turn, pair = self._turn, self.stored.pair
        record, affine, chosen = dict(result.record), result.affine, pair.selection
        if pair.a.ndim == 3:
            chosen = self._selection(chosen.first(result.contribution.shape[chosen.axis]))
            record["slices"] = chosen.to_dict()
        if affine is not None:
            affine = turn.volume_to_layer(result.volume("contribution")).affine
        share = turn.to_layer(result.contribution)
        uncertainty, mask, found = result.uncertainty, result.mask, result.detections
        if len(found):
            boxes = turn.boxes_to_layer(found.boxes, share.shape)
            found = replace(found, boxes=boxes.astype(found.boxes.dtype))
        rows = [self._row(row, share.shape) for row in result.objects]
        record["objects"] = rows
        return replace(
            result,
            fused=turn.to_layer(result.fused),
            mask=None if mask is None else turn.to_layer(mask),
            contribution=share,
            uncertainty=None if uncertainty is None else turn.to_layer(uncertainty),
            record=record,
            affine=affine,
            detections=found,
            objects=rows,
        )

    def _row(self, row: dict[str, Any], shape: tuple[int, ...]) -> dict[str, Any]:
        """Turn the position of a measured object."""
        index = row.get("centroid_voxel")
        if not index:
            return row
        return row | {"centroid_voxel": self._turn.index_to_layer(index, shape)}
