"""The English of messages, docstrings, comments and pages: plain words, standard terms."""

from __future__ import annotations

import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[1]

#: What is not to be written, and what to write instead.
BANNED = {
    r"told": "reported, stated",
    r"tell whether": "return whether",
    r"beside": "next to, in addition to",
    r"anew": "again",
    r"hears?": "is notified, honours",
    r"whereof": "of which",
    r"(?:lie|lies|lay) on (?:each other|one another|top)": "are aligned",
    r"(?:what|which) is said": "reported",
    r"(?:is|are) (?:read|corrected|noted|refused), and (?:said|told)": "is corrected and reported",
    r"on show": "displayed",
    r"in sight": "displayed",
    r"version 0\.1(?!\.\d)": "nothing was released as 0.1",
    r"whole numbers?": "integers",
    r"(?:file|another|other|wrong|without (?:an )?|no) endings?": "extension",
    r"(?<!there )(?:is|are) no (?!(?:longer|more|less|fewer|further|nearer|better|worse|larger"
    r"|smaller|greater|wider)\b)[a-z]+": "is not a ...",
    r"that (?:is|are) no [a-z]+": "that is not a ...",
    r"(?:the|a) (?:file|header|sidecar|name) says": "states",
    r"(?:network|decoder|encoder|model|head|sampler)s? (?:knows?|sees?|hears?|wants?|looks?)": (
        "software has inputs, not senses"
    ),
    r"(?:file|folder|header|array|layer|checkpoint|record)s? holds?": "contains",
    r"mended|swept|freed of": "corrected, removed",
    r"(?:is|are|was) wanted": "requested",
    r"finders?": "locator, detector",
    r"greyed with": "greyed out with",
    r"pictures?": "image",
}
PATTERNS = {re.compile(rf"(?i)\b(?:{words})\b"): instead for words, instead in BANNED.items()}
ANY = re.compile("|".join(pattern.pattern.removeprefix("(?i)") for pattern in PATTERNS), re.I)

#: Where a banned word is right: part of the path, the word, and why.
RIGHT = [
    ("locate/restoration_words.py", "picture", "words that people type"),
    ("locate/phrases.py", "picture", "words that people type"),
    ("locate/prompt.py", "beside", "words that people type"),
    ("reference/lexicon.md", "picture", "words that people type"),
    ("locate/restoration.py", "picture", "the name of a class of words"),
    ("fuse/outcome.py", "is no locator", "a pattern for messages, part of 'there is no locator'"),
    ("weights/light/MODEL_CARD.md", "version 0.1", "an early network, by its name"),
]

#: Pages and the folders of code whose prose is checked; pages made from code are checked there.
PAGES = ["README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "CODE_OF_CONDUCT.md"]
FOLDERS = ["src", "docs", "scripts", "benchmarks", "packaging", "sample_data"]
#: Notes on measurements, but for their first page.
NOT_CHECKED = re.compile(r"benchmarks/results/(?!README)")


class Line(NamedTuple):
    path: str
    number: int
    text: str


def without_code(text: str) -> str:
    """Blank out code in backticks and braces, and names of HTML elements and numpydoc entries."""
    text = re.sub(r"``[^`]*``|`[^`]*`|\{[^{}]*\}|</?\w+", " ", text)
    return re.sub(r"^\s*[\w*]+(?:, [\w*]+)* : ", "", text)


def lines_of_python(path: str, source: str) -> Iterator[Line]:
    """Comments and strings of at least two words: docstrings, messages, labels."""
    strings = {tokenize.STRING, getattr(tokenize, "FSTRING_MIDDLE", tokenize.STRING)}
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT or (token.type in strings and " " in token.string):
            for number, text in enumerate(token.string.splitlines(), token.start[0]):
                yield Line(path, number, text)


def lines_of_page(path: str, text: str) -> Iterator[Line]:
    fenced = False
    for number, line in enumerate(text.splitlines(), 1):
        fenced ^= line.lstrip().startswith("```")
        if not fenced and not line.startswith("    "):
            yield Line(path, number, line)


def lines() -> Iterator[Line]:
    """Lines of all files that contain a banned word anywhere, if only in code."""
    files = [ROOT / page for page in PAGES]
    for folder in FOLDERS:
        files += sorted((ROOT / folder).rglob("*"))
    for file in files:
        path = file.relative_to(ROOT).as_posix()
        split = {".py": lines_of_python, ".md": lines_of_page, ".yaml": lines_of_page}
        if file.suffix in split and not NOT_CHECKED.match(path):
            text = file.read_text(encoding="utf-8")
            if ANY.search(text):
                yield from split[file.suffix](path, text)


def faults(line: Line) -> list[tuple[str, str]]:
    """Banned words in a line, each with what to write instead."""
    text = without_code(line.text)
    found = [(match[0], PATTERNS[p]) for p in PATTERNS for match in p.finditer(text)]
    return [(word, instead) for word, instead in found if not is_right(line.path, word)]


def is_right(path: str, word: str) -> bool:
    return any(part in path and right in word.lower() for part, right, _ in RIGHT)


def test_plain_words():
    found = [
        f"{line.path}:{line.number}: {word!r} -> {instead}: {line.text.strip()[:100]}"
        for line in lines()
        for word, instead in faults(line)
    ]
    assert not found, "\n".join(["", *found])


def test_every_exception_is_needed():
    checked = [(line.path, without_code(line.text).lower()) for line in lines()]
    unused = [
        (part, word)
        for part, word, _ in RIGHT
        if not any(part in path and word in text for path, text in checked)
    ]
    assert unused == []


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("The order is read, and told.", "told"),
        ('f"strengths that are no numbers"', "are no numbers"),
        ("# files of version 0.1", "version 0.1"),
        ("A callback hears when it stops.", "hears"),
        ("    # shapes beside the mask", "beside"),
        ("The header says otherwise.", "The header says"),
        ("Return the slice on show", "on show"),
    ],
)
def test_a_fault_is_found(text, word):
    assert word in [found for found, _ in faults(Line("src/any.py", 1, text))]


@pytest.mark.parametrize(
    "text",
    [
        "There is no such file.",
        "There are no slices left.",
        "It is no longer needed.",
        "Return `told` and ``picture``.",
        "    picture : ndarray",
        "Files of version 0.1.0",
    ],
)
def test_plain_text_is_accepted(text):
    assert faults(Line("src/any.py", 1, text)) == []


def test_strings_and_comments_are_checked_and_code_is_not():
    source = 'told = 1\n"""A docstring\nwas told."""\nx = f"the file says {told}"  # beside it\n'
    found = [
        (line.number, word)
        for line in lines_of_python("src/any.py", source)
        for word, _ in faults(line)
    ]
    assert found[0] == (3, "told")
    assert {(4, "the file says"), (4, "beside")} <= set(found)
