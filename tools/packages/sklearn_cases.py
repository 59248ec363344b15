"""The whole backward of scikit-learn's networks, and the derivatives of their activations."""

import warnings

import numpy as np
from inputs import ROWS, between
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.neural_network._base import ACTIVATIONS, DERIVATIVES

X = np.random.default_rng(0).normal(size=(6, 5))
CLASSES, VALUES = np.array([0, 1, 2, 0, 1, 2]), X @ between(0, 1, 5, 2)


def cases():
    for name in DERIVATIVES:
        yield name, *activation(name), [ROWS]
    for model, t, targets in (
        (MLPClassifier(4, activation="tanh", alpha=0.1, max_iter=1, random_state=0), CLASSES, np.eye(3)[CLASSES]),
        (
            MLPRegressor(hidden_layer_sizes=4, activation="logistic", alpha=0.1, max_iter=1, random_state=0),
            VALUES[:, 0],
            VALUES[:, :1],
        ),
        (
            MLPRegressor(hidden_layer_sizes=4, activation="logistic", alpha=0.1, max_iter=1, random_state=0),
            VALUES,
            VALUES,
        ),
    ):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # one step is not meant to converge
            model.fit(X, t)
        name = f"{type(model).__name__}, {targets.shape[1]} outputs"
        yield name, loss(model, targets), None, [[*model.coefs_, *model.intercepts_]]


def activation(name):
    """Both work in place, and the derivative wants the output."""

    def forward(x):
        y = x.copy()
        ACTIVATIONS[name](y)
        return y

    def backward(dout, out):
        dx = dout.copy()
        DERIVATIVES[name](out, dx)
        return dx

    return forward, backward


def loss(model, targets):
    """The loss that is minimised, with its gradients, as a function of the weights."""

    def loss_and_gradients(weights):
        model.coefs_, model.intercepts_ = weights[:2], weights[2:]
        activations = [X, *(np.empty((len(X), size)) for size in (4, targets.shape[1]))]
        deltas, space = [np.empty_like(a) for a in activations[1:]], [np.empty_like(w) for w in weights]
        value, gw, gb = model._backprop(X, targets, None, activations, deltas, space[:2], space[2:])
        return value, [*gw, *gb]

    return loss_and_gradients
