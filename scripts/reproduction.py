#!/usr/bin/env python3
"""Run the sweeps of docs/REPRODUCTION.md, and make its tables and pictures from their folders.

    scripts/reproduction.py sweeps --run cage-scope,cage-mnist     # gatewright sweep assets/sweeps/NAME.toml --out sweeps/NAME
    scripts/reproduction.py sweeps --write docs/REPRODUCTION.md    # what folders are there; other tables stay

A table stands between two marks, the first of which says what it is of:

    <!-- begin: scripts/reproduction.py NAME[,NAME…] rows=KEY[,KEY…] columns=KEY[|KEY] [picture=FILE] -->

Runs of the sweeps' folders are parted by the settings `rows` into lines and by `columns` (the first of these keys that a run's sweep
names) into columns. A cell has the mean of the hard test accuracy and its standard deviation over what else differs, as seeds, and in brackets
the mean selection gap in points, unless all of the table are 0. With `race=KEY:VALUE` for `columns` a table tells how soon others
reach VALUE's best held-out accuracy. The sweep's picture is copied to docs/images/NAME.png.

Two more are not sweeps: `depth` (signals and gradients of fresh networks; signal=LAYERS gradient=LAYERS) and `steps` (what a step takes, by kernel).
"""
import argparse
import collections
import csv
import json
import os
import pathlib
import re
import shutil
import statistics
import subprocess
import tempfile
import tomllib

from documents import block, blocks, spread, table

HERE = pathlib.Path(__file__).resolve().parent
# Commands beside sweeps; what they print or leave lies in a folder of their name.
DEPTH = "depth --layers 80x1000 --method soft-mix --temperature 1 --adapter cpu --threads 1"
STEPS = "profile --layers 20x12000 --arity 2 --adapter llvmpipe --cage=false --json"
# Kernels by what they are for, the rest being of the batch, the votes and the loss.
KERNELS = {"forward": "forward", "backward": "backward", "update": "update|tabulate|mix|advance"}
MARK = blocks(r"reproduction\.py ([^\n]*)")
NAMES = {"hard-st": "Hard-ST", "gumbel-st": "Gumbel-ST", "soft-mix": "Soft-Mix", "soft-gumbel": "Soft-Gumbel", "mnist": "MNIST",
         "cifar-10": "CIFAR-10", "op": "OP", "iwp": "IWP", "residual": "residual", "and-or-ri": "AND-OR-RI", "and-or": "AND-OR", "gaussian": "Gaussian",
         "network": "the network's", "layer": "its layer's", "gate": "its own"}


class Run:
    """A finished run of a sweep."""

    def __init__(self, folder):
        self.settings = tomllib.loads((folder / "config.toml").read_text())
        self.summary = json.loads((folder / "summary.json").read_text())
        self.metrics = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
        self.axes = dict(axis.split("=", 1) for axis in re.split(r",(?=[a-z-]+=)", folder.name))

    def place(self, keys):
        """The value of the first of `keys` that the sweep names, or that the run has."""
        keys = keys.split("|")
        key = next((key for key in keys if key in self.axes), keys[0])
        return self.settings.get(key)


def said(key, value):
    """A setting's value in words."""
    if key == "cage":
        return "CAGE" if value else ""
    if key == "learn-wiring":
        return "wires drawn" if value == "none" else "wires learned"
    return NAMES.get(str(value), f"{value:g}" if isinstance(value, float) else str(value))


def label(run, keys):
    words = [said(key, run.settings.get(key)) for key in keys]
    return ", ".join(word for word in words if word).replace("ST, CAGE", "ST + CAGE")


def pivot(runs, rows, columns):
    cells = collections.defaultdict(list)
    for run in runs:
        cells[label(run, rows), run.place(columns)].append(run)
    order = {label(run, rows): [place_of(run.settings.get(key)) for key in rows] for run in runs}
    lines = sorted(order, key=order.get)
    heads = sorted({column for _, column in cells}, key=lambda value: (isinstance(value, str), depth_of(value)))
    gaps = any(run.summary["selection_gap"] for run in runs)
    yield ["", *(said(columns, head) for head in heads)]
    for line in lines:
        yield [line, *(cell(cells.get((line, head), []), gaps) for head in heads)]


