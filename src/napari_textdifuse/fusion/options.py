"""Every option of a fusion in one frozen object, checked before anything is read."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from ..colormaps import colour_table
from ..diffusion import SAMPLERS
from ..errors import InputError
from ..intensity import Window
from ..locate import Locator, check_locator_name
from ..locate.drawn import REFINERS, Drawing, Refiner
from ..locate.restoration import Wishes, read_wishes
from ..meaning import by_role, parse_modality, parse_unit
from ..spatial import Registration
from .slices import Slices

#: One strength for all objects, or one per label.
Strength = float | Mapping[int, float]
#: ``(low, high)`` in the image's unit, the name of a preset, a `Window`, or None for the default.
WindowChoice = tuple[float, float] | str | Window | None
#: What the user states about both images, or about each.
Facts = str | Mapping[str, str | None] | None
#: Time point of every series, or one for each image.
TimePoints = int | tuple[int | None, int | None]

#: Presets for the number of network evaluations, which depends on the weights.
QUALITIES = ("fast", "standard", "best")
#: Treatments of the colours of natural images.
CHROMA = ("auto", "restore", "keep")
#: What restoration consists of: noise and blur, light and contrast, colour cast and chroma noise.
RESTORE = ("noise", "light", "colour")
#: The two images.
ROLES = ("a", "b")


@dataclass(frozen=True, kw_only=True, eq=False)
class FusionOptions:
    """Options of a fusion; each field is the parameter of `fuse` with the same name.

    The first group says which objects stand out and may change from one `FusionSession.fuse` to the
    next. The second group belongs to the pair of images and stays the same in a session.

    Raises
    ------
    InputError
        If a value cannot be used, whatever the images and the weights are.
    """

    prompt: str | None = None
    mask: Any = None
    boxes: npt.ArrayLike | None = None
    drawing: Drawing | None = None
    strength: Strength = 1.0
    locator: str | Locator = "lexicon"
    refiner: str | Refiner | None = "auto"

    slices: Slices = None
    axis: int | str = 0
    windows: Mapping[str, WindowChoice] | str | None = None
    time: TimePoints | None = None
    register: str | os.PathLike[str] | Registration | None = None
    quality: str | None = None
    steps: int | None = None
    seed: int = 0
    samples: int = 1
    sampler: str | None = None
    chroma: str = "auto"
    balance: float = 0.0
    restore: float | Mapping[str, float] | None = None
    colormap: Any = None
    tint: str | None = None
    colour: str | None = None
    modality: Facts = None
    unit: Facts = None

    def __post_init__(self) -> None:
        drawn = self.drawn
        if len(drawn) > 1:
            raise InputError(f"Give only one of {' and '.join(drawn)}.")
        _check_strength(self.strength)
        if isinstance(self.strength, Mapping):  # the caller may change it later
            object.__setattr__(self, "strength", dict(self.strength))
        if isinstance(self.locator, str):
            check_locator_name(self.locator)
        _check_choice("refiner", self.refiner, REFINERS)
        if self.quality is not None and self.steps is not None:
            raise InputError("give quality or steps, not both.")
        _check_choice("quality", self.quality, QUALITIES)
        if self.steps is not None:
            _check_whole("steps", self.steps, 1, 1000)
        _check_whole("seed", self.seed, 0, 2**62)
        _check_whole("samples", self.samples, 1, 100)
        _check_choice("sampler", self.sampler, SAMPLERS)
        _check_choice("chroma", self.chroma, CHROMA)
        number = isinstance(self.balance, (int, float, np.number))
        if not number or isinstance(self.balance, bool) or not -1 <= self.balance <= 1:
            raise InputError(f"balance must be between -1 and 1, not {self.balance!r}.")
        object.__setattr__(self, "balance", float(self.balance))
        object.__setattr__(self, "restore", _check_restore(self.restore))
        self._check_wishes()
        for name in ("tint", "colour"):
            if getattr(self, name) not in (None, *ROLES):
                raise InputError(f"{name} must be 'a' or 'b', not {getattr(self, name)!r}.")
        for text in filter(None, by_role(self.modality, "modality").values()):
            parse_modality(text)
        for text in filter(None, by_role(self.unit, "unit").values()):
            parse_unit(text)
        if self.colormap is not None:
            colour_table(self.colormap)  # reported before anything is read

    @classmethod
    def from_arguments(cls, arguments: Mapping[str, Any]) -> FusionOptions:
        """Make options from arguments by name, such as a function's ``locals()``.

        Parameters
        ----------
        arguments : mapping of str to object
            Other names are left out.
        """
        return cls(**_options_among(arguments))

    def updated(self, arguments: Mapping[str, Any]) -> FusionOptions:
        """Return these options with some replaced by name; see `from_arguments`."""
        return replace(self, **_options_among(arguments))

    @property
    def restoration(self) -> dict[str, float]:
        """Strength of each of `RESTORE`: from the option, else from the prompt, else 1."""
        return {**dict.fromkeys(RESTORE, 1.0), **self.wishes.strengths, **self._stated}

    @property
    def restoration_from(self) -> dict[str, str]:
        """Origin of each strength: "default", "option" or the words of the prompt."""
        words = {kind: f"prompt: {phrase}" for kind, phrase in self.wishes.phrases.items()}
        option = dict.fromkeys(self._stated, "option")
        return {**dict.fromkeys(RESTORE, "default"), **option, **words}

    @property
    def wishes(self) -> Wishes:
        """What the prompt says about restoration."""
        if not isinstance(self.prompt, str):
            return Wishes({}, {}, self.prompt)
        return read_wishes(self.prompt)

    @property
    def objects(self) -> str | None:
        """What the prompt says about objects."""
        return self.wishes.objects

    @property
    def _stated(self) -> dict[str, float]:
        """Return what the option `restore` says."""
        if self.restore is None:
            return {}
        if isinstance(self.restore, Mapping):
            return dict(self.restore)
        return dict.fromkeys(RESTORE, self.restore)

    def _check_wishes(self) -> None:
        """Refuse an option that contradicts the prompt; it may only set the amount."""
        for kind, wanted in self.wishes.strengths.items():
            stated = self._stated.get(kind, wanted)
            if bool(stated) != bool(wanted):
                raise InputError(
                    f"The prompt says {self.wishes.phrases[kind]!r}, but restore gives {kind} "
                    f"{stated:g}; remove one of them."
                )

    @property
    def drawn(self) -> list[str]:
        """Names of what marks objects in place of a prompt."""
        return [name for name in ("mask", "boxes", "drawing") if getattr(self, name) is not None]

    @property
    def by_prompt(self) -> bool:
        """Whether the locator is used; with a mask the prompt is only a name."""
        return self.objects is not None and not self.drawn

    def evaluations(self, qualities: Mapping[str, int], fewest: int) -> int:
        """Return how many steps a chain makes.

        Parameters
        ----------
        qualities : mapping of str to int
            Steps of each of `QUALITIES`.
        fewest : int
            Fewer give no usable image.

        Raises
        ------
        InputError
            If there are too few.
        """
        if self.steps is None:
            return qualities[self.quality or "standard"]
        return _check_whole("steps", self.steps, fewest, 1000)


def _options_among(arguments: Mapping[str, Any]) -> dict[str, Any]:
    names = {field.name for field in fields(FusionOptions)}
    return {name: value for name, value in arguments.items() if name in names}


def _check_strength(strength: Any) -> None:
    values = strength.values() if isinstance(strength, Mapping) else [strength]
    if not all(isinstance(v, (int, float, np.number)) and 0 <= v <= 2 for v in values):
        raise InputError(f"strength must be between 0 and 2, not {strength!r}.")


def _check_restore(restore: Any) -> float | dict[str, float] | None:
    if restore is None:
        return None
    values = dict(restore) if isinstance(restore, Mapping) else dict.fromkeys(RESTORE, restore)
    unknown = [str(kind) for kind in values if kind not in RESTORE]
    if unknown:
        raise InputError(f"restore accepts {', '.join(RESTORE)}, not {', '.join(unknown)}.")
    for value in values.values():
        number = isinstance(value, (int, float, np.number)) and not isinstance(value, bool)
        if not number or not 0 <= value <= 1:
            raise InputError(f"restore must be between 0 and 1, not {value!r}.")
    if isinstance(restore, Mapping):
        return {kind: float(value) for kind, value in values.items()}
    return float(restore)


def _check_whole(name: str, value: Any, low: int, high: int) -> int:
    whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
    if not whole or not low <= value <= high:
        raise InputError(f"{name} must be an integer from {low} to {high}, not {value!r}.")
    return int(value)


def _check_choice(name: str, value: Any, choices: Any) -> None:
    """Refuse an unknown name; accept None and objects."""
    if isinstance(value, str) and value not in choices:
        raise InputError(f"{name} must be one of {', '.join(choices)}, not {value!r}.")
