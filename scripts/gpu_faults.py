#!/usr/bin/env python3
"""Make the GPU's driver fail under real runs, and check that each ends in one sentence and can be gone on with.

    apt-get install libvulkan-dev
    cargo build --release && scripts/gpu_faults.py [--program PATH]

A Vulkan layer, scripts/fault_layer.c, stands between the program and a sound driver. Needs a C compiler.
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
PROGRAM = HERE.parent / "target/release/gatewright"
RUN = "--layers 3x1000 --batch 64 --steps 600 --eval-every 100 --checkpoint-steps 50".split()
SHORT = "--layers 2x200 --batch 64 --steps 4 --eval-every 4".split()
LAYER = "VK_LAYER_GATEWRIGHT_faults"
LOST = "the GPU was lost"
NO_MEMORY = "the GPU is out of memory"
# The fault, the words that the sentence must hold, and whether a new device can go on from there.
FAULTS = [
    ("memory:1", "cannot open", False),
    ("memory:2", NO_MEMORY, False),
    ("submit:1", LOST, True),
    ("submit:40", LOST, True),
    ("submit:200", LOST, True),
    ("wait:1", LOST, True),
    ("wait:60", LOST, True),
    ("hang:1", "the GPU has not answered for 60 seconds", True),
    ("hang:60", "the GPU has not answered for 600 seconds", True),
    ("idle:1", "takes work and does not do it", False),
]


def check(condition, complaint):
    if not condition:
        sys.exit(f"FAILED: {complaint}")


def build_layer(folder):
    """Compile the layer; returns the environment that puts it before the driver."""
    library = folder / "libfaults.so"
    # Never unloaded, for it must remember over devices that it has failed.
    command = ["cc", "-shared", "-fPIC", "-O1", "-Wl,-z,nodelete", "-o", library, HERE / "fault_layer.c"]
    subprocess.run(command, check=True)
    layer = {
        "name": LAYER,
        "type": "GLOBAL",
        "library_path": str(library),
        "api_version": "1.3.0",
        "implementation_version": "1",
        "description": "A driver that fails",
    }
    manifest = {"file_format_version": "1.1.2", "layer": layer}
    (folder / "faults.json").write_text(json.dumps(manifest))
    return {**os.environ, "VK_LAYER_PATH": str(folder), "VK_INSTANCE_LAYERS": LAYER}


def train(folder, env, *more, resume=False, run=RUN):
    start = ["--resume", folder] if resume else [*run, "--out", folder]
    command = [PROGRAM, "train", "--adapter", "0", *start, *more]
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=300)


def check_told(fault, done, words, folder):
    """Exit code 1, one sentence, no panic, and the newest checkpoint's path where there is one."""
    check(done.returncode == 1, f"{fault}: exit code {done.returncode}\n{done.stderr}")
    check("panicked" not in done.stderr, f"{fault}: a panic\n{done.stderr}")
    errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    check(len(errors) == 1 and words in errors[0], f"{fault}: {errors}\n{done.stderr}")
    check(done.stderr.rstrip().endswith(errors[0]), f"{fault}: more than a sentence\n{done.stderr}")
    checkpoints = sorted((folder / "checkpoints").glob("*")) if folder.exists() else []
    if checkpoints:
        check(str(checkpoints[-1]) in errors[0], f"{fault}: {checkpoints[-1]} is not told of in {errors[0]}")
    print(f"{fault}: {errors[0]}")


def check_drivers(work, env):
    """Drivers that are sound, but not what most are: what they lack is done without, or told in a sentence."""

    def devices(driver, **more):
        command = [PROGRAM, "devices", "--json"]
        done = subprocess.run(command, env={**env, "GATEWRIGHT_DRIVER": driver, **more}, capture_output=True, text=True)
        check(done.returncode == 0, f"{driver}: {done.stderr}")
        return json.loads(done.stdout)

    done = train(work / "small", {**env, "GATEWRIGHT_DRIVER": "small"}, run=SHORT)
    check(done.returncode == 0, f"small: a GPU without large images cannot train\n{done.stderr}")
    done = train(work / "weak", {**env, "GATEWRIGHT_DRIVER": "weak"}, run=SHORT)
    check_told("weak", done, "offers 128 lanes a workgroup, and kernels need 256", work / "weak")
    check(devices("narrow")["adapters"][0]["subgroup_lanes"][0] == 2, "narrow: subgroups of 2 lanes are not told of")
    old = devices("old")
    check(not old["adapters"] and "WGPU_ALLOW_UNDERLYING_NONCOMPLIANT_ADAPTER=1" in old["advice"][0], f"old: {old}")
    old = devices("old", WGPU_ALLOW_UNDERLYING_NONCOMPLIANT_ADAPTER="1")
    check(old["adapters"] and not old["advice"], f"old, and allowed: {old}")
    done = train(work / "old", {**env, "GATEWRIGHT_DRIVER": "old"}, run=SHORT)
    check_told("old", done, "was passed over", work / "old")
    done = train(work / "slow", {**env, "GATEWRIGHT_DRIVER": "slow"}, run=SHORT)
    check(done.returncode == 0, f"slow: {done.stderr}")
    submissions = int(done.stderr.split("submissions ")[1].split()[0])
    check(submissions >= 4 * 6, f"slow: 4 steps of over half a second went into {submissions} submissions")
    print("small, weak, narrow and old drivers are done with, or told of in a sentence")


def main():
    global PROGRAM
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--program", type=pathlib.Path, default=PROGRAM)
    PROGRAM = arguments.parse_args().program.resolve()
    with tempfile.TemporaryDirectory() as work:
        work = pathlib.Path(work)
        env = build_layer(work)
        check_drivers(work, env)
        whole = work / "whole"
        done = train(whole, env)
        check(done.returncode == 0, done.stderr)
        model = (whole / "model.safetensors").read_bytes()
        for fault, words, can_retry in FAULTS:
            failing = {**env, "GATEWRIGHT_FAULT": fault}
            folder = work / fault.replace(":", "-")
            check_told(fault, train(folder, failing), words, folder)
            done = train(folder, env, resume=(folder / "config.toml").exists())
            check(done.returncode == 0, f"{fault}: cannot go on\n{done.stderr}")
            check((folder / "model.safetensors").read_bytes() == model, f"{fault}: another model")
            if can_retry:
                again = work / f"{folder.name}-again"
                done = train(again, failing, "--retry-lost-device", "1")
                check(done.returncode == 0 and "panicked" not in done.stderr, f"{fault}: no retry\n{done.stderr}")
                check((again / "model.safetensors").read_bytes() == model, f"{fault}: another model after a retry")
    print("every fault was told in a sentence, and every run ended in the same bytes")


main()
