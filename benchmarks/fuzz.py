"""Read randomly damaged inputs and count the outcomes.

Every input is read, or refused with one sentence. Anything else is a fault: another exception, a
sentence in Python's own terms, a folder's or patient's name in it, output of a library, one
that takes seconds. Faults are printed with the seed that gives them again.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
import tempfile
import time
import warnings
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from _bench.corpus import Kind, kinds
from _bench.mutations import damaged

from napari_textdifuse.errors import TextDiFuseError

#: What a user cannot do anything with.
JARGON = re.compile(
    r"Traceback|NoneType|object at 0x|\b\w+Error\b|\bdtype\b|\bndarray\b|has no attribute"
    r"|unpack requires|not subscriptable|out of bounds|list index|literal|ufunc|Errno|Error -?\d"
    r"|cannot reshape|broadcast|unhashable|codec can't|argument|\bint\(|float\(|<class"
)
SLOW = 5.0


@dataclass
class Counts:
    """What came of the files.

    Parameters
    ----------
    outcomes : Counter
        By kind: "read", "refused", and faults.
    faults : list of str
        One line each.
    """

    outcomes: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)

    def fault(self, kind: str, line: str) -> None:
        """Count and keep a fault."""
        self.outcomes[kind] += 1
        self.faults.append(f"{kind}: {line}")


def fuzz(folder: Path, seeds: range) -> Counts:
    """Use one damaged input for each seed.

    Parameters
    ----------
    folder : Path
        For the files; its name must not come up in a message.
    seeds : range
        Seed k damages the kind number k, modulo their count.
    """
    counts = Counts()
    names = list(kinds())
    for seed in seeds:
        one_input(folder, names[seed % len(names)], seed, counts)
    return counts


def one_input(folder: Path, name: str, seed: int, counts: Counts) -> None:
    """Damage an input of a kind, use it and count what came of it.

    Parameters
    ----------
    folder : Path
        For the files; those of an earlier input of the kind are overwritten.
    name : str
        Of the kind.
    seed : int
        Of the damage.
    counts : Counts
    """
    kind, random = kinds()[name], np.random.default_rng(seed)
    place = folder / (name if kind.as_folder else "files")
    target = kind.damaged[0 if len(kind.damaged) == 1 else seed % len(kind.damaged)]
    files = kind.files | {target: damaged(kind.files[target], random)}
    for file, data in (kind.mend(files) if kind.mend else files).items():
        path = place / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    one_use(
        place if kind.as_folder else place / kind.damaged[0], kind, f"{name}, seed {seed}", counts
    )


def one_use(path: Path, kind: Kind, label: str, counts: Counts) -> None:
    """Use one input and count what came of it."""
    begun = time.process_time()  # other processes do not count
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            kind.use(path)
        counts.outcomes["read"] += 1
    except TextDiFuseError as error:
        counts.outcomes["refused"] += 1
        message = str(error)
        if JARGON.search(message):
            counts.fault("jargon", f"{label}: {message}")
        if "\n" in message or str(path.parent) in message or "Doe" in message:
            counts.fault("names", f"{label}: {message}")
    except Exception as error:
        counts.fault("foreign", f"{label}: {type(error).__name__}: {error}")
    if (seconds := time.process_time() - begun) > SLOW:
        counts.fault("slow", f"{label}: {seconds:.1f} s")


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=20_000)
    parser.add_argument("--first", type=int, default=0, help="seed")
    options = parser.parse_args(arguments)
    begun, total = time.perf_counter(), Counts()
    with tempfile.TemporaryDirectory() as name, tempfile.TemporaryFile() as shouted:
        # what C libraries print does not pass through Python
        kept = os.dup(2)
        os.dup2(shouted.fileno(), 2)
        try:
            last = options.first + options.count
            for first in range(options.first, last, 1000):
                found = fuzz(Path(name), range(first, min(first + 1000, last)))
                total.outcomes += found.outcomes
                total.faults += found.faults
                print(first, dict(found.outcomes), *found.faults, sep="\n  ", flush=True)
        finally:
            os.dup2(kept, 2)
        printed = shouted.seek(0, os.SEEK_END)
    seconds = time.perf_counter() - begun
    print(
        f"{options.count} inputs of {len(kinds())} kinds in {seconds:.0f} s: {dict(total.outcomes)}"
    )
    print(f"{printed} bytes printed by libraries")
    return int(bool(total.faults) or printed > 0)


if __name__ == "__main__":
    sys.exit(main())
