#!/usr/bin/env python3
"""Compile the HLSL of every kernel by DXC, and one of each kind by FXC, as wgpu does under DX12: Microsoft's compilers under Wine.

    apt-get install wine64 gcc-mingw-w64-x86-64
    npm ci --prefix scripts/tint                     # its package holds the two DLLs
    GATEWRIGHT_SHADER_DUMP=/tmp/shaders cargo test --release --test shaders
    scripts/dxc.py /tmp/shaders [--limit SECONDS] [--markdown FILE]

Prints what was refused and the slowest; exit code 1 where DXC refuses any. FXC is what wgpu takes where no dxcompiler.dll is found:
each of its kernels is given so many seconds.
"""

import argparse
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
DLLS = HERE / "tint/node_modules/webgpu/dist/win32-x64"
COMPILER = "x86_64-w64-mingw32-gcc"
AT_ONCE = 100


def compile_by(which, files, folder, limit=None):
    """What the compiler `which` told of `files`, by name: (word, seconds, complaint)."""
    command = ["wine64", "compile.exe", which, *(f"sources/{f.name}" for f in files)]
    try:
        done = subprocess.run(command, cwd=folder, env=environment(folder), capture_output=True, text=True, timeout=limit)
    except subprocess.TimeoutExpired:
        subprocess.run(["wine64", "wineboot", "--kill"], env=environment(folder), capture_output=True)
        return {f.name: ("unfinished", limit, "") for f in files}
    lines = done.stdout.splitlines()
    if not lines or lines[-1] != "end":
        sys.exit(f"{which} did not come to an end: {done.stdout[-500:]}{done.stderr[-500:]}")
    told = {}
    for line in lines[:-1]:
        word, seconds, rest = line.split(" ", 2)
        name, _, complaint = rest.partition(": ")
        told[pathlib.Path(name).name] = (word, float(seconds), complaint)
    return told


def environment(folder):
    return {**os.environ, "WINEPREFIX": str(folder / "prefix"), "WINEDEBUG": "-all"}


def kind(name):
    """The kernel's name in a dumped file's: 0012-backward_hard.hlsl."""
    return pathlib.Path(name).stem.split("-", 1)[1]


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("dump", type=pathlib.Path)
    arguments.add_argument("--limit", type=float, default=150.0)
    arguments.add_argument("--markdown", type=pathlib.Path)
    given = arguments.parse_args()
    for tool in ["wine64", COMPILER]:
        if not shutil.which(tool):
            sys.exit(f"{tool} is missing; on Debian `apt-get install wine64 gcc-mingw-w64-x86-64`")
    if not DLLS.exists():
        sys.exit("the compilers' DLLs are missing; `npm ci --prefix scripts/tint` brings them")
    files = sorted(given.dump.glob("*.hlsl"))
    if not files:
        sys.exit(f"{given.dump} has no .hlsl files; see the head of this script")
    with tempfile.TemporaryDirectory() as work:
        work = pathlib.Path(work)
        subprocess.run([COMPILER, "-O1", "-o", work / "compile.exe", HERE / "dxc.c"], check=True)
        (work / "sources").mkdir()
        for file in [*files, *DLLS.glob("*.dll")]:
            shutil.copy(file, work / "sources" if file.suffix == ".hlsl" else work)
        subprocess.run(["wine64", "wineboot", "--init"], env=environment(work), capture_output=True)
        dxc = {}
        for at in range(0, len(files), AT_ONCE):
            dxc |= compile_by("dxc", files[at : at + AT_ONCE], work)
        first = {kind(f.name): f for f in reversed(files)}
        fxc = {f.name: compile_by("fxc", [f], work, given.limit)[f.name] for _, f in sorted(first.items())}
    refused = [(name, told[2]) for name, told in dxc.items() if told[0] != "ok"]
    for name, complaint in refused:
        print(f"DXC refuses {name}: {complaint}")
    rows = []
    for name, (word, seconds, complaint) in sorted(fxc.items(), key=lambda told: kind(told[0])):
        by_dxc = [told[1] for other, told in dxc.items() if kind(other) == kind(name)]
        by_fxc = {"ok": f"{seconds:.2f} s", "unfinished": f"over {seconds:.0f} s"}.get(word, f"refused: {complaint}")
        rows.append(f"| {kind(name)} | {len(by_dxc)} | {max(by_dxc):.2f} s | {by_fxc} |")
    head = ["| kernel | sources | slowest by DXC | one of them by FXC |", "|---|---|---|---|"]
    closing = f"DXC accepts {len(dxc) - len(refused)} of {len(dxc)} sources."
    text = "\n".join([*head, *rows, "", closing])
    print(text)
    if given.markdown:
        given.markdown.write_text(text + "\n")
    sys.exit(1 if refused else 0)


main()
