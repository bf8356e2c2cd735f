#!/usr/bin/env python3
"""Compare gatewright with scikit-learn's models on small tables, over the same ten splits, and make the tables of docs/DATA.md.

    scripts/small_tables.py runs/small.json                             # splits that are not in the file yet; it grows with each
    scripts/small_tables.py runs/small.json --write docs/DATA.md

Classes: tables that follow a rule and can be made whole, half of the rows each way; then two noisy moons and scikit-learn's tables, a fifth of the
rows to test; splits are stratified. Values: a fifth to test. It takes the package gatewright (`make python`), scikit-learn and pandas.
"""

import argparse
import itertools
import json
import pathlib
import sys
import warnings

from documents import Document, Problem, read_json, script, spread, table

try:
    import numpy as np
    import pandas as pd
    import sklearn
    from gatewright import LogicGateClassifier, LogicGateRegressor
    from sklearn import datasets
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor, RandomForestClassifier, RandomForestRegressor
    from sklearn.linear_model import LinearRegression
    from sklearn.model_selection import GridSearchCV, StratifiedKFold, train_test_split
    from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor
except ImportError as error:
    sys.exit(f"error: {error}; `make python` builds the package gatewright, `pip install scikit-learn pandas` the others")

SPLITS = 10
CHOSEN = "chosen by folds"


def gates(kind, **settings):
    return lambda split: kind(adapter="cpu", threads=1, seed=split, **settings)


def seeded(kind):
    return lambda split: kind(random_state=split)


# Presets for tables of classes, by the heading of their column.
NETWORKS = {"gatewright": "table", "wires that choose": "table-rules", "one wide layer": "table-wide"}


def chosen(split):
    """Of these networks the one that three folds of the training rows say is best, trained on all of them."""
    folds = StratifiedKFold(3, shuffle=True, random_state=split)
    return GridSearchCV(gates(LogicGateClassifier)(split), {"preset": list(NETWORKS.values())}, cv=folds)


# What is compared, by the heading of its column.
CLASSIFIERS = {
    **{name: gates(LogicGateClassifier, preset=preset) for name, preset in NETWORKS.items()},
    CHOSEN: chosen,
    "decision tree": seeded(DecisionTreeClassifier),
    "random forest": seeded(RandomForestClassifier),
    "gradient boosting": seeded(HistGradientBoostingClassifier),
}
REGRESSORS = {
    "gatewright": gates(LogicGateRegressor),
    "64 thresholds": gates(LogicGateRegressor, thresholds=64),
    "a line": lambda _: LinearRegression(),
    "decision tree": seeded(DecisionTreeRegressor),
    "random forest": seeded(RandomForestRegressor),
    "gradient boosting": seeded(HistGradientBoostingRegressor),
}


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
    """Classes of a table that comes with scikit-learn."""
    table = getattr(datasets, f"load_{name}")()
    columns = [f"x{i}" for i in range(table.data.shape[1])]
    return pd.DataFrame(table.data, columns=columns).astype(float), table.target_names[table.target].astype(str)


def numbered(x):
    return pd.DataFrame(x, columns=[f"x{i}" for i in range(x.shape[1])])


def friedman():
    x, y = datasets.make_friedman1(n_samples=2000, noise=1.0, random_state=0)
    return numbered(x), y


def smooth():
    x = np.random.default_rng(0).uniform(-1, 1, (4000, 3))
    return numbered(x), 50 + 20 * np.sin(3 * x[:, 0]) + 10 * x[:, 1] ** 2 + 5 * x[:, 0] * x[:, 2]


def diabetes():
    x, y = datasets.load_diabetes(return_X_y=True)
    return numbered(x), y


RULES = {
    "MONK's 1": lambda: monks(1),
    "MONK's 2": lambda: monks(2),
    "MONK's 3, without noise": lambda: monks(3),
    "balance scale": balance,
    "tic-tac-toe, final boards": tic_tac_toe,
}
OTHERS = {
    "two moons, noise 0.25": moons,
    "iris": lambda: known("iris"),
    "wine": lambda: known("wine"),
    "breast cancer": lambda: known("breast_cancer"),
    "digits (8×8)": lambda: known("digits"),
}
VALUES = {"diabetes": diabetes, "friedman1, noise of deviation 1": friedman, "smooth, without noise": smooth}
# By the name of the block: tables, models, the factor and the places of what is told.
KINDS = {"classes": (RULES | OTHERS, CLASSIFIERS, 100, 2), "values": (VALUES, REGRESSORS, 1, 3)}


