"""The parts of a prompt: rules shared by all locators, and plain phrases for a detector."""

from __future__ import annotations

import re

from ..errors import PromptError

_SPLIT = re.compile(r"[,;/&+|\n、，；]|以及|[和与及跟]|\b(?:and|und|et|y|or|plus|oder|sowie|ou)\b")
_WORD = re.compile(r"[^\W_]+(?:[-'][^\W_]+)*")
#: Words that ask for an absence.
NEGATIONS = frozenset(
    """
    no not without except ignore exclude hide
    kein keine keinen nicht ohne ausser außer
    pas sans sauf sin excepto salvo
    """.split()  # noqa: SIM905
)
#: Chinese, at the start of a run.
_CHINESE_NEGATIONS = ("不", "没有", "除了", "无", "忽略")
#: Words around a name that say nothing about the object: commands, courtesy, articles.
WRAPPING = frozenset(
    """
    a all also an any are as at be bring can clearly could detect emphasise emphasize enhance every
    everything find focus for give highlight i identify image in into is it its keep let like
    locate look make mark me more most my of on only our out outline photo picture please pop
    prominent scan scene see segment shall should show so some stand that the their them there
    these this those to up us visible want we with would you your
    bitte das dem den der des die ein eine einen einer finde heb hebe heben hervor hervorheben
    hervorhebt im bild markiere markieren mir suche zeig zeige zeigen
    afficher cherche dans de du en evidence l'image la le les mets mettez mettre montre montrez
    plaît s'il surligne surligner surlignez trouve trouver un une veuillez vous évidence
    busca destaca destacar destaque el encuentra imagen las los marca mostrar muestra favor por
    resalta resaltar resalte una uno
    """.split()  # noqa: SIM905 - a list of one word a line would be four pages
)
#: Of these, what may follow a name; "can" may not, as in "a soda can".
_AFTER = frozenset(
    """
    a an and at bild bitte clearly dans de en evidence favor from hervor hervorheben hervorhebt im
    image imagen in l'image la le markieren me more most of on out photo picture plaît please pop
    por prominent s'il scene stand the to up us visible vous zeigen évidence
    """.split()  # noqa: SIM905
)
#: Chinese has no spaces: what may stand before and after the name.
_CHINESE = re.compile(
    r"^(?:请|帮我|把|将|突出显示|突出|高亮显示|高亮|显示|标出|标记|强调|找出|检测|分割|图中的|图像中的)+"
    r"|(?:突出显示|高亮显示|突出|高亮|显示出来|标出来|出来)+$"
)
_IRREGULAR = {
    "people": "person",
    "men": "man",
    "women": "woman",
    "children": "child",
    "feet": "foot",
    "teeth": "tooth",
    "mice": "mouse",
    "vertebrae": "vertebra",
    "knives": "knife",
    "leaves": "leaf",
    "buses": "bus",
}
#: Singular as they are.
_SINGULAR = frozenset({"glasses", "sunglasses", "scissors", "lens", "trousers", "jeans", "stairs"})


def split(prompt: str) -> list[str]:
    """Split a prompt into the objects that it names.

    Separators are punctuation (also Chinese), and "and" or "or" in English, German, French,
    Spanish and Chinese.

    Examples
    --------
    >>> split("Person und Auto, lamp")
    ['person ', ' auto', ' lamp']
    """
    return _SPLIT.split(prompt.casefold())


def refuse_negation(words: list[str], who: str) -> None:
    """Raise `PromptError` if the words request an absence, which no locator can show."""
    negation = [w for w in words if w in NEGATIONS or w.startswith(_CHINESE_NEGATIONS)]
    if negation:
        raise PromptError(
            f"The prompt says {sorted(negation)[0]!r}, but {who} can only show what is "
            "named; name only what should stand out."
        )


def phrases(prompt: str) -> list[str]:
    """Extract the phrases that an open-vocabulary detector should search for.

    Words before and after a name that do not belong to it are dropped, and the last word becomes
    singular. Words within are kept, such as in "person on a bicycle".

    Parameters
    ----------
    prompt : str

    Returns
    -------
    list of str
        In the order of the prompt, each once.

    Raises
    ------
    PromptError
        If nothing is named, or an absence is requested.

    Examples
    --------
    >>> phrases("Please highlight the person and the red cars.")
    ['person', 'red car']
    """
    if not isinstance(prompt, str):
        raise PromptError(f"The prompt must be text, not {type(prompt).__name__}.")
    found: list[str] = []
    for piece in split(prompt.replace("’", "'")):
        piece = _CHINESE.sub("", piece.strip(" .!?。！？"))
        words = _WORD.findall(re.sub(r"\b[ld]'(?!image)", "", piece))
        refuse_negation(words, "the detector")
        while words and words[0] in WRAPPING:
            words.pop(0)
        while words and words[-1] in _AFTER:
            words.pop()
        if words:
            found.append(" ".join([*words[:-1], _singular(words[-1])]))
    if not found:
        raise PromptError(
            "The prompt names nothing to find; name what should stand out, such as 'person, car'."
        )
    return list(dict.fromkeys(found))


def _singular(word: str) -> str:
    if word in _IRREGULAR:
        return _IRREGULAR[word]
    if len(word) < 4 or not word.endswith("s") or word in _SINGULAR:
        return word
    if word.endswith(("ss", "us", "is")):
        return word
    if word.endswith(("sses", "shes", "ches", "xes")):
        return word[:-2]
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    return word[:-1]
