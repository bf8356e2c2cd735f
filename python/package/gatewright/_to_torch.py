"""A network as a PyTorch module."""

import numpy as np
import torch


class LogicGates(torch.nn.Module):
    """A discretized network: bytes [n, bytes] uint8 to votes [n, outputs] int64. It has buffers and no parameters."""

    def __init__(self, network):
        super().__init__()
        parts = network.parts()
        self.outputs = network.outputs
        self.tau = network.tau
        self.register_buffer("pixel", torch.from_numpy(parts["pixel"].astype(np.int64)))
        self.register_buffer("threshold", torch.from_numpy(parts["threshold"]))
        self.depth = len(parts["layers"])
        for i, layer in enumerate(parts["layers"]):
            codes = 1 << layer["wiring"].shape[1]
            tables = (layer["tables"][:, None] >> np.arange(codes, dtype=np.uint64)) & np.uint64(1)
            self.register_buffer(f"wiring{i}", torch.from_numpy(layer["wiring"].astype(np.int64)))
            self.register_buffer(f"table{i}", torch.from_numpy(tables.astype(bool)))

    def forward(self, x):
        x = x.flatten(1)[:, self.pixel] > self.threshold
        for i in range(self.depth):
            wiring, table = getattr(self, f"wiring{i}"), getattr(self, f"table{i}")
            arity = wiring.shape[1]
            # The first pin is the highest bit of the code.
            code = sum(x[:, wiring[:, pin]].long() << (arity - 1 - pin) for pin in range(arity))
            x = table[torch.arange(len(table), device=x.device), code]
        return x.unflatten(1, (len(self.outputs), -1)).sum(2)


def module(network):
    """The network as a module."""
    return LogicGates(network)
