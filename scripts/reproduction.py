#!/usr/bin/env python3
"""Run the sweeps of docs/REPRODUCTION.md, and make its tables and pictures from their folders.

    scripts/reproduction.py sweeps --run cage-scope,cage-mnist     # gatewright sweep assets/sweeps/NAME.toml --out sweeps/NAME
    scripts/reproduction.py sweeps --write docs/REPRODUCTION.md    # what whole folders are there; other tables stay
    scripts/reproduction.py sweeps --run all --write docs/REPRODUCTION.md      # all that it has tables of

A table stands between two marks, the first of which says what it is of:

    <!-- begin: scripts/reproduction.py NAME[,NAME…] rows=KEY[,KEY…] columns=KEY[|KEY] [picture=FILE] -->

Runs of the sweeps' folders are parted by the settings `rows` into lines and by `columns` (the first of these keys that a run's sweep
names) into columns. A cell has the mean of the hard test accuracy and its standard deviation over what else differs, as seeds, and in brackets
the mean selection gap in points, unless all of the table are 0. With `race=KEY:VALUE` for `columns` a table tells how soon others
reach VALUE's best held-out accuracy. The sweep's picture is copied to docs/images/NAME.png.

Three more are not sweeps: `depth` and `depth-hard-st` (signals and gradients of fresh networks of mixtures and of bits; signal=LAYERS
gradient=LAYERS), and `steps` (what a step takes, by kernel).
"""
import argparse
import collections
import csv
import math
import pathlib
import re
import shutil
import statistics
import subprocess
import tomllib

from documents import Document, Problem, Run, call, cores, read, read_json, script, spread, table

HERE = pathlib.Path(__file__).resolve().parent
# Commands beside sweeps; what they print or leave lies in a folder of their name.
DEPTH = "depth --layers 80x1000 --adapter cpu --threads 1"
STEPS = "profile --layers 20x12000 --arity 2 --adapter llvmpipe --cage=false --json"
# Kernels by what they are for, the rest being of the batch, the votes and the loss.
KERNELS = {"forward": "forward", "backward": "backward", "update": "update|tabulate|mix|advance"}
NAMES = {"hard-st": "Hard-ST", "gumbel-st": "Gumbel-ST", "soft-mix": "Soft-Mix", "soft-gumbel": "Soft-Gumbel", "mnist": "MNIST",
         "cifar-10": "CIFAR-10", "op": "OP", "iwp": "IWP", "residual": "residual", "and-or-ri": "AND-OR-RI", "and-or": "AND-OR", "gaussian": "Gaussian",
         "network": "the network's", "layer": "its layer's", "gate": "its own"}


class Cell(Run):
    """A finished run of a sweep."""

    def __init__(self, folder):
        super().__init__(folder)
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
    if key == "steps":
        return f"{value:,} steps"
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
        some = f" ({len(reached)} of {len(group)})" if len(reached) < len(group) else ""
        cells = [spread(reached, 0) + some, spread(times, 1)] if reached else ["" if value == baseline else "none", ""]
        yield [f"{line}, {said(key, value)}", spread([100 * top["accuracy"] for top in tops]), spread([top["step"] for top in tops], 0), *cells]


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
            told = read_json(folder / f"{method}-{parametrization}.json")
            ms = collections.Counter(step=told["step"]["ms"])
            for kernel in told["kernels"]:
                kind = next((kind for kind, names in KERNELS.items() if re.match(names, kernel["label"])), "others")
                ms[kind] += kernel["ms"]
            times[parametrization] = ms
            yield [f"{NAMES[method]}, {NAMES[parametrization]}", *(f"{ms[kind]:.1f}" for kind in kinds)]
        yield ["times faster", *(f"{times['op'][kind] / times['iwp'][kind]:.2f}" for kind in kinds)]


def run_depth(program, folder):
    """Of mixtures, or of bits."""
    method = "--method hard-st --no-cage" if folder.name == "depth-hard-st" else "--method soft-mix --temperature 1"
    call(program, *DEPTH.split(), *method.split(), "--out", folder, captured=False)


def run_steps(program, folder):
    folder.mkdir(parents=True, exist_ok=True)
    for method in ["hard-st", "soft-mix"]:
        for parametrization in ["op", "iwp"]:
            told = call(program, *STEPS.split(), "--method", method, "--parametrization", parametrization)
            (folder / f"{method}-{parametrization}.json").write_text(told)


# Tables that are not of sweeps: what fills a folder, what a full one has in it, and what makes the lines of a table from it.
OTHERS = {"depth": (run_depth, "depth.csv", depth), "depth-hard-st": (run_depth, "depth.csv", depth), "steps": (run_steps, "soft-mix-iwp.json", steps)}


def sweep_file(name):
    return HERE.parent / f"assets/sweeps/{name}.toml"


def sweep(program, name, folder, adapter, seeds):
    """The runs of a sweep's file, of its first `seeds` seeds if that is told; on the CPU a process a core."""
    text = read(sweep_file(name))
    if seeds:
        text = re.sub(r"^seed *= *\[(.*?)\]", lambda line: f"seed = [{', '.join(re.split(r', *', line[1])[:seeds])}]", text, flags=re.M)
        if any(len(grid["seed"]) > seeds for grid in tomllib.loads(text)["grid"] if isinstance(grid.get("seed"), list)):
            raise Problem(f"{sweep_file(name)}: --seeds cannot read its seeds; write them as `seed = [0, 1]` on a line")
    folder.mkdir(parents=True, exist_ok=True)
    # Beside its runs, so that what was run can be told, and gone on with.
    told = folder / "sweep.toml"
    told.write_text(text)
    where = ["--adapter", adapter] if adapter else ["--adapter", "cpu", "--threads", "1"]
    command = [str(word) for word in [program, "sweep", told, "--out", folder, *where]]
    try:
        running = [subprocess.Popen(command, stdout=subprocess.DEVNULL) for _ in range(1 if adapter else cores())]
    except OSError as error:
        raise Problem(f"cannot run {program}: {error.strerror}") from None
    ended = [process.wait() for process in running]
    if 130 in ended:
        raise KeyboardInterrupt
    if any(ended):
        raise Problem(f"{name}: {sum(map(bool, ended))} of {len(ended)} processes failed, see above")


