"""What a matrix looks like: the layer is recognised by its Jacobian, and so is what was done to it."""

from collections.abc import Iterator
from itertools import permutations
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def same(a: Any, b: Any, rtol: float = 1e-5) -> bool:
    """Equal, but for rounding and the error of differences. What is not finite is like nothing."""
    a, b = np.asarray(a), np.asarray(b)
    size = max(float(np.max(abs(a), initial=0)), float(np.max(abs(b), initial=0)))
    return a.shape == b.shape and bool(np.isfinite(size) and np.all(abs(a - b) <= rtol * size + 1e-300))


def nonzero(J: Array) -> Array:
    return np.asarray(abs(J) > 1e-7 * (np.max(abs(J), initial=0) + 1e-300))


def elementwise(J: Array) -> bool:
    return J.shape[0] == J.shape[1] and not nonzero(J - np.diag(np.diag(J)) if J.size else J).any()


def dense(J: Array) -> bool:
    return bool(J.size and nonzero(J).mean() > 0.9)


def constant_ratio(B: Array, J: Array) -> float | None:
    """c with B = c J."""
    size = float(np.max(abs(J), initial=0))
    if not size or not np.isfinite(size):
        return None
    B, J = B / size, J / size  # whose squares do not overflow
    c = float(np.sum(B * J) / np.sum(J * J))
    return c if c and same(B, c * J) else None


def windowed(J: Array, x: tuple[int, ...], y: tuple[int, ...]) -> bool:
    """Do the outputs read windows that slide over the input (or does a kernel slide over data)?"""
    if min(J.shape) < 2 or elementwise(J):
        return False
    return slides_over(J, x) or slides_over(J.T, y, spread=True) or kernel(J, x, y) or kernel(J, x, y, back=True)


def slides_over(J: Array, x: tuple[int, ...], spread: bool = False) -> bool:
    """Two outputs read the same pattern in two places, moved along an axis in which the pattern is wider than one.

    `spread`: of a kernel of several numbers without gaps, since from that side copies and joined arrays look alike."""
    patterns: dict[Any, list[Array]] = {}
    for row, some in zip(J, nonzero(J)):
        places = np.argwhere(some.reshape(x))
        if len(places) < 2 or len(places) > 0.7 * J.shape[1]:
            continue
        corner, extent = places.min(0), np.ptp(places, axis=0)
        if spread:
            gaps = len(places) < np.prod(extent + 1)
            if gaps or same(row[some], np.full(len(places), row[some][0])):
                continue
        key = (places - corner).tobytes(), np.round(row[some], 6).tobytes()
        known = patterns.setdefault(key, [])
        if slides(corner, known, extent, spread):
            return True
        known.append(corner)
    return False


def slides(corner: Array, others: list[Array], extent: Array, spread: bool) -> bool:
    """Has a pattern moved along an axis in which it is wide, and along no other, as from one example to the next? Where
    it is spread out side by side, as the numbers of one factor of an outer product are, it has to be there for another
    example as well."""
    moves = [abs(corner - other) for other in others]
    along = [move for move in moves if np.any(move[extent > 0]) and not np.any(move[extent == 0])]
    if not spread:
        return bool(along)
    overlaps = any(np.any((move > 0) & (move <= extent)) for move in along)
    return overlaps or bool(along) and any(move[0] and not extent[0] for move in moves)


