#!/usr/bin/env python3
"""Everything worth knowing of gatewright on one GPU, in under eight minutes: for a card that can be had for a short while.

    cargo build --release && cargo test --release --test kernels --no-run     # before the clock runs
    scripts/measure_gpu.py [--out FOLDER] [--adapter A] [--minutes 8] [--small] [--program PATH] [--tests PATH…]

Leaves FOLDER/gpu.json and FOLDER/gpu.md, whose tables docs/PERFORMANCE.md can take. Each part has a time of its own; what fails or does
not end in it is told of in its place, and the next begins. Parts that no longer fit the minutes are passed over with a line. --small
shrinks every part to a try-out on software Vulkan. On a machine without cargo, --program and --tests name what was built elsewhere.
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
PROGRAM = HERE.parent / "target/release/gatewright"
SHAPES = {"3x2000": 128, "6x8000": 128, "6x64000": 512}
METHODS = ["hard-st", "gumbel-st", "soft-mix", "soft-gumbel"]
TEN_GB = 10 * 10**9
CARGO_TEST = ["cargo", "test", "--release", "--test"]


class Measurement:
    """What has been measured, and the time that is left."""

    def __init__(self, given):
        self.given = given
        self.until = time.monotonic() + 60 * given.minutes
        self.parts = []

    def run(self, name, command, seconds, is_json=True):
        """Run a command for so many seconds at most and keep what it told; returns that, or None where there is nothing."""
        left = self.until - time.monotonic()
        told = {"part": name, "command": " ".join(map(str, command))}
        self.parts.append(told)
        if left < min(5, seconds):
            told["passed_over"] = "no time was left"
            print(f"{name}: passed over, for no time was left", flush=True)
            return None
        program = [PROGRAM, *command[1:]] if command[0] == "gatewright" else command
        began = time.monotonic()
        try:
            done = subprocess.run(program, capture_output=True, text=True, timeout=min(seconds, left), cwd=HERE.parent)
        except subprocess.TimeoutExpired:
            told["failed"] = f"did not end in {min(seconds, left):.0f} s"
            print(f"{name}: {told['failed']}", flush=True)
            return None
        told["seconds"] = round(time.monotonic() - began, 1)
        if done.returncode != 0:
            told["failed"] = (done.stderr.strip().splitlines() or ["no word"])[-1]
            print(f"{name}: exit code {done.returncode}: {told['failed']}", flush=True)
            return None
        print(f"{name}: {told['seconds']} s", flush=True)
        try:
            told["told"] = json.loads(done.stdout) if is_json else done.stdout.strip().splitlines()
        except ValueError:
            told["failed"] = "what it printed is no JSON"
            return None
        return told["told"]


def measure(m):
    small, adapter = m.given.small, ["--adapter", m.given.adapter] if m.given.adapter else []
    devices = m.run("devices", ["gatewright", "devices", "--json"], 30)
    if not devices or devices["chosen"] is None:
        sys.exit("no adapter was found; `gatewright devices` says what to do")
    chosen = devices["adapters"][devices["chosen"]]
    if m.given.adapter:
        named = [a for i, a in enumerate(devices["adapters"]) if m.given.adapter in (str(i), a["name"])]
        named += [a for a in devices["adapters"] if m.given.adapter.lower() in a["name"].lower()]
        chosen = named[0] if named else sys.exit(f"no adapter is numbered or named {m.given.adapter}")
    shapes = {"2x200": 64} if small else SHAPES
    rounds = ["--rounds", "2", "--steps", "2"] if small else ["--rounds", "10"]
    for shape, batch in shapes.items():
        for method in METHODS:
            command = ["gatewright", "bench", "step", "--layers", shape, "--batch", str(batch), "--method", method]
            m.run(f"step {shape} {method}", [*command, *rounds, *adapter, "--json"], 40)
    for shape, batch in shapes.items():
        command = ["gatewright", "profile", "--layers", shape, "--batch", str(batch), *adapter, "--json"]
        m.run(f"profile {shape}", [*command, "--rounds", "2" if small else "12"], 40)
    for layers in ["2x200"] if small else ["3x2000", "6x64000"]:
        command = ["gatewright", "bench", "infer", "--engine", "gpu", "--layers", layers, *adapter, "--json"]
        m.run(f"inference {layers}", [*command, "--rounds", "2" if small else "10"], 40)
    with tempfile.TemporaryDirectory() as work:
        steps = ["--layers", "2x200", "--steps", "20", "--eval-every", "20"] if small else []
        m.run("a default run", ["gatewright", "train", *steps, "--out", f"{work}/run", *adapter, "--json"], 90)
    large = "a step of 10 GB"
    if chosen["kind"] == "software" or chosen["max_buffer_bytes"] < 1 << 30:
        m.parts.append({"part": large, "passed_over": "on a software driver, or one of small buffers, it says nothing"})
        print(f"{large}: passed over on {chosen['name']}", flush=True)
    else:
        # 8 layers of 512,000 gates at batch 1,024: planes of bf16 gradients and of activations, 2 bytes a gate and sample each.
        command = ["gatewright", "bench", "step", "--layers", "8x512000", "--batch", "1024", "--method", "soft-mix"]
        told = m.run(large, [*command, "--rounds", "3", "--steps", "1", *adapter, "--json"], 90)
        if told and told["peak_gpu_bytes"] < TEN_GB:
            m.parts[-1]["failed"] = f"it took {told['peak_gpu_bytes']} bytes only"
    # Last, for they may have to be compiled.
    for name, tests in [(path.name, [path.resolve()]) for path in m.given.tests] or [("kernels", [*CARGO_TEST, "kernels", "--"])]:
        m.run(f"the tests of {name}", [*tests, *(["sliced"] if small else [])], 240, is_json=False)
    return chosen


def markdown(chosen, parts):
    """The tables of what was told."""
    lines = [f"## {chosen['name']} ({chosen['backend']}, {chosen['driver']})", ""]
    of = {part["part"]: part for part in parts}
    rows = [(part, part["told"]) for part in parts if part["part"].startswith(("step", "a step")) and "told" in part]
    lines += ["| layers | batch | method | ms a step, least / median | GB/s | of copying | MiB |", "|---|---|---|---|---|---|---|"]
    for _, told in rows:
        layers = told["layers"]
        rate, share = told.get("gb_per_s"), told.get("share_of_copy")
        lines.append(
            f"| {len(layers)} × {layers[0]:,} | {told['batch']} | {told['method']} "
            f"| {told['step_ms_min']:.3f} / {told['step_ms_median']:.3f} "
            f"| {f'{rate:.1f}' if rate else '–'} | {f'{share:.0%}' if share else '–'} "
            f"| {told['peak_gpu_bytes'] / 2**20:,.0f} |"
        )
    for name, part in of.items():
        if name.startswith("profile") and "told" in part:
            lines += ["", f"### {name}", "", *kernels(part["told"])]
        if name.startswith(("inference", "a default run")) and "told" in part:
            scalars = {key: value for key, value in part["told"].items() if not isinstance(value, (list, dict))}
            lines += ["", f"### {name}", "", "```json", json.dumps(scalars, indent=1), "```"]
    for name, part in of.items():
        if name.startswith("the tests of") and "told" in part:
            lines += ["", f"{name}: " + "; ".join(line for line in part["told"] if line.startswith("test result"))]
    lines += ["", "| part | seconds | command |", "|---|---|---|"]
    for part in parts:
        how = part.get("failed") or part.get("passed_over") or part.get("seconds", "–")
        lines.append(f"| {part['part']} | {how} | `{part.get('command', '–')}` |")
    return "\n".join(lines) + "\n"


def kernels(profile):
    """A table of a profiled step's kernels, and of the step."""
    lines = ["| kernel | dispatches | ms | of the step | GB/s | of copying |", "|---|---|---|---|---|---|"]
    for row in [*profile["kernels"], profile["step"]]:
        rate, share = row.get("gb_per_s"), row.get("share_of_copy")
        lines.append(
            f"| {row['label']} | {row['calls']} | {row['ms']:.3f} | {row['share']:.0%} "
            f"| {f'{rate:.1f}' if rate else '–'} | {f'{share:.0%}' if share else '–'} |"
        )
    others = {key: value for key, value in profile.items() if not isinstance(value, (list, dict))}
    return [*lines, "", f"`{json.dumps(others)}`"]


