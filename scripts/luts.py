#!/usr/bin/env python3
"""Synthesize trained networks by yosys, part by part, and make the table of LUTs of docs/ACCURACY.md.

    scripts/luts.py runs/cpu --presets quick,mnist-8k      # run folders runs/cpu/PRESET-0; what was counted stays in their luts.json
    scripts/luts.py runs/cpu --write docs/ACCURACY.md      # rows of run folders that are there anew; other rows stay

A network's Verilog (`export --outputs class --inputs pixels`) is cut where its parts meet, and each part is synthesized alone, for six-input LUTs
(`synth -lut 6`) and for Xilinx's 7 series (`synth_xilinx -family xc7`, with its carry chains): comparators of pixels with
thresholds, gates of dense layers, the trees of convolutions once each, the counter of each class that has another number of votes, and the
choice of the greatest. A tree counts at every place, and a pool of up to six places is a LUT.
"""
import argparse
import collections
import hashlib
import json
import pathlib
import re
import tempfile
import time

from documents import Document, Problem, call, read_json, script, table

HERE = pathlib.Path(__file__).resolve().parent
FLOWS = {
    "synth -lut 6": "synth -lut 6 -top part",
    "synth_xilinx": "synth_xilinx -family xc7 -noiopad -noclkbuf -top part",
}
PIXELS = 64  # whose comparators are synthesized at once: those of two pixels share nothing
BATCH = 100_000  # characters of Verilog for a process of yosys: it takes the longer over a large module the more modules it has beside
PARTS = ["encoder", "trees", "pools", "gates", "counters", "argmax"]
WIRE = re.compile(r"  wire (\[\d+:0\] )?([a-z]\w*) = (.*);")
PORT = re.compile(r"  (?:input|output) +wire (\[\d+:0\] )?(\w+),?")
WORD = re.compile(r"(?<![\w'])[a-z]\w*")
TREES = re.compile(r"// Convolution (\d+): .* trees at (\d+) x (\d+) places of a map of [^,]*(?:, OR of (\d+) x (\d+))?")


def synthesize(modules, flow):
    """LUTs and carry chains of four bits of each of these modules by itself."""
    batches = [[]]
    for module in modules:
        if batches[-1] and sum(map(len, batches[-1])) + len(module) > BATCH:
            batches.append([])
        batches[-1].append(module)
    return [of for batch in batches for of in together(batch, flow)]


def together(modules, flow):
    """What `synthesize` tells, of modules for one process of yosys."""
    ports = re.compile(r"(input|output) wire (\[\d+:0\] )?(\w+)")
    outside, lines = [], []
    for number, module in enumerate(modules):
        found = ports.findall(module.partition(";")[0])
        outside += [f"{way} wire {width}u{number}_{name}" for way, width, name in found]
        joined = ", ".join(f".{name}(u{number}_{name})" for *_, name in found)
        lines.append(f"u{number} i{number}({joined});")
    top = f"module part({', '.join(outside)});\n" + "\n".join(lines) + "\nendmodule\n"
    with tempfile.TemporaryDirectory() as folder:
        source = pathlib.Path(folder, "parts.v")
        source.write_text("".join(re.sub(r"^module \w+", f"module u{number}", module) for number, module in enumerate(modules)) + top)
        told = call("yosys", "-p", f"read_verilog {source}; {FLOWS[flow]}; stat")
    told = told[told.rindex("Printing statistics.") :]
    counted = {name: of for name, of in re.findall(r"^=== (\w+) ===$(.*?)(?=^===|\Z)", told, re.M | re.S)}
    return [counts(counted[f"u{number}"]) for number in range(len(modules))]


def counts(text):
    """LUTs and carry chains of a module in yosys' `stat`."""
    found = collections.Counter()
    for kind, count in re.findall(r"^ +(\$lut|LUT[1-6]|CARRY4) +(\d+)$", text, re.M):
        found["carry" if kind == "CARRY4" else "luts"] += int(count)
    return {"luts": found["luts"], "carry": found["carry"]}


def part_of(name, value):
    """Which part of a network a wire of the export belongs to, and which piece of it is synthesized by itself; wiring alone belongs to none."""
    if pixel := re.search(r"pixels\[(\d+)", value):
        return "encoder", int(pixel[1]) // (8 * PIXELS)
    if re.match(r"[gv]\d", name):
        return "gates", 0
    if counted := re.match(r"[sc](\d+)(?:_|$)", name):
        return "counters", counted[1]
    if re.match(r"(n|gt|max|arg)\d", name):
        return "argmax", 0
    return None


def cut(lines, widths, goes_out=()):
    """A module of some of an export's wires: what they read and do not make comes in; what is in `goes_out`, or read by none of them, goes out."""
    made = {name: width for name, width, _ in lines}
    read = dict.fromkeys(word for *_, value in lines for word in WORD.findall(value))
    ports = [f"input wire {widths.get(name, '')}{name}" for name in read if name not in made]
    outs = [name for name in made if name in goes_out or name not in read]
    ports += [f"output wire {made[name]}o_{name}" for name in outs]
    body = [f"wire {width}{name} = {value};" for name, width, value in lines]
    body += [f"assign o_{name} = {name};" for name in outs]
    return f"module part({', '.join(ports)});\n" + "\n".join(body) + "\nendmodule\n"


