"""Read every file that pydicom and nibabel bundle for their tests, and print the result.

Each file is opened in a process of its own, with a time limit, as the viewer's reader would: it
becomes a layer, or one clear sentence says why not. A crash, a time-out, a warning or a log message
counts as a fault, and so does a sentence that is not of this package.

    python benchmarks/real_files.py [--out FILE] [--seconds 60] [FOLDER ...]

With folders, every file below them is read instead. The exit status is 1 if there were faults.
"""

from __future__ import annotations

import argparse
import gzip
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

#: Runs in its own process: prints one line, "layer ...", "refused ..." or "fault ...".
ONE_FILE = """
import sys, warnings, logging
warnings.simplefilter("always")
logging.basicConfig(level=logging.WARNING, format="LOG %(name)s %(message)s")
from napari_textdifuse.errors import InputError
from napari_textdifuse.io import read_times
try:
    volumes = read_times(sys.argv[1])
    first = volumes[0]
    shape = " x ".join(map(str, ([len(volumes)] if len(volumes) > 1 else []) + list(first.shape)))
    place = "mm" if first.affine is not None else "no geometry"
    colour = ", colour" if first.rgb else ""
    print(f"layer {shape} {first.array.dtype}{colour}, {first.modality}, {first.unit}, {place}")
except InputError as error:
    clear = "\\n" not in str(error) and str(error).endswith(".")
    print("refused" if clear else "fault", str(error).replace("\\n", " / "))
except BaseException as error:
    print("fault", type(error).__name__, str(error).replace("\\n", " / "))
"""


def bundled() -> list[Path]:
    """Return the files, without Python and lists of directories."""
    import nibabel
    import pydicom

    roots = [Path(m.__file__ or "").parent for m in (pydicom, nibabel)]
    files = [
        path
        for root in roots
        for path in root.rglob("*")
        if path.is_file()
        and ({"test_files", "data"} & set(path.relative_to(root).parts))
        and not path.name.startswith((".", "__"))
        and path.suffix not in (".py", ".pyc", ".pyi", ".md", ".rst")
    ]
    return sorted(files)


def outcome(path: Path, seconds: float) -> tuple[str, str]:
    """Read one file in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        if path.name.endswith(".dcm.gz"):  # nibabel packs its largest ones
            unpacked = Path(folder) / path.stem
            unpacked.write_bytes(gzip.decompress(path.read_bytes()))
        else:
            unpacked = path
        command = [sys.executable, "-c", ONE_FILE, str(unpacked)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=seconds)
        except subprocess.TimeoutExpired:
            return "fault", f"not done after {seconds:g} s"
    kind, _, text = done.stdout.strip().partition(" ")
    if done.returncode or kind not in ("layer", "refused", "fault"):
        last = done.stderr.strip().splitlines()[-1:] or ["nothing was printed"]
        return "fault", f"crashed with status {done.returncode}: {last[0]}"
    noise = [line for line in done.stderr.splitlines() if line.strip()]
    return ("fault", f"noise: {noise[0]} ({kind} {text})") if noise else (kind, text)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folders", nargs="*", type=Path, metavar="FOLDER")
    parser.add_argument("--out", type=Path, help="also write the table here, as Markdown")
    parser.add_argument("--seconds", type=float, default=60, help="time limit per file")
    options = parser.parse_args()
    if options.folders:
        files = sorted(p for f in options.folders for p in f.rglob("*") if p.is_file())
    else:
        files = bundled()
    lines = ["| file | outcome | what |", "|---|---|---|"]
    counts: Counter[str] = Counter()
    for path in files:
        kind, text = outcome(path, options.seconds)
        counts[kind] += 1
        package = next((p for p in ("pydicom", "nibabel") if p in path.parts), path.parent.name)
        lines.append(f"| {package}: {path.name} | {kind} | {text.replace('|', '/')} |")
        print(lines[-1], flush=True)
    summary = (
        f"{len(files)} files: {counts['layer']} became layers, {counts['refused']} were refused in "
        f"one sentence, {counts['fault']} faults."
    )
    print(summary)
    if options.out:
        options.out.write_text("\n".join([summary, "", *lines]) + "\n", encoding="utf-8")
    return 1 if counts["fault"] else 0


if __name__ == "__main__":
    sys.exit(main())