def main():
    global PROGRAM
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--out", type=pathlib.Path, default=pathlib.Path("gpu"))
    arguments.add_argument("--adapter", help="number or name, as `gatewright devices` lists them")
    arguments.add_argument("--minutes", type=float, default=8.0)
    arguments.add_argument("--small", action="store_true", help="a try-out: everything small")
    arguments.add_argument("--program", type=pathlib.Path, default=PROGRAM)
    arguments.add_argument("--tests", type=pathlib.Path, nargs="+", default=[], help="test programs, in place of cargo")
    given = arguments.parse_args()
    PROGRAM = given.program.resolve()
    if not PROGRAM.exists():
        sys.exit(f"{PROGRAM} is missing; `cargo build --release` makes it")
    os.environ.setdefault("XDG_RUNTIME_DIR", "/tmp")
    given.out.mkdir(parents=True, exist_ok=True)
    m = Measurement(given)
    began = time.monotonic()
    chosen = measure(m)
    report = {"adapter": chosen, "seconds": round(time.monotonic() - began, 1), "parts": m.parts}
    (given.out / "gpu.json").write_text(json.dumps(report, indent=1) + "\n")
    (given.out / "gpu.md").write_text(markdown(chosen, m.parts))
    print(f"{given.out}/gpu.json, {given.out}/gpu.md: {report['seconds']} s in all")
    # One that failed is no measurement of the card, but of a fault.
    sys.exit(1 if any("failed" in part for part in m.parts) else 0)


main()
