"""What is special to softmax, softmin, log_softmax and logsumexp: their twins, edges, tails, any shape and axis."""

import mpmath
import numpy as np
import pytest
import scipy.special
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes
from twins import normal, same, torch

import pullback as pb
from pullback.discovery import find
from pullback.errors import DtypeError, OptionError, ShapeError
from pullback.handbook.derivation import verify

F = torch.nn.functional
INF, NAN = np.inf, np.nan
FAMILY = {"softmax": F.softmax, "softmin": F.softmin, "log_softmax": F.log_softmax, "logsumexp": torch.logsumexp}


@pytest.mark.parametrize("axis", [0, 1, 2, -1, -2, -3])
@pytest.mark.parametrize("name", FAMILY)
def test_as_in_pytorch(name, axis):
    same(name, lambda x: FAMILY[name](x, dim=axis), [3 * normal(3, 4, 5)], axis=axis)


@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("axis", [0, -1, (0,), (0, 1), (0, -1), (-1, 0), (-2, -1), (1, 2), (0, 1, 2), (-1, -2, -3)])
def test_logsumexp_over_several_axes_as_in_pytorch(axis, keepdims):
    theirs = lambda x: torch.logsumexp(x, axis, keepdims)
    same("logsumexp", theirs, [3 * normal(3, 4, 5)], axis=axis, keepdims=keepdims)


@pytest.mark.parametrize("axis, signature", [
    (-1, "x[... n] -> y[...]"), (0, "x[n ...] -> y[...]"), (1, "x[b0 n ...] -> y[b0 ...]"),
    (-2, "x[... n e1] -> y[... e1]"), ((0, -1), "x[n ... n2] -> y[...]"),
    ((2, -2), "x[b0 b1 n ... n2 e1] -> y[b0 b1 ... e1]"),
])  # fmt: skip
def test_the_signature_of_logsumexp_shows_its_axes(axis, signature):
    assert pb.logsumexp.linearize(np.ones((2, 3, 4, 5, 6)), axis=axis)[1].rule.signature == signature


def test_axes_counted_from_both_ends_are_different_axes():
    same("logsumexp", lambda x: torch.logsumexp(x, (2, -2)), [normal(2, 3, 4, 5, 6)], axis=(2, -2))


@pytest.mark.parametrize("axis", [(-1, -2), (-2, -1), (1, 0), (-1, 0)])
def test_the_jacobian_of_logsumexp_takes_its_axes_as_they_stand(axis):
    v = normal(3, 2, seed=1)
    J = pb.logsumexp.linearize(normal(3, 2), axis=axis)[1].jacobian()
    np.testing.assert_allclose(J.dense() @ v.ravel(), [J @ v], rtol=1e-14)
    np.testing.assert_allclose(J.linear_operator() @ v.ravel(), [J @ v], rtol=1e-14)
    np.testing.assert_allclose(J.T.dense()[:, 0], (J.T @ np.array(1.0)).ravel(), rtol=1e-14)
    np.testing.assert_allclose(J.linear_operator().rmatvec(np.ones(1)), J.T.dense()[:, 0], rtol=1e-14)


@pytest.mark.parametrize("axis", [(), (0, 0), (1, -1, 1)])
def test_axes_of_logsumexp_that_make_no_sense(axis):
    with pytest.raises(OptionError, match="logsumexp: axis must be one number, or several that differ, got"):
        pb.logsumexp(np.ones((2, 3)), axis=axis)


@pytest.mark.parametrize("name", FAMILY)
def test_derivations(name):
    assert verify(find(name)) >= 2


# Any shape, any axis.


@st.composite
def scores(draw):
    shape = draw(array_shapes(min_dims=1, max_dims=4, min_side=0, max_side=4))
    axis = draw(st.integers(-len(shape), len(shape) - 1))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    x = rng.normal(scale=draw(st.sampled_from([1, 30, 1000])), size=shape)
    if draw(st.booleans()):
        x[rng.random(shape) < 0.3] = -INF
    return x.astype(draw(st.sampled_from([np.float32, np.float64]))), axis, rng


