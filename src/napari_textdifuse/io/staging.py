"""Write several files together: staged in a hidden folder, then moved while signals are blocked."""

from __future__ import annotations

import os
import platform
import shutil
import signal
import tempfile
import threading
import time
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType

from ..errors import WriteError, name_of

PREFIX = ".textdifuse-"
#: Seconds after which leftovers of another machine are assumed to be abandoned.
DAY = 24 * 3600.0


@contextmanager
def staging(out: Path) -> Iterator[Path]:
    """Create a hidden folder inside `out`, which is created if missing; empty ones are removed.

    Parameters
    ----------
    out : Path

    Raises
    ------
    WriteError
        If `out` cannot be written to.
    """
    fresh = not out.exists()
    try:
        temporary = _folder_in(out)
        try:
            yield temporary
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    except OSError as error:
        raise WriteError(
            f"{name_of(out)} cannot be written ({error.strerror or error}); choose another folder."
        ) from None
    finally:
        if fresh:
            with suppress(OSError):  # something else lies there by now
                out.rmdir()


def _folder_in(out: Path) -> Path:
    """Create a hidden folder in a folder that other work may remove, empty, at the same time."""
    for _ in range(10):
        out.mkdir(parents=True, exist_ok=True)
        with suppress(FileNotFoundError):
            return Path(tempfile.mkdtemp(prefix=own_prefix(), dir=out))
    return Path(tempfile.mkdtemp(prefix=own_prefix(), dir=out))


def publish(moves: Sequence[tuple[Path, Path]], stale: Iterable[Path] = ()) -> None:
    """Move staged files to their final names; all of them, or none.

    Older files of these names are set aside before the first new one appears, so that even a
    killed process leaves no mixture of the two. The last file describes the others: it is removed
    first and written last.

    Parameters
    ----------
    moves : sequence of (Path, Path)
        Staged file and final name.
    stale : iterable of Path
        Files of an older result that the new one does not have; removed.

    Raises
    ------
    WriteError
        If a final name is a folder.
    OSError
        If something cannot be moved; everything is then as it was before.
    """
    for _, final in moves:
        if final.is_dir():
            raise WriteError(f"{final.name} is a folder; move it away, or choose another folder.")
        final.parent.mkdir(parents=True, exist_ok=True)
    finals = [*(final for _, final in reversed(moves)), *stale]
    older = [final for final in finals if final.exists() or final.is_symlink()]
    aside: list[tuple[Path, Path]] = []
    placed: list[Path] = []
    with signals_held():
        keep = moves[0][0].parent
        if older:
            keep = Path(tempfile.mkdtemp(prefix="older-", dir=keep))
        try:
            for number, final in enumerate(older):
                with suppress(FileNotFoundError):
                    os.replace(final, keep / str(number))
                    aside.append((keep / str(number), final))
            for part, final in moves:
                os.replace(part, final)
                placed.append(final)
        except BaseException:
            for final in placed:
                final.unlink(missing_ok=True)
            for kept, final in aside:
                os.replace(kept, final)
            raise
        if older:
            shutil.rmtree(keep, ignore_errors=True)


def sweep(folder: Path) -> None:
    """Remove what runs that were killed left behind in a folder; once per run, not per result.

    Parameters
    ----------
    folder : Path
    """
    try:
        with os.scandir(folder) as entries:
            left = [Path(entry.path) for entry in entries if entry.name.startswith(PREFIX)]
    except OSError:
        return
    for path in left:
        if not _is_dead(path):
            continue
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def own_prefix() -> str:
    """Return the prefix of this process's temporary files."""
    return f"{PREFIX}{_machine()}-{os.getpid()}-"


@contextmanager
def signals_held() -> Iterator[None]:
    """Delay Ctrl-C and SIGTERM until the end."""
    if threading.current_thread() is not threading.main_thread():
        yield  # signals arrive in the main thread only
        return
    waiting: list[int] = []

    def note(number: int, _frame: FrameType | None) -> None:
        waiting.append(number)

    before = {n: signal.signal(n, note) for n in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
        if waiting:
            signal.raise_signal(waiting[0])


def _machine() -> str:
    # processes of other machines may write into a shared folder
    return f"{zlib.crc32(platform.node().encode()):08x}"


def _is_dead(path: Path) -> bool:
    machine, _, rest = path.name.removeprefix(PREFIX).partition("-")
    number = rest.partition("-")[0]
    if machine == _machine() and number.isdigit() and os.name == "posix":
        try:
            os.kill(int(number), 0)
        except ProcessLookupError:
            return True
        except (OSError, OverflowError):
            return False  # it is another user's
        return False
    try:
        return time.time() - path.stat().st_mtime > DAY
    except OSError:
        return False
