#!/usr/bin/env python3
"""Another Mesa than the machine's, beside it: Debian's newest, unpacked into a folder and run by its own loader and C library.

    scripts/other_mesa.py FOLDER [--suite trixie-backports]

Nothing is installed. The folder takes 310 MB. For scripts/gpu_families.py and `scripts/drivers.py mesa`.
"""

import argparse
import json
import os
import pathlib
import subprocess

PACKAGES = ["mesa-vulkan-drivers", "mesa-drm-shim", "libvulkan1"]
KEYS = "/usr/share/keyrings/debian-archive-keyring.gpg"
MIRROR = "http://deb.debian.org/debian"


def fetch(folder, suite):
    """Download the packages and all that they depend on, and unpack them."""
    for part in ["lists/partial", "archives/partial", "root"]:
        (folder / part).mkdir(parents=True, exist_ok=True)
    (folder / "status").write_text("")
    suites = [suite] if suite.removesuffix("-backports") == suite else [suite, suite.removesuffix("-backports")]
    (folder / "sources.list").write_text("".join(f"deb [signed-by={KEYS}] {MIRROR} {s} main\n" for s in suites))
    options = {
        "Dir::State": folder,
        "Dir::State::status": folder / "status",
        "Dir::State::lists": folder / "lists",
        "Dir::Cache::archives": folder / "archives",
        "Dir::Etc::sourcelist": folder / "sources.list",
        "Dir::Etc::sourceparts": "/dev/null",
        "APT::Sandbox::User": "root",
        "Acquire::Languages": "none",
    }
    apt = ["apt-get", "-qq", *(f"-o{key}={value}" for key, value in options.items())]
    subprocess.run([*apt, "update"], check=True)
    install = ["-t", suite, "-y", "--no-install-recommends", "--download-only", "install"]
    subprocess.run([*apt, *install, *PACKAGES], check=True, stdout=subprocess.DEVNULL)
    for package in sorted((folder / "archives").glob("*.deb")):
        subprocess.run(["dpkg", "-x", package, folder / "root"], check=True)


def libraries(folder):
    return next((folder / "root/usr/lib").glob("*-linux-gnu"))


def version(folder):
    """Mesa's, as Debian tells it."""
    package = next((folder / "archives").glob("mesa-vulkan-drivers_*.deb"))
    told = subprocess.run(["dpkg-deb", "-f", package, "Version"], check=True, capture_output=True, text=True)
    return told.stdout.strip()


def launcher(folder, driver, shim=None):
    """What to put before a command, and into its environment, so that it runs on `driver` (its ICD's name without _icd.json) and,
    where the kernel has no such GPU, on a `shim` that plays one and executes nothing."""
    folder = folder.resolve()
    found = libraries(folder)
    manifest = json.loads((folder / f"root/usr/share/vulkan/icd.d/{driver}_icd.json").read_text())
    manifest["ICD"]["library_path"] = str(found / pathlib.Path(manifest["ICD"]["library_path"]).name)
    icd = folder / f"{driver}.json"
    icd.write_text(json.dumps(manifest))
    loader = next(found.glob("ld-linux*.so*"))
    preload = ["--preload", str(found / f"lib{shim}_noop_drm_shim.so")] if shim else []
    return [str(loader), "--library-path", str(found), *preload], {"VK_DRIVER_FILES": str(icd)}


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("folder", type=pathlib.Path)
    arguments.add_argument("--suite", default="trixie-backports")
    given = arguments.parse_args()
    fetch(given.folder.resolve(), given.suite)
    print(f"Mesa {version(given.folder)} in {given.folder}")


if __name__ == "__main__":
    main()
