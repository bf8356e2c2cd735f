"""Live modules of torchlogix and difflogic; where they are not installed, test_from_torch.py has what they made.

To run it with them, and with difflogic's sources (they need no compiler then): DIFFLOGIC=… pytest tests/test_live_peers.py
"""

import os
import sys
import types

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("torchlogix")

from torchlogix.layers import GroupSum, LogicDense  # noqa: E402
from torchlogix.layers.binarization import FixedBinarization, LearnableBinarization  # noqa: E402

from gatewright._from_torch import network  # noqa: E402


def dense(inputs, outputs, rank=2, kind="raw", connections="fixed", **more):
    return LogicDense(
        inputs,
        outputs,
        lut_rank=rank,
        parametrization=kind,
        parametrization_kwargs=dict(weight_init="random"),
        connections=connections,
        connections_kwargs=dict(init_method="random", **more),
    )


@pytest.mark.parametrize(("kind", "rank"), [("raw", 2), ("warp", 2), ("warp", 4), ("warp", 6), ("light", 2), ("light", 4), ("light", 6)])
def test_dense_networks_are_converted_and_compared(kind, rank):
    torch.manual_seed(rank)
    layers = [dense(100, 300, rank, kind), dense(300, 300, rank, kind), dense(300, 300, rank, kind)]
    for layer in layers:
        layer.weight.data -= layer.weight.data.mean()
    model = torch.nn.Sequential(torch.nn.Flatten(), *layers, GroupSum(10, 3.0))
    model.train()
    made = network(model)
    assert model.training and made.layers == [300] * 3 and made.tau == 3.0
    x = (np.random.default_rng(1).random((500, 100)) < 0.3).astype(np.uint8)
    model.eval()
    theirs = (model(torch.from_numpy(x).float()) * 3).round().detach().numpy()
    assert np.array_equal(made.votes(x), theirs)


@pytest.mark.parametrize("candidates", [-1, 5])
def test_learned_connections_are_resolved(candidates):
    torch.manual_seed(0)
    model = torch.nn.Sequential(
        dense(40, 60, 2, "light", "learnable", num_candidates=candidates), dense(60, 60), GroupSum(10, 1.0)
    )
    network(model)


@pytest.mark.parametrize("learned", [False, True])
def test_thermometers_of_images_are_found(learned):
    torch.manual_seed(0)
    kind = LearnableBinarization if learned else FixedBinarization
    for shape, dim in [((1, 4, 5), -2), ((3, 4, 5), 1)]:
        model = torch.nn.Sequential(
            kind(torch.tensor([0.2, 0.5, 0.8]), feature_dim=dim), torch.nn.Flatten(), dense(3 * int(np.prod(shape)), 200),
            GroupSum(10, 1.0),
        )  # fmt: skip
        made = network(model, image=shape)
        assert made.image == shape


def test_thresholds_that_bytes_cannot_have_leave_bits():
    model = torch.nn.Sequential(FixedBinarization(torch.tensor([-0.2, 0.5])), torch.nn.Flatten(), dense(20, 30), GroupSum(3))
    assert network(model).image == (1, 1, 20)


def test_what_is_no_such_network_is_refused():
    for model, told in [
        (torch.nn.Sequential(dense(9, 20), torch.nn.ReLU(), GroupSum(10)), "ReLU is no layer"),
        (torch.nn.Sequential(dense(9, 20), GroupSum(10, 1.0, beta=0.5)), "beta = 0.5"),
        (torch.nn.Sequential(dense(9, 20)), "no logic layer with a GroupSum"),
    ]:
        with pytest.raises(ValueError, match=told):
            network(model)

    class Other(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.one, self.two, self.sum = dense(9, 20), dense(20, 20), GroupSum(10)

        def forward(self, x):
            return self.sum(1 - self.two(self.one(x)))

    with pytest.raises(ValueError, match="the converted network is not the module: on sample"):
        network(Other())


def conv(size, channels, kernels, depth=2, kind="raw", groups=None, **more):
    from torchlogix.layers import LogicConv2d

    unique = dict(init_method="random-unique", channel_group_size=groups)
    return LogicConv2d(
        size, channels, kernels, depth, parametrization=kind, parametrization_kwargs=dict(weight_init="random"),
        connections_kwargs=unique, **more,
    )  # fmt: skip


@pytest.mark.parametrize("kind", ["raw", "warp", "light"])
def test_convolutions_are_converted_compared_and_go_back(kind):
    from torchlogix.layers import OrPooling2d

    from gatewright._to_torch import module

    torch.manual_seed(3)
    model = torch.nn.Sequential(
        conv((9, 8), 2, 6, 3, kind, receptive_field_size=3, padding=1),
        OrPooling2d(2, 2),
        conv((4, 4), 6, 10, 1, kind, receptive_field_size=(3, 2), stride=2, groups=2),
        torch.nn.Flatten(),
        dense(10 * 1 * 2, 100, 2, kind),
        GroupSum(10, 2.0),
    )
    made = network(model)
    assert made.image == (2, 9, 8) and made.tau == 2.0
    x = (np.random.default_rng(4).random((300, 144)) < 0.4).astype(np.uint8)
    back = module(made)(torch.from_numpy(x)).numpy()
    assert np.array_equal(back, made.votes(x))


def test_images_into_convolutions():
    torch.manual_seed(5)
    model = torch.nn.Sequential(
        FixedBinarization(torch.tensor([0.3, 0.6]), feature_dim=1),
        conv((6, 6), 2, 8, receptive_field_size=3),
        torch.nn.Flatten(),
        dense(8 * 16, 200),
        GroupSum(10, 1.0),
    )
    assert network(model, image=(1, 6, 6)).image == (1, 6, 6)


def test_convolutions_that_are_none_here_are_refused():
    from torchlogix.layers import OrPooling2d

    deep = conv((9, 9), 2, 4, 4, receptive_field_size=5)
    overlapping = [conv((9, 9), 2, 4, receptive_field_size=3), OrPooling2d(3, 1)]
    for layers, told in [([deep], "trees of depth 4"), (overlapping, "windows that overlap")]:
        with pytest.raises(ValueError, match=told):
            network(torch.nn.Sequential(*layers, torch.nn.Flatten(), dense(100, 100), GroupSum(10)))
    with pytest.raises(ValueError, match="give the module itself"):
        network(torch.nn.Sequential(deep, GroupSum(2)).state_dict(), classes=2)


@pytest.mark.skipif("DIFFLOGIC" not in os.environ, reason="the sources of difflogic are not named")
def test_difflogic_is_converted_and_compared():
    sys.path.insert(0, os.environ["DIFFLOGIC"])
    sys.modules["difflogic_cuda"] = types.ModuleType("difflogic_cuda")
    import difflogic

    layer = lambda i, o: difflogic.LogicLayer(i, o, device="cpu", implementation="python", connections="unique")  # noqa: E731
    made = network(torch.nn.Sequential(torch.nn.Flatten(), layer(50, 200), layer(200, 200), difflogic.GroupSum(10, 4.0, "cpu")))
    assert made.layers == [200, 200] and made.tau == 4.0


def test_a_network_goes_back_to_torch():
    from gatewright._to_torch import module

    torch.manual_seed(1)
    made = network(torch.nn.Sequential(dense(30, 60, 4, "warp"), dense(60, 60, 2), GroupSum(3, 1.0)))
    x = torch.randint(0, 2, (200, 30), dtype=torch.uint8)
    assert np.array_equal(module(made)(x).numpy(), made.votes(x.numpy()))