def plain(lines, number):
    """The wires of a class's counter without the class's number and with votes numbered as they come, so that equal counters are equal."""
    names = {}

    def renamed(word):
        if re.match(r"[gv]\d|b\d", word):
            return names.setdefault(word, f"i{len(names)}")
        return re.sub(rf"^([sc]){number}(?=_|$)", r"\1", word)

    return tuple((renamed(name), width, WORD.sub(lambda match: renamed(match[0]), value)) for name, width, value in lines)


def parts(text, flow):
    """LUTs and carry chains by part."""
    widths, lines = {}, collections.defaultdict(list)
    top = text[text.index("\nmodule net (") :]
    for line in top.splitlines():
        if port := PORT.fullmatch(line):
            widths[port[2]] = port[1] or ""
        elif wire := WIRE.fullmatch(line):
            widths[wire[2]] = wire[1] or ""
            lines[part_of(wire[2], wire[3])].append((wire[2], widths[wire[2]], wire[3]))
    lines.pop(None, None)
    found = {part: collections.Counter() for part in PARTS}
    votes = {word for (part, _), of in lines.items() if part == "counters" for *_, value in of for word in WORD.findall(value)}
    pieces = collections.Counter((part, plain(of, piece) if part == "counters" else tuple(of)) for (part, piece), of in lines.items())
    modules = [cut(of, widths, votes if part == "gates" else ()) for part, of in pieces]
    uses = [(part, times) for (part, _), times in pieces.items()]
    for number, rows, columns, down, across in TREES.findall(text):
        trees = re.findall(rf"^module net_conv{number}_tree\d+(\(.*?^endmodule\n)", text, re.M | re.S)
        places = int(rows) * int(columns)
        for body, times in collections.Counter(trees).items():
            modules.append(f"module tree{body}")
            uses.append(("trees", times * places))
        if down:
            window = int(down) * int(across)
            found["pools"]["luts"] += len(trees) * places // window * -(-(window - 1) // 5)
    for (part, times), of in zip(uses, synthesize(modules, flow)):
        found[part].update({kind: times * count for kind, count in of.items()})
    return {part: dict(count) for part, count in found.items() if count}


def of_run(program, run):
    """What synthesis makes of a run's network, from its luts.json, where that is of this model and this yosys, or anew."""
    kept = run / "luts.json"
    of = {"model": hashlib.sha256((run / "model.safetensors").read_bytes()).hexdigest(), "yosys": call("yosys", "-V").split()[1]}
    if kept.exists():
        told = read_json(kept)
        if {key: told.get(key) for key in of} == of:
            return told
    summary = read_json(run / "summary.json")
    with tempfile.TemporaryDirectory() as folder:
        call(program, "export", run, "--format", "verilog", "--outputs", "class", "--inputs", "pixels", "--name", "net", "-o", folder)
        text = pathlib.Path(folder, "net.v").read_text()
    told = {**of, "gates": summary["gates"], "simplified": int(re.search(r"^// (\d+) gates", text, re.M)[1]), "flows": {}}
    for flow in FLOWS:
        began = time.monotonic()
        told["flows"][flow] = {"parts": parts(text, flow), "seconds": round(time.monotonic() - began)}
    kept.write_text(json.dumps(told, indent=1) + "\n")
    return told


def rows(told, preset):
    """Two rows, one a flow."""
    for flow, of in told["flows"].items():
        cells = [f"`{preset}`", f"{told['gates']:,}", f"{told['simplified']:,}", f"`{flow}`"]
        for part in PARTS:
            count = of["parts"].get(part, {})
            carry = f" + {count['carry']:,} CARRY4" if count.get("carry") else ""
            cells.append(f"{count['luts']:,}{carry}" if "luts" in count else "–")
        yield [*cells, f"{of['seconds']:,}"]


@script
def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", type=pathlib.Path, nargs="+", help="where run folders PRESET-0 are")
    parser.add_argument("--program", default=HERE.parent / "target/release/gatewright")
    parser.add_argument("--presets", help="these alone, separated by commas")
    parser.add_argument("--write", type=pathlib.Path, help="put the table between the marks of this file")
    args = parser.parse_args()
    runs = {path.parent.name.removesuffix("-0"): path.parent for folder in args.folders for path in sorted(folder.glob("*-0/model.safetensors"))}
    names = args.presets.split(",") if args.presets else list(runs)
    if missing := [name for name in names or ["PRESET"] if name not in runs]:
        raise Problem(f"no run folder {missing[0]}-0 with a model in {', '.join(map(str, args.folders))}: train it first (scripts/accuracy.py --train)")
    document = Document(args.write) if args.write else None
    lines = collections.defaultdict(list)
    for row in document.rows("luts.py") if document else []:
        if (name := row[0].strip("`")) not in names:
            lines[name].append(row)
    lines |= {name: list(rows(of_run(args.program, runs[name]), name)) for name in names}
    head = ["preset", "gates", "simplified", "by", "LUTs of the encoder", "of trees, at all places", "of pools", "of dense gates", "of counters", "of the greatest", "seconds of yosys"]
    made = table(head, [row for name in sorted(lines, key=lambda name: int(lines[name][0][1].replace(",", ""))) for row in lines[name]])
    print(made)
    if document:
        document.put("luts.py", made)
        document.write()


if __name__ == "__main__":
    main()
