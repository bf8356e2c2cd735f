"""Networks that torchlogix and difflogic trained."""

import json

import numpy as np

from gatewright._gatewright import Network

#: Samples on which a live module and what was made of it are compared.
COMPARED = 10_000


def from_torch(source, *, classes=None, tau=None, parametrization=None, image=None, scale=None, name="torch"):
    """A network that torchlogix (0.2 or newer) or difflogic (0.1) trained, discretized.

    Parameters
    ----------
    source : a module, or torchlogix's state_dict of one. A module is run in evaluation mode on 10,000 samples, and an answer
        other than its own is an error; of a state_dict there is nothing to compare with.
    classes : names of the classes, or how many there are; needed for a state_dict
    tau : group-sum temperature of a state_dict [default: 1]
    parametrization : "warp" or "light", for a state_dict whose weights do not tell
    image : (channels, rows, columns) of what the module takes [default: (1, 1, inputs), where a state_dict has as many
        inputs as its first layer reads]
    scale : what makes what the module takes of bytes, an array of uint8 to one of float32 [default: bytes / 255]
    name : what the network is called

    Returns
    -------
    LogicGateClassifier
        Where the module begins with thresholds that bytes can have, all 256 of them tried, it takes images as arrays of
        uint8. Elsewhere it takes bits, as arrays of uint8 that are 0 or not.

    Raises
    ------
    ValueError
        In a sentence, for what is no such network.
    """
    from gatewright._estimators import LogicGateClassifier

    made = network(
        source, classes=classes, tau=tau, parametrization=parametrization, image=image, scale=scale, name=name
    )
    return LogicGateClassifier()._of(made)


def network(source, *, classes=None, tau=None, parametrization=None, image=None, scale=None, name="torch"):
    """The same as a `Network`, without scikit-learn."""
    scale = scale or (lambda b: b.astype(np.float32) / np.float32(255))
    if hasattr(source, "modules"):
        return _of_module(source, classes, image, scale, name)
    if not hasattr(source, "items"):
        raise ValueError("from_torch takes a module or a state_dict")
    return _of_state(dict(source.items()), classes, tau, parametrization, image, scale, name)


def _array(value, what):
    """A tensor or an array as an array; it must be real and finite."""
    if hasattr(value, "detach"):
        value = value.detach().cpu()
        value = value.float().numpy() if value.is_floating_point() else value.numpy()
    array = np.asarray(value)
    if array.dtype.kind not in "fiub":
        raise ValueError(f"{what} is an array of {array.dtype}, and numbers are needed")
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise ValueError(f"{what} holds NaN or infinity")
    return array


def _wiring(indices, k, inputs, what):
    """[k, gates] of whole numbers below `inputs` as [gates, k]."""
    if indices.dtype.kind not in "iu" or indices.ndim != 2 or indices.shape[0] != k:
        raise ValueError(f"{what} has the shape {list(indices.shape)} of {indices.dtype}; [{k}, gates] of integers is needed")
    if indices.size and (indices.min() < 0 or indices.max() >= inputs):
        raise ValueError(f"{what} reads input {indices.max() if indices.min() >= 0 else indices.min()}, and there are {inputs}")
    return np.ascontiguousarray(indices.T, dtype=np.uint32)


def _resolved(weights, indices, what):
    """Learned wiring: of each pin, the candidate of the greatest weight."""
    if weights.ndim != 3 or indices.shape != weights.shape or not len(weights):
        raise ValueError(f"{what} has weights {list(weights.shape)} for candidates {list(indices.shape)}")
    return np.take_along_axis(indices, weights.argmax(0)[None], axis=0)[0]


def _of_bits(bits):
    """Tables [gates] uint64 of bits [gates, codes]."""
    places = np.arange(bits.shape[1], dtype=np.uint64)
    return (bits.astype(np.uint64) << places).sum(axis=1, dtype=np.uint64)


