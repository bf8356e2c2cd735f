#!/usr/bin/env python3
"""Write package/gatewright/__init__.pyi, the types of the package, from the one list of settings; a test tells when it is old.

    python stubs.py
"""

import pathlib

PATH = pathlib.Path(__file__).parent / "package" / "gatewright" / "__init__.pyi"

HEAD = '''\
"""Types of gatewright; written by stubs.py from the list of settings."""

from collections.abc import Callable, Sequence
from os import PathLike
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

__version__: str
__all__: list[str]

_Format = Literal["verilog", "c", "rust", "blif", "aag", "aig", "dot"]
_Outputs = Literal["votes", "counts", "class", "labels"]

class Network:
    outputs: list[str]
    task: Literal["classes", "labels", "values"]
    targets: list[str]
    dataset: str
    tau: float
    group: int
    layers: list[int]
    image: tuple[int, int, int]
    columns: list[str]
    @staticmethod
    def from_bytes(bytes: bytes) -> Network: ...
    @staticmethod
    def load(path: str | PathLike[str]) -> Network: ...
    @staticmethod
    def from_parts(dataset: str, image: tuple[int, int, int], pixel: NDArray[np.uint32], threshold: NDArray[np.uint8],
                   layers: Sequence[tuple[NDArray[np.uint32], NDArray[np.uint64], str, NDArray[np.float32], str | None]],
                   classes: Sequence[str], tau: float) -> Network: ...
    def to_bytes(self) -> bytes: ...
    def save(self, path: str | PathLike[str]) -> None: ...
    def votes(self, x: Any, parallel: bool = True) -> NDArray[np.uint32]: ...
    def classify(self, x: Any, parallel: bool = True) -> NDArray[np.uint32]: ...
    def values(self, votes: NDArray[np.uint32]) -> NDArray[np.float64]: ...
    def encode(self, x: Any) -> NDArray[np.uint8]: ...
    def simplified(self) -> str: ...
    def export(self, format: _Format, name: str, origin: str, outputs: _Outputs, inputs: str, pipeline: int,
               as_trained: bool) -> list[tuple[str, bytes]]: ...
    def parts(self) -> dict[str, Any]: ...

class Run:
    metrics: list[dict[str, Any]]
    summary: dict[str, Any]
    settings: str
    def __init__(self, metrics: list[dict[str, Any]], summary: dict[str, Any], settings: str) -> None: ...
    @classmethod
    def load(cls, folder: str | PathLike[str]) -> Run: ...

def from_torch(source: Any, *, classes: int | Sequence[str] | None = None, tau: float | None = None,
               parametrization: Literal["warp", "light"] | None = None, image: tuple[int, int, int] | None = None,
               scale: Callable[[NDArray[np.uint8]], NDArray[np.float32]] | None = None,
               name: str = "torch") -> LogicGateClassifier: ...

class _LogicGates:
    network_: Network
    run_: Run
    n_features_in_: int
    feature_names_in_: NDArray[Any]
    def get_params(self, deep: bool = True) -> dict[str, Any]: ...
    def set_params(self, **params: Any) -> Self: ...
    def fit(self, X: Any, y: ArrayLike, *, eval_set: tuple[Any, ArrayLike] | None = None,
            callback: Callable[[dict[str, Any]], object] | None = None,
            resume: str | PathLike[str] | None = None) -> Self: ...
    def votes(self, X: Any) -> NDArray[np.uint32]: ...
    def predict(self, X: Any) -> NDArray[Any]: ...
    def score(self, X: Any, y: ArrayLike, sample_weight: ArrayLike | None = None) -> float: ...
    def save(self, path: str | PathLike[str]) -> None: ...
    @classmethod
    def load(cls, path: str | PathLike[str]) -> Self: ...
    def simplify(self) -> dict[str, Any]: ...
    def export(self, format: _Format, folder: str | PathLike[str] | None = None, *, name: str = "network",
               outputs: _Outputs = "counts", inputs: Literal["features", "pixels"] = "features", pipeline: int = 0,
               as_trained: bool = False) -> list[Path] | dict[str, bytes]: ...
    def to_torch(self) -> Any: ...
'''

MORE = {
    "LogicGateClassifier": "    classes_: NDArray[Any]\n    def predict_proba(self, X: Any) -> NDArray[np.float64]: ...\n",
    "LogicGateRegressor": "",
}

TYPES = {"str or list of str": "str | Sequence[str]", "str or list of int": "str | int | Sequence[int]",
         "path": "str | PathLike[str]"}  # fmt: skip


def stub():
    """The whole file."""
    from gatewright import _estimators, _settings

    made = HEAD
    for name, more in MORE.items():
        signature = getattr(_estimators, name).__init__.__signature__
        types = {own: type_ for own, type_, _ in _settings.parameters(*_settings._MORE)}
        names = [own for own in signature.parameters if own != "self"]
        keywords = "".join(f"        {own}: {TYPES.get(types[own], types[own])} | None = None,\n" for own in names)
        made += f"\nclass {name}(_LogicGates):\n{more}    def __init__(\n        self,\n        *,\n{keywords}    ) -> None: ...\n"
    return made


if __name__ == "__main__":
    PATH.write_text(stub(), encoding="utf-8")
