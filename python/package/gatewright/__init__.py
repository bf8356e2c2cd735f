"""gatewright: differentiable logic gate networks, trained on any GPU or CPU and run as Boolean circuits.

    from gatewright import LogicGateClassifier
    model = LogicGateClassifier(steps=2000).fit(X, y)
    model.predict(X)                                 # [n]
    model.export("verilog", "circuit")               # the files written
"""

from importlib import import_module as _import_module

from gatewright._gatewright import VERSION as __version__

# What is looked up when it is first used, so that the command starts without numpy and scikit-learn.
_HOMES = {
    "LogicGateClassifier": "_estimators",
    "LogicGateRegressor": "_estimators",
    "Network": "_gatewright",
    "Run": "_run",
    "from_torch": "_from_torch",
}

__all__ = sorted(_HOMES)


def __getattr__(name):
    if name not in _HOMES:
        raise AttributeError(f"module 'gatewright' has no attribute {name!r}")
    return getattr(_import_module(f"gatewright.{_HOMES[name]}"), name)


def __dir__():
    return [*__all__, "__version__"]