@settings(max_examples=200, deadline=None)
@given(scores())
def test_softmax_of_any_shape(drawn):
    x, axis, rng = drawn
    eps = np.finfo(x.dtype).eps
    close = dict(rtol=0, atol=32 * eps)
    with np.errstate(all="raise", under="ignore"):
        found = {name: find(name).linearize(-x if name == "softmin" else x, axis=axis) for name in FAMILY}
        (y, at), (log_y, log_at), (total, total_at) = (found[name] for name in ("softmax", "log_softmax", "logsumexp"))
        gy, tx = rng.normal(size=(2, *x.shape)).astype(x.dtype)
        gx, log_gx, lengths = at.vjp(gy), log_at.vjp(gy), total_at.vjp(np.ones_like(total))
    alive = np.isfinite(x).any(axis, keepdims=True) if x.size else np.ones_like(y, bool)
    np.testing.assert_allclose(y.sum(axis)[alive.any(axis)], 1, **close)
    np.testing.assert_array_equal(y[x == -INF], 0)
    np.testing.assert_allclose(np.exp(log_y), y, rtol=0, atol=256 * eps)
    np.testing.assert_array_equal(np.isnan(log_y) | np.isnan(total).any(), False)
    np.testing.assert_allclose(lengths, y, **close)
    np.testing.assert_allclose(found["softmin"][0], y, **close)
    np.testing.assert_allclose(found["softmin"][1].vjp(gy), -gx, **close)
    np.testing.assert_allclose(gx.sum(axis), 0, **close)
    np.testing.assert_allclose((gx * tx).sum(), (gy * at.jvp(tx)).sum(), rtol=0, atol=1e4 * eps)
    np.testing.assert_allclose((log_gx * tx).sum(), (gy * log_at.jvp(tx)).sum(), rtol=0, atol=1e4 * eps)
    assert {a.dtype for a in (y, gx, log_y, log_gx, np.asarray(total), lengths)} == {x.dtype}


@settings(max_examples=100, deadline=None)
@given(scores())
def test_as_in_scipy(drawn):
    x, axis, _ = drawn
    if x.shape[axis]:
        x = np.where(np.isfinite(x).any(axis, keepdims=True), x, 0)
        eps = np.finfo(x.dtype).eps
        np.testing.assert_allclose(pb.softmax(x, axis=axis), scipy.special.softmax(x, axis), rtol=0, atol=32 * eps)
        np.testing.assert_allclose(
            pb.log_softmax(x, axis=axis), scipy.special.log_softmax(x, axis), rtol=32 * eps, atol=32 * eps
        )
        np.testing.assert_allclose(
            pb.logsumexp(x, axis=axis), scipy.special.logsumexp(x, axis), rtol=32 * eps, atol=32 * eps
        )


# Edges.

ROWS = [  # scores, and what softmax makes of them
    ([0, -INF], [1, 0]),
    ([-INF, -INF], [0, 0]),
    ([-INF], [0]),
    ([0, INF], [0, 1]),
    ([INF, INF, 3, -INF], [0.5, 0.5, 0, 0]),
    ([INF, -INF], [1, 0]),
    ([0, NAN], [NAN, NAN]),
    ([], []),
]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("row, p", ROWS)
def test_infinite_scores(row, p, dtype):
    x, p = np.array(row, dtype), np.array(p, dtype)
    n, g = len(x), np.linspace(1, 2, len(x), dtype=dtype)
    with np.errstate(all="raise", under="ignore"):
        y, at = pb.softmax.linearize(x)
        np.testing.assert_array_equal(y, p)
        np.testing.assert_allclose(at.vjp(g), p * (g - (p * g).sum()), atol=1e-7)
        np.testing.assert_array_equal(pb.softmin(-x), p)
        total, at = pb.logsumexp.linearize(x)
        assert total.dtype == dtype
        np.testing.assert_array_equal(total, x.max(initial=-INF) if INF in row or -INF in row or not n else NAN)
        np.testing.assert_allclose(at.vjp(dtype(1)), p, rtol=1e-7)
        y, at = pb.log_softmax.linearize(x)
        np.testing.assert_allclose(y, [np.log(v) if v else -INF for v in p], rtol=1e-7)
        np.testing.assert_allclose(at.vjp(g), g - p * g.sum(), atol=1e-6)


