#!/usr/bin/env python3
"""Model what a step costs when ranks of the CPU share it, check the model against ranks of this machine, and print its table.

usage: scale_ranks.py [--program target/release/gatewright] [--layers 6x8000] [--turns 3] [--ranks 1,2,4] [--markdown]

A step of R ranks takes what each does whole, its share of the batch, its part of the update, and what is exchanged: of the sums
what the backward pass does not hide, then the new tables.

    t(R)    = compute + update * most(R) + handling + max(last, sums - hidden) + tables
    compute = fixed + each * batch / R
    sums    = over layers, latency + (R - 1) * message + (R - 1) / R * bytes / bandwidth
    tables = ceil(log2 R) * latency + (R - 1) / R * all tables' bytes / bandwidth

Steps are timed by `gatewright profile`: the least of windows of 16 steps, in turns. `fixed` + `update` and `each` are fitted to one
rank; `update` is what two ranks' profile tells, each of which makes half, and `handling` what adding up, packing and unpacking takes them where
nobody is late. `most(R)` is the part of all chunks of gates that the rank with most of them has. `last` is the sum of the first layer, which
nothing follows that could hide it, `hidden` the backward time of the layers before the last. A layer's bytes are four integers a
gate of two inputs, of 16 bits up to 256 samples a rank, of 32 above; a table is half a byte, a chunk's confidence four. Ranks of
this machine beyond its cores take turns.
"""
import argparse
import json
import math
import os
import statistics
import subprocess
from pathlib import Path

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--program", default="target/release/gatewright")
parser.add_argument("--layers", default="6x8000")
parser.add_argument("--turns", type=int, default=3)
parser.add_argument("--ranks", default="1,2,4")
parser.add_argument("--markdown", action="store_true", help="print tables for docs/CLUSTERS.md")
args = parser.parse_args()
depth, width = (int(part) for part in args.layers.split("x"))
# Gates that one rank updates together: `chunk_shift` of src/cpu/network.rs.
chunk = min(max(64, 1 << max(0, width // 48 - 1).bit_length()), 2048)
chunks = depth * math.ceil(width / chunk)
# Of what a rank does beside the update, the share that goes into the backward pass of the layers before the last (`gatewright profile`).
BACKWARD = 0.75
# What a message takes to arrive, what it costs its rank beside, and bytes a second.
NETWORKS = [("1 Gbit/s", 50e-6, 5e-6, 125e6), ("10 Gbit/s", 20e-6, 2e-6, 1.25e9), ("100 Gbit/s", 3e-6, 0.5e-6, 12.5e9)]
MPIRUN = ["mpirun", "--allow-run-as-root", "--oversubscribe", "-n"]


def profile(batch, ranks, by_mpi=False):
    """The profile of ranks of one thread each, which are threads of one process, or processes that mpirun starts."""
    launcher, adapter = ([*MPIRUN, str(ranks)], "cpu") if by_mpi else ([], ",".join(["cpu"] * ranks))
    program = [*launcher, str(Path(args.program).resolve()), "profile", "--data", "mnist", "--layers", args.layers, "--json"]
    flags = ["--rounds", "20", "--threads", "1", "--learn-wiring", "none", "--batch", str(batch), "--adapter", adapter]
    output = subprocess.run([*program, *flags], capture_output=True, text=True)
    assert output.returncode == 0, output.stderr
    return json.loads(output.stdout)


def sums_seconds(batch, ranks, network, layers):
    if ranks == 1:
        return 0.0
    latency, message, bandwidth = network
    layer = 4 * width * (2 if batch / ranks <= 256 else 4)
    return layers * (latency + (ranks - 1) * message + (ranks - 1) / ranks * layer / bandwidth)


def tables_seconds(ranks, network):
    latency, _, bandwidth = network
    return math.ceil(math.log2(ranks)) * latency + (ranks - 1) / ranks * (depth * width / 2 + chunks * 4) / bandwidth


def model(batch, ranks, network, cores=None):
    turns = max(1, ranks / (cores or ranks))
    compute = (fixed + each * math.ceil(batch / ranks / 32) * 32) * turns
    own = (update * math.ceil(chunks / ranks) / chunks + (handling if ranks > 1 else 0.0)) * turns
    last = sums_seconds(batch, ranks, network, 1)
    sums = sums_seconds(batch, ranks, network, depth)
    return compute + own + max(last, sums - BACKWARD * compute) + tables_seconds(ranks, network)


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


# In turns; the least of all.
cases = [(batch, 1, False) for batch in [128, 256, 512]]
several = [ranks for ranks in map(int, args.ranks.split(",")) if ranks > 1]
cases += [(batch, ranks, by_mpi) for ranks in several for batch in [256, 512] for by_mpi in [False, True]]
profiles = {case: [] for case in cases}
for _ in range(args.turns):
    for case in cases:
        profiles[case].append(profile(*case))
seen = {case: [told["untimed_step_ms"] / 1e3 for told in of_case] for case, of_case in profiles.items()}
of_one = {batch: min(seen[batch, 1, False]) for batch in [128, 256, 512]}
each = (of_one[512] - of_one[128]) / (512 - 128)
whole = max(0.0, of_one[128] - each * 128)
of_two = profiles.get((256, 2, False)) or [profile(256, 2)]
least = lambda *labels: min(sum(row["ms"] for row in told["kernels"] if row["label"] in labels) for told in of_two) / 1e3
update, handling = min(whole, 2 * least("update")), least("wait_for_ranks", "exchange_tables")
fixed = whole - update
print(
    f"{args.layers}, one thread a rank: {whole * 1e3:.2f} ms a step, of which the update is {update * 1e3:.2f}, and"
    f" {each * 1e6:.2f} us a sample; two ranks handle what they exchange in {handling * 1e3:.2f} ms\n"
)

# Within a machine: shared memory.
rows = [["ranks", "by", "batch", "least ms", "median ms", "model ms", "times one rank"]]
for (batch, ranks, by_mpi), times in seen.items():
    modelled = model(batch, ranks, (2e-6, 1e-6, 4e9), len(os.sched_getaffinity(0)))
    figures = [min(times), statistics.median(times), modelled]
    by = "-" if ranks == 1 else "mpirun" if by_mpi else "threads"
    gain = f"{of_one[batch] / min(times):.2f}"
    rows.append([str(ranks), by, str(batch), *[f"{seconds * 1e3:.2f}" for seconds in figures], gain])
table(rows)

for name, *network in NETWORKS:
    print(f"Times one rank, over {name} ({network[0] * 1e6:.0f} us a message); it pays as long as twice the ranks bring a fifth more:\n")
    rows = [["batch"] + [f"{2**k:,}" for k in range(1, 11)] + ["pays up to"]]
    for batch in [128, 256, 512, 2048, 8192, 65536]:
        times = [model(batch, 1, network) / model(batch, 2**k, network) for k in range(11) if k == 0 or batch / 2**k >= 32]
        gains = [after / before for before, after in zip(times, times[1:])]
        pays = next((k for k, gain in enumerate(gains) if gain < 1.2), len(gains))
        row = [f"{batch:,}"] + [f"{t:.1f}" for t in times[1:]] + ["-"] * (11 - len(times))
        rows.append(row + [f"{2**pays:,}"])
    table(rows)
