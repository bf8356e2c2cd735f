#!/usr/bin/env python3
"""Train presets with several seeds, and make the table of docs/ACCURACY.md from the run folders.

    scripts/accuracy.py runs/accuracy --train quick,mnist-8k --seeds 0,1,2     # folders runs/accuracy/PRESET-SEED; what is there stays
    scripts/accuracy.py runs/accuracy --write docs/ACCURACY.md [--luts]

Runs go on `--adapter`, or on the CPU, `--threads` each. `--luts` synthesizes seed 0 of each preset by yosys (`synth -flatten -lut 6`, generic): the
gates alone, with the counters, with argmax, and with the encoder's comparators, whose differences are what each part takes. Where
the table says seconds, they are of the machine that trained, as loaded as it was.
"""
import argparse
import json
import pathlib
import re
import statistics
import subprocess
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
BEGIN, END = "<!-- begin: scripts/accuracy.py -->", "<!-- end -->"
# What an export takes in and hands out, and the part that it adds to the one before.
PARTS = [("votes", "features", "gates"), ("counts", "features", "counters"), ("class", "features", "argmax"), ("class", "pixels", "encoder")]


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


def luts(program, run):
    """Six-input LUTs after synthesis, by part."""
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for outputs, inputs, _ in PARTS:
            export = [program, "export", run, "--format", "verilog", "--outputs", outputs, "--inputs", inputs, "--name", "net"]
            subprocess.run([*export, "-o", folder], check=True, capture_output=True)
            script = f"read_verilog {folder}/net.v; synth -flatten -lut 6 -top net; stat"
            text = subprocess.run(["yosys", "-p", script], check=True, capture_output=True, text=True).stdout
            found.append(sum(int(count) for count in re.findall(r"^ +\$lut +(\d+)$", text.rpartition("Number of cells")[2], re.M)))
    return [after - before for before, after in zip([0, *found], found)]


def spread(values, places=2):
    if len(values) == 1:
        return f"{values[0]:.{places}f}"
    return f"{statistics.mean(values):.{places}f} ± {statistics.stdev(values):.{places}f}"


def machine(summary):
    """What a run was trained on, in a few words."""
    if summary["backend"] != "cpu":
        return " ".join(summary["adapter"].split()[:2])
    vectors, threads = summary["driver"].split(", ")
    return f"{'1 core' if threads == '1 thread' else threads.replace('thread', 'core')}, {vectors}"


def held_out(run):
    """Accuracy of the last network on held-out samples."""
    return json.loads((run / "metrics.jsonl").read_text().splitlines()[-1])["accuracy"]


def rows(program, folders, with_luts):
    runs = {}
    for summary in sorted(path for folder in folders for path in folder.glob("*/summary.json")):
        preset, _, seed = summary.parent.name.rpartition("-")
        if preset and seed.isdigit():
            told_of = json.loads(summary.read_text())
            runs.setdefault((preset, machine(told_of)), []).append((int(seed), summary.parent, told_of))
    yield ["preset", "gates", "simplified", "steps", "on", "seconds", "seeds", "held out, %", "test, %", "gap"] + (
        ["LUT6: gates, counters, argmax, encoder"] if with_luts else []
    )
    for (preset, where), of in sorted(runs.items(), key=lambda item: (item[1][0][2]["data"], item[1][0][2]["gates"], item[0])):
        of.sort(key=lambda run: run[0])
        first = of[0][2]
        models = [run for _, run, _ in of if (run / "model.safetensors").exists()]
        simplified = [f"{told(program, 'simplify', run)['simplification']['after']['gates']:,}" for run in models[:1]] or ["–"]
        row = [f"`{preset}`", f"{first['gates']:,}", *simplified, f"{first['steps']:,}", where]
        row += [spread([s["seconds"] for *_, s in of], 0), str(len(of))]
        row += [spread([100 * held_out(run) for _, run, _ in of])]
        row += ["**" + spread([100 * s["test_accuracy"] for *_, s in of]) + "**"]
        row += [f"{max(abs(s['total_gap']) for *_, s in of):g}"]
        if with_luts:
            row += [", ".join(f"{count:,}" for count in luts(program, models[0])) if models else "–"]
        yield row


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", type=pathlib.Path, nargs="+", help="where runs PRESET-SEED are; --train puts them in the first")
    parser.add_argument("--program", default=HERE.parent / "target/release/gatewright")
    parser.add_argument("--train", default="", metavar="PRESETS", help="first train these, separated by commas")
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--adapter", help="what to train on, as `gatewright devices` lists it")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--luts", action="store_true", help="synthesize too (yosys; minutes)")
    parser.add_argument("--write", type=pathlib.Path, help="put the table between the marks of this file")
    args = parser.parse_args()
    where = ["--adapter", args.adapter] if args.adapter else ["--adapter", "cpu", "--threads", str(args.threads)]
    train(args.program, args.folders[0], [p for p in args.train.split(",") if p], args.seeds.split(","), where)
    lines = [f"| {' | '.join(row)} |" for row in rows(args.program, args.folders, args.luts)]
    lines.insert(1, "|" + "---|" * lines[0].count(" | ") + "---|")
    table = "\n".join(lines)
    print(table)
    if args.write:
        text = args.write.read_text()
        before, _, rest = text.partition(BEGIN)
        args.write.write_text(f"{before}{BEGIN}\n{table}\n{END}{rest.partition(END)[2]}")


if __name__ == "__main__":
    main()
