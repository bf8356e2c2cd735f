#!/usr/bin/env python3
"""Train 200 steps in eight settings on software Vulkan and compare the model files' SHA-256 with those recorded in
scripts/same_bytes.txt, which were taken before the seams were rebuilt: a change of the code's shape changes no arithmetic.

    scripts/same_bytes.py target/release/gatewright            # compare; exit code 1 if one differs
    scripts/same_bytes.py target/release/gatewright --record   # write them anew, after a change of arithmetic that is meant

Bytes depend on the driver's compiler (they were the same for Mesa 22.3.6, 25.0.7 and 26.1.6 on x86-64), so this is a
script, not a test.
"""
import hashlib
import math
import pathlib
import subprocess
import sys
import tempfile

# What were the defaults when the sums were recorded.
DEEP = "--wiring unique --tau 10 --shift 0".split()
SETTINGS = {
    "int8": [],
    "f32": ["--gradients", "f32"],
    "bf16": ["--gradients", "bf16"],
    "gumbel-st": ["--method", "gumbel-st"],
    "soft-mix": ["--method", "soft-mix", "--layers", "3x2000"],
    "cage-by-gate": ["--cage-scope", "gate"],
    "micro-batch": ["--micro-batch", "64"],
    "values": ["--task", "values"],
}


def table(path):
    """A made table: y = sin a + b c, with no random number library between versions."""
    rows = ["a,b,c,y"]
    for i in range(600):
        a, b, c = ((i * k) % 97 / 97 for k in (13, 29, 61))
        rows.append(f"{a:.4f},{b:.4f},{c:.4f},{math.sin(6 * a) + b * c:.4f}")
    path.write_text("\n".join(rows) + "\n")


def main():
    program, record = pathlib.Path(sys.argv[1]).resolve(), "--record" in sys.argv[2:]
    kept = pathlib.Path(__file__).with_suffix(".txt")
    known = {} if record else dict(line.split() for line in kept.read_text().splitlines())
    found, differ = {}, 0
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        table(folder / "made.csv")
        for name, flags in SETTINGS.items():
            if name == "values":
                flags = flags + ["--data", str(folder / "made.csv"), "--label", "y", "--preset", "table"]
            elif "--layers" not in flags:
                flags = flags + ["--layers", "6x6000"]
            out = folder / name
            command = [program, "train", "--adapter", "llvmpipe", "--steps", "200", "--eval-every", "200"]
            subprocess.run(command + ["--out", out] + DEEP + flags, cwd=folder, check=True, capture_output=True)
            found[name] = hashlib.sha256((out / "model.safetensors").read_bytes()).hexdigest()
            same = record or known.get(name) == found[name]
            differ += not same
            print(name, found[name], "" if same else f"differs from {known.get(name)}", flush=True)
    if record:
        kept.write_text("".join(f"{name} {digest}\n" for name, digest in found.items()))
    print(f"{differ} of {len(found)} differ")
    sys.exit(1 if differ else 0)


main()
