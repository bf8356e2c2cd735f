#!/usr/bin/env python3
"""Time how long a trained network takes for MNIST's 10,000 test images, from numpy arrays, on one core.

    gatewright train --out quick && RAYON_NUM_THREADS=1 python bench.py quick
"""

import gzip
import pathlib
import sys
import time

import numpy as np

from gatewright import LogicGateClassifier

MNIST = pathlib.Path(__file__).parent.parent / "assets" / "mnist"
model = LogicGateClassifier.load(sys.argv[1])
X = np.frombuffer(gzip.open(MNIST / "t10k-images-idx3-ubyte.gz").read(), np.uint8, offset=16).reshape(-1, 784)
y = np.frombuffer(gzip.open(MNIST / "t10k-labels-idx1-ubyte.gz").read(), np.uint8, offset=8)
print(f"{sum(model.network_.layers)} gates, {model.score(X, y):.4f} right")
seconds = []
for _ in range(50):
    began = time.perf_counter()
    model.predict(X)
    seconds.append(time.perf_counter() - began)
print(f"{len(X)} images in {min(seconds) * 1e3:.1f} ms at best, {np.median(seconds) * 1e3:.1f} ms in the median")
