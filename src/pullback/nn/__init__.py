"""Layers that own their parameters, under PyTorch's names; models made of them; their weights in files.

    model = nn.Sequential(nn.Conv2d(1, 16, 3), nn.ReLU(), nn.Flatten(), nn.Linear(576, 10), rng=0)
    y, at = model.linearize(x)
    gx, gradients = at.vjp(gy)          gradients["0.weight"], ...

Nothing is changed behind anyone's back: `linearize` leaves the model as it is, and what a batch would change, the
running statistics of batch norm, stands in `at.updates`: `model.load(at.updates, strict=False)` takes it over.
"""

from pullback.nn import initialisation as init
from pullback.nn.layer import Layer
from pullback.nn.layers import *  # noqa: F403
from pullback.nn.layers import KINDS
from pullback.nn.modelfile import build_model, read_model
from pullback.nn.residual import Residual
from pullback.nn.sequential import Sequential
from pullback.nn.weights import load_weights, save

__all__ = ["Layer", "Residual", "Sequential", "build_model", "init", "load_weights", "read_model", "save", *KINDS]
