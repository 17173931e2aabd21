"""Chrominance: kept where it encodes a measured value, restored where the light changed it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ..colour import ycbcr_to_rgb
from ..diffusion import Schedule, make_sampler, step_generator, trailing_timesteps
from ..errors import InputError, WeightsError
from ..models.chroma import CHROMA_SCALE, ChromaNetwork
from ..volume import NATURAL
from .chain import NOT_FINITE
from .colour_cast import find_cast
from .prepare import Prepared
from .tiling import pad_to_multiple, tiles

Floats = npt.NDArray[np.float32]

#: CbCr below this (of a range of 1) everywhere is a grey image stored as RGB.
GREY = 1.5 / 255
#: Largest side of a tile.
TILE = 1024


@dataclass(frozen=True)
class ChromaDecision:
    """The treatment of the colours of a pair.

    Parameters
    ----------
    restore : bool
    reason : str
        One clause, for the record.
    colour_from : {"a", "b"} or None
        Which image the colours come from; None for a grey result.
    measured : bool
        Whether the colours encode measured values, which must stay readable.
    """

    restore: bool
    reason: str
    colour_from: str | None
    measured: bool = False

    @property
    def anatomy(self) -> str | None:
        """The image whose structure must remain visible under colours that encode values."""
        if not self.measured:
            return None
        return "b" if self.colour_from == "a" else "a"


def decide(ready: Prepared, choice: str, available: bool) -> ChromaDecision:
    """Decide whether the colours of a pair are restored.

    Colour that encodes a measured value (a PET or SPECT colour map) is never changed.

    Parameters
    ----------
    ready : Prepared
    choice : {"auto", "restore", "keep"}
        "auto" restores natural images (modality visible light, or unknown and not on the black
        ground that displayed measurements have) whose light has a cast; see `colour_cast`.
    available : bool
        Whether the weights contain a chrominance network.

    Raises
    ------
    InputError
        If "restore" is requested for colours that must not or cannot be restored.
    """
    if ready.colour_from is None:
        return ChromaDecision(False, "no image has colour", None)
    why = _measured(ready)
    restore, reason = _restored(ready, choice, available, why)
    return ChromaDecision(restore, reason, ready.colour_from, why is not None and not restore)


def _restored(
    ready: Prepared, choice: str, available: bool, measured: str | None
) -> tuple[bool, str]:
    if choice == "restore":
        coloured = ready.a if ready.colour_from == "a" else ready.b
        if not coloured.rgb or (coloured.modality or NATURAL[0]) not in NATURAL:
            raise InputError(
                f"The colours of a {coloured.modality or 'tinted'} image encode measured values "
                "and are not restored; use chroma='keep' or 'auto'."
            )
        if not available:
            raise InputError(
                "These weights contain no chrominance network; use chroma='keep' or 'auto'."
            )
        return True, "asked for"
    if choice == "keep":
        return False, "asked for"
    if measured is not None:
        return False, measured
    if ready.chroma is None or np.abs(ready.chroma).max() < GREY:
        return False, "the image is grey"
    if not available:
        return False, "these weights contain no chrominance network"
    picture = _middle_picture(ready)
    light = find_cast(picture)
    return light.kind is not None, str(light)


def _middle_picture(ready: Prepared) -> Floats:
    """Return the coloured image, or the middle slice of several, before restoration."""
    assert ready.chroma is not None
    luma, chroma = luma_of_coloured(ready), ready.chroma
    if luma.ndim == 3:
        luma, chroma = luma[len(luma) // 2], chroma[len(chroma) // 2]
    return ycbcr_to_rgb(luma, chroma)


def _measured(ready: Prepared) -> str | None:
    """Return why the colours are assumed to encode measured values; None if they are not."""
    pair = (ready.a, ready.b)
    coloured, other = pair if ready.colour_from == "a" else pair[::-1]
    if not coloured.rgb or (coloured.modality or NATURAL[0]) not in NATURAL:
        return "the colours encode measured values"
    if other.modality is not None and other.modality not in NATURAL:
        return f"the other image is {other.modality}"
    if coloured.modality is None and ready.on_black_ground:
        return "the pair has a black background, as displayed measurements do"
    return None


def luma_of_coloured(ready: Prepared) -> Floats:
    """Brightness of the image that the colour comes from, in [0, 1]."""
    return ready.luma_a if ready.colour_from == "a" else ready.luma_b


class ChromaEngine:
    """Restores the chrominance of one image after another; keeps nothing between them.

    Parameters
    ----------
    network : ChromaNetwork
        On its device, in evaluation mode.
    schedule : Schedule
    device : torch.device
    sampler : str
    steps : int
        Network evaluations. More than the default of one change correct colours
        further: held-out clean images are then changed by 1.9 instead of 1.3 CIEDE2000, and
        a cast is removed no better.
    """

    def __init__(
        self,
        network: ChromaNetwork,
        schedule: Schedule,
        device: torch.device,
        sampler: str,
        steps: int = 1,
    ) -> None:
        self.network = network
        self.schedule = schedule
        self.device = device
        self.timesteps = trailing_timesteps(steps)
        self.sampler = sampler

    def evaluations(self, shape: tuple[int, int]) -> int:
        """Count the network evaluations that one slice takes."""
        height, width = (n + -n % self.network.config.multiple for n in shape)
        return len(list(tiles((height, width), TILE))) * len(self.timesteps)

    @torch.inference_mode()
    def restore(
        self, luma: Floats, chroma: Floats, seed: int, report: Callable[[], None]
    ) -> Floats:
        """Remove colour cast and chroma noise.

        Parameters
        ----------
        luma : ndarray of float32, shape (Y, X)
            Brightness of the coloured source before restoration, in [0, 1].
        chroma : ndarray of float32, shape (Y, X, 2)
            Its CbCr in [-0.5, 0.5].
        seed : int
            Starting noise.
        report : callable
            Called after each network evaluation.

        Returns
        -------
        ndarray of float32, shape (Y, X, 2)
            In [-0.5, 0.5].
        """
        height, width = luma.shape
        multiple = self.network.config.multiple
        planes = [luma * 2 - 1, *(np.moveaxis(chroma, -1, 0) * np.float32(CHROMA_SCALE))]
        seen = np.stack([pad_to_multiple(p, multiple) for p in planes])
        whole = self._tensor(np.stack(planes))
        context = self.network.encode_context(whole[:, :1], whole[:, 1:])
        noise = torch.randn((2, *seen.shape[1:]), generator=torch.Generator().manual_seed(seed))
        restored, total = (np.zeros((n, *seen.shape[1:]), np.float32) for n in (2, 1))
        for tile in tiles((seen.shape[1], seen.shape[2]), TILE):
            part = np.s_[:, tile.rows, tile.columns]
            condition, z = self._tensor(seen[part]), self._tensor(noise.numpy()[part])
            draw = step_generator(seed)
            sampler = make_sampler(self.sampler, self.schedule, self.timesteps, draw)
            for i, t in enumerate(self.timesteps):
                ts = torch.full((1,), t, device=self.device)
                estimate, variance = self.network.restore(
                    z, condition[:, :1], condition[:, 1:], context, ts
                )
                if not bool(estimate.isfinite().all()):
                    raise WeightsError(NOT_FINITE)
                estimate = estimate.clamp(-CHROMA_SCALE / 2, CHROMA_SCALE / 2)
                z = sampler.step(i, z, estimate, variance)
                report()
            restored[part] += tile.weight * estimate[0].float().cpu().numpy()
            total[part] += tile.weight
        values = (restored / total / CHROMA_SCALE)[:, :height, :width]
        return np.moveaxis(values, 0, -1).astype(np.float32)

    def _tensor(self, planes: Floats) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(planes))[None].to(self.device)
