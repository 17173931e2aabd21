"""Make ``sample_data/``: ``python scripts/make_sample_data.py --out sample_data``.

Needs the extra "samples" (nilearn, for the brain templates). Running it twice gives the same bytes.
"""

from __future__ import annotations

import argparse
import filecmp
import sys
import tempfile
from pathlib import Path

from sample_data import dicom_series, scanners
from sample_data.brain import make_brain
from sample_data.street import make_street


def make(out: Path, only: str | None) -> None:
    if only in (None, "brain"):
        scans = make_brain(out)
        folder = out / "brain" / "dicom"
        dicom_series.write_pet(folder / "pet", scans["pet"], scanners.GRIDS["pet"].affine)
        dicom_series.write_mr(folder / "t1", scans["t1dicom"], scanners.GRIDS["t1dicom"].affine)
    if only in (None, "street"):
        make_street(out)


def differences(made: Path, kept: Path) -> list[str]:
    names = [p.relative_to(made) for p in sorted(made.rglob("*")) if p.is_file()]
    return [
        str(n)
        for n in names
        if not (kept / n).is_file() or not filecmp.cmp(made / n, kept / n, shallow=False)
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("sample_data"))
    parser.add_argument("--only", choices=("brain", "street"))
    parser.add_argument(
        "--check", action="store_true", help="write nothing; fail if the files in --out differ"
    )
    options = parser.parse_args()
    if not options.check:
        make(options.out, options.only)
        return 0
    with tempfile.TemporaryDirectory() as scratch:
        make(Path(scratch), options.only)
        changed = differences(Path(scratch), options.out)
    print("\n".join(changed) or "all files are as the script makes them")
    return 1 if changed else 0


if __name__ == "__main__":
    sys.exit(main())
