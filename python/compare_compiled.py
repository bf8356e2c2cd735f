#!/usr/bin/env python3
"""Time a torchlogix network as its own compiled C evaluates it, and as it is converted and simplified here, in turns, one thread each.

    RAYON_NUM_THREADS=1 PYTHON compare_compiled.py [DEPTHxWIDTH] [--opt 1] [--samples 12800] [--rounds 10]

PYTHON has torch, torchlogix and gatewright. Both take the same random samples, a byte or bool an input, to counts of the classes, and the
counts must be equal on each. gcc takes minutes for 48,000 gates at -O1.
"""

import argparse
import contextlib
import io
import json
import time

import numpy as np
import torch
from torchlogix import Circuit
from torchlogix.layers import GroupSum, LogicDense
from torchlogix.utils import set_export_mode

import gatewright


def timed(call):
    began = time.perf_counter()
    made = call()
    return time.perf_counter() - began, made


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("net", nargs="?", default="6x8000")
    arguments.add_argument("--inputs", type=int, default=784)
    arguments.add_argument("--opt", type=int, default=1)
    arguments.add_argument("--samples", type=int, default=12800)
    arguments.add_argument("--rounds", type=int, default=10)
    given = arguments.parse_args()
    depth, width = map(int, given.net.split("x"))
    torch.manual_seed(0)
    torch.set_num_threads(1)
    layers = [
        LogicDense(
            given.inputs if layer == 0 else width,
            width,
            lut_rank=2,
            parametrization="raw",
            parametrization_kwargs=dict(weight_init="random", forward_sampling="soft"),
            connections_kwargs=dict(init_method="random-unique"),
        )
        for layer in range(depth)
    ]
    model = torch.nn.Sequential(*layers, GroupSum(10, 1.0)).eval()

    began = time.perf_counter()
    converted = gatewright.from_torch(model)
    gates = converted.simplify()
    converting = time.perf_counter() - began

    set_export_mode(model)
    circuit = Circuit.from_model(model, input_shape=(given.inputs,))
    with contextlib.redirect_stdout(io.StringIO()):
        compiling = timed(lambda: circuit.compile(pack_bits=64, opt_level=given.opt))[0]
    x = np.random.default_rng(0).random((given.samples // 64 * 64, given.inputs)) > 0.5
    bits = x.astype(np.uint8)
    theirs, ours = [], []
    for _ in range(given.rounds):
        seconds, counts = timed(lambda: circuit(x, use_compiled=True))
        theirs.append(seconds)
        seconds, votes = timed(lambda: converted.votes(bits))
        ours.append(seconds)
        if not np.array_equal(np.asarray(counts).reshape(votes.shape), votes):
            raise SystemExit("the converted network counts otherwise than torchlogix's C")
    nanoseconds = lambda seconds: round(min(seconds) / len(x) * 1e9, 1)  # noqa: E731
    told = {
        "net": given.net,
        "samples": len(x),
        "gates": depth * width,
        "live_gates": gates["live_gates"],
        "convert_and_simplify_s": round(converting, 1),
        "their_compiler_s": round(compiling, 1),
        "torchlogix_ns": nanoseconds(theirs),
        "gatewright_ns": nanoseconds(ours),
        "times": round(min(theirs) / min(ours), 1),
    }
    print(json.dumps(told, indent=1))


if __name__ == "__main__":
    main()
