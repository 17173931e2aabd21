"""Registration from hard starts: which fail, and of which failures the user is warned.

Each sample pair is moved by a known rigid movement, registered, and the largest error of eight
points 50 mm around the middle of the head is taken. The kinds of starts:

- random: shifts to 40 mm, turns to 25 degrees;
- turned by 180 degrees: upside down, back to front, or both, and a little besides;
- turned by 90 degrees: as if two axes had been swapped;
- half: only one half of the moving image is there, and it is moved;
- slab: only 30 mm of it are there, and it is moved;
- bent head: the moving image is bent by up to 25 mm, as another person's would be;
- other body: the moving image is one of blobs and tubes, without anything in common.

The last has no right answer and counts as a failure. With ``--schedule library`` the levels
are SimpleITK's own (``CenteredTransformInitializer``, ``SetShrinkFactorsPerLevel``,
``SetSmoothingSigmasPerLevel``).
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

import numpy as np
from scipy import ndimage

from napari_textdifuse import Volume
from napari_textdifuse.errors import InputError
from napari_textdifuse.samples import load_sample
from napari_textdifuse.spatial import Registration, register

PAIRS = ("pet-mri", "ct-mri", "spect-mri")
GOOD_MM = 5.0
#: How many starts there are of each kind.
KINDS = {
    "random": 96,
    "turned by 180 degrees": 10,
    "turned by 90 degrees": 12,
    "half": 12,
    "slab": 12,
    "bent head": 9,
    "other body": 9,
}
#: The kind without a right answer.
HOPELESS = "other body"


@dataclass(frozen=True)
class Start:
    """One start.

    Parameters
    ----------
    kind, pair : str
        Of `KINDS` and `PAIRS`.
    number : int
        Within its kind; the seed of what is done to the values.
    movement : ndarray, shape (4, 4)
        Of the moving image about the middle of the fixed one, RAS mm.
    """

    kind: str
    pair: str
    number: int
    movement: np.ndarray


def starts() -> list[Start]:
    """Return every start, kind by kind."""
    rng = np.random.default_rng(12)
    result = []
    for kind, count in KINDS.items():
        for n in range(count):
            limit = {"random": 1.0, "half": 0.5, "slab": 0.5}.get(kind, 0.3)
            angles = rng.uniform(-25, 25, 3) * limit
            shift = rng.uniform(-40, 40, 3) / np.sqrt(2) * limit
            turn = np.eye(4)
            if kind == "turned by 180 degrees":
                turn = np.diag([(-1.0, -1, 1, 1), (1.0, -1, -1, 1), (-1.0, 1, -1, 1)][n % 3])
            elif kind == "turned by 90 degrees":
                quarter = np.zeros(3)
                quarter[n % 3] = 90 if n // 3 % 2 else -90
                turn = _movement(np.zeros(3), quarter)
            pair = PAIRS[n % 3] if "90" not in kind else PAIRS[n // 3 % 3]
            result.append(Start(kind, pair, n, _movement(shift, angles) @ turn))
    return result


def changed(moving: Volume, start: Start) -> Volume:
    """Return the moving image with what the kind of start does to its values."""
    if start.kind in ("half", "slab"):
        return _part(moving, start)
    rng = np.random.default_rng(start.number)
    if start.kind == "bent head":
        fields = [ndimage.gaussian_filter(rng.normal(size=moving.shape), 6) for _ in range(3)]
        spacing = np.linalg.norm(moving.affine[:3, :3], axis=0)[::-1]
        at = np.indices(moving.shape).astype(float)
        for k, bend in enumerate(fields):
            at[k] += 25 / spacing[k] * bend / np.abs(bend).max()
        array = ndimage.map_coordinates(np.asarray(moving.array, float), at, order=1)
        return replace(moving, array=array.astype(np.float32))
    if start.kind == "other body":
        z, y, x = (
            i / n * 2 - 1 for i, n in zip(np.indices(moving.shape), moving.shape, strict=True)
        )
        array = ((x / 0.9) ** 2 + (y / 0.6) ** 2 < 1) * 0.4
        for _ in range(8):  # organs: balls; vessels and bones: tubes along z
            cx, cy, cz = rng.uniform(-0.5, 0.5, 3)
            tube = rng.random() < 0.4
            away = (x - cx) ** 2 + (y - cy) ** 2 + (0 if tube else (z - cz) ** 2)
            array[away < rng.uniform(0.05, 0.3) ** 2] = rng.uniform(0.2, 1.0)
        array = ndimage.gaussian_filter(array, 0.7) + rng.normal(0, 0.02, array.shape)
        return replace(moving, array=(1000 * array).astype(np.float32), unit="a.u.", window=None)
    return moving


def _part(moving: Volume, start: Start) -> Volume:
    """Cut the moving image: one of its two halves along an axis, or 30 mm from its middle."""
    axis = start.number // 3 % 3 if start.kind == "half" else 0
    count = moving.shape[axis]
    if start.kind == "half":
        cut = slice(0, count // 2) if start.number % 2 else slice(count // 2, count)
    else:
        thickness = np.linalg.norm(moving.affine[:3, 2])
        first = int(count * (0.3 + 0.05 * (start.number % 4)))
        cut = slice(first, first + max(5, round(30 / thickness)))
    index = [slice(None)] * 3
    index[axis] = cut
    shift = np.eye(4)
    shift[2 - axis, 3] = cut.start
    return replace(
        moving, array=np.asarray(moving.array)[tuple(index)], affine=moving.affine @ shift
    )


def _movement(shift: np.ndarray, degrees: np.ndarray) -> np.ndarray:
    from scipy.spatial.transform import Rotation

    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_euler("xyz", degrees, degrees=True).as_matrix()
    matrix[:3, 3] = shift
    return matrix


def library_schedule(fixed: Volume, moving: Volume) -> Registration:
    """Register with SimpleITK's own initializer and multi-resolution schedule."""
    import SimpleITK as sitk

    from napari_textdifuse.spatial.registration import frame_of
    from napari_textdifuse.spatial.registration_search import Search, one_thread

    search = Search(fixed, moving, frame_of(fixed, moving), None)
    with one_thread(sitk):
        start = sitk.CenteredTransformInitializer(
            search.fixed,
            search.moving,
            sitk.Euler3DTransform(),
            sitk.CenteredTransformInitializerFilter.MOMENTS,
        )
        method = search._method(search.fixed.GetNumberOfPixels())
        method.SetShrinkFactorsPerLevel([4, 2, 1])
        method.SetSmoothingSigmasPerLevel([2, 1, 0])
        method.SetMetricSamplingPercentagePerLevel([1.0, 0.5, 0.15], 1)
        step = max(search.fixed.GetSpacing()) * 4
        method.SetOptimizerAsRegularStepGradientDescent(
            learningRate=step,
            minStep=step * 0.00125,
            numberOfIterations=200,
            relaxationFactor=0.8,
            gradientMagnitudeTolerance=1e-8,
        )
        method.SetOptimizerScalesFromPhysicalShift()
        method.SetInitialTransform(start, inPlace=True)
        method.Execute(search.fixed, search.moving)
        matrix = search._matrix(start)
    return Registration(matrix, "rigid", None, 0.0, 0.0, 0.0)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--schedule", choices=("package", "library"), default="package")
    parser.add_argument("--limit", type=int, help="only so many of each kind")
    parser.add_argument("--kind", action="append", choices=KINDS, help="only this; repeatable")
    parser.add_argument("--out", type=Path, help="Markdown file")
    options = parser.parse_args(arguments)
    run: Callable[[Volume, Volume], Registration]
    run = register if options.schedule == "package" else library_schedule
    rows = []
    for start in starts():
        if options.kind and start.kind not in options.kind:
            continue
        if options.limit and start.number >= options.limit:
            continue
        rows.append(one(start, run))
        print(*rows[-1].said(), flush=True)
    text = _table(rows, options.schedule)
    print(text)
    if options.out:
        options.out.write_text(text + "\n", encoding="utf-8")
    return 0


