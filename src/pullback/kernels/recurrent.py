"""Recurrent networks: the scan of a cell over all its steps as one compiled loop.

The batch is split, not the step: every thread takes its rows of the batch through all steps, with the weights packed
once for the register tile, and nobody waits for anybody. Memory traffic counts as much as arithmetic. So the loop keeps
one number for each pre-activation, and the rows [x h]; its way back makes gates and slopes of those, and uses the
gradients of the pre-activations while they are in the cache: for x, for the state before, and for the weights, a few
steps at a time.
What the cell's own methods need is made by the cell itself when they ask for it.

A cell's file gives `climb(cell, x, *states, *params)`, the paths of the states and what the loop keeps, and
`descend(cell, gy, *ends, *kept)`, what the scan's vjp gives.
"""

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np

from pullback.kernels.arrays import plain
from pullback.kernels.buffers import empty
from pullback.kernels.cells import add, copy
from pullback.kernels.compiled import kernel, part
from pullback.kernels.machine import prefetch
from pullback.kernels.matmul import pack
from pullback.kernels.tile import COLUMNS, STRIP, address, tiles, unshifted

TALL = 16  # rows of the batch that go through all steps together
DEEP = 64  # rows, of one step or several, whose gradients of the weights are added at once
LINE = 16  # floats of a cache line
PARTS = 16  # at most so many sums of gradients


def takes(rule, x, *rest):
    return 0 not in x.shape and 0 not in rest[len(rule.states) + 2].shape  # nor in w_l0


class Quick:
    """A scan whose steps are compiled; where sequences end early, the scan itself."""

    def __init__(self, scan: Any, climb: Any, descend: Any) -> None:
        self.scan, self.climb, self.descend = scan, climb, descend

    def run(self, x, *rest):
        states, lengths, params = rest[: self.scan.count], rest[self.scan.count], rest[self.scan.count + 1 :]
        if not (lengths == len(x)).all():
            return self.scan.run(x, *rest)
        x = plain(x)
        paths, kept = self.climb(self.scan.cell, x, *map(plain, states), *params)
        inputs = x, *(path[:-1] for path in paths), *params
        return (paths[0][1:], *(path[-1] for path in paths)), (None, Kept(self.scan.cell, inputs, kept))

    def vjp(self, *args):
        *gradients, live, saved = args
        if live is not None:
            return self.scan.vjp(*args)
        return self.descend(self.scan.cell, *map(plain, gradients), *saved.kept)


class Kept:
    """What the loop keeps; and what the cell saves, for all steps at once, when one goes through it."""

    def __init__(self, cell: Any, inputs: Any, kept: Any) -> None:
        self.cell, self.inputs, self.kept = cell, inputs, kept

    def __iter__(self):
        return iter(self.cell.run(*self.inputs)[1])


@cache
def quick(rule, climb, descend):
    """A copy of a recurrent rule that scans by compiled loops."""
    copy = replace(rule)
    copy.__dict__["scan"] = Quick(rule.scan, climb, descend)
    return copy


def methods(climb, descend):
    """The twins of a recurrent rule's forward and vjp."""
    forward = lambda rule, *inputs: quick(rule, climb, descend).forward(*inputs)
    vjp = lambda rule, *args: quick(rule, climb, descend).vjp(*args)
    return forward, vjp


# For the files of cells.


def flat(a):
    """All axes but the last become one."""
    return a.reshape(-1, a.shape[-1])


def steps_flat(a):
    """The axes of the batch become one: [t, batch, unit]."""
    return a.reshape(len(a), -1, a.shape[-1])


def path_of(first, steps):
    """Room for the states before every step and after the last."""
    path = empty((steps + 1, *first.shape))
    path[0] = first
    return path


def packed(b):
    """A matrix [k, n] as strips for the register tile, the last one filled up with zeros."""
    strips = strips_for(*b.shape)
    pack_all(b, strips)
    return strips


