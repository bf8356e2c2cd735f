#!/usr/bin/env python3
"""What Mesa's compilers make of every kernel for GPUs that are not there: registers, spills, waves, instructions.

    scripts/other_mesa.py mesa                       # Debian's newest Mesa, unpacked into a folder
    cargo build --release && scripts/gpu_families.py mesa [--program PATH] [--json FILE] [--write docs/GPUS.md]

Each driver runs on a shim that plays the GPU and executes nothing; `gatewright profile --compile-only` makes every pipeline of a
configuration and ends. The command of each family is in the text that this prints. Exit code 1 where a kernel spills.
"""

import argparse
import json
import os
import pathlib
import re
import subprocess
import sys

import other_mesa

HERE = pathlib.Path(__file__).resolve().parent
PROGRAM = HERE.parent / "target/release/gatewright"
BEGIN, END = "<!-- begin: scripts/gpu_families.py -->", "<!-- end -->"
# What is configured, and by which settings.
CONFIGURATIONS = {
    "One wide layer": ["--layers", "24000", "--arity", "2", "--gradients", "int8"],
    "Six layers": ["--layers", "6x8000"],
    "Soft mixtures": ["--layers", "6x8000", "--method", "soft-mix"],
}
# How each driver tells what it made of a kernel; 0 is meant where a number is not told.
RADV = {
    "registers": r"^VGPRs: (\d+)",
    "spills": r"^Spilled VGPRs: (\d+)",
    "waves": r"^Subgroups per SIMD: (\d+)",
    "instructions": r"^Instructions: (\d+)",
    "latency": r"^Latency: (\d+)",
    "throughput": r"^Inverse Throughput: (\d+)",
}
NAK = {
    "registers": r"^Num GPRs: (\d+)",
    "spills": r"^Spills to (?:mem|reg): (\d+)",
    "waves": r"^Max warps/SM: (\d+)",
    "instructions": r"^Instruction count: (\d+)",
    "latency": r"^Static cycle count: (\d+)",
}
AGX = {
    "registers": r"(\d+) gprs",
    "spills": r"(\d+):\d+ spills:fills",
    "waves": r"(\d+) threads",
    "instructions": r"(\d+) instrs",
}
IR3 = {
    "registers": r"CL prog .* (\d+) full",
    "spills": r"\b(stp)\.",
    "waves": r"CL prog .* (\d+) max_waves",
    "instructions": r"CL prog .*: (\d+) instr",
}
# Family: driver, shim, its environment, how it tells, and what `waves` counts.
FAMILIES = {
    "AMD RDNA3 (Navi 31)": ("radeon", "amdgpu", {"AMDGPU_GPU_ID": "navi31"}, RADV, "waves a SIMD"),
    "AMD RDNA3 APU (Phoenix)": ("radeon", "amdgpu", {"AMDGPU_GPU_ID": "phoenix"}, RADV, "waves a SIMD"),
    "AMD RDNA2 (Navi 21)": ("radeon", "amdgpu", {"AMDGPU_GPU_ID": "navi21"}, RADV, "waves a SIMD"),
    "AMD Vega APU (Raven)": ("radeon", "amdgpu", {"AMDGPU_GPU_ID": "raven"}, RADV, "waves a SIMD"),
    "NVIDIA Ampere (GA102)": ("nouveau", "nouveau", {"NOUVEAU_CHIPSET": "0x172"}, NAK, "warps an SM"),
    "Apple M1": ("asahi", "asahi", {}, AGX, "threads a core"),
    "Adreno 740": ("freedreno", "freedreno", {"FD_GPU_ID": "740"}, IR3, "waves a processor"),
}
SAYS = {
    "radeon": {"RADV_DEBUG": "shaderstats,nocache"},
    "nouveau": {"NAK_DEBUG": "print"},
    "asahi": {"AGX_MESA_DEBUG": "shaderdb"},
    "freedreno": {"IR3_SHADER_DEBUG": "cs"},
}


