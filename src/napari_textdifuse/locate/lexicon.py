"""`LexiconLocator`: known terms, found by published rules on the images' values. No download."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from ..errors import PromptError
from ..stopping import check_stop
from ..volume import MODALITY_NAMES, Volume
from .prompt import TermRequest, parse, suggestions
from .protocol import Detections, Location, LocatorInfo
from .regions import Mask, components, drop_small, empty
from .slices import INFERRED
from .terms import Objects, Rule, Term
from .views import WHY_NOT, RuleImage, stated_contrast, views_of
from .vocabulary import TERMS

_ALTERNATIVES = "pass mask= or boxes="
_KINDS = {
    "CT": "a CT",
    "MR": "an MR image",
    "PT": "a PET image",
    "NM": "a SPECT image",
    "VIS": "a colour image",
    "IR": "an infrared image",
}


@dataclass(frozen=True)
class KnownTerm:
    """One line of the lexicon, for display.

    Parameters
    ----------
    term, modality, rule, source : str
    synonyms : tuple of str
    unit : str or None
        The unit the image must have; None if any will do.
    kind : str
        "structure" or "finding".
    """

    term: str
    synonyms: tuple[str, ...]
    modality: str
    unit: str | None
    rule: str
    source: str
    kind: str = "structure"


@dataclass(frozen=True)
class _TermResult:
    request: TermRequest
    mask: Mask
    view: RuleImage | None
    notes: tuple[str, ...]
    objects: Objects | None = None


class LexiconLocator:
    """Finds what a prompt names by published rules on calibrated values.

    Nothing is learned and nothing is downloaded. A word that the lexicon does not know, or that
    needs another kind of image, is an error that lists the known terms. A known object that is
    not in the images is an empty label with a note.

    Parameters
    ----------
    terms : sequence of Term
        The lexicon; the built-in one by default.
    """

    name = "lexicon"

    def __init__(self, terms: Sequence[Term] = TERMS) -> None:
        self.terms = tuple(terms)

    @classmethod
    def describe(cls) -> LocatorInfo:
        """Describe this locator."""
        return LocatorInfo(
            cls.name,
            "known terms, found by published rules on the images' own values",
            "calibrated CT, PET, SPECT and MR; infrared and visible scenes",
        )

    def locate(self, images: Sequence[Volume], prompt: str) -> Location:
        """Find what `prompt` names.

        Parameters
        ----------
        images : sequence of Volume
            On one grid (equal spatial shape), values in their own units.
        prompt : str
            One or several terms, such as ``"tumour, skull"`` or ``"please show the lesion"``.

        Returns
        -------
        Location
            Label ``k`` is the k-th term. Where terms overlap, the smaller object is on top. A
            detection's score is ``d / (1 + d)`` with ``d`` the difference of the means of the
            object and its surround, divided by the mean of their standard deviations; that of a
            person or a car is the detector's.

        Raises
        ------
        PromptError
            If a term is unknown or needs an image that is missing.
        InputError
            If the images' shapes differ.
        """
        views = views_of(images)
        if not isinstance(prompt, str):
            raise PromptError(f"The prompt must be text, not {type(prompt).__name__}.")
        requests, unknown = parse(prompt, self.terms)
        if unknown:
            raise PromptError(self._unknown(unknown[0], views))
        for request in requests:
            if _is_refused(request.term, images):
                raise PromptError(_unknown_images(request.term))
            if not _usable(request.term, views):
                raise PromptError(self._missing_image(request.term, images, views))
        if len(requests) > 255:
            raise PromptError(f"The prompt names {len(requests)} things; at most 255 are possible.")
        return _assemble([_find(r, views) for r in requests], images[0].shape)

    def known_terms(self, images: Sequence[Volume] | None = None) -> list[KnownTerm]:
        """List terms and rules; with images, only those that can be used on them."""
        views = None if images is None else views_of(images)
        return [
            KnownTerm(t.name, t.synonyms, r.modality, r.unit, _conditions(t, r), r.source, t.kind)
            for t in self.terms
            if not (images and _is_refused(t, images))
            for r in t.rules
            if views is None or any(r.fits(view) for view in views)
        ]

    def _unknown(self, phrase: str, views: list[RuleImage]) -> str:
        close = suggestions(phrase, self.terms)
        hint = f" (did you mean {' or '.join(map(repr, close))}?)" if close else ""
        return (
            f"{phrase!r} is not a term of the built-in lexicon{hint}; {self._known(views)}; "
            f"for anything else, {_ALTERNATIVES}."
        )

    def _missing_image(self, term: Term, images: Sequence[Volume], views: list[RuleImage]) -> str:
        kinds: dict[str, str] = {}
        for rule in term.rules:
            kinds.setdefault(rule.modality, f" in {rule.unit}" if rule.unit else rule.needs)
        needs = " or ".join(_KINDS[modality] + more for modality, more in kinds.items())
        have = " and ".join(map(_kind_of, images))
        unknown = any(image.modality is None for image in images)
        hint = "; set the images' modality= and unit= if you know them" if unknown else ""
        return (
            f"{term.name!r} needs {needs}, but these images are {have}{hint}; "
            f"{self._known(views)}; for anything else, {_ALTERNATIVES}."
        )

    def _known(self, views: list[RuleImage]) -> str:
        names = ", ".join(t.name for t in self.terms if _usable(t, views))
        if not names:
            return "there are no terms for these images"
        return f"the terms for these images are {names}"


def _kind_of(image: Volume) -> str:
    """Name modality and unit, as far as the unit says something."""
    if image.modality is None:
        return "of unknown modality"
    name = MODALITY_NAMES.get(image.modality, image.modality)
    if image.modality == "MR" and (contrast := stated_contrast(image)[0]):
        return f"{name} with {contrast} contrast"
    if image.unit != "a.u.":
        return f"{name} in {image.unit}"
    return f"{name} in arbitrary units" if image.modality in ("CT", "PT", "NM") else name


def _conditions(term: Term, rule: Rule) -> str:
    """Return every condition of a rule in words."""
    gate = f"; in a volume {term.gate.text}, else it is not marked" if term.gate else ""
    if rule.objects is not None:
        return f"{rule.description}{gate}"
    smallest = f"objects below a ball (in slices: a disc) of {rule.smallest_mm:g} mm are dropped"
    return f"{rule.description}; {smallest}{gate}"


def _is_refused(term: Term, images: Sequence[Volume]) -> bool:
    """Return whether a finding would be searched for in images of unknown modality."""
    unknown = all(image.modality is None for image in images)
    return term.finding and not term.scene and unknown


def _unknown_images(term: Term) -> str:
    kinds = dict.fromkeys(_KINDS[rule.modality] for rule in term.rules)
    needed = term.rules[0].modality
    other = "CT" if needed == "MR" else "MR"
    return (
        f"{term.name!r} is a finding in {' or '.join(kinds)}, and the modality of neither image "
        "is known; state the modality, such as with "
        f"modality={{'a': '{other}', 'b': '{needed}'}}, or {_ALTERNATIVES}."
    )


def _usable(term: Term, views: list[RuleImage]) -> list[tuple[Rule, RuleImage]]:
    return [(rule, view) for rule in term.rules for view in views if rule.fits(view)]


def _find(request: TermRequest, views: list[RuleImage]) -> _TermResult:
    """Try the term's rules in order of preference until one finds something."""
    name, notes = request.term.name, []
    if request.misspelt is not None:
        notes.append(
            f"{request.misspelt!r} was read as {request.phrase!r}, assuming a misspelling."
        )
    if request.phrase != name:
        notes.append(f"{request.phrase!r} was read as {name!r}.")
    if request.unused:
        words = ", ".join(map(repr, request.unused))
        notes.append(f"{name}: {words} in the prompt had no effect.")
    tried: list[str] = []
    inferred: list[str] = []
    for rule, view in _usable(request.term, views):
        check_stop()
        view.memo.pop(WHY_NOT, None)
        objects = rule.objects(view) if rule.objects else None
        mask = _apply(rule, view) if objects is None else objects.labels > 0
        mask, side_note = _on_side(mask, view, request)
        text = f"{_conditions(request.term, rule)} [{rule.source}]"
        failure = request.term.gate.failure(mask, view) if request.term.gate else ""
        if failure and request.side is None:
            notes.append(
                f"{name}: not marked: what the rule gives in {view.name} is not plausible "
                f"({failure}); draw it, or choose another locator."
            )
            tried.append(f"{text} in {view.name}")
            continue
        if not mask.any():
            where = f"{text} in {view.name}"
            why = view.memo.get(WHY_NOT)
            tried.append(f"{why}; by the rule: {where}" if why else where)
            inferred += _contrast_notes(view)
            continue
        count = components(mask)[1] if objects is None else len(objects.scores)
        notes += _about(request.term, count, view, text)
        return _TermResult(request, mask, view, (*notes, *side_note), objects)
    notes += [f"{name}: not found ({'; '.join(dict.fromkeys(tried))}).", *inferred]
    return _TermResult(request, empty(views[0].array), None, tuple(notes))