@dataclass(frozen=True)
class End:
    """What came of a start: error in mm at the worst of eight points, warnings, CPU seconds."""

    start: Start
    error: float
    found: Registration | None
    warnings: tuple[str, ...]
    seconds: float

    @property
    def good(self) -> bool:
        """Whether it ended where it should."""
        return self.error < GOOD_MM

    def said(self) -> tuple[str, ...]:
        """Return the columns of a line on the terminal."""
        at = self.found
        sure = "" if at is None else f"{at.agreeing}/{at.starts} rival {at.rival:.2f}"
        told = " | ".join(w[:60] for w in self.warnings)
        return self.start.kind, self.start.pair, f"{self.error:.2f} mm", sure, told


def one(start: Start, run: Callable[[Volume, Volume], Registration]) -> End:
    """Register from one start."""
    fixed, moving = load_sample(start.pair)
    middle = fixed.affine @ np.r_[(np.array(fixed.shape[::-1]) - 1) / 2, 1]
    points = np.array([[*(middle[:3] + 50 * np.array(s)), 1] for s in product((-1, 1), repeat=3)])
    # the true place of the moving image is `true` away from where the sample has it
    about = np.eye(4)
    about[:3, 3] = middle[:3]
    true = about @ start.movement @ np.linalg.inv(about)
    moved = changed(moving, start)
    begun = time.process_time()
    try:
        found = run(fixed, replace(moved, affine=true @ moved.affine))
    except InputError as error:  # refused: nothing was moved, and the user knows
        seconds = time.process_time() - begun
        return End(start, float("inf"), None, (f"refused: {error}",), seconds)
    seconds = time.process_time() - begun
    ends = points @ (found.matrix @ true).T
    error_mm = float(np.linalg.norm((ends - points)[:, :3], axis=1).max())
    if start.kind == HOPELESS:
        error_mm = float("inf")
    return End(start, error_mm, found, found.warnings, seconds)


def _warned(ends: list[End]) -> int:
    return sum(bool(end.warnings) for end in ends)


def _table(rows: list[End], schedule: str) -> str:
    lines = [
        f"Schedule: {schedule}. Good: under {GOOD_MM:g} mm at all eight points.",
        "",
        "| starts | n | good | median of the good, mm | good, warned | failed | failed, warned "
        "| CPU s |",
        "| --- " * 8 + "|",
    ]
    for kind in (*KINDS, "all"):
        of = [r for r in rows if kind in (r.start.kind, "all")]
        if not of:
            continue
        good = [r for r in of if r.good]
        failed = [r for r in of if not r.good]
        median = f"{np.median([r.error for r in good]):.2f}" if good else ""
        lines.append(
            f"| {kind} | {len(of)} | {len(good)} | {median} | {_warned(good)} "
            f"| {len(failed)} | {_warned(failed)} "
            f"| {np.mean([r.seconds for r in of]):.1f} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    raise SystemExit(main())
