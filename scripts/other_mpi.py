#!/usr/bin/env python3
"""Train under the launchers of three families of MPI and compare the model's SHA-256 with one process's; see that a launcher with a
library of another family is refused. Nothing is installed: Debian's packages and a wheel are unpacked into a folder.

    scripts/other_mpi.py target/release/gatewright                   # needs apt-get, dpkg, pip, and Open MPI's mpirun
    scripts/other_mpi.py target/release/gatewright --folder mpi      # keep what was fetched for the next time
    scripts/other_mpi.py target/release/gatewright --adapter llvmpipe

Exit code 1 if a model differs or a mixture is not refused.
"""
import argparse
import hashlib
import os
import pathlib
import subprocess
import sys
import tempfile
import zipfile

# Debian's MPICH, with what is not there beside Open MPI.
DEBIAN = ["mpich", "libmpich12", "libslurm38"]
WHEEL = "mpich==5.0.2"
LIBRARIES = "usr/lib/x86_64-linux-gnu"
FLAGS = "train --data mnist --layers 500,300 --steps 40 --eval-every 20 --batch 128 --threads 1 --adapter".split()

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("program", type=pathlib.Path)
parser.add_argument("--folder", type=pathlib.Path, help="where to unpack; kept")
parser.add_argument("--adapter", default="cpu")
args = parser.parse_args()
program = args.program.resolve()


def fetch(folder):
    """Debian's MPICH in `folder`/debian, the wheel's in `folder`/wheel."""
    debian, wheel = folder / "debian", folder / "wheel"
    if not debian.exists():
        subprocess.run(["apt-get", "download", *DEBIAN], cwd=folder, check=True, capture_output=True)
        for package in folder.glob("*.deb"):
            subprocess.run(["dpkg", "-x", package, debian], check=True)
    if not wheel.exists():
        pip = [sys.executable, "-m", "pip", "download", "--no-deps", WHEEL, "--dest", folder]
        subprocess.run(pip, check=True, capture_output=True)
        with zipfile.ZipFile(next(folder.glob("mpich-*.whl"))) as packed:
            packed.extractall(wheel)
        for tool in wheel.glob("*.data/data/bin/*"):
            tool.chmod(0o755)
    return debian, next(wheel.glob("*.data/data"))


def train(folder, launcher, adapter, **variables):
    """The SHA-256 of what is trained, or what was told instead."""
    out = folder / "run"
    flags = [flag for flag in FLAGS if adapter == "cpu" or flag not in ("--threads", "1")]
    told = subprocess.run(
        [*launcher, program, *flags, adapter, "--out", out],
        cwd=folder,
        env={**os.environ, "OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1", **variables},
        capture_output=True,
        text=True,
        timeout=600,
    )
    if told.returncode != 0:
        return "", told.stderr
    libraries = [line.split(" ranks by ")[1] for line in told.stderr.splitlines() if " ranks by " in line]
    digest = hashlib.sha256((out / "model.safetensors").read_bytes()).hexdigest()
    return digest, pathlib.Path(libraries[0]).name if libraries else "no MPI"


def main(folder):
    debian, wheel = fetch(folder)
    debian_path = {"LD_LIBRARY_PATH": str(debian / LIBRARIES)}
    open_mpi = ["mpirun", "--oversubscribe", "-n", "2"]
    mpich = [debian / "usr/bin/mpiexec.hydra", "-n", "2"]
    abi = [wheel / "bin/mpiexec", "-n", "2"]
    same = [
        ("one process", [], {}),
        ("Open MPI's mpirun -n 2", open_mpi, {}),
        ("MPICH's mpiexec -n 2", mpich, debian_path),
        ("MPICH 5's mpiexec -n 2, MPI-5 ABI", abi, {"GATEWRIGHT_MPI": str(wheel / "lib/libmpi_abi.so.1")}),
        ("MPICH 5's mpiexec -n 2, its own ABI", abi, {"GATEWRIGHT_MPI": str(wheel / "lib/libmpi.so.12")}),
    ]
    mixed = [
        ("Open MPI's mpirun, MPICH", open_mpi, {**debian_path, "GATEWRIGHT_MPI": str(debian / LIBRARIES / "libmpich.so.12")}),
        ("Open MPI's mpirun, MPI-5 ABI", open_mpi, {"GATEWRIGHT_MPI": str(wheel / "lib/libmpi_abi.so.1")}),
        ("MPICH's mpiexec, Open MPI", mpich, {**debian_path, "GATEWRIGHT_MPI": "libmpi.so.40"}),
    ]
    failed, first = 0, None
    for name, launcher, variables in same:
        with tempfile.TemporaryDirectory() as runs:
            digest, told = train(pathlib.Path(runs), launcher, args.adapter, **variables)
        first = first or digest
        is_right = digest != "" and digest == first
        failed += not is_right
        print(f"{name}: {digest[:16]} {'same' if is_right else 'DIFFERS'}, {told.strip()}", flush=True)
    for name, launcher, variables in mixed:
        with tempfile.TemporaryDirectory() as runs:
            digest, told = train(pathlib.Path(runs), launcher, args.adapter, **variables)
        # MPICH's library ends the program by itself where it does not know the launcher's protocol.
        by = "gatewright" if "different families" in told else "the library" if "MPI_Init_thread" in told else ""
        failed += digest != "" or by == ""
        print(f"{name}: {f'refused by {by}' if digest == '' and by else f'NOT REFUSED: {digest} {told}'}", flush=True)
    sys.exit(1 if failed else 0)


if args.folder:
    args.folder.mkdir(parents=True, exist_ok=True)
    main(args.folder.resolve())
with tempfile.TemporaryDirectory() as made:
    main(pathlib.Path(made))
