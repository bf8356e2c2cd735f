#!/usr/bin/env python3
"""Kill, starve and freeze real runs, and check that each ends in the bytes of a run left alone.

    cargo build --release && scripts/survive.py [--kills 50] [--seed N] [--program PATH] [--skip-mounts]

Kills (SIGKILL, random moments) need nothing; the full and the read-only disk need the right to mount a tmpfs.
"""

import argparse
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile
import time

PROGRAM = pathlib.Path(__file__).resolve().parent.parent / "target/release/gatewright"
RUN = "--layers 3x1000 --batch 64 --steps 2000 --eval-every 250".split()
OFTEN = "--checkpoint-steps 50".split()
FILES = {"checkpoints", "config.toml", "curves.png", "metrics.jsonl", "model.safetensors", "run.lock", "summary.json"}


def train(folder, *more):
    """The command that begins the run in `folder`, or goes on with it."""
    if (folder / "config.toml").exists():
        return [PROGRAM, "train", "--adapter", "0", "--resume", folder, *OFTEN, *more]
    return [PROGRAM, "train", "--adapter", "0", *RUN, "--out", folder, *OFTEN, *more]


def finish(folder, *more):
    """Let the run end; returns what it said."""
    done = subprocess.run(train(folder, *more), capture_output=True, text=True)
    check(done.returncode == 0, f"{folder}: exit code {done.returncode}\n{done.stderr}")
    return done.stderr


def check(condition, complaint):
    if not condition:
        sys.exit(f"FAILED: {complaint}")


def check_end(folder, whole):
    """The folder is that of a run left alone, and nothing lies about."""
    names = {path.name for path in folder.iterdir()}
    check(names == FILES, f"{folder} holds {sorted(names)}")
    stray = [path.name for path in (folder / "checkpoints").iterdir() if path.suffix != ".ckpt"]
    check(not stray, f"{folder}/checkpoints holds {stray}")
    same = (folder / "model.safetensors").read_bytes() == (whole / "model.safetensors").read_bytes()
    check(same, f"{folder} ended in another model than {whole}")


def kill_often(work, whole, seconds, kills):
    """Kill at random moments of runs that each take about `seconds`, and resume every time."""
    killed = ended = 0
    while killed < kills:
        folder = work / f"killed-{ended}"
        while killed < kills:
            child = subprocess.Popen(train(folder), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            try:
                code = child.wait(timeout=random.uniform(0.05, 0.4 * seconds))
                check(code == 0, f"{folder} could not be resumed: exit code {code}\n{train(folder)}")
                break
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
                killed += 1
        finish(folder)
        check_end(folder, whole)
        shutil.rmtree(folder)
        ended += 1
    print(f"{killed} kills over {ended} runs: every one resumed and ended in the same bytes")


def wait_for(child, text):
    said = ""
    for line in child.stderr:
        said += line
        if text in line:
            return said
    sys.exit(f"FAILED: the run ended without saying `{text}`:\n{said}")


def begin(folder):
    child = subprocess.Popen(train(folder), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    return child, wait_for(child, "step    500/")


def starve(disk, whole):
    """Fill the disk once there is a checkpoint, then make room again."""
    child, said = begin(disk / "run")
    before = set((disk / "run/checkpoints").iterdir())
    with open(disk / "ballast", "wb", buffering=0) as ballast:
        try:
            while True:
                ballast.write(bytes(4096))
        except OSError:
            pass
    said += wait_for(child, "warning: cannot write")
    said += wait_for(child, "step   1000/")
    kept = set((disk / "run/checkpoints").iterdir()) & before
    check(kept, "no checkpoint from before the disk was full is left")
    (disk / "ballast").unlink()
    said += child.stderr.read()
    check(child.wait() == 0, said)
    check("No space left on device" in said and "training goes on" in said, said)
    check_end(disk / "run", whole)
    shutil.rmtree(disk / "run")
    print("full disk: told, the checkpoint before it kept, training went on to the same bytes")


def freeze(disk, whole):
    """Make the disk read-only under a run; it fails at its end only, and goes on when the disk can be written."""
    child, said = begin(disk / "run")
    subprocess.run(["mount", "-o", "remount,ro", disk], check=False, stderr=subprocess.DEVNULL)
    if subprocess.run(["touch", disk / "run/probe"], stderr=subprocess.DEVNULL).returncode == 0:
        # The open metrics file keeps the mount writable: stop the run first.
        (disk / "run/probe").unlink()
        child.kill()
        child.wait()
        subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
    else:
        said += child.stderr.read()
        check(child.wait() == 1 and "cannot write" in said, said)
    refused = subprocess.run(train(disk / "run"), capture_output=True, text=True)
    check(refused.returncode == 1 and "Read-only file system" in refused.stderr, refused.stderr)
    subprocess.run(["mount", "-o", "remount,rw", disk], check=True)
    finish(disk / "run")
    check_end(disk / "run", whole)
    print("read-only disk: told in a sentence, and gone on to the same bytes when it could be written")


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--kills", type=int, default=50)
    options.add_argument("--seed", type=int, default=time.time_ns())
    options.add_argument("--program", type=pathlib.Path, default=PROGRAM)
    options.add_argument("--skip-mounts", action="store_true")
    options = options.parse_args()
    globals()["PROGRAM"] = options.program.resolve()
    random.seed(options.seed)
    print(f"seed {options.seed}", flush=True)
    with tempfile.TemporaryDirectory() as work:
        work = pathlib.Path(work)
        whole = work / "whole"
        began = time.monotonic()
        finish(whole)
        seconds = time.monotonic() - began
        print(f"a run left alone takes {seconds:.1f} s", flush=True)
        kill_often(work, whole, seconds, options.kills)
        if options.skip_mounts:
            return
        disk = work / "disk"
        disk.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", disk], check=True)
        try:
            starve(disk, whole)
            freeze(disk, whole)
        finally:
            subprocess.run(["umount", "-l", disk], check=True)


main()
