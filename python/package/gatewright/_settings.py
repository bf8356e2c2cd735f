"""The keywords of the estimators, from the one list of settings that the command line has too."""

import inspect
import json
import numbers

import numpy as np

from gatewright import _gatewright

# Where the data come from is said by fit's arguments.
_LEFT_OUT = ("data", "data_dir")

#: Every setting: a dict of name, group, help, kind, range, default and quick, the default of that preset where it is another.
SETTINGS = [entry for entry in _gatewright.settings() if entry["name"] not in _LEFT_OUT]

_PYTHON = {"bool": "bool", "f32": "float", "f64": "float", "u32": "int", "u64": "int", "usize": "int"}

_PLACES = [
    ("preset", "str", "Ready settings to start from: quick, mnist-8k, … [default: table for rows, quick for images]"),
]
_MORE = {
    "encoder": ("str or list of str", "How values become input bits: uniform, distributive or gaussian thermometers, one-hot or binary; COLUMN=KIND for one column"),
    "code_bits": ("int", "Bits of the binary code that votes give each value; 1 is a plain count of votes [default: 1]"),
    "adapter": ("str", "What trains: an adapter by number or name, or cpu [default: the best GPU, without one the CPU]"),
    "threads": ("int", "Threads that the CPU trains on [default: all]"),
    "out": ("path", "Folder to keep the run in, its checkpoints, metrics and curves; a new or an empty one [default: none]"),
    "verbose": ("bool", "Whether to show progress [default: where a person looks, a terminal or a notebook]"),
}


def kind(entry):
    """The Python type of a setting, in words."""
    return "str or list of int" if entry["name"] == "layers" else _PYTHON.get(entry["kind"], "str")


def parameters(*more):
    """(name, type, help) of every keyword of an estimator that takes `more` beside the settings."""
    made = list(_PLACES)
    for entry in SETTINGS:
        text = entry["help"]
        text += f" [{entry['range']}]" if entry["range"] else ""
        if entry["default"] is not None and "[default" not in text:
            of_quick = f", of quick {entry['quick']}" if entry["quick"] is not None else ""
            text += f" [default: {entry['default']}{of_quick}]"
        made.append((entry["name"], kind(entry), text))
    return made + [(name, *_MORE[name]) for name in more]


def keywords(*more):
    """Make a class take every setting, and `more`, as keywords, all None where nothing is said, and document them."""
    told = parameters(*more)
    names = [name for name, _, _ in told]

    def decorate(cls):
        def __init__(self, **said):
            for name in names:
                setattr(self, name, said.pop(name, None))
            if said:
                raise TypeError(f"{cls.__name__} knows no keyword {next(iter(said))!r}")

        keyword = inspect.Parameter.KEYWORD_ONLY
        own = [inspect.Parameter("self", inspect.Parameter.POSITIONAL_OR_KEYWORD)]
        own += [inspect.Parameter(name, keyword, default=None) for name in names]
        __init__.__signature__ = inspect.Signature(own)
        cls.__init__ = __init__
        lines = [f"{name} : {type_}, default=None\n    {text}" for name, type_, text in told]
        cls.__doc__ += "\n\nParameters\n----------\n" + "\n".join(lines) + "\n"
        return cls

    return decorate


def said(estimator, task):
    """What an estimator's keywords say, as the JSON that training takes."""
    made = {}
    for name in ["preset", *(entry["name"] for entry in SETTINGS)]:
        value = getattr(estimator, name)
        if value is not None:
            made[name.replace("_", "-")] = _plain(name, value)
    encoder = estimator.encoder
    made["input"] = {"task": task}
    if encoder is not None:
        made["input"]["encoder"] = [encoder] if isinstance(encoder, str) else list(encoder)
    if getattr(estimator, "code_bits", None) is not None:
        made["input"]["code-bits"] = _plain("code_bits", estimator.code_bits)
    try:
        return json.dumps(made, allow_nan=False)
    except (TypeError, ValueError) as problem:
        raise ValueError(f"a setting is neither a number nor a word: {problem}") from None


def _plain(name, value):
    if isinstance(value, np.generic):
        value = value.item()
    if name == "layers" and not isinstance(value, str):
        widths = [value] if isinstance(value, numbers.Integral) else list(value)
        return ",".join(str(int(width)) for width in widths)
    return value
