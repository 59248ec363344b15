"""Right code whose gradient is nothing, or no number, for reasons that are no fault of backward."""

import numpy as np
import pytest

import pullback as pb


def batch_norm(x, gamma, beta):
    mean, deviation = x.mean(0), np.sqrt(x.var(0) + np.float32(1e-5))
    return (x - mean) / deviation * gamma + beta


def batch_norm_back(g, x, gamma, beta):
    """Its terms cancel where the gradient from above is one number everywhere."""
    deviation = np.sqrt(x.var(0) + np.float32(1e-5))
    z = (x - x.mean(0)) / deviation
    gz = g * gamma
    return (gz - gz.mean(0) - z * (gz * z).mean(0)) / deviation, (g * z).sum(0), g.sum(0)


@pytest.mark.parametrize("rows", [8, 64, 256])
def test_what_rounding_leaves_of_terms_that_cancel_is_no_low_precision(rows):
    rng = np.random.default_rng(rows)
    inputs = [a.astype("f4") for a in (rng.normal(size=(rows, 5)), rng.uniform(0.5, 1.5, 5), rng.normal(size=5))]
    assert pb.check(batch_norm, batch_norm_back, *inputs).verdict == "right"


def test_a_term_that_is_missing_is_seen_where_the_others_cancel():
    def back(g, x, gamma, beta):
        _, *rest = batch_norm_back(g, x, gamma, beta)
        gz = g * gamma
        return (gz - gz.mean(0)) / np.sqrt(x.var(0) + np.float32(1e-5)), *rest

    rng = np.random.default_rng(0)
    inputs = [a.astype("f4") for a in (rng.normal(size=(64, 5)), rng.uniform(0.5, 1.5, 5), rng.normal(size=5))]
    assert pb.check(batch_norm, back, *inputs).verdict == "wrong"


def logarithm_of_determinant(a):
    return 2 * np.log(np.diag(np.linalg.cholesky(a))).sum()


def eigenvalues_back(g, a):
    v = np.linalg.eigh(a)[1]
    return v @ np.diag(g) @ v.T


DEFINITE = (lambda a: a @ a.T + 4 * np.eye(4))(np.random.default_rng(0).normal(size=(4, 4)))
OF_HALVES = {
    "logdet": (logarithm_of_determinant, lambda g, a: g * np.linalg.inv(a)),
    "eigvalsh": (np.linalg.eigvalsh, eigenvalues_back),
}


@pytest.mark.parametrize("name", OF_HALVES)
def test_of_a_symmetric_matrix_both_halves_may_get_the_same(name):
    report = pb.check(*OF_HALVES[name], DEFINITE)
    assert report.verdict == "right"
    assert any("which half gets it is a choice" in note.evidence for note in report.notes)


@pytest.mark.parametrize("name", OF_HALVES)
def test_a_factor_is_wrong_of_a_symmetric_matrix_too(name):
    forward, back = OF_HALVES[name]
    assert pb.check(forward, lambda g, a: 2 * back(g, a), DEFINITE).verdict == "wrong"


def test_a_matrix_that_happens_to_be_symmetric_still_shows_a_transposed_gradient():
    w = np.random.default_rng(1).normal(size=(4, 4))
    assert pb.check(lambda a: a @ w, lambda g, a: w @ g.T, DEFINITE).cause == "transpose_or_adjoint"


def test_where_forward_overflows_in_its_own_precision_backward_may_do_so_too():
    divergence = lambda m, v: (-0.5 * (1 + v - m**2 - np.exp(v))).sum()
    back = lambda g, m, v: (g * m, g * -0.5 * (1 - np.exp(v)))
    rng = np.random.default_rng(3)
    m, v = rng.normal(size=(2, 4, 5)).astype("f4")
    assert pb.check(divergence, back, m, v).verdict == "right"


def test_an_exponential_that_overflows_in_backward_alone_is_wrong():
    softplus = lambda x: np.maximum(x, 0) + np.log1p(np.exp(-abs(x)))
    back = lambda g, x: g * np.exp(x) / (1 + np.exp(x))
    x = np.random.default_rng(4).normal(size=8).astype("f4")
    assert pb.check(softplus, back, x).cause == "overflow_large_input"


def test_what_is_infinite_is_nothing_beside_nothing():
    back = lambda g, x: np.where(x <= 0, np.inf, g * 3 * x**2)
    assert pb.check(lambda x: x**3, back, np.array([0.0, 2.0, 0.5, 1.3])).verdict == "wrong"
