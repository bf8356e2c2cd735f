#!/usr/bin/env python3
"""Train presets with several seeds, and make the tables of docs/ACCURACY.md and of the README from the run folders.

    scripts/accuracy.py runs/accuracy --train quick,mnist-8k --seeds 0,1,2     # folders runs/accuracy/PRESET-SEED; what is there stays
    scripts/accuracy.py runs/accuracy --write docs/ACCURACY.md README.md       # rows of what is there anew; other rows stay

On the CPU a process a core trains on one thread each, or on `--threads` one after the other; a run that was stopped is gone on with. Where a table
says seconds, they are of the machine that trained, as loaded as it was.
"""
import argparse
import collections
import concurrent.futures
import functools
import json
import pathlib
import tomllib

from documents import Document, Problem, Run, call, cores, read, read_json, script, spread, table

HERE = pathlib.Path(__file__).resolve().parent
DIFFLOGIC = "[difflogic](https://arxiv.org/abs/2210.08277)"
LILOGICNET = "[LILogicNet](https://arxiv.org/abs/2511.12340)"
# Best known accuracies at a budget: data set, gates, accuracy in %, and whose it is.
KNOWN = [
    ("mnist", 8_000, "98.45", f"{LILOGICNET}: learned wires, soft training"),
    ("mnist", 16_000, "98.7 to 98.9", "learned wires; no network or code is published"),
    ("mnist", 32_000, "98.95", "the same"),
    ("mnist", 48_000, "97.69", f"{DIFFLOGIC}: 6 × 8,000, fixed wires"),
    ("mnist", 384_000, "98.47", f"{DIFFLOGIC}: 6 × 64,000"),
    ("fashion-mnist", 64_000, "90.26", LILOGICNET),
    ("cifar-10", 64_000, "57.3 to 57.8", LILOGICNET),
    ("cifar-10", 260_000, "60.98 to 62.03", f"{LILOGICNET}: 256,000 gates, soft, 25 GiB"),
    ("cifar-10", 512_000, "57.39", f"{DIFFLOGIC}: 4 × 128,000"),
    ("cifar-10", 5_120_000, "62.14", f"{DIFFLOGIC}: 90 hours of a large GPU"),
]
Row = collections.namedtuple("Row", "preset gates simplified steps on seconds seeds held_out test gap")
HEAD = ["preset", "gates", "simplified", "steps", "on", "seconds", "seeds", "held out, %", "test, %", "gap"]
NAMES = {"mnist": "MNIST", "fashion-mnist": "Fashion-MNIST", "cifar-10": "CIFAR-10"}
INPUTS = {2: "", 4: " of four inputs"}


def train(program, folder, preset, seed, where):
    out = folder / f"{preset}-{seed}"
    if (out / "summary.json").exists():
        return
    if (out / "config.toml").exists():
        call(program, "train", "--resume", out, *where, captured=False)
    else:
        call(program, "train", "--preset", preset, "--seed", seed, *where, "--out", out, captured=False)


@functools.cache
def preset_file(preset):
    """A preset's file: its settings, and the comment that is its first line."""
    path = HERE.parent / f"assets/presets/{preset}.toml"
    text = read(path)
    return tomllib.loads(text), text.splitlines()[0].removeprefix("# ")


@functools.cache
def spelled_out(program, preset):
    """All settings of a preset, as a run folder's config.toml has them."""
    return tomllib.loads(call(program, "train", "--preset", preset, "--show-settings"))


def check(program, preset, run):
    """Refuse a run that is not what its folder's name says."""
    preset_file(preset)
    ours, its = spelled_out(program, preset), run.settings
    differ = [key for key in ours.keys() | its.keys() if key != "seed" and ours.get(key) != its.get(key)]
    if differ:
        key = sorted(differ)[0]
        raise Problem(f"{run.folder} is no run of preset {preset} as it is now: {key} is {its.get(key)!r} there and {ours.get(key)!r} here; remove or rename it")


def steps(run):
    """Steps, those of a first part before them."""
    before = run.folder / "convolutions" / "summary.json"
    first = [read_json(before)["steps"]] if before.exists() else []
    return " + ".join(f"{steps:,}" for steps in [*first, run.summary["steps"]])


def rows(program, folders):
    runs = collections.defaultdict(dict)
    for folder in folders:
        if not folder.is_dir():
            raise Problem(f"there is no folder {folder}")
        for summary in sorted(folder.glob("*/summary.json")):
            preset, _, seed = summary.parent.name.rpartition("-")
            if not preset or not seed.isdigit():
                continue
            run = Run(summary.parent)
            check(program, preset, run)
            on, part = run.machine()
            runs[preset, on].setdefault(part, {})[run.settings["seed"]] = run
    if not runs:
        raise Problem(f"no run folder PRESET-SEED in {', '.join(map(str, folders))}; train some by --train PRESETS")
    for (preset, on), parts in runs.items():
        # A seed gives a network, on however many cores it was trained.
        by_seed = {}
        for of in parts.values():
            for seed, run in of.items():
                other = by_seed.setdefault(seed, run)
                if other.summary["test_accuracy"] != run.summary["test_accuracy"]:
                    raise Problem(f"{other.folder} and {run.folder} are of the same preset and seed and not as accurate; keep one of them")
        of = [by_seed[seed] for seed in sorted(by_seed)]
        first = of[0]
        kept = next((run.folder for run in of if (run.folder / "model.safetensors").exists()), None)
        told = json.loads(call(program, "simplify", kept, "--json"))["simplification"]["after"]["gates"] if kept else None
        seconds = [spread([run.summary["seconds"] for run in same.values()], 0) + (f" ({part})" if part else "") for part, same in parts.items()]
        yield Row(
            f"`{preset}`", f"{first.summary['gates']:,}", f"{told:,}" if kept else "–", steps(first), on, "; ".join(seconds), str(len(of)),
            spread([run.held_out() for run in of]), "**" + spread([100 * run.summary["test_accuracy"] for run in of]) + "**",
            f"{max(abs(run.summary['total_gap']) for run in of):g}",
        )


