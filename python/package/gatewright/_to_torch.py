"""A network as a PyTorch module."""

import json

import numpy as np
import torch


def _bits(tables, codes):
    """[gates, codes] bool of tables [gates] uint64."""
    return torch.from_numpy(((tables[:, None] >> np.arange(codes, dtype=np.uint64)) & np.uint64(1)).astype(bool))


class Gates(torch.nn.Module):
    """Gates that read rows of their own: bits [n, inputs] to [n, gates]."""

    def __init__(self, wiring, tables):
        super().__init__()
        self.register_buffer("wiring", torch.from_numpy(wiring.astype(np.int64)))
        self.register_buffer("table", _bits(tables, 1 << wiring.shape[1]))

    def forward(self, x):
        arity = self.wiring.shape[1]
        # The first pin is the highest bit of the code.
        code = sum(x[:, self.wiring[:, pin]].long() << (arity - 1 - pin) for pin in range(arity))
        return self.table[torch.arange(len(self.table), device=x.device), code]


class Trees(torch.nn.Module):
    """Trees of gates over the places of a map, and a pool: bits [n, channels * height * width] to [n, trees * rows * columns].
    docs/MODEL_FORMAT.md has the order of nodes and wires."""

    def __init__(self, wiring, tables, conv):
        super().__init__()
        self.conv = conv
        rows, columns = conv["kernel"]
        wires = torch.from_numpy(wiring.astype(np.int64))
        self.register_buffer("channel", wires // (rows * columns))
        self.register_buffer("dy", wires // columns % rows)
        self.register_buffer("dx", wires % columns)
        self.register_buffer("table", _bits(tables, 4).unflatten(0, (len(wiring), -1)))

    def forward(self, x):
        conv = self.conv
        x = x.unflatten(1, (conv["channels"], conv["height"], conv["width"]))
        x = torch.nn.functional.pad(x, [conv["pad"]] * 4)
        starts = [
            torch.arange(0, x.shape[axis] - conv["kernel"][axis - 2] + 1, conv["stride"], device=x.device) for axis in (2, 3)
        ]
        y = self.dy[..., None, None] + starts[0][:, None]
        columns = self.dx[..., None, None] + starts[1]
        nodes = list(x[:, self.channel[..., None, None], y, columns].unbind(2))
        trees = torch.arange(len(self.table), device=x.device)[:, None, None]
        for gate in range(self.table.shape[1]):
            code = nodes[2 * gate].long() << 1 | nodes[2 * gate + 1]
            nodes.append(self.table[trees, gate, code])
        pool = conv["pool"]
        return torch.nn.functional.max_pool2d(nodes[-1].float(), pool).bool().flatten(1)


def _layer(wiring, tables, conv=None, **_):
    """A layer of a network's parts."""
    return Gates(wiring, tables) if conv is None else Trees(wiring, tables, json.loads(conv))


class LogicGates(torch.nn.Module):
    """A discretized network: bytes [n, bytes] uint8 to votes [n, outputs] int64. It has buffers and no parameters."""

    def __init__(self, network):
        super().__init__()
        parts = network.parts()
        self.outputs = network.outputs
        self.tau = network.tau
        self.register_buffer("pixel", torch.from_numpy(parts["pixel"].astype(np.int64)))
        self.register_buffer("threshold", torch.from_numpy(parts["threshold"]))
        self.layers = torch.nn.Sequential(*(_layer(**layer) for layer in parts["layers"]))

    def forward(self, x):
        x = self.layers(x.flatten(1)[:, self.pixel] > self.threshold)
        return x.unflatten(1, (len(self.outputs), -1)).sum(2)


def module(network):
    """The network as a module."""
    return LogicGates(network)