def _about(term: Term, count: int, view: RuleImage, text: str) -> list[str]:
    """Note what was marked, and the assumptions about the image."""
    if term.finding:
        several = "s" if count > 1 else ""
        notes = [
            f"{term.name}: {count} candidate{several} in {view.name}, to be accepted or rejected, "
            f"by the rule: {text}."
        ]
    else:
        notes = [f"{term.name}: marked in {view.name} by the rule: {text}."]
    if view.assumed:
        notes.append(
            f"{term.name}: values are uncalibrated; {view.name} has no modality and was assumed "
            "to be "
            f"{_KINDS[view.modality]} on relative intensity."
        )
    return notes + _contrast_notes(view)


def _contrast_notes(view: RuleImage) -> list[str]:
    """Note the contrast of an MR image, and how it is known."""
    inferred = getattr(view.memo.get("tissues"), "note", "") or view.memo.get(INFERRED, "")
    if inferred:
        return [
            f"{view.name}: its contrast is not stated; it was {inferred}; state it if that is "
            "wrong."
        ]
    if view.contrast is not None:
        return [f"{view.name}: {view.contrast} contrast {view.contrast_source}."]
    return []


def _apply(rule: Rule, view: RuleImage) -> Mask:
    """Run a rule and clean its result."""
    check_stop()
    if view.array.size < 2 or view.array.min() == view.array.max():
        return empty(view.array)
    if view.is_slab and view.modality in ("CT", "MR"):
        planes = view.planes()
        mask = np.stack([_apply(rule, plane) for plane in planes])
        view.memo.update({k: p.memo[k] for k in (INFERRED, WHY_NOT) for p in planes if k in p.memo})
        return mask
    return drop_small(np.asarray(rule.find(view), bool), rule.smallest_mm, view.mm)


