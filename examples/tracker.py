#!/usr/bin/env python3
"""Follow a run's metrics.jsonl as it grows and hand each evaluation to a tracker of experiments.

    gatewright train --out run & python tracker.py run

What `log` does is yours: mlflow.log_metrics(metrics, step=step), wandb.log(metrics, step=step), … Here it prints.
"""

import json
import pathlib
import sys
import time


def log(metrics, step):
    print(step, " ".join(f"{key}={value:.4g}" for key, value in metrics.items()), flush=True)


def follow(folder):
    """Each evaluation of the run in `folder`, once; ends when the run has ended."""
    path, seen = folder / "metrics.jsonl", 0
    while True:
        has_ended = (folder / "summary.json").exists()
        lines = path.read_text().splitlines(keepends=True) if path.exists() else []
        for line in lines[seen:]:
            if line.endswith("\n"):
                seen += 1
                yield json.loads(line)
        if has_ended:
            return
        time.sleep(0.5)


for metrics in follow(pathlib.Path(sys.argv[1])):
    step = metrics.pop("step")
    log({key: value for key, value in metrics.items() if isinstance(value, (int, float))}, step)
