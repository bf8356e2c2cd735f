import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

#: Small enough for a test, good enough to learn.
SMALL = dict(layers="2x240", steps=300, eval_every=300, adapter="cpu")


@pytest.fixture(scope="session")
def digits():
    X, y = load_digits(return_X_y=True)
    return train_test_split(X, y, test_size=0.2, random_state=0)


@pytest.fixture(scope="session")
def classifier(digits):
    from gatewright import LogicGateClassifier

    X, _, y, _ = digits
    return LogicGateClassifier(layers="2x1000", steps=800, eval_every=400, adapter="cpu").fit(X, y)


@pytest.fixture(scope="session")
def images():
    """Digits as images of bytes."""
    X, y = load_digits(return_X_y=True)
    return (X * 15.9).astype(np.uint8).reshape(-1, 8, 8), y