@pytest.mark.parametrize(
    "scores", [np.array([1000.0, 1001]), np.array([3e38, 2e38], np.float32), np.array([1e308, 1e308])]
)
@pytest.mark.parametrize("name", FAMILY)
def test_large_scores_do_not_overflow_and_the_input_stays(name, scores):
    x = scores.copy()
    with np.errstate(all="raise", under="ignore"):
        y, at = find(name).linearize(x)
        assert np.isfinite(y).all() and np.isfinite(at.vjp(np.ones_like(y))).all()
        assert pb.softmax(x * np.array([1, -1], x.dtype)).tolist() == [1, 0]
    np.testing.assert_array_equal(x, scores)


# Tails.


@pytest.mark.parametrize("gap", [1, 5, 17, 40, 300, 700])
def test_as_a_probability_tends_to_1_no_digit_is_lost(gap):
    """CATALOGUE: the frameworks' loss and gradient are 0 from a gap of 17 in float32, where the truth is 4e-8."""
    x = np.array([gap, 0.0, -1.0])
    with mpmath.workprec(2000):
        e = [mpmath.exp(mpmath.mpf(v)) for v in x]
        p = [v / sum(e) for v in e]
        log_p = [float(mpmath.log(v)) for v in p]
        slope = [[float(p[i] * ((i == j) - p[j])) for j in range(3)] for i in range(3)]
        log_slope = [[float((i == j) - p[j]) for j in range(3)] for i in range(3)]
    units = np.eye(3)
    y, at = pb.log_softmax.linearize(x)
    np.testing.assert_allclose(y, log_p, rtol=1e-15)
    np.testing.assert_allclose([at.vjp(u) for u in units], log_slope, rtol=2e-14)
    np.testing.assert_allclose(np.transpose([at.jvp(u) for u in units]), log_slope, rtol=2e-14)
    _, at = pb.softmax.linearize(x)
    np.testing.assert_allclose([at.vjp(u) for u in units], slope, rtol=1e-14)
    assert pb.logsumexp(x - gap) == pytest.approx(-log_p[0], rel=1e-15, abs=0)


@pytest.mark.parametrize("gap", [5, 40, 300])
def test_the_second_derivative_loses_no_digit_either(gap):
    """It is diag(p) - p pᵀ, and the entries of p are 1 - e and e, wherever they stand: one of four axes, two of two."""
    with mpmath.workprec(2000):
        e = 1 / (1 + mpmath.exp(mpmath.mpf(gap)))
        bent = float(e * (1 - e))
    for axis in (0, (0, 1)):
        x = np.array([[0.0], [-gap]])
        y, at = pb.logsumexp.linearize(x, axis=axis)
        found = at.hvp(np.ones_like(y), np.array([[1.0], [0.0]]))
        np.testing.assert_allclose(found, [[bent], [-bent]], rtol=1e-14)


# Structure and manners.


def test_jacobians_keep_their_structure():
    x = normal(4, 3, 2)
    for name in ("softmax", "softmin", "log_softmax"):
        J = find(name).linearize(x, axis=1)[1].jacobian()
        assert J.dense().shape == (4, 2, 3, 3)
        assert {type(J.a.a).__name__, type(getattr(J.a.b, "a", J.a.b)).__name__} == {"Diagonal", "Outer"}
    J = pb.logsumexp.linearize(x, axis=(0, 2))[1].jacobian()
    assert J.dense().shape == (3, 1, 8)
    assert (J.T @ np.ones(3)).shape == x.shape
    assert (pb.logsumexp.linearize(x[:, 0, 0])[1].jacobian().linear_operator() @ np.ones(4)) == pytest.approx([1])


@pytest.mark.parametrize("name", FAMILY)
def test_errors(name):
    rule = find(name)
    with pytest.raises(ShapeError, match=name):
        rule(np.ones((2, 3)), axis=2)
    with pytest.raises(DtypeError, match=name):
        rule(np.ones(3, int))
    with pytest.raises(OptionError, match="dim"):
        rule(np.ones(3), dim=0)
