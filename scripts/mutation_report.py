"""Writes the outcome of a mutation run as Markdown."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

#: Survivors that were read and found to be the same program, each with the reason.
EQUIVALENT = Path(__file__).with_name("equivalent_mutants.toml")


def describe(outcomes: Sequence[Any], drawn: int, seed: int) -> str:
    """Return the table of scores, before and after the retries, and the survivors."""
    first = {o.mutant.key: o for o in outcomes if o.attempt == 0}
    last = {o.mutant.key: o for o in outcomes}
    reasons = _reasons()
    lines = [f"## Seed {seed}", "", f"{len(last)} of {drawn} drawn mutants tried."]
    late = sum(o.killer == "time" for o in last.values())
    lines += [f"{late} of those killed never ended and met the time limit.", ""]
    lines += ["| code | mutants | killed before | killed after | equivalent | after, others |"]
    lines += ["| --- | --- | --- | --- | --- | --- |"]
    for target in [*sorted({o.target for o in last.values()}), "all"]:
        mine = [key for key, o in last.items() if target in (o.target, "all")]
        before = sum(bool(first[key].killer) for key in mine)
        after = sum(bool(last[key].killer) for key in mine)
        same = sum(not last[k].killer and _text(last[k].mutant) in reasons for k in mine)
        lines.append(
            f"| {target} | {len(mine)} | {before} ({_share(before, len(mine))}) "
            f"| {after} ({_share(after, len(mine))}) | {same} "
            f"| {_share(after, len(mine) - same)} |"
        )
    survivors = [o for o in last.values() if not o.killer]
    open_ones = [o for o in survivors if _text(o.mutant) not in reasons]
    lines += ["", f"### Survivors: {len(open_ones)}", ""]
    for outcome in open_ones:
        lines += _entry(outcome, f"{outcome.tests} tests execute it.")
    lines += [f"### Equivalent: {len(survivors) - len(open_ones)}", ""]
    for outcome in survivors:
        if (reason := reasons.get(_text(outcome.mutant))) is not None:
            lines += _entry(outcome, reason)
    return "\n".join(lines).rstrip() + "\n"


def _reasons() -> dict[tuple[str, str, str], str]:
    """Read why mutants are equivalent; found by their text, since lines move."""
    if not EQUIVALENT.exists():
        return {}
    entries = tomllib.loads(EQUIVALENT.read_text(encoding="utf-8")).get("mutant", [])
    return {(e["path"], e["removed"], e["added"]): e["why"] for e in entries}


def _text(mutant: Any) -> tuple[str, str, str]:
    """Return what a mutant changes."""
    return mutant.path, mutant.removed, mutant.added


def _entry(outcome: Any, remark: str) -> list[str]:
    """Return one survivor."""
    removed = [f"- {line}" for line in outcome.mutant.removed.splitlines()]
    added = [f"+ {line}" for line in outcome.mutant.added.splitlines()]
    return [f"`{outcome.mutant.place}`: {remark}", "", "```diff", *removed, *added, "```", ""]


def _share(part: int, whole: int) -> str:
    """Return a percentage."""
    return f"{part / whole:.0%}" if whole else "-"
