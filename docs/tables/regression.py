#!/usr/bin/env python3
"""Compare gatewright's R2 with that of a line, a decision tree and a random forest, over the same ten splits.

usage: regression.py GATEWRIGHT diabetes friedman1 smooth [-- FLAGS OF TRAIN]        (needs scikit-learn)
"""
import csv, json, os, subprocess, sys, tempfile

import numpy as np
from sklearn import datasets
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import train_test_split
from sklearn.tree import DecisionTreeRegressor

SPLITS = TREES = 10


def load(name):
    if name == "friedman1":
        return datasets.make_friedman1(n_samples=2000, noise=1.0, random_state=0)
    if name == "smooth":
        x = np.random.default_rng(0).uniform(-1, 1, (4000, 3))
        return x, 50 + 20 * np.sin(3 * x[:, 0]) + 10 * x[:, 1] ** 2 + 5 * x[:, 0] * x[:, 2]
    return getattr(datasets, "load_" + name)(return_X_y=True)


def write(path, x, y):
    with open(path, "w", newline="") as file:
        rows = [[*map(float, row), float(value)] for row, value in zip(x, y)]
        csv.writer(file).writerows([[f"x{i}" for i in range(len(x[0]))] + ["y"]] + rows)


def mean(values):
    return sum(values) / len(values)


program, names = sys.argv[1], sys.argv[2:]
flags = names[names.index("--") + 1 :] if "--" in names else []
for name in names[: names.index("--")] if "--" in names else names:
    x, y = load(name)
    found = {"gatewright": [], "line": [], "decision tree": [], "random forest": []}
    for split in range(SPLITS):
        a, b, y_a, y_b = train_test_split(x, y, test_size=0.2, random_state=split)
        with tempfile.TemporaryDirectory() as folder:
            train, test = (os.path.join(folder, part + ".csv") for part in ("train", "test"))
            write(train, a, y_a)
            write(test, b, y_b)
            command = [program, "train", "--data", train, "--test", test, "--task", "values", "--json", *flags]
            done = subprocess.run(command + ["--out", os.path.join(folder, "run")], capture_output=True, check=True)
            found["gatewright"].append(json.loads(done.stdout)["test_accuracy"])
        score = lambda model: model.fit(a, y_a).score(b, y_b)
        found["line"].append(score(LinearRegression()))
        found["decision tree"].append(mean([score(DecisionTreeRegressor(random_state=s)) for s in range(TREES)]))
        found["random forest"].append(score(RandomForestRegressor(random_state=0)))
    print(f"{name}: " + ", ".join(f"{who} {mean(r2):.3f}" for who, r2 in found.items()), flush=True)
