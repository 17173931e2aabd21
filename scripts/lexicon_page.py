"""Write ``docs/reference/lexicon.md`` from the lexicon."""

from __future__ import annotations

import sys
from pathlib import Path

from napari_textdifuse.locate import known_terms
from napari_textdifuse.locate.languages import NAMES

PAGE = Path(__file__).parents[1] / "docs" / "reference" / "lexicon.md"


def page() -> str:
    """Return the page."""
    lines = ["# Words of the lexicon", "", "Made by `python scripts/lexicon_page.py`.", ""]
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
    return "\n".join(lines) + "\n"


def main() -> int:
    PAGE.write_text(page(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
