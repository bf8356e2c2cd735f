"""What scikit-learn asks of an estimator, by its own checks."""

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from gatewright import LogicGateClassifier, LogicGateRegressor

SETTINGS = dict(layers="2x240", steps=300, eval_every=300, adapter="cpu", threads=1)


@parametrize_with_checks([LogicGateClassifier(**SETTINGS), LogicGateRegressor(**SETTINGS)])
def test_estimators_keep_the_conventions(estimator, check):
    check(estimator)
