"""The reference network against numbers that the authors' released code computed."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from napari_textdifuse.diffusion import RespacedSchedule, Schedule, even_timesteps, make_sampler
from napari_textdifuse.fusion.chain import FusionChain
from napari_textdifuse.models.reference import ReferenceNetwork, blocks, packing, unet
from napari_textdifuse.models.reference.packing import pack, unpack
from reference_fill import DEAD

aten = torch.ops.aten
FEATURES, OUTPUT = 1e-4, 5e-5


class Case:
    """Inputs of one recorded evaluation."""

    def __init__(self, goldens, size="32x32", index=12):
        self.goldens, self.prefix = goldens, f"s{size}/t{index}/"
        self.index = index
        self.x, self.y = (torch.from_numpy(goldens[f"s{size}/cond{n}"]) for n in (1, 2))
        self.z = torch.from_numpy(self["x_t"])
        self.t = torch.from_numpy(goldens["sched25/timestep_map"][[index]])

    def __getitem__(self, name):
        return self.goldens[self.prefix + name]

    def near(self, name, found, tolerance):
        np.testing.assert_allclose(
            np.squeeze(found), np.squeeze(self[name]), rtol=0, atol=tolerance
        )


@pytest.fixture(autouse=True)
def without_gradients():
    with torch.no_grad():
        yield


@pytest.fixture
def dead_branch(reference_network):
    """Not a number in what the release computes and throws away."""
    parts = [getattr(reference_network.fcm, name) for name in DEAD]
    kept = [copy.deepcopy(part.state_dict()) for part in parts]
    for part in parts:
        for parameter in part.parameters():
            parameter.fill_(torch.nan)
    yield
    for part, state in zip(parts, kept, strict=True):
        part.load_state_dict(state)


def test_keys_and_shapes_are_the_authors(reference_network, goldens):
    parts = zip(("stage1", "stage2", "fcm"), reference_network.children(), strict=True)
    found = {
        f"{prefix}.{key}": "x".join(map(str, value.shape))
        for prefix, part in parts
        for key, value in part.state_dict().items()
    }
    assert found == dict(zip(goldens["state_keys"], goldens["state_shapes"], strict=True))


def probes(features, count=32):
    flat = [f.flatten() for f in features]
    rows = [f[[k * f.numel() // count for k in range(count)]] for f in flat]
    return torch.stack(rows).numpy(), torch.stack([f[:8] for f in flat]).numpy()


def statistics(features):
    return np.stack([(f.mean().item(), f.std(correction=0).item()) for f in features])


def check_features(case, network, found):
    for n, condition in ((1, case.x), (2, case.y)):
        skips, hidden = network.encoder(case.z, condition, case.t)
        every = [*skips, hidden]
        case.near(f"enc{n}_stats", statistics(every), FEATURES)
        for name, rows in zip(("probe32", "first8"), probes(every), strict=True):
            case.near(f"enc{n}_{name}", rows, FEATURES)
        packed = pack(skips, hidden)
        case.near(f"feat{n}_first64", packed.flatten()[:64], FEATURES)
        case.near(f"feat{n}_chan_mean", packed.mean(dim=(2, 3)), FEATURES)
        case.near(f"feat{n}_chan_pix0", packed[:, :, 0, 0], FEATURES)
    case.near("fused_first64", found.fused.flatten()[:64], FEATURES)
    case.near("fused_chan_mean", found.fused.mean(dim=(2, 3)), FEATURES)
    case.near("fused_chan_pix0", found.fused[:, :, 0, 0], FEATURES)
    skips, hidden = unpack(found.fused)
    case.near("split_stats", statistics([*skips, hidden]), FEATURES)
    for name, rows in zip(("probe32", "first8"), probes([*skips, hidden]), strict=True):
        case.near(f"split_{name}", rows, FEATURES)
    case.near("split_hidden_first64", hidden.flatten()[:64], FEATURES)


@pytest.mark.parametrize("index", [24, 12, 0])
def test_every_stage_of_one_step(reference_network, goldens, index, dead_branch):
    case = Case(goldens, index=index)
    weighted = reference_network.encode_and_weight(case.z, case.x, case.y, case.t)
    check_features(case, reference_network, weighted)
    output = reference_network.predict_noise(weighted, case.t)
    case.near("dec_out", output, OUTPUT)
    estimate, variance = reference_network.decode(weighted, case.t)
    case.near("pred_xstart", estimate, OUTPUT)
    torch.testing.assert_close(variance, output[:, 1:])
    times = goldens["sched25/timestep_map"].tolist()
    spaced = RespacedSchedule(Schedule("cosine").alphas_cumprod, times)
    case.near("log_variance", spaced.log_variance(variance, index), OUTPUT)
    sampler = make_sampler("mean", Schedule("cosine"), times[::-1])
    case.near("mean", sampler.step(24 - index, case.z, estimate, variance), OUTPUT)


def test_an_image_that_is_not_square(reference_network, goldens):
    case = Case(goldens, "64x48")
    weighted = reference_network.encode_and_weight(case.z, case.x, case.y, case.t)
    check_features(case, reference_network, weighted)
    case.near("dec_out", reference_network.predict_noise(weighted, case.t), OUTPUT)


def test_share_is_the_channels_mean_of_the_weights(reference_network, goldens):
    case = Case(goldens)
    weighted = reference_network.encode_and_weight(case.z, case.x, case.y, case.t)
    own, other = case["w_src1_chan_mean"].mean(), case["w_src2_chan_mean"].mean()
    assert weighted.share.shape == case.z.shape
    # the mean of a ratio is not the ratio of means, but these weights hardly vary over the image
    assert weighted.share.mean().item() == pytest.approx(own / (own + other), abs=2e-3)


def test_encoder_straight_into_decoder_is_a_single_restoration(reference_network, goldens):
    case = Case(goldens)
    output = reference_network.decoder(*reference_network.encoder(case.z, case.x, case.t), case.t)
    case.near("single_dec_out", output, OUTPUT)


@pytest.mark.parametrize(("steps", "tolerance"), [(5, 1e-4), (25, 5e-4)])
def test_whole_chains(reference_network, goldens, steps, tolerance):
    x, y, noise = (torch.from_numpy(goldens[f"s32x32/{n}"]) for n in ("cond1", "cond2", "noise"))
    times = even_timesteps(steps)
    assert times == goldens[f"sched{steps}/timestep_map"].tolist()[::-1]
    chain = FusionChain(reference_network, Schedule("cosine"), times, "mean")
    states = list(chain.base(x, y, noise))
    after = [later.z for later in states[1:]] + [states[-1].estimate]
    if steps == 25:
        after = [after[n - 1] for n in (1, 5, 13, 21, 24)]
    name = "loop5_x" if steps == 5 else "loop25_x_after"
    np.testing.assert_allclose(
        torch.cat(after).squeeze(), goldens[f"s32x32/{name}"], rtol=0, atol=tolerance
    )
    np.testing.assert_allclose(
        states[-1].estimate[0], goldens[f"s32x32/loop{steps}_final"], rtol=0, atol=tolerance
    )


def wrong_time_order(t, dim):
    return torch.roll(unet_embedding(t, dim), dim // 2, dims=1)


unet_embedding = unet.timestep_embedding


MISTAKES = {
    "padding of zeros": lambda m, n: m.setattr(packing, "PADDING", 0.0),
    "one attention head": lambda m, n: m.setattr(blocks, "HEADS", 1),
    "sine before cosine": lambda m, n: m.setattr(unet, "timestep_embedding", wrong_time_order),
    "epsilon of 1e-6": lambda m, n: [
        m.setattr(layer, "eps", 1e-6) for layer in n.modules() if isinstance(layer, blocks.Norm)
    ],
    "weights of the other source": lambda m, n: m.setattr(
        n.fcm, "branch", lambda source: type(n.fcm).branch(n.fcm, 3 - source), raising=False
    ),
    "16 groups in the FCM": lambda m, n: [
        m.setattr(layer, "num_groups", 16)
        for layer in n.fcm.modules()
        if isinstance(layer, blocks.Norm)
    ],
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_one_wrong_fact_shows(reference_network, goldens, monkeypatch, mistake):
    MISTAKES[mistake](monkeypatch, reference_network)
    case = Case(goldens)
    weighted = reference_network.encode_and_weight(case.z, case.x, case.y, case.t)
    output = reference_network.predict_noise(weighted, case.t)
    assert np.abs(output[0].numpy() - case["dec_out"]).max() > 10 * OUTPUT


def test_packing_is_undone_by_unpacking():
    shapes = zip(unet.SKIP_CHANNELS, unet.SKIP_SCALES, strict=True)
    skips = [torch.randn(2, c, 32 // s, 48 // s) for c, s in shapes]
    hidden = torch.randn(2, 512, 2, 3)
    packed = pack(list(skips), hidden)
    assert packed.shape == (2, 544, 32, 48)
    found, last = unpack(packed)
    assert all(torch.equal(a, b) for a, b in zip(found, skips, strict=True))
    assert torch.equal(last, hidden)


class RoundedProducts(TorchDispatchMode):
    """Products of bfloat16 values as hardware forms them: summed in float32, then rounded.

    Where the hardware cannot, they are as precise, but take minutes.
    """

    def __torch_dispatch__(self, function, types, arguments=(), options=None):
        def widened(value):
            rounded = isinstance(value, torch.Tensor) and value.dtype == torch.bfloat16
            return value.float() if rounded else value

        products = (aten.convolution, aten.addmm, aten.mm, aten.bmm, aten.baddbmm)
        if function.overloadpacket not in products or arguments[0].dtype != torch.bfloat16:
            return function(*arguments, **(options or {}))
        return function(*map(widened, arguments), **(options or {})).bfloat16()


def test_reduced_precision_stays_near(reference_network, goldens):
    case = Case(goldens)
    network = ReferenceNetwork(*(copy.deepcopy(m) for m in reference_network.children()))
    network.cast(torch.bfloat16)
    assert network.dtype == torch.bfloat16
    assert network.decoder.out.conv.weight.dtype == torch.float32
    with RoundedProducts():
        weighted = network.encode_and_weight(case.z, case.x, case.y, case.t)
        output = network.predict_noise(weighted, case.t)[0].numpy()
    assert weighted.fused.dtype == torch.bfloat16
    assert output.dtype == np.float32
    # 8 bits of mantissa through some 60 layers
    error = np.sqrt(np.mean((output - case["dec_out"]) ** 2)) / case["dec_out"].std()
    assert error < 0.02
