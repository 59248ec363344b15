"""A training step of a chain of dense layers as one compiled call: forward, cross-entropy, backward, downhill.

    y[0] = x,    y[l] = f(w y[l-1] + b)                   relu is taken as the product is stored
    g = (softmax(y) - onehot(t)) / batch                  in the place of the scores
    g ← f' g,    gb = Σ g,    gw = gᵀ y[l-1],    g ← g w   from the last layer to the first

Parameters stand in one flat array, layer by layer, w then b, and so do their gradients. Everything between lives in an
arena: a step takes no fresh memory. relu leaves -0.0 where it clips, and that sign is all
that its derivative needs: at 0 itself it is 1, from the right.
"""

import numpy as np

from pullback.kernels import single
from pullback.kernels.buffers import empty
from pullback.kernels.cells import copy, sigmoids_and_slopes, tanhs_and_slopes
from pullback.kernels.compiled import kernel, part
from pullback.kernels.dense_lanes import pull_relu
from pullback.kernels.elementary import exp_of_negative as exp
from pullback.kernels.lent import lent
from pullback.kernels.matmul import multiply, room
from pullback.kernels.optimisers import advance
from pullback.kernels.threads import parallel
from pullback.kernels.tile import RELU, WIDTH, address

f = np.float32
IDENTITY, RECTIFIER, TANH, SIGMOID, GELU, SILU, LEAKY = range(7)
NO_CLASS = -1.0  # instead of a loss
BLOCK = 256  # columns that a thread takes at a time
FEW = 8  # rows


def arena_of(batch, layers):
    """Per layer its output, the slope of its activation, and the gradient of its output; then work space."""
    size = room.py_func
    work = max(max(size(batch, o, i), size(batch, i, o), size(o, i, batch)) for i, o, _ in layers)
    return empty((3 * batch * sum(o for _, o, _ in layers) + work,))


@part
def product(a, b, c, bias, work, flags):
    """c = a b + bias for arrays of any strides."""
    (m, depth), n, shift = a.shape, b.shape[1], address(bias) if bias.size else 0
    left, right = (address(a), a.strides[0], a.strides[1]), (address(b), b.strides[0], b.strides[1])
    multiply(m, n, depth, *left, *right, address(c), c.strides[0], shift, address(work), flags)


@part
def cross_entropy(y, t):
    """Put the gradient of the mean loss in the place of the scores; return the loss."""
    total, share = 0.0, f(1) / f(y.shape[0])
    for r in range(y.shape[0]):
        row, label = y[r], t[r]
        largest = row[0]
        for j in range(row.size):
            largest = max(largest, row[j])
        score, mass = row[label] - largest, f(0)
        for j in range(row.size):
            row[j] = exp(row[j] - largest)
            mass += row[j]
        total += np.log(mass) - score
        scale = share / mass
        for j in range(row.size):
            row[j] *= scale
        row[label] -= share
    return total / y.shape[0]


@part
def pull_columns(lo, hi, activation, y, slope, g, gb):
    """g ← f' g, and its sum over the batch, for blocks lo..hi of columns."""
    for block in range(lo, hi):
        here = slice(block * BLOCK, min((block + 1) * BLOCK, gb.size))
        if activation == RECTIFIER:
            pull_rectified(y[:, here], g[:, here], g[:, here], gb[here])
            continue
        total = gb[here]
        total[:] = 0
        for r in range(g.shape[0]):
            row = g[r, here]
            if activation != IDENTITY:
                scale(slope[r, here], row)
            add(row, total)


