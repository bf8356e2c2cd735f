#!/usr/bin/env python3
"""Compare gatewright with a decision tree on scikit-learn's small tables, over the same ten stratified splits.

usage: compare.py GATEWRIGHT iris wine breast_cancer digits        (needs scikit-learn)
"""
import csv, json, os, subprocess, sys, tempfile

from sklearn import datasets
from sklearn.model_selection import train_test_split
from sklearn.tree import DecisionTreeClassifier

SPLITS = TREES = 10


def write(path, header, rows):
    with open(path, "w", newline="") as file:
        csv.writer(file).writerows([header] + rows)


def percent(values):
    return 100 * sum(values) / len(values)


program, names = sys.argv[1], sys.argv[2:]
for name in names:
    table = getattr(datasets, "load_" + name)()
    header = list(table.feature_names) + ["class"]
    labels = [str(table.target_names[label]) for label in table.target]
    rows = [[*map(float, row), label] for row, label in zip(table.data, labels)]
    ours, tree = [], []
    for split in range(SPLITS):
        parts = train_test_split(rows, test_size=0.2, random_state=split, stratify=labels)
        with tempfile.TemporaryDirectory() as folder:
            paths = [os.path.join(folder, part + ".csv") for part in ("train", "test")]
            for path, part in zip(paths, parts):
                write(path, header, part)
            command = [program, "train", "--data", paths[0], "--test", paths[1], "--json"]
            done = subprocess.run(command + ["--out", os.path.join(folder, "run")], capture_output=True, check=True)
            ours.append(json.loads(done.stdout)["test_accuracy"])
        (x, y), (x_test, y_test) = [([row[:-1] for row in part], [row[-1] for row in part]) for part in parts]
        seeds = [DecisionTreeClassifier(random_state=seed).fit(x, y).score(x_test, y_test) for seed in range(TREES)]
        tree.append(sum(seeds) / TREES)
    print(f"{name}: gatewright {percent(ours):.2f} %, decision tree {percent(tree):.2f} %", flush=True)