def place_of(value):
    """In the order of `NAMES`, and else by itself."""
    names = list(NAMES)
    return (names.index(value), "") if value in names else (len(names), str(value))


def depth_of(value):
    """`20x500` goes by 20."""
    return float(value.split("x")[0]) if isinstance(value, str) and re.match(r"\d+x", value) else value


def cell(runs, gaps):
    if not runs:
        return "–"
    text = spread([100 * run.summary["test_accuracy"] for run in runs])
    if gaps:
        gap = statistics.mean(100 * run.summary["selection_gap"] for run in runs)
        text += f" ({gap:+.2f})" if abs(gap) >= 0.005 else " (0)"
    return text


def race(runs, rows, key, baseline):
    """How soon others are as good as the best of `baseline`, seed by seed."""
    yield ["", "best held out, %", "at step", "as good as the best of " + said(key, baseline), "times fewer steps"]
    best = {}
    for run in runs:
        of = max(run.metrics, key=lambda m: m.get("accuracy", 0))
        best[label(run, [*rows, "seed"]), run.settings[key]] = of
    of_rows = {(label(run, rows), run.settings[key]): [place_of(run.settings.get(row)) for row in [*rows, key]] for run in runs}
    for line, value in sorted(of_rows, key=of_rows.get):
        group = [run for run in runs if (label(run, rows), run.settings[key]) == (line, value)]
        tops = [best[label(run, [*rows, "seed"]), value] for run in group]
        reached, times = [], []
        for run in group:
            goal = best.get((label(run, [*rows, "seed"]), baseline))
            first = next((m["step"] for m in run.metrics if goal and m.get("accuracy", 0) >= goal["accuracy"]), None)
            if first and value != baseline:
                reached.append(first)
                times.append(goal["step"] / first)
        yield [f"{line}, {said(key, value)}", spread([100 * top["accuracy"] for top in tops]), spread([top["step"] for top in tops], 0),
               spread(reached, 0) if reached else "", spread(times, 1) if times else ""]


def depth(folder, options):
    """Signals and gradients of fresh networks by layer."""
    with open(folder / "depth.csv") as file:
        lines = list(csv.DictReader(file))
    signal, gradient = (options[key].split(",") for key in ["signal", "gradient"])
    yield ["", f"signal at layer {', '.join(signal)}", f"logit gradients at layer {', '.join(gradient)}"]
    for network in dict.fromkeys((line["parametrization"], line["init"]) for line in lines):
        of = {line["layer"]: line for line in lines if (line["parametrization"], line["init"]) == network}
        signals = ", ".join(f"{float(of[layer]['signal']):.2g}" for layer in signal)
        gradients = ", ".join(f"{float(of[layer]['logit_gradient_norm']):.2g}" for layer in gradient)
        yield [", ".join(NAMES[word] for word in network), signals, gradients]


def steps(folder, _):
    """What steps take by kernel, of one profile a method and parametrization, and how many times faster the other parametrization is."""
    kinds = [*KERNELS, "others", "step"]
    yield ["ms", "forward", "backward", "tables, logits, Adam", "others", "the whole step"]
    for method in ["hard-st", "soft-mix"]:
        times = {}
        for parametrization in ["op", "iwp"]:
            told = json.loads((folder / f"{method}-{parametrization}.json").read_text())
            ms = collections.Counter(step=told["step"]["ms"])
            for kernel in told["kernels"]:
                kind = next((kind for kind, names in KERNELS.items() if re.match(names, kernel["label"])), "others")
                ms[kind] += kernel["ms"]
            times[parametrization] = ms
            yield [f"{NAMES[method]}, {NAMES[parametrization]}", *(f"{ms[kind]:.1f}" for kind in kinds)]
        yield ["times faster", *(f"{times['op'][kind] / times['iwp'][kind]:.2f}" for kind in kinds)]


def run_depth(program, folder):
    subprocess.run([program, *DEPTH.split(), "--out", folder], check=True)


def run_steps(program, folder):
    folder.mkdir(parents=True, exist_ok=True)
    for method in ["hard-st", "soft-mix"]:
        for parametrization in ["op", "iwp"]:
            command = [program, *STEPS.split(), "--method", method, "--parametrization", parametrization]
            with open(folder / f"{method}-{parametrization}.json", "w") as file:
                subprocess.run(command, check=True, stdout=file)


