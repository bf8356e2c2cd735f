#!/usr/bin/env python3
"""Training on other Vulkan drivers than the machine's, and under Vulkan's validation; what CI runs of it, after the tests, takes under
two minutes.

    apt-get install chromium-common vulkan-validationlayers
    cargo build --release && scripts/drivers.py second validation [--program PATH]
    scripts/other_mesa.py FOLDER && scripts/drivers.py mesa --mesa FOLDER

second      SwiftShader, whose compiler and memory are its own (it comes with Chromium): whole runs, each of which fails unless the
            circuit on the CPU gives the GPU's votes on every test sample, and the tests that hold integer table gradients against
            their twin, bit for bit. On the machine's own driver `cargo test` has run the same, so the two drivers' are equal.
validation  A few steps and an evaluation of every method under Vulkan's validation with synchronization validation: no message. A
            control, a run with the layer's best-practices messages, shows that the layer was there.
mesa        Runs by the lavapipe of another Mesa, against the machine's: the same bytes of the model. CI leaves it out.
"""

import argparse
import concurrent.futures
import os
import pathlib
import subprocess
import sys
import tempfile

import other_mesa

HERE = pathlib.Path(__file__).resolve().parent
PROGRAM = HERE.parent / "target/release/gatewright"
SWIFTSHADER = pathlib.Path("/usr/lib/chromium/vk_swiftshader_icd.json")
LAYERS = pathlib.Path("/usr/share/vulkan/explicit_layer.d/VkLayer_khronos_validation.json")
SMALL = "--batch 64 --steps 12 --eval-every 12 --thresholds 1".split()
TREES = ["--layers", "conv 8 3x3 pad 1 pool 2; conv 12 3x3 depth 1 pool 2; 200", "--rare", "0", "--learn-wiring", "none"]
# What differs in their kernels: every method, and under the first the kinds of gradients, CAGE's scopes and gates of more inputs;
# and trees of convolutions.
RUNS = {
    "hard-st": ["--method", "hard-st"],
    "hard-st f32": ["--method", "hard-st", "--gradients", "f32"],
    "hard-st cage gate": ["--method", "hard-st", "--cage-scope", "gate"],
    "hard-st augmented": ["--method", "hard-st", "--shift", "1", "--rotate", "5"],
    "gumbel-st 4 inputs": ["--method", "gumbel-st", "--arity", "4"],
    "soft-mix": ["--method", "soft-mix"],
    "soft-gumbel": ["--method", "soft-gumbel"],
    "convolutions": ["--method", "hard-st", *TREES],
    "convolutions f32": ["--method", "gumbel-st", "--gradients", "f32", *TREES],
    "convolutions soft-mix": ["--method", "soft-mix", *TREES],
}
# One of each method, for a driver that is slow; and those whose gradients are whole numbers, which no driver's f32 can change.
FEW = ["hard-st", "gumbel-st 4 inputs", "convolutions", "soft-mix", "soft-gumbel"]
WHOLE = FEW[:3]


