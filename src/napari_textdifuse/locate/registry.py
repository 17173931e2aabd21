"""Locators by name: those of this package and of other packages."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from ..errors import InputError, MissingDependencyError
from .protocol import Locator, LocatorInfo

GROUP = "napari_textdifuse.locators"

_Factory = Callable[..., Locator]

#: Name -> module of this folder and class; loaded on demand.
_BUILT_IN = {
    "lexicon": ("lexicon", "LexiconLocator"),
    "owlvit-sam": ("owlvit_sam", "OwlVitSamLocator"),
    "owlv2-sam": ("owlvit_sam", "OwlV2SamLocator"),
    "grounding-dino-sam": ("owlvit_sam", "GroundingDinoSamLocator"),
    "sam3": ("owlvit_sam", "Sam3Locator"),
    "free-text": ("owlvit_sam", "FreeTextLocator"),
    "atlas": ("atlas", "AtlasLocator"),
    "command": ("command", "CommandLocator"),
}


def locator_names(others: bool = True) -> list[str]:
    """List the names that `get_locator` takes; loads nothing.

    Parameters
    ----------
    others : bool
        Include locators of other packages, which needs a look at installed packages.
    """
    return list(dict.fromkeys([*_BUILT_IN, *(sorted(_others()) if others else ())]))


def check_locator_name(name: str) -> None:
    """Refuse a name that `get_locator` does not take; loads nothing.

    Raises
    ------
    InputError
        The message lists the names.
    """
    if name not in _BUILT_IN and name not in _others():
        listed = ", ".join(map(repr, locator_names()))
        raise InputError(f"There is no locator {name!r}; choose from: {listed}.")


def get_locator(name: str, **options: Any) -> Locator:
    """Make a locator by its name.

    Parameters
    ----------
    name : str
        ``"lexicon"``: built in, no download. ``"owlvit-sam"``, ``"owlv2-sam"``: free text, with
        weights that are named or were downloaded. Other packages may add theirs.
    **options
        Options of the locator, such as ``detector=DIR, segmenter=FILE, threshold=0.1``.

    Returns
    -------
    Locator

    Raises
    ------
    InputError
        If there is no such locator or option; the message lists them.
    MissingDependencyError
        If another package's locator cannot be loaded.
    """
    factory = _factory(name)
    known = _options(factory)
    for option in options:
        if known is not None and option not in known:
            listed = ", ".join(known) or "none"
            raise InputError(
                f"The locator {name!r} has no option {option!r}; its options are: {listed}."
            )
    return factory(**options)


def locator_options(name: str) -> tuple[str, ...]:
    """List the options that a locator takes by name, as far as its signature says.

    Raises
    ------
    InputError, MissingDependencyError
        As `get_locator`.
    """
    return tuple(_options(_factory(name)) or ())


def describe_locators() -> list[LocatorInfo]:
    """Return the descriptions of all locators; a broken one has a `LocatorInfo.problem`."""
    return [_describe(name) for name in locator_names()]


def _others() -> dict[str, EntryPoint]:
    """Entry points of other packages; names of this package cannot be overridden."""
    found = {point.name: point for point in entry_points(group=GROUP)}
    return {name: point for name, point in found.items() if name not in _BUILT_IN}


def _factory(name: str) -> _Factory:
    if name in _BUILT_IN:
        module, attribute = _BUILT_IN[name]
        found: _Factory = getattr(import_module(f".{module}", __package__), attribute)
        return found
    check_locator_name(name)
    point = _others()[name]
    try:
        loaded = point.load()
    except Exception as error:  # other packages may raise anything on import
        package = point.dist.name if point.dist is not None else point.module
        reason = " ".join(str(error).split())[:200]
        raise MissingDependencyError(
            f"The locator {name!r} of the package {package} cannot be loaded "
            f"({type(error).__name__}: {reason}); update or uninstall that package."
        ) from None
    if not callable(loaded):
        raise MissingDependencyError(
            f"The locator {name!r} ({point.value}) is not a class or function; update its package."
        )
    return loaded


def _options(factory: _Factory) -> list[str] | None:
    """Names of a factory's parameters; None if it takes any."""
    try:
        known = inspect.signature(factory).parameters
    except (TypeError, ValueError):  # not written in Python
        return None
    if any(p.kind is p.VAR_KEYWORD for p in known.values()):
        return None
    return list(known)


def _describe(name: str) -> LocatorInfo:
    try:
        factory = _factory(name)
        describe = getattr(factory, "describe", None)
        info = describe() if describe is not None else None
    except Exception as error:  # of another package, or of a damaged installation
        text = " ".join(str(error).split())
        return LocatorInfo(name, "cannot be used", problem=text or type(error).__name__)
    if isinstance(info, LocatorInfo):
        return info
    first = (inspect.getdoc(factory) or "no description").splitlines()[0]
    return LocatorInfo(name, first)
