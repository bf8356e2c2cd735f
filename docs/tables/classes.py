#!/usr/bin/env python3
"""Compare gatewright with trees on small tables of classes, over the same stratified splits: tables that follow a rule and can be made whole, half of
the rows each way; scikit-learn's tables and two noisy moons, a fifth of the rows to test.

usage: classes.py [SPLITS] [TABLE ...]        (needs the package gatewright, scikit-learn and pandas)
"""

import itertools
import sys
import warnings

import numpy as np
import pandas as pd
from gatewright import LogicGateClassifier
from sklearn import datasets
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.model_selection import train_test_split
from sklearn.tree import DecisionTreeClassifier

# What gatewright is given: nothing, four narrower layers or one wide one whose wires learn.
WAYS = {
    "gatewright": {},
    "wires that choose": dict(layers="4x900", learn_wiring="all", candidates=8, freeze_wiring=0.5),
    "one wide layer": dict(layers="3900", learn_wiring="first", init="uses-all", lr=0.03),
}
TREES = {"decision tree": DecisionTreeClassifier, "random forest": RandomForestClassifier, "gradient boosting": HistGradientBoostingClassifier}


def monks(which):
    """The three MONK's problems (Thrun et al. 1991), all 432 rows, without noise."""
    x = pd.DataFrame(itertools.product(range(1, 4), range(1, 4), range(1, 3), range(1, 4), range(1, 5), range(1, 3)), columns=list("abcdef"))
    y = [
        (x.a == x.b) | (x.e == 1),
        (x == 1).sum(axis=1) == 2,
        ((x.e == 3) & (x.d == 1)) | ((x.e != 4) & (x.b != 3)),
    ][which - 1]
    return x.map(lambda value: f"v{value}"), np.where(y, "yes", "no")


def balance():
    """Balance scale (Siegler 1976): all 625 rows, which side is heavier."""
    x = pd.DataFrame(itertools.product(range(1, 6), repeat=4), columns=["left", "far_left", "right", "far_right"]).astype(float)
    more = x.left * x.far_left - x.right * x.far_right
    return x, np.where(more > 0, "left", np.where(more < 0, "right", "even"))


def tic_tac_toe():
    """Every board that a game of tic-tac-toe can end with (Aha 1991): whether x has won."""
    lines = [(0, 1, 2), (3, 4, 5), (6, 7, 8), (0, 3, 6), (1, 4, 7), (2, 5, 8), (0, 4, 8), (2, 4, 6)]
    ended = {}

    def play(board, player):
        won = {p for p in "xo" if any(all(board[i] == p for i in line) for line in lines)}
        if won or "b" not in board:
            ended[board] = "x" in won
            return
        for i in range(9):
            if board[i] == "b":
                play(board[:i] + player + board[i + 1 :], "o" if player == "x" else "x")

    play("b" * 9, "x")
    return pd.DataFrame([list(board) for board in ended], columns=[f"s{i}" for i in range(9)]), np.where(list(ended.values()), "won", "not")


def moons():
    x, y = datasets.make_moons(400, noise=0.25, random_state=0)
    return pd.DataFrame(x, columns=["x", "y"]), np.where(y, "one", "other")


def known(name):
    """A table that comes with scikit-learn."""
    table = getattr(datasets, f"load_{name}")()
    columns = [f"x{i}" for i in range(table.data.shape[1])]
    return pd.DataFrame(table.data, columns=columns).astype(float), table.target_names[table.target].astype(str)


RULES = {
    "monks-1": lambda: monks(1),
    "monks-2": lambda: monks(2),
    "monks-3": lambda: monks(3),
    "balance-scale": balance,
    "tic-tac-toe": tic_tac_toe,
}
TABLES = RULES | {"moons": moons} | {name: lambda name=name: known(name) for name in ["iris", "wine", "breast_cancer", "digits"]}


def main():
    warnings.simplefilter("ignore")
    splits = int(sys.argv[1]) if len(sys.argv) > 1 else 10
    print(f"| table | rows | {' | '.join([*WAYS, *TREES])} |\n" + "|---" * (2 + len(WAYS) + len(TREES)) + "|")
    for name in sys.argv[2:] or TABLES:
        x, y = TABLES[name]()
        right = {}
        for split in range(splits):
            size = 0.5 if name in RULES else 0.2
            x_train, x_test, y_train, y_test = train_test_split(x, y, test_size=size, random_state=split, stratify=y)
            numbers = pd.get_dummies(x).astype(float)
            for way, settings in WAYS.items():
                model = LogicGateClassifier(adapter="cpu", threads=1, seed=split, **settings).fit(x_train, y_train)
                right.setdefault(way, []).append(model.score(x_test, y_test))
            for way, kind in TREES.items():
                model = kind(random_state=split).fit(numbers.loc[x_train.index], y_train)
                right.setdefault(way, []).append(model.score(numbers.loc[x_test.index], y_test))
        means = [100 * np.mean(of) for of in right.values()]
        cells = (f"**{mean:.2f}**" if mean == max(means) else f"{mean:.2f}" for mean in means)
        print(f"| {name} | {len(x):,} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
