"""Time, peak memory and share of the machine's peak; see README.md in this folder.

Each row is measured in a fresh process, so that one run's memory does not hide another's.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
#: Steps of the authors' chain.
REFERENCE_STEPS = 25
Row = dict[str, Any]


def main(arguments: list[str] | None = None) -> int:
    options = parse(arguments)
    report = Report(options.out)
    report.line(f"{cpu_name()}, {options.threads} threads, device {options.device}")
    rows = presets(options, report)
    if options.machine:
        peak_share(options, report, rows)
    if options.linear:
        linear(options, report)
    if options.slices:
        slices(options, report)
    if options.reference:
        yardstick(options, report, rows)
    return 0


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("--sizes", nargs="+", default=["256x256", "640x480"], help="WxH")
    add("--steps", nargs="+", default=["default", "1", "2", "4"], help="number or quality")
    add("--repeats", type=int, default=5, help="warm fusions; the median is shown")
    add("--threads", type=int, default=os.cpu_count() or 1)
    add("--device", default="cpu")
    add("--weights", help="name or folder of the weights")
    add("--machine", action="store_true", help="the machine's peak and what limits the share")
    add("--linear", nargs="*", type=int, metavar="SIDE", help="cost over sides, 256 to 4096")
    add("--slices", nargs="*", type=int, metavar="N", help="slices per second of volumes")
    add("--reference", action="store_true", help="time one step of the authors' architecture")
    add("--reference-dtype", default="float32", choices=("float32", "bfloat16"))
    add("--out", type=Path, help="Markdown file")
    options = parser.parse_args(arguments)
    if options.linear == []:
        options.linear = [256, 512, 1024, 2048, 4096]
    if options.slices == []:
        options.slices = [1, 4, 16]
    return options


class Report:
    """Lines on the screen, and in a file that is complete after every line."""

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self.lines: list[str] = []

    def line(self, text: str = "") -> None:
        """Add a line."""
        print(text, flush=True)
        self.lines.append(text)
        if self.path:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            temporary = self.path.with_name(f".{self.path.name}.part")
            temporary.write_text("\n".join(self.lines) + "\n", encoding="utf-8")
            os.replace(temporary, self.path)

    def head(self, title: str, *columns: str) -> None:
        """Begin a chapter with a table."""
        self.line(f"\n## {title}\n")
        self.row(*columns)
        self.line("|" + " --- |" * len(columns))

    def row(self, *cells: str) -> None:
        """Add a row of the table."""
        self.line(f"| {' | '.join(cells)} |")


def presets(options: argparse.Namespace, report: Report) -> list[Row]:
    """Each size with each number of steps."""
    columns = ("image", "steps", "cold start s", "load s", "first s", "warm s", "peak GiB", "TFLOP")
    report.head("Per image", *columns)
    rows = []
    for image in options.sizes:
        width, height = size(image)
        for steps in options.steps:
            case = fusion(options, width, height, steps) | {"flops": True}
            found = measure("fuse", case, options.threads)
            seconds = [f"{found[name]:.2f}" for name in ("cold", "load", "first", "warm")]
            tera = f"{found['flops'] / 1e12:.3f}" if found["flops"] else ""
            report.row(image, steps, *seconds, f"{found['peak_before']:.2f}", tera)
            rows.append(found | {"image": image, "steps": steps})
    report.line(
        "\nCold start: from the start of the process to the first result. TFLOP: convolutions and "
        "products of one fusion, a multiplication and an addition counted as two."
    )
    return rows


def peak_share(options: argparse.Namespace, report: Report, rows: list[Row]) -> None:
    """Compare with what the machine can do, and say where the time goes."""
    dtypes = sorted({"float32", *(row["precision"] for row in rows)})
    report.head("The machine", "measured", *dtypes)
    found = {
        dtype: measure("machine", {"device": options.device, "dtype": dtype}, options.threads)
        for dtype in dtypes
    }
    for name in found[dtypes[0]]["rates"]:
        report.row(f"{name}, GFLOP/s", *(f"{found[d]['rates'][name] / 1e9:.0f}" for d in dtypes))
    report.row("copy, GB/s", *(f"{found[dtype]['bandwidth'] / 1e9:.1f}" for dtype in dtypes))
    peaks = {dtype: found[dtype]["peak"] for dtype in dtypes}
    report.head("Share of the measured peak", "image", "steps", "precision", "GFLOP/s", "share")
    for row in rows:
        if not row["flops"]:
            report.row(row["image"], row["steps"], row["precision"], "not counted", "")
            continue
        rate, peak = row["flops"] / row["warm"], peaks[row["precision"]]
        share = f"{rate / peak:.0%}"
        report.row(row["image"], row["steps"], row["precision"], f"{rate / 1e9:.0f}", share)
    width, height = size(options.sizes[0])
    case = fusion(options, width, height, options.steps[0])
    profile = measure("profile", case, options.threads)
    title = f"Where the time goes ({options.sizes[0]}, {options.steps[0]} steps, one thread's view)"
    report.head(title, "operation", "s", "share")
    for name, seconds in profile["top"].items():
        report.row(name, f"{seconds:.3f}", f"{seconds / profile['wall']:.0%}")
    outside = max(0.0, profile["wall"] - profile["inside"])
    report.row("outside torch", f"{outside:.3f}", f"{outside / profile['wall']:.0%}")


def linear(options: argparse.Namespace, report: Report) -> None:
    """How time and memory grow with the number of pixels."""
    report.head("Cost by size", "image", "warm s", "s per megapixel", "peak GiB")
    for side in options.linear:
        case = fusion(options, side, side, options.steps[0])
        case["repeats"] = 0 if side > 1024 else options.repeats  # the first result then
        found = measure("fuse", case, options.threads)
        each = found["warm"] / (side * side / 1e6)
        report.row(
            f"{side}x{side}", f"{found['warm']:.2f}", f"{each:.2f}", f"{found['peak_gib']:.2f}"
        )


def slices(options: argparse.Namespace, report: Report) -> None:
    """Slices per second of volumes."""
    report.head("Volumes", "slice", "slices", "s", "slices per s", "peak GiB")
    for image in options.sizes:
        width, height = size(image)
        for count in options.slices:
            case = fusion(options, width, height, options.steps[0]) | {"slices": count}
            found = measure("fuse", case, options.threads)
            rate = count / found["warm"]
            peak = f"{found['peak_gib']:.2f}"
            report.row(image, str(count), f"{found['warm']:.2f}", f"{rate:.2f}", peak)


def yardstick(options: argparse.Namespace, report: Report, rows: list[Row]) -> None:
    """One step of the authors' architecture; its cost does not depend on the weights."""
    columns = ("image", "one step s", f"{REFERENCE_STEPS} steps s", "peak GiB")
    others = [f"this is faster, {steps} steps" for steps in options.steps]
    report.head(f"The authors' architecture, {options.reference_dtype}", *columns, *others)
    for image in options.sizes:
        width, height = size(image)
        case = {"width": width, "height": height, "device": options.device, "repeats": 1}
        case["dtype"] = options.reference_dtype
        found = measure("reference", case, options.threads)
        total = REFERENCE_STEPS * found["step"]
        times = [f"{total / row['warm']:.0f} x" for row in rows if row["image"] == image]
        report.row(
            image, f"{found['step']:.1f}", f"{total:.0f}", f"{found['peak_gib']:.2f}", *times
        )
    report.line(
        f"\nOne step was timed, with random weights; {REFERENCE_STEPS} steps are that time times "
        f"{REFERENCE_STEPS}. Without loading, and without the third head that the released code "
        "computes and does not use."
    )


def fusion(options: argparse.Namespace, width: int, height: int, steps: str) -> Row:
    """Options of a fusion in the worker."""
    chosen = None if steps == "default" else int(steps) if steps.isdigit() else steps
    return {
        **{"width": width, "height": height, "steps": chosen, "device": options.device},
        **{"weights": options.weights, "repeats": options.repeats},
    }


def measure(kind: str, case: Row, threads: int) -> Row:
    """Run one measurement in a fresh process."""
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    environment = os.environ | dict.fromkeys(names, str(threads)) | {"PYTHONPATH": str(HERE)}
    case = case | {"started": time.time()}
    command = [sys.executable, "-m", "_bench.worker", kind, json.dumps(case)]
    run = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if run.returncode:
        reason = (run.stderr.strip().splitlines() or [f"exit status {run.returncode}"])[-1]
        sys.exit(f"speed: {kind} {case}: {reason}")
    return json.loads(run.stdout.splitlines()[-1])


def size(text: str) -> tuple[int, int]:
    """Width and height."""
    width, _, height = text.partition("x")
    return int(width), int(height)


def cpu_name() -> str:
    """Name of the processor."""
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


if __name__ == "__main__":
    sys.exit(main())
