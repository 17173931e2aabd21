"""The report on every pair of a batch: ``report.html``, ``report.csv`` and ``objects.csv``.

The reports are written from the records and previews in the output folder, so that they are
complete after a resumed run.
"""

from __future__ import annotations

import base64
import csv
import html
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .._version import __version__
from ..io._files import write_bytes
from ..measure import to_csv
from ..results.folder import load_record
from ..volume import NOTICE
from .report import in_options

PAGE, TABLE, OBJECTS = "report.html", "report.csv", "objects.csv"
#: Possible states of a pair, in the order of the summary.
STATES = ("fused", "already done", "refused", "failed", "not reached")
#: Characters of a note on the terminal.
SHORT = 150


@dataclass
class Case:
    """One pair of a batch.

    Parameters
    ----------
    name : str
        The common name of both files.
    state : str
        One of `STATES`.
    error : str
        Why it was refused or failed, one line.
    seconds : float, optional
        If it was fused in this run.
    notes : list of str
        Of its record, a sentence each.
    objects : list of dict
        One row per label of its mask.
    record : dict
        The whole record; empty without a result.
    preview : Path, optional
        PNG with A, B, the result and its mask.
    """

    name: str
    state: str = "not reached"
    error: str = ""
    seconds: float | None = None
    notes: list[str] = field(default_factory=list)
    objects: list[dict[str, Any]] = field(default_factory=list)
    record: dict[str, Any] = field(default_factory=dict)
    preview: Path | None = None

    @property
    def done(self) -> bool:
        """Whether a result with these settings is in the folder."""
        return self.state in STATES[:2]

    def load(self, record: Path, preview: Path) -> None:
        """Read notes, objects and preview from the files written."""
        self.record = load_record(record)
        self.notes = [in_options(note) for note in self.record.get("warnings", ())]
        objects = self.record.get("objects", ())
        self.objects = [dict(row) for row in objects if isinstance(row, Mapping)]
        self.preview = preview if preview.is_file() else None

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for ``--json``."""
        return {
            "name": self.name,
            "state": self.state,
            "error": self.error or None,
            "notes": self.notes,
            "objects": self.objects,
        }


def short_notes(notes: Sequence[str]) -> str:
    """Return the notes of a case in one short line; empty if there are none."""
    if not notes:
        return ""
    first = " ".join(notes[0].split())
    if len(first) > SHORT:
        first = first[: SHORT - 3].rstrip() + "..."
    more = f" (+{len(notes) - 1} in {PAGE})" if len(notes) > 1 else ""
    return f"note: {first}{more}"


def write_report(
    out: Path, cases: Iterable[Case], unpaired: Sequence[str], title: str
) -> tuple[Path, Path]:
    """Write ``report.html`` and ``report.csv`` into the output folder.

    Parameters
    ----------
    out : Path
        Made if missing.
    cases : iterable of Case
    unpaired : sequence of str
        Names without a partner.
    title : str
        Such as the prompt; no folder names, because they may identify a patient.

    Returns
    -------
    page, table : Path

    Raises
    ------
    WriteError
        If one cannot be written.
    """
    cases = sorted(cases, key=lambda case: case.name)
    out.mkdir(parents=True, exist_ok=True)
    table = write_bytes(out / TABLE, csv_text(cases, unpaired).encode())
    return write_bytes(out / PAGE, page_text(cases, unpaired, title).encode()), table


def csv_text(cases: Sequence[Case], unpaired: Sequence[str] = ()) -> str:
    """Return one row per object, or per case without objects.

    Columns are ``case``, ``state``, ``error``, ``notes`` and ``seconds``, then those of the
    objects; a list becomes a column per value.
    """
    rows: list[dict[str, Any]] = []
    for case in cases:
        first = {
            "case": case.name,
            "state": case.state,
            "error": case.error,
            "notes": " | ".join(case.notes),
            "seconds": case.seconds,
        }
        rows += [first | flat(row) for row in case.objects] or [first]
    first = dict.fromkeys(("case", "state", "error", "notes", "seconds"))
    rows += [first | {"case": name, "state": "without a partner"} for name in unpaired]
    columns = list(dict.fromkeys([*first, *(key for row in rows for key in row)]))
    text = io.StringIO(newline="")
    table = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    table.writeheader()
    table.writerows({key: _cell(value) for key, value in row.items()} for row in rows)
    return text.getvalue()


def flat(row: Mapping[str, Any]) -> dict[str, Any]:
    """Spread lists over columns, named as in `measure.table.COLUMNS` where it has them."""
    columns: dict[str, Any] = {}
    for key, value in row.items():
        if isinstance(value, (list, tuple)):
            names: Iterable[Any] = range(len(value))
            if key.endswith(("_mm", "_voxel")) and len(value) <= 3:
                names = ("xyz" if key.endswith("_mm") else "zyx")[-len(value) or 3 :]
            columns |= {f"{key}_{n}": v for n, v in zip(names, value, strict=False)}
        else:
            columns[key] = value
    return columns


def _cell(value: Any) -> Any:
    if isinstance(value, float):
        return f"{value:.6g}"
    return "" if value is None else value


_STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 75rem; padding: 0 1rem;
  color: #1b1f24; background: #fff }
section { border-top: 1px solid #d0d7de; padding: .8rem 0 }
h2 { margin: 0 0 .4rem; font-size: 1.1rem; overflow-wrap: anywhere }
img { max-width: 100%; background: #000 }
table { border-collapse: collapse; margin: .5rem 0; font-size: .85rem }
th, td { border: 1px solid #d0d7de; padding: .15rem .5rem; text-align: left }
td.n { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums }
.wide { overflow-x: auto }
th { white-space: nowrap }
p, li { overflow-wrap: anywhere }
td a { display: inline-block; max-width: 18rem; overflow-wrap: break-word }
.state { font-size: .8rem; border-radius: .8rem; padding: .05rem .6rem; background: #dafbe1 }
.refused, .not { background: #fff8c5 } .failed { background: #ffebe9 }
pre { font-size: .75rem; overflow-x: auto }
"""


