"""Fixtures shared by all tests: a tiny random network in a real weights folder."""

from __future__ import annotations

import os
import re
from pathlib import Path

import numpy as np
import pytest

from loopback_hub import closed_url, hub  # noqa: F401

# the user's own settings and downloads would change what is tested
for _name in list(os.environ):
    if re.match("TEXTDIFUSE_|HF_|HUGGING_FACE_|.*_proxy$", _name, re.IGNORECASE):
        del os.environ[_name]
os.environ["HF_HOME"] = str(Path(__file__).with_name("no-downloads"))
os.environ["COLUMNS"] = "80"
# one thread each: on a shared machine, threads that wait for each other cost more than they bring
os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(scope="session")
def tiny_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A weights folder of a network small enough for tests; its output means nothing."""
    import torch

    from napari_textdifuse.models import LightNetwork, UNetConfig
    from napari_textdifuse.weights import save_light

    torch.manual_seed(0)
    network = LightNetwork(UNetConfig(base=8, multipliers=(1, 2), blocks=(1, 1), time_dim=16))
    for parameter in network.parameters():  # layers that start at zero would hide mistakes
        if not parameter.any():
            torch.nn.init.normal_(parameter, std=0.1)
    folder = tmp_path_factory.mktemp("tiny")
    save_light(network, folder, "tiny")
    return folder


@pytest.fixture(scope="session")
def tiny_pipeline(tiny_weights: Path):
    """A pipeline with the tiny network, on the CPU."""
    from napari_textdifuse import FusionPipeline

    return FusionPipeline.from_pretrained(tiny_weights, device="cpu")


@pytest.fixture(scope="session")
def goldens() -> dict[str, np.ndarray]:
    """What the authors' released code computed; see `reference_fill`."""
    from reference_fill import GOLDENS

    with np.load(GOLDENS, allow_pickle=False) as file:
        return dict(file)


@pytest.fixture(scope="session")
def reference_states(goldens):
    """State dicts of the authors' three parts, filled by rule (480 MB)."""
    from reference_fill import fill

    return fill(goldens)


@pytest.fixture(scope="session")
def reference_network(reference_states):
    """The reference network with these weights, in float32; shares their memory."""
    from napari_textdifuse.models.reference import ReferenceNetwork

    network = ReferenceNetwork()
    for part, module in zip(
        reference_states, (network.encoder, network.decoder, network.fcm), strict=True
    ):
        module.load_state_dict(reference_states[part], strict=True, assign=True)
    return network.eval().requires_grad_(False)
