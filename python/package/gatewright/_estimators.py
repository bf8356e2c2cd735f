"""`LogicGateClassifier` and `LogicGateRegressor`."""

import contextlib
import json
import tempfile
from pathlib import Path

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import check_array, check_consistent_length, check_is_fitted, column_or_1d, validate_data

from gatewright import _samples
from gatewright._gatewright import Network, train
from gatewright._run import Progress, Run
from gatewright._settings import keywords, said


class _LogicGates(BaseEstimator):
    """What both estimators share."""

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.categorical = True
        return tags

    def _given(self, X, reset):
        """Samples as they are handed over: an array of uint8 or float64, or columns by name."""
        if not isinstance(X, np.ndarray) and hasattr(X, "__array__") and str(getattr(X, "dtype", "")).endswith("uint8"):
            X = np.asarray(X)
        if _samples.is_bytes(X):
            width = int(np.prod(X.shape[1:]))
            if reset:
                self.n_features_in_ = width
                self.__dict__.pop("feature_names_in_", None)
            elif width != getattr(self, "n_features_in_", width):
                raise ValueError(
                    f"X has {width} features, but {type(self).__name__} is expecting {self.n_features_in_} features as input"
                )
            return np.ascontiguousarray(X)
        # What was loaded does not know all columns that there were in training; its network tells what it lacks.
        is_known = reset or hasattr(self, "n_features_in_")
        if _samples.is_frame(X) or _samples.has_words(X):
            if is_known:
                validate_data(self, X, reset=reset, skip_check_array=True)
            return _samples.columns(X)
        how = dict(dtype=np.float64, order="C", ensure_all_finite=False, ensure_min_samples=2 if reset else 1)
        return validate_data(self, X, reset=reset, **how) if is_known else check_array(X, **how)

    def _first(self, X, y):
        """X as it is handed over, for training by y."""
        given = self._given(X, reset=True)
        if y is None:
            raise ValueError(f"{type(self).__name__} requires y to be passed, but the target y is None")
        check_consistent_length(X, y)
        return given

    def _train(self, x, y, names, task, eval_set, callback, resume):
        """Train on what is handed over and keep the network; eval_set has its samples as they were given."""
        test = None
        if eval_set is not None:
            test = (self._given(eval_set[0], reset=False), eval_set[1])
        with contextlib.ExitStack() as stack:
            if resume is not None:
                folder = resume
            else:
                folder = self.out or stack.enter_context(tempfile.TemporaryDirectory(prefix="gatewright-"))
            progress = Progress(self.verbose, callback)
            stack.callback(progress.close)
            train(
                x,
                y,
                names,
                test,
                "data",
                said(self, task),
                None if self.adapter is None else str(self.adapter),
                self.threads,
                str(folder),
                resume is not None,
                progress,
            )
            self.run_ = Run.load(folder)
            self.network_ = Network.load(Path(folder) / "model.safetensors")
        return self

    def votes(self, X):
        """Votes of the network's outputs.

        Parameters
        ----------
        X : array of uint8 [n, bytes] or images [n, rows, columns] (and channels, first or last), array of numbers
            [n, columns], or a frame of pandas or polars

        Returns
        -------
        array of uint32 [n, outputs], in the order of `network_.outputs`
        """
        check_is_fitted(self, "network_")
        return self.network_.votes(self._given(X, reset=False))

    def save(self, path):
        """Write the network as a model file, which the command `gatewright` reads, too."""
        check_is_fitted(self, "network_")
        self.network_.save(path)

    @classmethod
    def load(cls, path):
        """An estimator of the network in a model file, or in a run folder, whoever trained it."""
        path = Path(path)
        return cls()._of(Network.load(path / "model.safetensors" if path.is_dir() else path))

    def _of(self, network):
        if network.task not in self._tasks:
            raise ValueError(f"the network tells {network.task}, and {type(self).__name__} {' or '.join(self._tasks)}")
        self.network_ = network
        return self

    def simplify(self):
        """How far the circuit is simplified: counts of gates, layers and functions before and after.

        The circuit that `predict` runs and `export` writes always is; its votes are those of the network as trained.

        Returns
        -------
        dict with `gates`, `live_gates` and a `report` of what each was
        """
        check_is_fitted(self, "network_")
        return json.loads(self.network_.simplified())

    def export(
        self, format, folder=None, *, name="network", outputs="counts", inputs="features", pipeline=0, as_trained=False
    ):
        """The circuit for other tools.

        Parameters
        ----------
        format : "verilog", "c", "rust", "blif", "aag", "aig" or "dot"
        folder : where to write the files; nothing is written if it is None
        name : of the files, and of the module or functions in them
        outputs : "votes", "counts", "class" or "labels"
        inputs : "features" or, of Verilog, "pixels"
        pipeline : ranks of registers in Verilog
        as_trained : whether to keep the circuit gate for gate

        Returns
        -------
        the paths written, or a dict of file names and their bytes if folder is None
        """
        check_is_fitted(self, "network_")
        origin = f"a network of Python, trained on {self.network_.dataset}"
        files = self.network_.export(format, name, origin, outputs, inputs, pipeline, as_trained)
        if folder is None:
            return dict(files)
        Path(folder).mkdir(parents=True, exist_ok=True)
        paths = [Path(folder) / file for file, _ in files]
        for path, (_, content) in zip(paths, files):
            path.write_bytes(content)
        return paths

    def to_torch(self):
        """The network as a `torch.nn.Module`: bytes [n, bytes] uint8 to votes [n, outputs] int64."""
        check_is_fitted(self, "network_")
        from gatewright._to_torch import module

        return module(self.network_)

    def _repr_html_inner(self):
        told = super()._repr_html_inner()
        return told + self.run_._repr_html_() if hasattr(self, "run_") else told


