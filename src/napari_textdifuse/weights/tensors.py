"""Tensors of a file, compared with their network before memory is allocated for either."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from ..errors import WeightsError, file_in

if TYPE_CHECKING:
    from torch import Tensor, nn

    Module = TypeVar("Module", bound=nn.Module)

#: Number types of stored weights, as named by safetensors.
FLOATS = ("F64", "F32", "F16", "BF16")


def filled(make: Callable[[], Module], file: Path, without: str = "") -> Module:
    """Make a network and load the tensors of a safetensors file into it, as float32.

    Parameters
    ----------
    make : callable
        Makes the network; called on the meta device, where tensors take no memory.
    file : Path
        A safetensors file.
    without : str
        Tensors whose names begin with this are skipped.

    Raises
    ------
    WeightsError
        If the file is damaged, does not match the network, or contains values that are not
        finite.
    """
    import torch
    from safetensors import SafetensorError, safe_open

    with torch.device("meta"):  # an absurd shape takes neither time nor memory
        network = make()
    wanted = {k: tuple(v.shape) for k, v in network.state_dict().items()}
    try:
        with safe_open(file, framework="pt") as tensors:
            names = [k for k in tensors.keys() if not (without and k.startswith(without))]  # noqa: SIM118
            parts = {k: tensors.get_slice(k) for k in names}
            found = {k: tuple(part.get_shape()) for k, part in parts.items()}
            if unfit := differences(wanted, found):
                raise WeightsError(f"{file_in(file)} does not fit its config.json: {unfit}.")
            if not all(part.get_dtype() in FLOATS for part in parts.values()):
                raise WeightsError(
                    f"{file_in(file)} contains values that are not floating-point numbers."
                )
            state = {k: tensors.get_tensor(k).float() for k in names}
    except (SafetensorError, OSError, RuntimeError):
        raise WeightsError(
            f"{file_in(file)} is damaged; download or copy the file again."
        ) from None
    check_values(file, state)
    network.load_state_dict(state, strict=True, assign=True)
    return network


def differences(wanted: Mapping[str, tuple[int, ...]], found: Mapping[str, tuple[int, ...]]) -> str:
    """Compare names and shapes of tensors.

    Returns
    -------
    str
        Missing, unexpected and misshaped tensors, with three names each; empty if all match.
    """
    shapes = [k for k in wanted if k in found and found[k] != wanted[k]]
    faults = (
        _listed([k for k in wanted if k not in found], "missing"),
        _listed([k for k in found if k not in wanted], "left over"),
        _listed(shapes, "misshaped"),
    )
    return "; ".join(fault for fault in faults if fault)


def check_values(file: Path, state: Mapping[str, Tensor]) -> None:
    """Refuse weights that a network cannot use.

    Raises
    ------
    WeightsError
        If a tensor is not a plain one of finite floating-point numbers.
    """
    import torch

    for value in state.values():
        if value.layout is not torch.strided or value.is_meta or not value.is_floating_point():
            raise WeightsError(
                f"{file_in(file)} contains tensors that are not plain floating-point numbers; copy "
                "the file again."
            )
    if not finite(state.values()):
        raise WeightsError(
            f"{file_in(file)} contains values that are not finite; download or copy the file again."
        )


def finite(values: Iterable[Tensor]) -> bool:
    """Return whether every number is finite."""
    return all(bool(value.isfinite().all()) for value in values)


def _listed(keys: list[str], fault: str) -> str:
    shown = ", ".join(keys[:3]) + (" ..." if len(keys) > 3 else "")
    return f"{fault}: {len(keys)} ({shown})" if keys else ""