def settings(row):
    """The preset of a row, as its file has it."""
    return preset_file(row.preset.strip("`"))[0]


def place(row):
    """A row's data set, gates, preset and machine."""
    return list(NAMES).index(settings(row).get("data", "mnist")), int(row.gates.replace(",", "")), row.preset, row.on


def of_most_seeds(rows):
    """A row of each preset: that of the most seeds, of the CPU where there are as many."""
    return list({row.preset: row for row in sorted(rows, key=lambda row: (int(row.seeds), row.on == "CPU"))}.values())


def beside_known(rows):
    """The best known accuracies, and of the presets of at most as many gates the one that is best held out, for gates of two inputs and of more."""
    rows = of_most_seeds(rows)
    for data, gates, accuracy, whose in KNOWN:
        within = [row for row in rows if settings(row).get("data", "mnist") == data and place(row)[1] <= gates]
        ours = []
        for kind in [False, True]:
            of_kind = [row for row in within if (settings(row).get("arity", 2) > 2) == kind]
            best = max(of_kind, key=lambda row: float(row.held_out.split()[0]), default=None)
            ours.append(f"{best.test}, {best.preset} of {best.gates}" if best else "–")
        yield [data, f"{gates:,}", f"{accuracy} %", whose, *ours]


def in_short(rows):
    """What the README says of presets that are not of other papers."""
    for row in sorted(of_most_seeds(rows), key=place):
        if "for comparison" in preset_file(row.preset.strip("`"))[1]:
            continue
        data, gates = settings(row).get("data", "mnist"), row.gates + INPUTS[settings(row).get("arity", 2)]
        times = [other.seconds + ("" if other.on == "CPU" else f" ({other.on})") for other in rows if other.preset == row.preset]
        run = "train" if row.preset == "`quick`" else f"train --preset {row.preset.strip('`')}"
        seeds = "one seed" if row.seeds == "1" else f"{row.seeds} seeds"
        yield [f"`{run}`", NAMES[data], gates, row.steps, f"**{row.test.strip('*')} %**, {seeds}", "; ".join(times)]


@script
def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", type=pathlib.Path, nargs="+", help="where runs PRESET-SEED are; --train puts them in the first")
    parser.add_argument("--program", default=HERE.parent / "target/release/gatewright")
    parser.add_argument("--train", default="", metavar="PRESETS", help="first train these, separated by commas")
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--adapter", help="what to train on, as `gatewright devices` lists it")
    parser.add_argument("--threads", type=int, help="train one run after the other on so many threads of the CPU, not one a core on one thread each")
    parser.add_argument("--write", type=pathlib.Path, nargs="+", default=[], metavar="FILE", help="put the tables between the marks of docs/ACCURACY.md and README.md, or of copies of them")
    args = parser.parse_args()
    presets = [preset for preset in args.train.split(",") if preset]
    for preset in presets:
        preset_file(preset)
    documents = [Document(path) for path in args.write]
    where = ["--adapter", args.adapter] if args.adapter else ["--adapter", "cpu", "--threads", args.threads or 1]
    with concurrent.futures.ThreadPoolExecutor(1 if args.adapter or args.threads else cores()) as pool:
        jobs = [pool.submit(train, args.program, args.folders[0], preset, seed, where) for preset in presets for seed in args.seeds.split(",")]
        try:
            for job in jobs:
                job.result()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    made = list(rows(args.program, args.folders))
    first = next((document for document in documents if "accuracy.py" in document.blocks), None)
    if first:
        known = {(row.preset, row.on): row for row in map(Row._make, first.rows("accuracy.py"))}
        for row in made:
            before = known.get((row.preset, row.on))
            if before and int(before.seeds) > int(row.seeds):
                print(f"{row.preset} on {row.on}: a row of {row.seeds} takes the place of one of {before.seeds} seeds")
        made = list((known | {(row.preset, row.on): row for row in made}).values())
    made.sort(key=place)
    print(table(HEAD, made))
    blocks = {
        "accuracy.py": lambda: table(HEAD, made),
        "accuracy.py known": lambda: table(["data", "gates", "known", "by", "here, %, by gates of two inputs", "by gates of four"], beside_known(made)),
        "accuracy.py short": lambda: table(["run", "data", "gates", "steps", "hard test accuracy", "seconds"], in_short(made)),
    }
    for document in documents:
        document.of("accuracy.py")  # or say that there is no block
        for of in document.blocks:
            if of in blocks:
                document.put(of, blocks[of]())
        document.write()


if __name__ == "__main__":
    main()
