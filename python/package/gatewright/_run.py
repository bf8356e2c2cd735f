"""What a training run tells: while it goes, and afterwards."""

import html
import json
import sys
import time
import warnings
from pathlib import Path


class Run:
    """A finished training run.

    Attributes
    ----------
    metrics : list of dict
        What each evaluation found; the keys are those of `metrics.jsonl` (docs/RUN_FOLDER.md).
    summary : dict
        What the run came to; the keys are those of `summary.json`. `test_samples` is 0 where no `eval_set` was given:
        the network was then judged by the samples held out, or else by those it was trained on.
    settings : str
        Every setting, as a TOML file that `gatewright train --config` takes.
    """

    def __init__(self, metrics, summary, settings):
        self.metrics = metrics
        self.summary = summary
        self.settings = settings

    @classmethod
    def load(cls, folder):
        """Read the run folder that `fit(…)` with `out=` or `gatewright train` left."""
        folder = Path(folder)
        lines = (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
        summary = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
        return cls([json.loads(line) for line in lines], summary, (folder / "config.toml").read_text(encoding="utf-8"))

    def __repr__(self):
        s = self.summary
        return f"<Run of {s['steps']} steps in {s['seconds']:.1f} s on {s['adapter']}: {s['test_accuracy']:.4f}>"

    def _repr_html_(self):
        s = self.summary
        judged = "test" if s["test_samples"] else "held-out" if s.get("validation_samples") else "training"
        rows = [
            ("gates", f"{s['gates']:,} in {len(s['layers'])} layers"),
            ("steps", f"{s['steps']:,} of {s['batch']} samples"),
            ("time", f"{s['seconds']:.1f} s on {s['adapter']}"),
            (f"{judged} quality", f"{s['test_accuracy']:.4f}"),
        ]
        cells = "".join(f"<tr><td>{html.escape(k)}</td><td>{html.escape(v)}</td></tr>" for k, v in rows)
        return f"<div><table>{cells}</table>{self._curve()}</div>"

    def _curve(self):
        """Accuracy over steps as an SVG; nothing where there is one point."""
        points = [(m["step"], m["accuracy"]) for m in self.metrics if m["accuracy"] is not None]
        if len(points) < 2:
            return ""
        low, high = min(a for _, a in points), max(a for _, a in points)
        last, span = points[-1][0], (high - low) or 1.0
        path = " ".join(f"{10 + 280 * s / last:.1f},{90 - 80 * (a - low) / span:.1f}" for s, a in points)
        return (
            '<svg width="300" height="100" role="img" aria-label="quality over steps">'
            f'<polyline points="{path}" fill="none" stroke="#36c" stroke-width="2"/>'
            f'<text x="10" y="12" font-size="10">{high:.4f}</text><text x="10" y="98" font-size="10">{low:.4f}</text></svg>'
        )


class Progress:
    """Told of a run as it goes: warnings, a bar where somebody looks, and a callback."""

    def __init__(self, verbose, callback):
        self.callback = callback
        self.notebook = _notebook() if verbose is not False else None
        self.shown = verbose is True or (verbose is None and (self.notebook is not None or sys.stderr.isatty()))
        self.steps = 1
        self.told = ""
        self.last = 0.0
        self.stage_told = None

    def stage(self, text):
        """Before each part of a run of several."""
        if self.shown and self.notebook is None and self.last > 0.0:
            # Behind the bar of the part before.
            print(file=sys.stderr)
        self.stage_told, self.told, self.last = text, "", 0.0
        if self.shown:
            self._line(text)

    def begin(self, steps, text):
        self.steps = steps
        if self.shown:
            self._line(text)

    def step(self, step):
        if self.shown and time.monotonic() - self.last > 0.1:
            self.last = time.monotonic()
            self._bar(step)

    def evaluated(self, metrics):
        metrics = json.loads(metrics)
        if self.stage_told is not None:
            metrics["stage"] = self.stage_told
        self.told = f"loss {metrics['train_loss']:.4f}  quality {metrics['accuracy']:.4f}"
        if self.shown:
            self._bar(metrics["step"])
        if self.callback is not None:
            self.callback(metrics)

    def warn(self, message):
        warnings.warn(message, stacklevel=4)

    def close(self):
        if self.shown and self.notebook is None:
            print(file=sys.stderr)

    def _line(self, text):
        if self.notebook is None:
            print(text, file=sys.stderr)
        else:
            self.told = text

    def _bar(self, step):
        done = 30 * step // self.steps
        text = f"{'█' * done}{'░' * (30 - done)} {step}/{self.steps} steps  {self.told}"
        if self.notebook is None:
            print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)
        else:
            self.notebook(f"<pre>{html.escape(text)}</pre>")


def _notebook():
    """What shows HTML in place in the notebook that this runs in; None elsewhere."""
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    if shell is None or type(shell).__name__ != "ZMQInteractiveShell":
        return None
    from IPython.display import HTML, display

    handle = display(HTML(""), display_id=True)
    return lambda text: handle.update(HTML(text))
