"""The estimators: what they learn, tell, keep and refuse."""

import json
import pickle
import subprocess
import sys
import threading
import time

import numpy as np
import pandas as pd
import polars as pl
import pytest
from conftest import SMALL
from sklearn.base import clone

import gatewright
from gatewright import LogicGateClassifier, LogicGateRegressor
from gatewright._settings import SETTINGS

COMMAND = [sys.executable, "-m", "gatewright"]


def command(*args):
    done = subprocess.run([*COMMAND, *map(str, args)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_digits_are_learned_exactly_as_the_command_line_learns_them(digits, classifier, tmp_path):
    X, X_test, y, y_test = digits
    np.savez(tmp_path / "digits.npz", x_train=X, y_train=y, x_test=X_test, y_test=y_test)
    told = command("train", "--data", tmp_path / "digits.npz", "--layers", "2x1000", "--steps", 800, "--eval-every", 400,
                   "--adapter", "cpu", "--out", tmp_path / "run", "--json")  # fmt: skip
    accuracy = json.loads(told)["test_accuracy"]
    assert classifier.score(X_test, y_test) == pytest.approx(accuracy, abs=1e-12)
    assert accuracy > 0.9
    theirs = LogicGateClassifier.load(tmp_path / "run")
    assert np.array_equal(theirs.votes(X_test), classifier.votes(X_test))
    assert np.array_equal(theirs.classes_, classifier.classes_) and theirs.classes_.dtype == np.int64


def test_probabilities_are_the_softmax_of_votes(digits, classifier):
    _, X, _, _ = digits
    votes, tau = classifier.votes(X), classifier.network_.tau
    expected = np.exp(votes / tau) / np.exp(votes / tau).sum(1, keepdims=True)
    assert np.allclose(classifier.predict_proba(X), expected)
    assert np.array_equal(classifier.predict(X), classifier.classes_[votes.argmax(1)])
    assert votes.dtype == np.uint32 and votes.max() <= classifier.network_.group


def test_votes_are_what_a_module_of_torch_counts(digits, classifier):
    torch = pytest.importorskip("torch")
    _, X, _, _ = digits
    bytes_ = torch.from_numpy(classifier.network_.encode(X))
    assert np.array_equal(classifier.to_torch()(bytes_).numpy(), classifier.votes(X))


def test_parts_give_the_votes_by_plain_numpy(digits, classifier):
    _, X, _, _ = digits
    parts = classifier.network_.parts()
    x = classifier.network_.encode(X)[:, parts["pixel"]] > parts["threshold"]
    for layer in parts["layers"]:
        k = layer["wiring"].shape[1]
        code = sum(x[:, layer["wiring"][:, p]].astype(np.uint64) << np.uint64(k - 1 - p) for p in range(k))
        x = ((layer["tables"][None] >> code) & np.uint64(1)).astype(bool)
    assert np.array_equal(x.reshape(len(X), 10, -1).sum(2), classifier.votes(X))


def test_what_is_kept_is_the_same_again(digits, classifier, tmp_path):
    _, X, _, _ = digits
    expected = classifier.votes(X)
    assert np.array_equal(pickle.loads(pickle.dumps(classifier)).votes(X), expected)
    classifier.save(tmp_path / "m.safetensors")
    loaded = LogicGateClassifier.load(tmp_path / "m.safetensors")
    assert np.array_equal(loaded.votes(X), expected) and np.array_equal(loaded.predict(X), classifier.predict(X))
    with pytest.raises(ValueError, match="tells classes"):
        LogicGateRegressor.load(tmp_path / "m.safetensors")
    with pytest.raises(OSError, match="none.safetensors"):
        LogicGateClassifier.load(tmp_path / "none.safetensors")


def test_circuits_go_out(classifier, tmp_path):
    report = classifier.simplify()
    assert report["live_gates"] < report["gates"] == 2000
    paths = classifier.export("verilog", tmp_path, name="digits", outputs="class")
    assert [path.name for path in paths] == ["digits.v"] and "module digits" in paths[0].read_text()
    files = classifier.export("c")
    assert list(files) == ["network.c", "network.h"]
    with pytest.raises(ValueError, match="format"):
        classifier.export("vhdl")


def test_bytes_are_images_in_whatever_shape_they_come(images):
    X, y = images
    # Only pictures are moved, wired along their axes, and have wires that choose among their neighbours.
    still = SMALL | dict(thresholds=2, validation=0.1, shift=0, wiring="unique", learn_wiring="none")
    model = LogicGateClassifier(**still).fit(X, y)
    assert model.network_.image == (1, 8, 8) and model.n_features_in_ == 64
    flat = X.reshape(len(X), 64)
    expected = model.votes(X)
    assert np.array_equal(model.votes(flat), expected)
    assert np.array_equal(model.votes(X[:, None]), expected) and np.array_equal(model.votes(X[..., None]), expected)
    assert np.array_equal(model.votes(np.asfortranarray(flat)), expected)
    flat_model = LogicGateClassifier(**still).fit(flat, y)
    assert np.array_equal(flat_model.votes(flat), expected), "the shape changes nothing where nothing is augmented"
    coloured = np.stack([X, X // 2, 255 - X], axis=1)
    model = LogicGateClassifier(**SMALL, thresholds=1).fit(coloured, y)
    assert np.array_equal(model.votes(np.moveaxis(coloured, 1, 3)), model.votes(coloured)), "channels first or last"
    with pytest.raises(ValueError, match="64 features"):
        LogicGateClassifier(**SMALL).fit(X, y).predict(X[:, :7])
    with pytest.raises(ValueError, match="uint8"):
        model.predict(coloured.reshape(len(X), -1).astype(float))


def frame_of(n=400, seed=0):
    random = np.random.default_rng(seed)
    colour = random.choice(np.array(["red", "green", "blue"]), n)
    size = np.where(random.random(n) < 0.1, np.nan, random.normal(size=n))
    y = np.where((colour == "red") | (size > 0.5), "yes", "no")
    return pd.DataFrame({"noise": random.random(n), "colour": colour, "size": size, "flag": random.random(n) < 0.5}), y


def test_frames_have_words_and_missing_values():
    X, y = frame_of()
    model = LogicGateClassifier(**SMALL).fit(X, y)
    assert list(model.feature_names_in_) == list(X.columns) and list(model.classes_) == ["no", "yes"]
    assert model.score(X, y) > 0.95
    votes = model.votes(X)
    other = pl.DataFrame({name: X[name].to_list() for name in X}, strict=False)
    polars = LogicGateClassifier(**SMALL).fit(other, y)
    assert np.array_equal(polars.votes(other), votes)
    words = LogicGateClassifier(**SMALL).fit(X.astype(object).to_numpy(), y)
    assert words.score(X.astype(object).to_numpy(), y) > 0.95
    with pytest.raises(ValueError, match="[Ff]eature names"):
        model.predict(X.rename(columns={"size": "Size"}))
    odd = X.assign(size="large")
    with pytest.raises(ValueError, match='"large" in column "size"'):
        model.predict(odd)


def test_frames_are_learned_as_their_csv_is(tmp_path):
    X, y = frame_of()
    X = X.drop(columns="flag").round({"size": 3, "noise": 3})
    X.assign(y=y).to_csv(tmp_path / "a.csv", index=False)
    more, z = frame_of(50, 1)
    more = more.drop(columns="flag").round({"size": 3, "noise": 3})
    more.assign(y=z).to_csv(tmp_path / "b.csv", index=False)
    command("train", "--data", tmp_path / "a.csv", "--test", tmp_path / "b.csv", "--layers", "2x240", "--steps", 300,
            "--eval-every", 300, "--adapter", "cpu", "--out", tmp_path / "run")  # fmt: skip
    mine = LogicGateClassifier(**SMALL).fit(X, y)
    assert np.array_equal(LogicGateClassifier.load(tmp_path / "run").votes(more), mine.votes(more))


def test_several_labels_are_told_at_once():
    random = np.random.default_rng(0)
    X = random.random((300, 5))
    Y = (X[:, :2] > 0.5).astype(int)
    model = LogicGateClassifier(**SMALL).fit(X, Y)
    assert model.predict(X).shape == (300, 2) and model.score(X, Y) > 0.8
    votes, group = model.votes(X).astype(float), model.network_.group
    assert np.allclose(model.predict_proba(X), 1 / (1 + np.exp(-(votes - group / 2) / model.network_.tau)))


def test_values_are_told_in_their_own_units():
    random = np.random.default_rng(0)
    X = random.random((500, 4))
    y = 100 + 50 * X[:, 0] + 20 * (X[:, 1] > 0.5)
    model = LogicGateRegressor(layers="2x800", steps=600, eval_every=600, adapter="cpu").fit(X, y)
    assert model.score(X, y) > 0.9
    told = model.predict(X)
    assert told.shape == (500,) and y.min() <= told.min() and told.max() <= y.max()
    # One bit: least + (greatest - least) * votes / group.
    share = model.votes(X)[:, 0] / model.network_.group
    assert np.allclose(told, y.min() + (y.max() - y.min()) * share)
    both = LogicGateRegressor(**SMALL, code_bits=2).fit(X, np.stack([y, -y], axis=1))
    assert both.predict(X).shape == (500, 2) and len(both.network_.outputs) == 4


def test_every_setting_is_a_keyword():
    names = set(LogicGateClassifier().get_params())
    assert {entry["name"] for entry in SETTINGS} < names and "encoder" in names
    assert "data" not in names, "the data are what fit is given"
    model = LogicGateClassifier(layers=[240, 240], seed=np.int64(3), cage=False, temperature=0.5)
    assert clone(model).get_params() == model.get_params()
    with pytest.raises(TypeError, match="learning_rate"):
        LogicGateClassifier(learning_rate=0.1)
    for entry in SETTINGS:
        assert entry["name"] in LogicGateClassifier.__doc__


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        (dict(lr=-1.0), "lr takes"),
        (dict(batch="many"), "^batch: "),
        (dict(layers="2x241"), "cannot be shared evenly"),
        (dict(method="soft"), "^method: "),
        (dict(patience=3, validation=0.0), "add validation 0.1"),
        (dict(adapter="no such"), "no such"),
        (dict(encoder="mystery"), "encoder knows no"),
    ],
)
def test_settings_that_cannot_be_are_refused_in_a_sentence(digits, settings, told):
    X, _, y, _ = digits
    with pytest.raises(ValueError, match=told) as refused:
        LogicGateClassifier(**(SMALL | settings)).fit(X, y)
    assert "--" not in str(refused.value)


def test_a_run_is_told_as_it_goes_and_kept(digits, tmp_path):
    X, X_test, y, y_test = digits
    seen = []
    settings = SMALL | dict(steps=400, eval_every=100)
    model = LogicGateClassifier(**settings, out=tmp_path / "run").fit(
        X, y, eval_set=(X_test, y_test), callback=seen.append
    )
    assert [m["step"] for m in seen] == [100, 200, 300, 400] and seen == model.run_.metrics
    assert model.run_.summary["test_samples"] == len(y_test)
    assert model.run_.summary["test_accuracy"] == pytest.approx(model.score(X_test, y_test))
    assert "<svg" in model.run_._repr_html_() and "gates" in model._repr_html_inner()
    assert (tmp_path / "run" / "curves.png").exists()
    longer = LogicGateClassifier(**(settings | dict(steps=500)))
    longer.fit(X, y, eval_set=(X_test, y_test), resume=tmp_path / "run")
    assert longer.run_.summary["steps"] == 500 and len(longer.run_.metrics) == 5
    without = LogicGateClassifier(**SMALL).fit(X, y)
    assert without.run_.summary["test_samples"] == 0
    with pytest.raises(ValueError, match="not empty"):
        LogicGateClassifier(**settings, out=tmp_path / "run").fit(X, y)


def test_an_exception_in_the_callback_ends_the_run(digits):
    X, _, y, _ = digits

    def stop(metrics):
        raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        LogicGateClassifier(**(SMALL | dict(steps=10**6, eval_every=50))).fit(X, y, callback=stop)


def test_other_threads_go_on_while_a_network_trains(digits):
    X, _, y, _ = digits
    ticks, over = [], threading.Event()

    def tick():
        while not over.is_set():
            ticks.append(time.monotonic())
            time.sleep(0.005)

    thread = threading.Thread(target=tick)
    thread.start()
    LogicGateClassifier(**(SMALL | dict(steps=2000, eval_every=2000))).fit(X, y)
    over.set()
    thread.join()
    assert len(ticks) > 10


@pytest.mark.skipif(sys.platform == "win32", reason="signals are another matter there")
def test_ctrl_c_ends_a_run():
    program = """
import os, signal, threading
import numpy as np
from gatewright import LogicGateClassifier
X = np.random.default_rng(0).random((500, 9)); y = (X[:, 0] > 0.5).astype(int)
def callback(metrics): os.kill(os.getpid(), signal.SIGINT)
try:
    LogicGateClassifier(layers="2x100", steps=10**9, eval_every=200, adapter="cpu").fit(X, y, callback=callback)
except KeyboardInterrupt:
    print("stopped")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert done.stdout == "stopped\n", done.stderr


def test_the_command_comes_along():
    assert command("--version").split() == ["gatewright", gatewright.__version__]
    refused = subprocess.run([*COMMAND, "train", "--steps", "none"], capture_output=True, text=True)
    assert refused.returncode == 2 and "--steps" in refused.stderr


def test_mnist_is_copied_once_and_told_fast():
    """What 10,000 predictions take on one core; the bound has room for a slow machine."""
    import resource

    random = np.random.default_rng(0)
    X = random.integers(0, 256, (60_000, 784), dtype=np.uint8)
    y = (X[:, 300] > 127).astype(int) + 2 * (X[:, 400] > 127)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    model = LogicGateClassifier(layers="2x2000", steps=20, eval_every=20, adapter="cpu", thresholds=1).fit(X, y)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    # One copy, the samples held out, and 40 MB for training itself.
    assert grown < X.nbytes * 1.05 + 40e6, f"{grown / 1e6:.0f} MB for {X.nbytes / 1e6:.0f} MB of samples"
    model.predict(X[:10_000])
    assert model.network_.classify(X[:10], False).shape == (10,)
