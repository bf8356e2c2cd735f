#!/usr/bin/env python3
"""Make the fixtures of test_from_torch.py with the real peers: small networks of random weights, and what they count.

    python make.py DIFFLOGIC        the folder that difflogic 0.1.0's source lies in; torch and torchlogix are installed

Each .npz holds a state_dict, keys with a slash for a dot, and beside it inputs `x` and the module's own outputs `y` in
evaluation mode, times tau.
"""

import pathlib
import sys
import types

import numpy as np
import torch

HERE = pathlib.Path(__file__).parent
torch.manual_seed(7)


def save(name, module, x, tau, state=None):
    module.eval()
    with torch.no_grad():
        y = module(x) * tau
    assert torch.allclose(y, y.round(), atol=1e-4)
    state = module.state_dict() if state is None else state
    arrays = {key.replace(".", "/"): value.numpy() for key, value in state.items()}
    counts = y.round().to(torch.int16).reshape(len(x), -1).numpy()
    given = (x * 255).round().to(torch.uint8).numpy() if x.max() > 0 and x.unique().numel() > 2 else x.to(torch.uint8).numpy()
    np.savez_compressed(HERE / f"{name}.npz", x=given, y=counts, **arrays)


def torchlogix():
    from torchlogix.layers import GroupSum, LogicDense
    from torchlogix.layers.binarization import FixedBinarization

    def dense(inputs, outputs, rank, kind, connections="fixed", **more):
        return LogicDense(
            inputs,
            outputs,
            lut_rank=rank,
            parametrization=kind,
            parametrization_kwargs=dict(weight_init="random"),
            connections=connections,
            connections_kwargs=dict(init_method="random", **more),
        )

    bits = lambda n: torch.bernoulli(torch.full((64, n), 0.5))  # noqa: E731
    for kind, rank in [("raw", 2), ("warp", 2), ("warp", 4), ("warp", 6), ("light", 2), ("light", 4), ("light", 6)]:
        gates = 12 if rank == 6 else 18
        layers = [dense(12, gates, rank, kind), dense(gates, gates, rank, kind)]
        for layer in layers:
            # So that light, whose first weights are positive, has gates of all kinds.
            layer.weight.data -= layer.weight.data.mean()
        save(f"{kind}{rank}", torch.nn.Sequential(*layers, GroupSum(3, 2.0)), bits(12), 2.0)
    learned = [dense(12, 18, 2, "raw", "learnable", num_candidates=4), dense(18, 18, 2, "raw")]
    save("learnable", torch.nn.Sequential(*learned, GroupSum(3, 1.0)), bits(12), 1.0)
    every = [dense(12, 18, 4, "warp", "learnable"), dense(18, 18, 4, "warp")]
    save("learnable_all", torch.nn.Sequential(*every, GroupSum(3, 1.0)), bits(12), 1.0)
    images = torch.randint(0, 256, (64, 9)).float() / 255
    thresholds = torch.tensor([0.25, 100 / 255, 0.75])
    model = torch.nn.Sequential(
        FixedBinarization(thresholds), torch.nn.Flatten(), dense(27, 30, 2, "light"), dense(30, 30, 2, "light"), GroupSum(3, 1.0)
    )
    for layer in (model[2], model[3]):
        layer.weight.data -= 0.5
    save("thermometer", model, images, 1.0)


def difflogic(folder):
    sys.path.insert(0, folder)
    sys.modules["difflogic_cuda"] = types.ModuleType("difflogic_cuda")
    from difflogic import GroupSum, LogicLayer

    layer = lambda i, o: LogicLayer(i, o, device="cpu", implementation="python", connections="random")  # noqa: E731
    model = torch.nn.Sequential(layer(12, 18), layer(18, 18), GroupSum(k=3, tau=1.0, device="cpu"))
    state = {}
    for i in range(2):
        state[f"{i}.weights"] = model[i].weights.detach()
        state[f"{i}.indices"] = torch.stack(list(model[i].indices))
    save("difflogic", model, torch.bernoulli(torch.full((64, 12), 0.5)), 1.0, state)


torchlogix()
difflogic(sys.argv[1])
