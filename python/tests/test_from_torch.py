"""Networks of torchlogix and difflogic: fixtures made by the real ones (peers/make.py), and what is no network."""

import json
import pathlib
import types

import numpy as np
import pytest

from gatewright import from_torch
from gatewright._gatewright import Network
from gatewright._from_torch import _layer_parts, network

PEERS = pathlib.Path(__file__).parent / "peers"


def fixture(name):
    arrays = dict(np.load(PEERS / f"{name}.npz"))
    x, y = arrays.pop("x"), arrays.pop("y")
    return {key.replace("/", "."): value for key, value in arrays.items()}, x, y


@pytest.mark.parametrize(
    "name",
    ["raw2", "warp2", "warp4", "warp6", "light2", "light4", "light6", "learnable", "learnable_all", "thermometer"],
)
def test_states_of_torchlogix_count_what_their_modules_counted(name):
    state, x, y = fixture(name)
    kind = {"w": "warp", "l": "light", "t": "light"}[name[0]] if name != "raw2" else None
    kind = "warp" if name == "learnable_all" else kind
    model = from_torch(state, classes=["a", "b", "c"], tau=2.0, parametrization=kind)
    assert np.array_equal(model.votes(x), y), "the peer's own outputs, every one"
    assert list(model.classes_) == ["a", "b", "c"] and model.network_.tau == 2.0
    assert y.min() < y.max() and len(np.unique(y)) > 2, "the fixture tells something"


def test_logits_come_along_where_they_give_the_tables():
    for name, kind in [("raw2", "op"), ("light4", "iwp-sigmoid"), ("warp4", "walsh")]:
        state, _, _ = fixture(name)
        made = network(state, classes=3, parametrization=name[:-1])
        layer = made.parts()["layers"][1]
        assert layer["parametrization"] == kind
        assert np.array_equal(layer["logits"], state["1.weight"])


def test_thermometers_become_thresholds_of_bytes():
    state, x, y = fixture("thermometer")
    made = network(state, classes=3, parametrization="light")
    parts = made.parts()
    # b / 255 > 0.25 from 64 on, > 100/255 from 101 on, > 0.75 from 192 on; a pixel's bits are neighbours.
    assert list(parts["threshold"][:3]) == [63, 100, 191] and list(parts["pixel"][:4]) == [0, 0, 0, 1]
    assert made.image == (1, 1, 9)
    shaped = network(state, classes=3, parametrization="light", image=(1, 3, 3))
    assert np.array_equal(shaped.votes(x.reshape(-1, 3, 3)), y)
    # Thresholds that bytes cannot have: then bits are taken.
    below = network(state | {"0.thresholds": np.float32([-0.5, 0.3, 0.6])}, classes=3, parametrization="light")
    assert below.image == (1, 1, 27)