@part
def pull_rectified(y, gy, g, total):
    """g = f' gy, a vector of columns at a time, down a few rows: more would lie too far apart for the cache."""
    total[:] = 0
    for r in range(0, len(g), FEW):
        rows, of_y, of_gy, of_g = min(FEW, len(g) - r), address(y[r]), address(gy[r]), address(g[r])
        for j in range(0, 4 * total.size, 4 * WIDTH):
            steps = (of_y + j, y.strides[0]), (of_gy + j, gy.strides[0]), (of_g + j, g.strides[0])
            pull_relu(total.size - j // 4, rows, *steps[0], *steps[1], *steps[2], address(total) + j)


@part
def scale(a, g):
    for j in range(g.size):
        g[j] *= a[j]


@part
def add(a, total):
    for j in range(total.size):
        total[j] += a[j]


@part
def activate(lo, hi, activation, leak, y, slope):
    """The activation of rows lo..hi, in place, and its slopes."""
    z = np.empty(y.shape[1], f)
    for r in range(lo, hi):
        copy(y[r], z)
        if activation == TANH:
            tanhs_and_slopes(z, y[r], slope[r])
        elif activation == SIGMOID:
            sigmoids_and_slopes(z, y[r], slope[r])
        elif activation == LEAKY:
            leaks_and_slopes(z, leak, y[r], slope[r])
        elif activation == GELU:
            of_each(z, y[r], single.gelu)
            of_each(z, slope[r], single.gelu_slope)
        else:
            of_each(z, y[r], single.silu)
            of_each(z, slope[r], single.silu_slope)


@part
def of_each(z, y, function):
    for j in range(z.size):
        y[j] = function(z[j])


@part
def leaks_and_slopes(z, leak, y, slope):
    for j in range(z.size):
        slope[j] = leak if z[j] < 0 else f(1)
        y[j] = slope[j] * z[j]


@part
def gradients_of(x, t, layers, leaks, params, grads, arena):
    """Fill `grads`; return the mean loss, or NO_CLASS where a label is none."""
    batch, classes = x.shape[0], layers[-1, 1]
    for label in t:
        if label < 0 or label >= classes:
            return NO_CLASS
    ends, place, here = np.zeros((len(layers), 2), np.int64), 0, 0
    work, y = arena[3 * batch * layers[:, 1].sum() :], x
    for l in range(len(layers)):
        i, o, activation = layers[l]
        w, b = params[place : place + i * o].reshape(o, i), params[place + i * o : place + i * o + o]
        ends[l] = place, here
        out, slope = arena[here : here + batch * o], arena[here + batch * o : here + 2 * batch * o]
        y, before = out.reshape(batch, o), y
        product(before, w.T, y, b, work, RELU if activation == RECTIFIER else 0)
        if activation > RECTIFIER:
            parallel(activate, batch, max(1, (1 << 13) // o), (activation, leaks[l], y, slope.reshape(batch, o)))
        place, here = place + i * o + o, here + 3 * batch * o
    loss, g = cross_entropy(y, t), y
    for l in range(len(layers) - 1, -1, -1):
        (i, o, activation), (place, here) = layers[l], ends[l]
        w, gw = params[place : place + i * o].reshape(o, i), grads[place : place + i * o].reshape(o, i)
        gb = grads[place + i * o : place + i * o + o]
        blocks, slope = (o + BLOCK - 1) // BLOCK, arena[here + batch * o : here + 2 * batch * o].reshape(batch, o)
        y = arena[here : here + batch * o].reshape(batch, o)
        parallel(pull_columns, blocks, blocks if batch * o < 1 << 14 else 1, (activation, y, slope, g, gb))
        before = x
        if l:
            start = ends[l - 1, 1]
            before = arena[start : start + batch * i].reshape(batch, i)
            down = arena[start + 2 * batch * i : start + 3 * batch * i].reshape(batch, i)
        product(g.T, before, gw, gb[:0], work, 0)
        if l:
            product(g, w, down, gb[:0], work, 0)
            g = down
    return loss


@kernel
def step(x, t, layers, leaks, params, grads, arena, formula, first, second, rates):
    """The mean loss before the step, or NO_CLASS: then no step was taken."""
    x, t, layers, leaks = lent((x, t, layers, leaks))  # the caller holds them
    params, grads, arena = lent((params, grads, arena))
    loss = gradients_of(x, t, layers, leaks, params, grads, arena)
    if loss != NO_CLASS:
        advance(formula, params, grads, first, second, rates)
    return loss