def scores(of, models, name, split):
    """What each model comes to on a split of a table."""
    x, y = of()
    size, stratify = 0.5 if name in RULES else 0.2, None if name in VALUES else y
    x_train, x_test, y_train, y_test = train_test_split(x, y, test_size=size, random_state=split, stratify=stratify)
    # Words are a bit each for all but gatewright, which reads them.
    numbers = pd.get_dummies(x).astype(float)
    for way, made in models.items():
        model = made(split)
        own = isinstance(getattr(model, "estimator", model), LogicGateClassifier | LogicGateRegressor)
        a, b = (x_train, x_test) if own else (numbers.loc[x_train.index], numbers.loc[x_test.index])
        yield way, model.fit(a, y_train).score(b, y_test)


def rows(kind, kept):
    """A row a table that has all splits."""
    tables, models, factor, places = KINDS[kind]
    for name, of in tables.items():
        found = [kept.get(f"{name} {split}", {}) for split in range(SPLITS)]
        if not all(way in split for split in found for way in models):
            raise Problem(f"not all of {SPLITS} splits of {name} are there; run the script without --write first")
        values = {way: [factor * split[way] for split in found] for way in models}
        best = max(map(np.mean, values.values()))
        cells = [spread(of_way, places).replace("-", "−") for of_way in values.values()]
        bold = [f"**{cell}**" if np.mean(of_way) == best else cell for cell, of_way in zip(cells, values.values())]
        yield [name, f"{len(of()[0]):,}", *bold]


def beside(kept):
    """How often gatewright's default, and the network that folds choose, is ahead of each other model over the tables of classes, and how often by more than two standard errors of the difference over splits; and behind."""
    tables, models, *_ = KINDS["classes"]
    others = list(models)[list(models).index(CHOSEN) + 1 :]
    for ours, other in [*itertools.product(["gatewright", CHOSEN], others), (CHOSEN, "gatewright")]:
        differences = [[kept[f"{name} {split}"][ours] - kept[f"{name} {split}"][other] for split in range(SPLITS)] for name in tables]
        means = [np.mean(of) for of in differences]
        clear = [abs(mean) > 2 * np.std(of, ddof=1) / SPLITS**0.5 for mean, of in zip(means, differences)]
        ahead, behind = ([is_clear for mean, is_clear in zip(means, clear) if sign * mean > 0] for sign in [1, -1])
        yield [ours, other, *(str(count) for of in [ahead, behind] for count in [len(of), sum(of)])]


@script
def main():
    warnings.simplefilter("ignore")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kept", type=pathlib.Path, help="JSON file of what each split came to")
    parser.add_argument("--write", type=pathlib.Path, help="make the tables of this file from it, and run nothing")
    args = parser.parse_args()
    kept = read_json(args.kept) if args.kept.exists() else {}
    if args.write:
        document = Document(args.write)
        for kind, (_, models, *_) in KINDS.items():
            document.put(f"small_tables.py {kind}", table(["table", "rows", *models], rows(kind, kept)))
        head = ["", "against", "ahead on", "of these clearly", "behind on", "of these clearly"]
        document.put("small_tables.py beside", table(head, beside(kept)) + f"\n\nscikit-learn {sklearn.__version__}, {SPLITS} splits.")
        document.write()
        return
    for tables, models, *_ in KINDS.values():
        for name, of in tables.items():
            for split in range(SPLITS):
                key = f"{name} {split}"
                lacking = {way: made for way, made in models.items() if way not in kept.get(key, {})}
                if not lacking:
                    continue
                kept[key] = kept.get(key, {}) | dict(scores(of, lacking, name, split))
                args.kept.parent.mkdir(parents=True, exist_ok=True)
                part = args.kept.with_suffix(".part")
                part.write_text(json.dumps(kept, indent=1) + "\n")
                part.replace(args.kept)
                print(f"{name}, split {split}: " + ", ".join(f"{way} {score:.4f}" for way, score in kept[key].items()), flush=True)


if __name__ == "__main__":
    main()