def page_text(cases: Sequence[Case], unpaired: Sequence[str], title: str) -> str:
    """Return the page, which is self-contained."""
    counts = {state: sum(case.state == state for case in cases) for state in STATES}
    counted = ", ".join(f"{n} {state}" for state, n in counts.items() if n)
    if unpaired:
        counted += f", {len(unpaired)} without a partner"
    parts = [
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">',
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; img-src data:; '
        "style-src 'unsafe-inline'\">",
        f"<title>{_escaped(title)}</title><style>{_STYLE}</style></head><body>",
        f"<h1>{_escaped(title)}</h1><p>{_escaped(counted or 'no pairs')}. napari-textdifuse "
        f"{__version__}. <strong>{_escaped(NOTICE)}</strong></p>",
        _overview(cases),
        *map(_section, cases),
    ]
    if unpaired:
        parts.append(
            f"<section><h2>Without a partner</h2>{_escaped(', '.join(unpaired))}</section>"
        )
    return "\n".join([*parts, "</body></html>\n"])


def _overview(cases: Sequence[Case]) -> str:
    """List unfused cases first, because they need action."""
    bad = [case for case in cases if not case.done]
    if not bad:
        return ""
    rows = "".join(
        f'<tr><td><a href="#{_anchor(case.name)}">{_escaped(case.name)}</a></td>'
        f"<td>{case.state}</td><td>{_escaped(case.error)}</td></tr>"
        for case in bad
    )
    head = "<tr><th>case</th><th>state</th><th>why</th></tr>"
    return f'<div class="wide"><table>{head}{rows}</table></div>'


def _section(case: Case) -> str:
    parts = [f'<section id="{_anchor(case.name)}"><h2>{_escaped(case.name)} ']
    parts.append(f'<span class="state {case.state.split()[0]}">{case.state}</span></h2>')
    if case.error:
        parts.append(f"<p>{_escaped(case.error)}</p>")
    if case.preview is not None:
        data = base64.b64encode(case.preview.read_bytes()).decode()
        what = f"image A, image B, fused image and mask of {case.name}"
        parts.append(f'<img alt="{_escaped(what)}" src="data:image/png;base64,{data}">')
    if case.notes:
        notes = "".join(f"<li>{_escaped(note)}</li>" for note in case.notes)
        parts.append(f"<ul>{notes}</ul>")
    parts.append(_objects(case.objects))
    if case.record:
        record = json.dumps(case.record, indent=1, ensure_ascii=False)
        parts.append(f"<details><summary>record</summary><pre>{_escaped(record)}</pre></details>")
    return "".join([*parts, "</section>"])


def _objects(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return what the objects are, and their values in both images."""
    what, values = [], []
    for row in rows:
        place = ("a_", "b_", "centroid_voxel")  # the place is given in mm
        what.append({k: v for k, v in row.items() if not k.startswith(place)})
        for role in "ab":
            of = {k[2:]: v for k, v in row.items() if k.startswith(f"{role}_")}
            if any(v not in (None, "") for v in of.values()):
                values.append({"label": row.get("label"), "image": role.upper()} | of)
    return _table(what) + _table(values)


def _table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return a table of the columns that are not empty."""
    columns = dict.fromkeys(k for row in rows for k, v in row.items() if v not in (None, ""))
    if not columns:
        return ""
    head = "".join(f"<th>{_escaped(name.replace('_', ' '))}</th>" for name in columns)
    lines = []
    for row in rows:
        cells = ""
        for name in columns:
            value = row.get(name)
            kind = "" if isinstance(value, str) else ' class="n"'
            cells += f"<td{kind}>{_escaped(_rounded(value))}</td>"
        lines.append(f"<tr>{cells}</tr>")
    return f'<div class="wide"><table><tr>{head}</tr>{"".join(lines)}</table></div>'


def _rounded(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return ", ".join(map(_rounded, value))
    if isinstance(value, float):
        return f"{value:.4g}"
    return "" if value is None else str(value)


def _anchor(name: str) -> str:
    return "case-" + base64.urlsafe_b64encode(name.encode()).decode().rstrip("=")


def _escaped(text: str) -> str:
    return html.escape(text)


def write_objects(out: Path, rows: Sequence[Mapping[str, Any]]) -> Path | None:
    """Write one row per pair and label.

    Parameters
    ----------
    out : Path
        Of the batch.
    rows : sequence of dict
        Those of `measure_objects`, with the pair as ``name``.

    Returns
    -------
    Path or None
        ``objects.csv`` in `out`. None if no pair has a mask; an old table is then removed.
    """
    path = out / OBJECTS
    if not rows:
        path.unlink(missing_ok=True)
        return None
    return write_bytes(path, to_csv(rows, {"name": ""}).encode())
