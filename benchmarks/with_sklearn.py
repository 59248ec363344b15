"""The row of the tiny network, by scikit-learn."""

import warnings

import numpy as np
from sklearn.neural_network import MLPClassifier

rng = np.random.default_rng(0)


def start(threads):
    warnings.simplefilter("ignore")


def mlp(layers, batch, optimizer):
    kind = dict(solver="adam") if optimizer == "adam" else dict(solver="sgd", momentum=0.9 * (optimizer == "momentum"))
    model = MLPClassifier(layers[1:-1], learning_rate_init=1e-3, batch_size=batch, nesterovs_momentum=False, **kind)
    x = rng.standard_normal((batch, layers[0]), dtype=np.float32)
    t = np.arange(batch) % layers[-1]
    return lambda: model.partial_fit(x, t, classes=np.arange(layers[-1]))
