#!/usr/bin/env python3
"""Model what a step costs when ranks share its batch, check the model against ranks of this machine, and print its table.

usage: scale_ranks.py [--program target/release/gatewright] [--layers 6x8000] [--steps 300] [--ranks 1,2] [--markdown]

A step of R ranks takes what a rank computes of its share, and of the sums over ranks what the backward pass does not hide:

    t(R) = compute(batch / R) + max(last, sums - hidden)        compute(b) = fixed + each * b, fitted to runs of one rank
    sums = sum over layers of  2 ceil(log2 R) * latency + 2 (R - 1) / R * bytes / bandwidth

`last` is the sum of the first layer, which nothing follows that could hide it, `hidden` the backward time of the layers before the
last. A layer's bytes are four 32-bit integers a gate of two inputs.
"""
import argparse
import json
import math
import subprocess
import tempfile
from pathlib import Path

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--program", default="target/release/gatewright")
parser.add_argument("--layers", default="6x8000")
parser.add_argument("--steps", type=int, default=300)
parser.add_argument("--ranks", default="1,2")
parser.add_argument("--markdown", action="store_true", help="print tables for docs/CLUSTERS.md")
args = parser.parse_args()
depth, width = (int(part) for part in args.layers.split("x"))
BYTES = 16 * width
# Of a step, the share that goes into the backward pass of the layers before the last (`gatewright profile`).
BACKWARD = 0.75
NETWORKS = [("1 Gbit/s", 50e-6, 125e6), ("10 Gbit/s", 20e-6, 1.25e9), ("100 Gbit/s", 3e-6, 12.5e9)]


def step_seconds(batch, ranks):
    """The mean step of a short run; of one rank without a launcher, of several by mpirun, one thread each."""
    with tempfile.TemporaryDirectory() as folder:
        launcher = [] if ranks == 1 else ["mpirun", "--allow-run-as-root", "--oversubscribe", "-n", str(ranks)]
        told = subprocess.run(
            launcher
            + [str(Path(args.program).resolve()), "train", "--data", "mnist", "--layers", args.layers, "--adapter", "cpu"]
            + ["--threads", "1", "--batch", str(batch), "--steps", str(args.steps), "--eval-every", str(args.steps)]
            + ["--learn-wiring", "none", "--json", "--out", f"{folder}/run"],
            capture_output=True,
            text=True,
        )
        assert told.returncode == 0, told.stderr
        return json.loads(told.stdout)["step_ms"] / 1e3


def sums_seconds(ranks, latency, bandwidth, layers):
    if ranks == 1:
        return 0.0
    return layers * (2 * math.ceil(math.log2(ranks)) * latency + 2 * (ranks - 1) / ranks * BYTES / bandwidth)


def model(batch, ranks, latency, bandwidth, fixed, each):
    compute = fixed + each * math.ceil(batch / ranks / 32) * 32
    last = sums_seconds(ranks, latency, bandwidth, 1)
    sums = sums_seconds(ranks, latency, bandwidth, depth)
    return compute + max(last, sums - BACKWARD * compute)


def table(rows):
    wide = [max(len(row[c]) for row in rows) for c in range(len(rows[0]))]
    for i, row in enumerate(rows):
        if args.markdown:
            print("| " + " | ".join(row) + " |")
            if i == 0:
                print("|" + "---|" * len(row))
        else:
            print("  ".join(cell.rjust(w) for cell, w in zip(row, wide)))
    print()


# In turns, the least of three.
batches = [128, 256, 512]
of_one = {b: min(times) for b, times in zip(batches, zip(*[[step_seconds(b, 1) for b in batches] for _ in range(3)]))}
each = (of_one[512] - of_one[128]) / (512 - 128)
fixed = of_one[128] - each * 128
print(f"{args.layers}, one thread a rank: {fixed * 1e3:.2f} ms a step and {each * 1e6:.2f} us a sample\n")

# Within a machine: shared memory.
rows = [["ranks", "batch", "measured ms", "model ms", "times one rank"]]
for ranks in [int(r) for r in args.ranks.split(",")]:
    for batch in [256, 512]:
        seen = of_one[batch] if ranks == 1 else min(step_seconds(batch, ranks) for _ in range(3))
        modelled = model(batch, ranks, 2e-6, 4e9, fixed, each)
        rows.append([str(ranks), str(batch), f"{seen * 1e3:.2f}", f"{modelled * 1e3:.2f}", f"{of_one[batch] / seen:.2f}"])
table(rows)

for name, latency, bandwidth in NETWORKS:
    print(f"Times one rank, over {name} ({latency * 1e6:.0f} us a message); * where twice the ranks bring less than a fifth:\n")
    rows = [["batch"] + [str(2**k) for k in range(1, 11)]]
    for batch in [128, 512, 2048, 8192, 65536]:
        alone = model(batch, 1, 0, 1, fixed, each)
        row, before = [f"{batch:,}"], 1.0
        for k in range(1, 11):
            if batch / 2**k < 32:
                row.append("-")
                continue
            faster = alone / model(batch, 2**k, latency, bandwidth, fixed, each)
            row.append(f"{faster:.1f}" + ("*" if faster < 1.2 * before else ""))
            before = faster
        rows.append(row)
    table(rows)