def _on_side(mask: Mask, view: RuleImage, request: TermRequest) -> tuple[Mask, tuple[str, ...]]:
    """Keep the objects on the patient's left or right of the middle of the tissue."""
    side = request.side
    if side is None or not mask.any():
        return mask, ()
    if view.left_right is None:
        return mask, (
            f"{request.term.name}: {side!r} in the prompt had no effect, because the image does "
            "not "
            "say which side is the patient's left.",
        )
    axis, direction = view.left_right
    tissue = view.array > view.array.min() + 0.1 * float(np.ptp(view.array))
    middle = float(np.nonzero(tissue)[axis].mean())
    labels, count = components(mask)
    centres = ndimage.center_of_mass(mask, labels, range(1, count + 1))
    towards_right = np.array([(c[axis] - middle) * direction > 0 for c in centres])
    keep = np.concatenate([[False], towards_right == (side == "right")])
    return np.asarray(keep[labels]), (f"{request.term.name}: only the patient's {side} side.",)


def _assemble(found: list[_TermResult], shape: tuple[int, ...]) -> Location:
    mask = np.zeros(shape, np.uint8)
    objects = np.zeros(shape, np.int32)  # numbered as they are met; renumbered with the rows
    order = sorted(range(len(found)), key=lambda k: -int(found[k].mask.sum()))
    for k in order:
        mask[found[k].mask] = k + 1
    rows: list[tuple[npt.NDArray[np.float32], float, str, int, str, int, str, str]] = []
    number = 0
    for k, item in enumerate(found, start=1):
        if item.view is None:
            continue
        separated = item.objects or _separate_objects(item.view, item.mask)
        labels, term = separated.labels, item.request.term
        shown = (mask == k) & (labels > 0)
        objects[shown] = labels[shown] + number
        kind = "candidate" if term.finding else "structure"
        for edges, score, reason in zip(
            separated.boxes, separated.scores, separated.reasons, strict=True
        ):
            number += 1
            rows.append((edges, score, term.name, k, item.view.name, number, kind, reason))
    rows.sort(key=lambda row: (row[3], -row[1]))
    detections = Detections(
        boxes=np.array([r[0] for r in rows], np.float32).reshape(-1, 2 * len(shape)),
        scores=np.array([r[1] for r in rows], np.float32),
        labels=tuple(r[2] for r in rows),
        label_values=np.array([r[3] for r in rows], np.uint8),
        sources=tuple(r[4] for r in rows),
        kinds=tuple(r[6] for r in rows),
        reasons=tuple(r[7] for r in rows),
    )
    row_of = np.zeros(number + 1, np.uint32)
    row_of[[r[5] for r in rows]] = np.arange(1, number + 1)
    names = {k: item.request.term.name for k, item in enumerate(found, start=1)}
    notes = tuple(dict.fromkeys(note for item in found for note in item.notes))
    return Location(mask, detections, names, notes, row_of[objects])


