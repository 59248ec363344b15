"""Layers whose forward iterates to a fixed point, and whose backward solves one system for it."""

import numpy as np
import pytest

import pullback


def settle(x, w, u, b):
    """Away from the example, where w is large, 30 turns are too few."""
    z = np.zeros((len(x), len(w)))
    for _ in range(30):
        z = np.tanh(0.1 * z @ w.T + x @ u.T + b)
    return z, (x, w, u, z)


def solved(transposed):
    def backward(dz, cache):
        x, w, u, z = cache
        slope = 1 - z**2
        system = np.eye(len(w)) - 0.1 * slope[:, :, None] * w
        system = system.swapaxes(1, 2) if transposed else system
        da = np.linalg.solve(system, dz[..., None])[..., 0] * slope
        return da @ u, 0.1 * da.T @ z, da.T @ x, da.sum(0)

    return backward


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("width", [3, 4])
def test_a_fixed_point_is_judged_where_forward_arrives_at_it(width, seed):
    shapes = (5, 4), (width, width), (width, 4), (width,)
    report = pullback.check(settle, solved(True), *shapes, seed=seed)
    assert report.verdict == "right", str(report)
    assert any("little by little" in text for text in report.power)
    assert pullback.check(settle, solved(False), *shapes, seed=seed).verdict == "wrong"


@pytest.mark.parametrize("forward, slope", [
    (lambda z: np.minimum(z, 30), 1.0),  # both are right at the example
    (lambda z: z + np.maximum(z - 15, 0) ** 3 / 1000, 1.0),
])  # fmt: skip
def test_what_begins_somewhere_is_wrong_from_there_on(forward, slope):
    back = lambda g, x, w: (g * slope @ w.T, x.T @ g * slope)
    shapes = (4, 5), (5, 3)
    assert pullback.check(lambda x, w: forward(x @ w), back, *shapes).verdict == "wrong"
