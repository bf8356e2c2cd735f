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

class LogicGateClassifier(_LogicGates):
    classes_: NDArray[Any]
    def predict_proba(self, X: Any) -> NDArray[np.float64]: ...
    def __init__(
        self,
        *,
        preset: str | None = None,
        validation: float | None = None,
        thresholds: int | None = None,
        rare: float | None = None,
        shift: int | None = None,
        flip: bool | None = None,
        rotate: float | None = None,
        resized_crop: float | None = None,
        layers: str | int | Sequence[int] | None = None,
        pool_gradient: str | None = None,
        arity: int | None = None,
        wiring: str | None = None,
        freeze: str | None = None,
        convolutions_from: str | None = None,
        parametrization: str | None = None,
        init: str | None = None,
        init_mean: float | None = None,
        init_deviation: float | None = None,
        tau: float | None = None,
        learn_wiring: str | None = None,
        candidates: int | None = None,
        candidates_from: str | None = None,
        wiring_rule: str | None = None,
        wiring_lr: float | None = None,
        probe_every: int | None = None,
        freeze_wiring: float | None = None,
        method: str | None = None,
        input_kind: str | None = None,
        temperature: float | None = None,
        cage: bool | None = None,
        cage_tau_min: float | None = None,
        cage_tau_max: float | None = None,
        cage_decay: float | None = None,
        cage_scope: str | None = None,
        batch: int | None = None,
        micro_batch: int | None = None,
        lr: float | None = None,
        schedule: str | None = None,
        lr_final: float | None = None,
        warmup: int | None = None,
        weight_decay: float | None = None,
        beta1: float | None = None,
        beta2: float | None = None,
        epsilon: float | None = None,
        gradients: str | None = None,
        steps: int | None = None,
        seed: int | None = None,
        eval_every: int | None = None,
        patience: int | None = None,
        select: str | None = None,
        encoder: str | Sequence[str] | None = None,
        adapter: str | None = None,
        threads: int | None = None,
        out: str | PathLike[str] | None = None,
        verbose: bool | None = None,
    ) -> None: ...

class LogicGateRegressor(_LogicGates):
    def __init__(
        self,
        *,
        preset: str | None = None,
        validation: float | None = None,
        thresholds: int | None = None,
        rare: float | None = None,
        shift: int | None = None,
        flip: bool | None = None,
        rotate: float | None = None,
        resized_crop: float | None = None,
        layers: str | int | Sequence[int] | None = None,
        pool_gradient: str | None = None,
        arity: int | None = None,
        wiring: str | None = None,
        freeze: str | None = None,
        convolutions_from: str | None = None,
        parametrization: str | None = None,
        init: str | None = None,
        init_mean: float | None = None,
        init_deviation: float | None = None,
        tau: float | None = None,
        learn_wiring: str | None = None,
        candidates: int | None = None,
        candidates_from: str | None = None,
        wiring_rule: str | None = None,
        wiring_lr: float | None = None,
        probe_every: int | None = None,
        freeze_wiring: float | None = None,
        method: str | None = None,
        input_kind: str | None = None,
        temperature: float | None = None,
        cage: bool | None = None,
        cage_tau_min: float | None = None,
        cage_tau_max: float | None = None,
        cage_decay: float | None = None,
        cage_scope: str | None = None,
        batch: int | None = None,
        micro_batch: int | None = None,
        lr: float | None = None,
        schedule: str | None = None,
        lr_final: float | None = None,
        warmup: int | None = None,
        weight_decay: float | None = None,
        beta1: float | None = None,
        beta2: float | None = None,
        epsilon: float | None = None,
        gradients: str | None = None,
        steps: int | None = None,
        seed: int | None = None,
        eval_every: int | None = None,
        patience: int | None = None,
        select: str | None = None,
        code_bits: int | None = None,
        encoder: str | Sequence[str] | None = None,
        adapter: str | None = None,
        threads: int | None = None,
        out: str | PathLike[str] | None = None,
        verbose: bool | None = None,
    ) -> None: ...
