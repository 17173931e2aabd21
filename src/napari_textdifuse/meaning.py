"""Modality, unit and contrast of an image, and their source: stated, read, or inferred."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from .errors import InputError
from .names import CONTRASTS, NameFacts, contrast_in
from .volume import (
    FUNCTIONAL,
    LABEL_UNIT,
    MODALITIES,
    MODALITY_NAMES,
    NATURAL,
    Volume,
    has_black_background,
    is_photograph,
)

#: Units with special treatment in this package.
UNITS = ("HU", "SUVbw", "Bq/mL", "counts", "a.u.")
#: Lowest value of a CT in HU: air, with a margin for noise and filters.
AIR_HU = (-1100.0, -900.0)

#: Notes that a statement of the user answers.
_IN_HU = (
    "The lowest value of this CT is that of air, so its values were taken as Hounsfield units; "
    "state the unit if they are not."
)
NOT_STATED_HU = (
    "The CT values are not stated to be Hounsfield units, so they were read as arbitrary units."
)
_NONE_ASSUMED = "so no modality was assumed; state the modality."
#: At most so many values, 0, 1, 2 ..., are those of a mask.
_FEW = 8

_MODALITY_WORDS = {
    **{code.casefold(): code for code in MODALITIES},
    **{"mri": "MR", "pet": "PT", "spect": "NM", "visible": "VIS", "rgb": "VIS"},
    **{"infrared": "IR", "thermal": "IR"},
}
_UNIT_WORDS = {
    **{unit.casefold(): unit for unit in UNITS},
    **dict.fromkeys(("suv", "g/ml", "suvbw g/ml"), "SUVbw"),
    **dict.fromkeys(("hounsfield", "hounsfield units", "[hu]"), "HU"),
    **dict.fromkeys(("bqml", "bq/cc", "bq/cm3"), "Bq/mL"),
    **dict.fromkeys(("cnts", "count"), "counts"),
    **dict.fromkeys(("au", "none", "arbitrary", "arbitrary units"), "a.u."),
}
#: Units that belong to a single modality.
_UNIT_OF = {"HU": "CT", "SUVbw": "PT"}


def facts_record(volume: Volume) -> dict[str, Any]:
    """Return the facts as plain values for a record: ``{name: {"value", "source"}}``."""
    return {
        name: {"value": fact.value, "source": fact.source} for name, fact in volume.facts.items()
    }


def parse_modality(text: str) -> tuple[str, str | None]:
    """Return the modality, and for MR the contrast, that a word names.

    Parameters
    ----------
    text : str
        A code of `MODALITIES`, a usual name ("MRI", "PET", "visible"), or a contrast ("T1").

    Raises
    ------
    InputError
        If it names none.
    """
    word = str(text).strip().casefold()
    if word in _MODALITY_WORDS:
        return _MODALITY_WORDS[word], None
    contrast = {c.casefold(): c for c in CONTRASTS}.get(word) or contrast_in(str(text))
    if contrast is not None:
        return "MR", contrast
    raise InputError(
        f"there is no modality {text!r}; choose {', '.join(MODALITIES)}, or an MR contrast: "
        f"{', '.join(CONTRASTS)}."
    )


def parse_unit(text: str) -> str:
    """Return a unit by its usual spelling; unknown units are kept as they are.

    Raises
    ------
    InputError
        If it is empty.
    """
    word = " ".join(str(text).split())
    if not word or len(word) > 40:
        raise InputError(f"a unit must be a short word such as {', '.join(UNITS)}, not {text!r}.")
    return _UNIT_WORDS.get(word.casefold(), word)


def state(
    volume: Volume,
    *,
    modality: str | None = None,
    unit: str | None = None,
    contrast: str | None = None,
    source: str = "stated",
) -> Volume:
    """Return the image with facts stated by the user, which override those read or inferred.

    Parameters
    ----------
    volume : Volume
    modality : str, optional
        See `parse_modality`.
    unit : str, optional
        Unit of the values as they are; nothing is converted.
    contrast : {"T1", "T1Gd", "T2", "PD", "FLAIR", "DWI", "ADC", "T2*", "MRA"}, optional
    source : str
        One of `volume.SOURCES`.

    Returns
    -------
    Volume
        If a statement contradicts the file, ``metadata["notes"]`` says so.

    Raises
    ------
    InputError
        If a word is unknown, or modality and unit contradict each other.
    """
    changes: dict[str, str] = {}
    if modality is not None:
        changes["modality"], weighted = parse_modality(modality)
        if weighted is not None and contrast is None:
            contrast = weighted
    if unit is not None:
        changes["unit"] = parse_unit(unit)
    if contrast is not None:
        found = {c.casefold(): c for c in CONTRASTS}.get(contrast.casefold())
        found = found or contrast_in(contrast)
        if found is None:
            raise InputError(f"there is no contrast {contrast!r}; choose {', '.join(CONTRASTS)}.")
        changes["contrast"] = found
        changes.setdefault("modality", "MR")
    if not changes:
        return volume
    belongs = _UNIT_OF.get(changes.get("unit", ""))
    implied = belongs is not None and "modality" not in changes
    if belongs is not None:
        changes.setdefault("modality", belongs)
    if belongs is not None and changes["modality"] != belongs:
        raise InputError(
            f"{volume.name}: values in {changes['unit']} belong to {belongs}, not to "
            f"{changes['modality']}; correct one of them."
        )
    notes = [
        f"{name.capitalize()} stated as {value}; the file states {old}."
        for name, value in changes.items()
        if (old := getattr(volume, name)) not in (None, "a.u.", value)
        and volume.facts[name].source in ("file", "sidecar")
    ]
    if implied and volume.modality not in (None, belongs) and not notes:
        notes.append(
            f"The unit was stated as {changes['unit']}, so the image is taken as {belongs}, not as "
            f"{volume.facts['modality']}."
        )
    if changes.get("modality", "MR") != "MR" and volume.contrast is not None:
        volume = replace(volume, contrast=None)
    sources = {**volume.sources, **dict.fromkeys(changes, source)}
    if volume.unit != LABEL_UNIT and _contradicts(changes.get("modality"), volume, changes):
        # the unit was derived for another kind of image
        changes["unit"], sources["unit"] = "a.u.", "unknown"
    asked = {"unit": (_IN_HU, NOT_STATED_HU), "modality": (_NONE_ASSUMED,)}
    answered = tuple(text for name, texts in asked.items() if name in changes for text in texts)
    before = [n for n in volume.metadata.get("notes", ()) if not n.endswith(answered)]
    metadata = {**volume.metadata, "notes": (*before, *notes)}
    return infer(replace(volume, **changes, sources=sources, metadata=metadata))  # type: ignore[arg-type]


def _contradicts(modality: str | None, volume: Volume, changes: Mapping[str, str]) -> bool:
    belongs = _UNIT_OF.get(volume.unit)
    return "unit" not in changes and None not in (modality, belongs) and modality != belongs


def infer(volume: Volume, named: NameFacts | None = None) -> Volume:
    """Infer missing facts from names and values, within limits.

    The modality and contrast come from the name of the file or its folders, unless a DICOM file
    states another modality, such as US, the name may be that of a mask or a map, or the values are
    those of a CT in HU, of a mask, of a photograph, or of an inverted PET; a note says so. Where
    the file's own name says nothing, the contrast of an MR image comes from its echo, repetition
    and inversion times. A CT of unknown unit is in HU if its lowest value is that of air; the
    assumption is a note.

    Parameters
    ----------
    volume : Volume
    named : NameFacts, optional
        Facts from the name of its file.

    Returns
    -------
    Volume
    """
    sources = dict(volume.sources)
    changes: dict[str, Any] = {}
    notes: list[str] = []
    modality, contrast = volume.modality, volume.contrast
    if named is not None and volume.unit != LABEL_UNIT:
        if modality is None:
            suggested, reason = _named_modality(named, volume)
            if reason is not None:
                notes.append(f"{reason}, {_NONE_ASSUMED}")
            elif suggested is not None:
                modality = changes["modality"] = suggested
                sources["modality"] = named.source
        if modality == "MR" and contrast is None and named.contrast is not None:
            changes["contrast"] = named.contrast
            sources["contrast"] = named.source
    by_folder = (
        sources.get("contrast") == "folder name"
    )  # the image's own times are stronger evidence
    if modality == "MR" and contrast is None and ("contrast" not in changes or by_folder):
        nested = volume.metadata.get("acquisition")
        acquisition = dict(nested) if isinstance(nested, Mapping) else {}
        found = contrast_of_times({**volume.metadata, **acquisition})
        if found is not None:
            changes["contrast"] = found
            sources["contrast"] = "sidecar" if "EchoTime" in acquisition else "file"
    belongs = _UNIT_OF.get(volume.unit)
    if modality is None and belongs is not None:
        modality = changes["modality"] = belongs
        sources["modality"] = sources.get("unit", "file")
    unit_open = volume.unit == "a.u." and sources.get("unit", "unknown") == "unknown"
    if modality == "CT" and unit_open and not volume.rgb and _reaches_air(volume):
        changes["unit"], sources["unit"] = "HU", "values"
        notes.append(_IN_HU)
    if not (changes or notes) and sources == dict(volume.sources):
        return volume
    if notes:
        old = tuple(volume.metadata.get("notes", ()))
        if _IN_HU in notes:
            old = tuple(note for note in old if note != NOT_STATED_HU)
        changes["metadata"] = {**volume.metadata, "notes": (*old, *notes)}
    return replace(volume, sources=sources, **changes)


def _named_modality(named: NameFacts, volume: Volume) -> tuple[str | None, str | None]:
    """Return the modality of a name, and the reason if it may not be taken."""
    modality = named.modality or named.suggested
    stated = str(volume.metadata.get("Modality") or "OT")
    if stated not in ("OT", *MODALITIES):
        known = ", ".join(MODALITIES)
        return (
            None,
            f"The file states the modality {stated} (0008,0060), which is not one of {known}",
        )
    if modality is None:
        return None, None
    but = f"The {named.source} suggests {MODALITY_NAMES[modality]}, but"
    medical = modality not in NATURAL
    if medical and volume.unit == "a.u." and not volume.rgb and _reaches_air(volume):
        if modality == "CT":  # an organ cut out of a CT, too, has its values
            return modality, None
        return modality, f"{but} the values reach down to that of air in a CT"
    if named.doubt is not None:
        return modality, f"{but} '{named.doubt}' may mean a mask, a map or a part of an image"
    if medical and is_photograph(volume):
        return modality, f"{but} the image has the colours of a photograph"
    if modality in FUNCTIONAL and _is_grey_raster(volume) and not has_black_background(volume):
        return modality, (
            f"{but} the grey image has no black background: it may be inverted, with high values "
            "dark, or show something else"
        )
    if (last := _last_label(volume)) is not None:
        numbers = "0 and 1" if last == 1 else f"the integers from 0 to {last}"
        return modality, f"{but} its only values are {numbers}, as of a mask"
    return modality, None


def _is_grey_raster(volume: Volume) -> bool:
    plain = volume.ndim == 2 and volume.affine is None and not volume.rgb
    return plain and volume.array.dtype == np.uint8


def _last_label(volume: Volume) -> int | None:
    """Return the highest label of what looks like a mask: few integers, from 0 on."""
    array = volume.sampled().array
    step = max(1, array.size // 100_000)
    for values in (array.ravel("K")[::step], array):  # most images end at the first
        found = np.unique(values)
        expected = np.arange(len(found))
        if volume.rgb or len(found) < 2 or len(found) > _FEW or not (found == expected).all():
            return None
    return len(found) - 1


def _reaches_air(volume: Volume) -> bool:
    """Return whether the lowest value, except for one padding value, is that of air in HU."""
    array = volume.sampled().array
    if array.dtype.kind == "u":
        return False
    if array.dtype.kind == "b" or not array.size:
        return False
    finite = np.isfinite(array) if array.dtype.kind == "f" else np.True_
    high = np.inf if array.dtype.kind == "f" else np.iinfo(array.dtype).max
    low = np.min(array, initial=high, where=finite)
    if low < AIR_HU[0]:  # scanners pad the corners with -1024 - 1000, for example
        inside = np.min(array, initial=high, where=finite & (array > low))
        low = inside if inside < high else low
    return bool(AIR_HU[0] <= low <= AIR_HU[1] and np.max(array, initial=low, where=finite) > 100)


def contrast_of_times(facts: Mapping[str, Any]) -> str | None:
    """Return the MR contrast that follows from the times of a pulse sequence, if any.

    Parameters
    ----------
    facts : mapping
        ``EchoTime``, ``RepetitionTime``, ``InversionTime`` in ms (or in s, as in BIDS sidecars),
        ``ScanningSequence`` (0018,0020), ``SequenceVariant`` (0018,0021), ``ContrastBolusAgent``.

    Examples
    --------
    >>> contrast_of_times({"EchoTime": 95, "RepetitionTime": 4500, "ScanningSequence": "SE"})
    'T2'
    >>> contrast_of_times({"EchoTime": 0.1, "RepetitionTime": 9, "InversionTime": 2.5})
    'FLAIR'
    """
    try:
        echo, repetition = float(facts["EchoTime"]), float(facts["RepetitionTime"])
        inversion = float(facts.get("InversionTime") or 0)
    except (KeyError, TypeError, ValueError):
        return None
    if repetition < 30 and echo < 1:  # seconds
        echo, repetition, inversion = 1000 * echo, 1000 * repetition, 1000 * inversion
    kinds, variants = (_codes(facts.get(k)) for k in ("ScanningSequence", "SequenceVariant"))
    t1 = "T1Gd" if facts.get("ContrastBolusAgent") else "T1"
    if "EP" in kinds:  # diffusion, perfusion, function: the times do not determine the contrast
        return None
    if "GR" in kinds and "SE" not in kinds:
        if 0 < inversion < 1500 or "MP" in variants:  # MPRAGE
            return t1
        if echo >= 12:
            return "T2*"
        return t1 if "SP" in variants and repetition < 1000 else None
    if inversion > 1500 and echo > 60:
        return "FLAIR"
    if echo < 30 and (repetition < 1000 or 0 < inversion < 1500):
        return t1
    if repetition > 1500 and echo > 60:
        return "T2"
    if repetition > 1500 and echo < 40 and not inversion:
        return "PD"
    return None


def _codes(value: Any) -> list[str]:
    """Split several codes as written by DICOM or BIDS (``GR_IR``)."""
    several = [value] if isinstance(value, str) or value is None else list(value)
    return [code for v in several for code in re.split(r"[_\\\s]+", str(v or "").upper()) if code]


def by_role(value: Any, name: str) -> dict[str, str | None]:
    """Return an option's value for each image.

    Parameters
    ----------
    value : str, mapping of {"a", "b"} to str, or None
        A single word applies to both.
    name : str
        Name of the option for messages.

    Raises
    ------
    InputError
        If it is neither.
    """
    if value is None or isinstance(value, str):
        return {"a": value, "b": value}
    if not isinstance(value, Mapping) or set(value) - {"a", "b"}:
        raise InputError(
            f"{name} must be a word, or a mapping such as {{'a': ..., 'b': ...}}, not {value!r}."
        )
    if not all(v is None or isinstance(v, str) for v in value.values()):
        raise InputError(f"{name} must contain words, not {value!r}.")
    return {role: value.get(role) for role in ("a", "b")}
