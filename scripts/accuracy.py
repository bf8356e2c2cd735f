#!/usr/bin/env python3
"""Train presets with several seeds, and make the tables of docs/ACCURACY.md from the run folders.

    scripts/accuracy.py runs/accuracy --train quick,mnist-8k --seeds 0,1,2     # folders runs/accuracy/PRESET-SEED; what is there stays
    scripts/accuracy.py runs/accuracy --write docs/ACCURACY.md                 # rows of what is there anew; other rows stay

Runs go on `--adapter`, or on the CPU, `--threads` each. Where the table says seconds, they are of the machine that trained, as loaded as it was.
"""
import argparse
import collections
import json
import pathlib
import subprocess
import tomllib

from documents import Marked, spread, table

HERE = pathlib.Path(__file__).resolve().parent
# Best known accuracies at a budget: data set, gates, accuracy in %, and whose it is.
KNOWN = [
    ("mnist", 8_000, "98.45", "LILogicNet: learned wires, soft training"),
    ("mnist", 16_000, "98.7 to 98.9", "learned wires, claimed"),
    ("mnist", 32_000, "98.95", "the same"),
    ("mnist", 48_000, "97.69", "difflogic: 6 × 8,000, fixed wires"),
    ("mnist", 384_000, "98.47", "difflogic: 6 × 64,000"),
    ("fashion-mnist", 64_000, "90.26", "LILogicNet"),
    ("cifar-10", 64_000, "57.3 to 57.8", "LILogicNet"),
    ("cifar-10", 260_000, "61 to 62", "LILogicNet: 256,000 gates, soft, 25 GiB"),
    ("cifar-10", 512_000, "57.39", "difflogic: 4 × 128,000"),
    ("cifar-10", 5_120_000, "62.14", "difflogic: 90 hours of a large GPU"),
]
Row = collections.namedtuple("Row", "preset gates simplified steps on seconds seeds held_out test gap")
HEAD = ["preset", "gates", "simplified", "steps", "on", "seconds", "seeds", "held out, %", "test, %", "gap"]


def train(program, folder, presets, seeds, where):
    for preset in presets:
        for seed in seeds:
            out = folder / f"{preset}-{seed}"
            if not (out / "summary.json").exists():
                command = [program, "train", "--preset", preset, "--seed", str(seed)]
                subprocess.run([*command, *where, "--out", out], check=True)


def told(program, *command):
    """What a command prints with --json."""
    return json.loads(subprocess.run([program, *command, "--json"], check=True, capture_output=True, text=True).stdout)


def machine(summary):
    """What a run was trained on, in a few words."""
    if summary["backend"] != "cpu":
        return " ".join(summary["adapter"].split()[:2])
    vectors, threads = summary["driver"].split(", ")
    return f"{'1 core' if threads == '1 thread' else threads.replace('thread', 'core')}, {vectors}"


def held_out(run):
    """Accuracy of the last network on held-out samples."""
    return json.loads((run / "metrics.jsonl").read_text().splitlines()[-1])["accuracy"]


def rows(program, folders):
    runs = {}
    for summary in sorted(path for folder in folders for path in folder.glob("*/summary.json")):
        preset, _, seed = summary.parent.name.rpartition("-")
        if preset and seed.isdigit():
            told_of = json.loads(summary.read_text())
            runs.setdefault((preset, machine(told_of)), []).append((int(seed), summary.parent, told_of))
    for (preset, where), of in runs.items():
        of.sort(key=lambda run: run[0])
        first = of[0][2]
        models = [run for _, run, _ in of if (run / "model.safetensors").exists()]
        simplified = [f"{told(program, 'simplify', run)['simplification']['after']['gates']:,}" for run in models[:1]] or ["–"]
        yield Row(
            f"`{preset}`", f"{first['gates']:,}", *simplified, f"{first['steps']:,}", where, spread([s["seconds"] for *_, s in of], 0), str(len(of)),
            spread([100 * held_out(run) for _, run, _ in of]), "**" + spread([100 * s["test_accuracy"] for *_, s in of]) + "**",
            f"{max(abs(s['total_gap']) for *_, s in of):g}",
        )


def settings(row):
    """The preset of a row, as its file has it."""
    return tomllib.loads((HERE.parent / f"assets/presets/{row.preset.strip('`')}.toml").read_text())


def place(row):
    """A row's data set, gates, preset and machine."""
    return settings(row).get("data", "mnist"), int(row.gates.replace(",", "")), row.preset, row.on


def beside_known(rows):
    """The best known accuracies, and of the presets of at most as many gates, each by its row of most seeds, the one that is best held out, for gates of two inputs and of more."""
    most = {row.preset: row for row in sorted(rows, key=lambda row: int(row.seeds))}
    for data, gates, accuracy, whose in KNOWN:
        within = [row for row in most.values() if place(row)[0] == data and place(row)[1] <= gates]
        ours = []
        for kind in [False, True]:
            of_kind = [row for row in within if (settings(row).get("arity", 2) > 2) == kind]
            best = max(of_kind, key=lambda row: float(row.held_out.split()[0]), default=None)
            ours.append(f"{best.test}, {best.preset} of {best.gates}" if best else "–")
        yield [data, f"{gates:,}", f"{accuracy} %", whose, *ours]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", type=pathlib.Path, nargs="+", help="where runs PRESET-SEED are; --train puts them in the first")
    parser.add_argument("--program", default=HERE.parent / "target/release/gatewright")
    parser.add_argument("--train", default="", metavar="PRESETS", help="first train these, separated by commas")
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--adapter", help="what to train on, as `gatewright devices` lists it")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--write", type=pathlib.Path, help="put the table between the marks of this file")
    args = parser.parse_args()
    where = ["--adapter", args.adapter] if args.adapter else ["--adapter", "cpu", "--threads", str(args.threads)]
    train(args.program, args.folders[0], [p for p in args.train.split(",") if p], args.seeds.split(","), where)
    marked = Marked(args.write, "accuracy.py") if args.write else None
    made = {(row.preset, row.on): row for row in map(Row._make, marked.rows())} if marked else {}
    made |= {(row.preset, row.on): row for row in rows(args.program, args.folders)}
    made = sorted(made.values(), key=place)
    print(table(HEAD, made))
    if marked:
        marked.write(table(HEAD, made))
        head = ["data", "gates", "known", "by", "here, %, by gates of two inputs", "by gates of four"]
        Marked(args.write, "accuracy.py known").write(table(head, beside_known(made)))


if __name__ == "__main__":
    main()
