"""A run stops within a network evaluation, and other work of the thread does not."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from napari_textdifuse.errors import Cancelled
from napari_textdifuse.stopping import check_stop, interruptible, stop_wanted, stop_when


def test_nothing_stops_where_nobody_asks():
    check_stop()
    assert not stop_wanted()
    with stop_when(lambda: False):
        check_stop()


def test_the_wish_ends_with_its_block():
    with stop_when(lambda: True), pytest.raises(Cancelled):
        check_stop()
    check_stop()


def test_a_network_stops_between_its_layers_and_is_unchanged_otherwise():
    seen: list[int] = []

    class Note(nn.Module):
        def __init__(self, number: int) -> None:
            super().__init__()
            self.number = number

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            seen.append(self.number)
            return x + 1

    network = nn.Sequential(*(Note(k) for k in range(5)))
    assert interruptible(interruptible(network)) is network
    hooks = [len(layer._forward_pre_hooks) for layer in network]
    assert hooks == [1] * 5, "one check for each layer, however often it is asked for"
    with stop_when(lambda: len(seen) >= 2), pytest.raises(Cancelled):
        network(torch.zeros(1))
    assert seen == [0, 1]
    assert network(torch.zeros(1)).item() == 5
    assert list(network.state_dict()) == []
