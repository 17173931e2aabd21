"""Write ``docs/reference/lexicon.md`` from the lexicon."""

from __future__ import annotations

import sys
from pathlib import Path

from napari_textdifuse.locate import known_terms
from napari_textdifuse.locate.languages import NAMES
from napari_textdifuse.locate.restoration_words import ALONE, CLASSES, EXAMPLES, NOUNS

PAGE = Path(__file__).parents[1] / "docs" / "reference" / "lexicon.md"

CLASS_NAMES = {
    "k": "keep",
    "u": "unchanged",
    "r": "remove",
    "i": "improve",
    "c": "correct",
    "g": "change (only after 'not')",
    "R": "restore (alone: everything)",
    "n": "not",
}
NOUN_NAMES = {"q": "can be kept or improved", "d": "can be kept or removed", "D": "can be kept"}


def page() -> str:
    """Return the page."""
    lines = ["# Terms of the lexicon", "", "Made by `python scripts/lexicon_page.py`.", ""]
    lines += ["## Rules", "", "| term | image | rule | source |", "| --- | --- | --- | --- |"]
    terms: dict[str, tuple[str, ...]] = {}
    for known in known_terms():
        image = known.modality + (f" in {known.unit}" if known.unit else "")
        lines.append(f"| {known.term} | {image} | {known.rule} | {known.source} |")
        terms[known.term] = known.synonyms
    lines += ["", "## Names", "", "| term | English | German | French | Spanish | Chinese |"]
    lines.append("| --- " * 6 + "|")
    for term, synonyms in terms.items():
        names = [", ".join(NAMES[code].get(term, ())) for code in ("de", "fr", "es", "zh")]
        lines.append(f"| {term} | {', '.join(synonyms)} | {' | '.join(names)} |")
    return "\n".join(lines + restoration()) + "\n"


def restoration() -> list[str]:
    """Return the words about restoration."""
    languages = ("en", "de", "fr", "es", "zh")
    head = ["| English | German | French | Spanish | Chinese |", "| --- " * 5 + "|"]
    lines = ["", "## Restoration", "", "See [how much is restored](../how-to/restoration.md).", ""]
    lines += head
    for row in zip(*(EXAMPLES[code] for code in languages), strict=True):
        lines.append(f"| {' | '.join(row)} |")
    lines += ["", "The parts of such phrases:", "", f"| part {head[0]}", f"| --- {head[1]}"]
    words = {f"{CLASS_NAMES[letter]}": CLASSES[letter] for letter in CLASS_NAMES}
    words |= {f"{NOUN_NAMES[letter]}: {kind}": found for (letter, kind), found in NOUNS.items()}
    words |= {f"says all: {kind}": found for kind, found in ALONE.items()}
    for part, found in words.items():
        lines.append(f"| {part} | {' | '.join(found.get(code, '') for code in languages)} |")
    return lines


def main() -> int:
    PAGE.write_text(page(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
