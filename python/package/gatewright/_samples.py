"""From what Python programs hold to what is handed over: arrays of uint8 or float64, or columns by name."""

import numbers

import numpy as np


def is_bytes(X):
    """Whether X is an array of bytes, `[n, bytes]` or images."""
    return isinstance(X, np.ndarray) and X.dtype == np.uint8 and X.ndim >= 2


def is_frame(X):
    """Whether X is a frame of pandas or polars."""
    return hasattr(X, "columns") and (hasattr(X, "iloc") or hasattr(X, "get_columns"))


def has_words(X):
    """Whether X is an array of objects that holds words."""
    return isinstance(X, np.ndarray) and X.dtype.kind in "OUST" and X.ndim == 2 and any(isinstance(v, str) for v in X.flat)


def columns(X):
    """The columns of a frame, or of an array of objects, by name: arrays of float64, NaN where missing, or lists of words."""
    if isinstance(X, np.ndarray):
        return [(f"c{i + 1}", _words(X[:, i])) for i in range(X.shape[1])]
    if hasattr(X, "iloc"):
        return [(str(name), _pandas(X.iloc[:, i])) for i, name in enumerate(X.columns)]
    return [(name, _polars(X[name])) for name in X.columns]


def _pandas(column):
    if column.dtype.kind in "biuf":
        return np.ascontiguousarray(column.to_numpy(dtype=np.float64, na_value=np.nan))
    return _words(column.astype(object).where(column.notna(), None))


def _polars(column):
    if column.dtype.is_numeric() or str(column.dtype) == "Boolean":
        return np.ascontiguousarray(column.cast(float).to_numpy(), dtype=np.float64)
    return column.cast(str).to_list()


def _words(column):
    """Words as they are, numbers as they are written, None and NaN as None."""
    return [None if v is None or v != v else text(v) for v in column]


def text(value):
    """A value as it is written: 1.0 is 1."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, numbers.Real) and not isinstance(value, (bool, numbers.Integral)) and float(value).is_integer():
        value = int(value)
    return str(value)


def names(y, width, word):
    """What the columns of y are called."""
    if hasattr(y, "columns") and len(y.columns) == width:
        return [str(name) for name in y.columns]
    if width == 1:
        return [str(y.name) if getattr(y, "name", None) else word]
    return [f"{word} {i + 1}" for i in range(width)]
