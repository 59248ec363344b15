"""Kullback–Leibler divergence, as a function of two numbers."""

import numpy as np

from pullback.kernels import pairwise
from pullback.kernels.elementary import exact, exp, log
from pullback.kernels.pairwise import Row, weigh


@exact
def cost(x, t):
    return weigh(t, log(1.0 if t == 0.0 else t) - x)


@exact
def cost_x(x, t):
    return -t


@exact
def cost_t(x, t):
    impossible = (t == 0.0) & (x == -np.inf)
    return log(1.0 if impossible else t) - x + 1.0


@exact
def probability(t):
    """Of a logarithm: 0 and inf where float32 has it so."""
    p = 0.0 if t < -104.0 else exp(t)
    return np.inf if t > 89.0 else p


@exact
def excess(x, t, more):
    p = probability(t)
    return weigh(p, (0.0 if p == 0.0 else t) - x + more)


@exact
def log_cost(x, t):
    return excess(x, t, 0.0)


@exact
def log_cost_x(x, t):
    return -probability(t)


@exact
def log_cost_t(x, t):
    return excess(x, t, 1.0)


TABLE = {"KLDiv": Row(cost, cost_x, cost_t), "LogKLDiv": Row(log_cost, log_cost_x, log_cost_t)}
takes, made_for = pairwise.of(TABLE)
