#!/usr/bin/env python3
"""Write docs/LICENSES.md: the licence of every crate that gatewright is built from.

    scripts/licences.py
"""

import collections
import json
import pathlib
import subprocess

ROOT = pathlib.Path(__file__).resolve().parent.parent


def main():
    metadata = subprocess.run(
        ["cargo", "metadata", "--format-version", "1", "--locked"], cwd=ROOT, check=True, capture_output=True
    )
    metadata = json.loads(metadata.stdout)
    nodes = {node["id"]: node for node in metadata["resolve"]["nodes"]}
    # What only tests need is part of neither the program nor the package for Python.
    own = set(metadata["workspace_members"])
    reached, open_ends = set(), list(own)
    while open_ends:
        at = open_ends.pop()
        if at in reached:
            continue
        reached.add(at)
        for dependency in nodes[at]["deps"]:
            if any(kind["kind"] != "dev" for kind in dependency["dep_kinds"]):
                open_ends.append(dependency["pkg"])
    by_licence = collections.defaultdict(list)
    for package in metadata["packages"]:
        if package["id"] in reached and package["id"] not in own:
            licence = (package["license"] or f"see {package['license_file']}").replace("/", " OR ")
            by_licence[licence].append(f"{package['name']} {package['version']}")
    lines = [
        "# Licences of the crates that gatewright is built from",
        "",
        "On all platforms together, by their own SPDX expressions; written by `scripts/licences.py` from `Cargo.lock`.",
        "",
        "| licence | crates |",
        "|---|---|",
    ]
    for licence, crates in sorted(by_licence.items(), key=lambda item: (-len(item[1]), item[0])):
        lines.append(f"| {licence} | {', '.join(sorted(crates))} |")
    (ROOT / "docs/LICENSES.md").write_text("\n".join(lines) + "\n")


main()