def compiled(folder, family, flags):
    """What a driver told of each kernel, in the order that they were compiled: (name, {what: number}); and the command."""
    driver, shim, which, tells, _ = FAMILIES[family]
    before, env = other_mesa.launcher(folder, driver, shim)
    says = {**which, **SAYS[driver], "MESA_SHADER_CACHE_DISABLE": "true"}
    command = ["profile", "--compile-only", *flags]
    done = subprocess.run(
        [*before, PROGRAM, *command],
        env={**os.environ, **env, **says},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        timeout=600,
    )
    if done.returncode != 0:
        sys.exit(f"{family}: exit code {done.returncode}\n{done.stdout[-2000:]}")
    kernels = []
    for line in done.stdout.splitlines():
        if line.startswith("kernel "):
            kernels.append((line.removeprefix("kernel "), {}))
        elif kernels:
            for what, pattern in tells.items():
                if found := re.search(pattern, line.removeprefix("MESA: info: ; ")):
                    told = kernels[-1][1]
                    # A pipeline has one shader here; spills are of two kinds in some drivers.
                    # Adreno's driver does not count what it puts aside, but lists the instructions that do so.
                    number = int(found[1]) if found[1].isdigit() else 1
                    told[what] = told.get(what, 0) + number if what == "spills" else number
    # A driver need not compile the same source twice.
    told_of = {name for name, told in kernels if "registers" in told}
    silent = sorted({name for name, _ in kernels} - told_of)
    if silent or not kernels:
        sys.exit(f"{family}: nothing was told of {silent or 'any kernel'}; is it the suite that this was written for?")
    text = " ".join([*(f"{key}={value}" for key, value in {**which, **SAYS[driver]}.items()), "gatewright", *command])
    return kernels, text


def worst(kernels):
    """By kernel name: of its forms the greatest of each number, but of waves the least."""
    by_name = {}
    for name, told in kernels:
        so_far = by_name.setdefault(name, {})
        for what, number in told.items():
            pick = min if what == "waves" else max
            so_far[what] = pick(so_far.get(what, number), number)
    return by_name


def tables(results):
    """Markdown of {configuration: {family: (kernels by name, command)}}."""
    lines = []
    for configuration, families in results.items():
        names = sorted({name for by_name, _ in families.values() for name in by_name})
        lines += [f"### {configuration}", "", "| kernel | " + " | ".join(families) + " |", "|---" * (len(families) + 1) + "|"]
        for name in names:
            cells = []
            for by_name, _ in families.values():
                told = by_name.get(name)
                spills = f", **{told['spills']} spilled**" if told and told.get("spills") else ""
                cells.append(f"{told['registers']} · {told['waves']} · {told['instructions']}{spills}" if told else "–")
            lines.append(f"| `{name}` | " + " | ".join(cells) + " |")
        told_of = {f: by_name for f, (by_name, _) in families.items() if any("latency" in t for t in by_name.values())}
        lines += ["", "Estimated cycles, latency (and, where told, inverse throughput) of one wave:", ""]
        lines += ["| kernel | " + " | ".join(told_of) + " |", "|---" * (len(told_of) + 1) + "|"]
        for name in names:
            cells = [of.get(name, {}) for of in told_of.values()]
            text = [f"{t.get('latency', '–')}" + (f" ({t['throughput']})" if "throughput" in t else "") for t in cells]
            lines.append(f"| `{name}` | " + " | ".join(text) + " |")
        lines += ["", "By:", "", "```", *(command for _, command in families.values()), "```", ""]
    return lines


def main():
    global PROGRAM
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("mesa", type=pathlib.Path, help="folder that scripts/other_mesa.py filled")
    arguments.add_argument("--program", type=pathlib.Path, default=PROGRAM)
    arguments.add_argument("--json", type=pathlib.Path)
    arguments.add_argument("--write", type=pathlib.Path, help="put the tables between the marks of this Markdown file")
    given = arguments.parse_args()
    PROGRAM = given.program.resolve()
    results, spilled = {}, []
    for configuration, flags in CONFIGURATIONS.items():
        for family in FAMILIES:
            kernels, command = compiled(given.mesa, family, flags)
            by_name = worst(kernels)
            spilled += [f"{family}: {name}" for name, told in by_name.items() if told.get("spills")]
            results.setdefault(configuration, {})[family] = (by_name, command)
    counts = "; ".join(f"{family}: {waves}" for family, (*_, waves) in FAMILIES.items())
    head = [
        f"Mesa {other_mesa.version(given.mesa)}. Each cell: registers a lane · waves in flight at most · instructions, of a kernel's "
        f"forms the worst. Waves are counted as the driver does ({counts}).",
        "",
        "**No kernel spills.**" if not spilled else "Spilling: " + ", ".join(spilled) + ".",
        "",
    ]
    text = "\n".join([*head, *tables(results)])
    if given.json:
        given.json.write_text(json.dumps(results, indent=1))
    if given.write:
        page = given.write.read_text()
        before, _, rest = page.partition(BEGIN)
        _, _, after = rest.partition(END)
        given.write.write_text(f"{before}{BEGIN}\n{text}{END}{after}")
    else:
        print(text)
    sys.exit("kernels spill: " + ", ".join(spilled) if spilled else 0)


main()
