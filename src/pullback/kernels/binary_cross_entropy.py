"""Binary cross-entropy of probabilities and of scores, as functions of two numbers."""

from math import exp

import numpy as np

from pullback.kernels import pairwise
from pullback.kernels.elementary import exact, log, log1p_of_part, sigmoid, softplus
from pullback.kernels.pairwise import Row, weigh

MOST = 100.0  # no probability costs more
LEAST = exp(-MOST)  # the one that costs as much


@exact
def at_most(cost):
    return MOST if cost > MOST else cost


@exact
def cost(x, t):
    """-log(1 - x) = log(1 + x / (1 - x)), which is exact for a small x as well."""
    lower = x < 0.5
    odds = x / (1.0 - x) if lower else 0.0
    of_0 = log1p_of_part(odds) if lower & (x >= 0.0) else -log(1.0 - x)
    return t * at_most(-log(x)) + (1.0 - t) * at_most(of_0)


@exact
def cost_x(x, t):
    flat = (x < LEAST) | (x == 1.0)  # here only one of the two logarithms moves
    top = 1.0 - x - t if flat else x - t
    slope = top / (1.0 if flat else x * (1.0 - x))
    return slope if (x >= 0.0) & (x <= 1.0) else np.nan


@exact
def cost_t(x, t):
    """log(1 - x) - log x"""
    inner = log((1.0 - x) / x)
    inner = -MOST if x == 1.0 else inner
    return MOST if (x >= 0.0) & (x < LEAST) else inner


@exact
def score(x, t):
    return weigh(1.0 - t, softplus(x)) + weigh(t, softplus(-x))


@exact
def score_x(x, t):
    return (1.0 - t) * sigmoid(x) - t * sigmoid(-x)


@exact
def score_t(x, t):
    return -x


TABLE = {
    "BinaryCrossEntropy": Row(cost, cost_x, cost_t),
    "BinaryCrossEntropyWithLogits": Row(score, score_x, score_t),
}
takes, made_for = pairwise.of(TABLE)