def _tables(weights, k, parametrization, what):
    """Tables, parametrization and logits of weights [gates, n]."""
    codes = 1 << k
    if weights.ndim != 2 or weights.dtype.kind != "f":
        raise ValueError(f"{what} has the shape {list(weights.shape)} of {weights.dtype}; [gates, n] of floats is needed")
    logits = np.ascontiguousarray(weights, dtype=np.float32)
    if parametrization == "raw":
        if weights.shape[1] != 16 or k != 2:
            raise ValueError(f"{what} has {weights.shape[1]} logits a gate of {k} inputs, and raw ones are 16 of 2")
        # Function 1 is AND, 3 is a: its bits from the highest down are its outputs for codes 0, 1, 2, 3.
        chosen = weights.argmax(1)[:, None] >> np.arange(3, -1, -1)
        return _of_bits(chosen & 1), "op", logits
    if weights.shape[1] != codes:
        raise ValueError(f"{what} has {weights.shape[1]} weights a gate of {k} inputs, and {codes} are needed")
    if parametrization == "light":
        return _of_bits(weights > 0), "iwp-sigmoid", logits
    sums = logits.copy()
    bit = 1
    while bit < codes:
        pairs = sums.reshape(len(sums), -1, 2, bit)
        sums = np.stack([pairs[:, :, 0] + pairs[:, :, 1], pairs[:, :, 0] - pairs[:, :, 1]], axis=2).reshape(len(sums), -1)
        bit *= 2
    return _of_bits(sums < 0), "walsh", logits


def _names(classes, gates):
    if classes is None:
        raise ValueError("how many classes there are is not told by a state_dict; say classes=")
    names = [str(c) for c in (range(classes) if isinstance(classes, int) else classes)]
    if not names or gates % len(names):
        raise ValueError(f"the last layer's {gates} gates cannot be shared evenly by {len(names)} classes")
    return names


def _as_bits(shape):
    """The encoder of a network that takes bits."""
    inputs = int(np.prod(shape))
    return tuple(shape) if len(shape) == 3 else (1, 1, inputs), np.arange(inputs, dtype=np.uint32), np.zeros(inputs, np.uint8)


def _thresholds(bits):
    """[features] uint8 of [256, features]: the greatest byte that does not set each; None if that is not so."""
    unset = (~bits).sum(axis=0)
    is_step = np.array_equal(bits, np.arange(256)[:, None] >= unset[None])
    return (unset - 1).astype(np.uint8) if is_step and (unset > 0).all() else None


def _of_state(state, classes, tau, parametrization, image, scale, name):
    if any(".tree_weights." in f".{key}" for key in state):
        raise ValueError("a state_dict tells no strides, padding and pools of convolutions; give the module itself")
    prefixes = [key[: -len("weight")] for key in state if key.split(".")[-1] == "weight"]
    if any(key.split(".")[-1] == "weights" and f"{key[:-7]}indices" not in state for key in state) and not prefixes:
        raise ValueError("a state_dict of difflogic has no wiring, so its network cannot be told; give the module itself")
    if not prefixes:
        raise ValueError("the state_dict has no layer of torchlogix: no key ends in .weight")
    if any(key.endswith("raw_diffs") for key in state):
        raise ValueError("thresholds that were learned depend on what is in no state_dict; give the module itself")
    layers, inputs = [], None
    for prefix in prefixes:
        what = f"{prefix}connections.indices"
        if what not in state:
            raise ValueError(f"the state_dict has {prefix}weight and no {what}, so it is no dense layer of torchlogix")
        indices = _array(state[what], what)
        if f"{prefix}connections.weights" in state:
            indices = _resolved(_array(state[f"{prefix}connections.weights"], f"{prefix}connections.weights"), indices, what)
        if indices.ndim != 2 or not 1 <= len(indices) <= 6:
            raise ValueError(f"{what} has the shape {list(indices.shape)}; [k, gates] with k from 1 to 6 is needed")
        k = len(indices)
        weights = _array(state[f"{prefix}weight"], f"{prefix}weight")
        if weights.ndim != 2 or len(weights) != indices.shape[1]:
            raise ValueError(f"{prefix}weight has the shape {list(weights.shape)} for {indices.shape[1]} gates")
        if inputs is None:
            inputs = first = _state_inputs(state, indices, image)
        kind = "raw" if weights.shape[1] == 16 and k == 2 else parametrization
        if kind not in ("raw", "warp", "light"):
            raise ValueError('whether weights are of warp or of light is not told by them; say parametrization="warp" or "light"')
        layers.append((_wiring(indices, k, inputs, what), *_tables(weights, k, kind, f"{prefix}weight"), None))
        inputs = len(weights)
    names = _names(classes, inputs)
    extent, pixel, threshold = _state_encoder(state, first, image, scale)
    return Network.from_parts(name, extent, pixel, threshold, layers, names, 1.0 if tau is None else tau)