# Tables that are not of sweeps: what fills a folder, what a full one has in it, and what makes the lines of a table from it.
OTHERS = {"depth": (run_depth, "depth.csv", depth), "steps": (run_steps, "*.json", steps)}


def sweep(program, file, folder, adapter, seeds):
    """The runs of a sweep's file, of its first `seeds` seeds if that is told; on the CPU a process a core."""
    text = file.read_text()
    if seeds:
        text = re.sub(r"^seed = \[(.*)\]$", lambda line: f"seed = [{', '.join(line[1].split(', ')[:seeds])}]", text, flags=re.M)
    with tempfile.NamedTemporaryFile("w", suffix=".toml") as told:
        told.write(text)
        told.flush()
        where = ["--adapter", adapter] if adapter else ["--adapter", "cpu", "--threads", "1"]
        command = [program, "sweep", told.name, "--out", folder, *where]
        running = [subprocess.Popen(command) for _ in range(1 if adapter else os.cpu_count())]
        if failed := [process for process in running if process.wait()]:
            raise SystemExit(f"{file.name}: {len(failed)} of {len(running)} processes failed, see above")


def footing(runs):
    """How many runs, on what, for how long."""
    lines = []
    for where in dict.fromkeys(run.summary["adapter"] for run in runs):
        seconds = [run.summary["seconds"] for run in runs if run.summary["adapter"] == where]
        median = statistics.median(seconds)
        each = f"{median:.{0 if median >= 10 else 1}f} s each in the median"
        minutes = sum(seconds) / 60
        total = f"{minutes:.2g} minutes" if minutes < 100 else f"{minutes / 60:.1f} hours"
        lines.append(f"{len(seconds)} on {where}, {each}, {total} in all")
    seeds = len({run.settings["seed"] for run in runs})
    return f"{len(runs)} runs ({'one seed' if seeds == 1 else f'{seeds} seeds'}): {'; '.join(lines)}."


def remade(match, folder, images):
    """A block anew, or as it is where a folder of it is missing."""
    names, *words = match[1].split()
    options = dict(word.split("=", 1) for word in words)
    runs = []
    for name in names.split(","):
        _, left, lines_of = OTHERS.get(name, (None, "*/summary.json", None))
        found = sorted((folder / name).glob(left))
        if not found:
            print(f"{name}: nothing in {folder / name}, the table stays")
            return match[0]
        if not lines_of:
            runs += [Run(path.parent) for path in found]
        if "picture" in options:
            shutil.copyfile(folder / name / options["picture"], images / f"{name}.png")
    head, *lines = lines_of(folder / name, options) if lines_of else made(runs, options)
    foot = f"\n\n{footing(runs)}" if runs else ""
    print(f"{names}: made")
    return block(f"reproduction.py {match[1]}", table(head, lines) + foot)


def made(runs, options):
    """The lines of a table of sweeps' runs, its head first."""
    rows = options["rows"].split(",")
    if "race" in options:
        return race(runs, rows, *options["race"].split(":"))
    return pivot(runs, rows, options["columns"])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path, help="where the sweeps' folders are")
    parser.add_argument("--program", default=HERE.parent / "target/release/gatewright")
    parser.add_argument("--run", default="", metavar="SWEEPS", help="first run these, separated by commas")
    parser.add_argument("--adapter", help="what to train on, as `gatewright devices` lists it; by default a process a core, each on one thread of the CPU")
    parser.add_argument("--seeds", type=int, help="only so many of the sweeps' seeds")
    parser.add_argument("--write", type=pathlib.Path, help="make the tables of this file anew")
    args = parser.parse_args()
    for name in filter(None, args.run.split(",")):
        if name in OTHERS:
            OTHERS[name][0](args.program, args.folder / name)
        else:
            sweep(args.program, HERE.parent / f"assets/sweeps/{name}.toml", args.folder / name, args.adapter, args.seeds)
    if args.write:
        text = args.write.read_text()
        images = args.write.parent / "images"
        args.write.write_text(MARK.sub(lambda match: remade(match, args.folder, images), text))


if __name__ == "__main__":
    main()
