"""Loaded weights of either architecture: defaults, network for a pair, re-modulation."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from types import MappingProxyType
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from ..device import choose_precision
from ..diffusion import Schedule, even_timesteps, trailing_timesteps
from ..errors import InputError
from ..models import ChromaNetwork, LightNetwork, cast
from ..models.modulation import apply_gain
from ..models.protocol import FusionNetwork
from ..models.reference import ReferenceNetwork
from ..models.uncertainty import ErrorCalibration
from ..models.unet import RESTORATIONS
from ..stopping import interruptible
from ..weights import (
    ReleasedFolder,
    WeightsFolder,
    calibration,
    load_chroma,
    load_control,
    load_fast,
    load_light,
    load_released,
)
from .chain import ChainStep, EncodeAndWeight, FusionChain
from .degradation import degradation_of, middle_slices
from .prepare import Prepared
from .source_order import kind_of_pair, order_sources

Floats = npt.NDArray[np.float32]

#: Deviation of the noise above which the distilled network is not used.
NOISY = 10 / 255
SLOWER = "The images are noisy, so the quality fast used one step of the full network."


@dataclass(frozen=True)
class NetworkChoice:
    """The network for one pair.

    Parameters
    ----------
    network : FusionNetwork
    swapped : bool
        Whether image B is the network's X; otherwise image A is.
    facts : dict
        For the record.
    notes : tuple of str
        One sentence per assumption.
    deviation : ErrorCalibration, optional
        Converts the network's bound of its error to a deviation, if that was checked on images
        of these modalities.
    """

    network: FusionNetwork
    swapped: bool = False
    facts: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    deviation: ErrorCalibration | None = None
    #: How the result is corrected: "agreement" (see `colour.keep_agreed`), "black" (see
    #: `colour.clear_haze`) and "air" (see `colour.noisy_air`).
    corrections: frozenset[str] = frozenset()


class Backend(Protocol):
    """Loaded weights and what belongs to their architecture."""

    #: One line for the record.
    method: str
    device: torch.device
    schedule: Schedule
    #: Network evaluations per chain of each preset: "fast", "standard" (the default) and "best".
    qualities: Mapping[str, int]
    #: Fewer give no usable image.
    fewest_steps: int
    default_sampler: str
    #: Images with more pixels than this on a side are fused in tiles; None for the engine's own.
    tile: int | None
    precision: torch.dtype
    #: Whether several slices may go through the network at once.
    batches: bool
    #: Restores the colours of natural images; None passes them through.
    chroma: ChromaNetwork | None

    @property
    def weights(self) -> WeightsFolder | ReleasedFolder:
        """Where the weights came from: name and checksum."""

    def timesteps(self, steps: int) -> list[int]:
        """Return the steps of the full schedule to visit, noisiest first."""

    def choose_network(self, ready: Prepared, quality: str | None = None) -> NetworkChoice:
        """Choose network and roles for a pair and a preset."""

    def restoration(self, wanted: Mapping[str, float]) -> tuple[float, ...] | None:
        """Return the condition of the network; None for full restoration.

        Raises
        ------
        InputError
            If the network has no such condition.
        """

    def modulation(
        self,
        chain: FusionChain,
        x: Tensor,
        y: Tensor,
        base: Sequence[ChainStep],
        gain: Tensor,
        seed: int,
    ) -> EncodeAndWeight:
        """Return the weighting of one modulated chain; keeps nothing between chains.

        Parameters
        ----------
        chain : FusionChain
        x, y : Tensor, shape (B, 1, H, W)
            Brightness of the network's two sources in [-1, 1].
        base : sequence of ChainStep
            The finished base chain.
        gain : Tensor, shape (B, 1, H, W)
            Signed strength per pixel; 0 outside the objects.
        seed : int
        """

    def enforce_contrast_prior(self, before: Tensor, after: Tensor, gain: Tensor) -> Tensor:
        """Return the modulated estimate of a step, amended if necessary.

        Parameters
        ----------
        before, after : Tensor, shape (B, 1, H, W)
            Unmodulated and modulated clean estimate in [-1, 1].
        gain : Tensor, shape (B, 1, H, W)
            Signed strength per pixel.
        """


class LightBackend:
    """The light network: symmetric in its sources, with a modulation block of its own.

    Parameters
    ----------
    weights : WeightsFolder
    device : torch.device
    """

    method = "Text-DiFuse (Zhang, Cao, Ma; NeurIPS 2024), light network"
    qualities: Mapping[str, int] = MappingProxyType({"fast": 1, "standard": 4, "best": 25})
    fewest_steps = 1
    default_sampler = "ddim"
    tile: int | None = None
    batches = True

    def __init__(self, weights: WeightsFolder, device: torch.device) -> None:
        self.weights, self.device = weights, device
        self.schedule = Schedule(weights.config.get("schedule", "cosine"))
        self.precision = choose_precision(device)
        chroma = load_chroma(weights)
        self.chroma = (
            None if chroma is None else interruptible(cast(chroma, self.precision).to(device))
        )
        self.network = self._placed(load_light(weights))
        fast = load_fast(weights)
        #: The distilled network for the preset "fast"; without it that is one step of the other.
        self.fast = None if fast is None else self._placed(fast)

    def timesteps(self, steps: int) -> list[int]:
        """See `Backend`; one step for weights without diffusion."""
        return trailing_timesteps(steps if self.network.diffusion else 1)

    def choose_network(self, ready: Prepared, quality: str | None = None) -> NetworkChoice:
        """See `Backend`.

        The preset "fast" uses the distilled network, if there is one and the images have little
        noise, of which it removes less than one step of the full network.
        """
        network, fast = self.network, self.fast if quality == "fast" else None
        fusion, diffusion = network.fusion, network.diffusion
        facts = {} if fusion == "fcm" and diffusion else {"fusion": fusion, "diffusion": diffusion}
        notes = () if diffusion else ("The weights have no diffusion, so one step was made.",)

        @cache
        def seen() -> npt.NDArray[np.float64]:
            return degradation_of(*middle_slices(ready))

        if fast is not None and math.exp(seen()[0]) > NOISY:
            fast, notes = None, (*notes, SLOWER)
        if fast is not None:
            network = fast
            facts["network"] = {"name": "fast", "sha256": self.weights.config["fast"]["sha256"]}
        known = None if network.error is None else calibration(self.weights, fast is not None)
        if known is not None:
            covered = known.covers(ready.a.modality, ready.b.modality)
            known = known.for_images(seen()) if covered else None
        # volumes are not changed: neighbouring slices must agree
        corrections = {"agreement"}
        if kind_of_pair(ready)[0] != "natural":
            corrections.add("air")
        elif ready.single_slice:
            corrections.add("black")
        return NetworkChoice(
            network,
            facts=facts,
            notes=notes,
            deviation=known,
            corrections=frozenset(corrections),
        )

    def _placed(self, network: LightNetwork) -> LightNetwork:
        return interruptible(cast(network, self.precision).to(self.device))

    def restoration(self, wanted: Mapping[str, float]) -> tuple[float, ...] | None:
        """See `Backend`."""
        strengths = tuple(wanted[kind] for kind in RESTORATIONS)
        if all(value == 1 for value in strengths):
            return None
        if not self.network.config.restore:
            raise InputError(
                f"The weights {self.weights.name} always restore noise and light fully; "
                "use restore=1, or the embedded weights."
            )
        return strengths

    def modulation(
        self,
        chain: FusionChain,
        x: Tensor,
        y: Tensor,
        base: Sequence[ChainStep],
        gain: Tensor,
        seed: int,
    ) -> EncodeAndWeight:
        """See `Backend`."""
        network = chain.network
        assert isinstance(network, LightNetwork)
        return lambda i, z, t: network.modulate(chain.encode_and_weight(z, x, y, t), gain)

    def enforce_contrast_prior(self, before: Tensor, after: Tensor, gain: Tensor) -> Tensor:
        """See `Backend`; at least the contrast prior that the block was trained towards.

        Below it, contrast could decrease with strength. What the block adds to the prior is
        smoothed: the decoder arranges channels as pixels (`pixel_shuffle`), so that modulated
        channels appear as stripes of two pixels.
        """
        least = 2 * apply_gain((before + 1) / 2, gain) - 1
        after = least + without_stripes(after - least)
        return torch.where(gain >= 0, torch.maximum(after, least), torch.minimum(after, least))


def without_stripes(image: Tensor) -> Tensor:
    """Remove the finest pattern of rows and columns: a binomial filter, 0 at a period of 2 pixels.

    Parameters
    ----------
    image : Tensor, shape (B, 1, H, W)

    Returns
    -------
    Tensor
    """
    weights = image.new_tensor([1, 2, 1]) / 4
    padded = F.pad(image, (1, 1, 1, 1), mode="replicate")
    return F.conv2d(F.conv2d(padded, weights.view(1, 1, 3, 1)), weights.view(1, 1, 1, 3))


class ReferenceBackend:
    """The authors' network, as released.

    All its networks share encoder and decoder; the FCM that was used last is kept.

    Parameters
    ----------
    weights : ReleasedFolder
    device : torch.device
    """

    method = "Text-DiFuse (Zhang, Cao, Ma; NeurIPS 2024), the authors' network and weights"
    qualities: Mapping[str, int] = MappingProxyType({"fast": 10, "standard": 25, "best": 100})
    fewest_steps = 2
    default_sampler = "mean"
    tile: int | None = 640
    batches = False
    chroma: ChromaNetwork | None = None

    def __init__(self, weights: ReleasedFolder, device: torch.device) -> None:
        self.weights, self.device = weights, device
        self.schedule = Schedule(weights.config["schedule"])
        self.precision = choose_precision(device)
        kind = next(iter(weights.controls))
        self._latest = kind, self._placed(load_released(weights, kind))

    def timesteps(self, steps: int) -> list[int]:
        """See `Backend`."""
        return even_timesteps(steps)

    def choose_network(self, ready: Prepared, quality: str | None = None) -> NetworkChoice:
        """See `Backend`; the released network has one for all presets."""
        order = order_sources(ready)
        notes, kind = order.notes, order.kind
        controls = self.weights.controls
        if kind not in controls:
            (kind, file), *_ = controls.items()
            notes += (f"The folder has no FCM for {order.kind} pairs; {file} was used.",)
        facts = {
            "fcm": controls[kind],
            "weights_files": dict(self.weights.checksums),
            "source_1": "b" if order.swapped else "a",
        }
        return NetworkChoice(self._network(kind), order.swapped, facts, notes)

    def restoration(self, wanted: Mapping[str, float]) -> tuple[float, ...] | None:
        """See `Backend`; the released network always restores in full."""
        if any(wanted[kind] != 1 for kind in RESTORATIONS):
            raise InputError(
                "The authors' network always restores noise and light fully; use "
                "restore=1, or the embedded weights."
            )
        return None

    def modulation(
        self,
        chain: FusionChain,
        x: Tensor,
        y: Tensor,
        base: Sequence[ChainStep],
        gain: Tensor,
        seed: int,
    ) -> EncodeAndWeight:
        """See `Backend`."""
        from .reference_modulation import TunedControl

        assert isinstance(chain.network, ReferenceNetwork)
        return TunedControl(chain.network, x, y, base, gain, chain.start(), seed, chain.balance)

    def enforce_contrast_prior(self, before: Tensor, after: Tensor, gain: Tensor) -> Tensor:
        """See `Backend`; the release uses the output of the tuned FCM."""
        return after

    def _network(self, kind: str) -> ReferenceNetwork:
        """Return the network with the FCM for a kind of pair; earlier ones are not changed."""
        latest, network = self._latest
        if kind != latest:
            control = load_control(self.weights, kind)
            network = self._placed(ReferenceNetwork(network.encoder, network.decoder, control))
            self._latest = kind, network.eval()
        return self._latest[1]

    def _placed(self, network: ReferenceNetwork) -> ReferenceNetwork:
        return interruptible(network.cast(self.precision).to(self.device))


def open_backend(folder: WeightsFolder | ReleasedFolder, device: torch.device) -> Backend:
    """Load weights of either architecture.

    Raises
    ------
    WeightsError
        If they are damaged or of another architecture.
    """
    if isinstance(folder, ReleasedFolder):
        return ReferenceBackend(folder, device)
    return LightBackend(folder, device)
