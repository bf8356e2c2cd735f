#!/usr/bin/env python3
"""Model what a step costs when ranks share its batch, check the model against ranks of this machine, and print its table.

usage: scale_ranks.py [--program target/release/gatewright] [--layers 6x8000] [--steps 300] [--ranks 1,2,4] [--markdown]

A step of R ranks takes what a rank computes of its share, and of the sums over ranks what the backward pass does not hide:

    t(R) = compute(batch / R) + max(last, sums - hidden)        compute(b) = fixed + each * b, fitted to runs of one rank
    sums = sum over layers of  2 ceil(log2 R) * latency + 2 (R - 1) / R * bytes / bandwidth

`last` is the sum of the first layer, which nothing follows that could hide it, `hidden` the backward time of the layers before the
last. A layer's bytes are four integers a gate of two inputs, of 16 bits up to a batch of 256, of 32 above. Ranks of this machine
beyond its cores take turns.
"""
import argparse
import json
import math
import os
import subprocess
import tempfile
from pathlib import Path

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--program", default="target/release/gatewright")
parser.add_argument("--layers", default="6x8000")
parser.add_argument("--steps", type=int, default=300)
parser.add_argument("--ranks", default="1,2,4")
parser.add_argument("--markdown", action="store_true", help="print tables for docs/CLUSTERS.md")
args = parser.parse_args()
depth, width = (int(part) for part in args.layers.split("x"))
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


def sums_seconds(batch, ranks, latency, bandwidth, layers):
    if ranks == 1:
        return 0.0
    layer = 4 * width * (2 if batch <= 256 else 4)
    return layers * (2 * math.ceil(math.log2(ranks)) * latency + 2 * (ranks - 1) / ranks * layer / bandwidth)


def model(batch, ranks, latency, bandwidth, fixed, each, cores=None):
    compute = fixed + each * math.ceil(batch / ranks / 32) * 32
    compute *= max(1, ranks / (cores or ranks))
    last = sums_seconds(batch, ranks, latency, bandwidth, 1)
    sums = sums_seconds(batch, ranks, latency, bandwidth, depth)
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
fixed = max(0.0, of_one[128] - each * 128)
print(f"{args.layers}, one thread a rank: {fixed * 1e3:.2f} ms a step and {each * 1e6:.2f} us a sample\n")

# Within a machine: shared memory.
rows = [["ranks", "batch", "measured ms", "model ms", "times one rank"]]
for ranks in [int(r) for r in args.ranks.split(",")]:
    for batch in [256, 512]:
        seen = of_one[batch] if ranks == 1 else min(step_seconds(batch, ranks) for _ in range(3))
        modelled = model(batch, ranks, 2e-6, 4e9, fixed, each, len(os.sched_getaffinity(0)))
        rows.append([str(ranks), str(batch), f"{seen * 1e3:.2f}", f"{modelled * 1e3:.2f}", f"{of_one[batch] / seen:.2f}"])
table(rows)

for name, latency, bandwidth in NETWORKS:
    print(f"Times one rank, over {name} ({latency * 1e6:.0f} us a message); it pays as long as twice the ranks bring a fifth more:\n")
    rows = [["batch"] + [f"{2**k:,}" for k in range(1, 11)] + ["pays up to"]]
    for batch in [128, 256, 512, 2048, 8192, 65536]:
        alone = model(batch, 1, 0, 1, fixed, each)
        times = [1.0]
        for k in range(1, 11):
            if batch / 2**k >= 32:
                times.append(alone / model(batch, 2**k, latency, bandwidth, fixed, each))
        gains = [after / before for before, after in zip(times, times[1:])]
        pays = next((k for k, gain in enumerate(gains) if gain < 1.2), len(gains))
        row = [f"{batch:,}"] + [f"{t:.1f}" for t in times[1:]] + ["-"] * (11 - len(times))
        rows.append(row + [f"{2**pays:,}"])
    table(rows)