def train(env, flags, folder, launcher=()):
    """Run `train`; complains where it fails. Returns what it printed, stdout before stderr."""
    layers = [] if "--layers" in flags else ["--layers", "2x200"]
    command = [*launcher, PROGRAM, "train", "--adapter", "0", *SMALL, *layers, *flags, "--out", folder]
    done = subprocess.run(command, env={**os.environ, **env}, capture_output=True, text=True, timeout=600)
    check(done.returncode == 0, f"{' '.join(map(str, flags))}: exit code {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout + done.stderr


def all_of(names, run):
    """`run` of each name, as many at once as there are cores: most of a short run is one thread that compiles kernels."""
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        yield from zip(names, pool.map(run, names))


def second(work):
    if not SWIFTSHADER.exists():
        sys.exit("SwiftShader is missing; on Debian `apt-get install chromium-common`")
    env = {"VK_DRIVER_FILES": str(SWIFTSHADER), "VK_ICD_FILENAMES": str(SWIFTSHADER)}
    for name, told in all_of(FEW, lambda name: train(env, RUNS[name], work / name.replace(" ", "-"))):
        check("SwiftShader" in told, f"{name} did not run on SwiftShader:\n{told}")
        check("the circuit on the CPU gives the same votes" in told, f"{name}: votes were not compared:\n{told}")
        print(f"SwiftShader: {name}: the CPU's circuit gives the same votes")
    command = "cargo test --release --test kernels -- slice".split()
    done = subprocess.run(command, env={**os.environ, **env}, cwd=HERE.parent, capture_output=True, text=True)
    passed = [line for line in done.stdout.splitlines() if line.startswith("test result: ok")]
    check(done.returncode == 0 and passed, f"SwiftShader: {done.stdout}{done.stderr}")
    check(" 0 passed" not in passed[0], f"no test of sliced gradients was found: {passed[0]}")
    print(f"SwiftShader: integer table gradients equal their twin's bit for bit: {passed[0].split('. ')[1]}")


def validation(work):
    if not LAYERS.exists():
        sys.exit("Vulkan's validation is missing; on Debian `apt-get install vulkan-validationlayers`")
    env = {"VK_INSTANCE_LAYERS": "VK_LAYER_KHRONOS_validation", "VK_LAYER_SETTINGS_PATH": str(work)}

    def settings(features):
        told = {
            "debug_action": "VK_DBG_LAYER_ACTION_LOG_MSG",
            "report_flags": "error,warn,perf",
            "log_filename": "stdout",
            "enables": ",".join(features),
        }
        lines = [f"khronos_validation.{key} = {value}\n" for key, value in told.items()]
        (work / "vk_layer_settings.txt").write_text("".join(lines))

    def messages(told):
        return [line for line in told.splitlines() if line.startswith(("VUID-", "SYNC-", "BestPractices", "UNASSIGNED"))]

    sync = "VK_VALIDATION_FEATURE_ENABLE_SYNCHRONIZATION_VALIDATION_EXT"
    settings([sync, "VK_VALIDATION_FEATURE_ENABLE_BEST_PRACTICES_EXT"])
    control = messages(train(env, RUNS["hard-st"], work / "control"))
    check(control, "the control gave no message, so the layer was not there")
    settings([sync])
    validated = lambda name: messages(train(env, RUNS[name], work / f"validated {name}".replace(" ", "-")))
    for name, told in all_of(RUNS, validated):
        check(not told, f"{name}:\n" + "\n".join(told))
    print(f"Vulkan's validation says nothing of {len(RUNS)} runs; the control gave {len(control)} messages")


def mesa(work):
    launcher, env = other_mesa.launcher(MESA, "lvp")
    for name in WHOLE:
        train({}, RUNS[name], work / f"{name} here")
        told = train(env, RUNS[name], work / f"{name} there", launcher)
        models = [(work / f"{name} {where}/model.safetensors").read_bytes() for where in ["here", "there"]]
        check(models[0] == models[1], f"{name}: another model by Mesa {other_mesa.version(MESA)}")
        driver = next(line for line in told.splitlines() if "llvmpipe" in line)
        print(f"Mesa {other_mesa.version(MESA)}, {driver}: {name}: the same bytes")


def check(condition, complaint):
    if not condition:
        sys.exit(f"FAILED: {complaint}")


def main():
    global MESA, PROGRAM
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("what", nargs="+", choices=["second", "validation", "mesa"])
    arguments.add_argument("--mesa", type=pathlib.Path, help="folder that scripts/other_mesa.py filled")
    arguments.add_argument("--program", type=pathlib.Path, default=PROGRAM)
    given = arguments.parse_args()
    PROGRAM, MESA = given.program.resolve(), given.mesa
    if "mesa" in given.what and not MESA:
        arguments.error("mesa takes --mesa FOLDER")
    with tempfile.TemporaryDirectory() as work:
        for what in given.what:
            {"second": second, "validation": validation, "mesa": mesa}[what](pathlib.Path(work))


main()