def kernel(J: Array, x: tuple[int, ...], y: tuple[int, ...], back: bool = False) -> bool:
    """The input is the kernel: J[o, k] is the data at s o + k, along the last axis; or, of a transposed convolution,
    at (o - k) / s."""
    if not x or not y or J.shape != (int(np.prod(y)), int(np.prod(x))) or x[-1] < (3 if back else 2):
        return False
    steps = J.reshape(-1, y[-1], J.shape[1] // x[-1], x[-1])[..., :: -1 if back else 1]
    if not varied(steps):
        return False
    for stride, dilation in [*((s, 1) for s in range(1, x[-1])), *((1, d) for d in range(2, min(y[-1], 4)))]:
        earlier, later = steps[:, :-dilation, :, stride:], steps[:, dilation:, :, :-stride]
        filled = nonzero(earlier).mean(-1)
        filled = filled[filled > 0]  # of the kernels that this output has nothing of, all is zero
        if filled.size and same(earlier, later, 1e-6) and filled.mean() > 0.5 and np.ptp(earlier):
            return True
    return False


def varied(steps: Array) -> bool:
    """Are there lines of data of more than two numbers? A softmax of equal scores has one on the diagonal and one
    beside it, which look like any pattern."""
    size = np.max(abs(steps), initial=0)
    lines = np.moveaxis(steps, 2, 1).reshape(-1, steps.shape[1] * steps.shape[3])
    return bool(size and any(len(np.unique(np.round(line / size, 6))) > 2 for line in lines))


def selection(J: Array) -> bool:
    """Every output reads one input, if any."""
    some = nonzero(J)
    return bool(some.any() and (some.sum(1) <= 1).all() and not elementwise(J))


def broadcast(J: Array) -> bool:
    """Every input is handed to several outputs with one weight, as a bias is."""
    some = nonzero(J)
    counts = some.sum(0)
    if counts.min(initial=2) < 2 or np.ptp(counts) or (some.sum(1) > 1).any():
        return False
    return all(
        same(column[mask], np.full(mask.sum(), column[mask][0])) for column, mask in zip(J.T, some.T) if mask.any()
    )


def blocks(J: Array, x: tuple[int, ...], y: tuple[int, ...], a: int = 0, b: int = 0) -> Array | None:
    """J by steps, if axis a of the input and axis b of the output are alike: [step out, out, step in, in]."""
    if J.shape != (int(np.prod(y)), int(np.prod(x))) or x[a] != y[b] or x[a] < 2:
        return None
    moved = np.moveaxis(J.reshape(*y, *x), (b, len(y) + a), (0, len(y)))
    return moved.reshape(y[b], J.shape[0] // y[b], x[a], J.shape[1] // x[a])


def apart(J: Array, x: tuple[int, ...], y: tuple[int, ...], a: int, b: int) -> bool:
    """Does every place along these axes act on its own place alone?"""
    steps = blocks(J, x, y, a, b)
    if steps is None:
        return False
    here = np.eye(len(steps), dtype=bool)
    return not np.any(nonzero(steps).any((1, 3)) & ~here)


def causal(steps: Array) -> bool:
    """Nothing acts back in time, and something forward."""
    T = range(len(steps))
    size = np.max(abs(steps), initial=0)
    back = max((np.max(abs(steps[t, :, s])) for t in T for s in T if s > t), default=0)
    forth = max((np.max(abs(steps[t, :, s])) for t in T for s in T if s < t), default=0)
    return bool(back <= 1e-7 * size < 1e-5 * size <= forth)


def axes_moved(rows: Array, shape: tuple[int, ...]) -> Iterator[tuple[tuple[int, ...], Array]]:
    """Every row as an array of that shape, with its axes permuted in every way that fits the shape."""
    for order in permutations(range(len(shape))):
        if order != tuple(range(len(shape))) and tuple(shape[k] for k in order) == shape:
            yield order, rows.reshape(-1, *shape).transpose(0, *(k + 1 for k in order)).reshape(rows.shape)
    if len(shape) == 2 and shape[0] != shape[1]:  # written into memory of the other order
        yield (1, 0), rows.reshape(-1, *shape).transpose(0, 2, 1).reshape(rows.shape)


def rank(D: Array) -> int:
    values = np.linalg.svd(D, compute_uv=False) if D.size else np.zeros(1)
    return int((values > 1e-6 * (values[0] + 1e-300)).sum())


def per_row(R: Array, mask: Array) -> bool:
    """Where the mask holds, does R depend on the row alone?"""
    return all(same(r[m], np.full(m.sum(), r[m][0]), 1e-4) for r, m in zip(R, mask) if m.any())