@keywords("encoder", "adapter", "threads", "out", "verbose")
class LogicGateClassifier(ClassifierMixin, _LogicGates):
    """A classifier of logic gates.

    Every keyword is a setting of the command line, and None means what the preset says. Rows (arrays of numbers, frames)
    are read as tables: columns of numbers become thermometers, words a bit each, missing values are known as such. Arrays
    of uint8 are bytes of images, `[n, bytes]` or `[n, rows, columns]`, with 1 or 3 channels first or last.

    Attributes
    ----------
    classes_ : array of the classes, in order
    network_ : the `Network`
    run_ : the `Run` that trained it
    """

    _tasks = ("classes", "labels")

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags

    def fit(self, X, y, *, eval_set=None, callback=None, resume=None):
        """Train a network.

        Parameters
        ----------
        X : samples, as `votes` takes them
        y : classes [n] of any kind, or labels [n, labels], each 0 or 1
        eval_set : (X, y) of test samples that the run is judged by when it has ended
        callback : called with a dict of metrics after each evaluation; what it raises ends the run. In a run of two parts
            (`convolutions_from`) its `stage` says which part it is
        resume : run folder, kept by `out`, of a run to go on with

        Returns
        -------
        self
        """
        given = self._first(X, y)
        check_classification_targets(y)
        is_labels = type_of_target(y) == "multilabel-indicator"
        frame, y = y, self._told(y, is_labels)
        if is_labels:
            names = _samples.names(frame, y.shape[1], "label")
            self.classes_, self._dtype = np.arange(y.shape[1]), y.dtype
            told = lambda y: np.ascontiguousarray(y, dtype=np.float64)  # noqa: E731
        else:
            self.classes_ = np.unique(y)
            names = [_samples.text(value) for value in self.classes_]
            if len(set(names)) < len(names):
                raise ValueError("two classes of y are written alike; give them different names")
            if len(names) < 2:
                raise ValueError(f"y has one class, {names[0]}; there is nothing to learn, give samples of at least two")
            told = self._numbers
        if eval_set is not None:
            eval_set = (eval_set[0], told(self._told(eval_set[1], is_labels)))
        task = "labels" if is_labels else "classes"
        self._train(given, told(y), names, task, eval_set, callback, resume)
        return self._order()

    @staticmethod
    def _told(y, is_labels):
        checked = check_array(y, ensure_2d=False, dtype=None, input_name="y")
        return checked if is_labels else column_or_1d(checked, warn=True)

    def _numbers(self, y):
        places = np.searchsorted(self.classes_, y).clip(max=len(self.classes_) - 1)
        if np.any(self.classes_[places] != y):
            raise ValueError("eval_set has classes that are none of y's")
        return places.astype(np.uint32)

    def _order(self):
        """Find the network's outputs in `classes_`."""
        if self.network_.task == "classes":
            names = [_samples.text(value) for value in self.classes_]
            self._output_of_class = np.array([self.network_.outputs.index(name) for name in names])
            self._class_of_output = np.argsort(self._output_of_class)
        return self

    def _of(self, network):
        super()._of(network)
        if network.task == "labels":
            self.classes_, self._dtype = np.arange(len(network.outputs)), np.dtype(np.int64)
            return self
        self.classes_ = np.array(network.outputs)
        for kind in (np.int64, np.float64):
            try:
                self.classes_ = self.classes_.astype(kind)
                break
            except ValueError:
                pass
        # As they would have been learned: sorted.
        self.classes_ = np.unique(self.classes_)
        return self._order()

    def predict(self, X):
        """The class of the most votes, [n], the first among equals; of labels, [n, labels] of 0 and 1."""
        check_is_fitted(self, "network_")
        given = self._given(X, reset=False)
        if self.network_.task == "labels":
            return (2 * self.network_.votes(given) > self.network_.group).astype(self._dtype)
        return self.classes_[self._class_of_output[self.network_.classify(given)]]

    def predict_proba(self, X):
        """Probabilities [n, classes]: softmax of votes / τ, in the order of `classes_`.

        Of labels, [n, labels]: the sigmoid of (votes − group / 2) / τ.
        """
        votes = self.votes(X).astype(np.float64)
        if self.network_.task == "labels":
            return 1 / (1 + np.exp((self.network_.group / 2 - votes) / self.network_.tau))
        scores = votes[:, self._output_of_class] / self.network_.tau
        scores = np.exp(scores - scores.max(axis=1, keepdims=True))
        return scores / scores.sum(axis=1, keepdims=True)