def cells_of(name, folder):
    """The finished runs of a sweep's folder, or `None` and a line where it is not whole."""
    told = folder / "sweep.toml"
    grids = tomllib.loads(read(told if told.exists() else sweep_file(name)))["grid"]
    asked = sum(math.prod(len(value) for value in grid.values() if isinstance(value, list)) for grid in grids)
    found = sorted(folder.glob("*=*/summary.json"))
    if len(found) == asked:
        return [Cell(path.parent) for path in found]
    print(f"{name}: {len(found)} of {asked} runs in {folder}, the table stays")
    return None


def footing(name, runs):
    """How many runs, on what, for how long."""
    lines = []
    machines = [", ".join(filter(None, [run.summary["adapter"], run.machine()[1]])) for run in runs]
    for where in dict.fromkeys(machines):
        seconds = [run.summary["seconds"] for run, on in zip(runs, machines) if on == where]
        median = statistics.median(seconds)
        each = f"{median:.{0 if median >= 10 else 1}f} s each in the median"
        minutes = sum(seconds) / 60
        total = f"{minutes:.2g} minutes" if minutes < 100 else f"{minutes / 60:.1f} hours"
        lines.append(f"{len(seconds)} on {where}: {each}, {total} in all")
    of = collections.Counter(tuple((key, value) for key, value in run.axes.items() if key != "seed") for run in runs).values()
    least, most = min(of), max(of)
    seeds = "one seed" if most == 1 else f"{most} seeds" if least == most else f"{least} to {most} seeds"
    return f"`{name}`: {len(runs)} runs ({seeds}): {'; '.join(lines)}."


def remade(told, folder):
    """A block's text anew and its pictures, by the names that they have there, or nothing where a folder of it is missing."""
    names, *words = told.split()
    options = dict(word.split("=", 1) for word in words)
    runs, feet, pictures = [], [], {}
    for name in names.split(","):
        of = folder / name
        if not of.is_dir():
            print(f"{name}: there is no {of}, the table stays")
            return None
        if "picture" in options:
            if not (of / options["picture"]).exists():
                raise Problem(f"there is no {of / options['picture']}: the sweep has not ended; run it again")
            pictures[f"{name}.png"] = of / options["picture"]
        if name in OTHERS:
            _, left, lines_of = OTHERS[name]
            if not (of / left).exists():
                print(f"{name}: there is no {of / left}, the table stays")
                return None
            return table(*headed(lines_of(of, options))), pictures
        cells = cells_of(name, of)
        if cells is None:
            return None
        runs += cells
        feet.append(footing(name, cells))
    return table(*headed(made(runs, options))) + "".join(f"\n\n{foot}" for foot in feet), pictures


def headed(lines):
    head, *rest = lines
    return head, rest


def made(runs, options):
    """The lines of a table of sweeps' runs, its head first."""
    rows = options["rows"].split(",")
    if "race" in options:
        return race(runs, rows, *options["race"].split(":"))
    return pivot(runs, rows, options["columns"])


def at_least_one(text):
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError("at least 1")
    return int(text)


@script
def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path, help="where the sweeps' folders are")
    parser.add_argument("--program", default=HERE.parent / "target/release/gatewright")
    parser.add_argument("--run", default="", metavar="SWEEPS", help="first run these, separated by commas; `all` are those that the file of --write has tables of")
    parser.add_argument("--adapter", help="what to train sweeps on, as `gatewright devices` lists it; by default a process a core, each on one thread of the CPU")
    parser.add_argument("--seeds", type=at_least_one, help="only so many of the sweeps' seeds")
    parser.add_argument("--write", type=pathlib.Path, help="make the tables of this file anew, and the pictures in `images` beside it")
    args = parser.parse_args()
    document = Document(args.write) if args.write else None
    blocks = document.of("reproduction.py") if document else []
    names = [name for name in args.run.split(",") if name]
    if names == ["all"]:
        if not document:
            raise Problem("--run all runs what a document has tables of; name it by --write")
        names = list(dict.fromkeys(name for told in blocks for name in told.split()[0].split(",")))
    for name in names:
        if name not in OTHERS and not sweep_file(name).exists():
            raise Problem(f"there is no {sweep_file(name)}, and `{name}` is none of {', '.join(OTHERS)}")
    for name in names:
        if name in OTHERS:
            OTHERS[name][0](args.program, args.folder / name)
        else:
            sweep(args.program, name, args.folder / name, args.adapter, args.seeds)
    if document and not args.folder.is_dir():
        raise Problem(f"there is no folder {args.folder}")
    for told in blocks:
        if anew := remade(told, args.folder):
            text, pictures = anew
            document.put(f"reproduction.py {told}", text)
            print(f"{told.split()[0]}: made")
            for name, picture in pictures.items():
                images = args.write.parent / "images"
                images.mkdir(exist_ok=True)
                shutil.copyfile(picture, images / name)
    if document:
        document.write()


if __name__ == "__main__":
    main()
