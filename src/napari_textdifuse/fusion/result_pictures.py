"""How a result shows itself in a notebook."""

from __future__ import annotations

import base64
import html
from io import BytesIO
from typing import Any

import numpy as np
import numpy.typing as npt

#: Colours of the outlines of label 1, 2 ...; light, as the ground is mostly dark.
OUTLINES = ((255, 220, 0), (0, 230, 255), (255, 110, 220), (120, 255, 120))


class ResultPictures:
    """What IPython and Jupyter show of a `FusionResult`."""

    fused: npt.NDArray[np.float32]
    mask: npt.NDArray[np.uint8] | None
    contribution: npt.NDArray[np.float32]
    label_names: dict[int, str]
    record: dict[str, Any]

    def _repr_png_(self) -> bytes:
        """Return the fused image as PNG, with the outlines of the mask.

        Of a volume, the slice along its first axis with most of the mask; without one, the middle.
        """
        from PIL import Image
        from scipy import ndimage

        index = self._shown_slice()
        fused, mask = self.fused, self.mask
        if index is not None:
            fused, mask = fused[index], None if mask is None else mask[index]
        picture = np.rint(np.clip(fused, 0, 1) * 255).astype(np.uint8)
        if mask is not None and mask.any():
            if picture.ndim == 2:
                picture = np.stack([picture] * 3, axis=-1)
            for label in np.unique(mask[mask > 0]):
                inside = mask == label
                edge = inside & ~ndimage.binary_erosion(inside)
                picture[edge] = OUTLINES[(int(label) - 1) % len(OUTLINES)]
        stream = BytesIO()
        Image.fromarray(picture).save(stream, "PNG")
        return stream.getvalue()

    def _repr_html_(self) -> str:
        """Return the picture with one line on what it is and one for each object."""
        data = base64.b64encode(self._repr_png_()).decode()
        shape = " x ".join(map(str, self.contribution.shape))
        index = self._shown_slice()
        where = "" if index is None else f", slice {index}"
        lines = [f"Fused image, {shape}{where}; not for diagnosis"]
        for label, name in sorted(self.label_names.items()):
            count = 0 if self.mask is None else int(np.count_nonzero(self.mask == label))
            colour = "rgb({}, {}, {})".format(*OUTLINES[(label - 1) % len(OUTLINES)])
            mark = f'<span style="background: {colour}">&nbsp;&nbsp;</span>'
            lines.append(f"{mark} {label}: {html.escape(str(name))}, {count} pixels")
        lines += [f"Note: {html.escape(str(note))}" for note in self.record.get("warnings", ())]
        text = "".join(f"<div>{line}</div>" for line in lines)
        style = "image-rendering: auto; max-width: 512px; min-width: 192px"
        source = f"data:image/png;base64,{data}"
        return f'<div><img alt="fused image" style="{style}" src="{source}"/>{text}</div>'

    def _shown_slice(self) -> int | None:
        if self.contribution.ndim == 2:
            return None
        if self.mask is not None and self.mask.any():
            return int(np.argmax(np.count_nonzero(self.mask, axis=(1, 2))))
        return len(self.contribution) // 2
