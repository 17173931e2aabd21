"""``textdifuse batch --scheduler ADDRESS``: the pairs of a batch on a dask cluster.

Workers need this package and the same folders under the same paths as here. Only paths are sent,
no images. Each worker process loads the network once.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..optional import import_optional

#: Seconds to wait for the scheduler.
PATIENCE = 10


def fuse_on_cluster(
    options: argparse.Namespace, pairs: Mapping[str, tuple[Path, Path]]
) -> Iterator[tuple[str, float | Exception | None]]:
    """Fuse pairs on the cluster's workers.

    Parameters
    ----------
    options : argparse.Namespace
        Those of ``batch``; ``scheduler`` is the address.
    pairs : mapping of str to pair of Path
        Image A and B by name.

    Yields
    ------
    name : str
    outcome : float, None or Exception
        Seconds, None if it was done before, or the error; in the order of completion.

    Raises
    ------
    MissingDependencyError
        If dask's ``distributed`` is not installed.
    InputError
        If no scheduler answers.
    """
    distributed = import_optional(
        "distributed",
        "--scheduler needs dask's distributed",
        "'napari-textdifuse[cluster]', here and on the workers.",
    )
    try:
        client = distributed.Client(options.scheduler, timeout=PATIENCE)
    except (OSError, ValueError) as error:
        raise InputError(
            f"no dask scheduler answers at {options.scheduler!r} ({error}); start one with "
            "'dask scheduler' and give its address, such as tcp://host:8786."
        ) from None
    settings = tuple(sorted((key, _absolute(value)) for key, value in vars(options).items()))
    names: dict[Any, str] = {}
    with client:
        for name, (a, b) in pairs.items():
            # pure=False: the same pair may be fused again, with other files under its paths
            future = client.submit(_fuse, settings, name, *map(_absolute, (a, b)), pure=False)
            names[future] = name
        try:
            for future in distributed.as_completed(list(names)):
                failure = future.exception()
                yield names[future], future.result() if failure is None else failure
                future.release()
        finally:  # Ctrl-C: cancel the pairs that have not started
            client.cancel(list(names))


def _absolute(value: Any) -> Any:
    return value.absolute() if isinstance(value, Path) else value


def _fuse(settings: tuple[tuple[str, Any], ...], name: str, a: Path, b: Path) -> float | None:
    """Run on a worker: fuse one pair and write it."""
    return _fuser(settings).fuse(name, a, b, name)


@lru_cache(maxsize=1)
def _fuser(settings: tuple[tuple[str, Any], ...]) -> Any:
    """Keep the network from pair to pair."""
    from .pair_fuser import PairFuser

    return PairFuser(argparse.Namespace(**dict(settings)))