def strips_for(depth, columns):
    """Room for them."""
    return empty((-(-columns // COLUMNS), depth, COLUMNS))


def widened(b):
    """A vector, filled up with zeros to whole strips."""
    found = np.zeros(len(b) + -len(b) % COLUMNS, np.float32)
    found[: len(b)] = b
    return found


def rows_together(path):
    """How many rows of the batch a thread takes through all steps at a time: the size of the batch alone decides."""
    batch = steps_flat(path).shape[1]
    return max(min(TALL, (batch + 1) // 2), -(-batch // PARTS))


@part
def fetch(row):
    """Ask for a row that the step before this one will need: processors do not foresee that time runs backwards."""
    for j in range(0, row.size, LINE):
        prefetch(address(row) + 4 * j)


@part
def wide(n):
    """The columns of as many strips as n columns need."""
    return (n + COLUMNS - 1) // COLUMNS * COLUMNS


@part
def block(rows, n):
    return np.empty((rows, wide(n)), np.float32)


@part
def times(rows, strips, z, bias, flags):
    """z = rows b + bias, or z + rows b, for rows [r k] and a packed b."""
    table, depth = unshifted(), strips.shape[1]
    for s in range(strips.shape[0]):
        b, c = address(strips) + s * depth * STRIP, address(z) + s * STRIP
        shift, row = address(bias) + s * STRIP if bias.size else 0, rows.strides[0]
        tiles(rows.shape[0], address(rows), table, row, 4, b, table, STRIP, 1, depth, c, z.strides[0], shift, flags)


@part
def stand_side_by_side(lo, hi, w, u, strips):
    """Strips lo..hi of [w u]ᵀ, which rows [x h] are multiplied with."""
    n, w_row, u_row = w.shape[1], w.strides[0], u.strides[0]
    for s in range(lo, hi):
        first, width = s * COLUMNS, min(COLUMNS, len(w) - s * COLUMNS)
        pack(address(w) + first * w_row, 4, w_row, n, width, address(strips[s]))
        pack(address(u) + first * u_row, 4, u_row, u.shape[1], width, address(strips[s]) + n * STRIP)


@part
def lie_side_by_side(lo, hi, w, u, strips):
    """Rows lo..hi of [w u], as strips."""
    n, last = w.shape[1], w.shape[1] + u.shape[1]
    for k in range(lo, hi):
        spread(w[k], 0, k, strips)
        spread(u[k], n, k, strips)
        strips[-1, k, COLUMNS - -last % COLUMNS :] = 0


@part
def spread(row, first, k, strips):
    """A row becomes the k-th one of strips, from column `first` on."""
    j = 0
    while j < row.size:
        strip, column = divmod(first + j, COLUMNS)
        width = min(COLUMNS - column, row.size - j)
        copy(row[j : j + width], strips[strip, k, column : column + width])
        j += width


def stands(steps, batch, n):
    """Room for the rows [x h] of every step. They are whole strips apart, and a cache line: else they would meet in few
    places of the cache."""
    return empty((steps, batch, n + -n % COLUMNS + LINE))


def sums_of_parts(path, m, n):
    """Room for the gradient of weights [m n] in every part of the batch, in whole strips."""
    return empty((-(-steps_flat(path).shape[1] // rows_together(path)), m, n + -n % COLUMNS))


@part
def add_steps(g, rows, x, back, steps, sums, flags):
    """sums (+)= gᵀ x over the rows of several steps: those of g follow each other, those of x lie `back` apart."""
    of_g, of_x = np.empty(steps, np.int64), np.empty(steps, np.int64)
    for t in range(steps):
        of_g[t], of_x[t] = t * rows * g.strides[0], t * back
    at, bt, step, pitch, row = address(of_g), address(of_x), g.strides[0], x.strides[0], sums.strides[0]
    for s in range(sums.shape[1] // COLUMNS):
        b, c = address(x) + s * STRIP, address(sums) + s * STRIP
        tiles(sums.shape[0], address(g), at, 4, step, b, bt, pitch, steps, rows, c, row, 0, flags)
    of_g[0], of_x[0] = 0, 0  # so long the tables have to live


@part
def add_parts(lo, hi, sums, gw, gu):
    """Rows lo..hi of the gradients: the parts, one after the other."""
    n = gw.shape[1]
    for r in range(lo, hi):
        gw[r], gu[r] = sums[0, r, :n], sums[0, r, n : n + gu.shape[1]]
        for k in range(1, len(sums)):
            add(sums[k, r, :n], gw[r])
            add(sums[k, r, n : n + gu.shape[1]], gu[r])


@part
def add_up(lo, hi, sums, gw, shift):
    """Rows lo..hi of all parts, summed up in their order. In the gradient they stand `shift` rows later, and the last
    of them first."""
    for r in range(lo, hi):
        target = gw[(r + shift) % len(gw)]
        copy(sums[0, r], target)
        for k in range(1, len(sums)):
            add(sums[k, r, : target.size], target)


@kernel
def pack_all(b, strips):
    pack(address(b), b.strides[0], b.strides[1], b.shape[0], b.shape[1], address(strips))