def test_layers_of_difflogic_count_what_their_module_counted():
    state, x, y = fixture("difflogic")

    def layer(i):
        return types.SimpleNamespace(weights=state[f"{i}.weights"], indices=tuple(state[f"{i}.indices"]))

    from gatewright._gatewright import Network

    layers = [_layer_parts(layer(0), 12, "layer 0"), _layer_parts(layer(1), 18, "layer 1")]
    made = Network.from_parts(
        "t", (1, 1, 12), np.arange(12, dtype=np.uint32), np.zeros(12, np.uint8), layers, ["0", "1", "2"], 1.0
    )
    assert np.array_equal(made.votes(x), y)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"0.weight": np.zeros((18, 16))[:17]}, "17, 16.* for 18 gates"),
        ({"0.weight": np.zeros((18, 15), np.float32)}, "warp or of light is not told"),
        ({"0.weight": np.full((18, 16), np.nan, np.float32)}, "NaN"),
        ({"0.weight": np.zeros((18, 16), complex)}, "numbers are needed"),
        ({"0.weight": np.zeros((18, 16), object)}, "numbers are needed"),
        ({"0.weight": np.zeros(18, np.float32)}, "has the shape"),
        ({"0.weight": np.zeros((18, 16), np.int64)}, "floats is needed"),
        ({"1.connections.indices": np.full((2, 18), 18)}, "reads input 18, and there are 18"),
        ({"1.connections.indices": np.full((2, 18), -1)}, "reads input -1"),
        ({"1.connections.indices": np.zeros((2, 18))}, "integers is needed"),
        ({"1.connections.indices": np.zeros((2, 3, 18), np.int64)}, "has the shape"),
        ({"1.connections.indices": np.zeros((7, 18), np.int64)}, "k from 1 to 6"),
        ({"1.connections.indices": np.zeros((0, 18), np.int64)}, "k from 1 to 6"),
        ({"1.connections.weights": np.zeros((4, 2, 17), np.float32)}, "candidates"),
        ({"0.thresholds": np.zeros((2, 2, 2), np.float32)}, "thresholds have the shape"),
        ({"0.raw_diffs": np.zeros(3, np.float32)}, "give the module"),
    ],
)
def test_hostile_states_are_refused_in_a_sentence(change, told):
    state, _, _ = fixture("raw2")
    with pytest.raises(ValueError, match=told) as refused:
        from_torch(state | change, classes=3)
    assert "\n" not in str(refused.value)


def test_states_that_do_not_tell_a_network_are_refused():
    state, _, _ = fixture("raw2")
    with pytest.raises(ValueError, match="classes="):
        from_torch(state)
    with pytest.raises(ValueError, match="cannot be shared evenly by 5"):
        from_torch(state, classes=5)
    with pytest.raises(ValueError, match="no key ends in .weight"):
        from_torch({}, classes=3)
    with pytest.raises(ValueError, match="difflogic has no wiring"):
        from_torch({"0.weights": state["0.weight"]}, classes=3)
    with pytest.raises(ValueError, match="so it is no dense layer"):
        from_torch({"0.weight": state["0.weight"]}, classes=3)
    with pytest.raises(ValueError, match="a module or a state_dict"):
        from_torch(b"a pickle", classes=3)
    with pytest.raises(ValueError, match="τ"):
        from_torch(state, classes=3, tau=float("nan"))


def test_a_convolution_is_made_of_parts_and_taken_apart():
    """One tree of depth 1, a NAND of two neighbours in a row, OR-ed over pools of two, on images of 3 x 5 pixels."""
    conv = dict(channels=1, height=3, width=5, kernel=[1, 2], stride=1, pad=0, depth=1, pool=2)
    trees = (np.array([[0, 1]], np.uint32), np.array([0b0111], np.uint64), "op", np.zeros((1, 0), np.float32), json.dumps(conv))
    sums = (np.array([[0], [1]], np.uint32), np.array([0b10, 0b10], np.uint64), "iwp", np.zeros((2, 0), np.float32), None)
    bits = np.arange(15, dtype=np.uint32), np.zeros(15, np.uint8)
    made = Network.from_parts("made", (1, 3, 5), *bits, [trees, sums], ["left", "right"], 1.0)
    x = (np.random.default_rng(0).random((200, 15)) < 0.8).astype(np.uint8)
    places = x.reshape(-1, 3, 5)
    nand = 1 - (places[:, :2, :4] & places[:, :2, 1:])
    pooled = nand.reshape(-1, 2, 2, 2).max(axis=(1, 3))
    assert np.array_equal(made.votes(x), pooled) and 0 < pooled.mean() < 1
    apart = made.parts()["layers"][0]
    assert json.loads(apart["conv"]) == conv and np.array_equal(apart["wiring"], [[0, 1]])
    with pytest.raises(ValueError, match="layer 0"):
        Network.from_parts("made", (1, 3, 5), *bits, [(*trees[:4], "{}"), sums], ["left", "right"], 1.0)