def _separate_objects(view: RuleImage, mask: Mask) -> Objects:
    """Treat every connected part as an object, scored by its contrast."""
    labels, _ = components(mask)
    found = ndimage.find_objects(labels)
    edges = [[s.start for s in box[::-1]] + [s.stop for s in box[::-1]] for box in found]
    judged = [_score(view, labels, i, box) for i, box in enumerate(found, start=1)]
    return Objects(
        labels,
        np.array(edges, np.float32).reshape(-1, 2 * mask.ndim),
        tuple(score for score, _ in judged),
        tuple(reason for _, reason in judged),
    )


def _score(
    view: RuleImage, labels: npt.NDArray[np.int32], index: int, box: tuple[slice, ...]
) -> tuple[float, str]:
    """Contrast to the surround, three pixels wide, as ``d / (1 + d)``; and the reason in words."""
    around = tuple(slice(max(0, s.start - 3), s.stop + 3) for s in box)
    here, values = labels[around], view.array[around]
    inside = here == index
    amount = float(inside.sum()) * math.prod(view.mm)
    if view.spacing is None:
        size = f"{int(inside.sum())} pixels"
    else:
        size = f"{amount / 1000:.3g} mL" if inside.ndim == 3 else f"{amount:.3g} mm²"
    ring = ndimage.binary_dilation(inside, iterations=3) & (here == 0)
    mean = float(values[inside].mean())
    if not ring.any():
        return 0.5, f"{size}, mean {mean:.3g} {view.unit}"
    outside = float(values[ring].mean())
    spread = (float(values[inside].std()) + float(values[ring].std())) / 2
    difference = abs(mean - outside)
    score = difference / (difference + spread) if difference + spread > 0 else 0.5
    return score, f"{size}, mean {mean:.3g} {view.unit} against {outside:.3g} around it"