def _state_thresholds(state):
    keys = [key for key in state if key.split(".")[-1] == "thresholds"]
    return _array(state[keys[0]], keys[0]) if keys else None


def _state_inputs(state, indices, image):
    """Input bits of the first layer: told by thresholds and image, or else by the greatest that is read."""
    thresholds = _state_thresholds(state)
    if thresholds is not None and thresholds.ndim == 2:
        return thresholds.size
    if image is not None:
        return int(np.prod(image)) * (1 if thresholds is None else thresholds.size)
    most = int(indices.max()) + 1 if indices.size else 1
    bits = 1 if thresholds is None else max(thresholds.size, 1)
    return -(-max(most, 1) // bits) * bits


def _state_encoder(state, inputs, image, scale):
    thresholds = _state_thresholds(state)
    if thresholds is None:
        return _as_bits([inputs])
    if thresholds.ndim > 2 or (thresholds.ndim == 2 and thresholds.size != inputs):
        raise ValueError(f"thresholds have the shape {list(thresholds.shape)}, and there are {inputs} input bits")
    every = np.atleast_1d(thresholds).astype(np.float32)
    per_pixel = every.shape[-1]
    pixels = inputs // per_pixel
    flat = np.broadcast_to(every, (pixels, per_pixel)).reshape(-1)
    found = _thresholds(scale(np.arange(256, dtype=np.uint8)).reshape(256, 1) > flat[None])
    if found is None:
        return _as_bits([inputs])
    extent = (1, 1, pixels) if image is None else tuple(image)
    return extent, np.repeat(np.arange(pixels, dtype=np.uint32), per_pixel), found


def _layer_parts(layer, inputs, what):
    """Wiring [gates, k], tables, parametrization, logits and None of a layer of a live module."""
    if hasattr(layer, "lut_rank"):
        k = int(layer.lut_rank)
        connections = getattr(layer, "connections", None)
        if hasattr(connections, "weights"):
            indices = _resolved(_array(connections.weights, what), _array(connections.indices, what), what)
        elif hasattr(connections, "indices"):
            indices = _array(connections.indices, what)
        else:
            indices = np.stack([_array(pin, what) for pin in layer.indices])
        weights = _array(layer.weight if hasattr(layer, "weight") else layer.weights, what)
        kind = _kind(layer)
    else:
        k, kind = 2, "raw"
        indices = np.stack([_array(pin, what) for pin in layer.indices])
        weights = _array(layer.weights, what)
    wiring = _wiring(indices, k, inputs, what)
    if weights.ndim != 2 or len(weights) != len(wiring):
        raise ValueError(f"{what} has weights {list(weights.shape)} for {len(wiring)} gates")
    return wiring, *_tables(weights, k, kind, what), None


def _kind(layer):
    """raw, warp or light."""
    kind = type(getattr(layer, "parametrization", None)).__name__
    return {"WarpLUTParametrization": "warp", "LightLUTParametrization": "light"}.get(kind, "raw")


def _conv_parts(layer, pool, what):
    """The same of a LogicConv2d and the OrPooling2d behind it, if there is one, and its shape as JSON; [channels, rows, columns] of what
    comes out."""
    if int(layer.lut_rank) != 2 or not 1 <= int(layer.tree_depth) <= 3:
        raise ValueError(f"{what} has trees of depth {layer.tree_depth} of gates of {layer.lut_rank} inputs; 1 to 3 of 2 are read")
    if hasattr(layer.connections, "weights") or not hasattr(layer.connections, "indices"):
        raise ValueError(f"{what} has connections that are not fixed, and those of convolutions are")
    height, width = (int(n) for n in layer.in_dim)
    rows, columns = (int(n) for n in layer.receptive_field_size)
    conv = dict(
        channels=int(layer.channels), height=height, width=width, kernel=[rows, columns], stride=int(layer.stride),
        pad=int(layer.padding), depth=int(layer.tree_depth), pool=1,
    )  # fmt: skip
    if pool is not None:
        sides = {n for given in (pool.kernel_size, pool.stride) for n in (given if isinstance(given, tuple) else (given,))}
        if len(sides) != 1 or pool.padding not in (0, (0, 0)):
            raise ValueError(f"the pool behind {what} has windows that overlap, or are no squares, or are padded")
        conv["pool"] = int(sides.pop())
    # [2, trees, places, pairs of leaves, (y, x, channel)], counted over the padded map: at the first place, where in the window.
    leaves = _array(layer.connections.indices[0], what)[:, :, 0]
    y, x, channel = np.moveaxis(leaves, -1, 0)
    if min(y.min(), x.min(), channel.min()) < 0 or y.max() >= rows or x.max() >= columns or channel.max() >= conv["channels"]:
        raise ValueError(f"{what} has leaves beyond its windows of {rows} x {columns} and {conv['channels']} channels")
    wires = (channel * rows + y) * columns + x
    # Pair by pair, its first leaf before its second.
    wires = np.ascontiguousarray(wires.transpose(1, 2, 0).reshape(len(wires[0]), -1), dtype=np.uint32)
    # [pairs, trees, n] a level, from the leaves to the root: tree by tree.
    weights = np.concatenate([_array(level, what) for level in layer.tree_weights]).transpose(1, 0, 2)
    parts = _tables(weights.reshape(-1, weights.shape[2]), 2, _kind(layer), what)
    sides = [(n + 2 * conv["pad"] - k) // conv["stride"] + 1 for n, k in ((height, rows), (width, columns))]
    return (wires, *parts, json.dumps(conv)), [len(wires), *(n // conv["pool"] for n in sides)]


#: Modules that change nothing in evaluation mode.
_NEUTRAL = ("Flatten", "Identity", "Dropout", "Unflatten")


def _of_module(module, classes, image, scale, name):
    import torch

    leaves = [m for m in module.modules() if _is_leaf(m)]
    binarization, logic, pools, group = None, [], {}, None
    for leaf in leaves:
        kind = type(leaf).__name__
        if group is not None:
            raise ValueError(f"{kind} comes after GroupSum, and nothing can")
        if kind == "GroupSum":
            group = leaf
        elif kind in _LOGIC:
            logic.append(leaf)
        elif kind == "OrPooling2d" and logic and type(logic[-1]).__name__ == "LogicConv2d":
            pools[id(logic[-1])] = leaf
        elif kind.endswith("Binarization") and not logic:
            binarization = leaf if getattr(leaf, "thresholds", None) is not None else None
        elif kind not in _NEUTRAL:
            raise ValueError(f"{kind} is no layer that a network here has; convolutions, pools, dense logic layers and GroupSum are read")
    if group is None or not logic:
        raise ValueError("the module has no logic layer with a GroupSum after it")
    if getattr(group, "beta", 0.0) != 0.0:
        raise ValueError(f"its GroupSum adds beta = {group.beta}, and votes start at 0")
    shape = _shape(logic[0])
    layers, taken = [], shape
    for number, layer in enumerate(logic):
        what = f"layer {number}"
        if type(layer).__name__ == "LogicConv2d":
            if taken != _shape(layer):
                raise ValueError(f"{what} is a convolution of a map of {_shape(layer)}, and comes after one of {taken}")
            parts, taken = _conv_parts(layer, pools.get(id(layer)), what)
        else:
            parts = _layer_parts(layer, int(np.prod(taken)), what)
            taken = [len(parts[0])]
        layers.append(parts)
    inputs = int(np.prod(taken))
    names = _names(int(group.k) if classes is None else classes, inputs)
    if len(names) != int(group.k):
        raise ValueError(f"there are {len(names)} names for {int(group.k)} classes")
    was_training = module.training
    module.eval()
    try:
        with torch.no_grad():
            extent, pixel, threshold, first = _encoder(torch, module, binarization, shape, image, scale)
            made = Network.from_parts(name, extent, pixel, threshold, layers, names, float(group.tau))
            _compare(torch, module, made, (first, shape), group, scale, image)
    finally:
        module.train(was_training)
    return made


#: Layers of gates.
_LOGIC = ("LogicDense", "LogicLayer", "LogicConv2d")


def _shape(layer):
    """What a layer of gates takes: [inputs], or [channels, rows, columns]."""
    if type(layer).__name__ == "LogicConv2d":
        return [int(layer.channels), *(int(n) for n in layer.in_dim)]
    return [int(layer.in_dim)]


def _is_leaf(module):
    kind = type(module).__name__
    return kind in (*_LOGIC, "GroupSum") or kind.endswith("Binarization") or _is_bare(module)


def _is_bare(module):
    """A module without modules of its own that belongs to no layer."""
    belongs = ("Connections", "Parametrization", "ParameterList")
    return not list(module.children()) and not type(module).__name__.endswith(belongs)


def _encoder(torch, module, binarization, shape_of_bits, image, scale):
    """The encoder, and what the module is given: "bytes", or "bits" for its first logic layer."""
    inputs = int(np.prod(shape_of_bits))
    if binarization is None:
        return *_as_bits(shape_of_bits), "bits"
    where = _where(module)
    if image is None:
        per_pixel = int(binarization.get_thresholds().shape[-1]) if hasattr(binarization, "get_thresholds") else 1
        image = (1, 1, inputs // max(per_pixel, 1))
        shape = (image[2],)
    else:
        shape = tuple(image)
    pixels = int(np.prod(shape))

    def bits(bytes_):
        x = torch.from_numpy(scale(bytes_)).to(where).reshape(len(bytes_), *shape)
        return binarization(x).flatten(1).cpu().numpy() > 0.5

    # Every byte in all pixels tells thresholds; then each bit of the pixels' numbers in turn tells which pixel is read.
    constant = np.repeat(np.arange(256, dtype=np.uint8)[:, None], pixels, axis=1)
    steps = bits(constant)
    threshold = _thresholds(steps) if steps.shape[1] == inputs else None
    if threshold is None:
        return *_as_bits(shape_of_bits), "bits"
    width = max(pixels - 1, 1).bit_length()
    numbers = (np.arange(pixels)[None] >> np.arange(width)[:, None]) & 1
    told = bits((numbers * 255).astype(np.uint8))
    pixel = (told.astype(np.int64) << np.arange(width)[:, None]).sum(axis=0)
    never = threshold == 255
    pixel[never] = 0
    if pixel.max(initial=0) >= pixels:
        return *_as_bits(shape_of_bits), "bits"
    extent = tuple(image)
    return extent, pixel.astype(np.uint32), threshold, "bytes"


def _where(module):
    return next((p.device for p in module.parameters()), "cpu")


def _compare(torch, module, made, taken, group, scale, image):
    """Run both on the same samples; an answer that differs is an error."""
    first, shape_of_bits = taken
    random = np.random.default_rng(0)
    width = int(np.prod(made.image))
    given = random.random((COMPARED, width), dtype=np.float32)
    if first == "bytes":
        # Some dark, some bright.
        given = (given ** random.uniform(0.2, 5, (COMPARED, 1)) * 256).astype(np.uint8)
        taken = scale(given)
    else:
        given = (given < random.uniform(0.02, 0.98, (COMPARED, 1))).astype(np.uint8)
        taken = given.astype(np.float32)
    run = module if first == "bytes" or _takes_bits(module) else _after_binarization(torch, module)
    shape = (width,) if first == "bytes" else shape_of_bits
    if first == "bytes" and image is not None:
        shape = tuple(image)
    votes = made.votes(given)
    tau = float(group.tau)
    for at in range(0, COMPARED, 1000):
        x = torch.from_numpy(np.ascontiguousarray(taken[at : at + 1000])).to(_where(module)).reshape(-1, *shape)
        theirs = run(x).double().cpu().numpy().reshape(len(x), -1) * tau
        ours = votes[at : at + 1000]
        if theirs.shape != ours.shape:
            raise ValueError(f"the module has {theirs.shape[1]} outputs, and what was made of it {ours.shape[1]}")
        differs = np.argwhere(np.abs(theirs - ours) > 1e-3 * np.maximum(1, ours))
        if len(differs):
            sample, output = differs[0]
            raise ValueError(
                f"the converted network is not the module: on sample {at + sample} the module counts "
                f"{theirs[sample, output]:.3f} votes for output {output}, the network {ours[sample, output]}"
            )


def _takes_bits(module):
    return not any(
        type(m).__name__.endswith("Binarization") and getattr(m, "thresholds", None) is not None for m in module.modules()
    )


def _after_binarization(torch, module):
    """The module from its first logic layer on, for bits."""
    leaves = [m for m in module.modules() if _is_leaf(m) and not type(m).__name__.endswith("Binarization")]
    return torch.nn.Sequential(*leaves)