@keywords("code_bits", "encoder", "adapter", "threads", "out", "verbose")
class LogicGateRegressor(RegressorMixin, _LogicGates):
    """A regressor of logic gates: values are counted by votes, from the least to the greatest that training saw.

    Every keyword is a setting of the command line, and None means what the preset says. What samples may be is told at
    `LogicGateClassifier`.

    Attributes
    ----------
    network_ : the `Network`
    run_ : the `Run` that trained it
    """

    _tasks = ("values",)
    _is_flat = True

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

    def fit(self, X, y, *, eval_set=None, callback=None, resume=None):
        """Train a network.

        Parameters
        ----------
        X : samples, as `votes` takes them
        y : values [n] or [n, targets]
        eval_set : (X, y) of test samples that the run is judged by when it has ended
        callback : called with a dict of metrics after each evaluation; what it raises ends the run. In a run of two parts
            (`convolutions_from`) its `stage` says which part it is
        resume : run folder, kept by `out`, of a run to go on with

        Returns
        -------
        self
        """
        given = self._first(X, y)
        told = self._told(y)
        names = _samples.names(y, 1 if told.ndim == 1 else told.shape[1], "value")
        self._is_flat = told.ndim == 1
        if eval_set is not None:
            eval_set = (eval_set[0], self._told(eval_set[1]).reshape(-1, len(names)))
        return self._train(given, told.reshape(-1, len(names)), names, "values", eval_set, callback, resume)

    @staticmethod
    def _told(y):
        y = check_array(y, ensure_2d=False, dtype=np.float64, input_name="y", order="C")
        return column_or_1d(y, warn=True) if y.ndim == 2 and y.shape[1] == 1 else y

    def _of(self, network):
        super()._of(network)
        self._is_flat = len(network.targets) == 1
        return self

    def predict(self, X):
        """Values [n], or [n, targets], in the units of the y that it was trained on."""
        values = self.network_.values(self.votes(X)) if hasattr(self, "network_") else self.votes(X)
        return values[:, 0] if self._is_flat else values
