"""`pullback.check`: right code is never accused, wrong code is, and the report says what is wrong."""

import importlib
import json
import pydoc
from functools import partial

import numpy as np
import pytest

import pullback
from pullback.check.structure import constant_ratio, kernel
from pullback.errors import OptionError

X, W, B = np.random.default_rng(0).normal(size=(4, 5)), np.random.default_rng(1).normal(size=(5, 3)), np.zeros(3)


def affine(x, w, b):
    return x @ w + b


def affine_backward(g, x, w, b):
    return g @ w.T, x.T @ g, g.sum(0)


def test_the_package_is_called_and_still_a_package():
    assert pullback.check(affine, affine_backward, X, W, B).verdict == "right"
    assert importlib.import_module("pullback.check.contract").assert_rule


def test_its_help_is_that_of_the_function():
    shown = pydoc.render_doc(pullback.check, renderer=pydoc.plaintext)
    head, _, rest = shown.partition("DESCRIPTION")
    assert "pullback.check - Judge a backward: is it the derivative of forward" in head
    assert rest.split()[:4] == ["forward(*inputs)", "gives", "output(s),", "and"]
    assert rest.index("Returns a `Report`") < rest.index("PACKAGE CONTENTS") and "TYPE_CHECKING" not in rest


def test_a_wrong_gradient_is_named_and_the_others_are_not():
    report = pullback.check(affine, lambda g, x, w, b: (g @ w.T, x.T @ g, g.mean(0)), X, W, B)
    assert [finding.verdict for finding in report.findings] == ["right", "right", "wrong"]
    assert report.cause == "constant_factor" and "1 / " in report.causes[0].evidence
    assert report.findings[2].ratio == pytest.approx(1 / 4)


def test_inputs_may_be_shapes():
    assert pullback.check(affine, affine_backward, (4, 5), (5, 3), (3,)).verdict == "right"


def test_wrt_judges_some_inputs_alone():
    wrong = lambda g, x, w, b: (g @ w.T, x.T @ g, 2 * g.sum(0))
    assert pullback.check(affine, wrong, X, W, B, wrt=["x", "w"]).verdict == "right"
    with pytest.raises(OptionError, match="the inputs are x, w, b"):
        pullback.check(affine, wrong, X, W, B, wrt="u")


def test_a_backward_that_says_it_is_not_implemented_cannot_be_judged():
    def backward(gy, x):
        raise NotImplementedError("no derivative of sort")

    report = pullback.check(np.sort, backward, np.array([3.0, 1.0, 2.0]))
    assert report.verdict == "cannot judge"
    assert report.reason == "backward is not implemented: no derivative of sort"


def test_a_forward_that_draws_new_numbers_cannot_be_judged():
    rng = np.random.default_rng(0)
    report = pullback.check(lambda x: x * rng.normal(size=x.shape), lambda g, x: g, X)
    assert report.verdict == "cannot judge" and "every time" in report.reason


def test_conventions_at_kinks_are_no_faults():
    x = np.array([0.0, -1.5, 2.0])
    for slope in (0.0, 0.5, 1.0):
        chosen = lambda g, x, slope=slope: g * np.where(x == 0, slope, x > 0)
        report = pullback.check(lambda x: np.maximum(x, 0), chosen, x)
        assert report.verdict == "right" and report.notes[0].name == "kink_convention"
    outside = pullback.check(lambda x: np.maximum(x, 0), lambda g, x: g * np.where(x == 0, 1.5, x > 0), x)
    assert outside.verdict == "wrong" and outside.cause == "kink_convention"


@pytest.mark.parametrize("ties", [2, 3])
def test_ties_share_one_gradient(ties):
    x = np.array([-1.5, *[2.0] * ties])
    largest = lambda x: np.max(x, keepdims=True)
    share = lambda g, x: g * (x == x.max()) / np.sum(x == x.max())
    first = lambda g, x: g * (np.arange(len(x)) == np.argmax(x))
    every = lambda g, x: g * (x == x.max())
    assert pullback.check(largest, share, x).verdict == "right"
    assert pullback.check(largest, first, x).verdict == "right"
    assert pullback.check(largest, every, x).cause == "kink_convention"


def test_a_gradient_that_is_zero_has_no_power_and_says_so():
    softmax_sum = lambda x: (np.exp(x) / np.exp(x).sum()).sum(keepdims=True)
    report = pullback.check(softmax_sum, lambda g, x: 0 * x, np.array([0.1, -0.5, 0.7]))
    assert "zero" in " ".join(report.power)


@pytest.mark.parametrize("scale", [1e-10, 1e-20])
def test_a_small_derivative_that_is_wrong_is_not_called_zero(scale):
    report = pullback.check(lambda x: scale * np.tanh(x), lambda g, x: 2 * scale * g * (1 - np.tanh(x) ** 2), (4,))
    assert report.verdict == "wrong" and not report.power


@pytest.mark.parametrize("scale", [1e-290, 1e300])
def test_a_factor_is_named_however_large_or_small_the_numbers_are(scale):
    B, J = scale * np.array([[2.0, 4.0], [0.0, 6.0]]), scale * np.array([[1.0, 2.0], [0.0, 3.0]])
    assert constant_ratio(B, J) == 2
    assert constant_ratio(B, np.zeros((2, 2))) is constant_ratio(B, np.full((2, 2), np.inf)) is None


def test_a_kernel_of_one_number_slides_nowhere():
    """And no mean of nothing is taken, of which NumPy would warn."""
    assert not kernel(np.ones((3, 5)), (5, 1), (1, 3))
    assert kernel(np.array([[1.0, 2.0], [2.0, 3.0], [3.0, 5.0]]), (2,), (3,))


@pytest.mark.parametrize("forward, backward", [
    (np.sqrt, lambda g, x: g / (2 * np.sqrt(x))),
    (np.arcsin, lambda g, x: g / np.sqrt(1 - x * x)),
    (lambda x: x**1.5, lambda g, x: 1.5 * g * np.sqrt(x)),
])  # fmt: skip
def test_nothing_is_asked_of_a_gradient_where_forward_is_nan(forward, backward):
    """0 times a slope that is not there is nan; what is there is judged, and what is not is said."""
    x = np.array([-1.3, 0.2, 0.7])
    with np.errstate(invalid="ignore"):
        report = pullback.check(forward, backward, x)
        assert report.verdict == "right" and "forward is nan in 1 of 3 numbers" in " ".join(report.power)
        report = pullback.check(forward, lambda g, x: 2 * backward(g, x), x)
        assert report.verdict == "wrong" and [finding.index for finding in report.findings] == [(2,)]


def test_where_forward_is_infinite_it_is_said_that_nothing_else_was_tried():
    """As the scores of a mask are; what they are made of has a derivative all the same."""
    mask, x = np.triu(np.full((3, 3), -np.inf), 1), np.array([[1.3, 0.2, 0.7], [0.1, -0.4, 2.1], [0.9, -1.1, 0.3]])
    report = pullback.check(lambda x: x + np.where(mask < 0, mask, 0), lambda g, x: g * (mask == 0), x)
    said = "forward is infinite in 3 of 9 numbers at your example, so no other inputs were tried"
    assert report.verdict == "right" and said in " ".join(report.power)


def test_where_forward_is_infinite_at_the_example_alone_nothing_is_said():
    x = np.array([0.0, 1.3, -2.5])
    report = pullback.check(lambda x: np.where(x == 0, np.inf, 2 * x), lambda g, x: 2 * g, x)
    assert report.tried > 1 and "no other inputs" not in " ".join(report.power)


def test_where_forward_is_finite_at_the_example_alone_that_is_said():
    x = np.array([0.3, -0.7])
    report = pullback.check(lambda v: np.where(abs(v - x) < 0.1, 2 * v, np.inf), lambda g, v: 2 * g, x)
    assert report.verdict == "right" and "no other inputs were tried: at those made of your" in " ".join(report.power)


def test_the_closed_form_has_its_nan_where_forward_has():
    with np.errstate(invalid="ignore"):
        report = pullback.check(np.log, lambda g, x: g / x, np.array([-1.3, 0.2, 0.7]), like="log")
    assert report.verdict == "right" and "mode_mismatch" not in str(report)


def test_a_nan_of_its_own_is_found_where_forward_has_none():
    def backward(g, x):
        with np.errstate(invalid="ignore"):
            return g * np.where(x > 0, 1, 0 * np.sqrt(x))

    report = pullback.check(lambda x: np.maximum(x, 0), backward, np.array([-1.3, 0.2]))
    assert report.cause == "singular_point_nan"


@pytest.mark.parametrize("seed", [-1, "one", 0.5, None])
def test_a_seed_is_a_whole_number(seed):
    with pytest.raises(OptionError, match="seed is .*; it is a whole number, 0 or more"):
        pullback.check(np.tanh, lambda g, x: g, (3,), seed=seed)


def test_numbers_that_begin_alike_are_told_apart():
    report = pullback.check(np.exp, lambda g, x: g * np.exp(x) * 1.0001, (4,))
    yours, right, ratio = str(report).splitlines()[2].split()[-3:]
    assert yours != right and ratio == "1.0001"


def test_what_has_no_numbers_has_no_error():
    (row,) = (line for line in str(pullback.check(np.exp, lambda g, x: None, (4,))).splitlines() if " x " in line)
    assert row.split() == ["x", "wrong"]


def test_who_writes_to_an_input_is_named():
    def forward(x):
        x *= 2
        return x.copy(), None

    assert "forward writes to an input" in str(pullback.check(forward, lambda g, cache: 2 * g, (3,)))

    def backward(g, x):
        x *= 2
        return g

    assert "backward writes to an input" in str(pullback.check(lambda x: x + 1, backward, (3,)))


def test_float32_is_judged_as_what_it_is():
    assert pullback.check(affine, affine_backward, *(a.astype(np.float32) for a in (X, W, B))).verdict == "right"


def test_rounding_of_terms_that_cancel_is_no_fault_in_float32():
    x = np.random.default_rng(0).normal(size=(2, 4)).astype(np.float32)
    weights = np.float32([0.1, 0.3, 0.7, -1.1])
    same = lambda x: x @ weights - (x @ weights[::-1])[..., None][..., 0] + x @ (weights[::-1] - weights)
    terms = lambda g, x: g[:, None] * weights - g[:, None] * weights[::-1] + g[:, None] * (weights[::-1] - weights)
    assert pullback.check(same, terms, x).verdict == "right"


def test_of_what_is_right_the_error_is_told():
    square = lambda dtype: pullback.check(lambda x: x**2, lambda g, x: 2 * x * g, np.linspace(1, 2, 5, dtype=dtype))
    (double,), (single,) = square("f8").findings, square("f4").findings
    assert 0 <= double.error <= double.uncertainty < 1e-9 and 1e-9 < single.error < 1e-6


@pytest.mark.parametrize("search", ["diagnose", "mends"])
def test_the_verdict_stands_where_a_search_ends_in_an_exception(monkeypatch, search):
    def broken(*_, **__):
        raise ZeroDivisionError("of the layer")

    monkeypatch.setattr(f"pullback.check.naming.{search}", broken)
    report = pullback.check(lambda x: x**2, lambda g, x: 3 * x * g, (3,))
    assert report.verdict == "wrong"
    if search == "diagnose":
        assert report.cause == "unknown" and "ZeroDivisionError: of the layer" in report.causes[0].evidence
    else:
        assert report.cause == "constant_factor" and not report.findings[0].mend


def test_a_report_prints_and_is_data():
    report = pullback.check(affine, lambda g, x, w, b: (g @ w.T, -x.T @ g, g.sum(0)), X, W, B)
    assert str(report).splitlines()[0] == "affine: wrong (sign)"  # the name of forward: a lambda has none
    assert json.loads(report.to_json())["findings"][1]["cause"] == "sign"
    assert "<table>" in report._repr_html_()


def test_a_report_is_true_where_it_is_right():
    square = lambda x: x**2
    assert pullback.check(square, lambda g, x: 2 * x * g, (3,))
    assert not pullback.check(square, lambda g, x: 3 * x * g, (3,))
    assert not pullback.check(lambda x: np.random.default_rng().normal() * x, lambda g, x: g, (3,))


def test_nan_is_text_in_json():
    refuse = lambda name: pytest.fail(f"{name} is not JSON")
    told = pullback.check(np.sqrt, lambda g, x: g * np.nan, np.ones(3)).to_json()
    assert json.loads(told, parse_constant=refuse)["findings"][0]["found"] == "nan"


def test_where_nothing_explains_it_the_cause_is_a_guess_and_says_so():
    mixes = np.random.default_rng(3).normal(size=(4, 4))
    report = pullback.check(np.tanh, lambda g, x: mixes @ g, (4,))
    assert str(report).startswith("tanh: wrong (perhaps ") and "mixes its elements" in report.causes[0].evidence


def test_kinks_of_an_input_are_told_once():
    notes = pullback.check(lambda x: np.maximum(x, 0), lambda g, x: g * (x > 0), X).notes
    (kinks,) = (note.evidence for note in notes if note.name == "kink_convention")
    assert "0 of the derivatives from 0 to 1" in kinks


def test_the_heading_names_what_is_judged():
    heading = lambda *given, **options: str(pullback.check(*given, **options)).partition(":")[0]

    class Affine:
        def forward(self, x):
            self.x = x
            return x @ W

        def backward(self, g):
            return g @ W.T

    def layer(x):
        return x @ W, lambda g: g @ W.T

    def affine_jvp(tx, tw, tb, x, w, b):
        return tx @ w + x @ tw + tb

    assert heading(affine, affine_backward, X, W, B) == "affine_backward"
    assert heading(affine, affine_jvp, X, W, B, mode="jvp") == "affine_jvp"
    assert heading(affine, partial(affine_backward), X, W, B) == "affine"
    assert heading(layer, None, X) == "layer" and heading(Affine, None, X) == "Affine"
    assert heading(Affine().forward, Affine().backward, X) == "Affine.backward"
    assert heading(np.tanh, lambda g, x: g / np.cosh(x) ** 2, X) == "tanh"


def test_a_large_layer_is_judged_without_its_jacobian():
    rng = np.random.default_rng(0)
    x, w, b = rng.normal(size=(8, 600)), rng.normal(size=(600, 500)), np.zeros(500)
    assert pullback.check(affine, affine_backward, x, w, b).verdict == "right"
    report = pullback.check(affine, lambda g, x, w, b: (g @ w.T, -x.T @ g, g.sum(0)), x, w, b)
    assert report.cause == "sign"


def test_like_brings_the_closed_form_and_its_modes():
    x = np.random.default_rng(0).normal(size=(2, 4))
    c = np.sqrt(2 / np.pi)
    inner = lambda x: np.tanh(c * (x + 0.044715 * x**3))
    gelu = lambda x: 0.5 * x * (1 + inner(x))
    slope = lambda x: 0.5 * (1 + inner(x)) + 0.5 * x * (1 - inner(x) ** 2) * c * (1 + 0.134145 * x**2)
    report = pullback.check(gelu, lambda g, x: g * slope(x), x, like="gelu")
    assert report.verdict == "right" and "approximate='tanh'" in report.notes[0].evidence
    erf = lambda g, x: pullback.gelu.linearize(x)[1].vjp(g)
    assert pullback.check(gelu, erf, x, like="gelu(approximate='tanh')").cause == "mode_mismatch"


def test_like_finds_its_way_with_transposed_weights():
    report = pullback.check(affine, affine_backward, X, W, B, like="linear")
    assert report.verdict == "right" and "explain linear" in report.notes[0].evidence


def test_like_sees_the_tails():
    sigmoid = lambda x: 1 / (1 + np.exp(-np.asarray(x, float)))
    report = pullback.check(
        sigmoid, lambda g, x: g * sigmoid(x) * (1 - sigmoid(x)), np.array([40.0, 0.5, -1.0]), like="sigmoid"
    )
    assert report.cause == "cancellation"


@pytest.mark.parametrize(
    "like, says",
    [("linea", "did you mean linear"), ("conv2d(pace=2)", "no hyperparameter 'pace'"), (3, "it is a rule")],
)
def test_like_is_told_what_is_wrong_with_it(like, says):
    with pytest.raises(OptionError, match=says):
        pullback.check(affine, affine_backward, X, W, B, like=like)


def test_other_shapes_are_tried_where_somebody_makes_them():
    shapes = lambda rng: (rng.normal(size=(rng.integers(2, 8), 3)), rng.normal(size=3))
    wrong = lambda g, x, b: (g, g.mean(0) * 4)
    add = lambda x, b: x + b
    assert pullback.check(add, wrong, np.random.default_rng(0).normal(size=(4, 3)), B).verdict == "right"
    assert pullback.check(add, wrong, X[:, :3], B, shapes=shapes).cause == "constant_factor"


def test_complex_conventions_are_told_apart_not_accused():
    w, x = np.array([1 + 2j, -0.5 + 1j]), np.array([0.3 - 1j, 2 + 0.5j])
    torch_like, jax_like = (lambda g, x: np.conj(w) * g), (lambda g, x: w * g)
    assert pullback.check(lambda x: w * x, torch_like, x).verdict == "right"
    report = pullback.check(lambda x: w * x, jax_like, x)
    assert report.verdict == "right" and report.notes[-1].name == "complex_conjugate"
    assert pullback.check(lambda x: w * x, jax_like, x, convention="conjugate").cause == "complex_conjugate"


RIGHT_AT_TIES = {  # what torch gives is an element of the set of derivatives, or the derivative between two jumps
    "topk": lambda x: x.topk(2, 1).values,
    "median": lambda x: x.median(1).values,
    "singular values": lambda x: x.svd().S,
    "remainder": lambda x: x.fmod(0.1),
    "range": lambda x: x.amax(1) - x.amin(1),
}


@pytest.mark.parametrize("name", RIGHT_AT_TIES)
def test_layers_that_tie_kink_or_jump_are_not_accused(name):
    torch = pytest.importorskip("torch")
    for seed in range(3):
        x = torch.from_numpy(np.random.default_rng(10 * seed).normal(size=(3, 5)))
        report = pullback.check(RIGHT_AT_TIES[name], None, x, seed=seed)
        assert report.verdict == "right", str(report)


def test_a_tie_that_gives_its_gradient_twice_is_found_without_a_tie_in_the_example():
    x, w = np.random.default_rng(0).normal(size=(2, 3, 4))
    largest = lambda x, w: np.maximum(x, w)
    assert pullback.check(largest, lambda g, x, w: (g * (x >= w), g * (x < w)), x, w).verdict == "right"
    assert pullback.check(largest, lambda g, x, w: (g * (x >= w), g * (x <= w)), x, w).cause == "kink_convention"
    both = lambda g, x: (x == x.max(1, keepdims=True)) * g[:, None]
    assert pullback.check(lambda x: x.max(1), both, x).cause == "kink_convention"


def test_what_is_kept_of_the_first_call_is_found():
    kept = {}

    def backward(g, x):
        slope = kept.setdefault(x.shape, 1 - np.tanh(x) ** 2)
        return g * slope

    assert pullback.check(np.tanh, backward, np.random.default_rng(0).normal(size=5)).cause == "stale_buffer"


def test_the_gradient_of_another_input_is_named():
    swapped = lambda g, a, b, x: (g * b * x, g * x, g * a)  # a and b stand in for each other
    arrays = np.random.default_rng(0).normal(size=(3, 4))
    assert (
        pullback.check(lambda a, b, x: a * x + b, lambda g, a, b, x: (g, g * x, g * a), *arrays).cause
        == "index_routing"
    )
    assert pullback.check(lambda a, b, x: a * x + b, swapped, *arrays).verdict == "wrong"


def test_the_finding_that_says_most_leads():
    """Of the gradient of x, where two paths meet, and of that of the forget gate, one shows what it is."""
    sigmoid = lambda z: 1 / (1 + np.exp(-z))
    forward = lambda x, c, w, u: sigmoid(x @ w) * c + np.tanh(x @ u)

    def backward(g, x, c, w, u):
        forget, new = g * c, g * (1 - np.tanh(x @ u) ** 2)  # the slope of the sigmoid is missing
        return forget @ w.T + new @ u.T, g * sigmoid(x @ w), x.T @ forget, x.T @ new

    shapes = (3, 4), (3, 2), (4, 2), (4, 2)
    report = pullback.check(forward, backward, *shapes)
    assert report.leading.name in ("x", "w") and report.cause == "missing_chain_factor"


def test_the_output_whose_gradient_is_dropped_is_named():
    both = lambda x, w: (np.tanh(x @ w), x @ w + x.sum(1, keepdims=True))
    first_only = lambda g, h, x, w: ((s := g * (1 - np.tanh(x @ w) ** 2)) @ w.T, x.T @ s)
    report = pullback.check(both, first_only, X, W)
    assert report.cause == "missing_jacobian_term" and "the gradient of y1 from above is dropped" in str(report)


def test_inputs_that_forward_refuses_are_left_alone():
    """A matrix that must be positive definite is not any matrix: check stays where forward runs, and never raises."""
    whole = lambda a: np.linalg.cholesky((a + a.T) / 2)

    def backward(g, a, swapped):
        low = whole(a)
        phi = np.tril(low.T @ g)
        phi[np.diag_indices(len(a))] /= 2
        inverse = np.linalg.inv(low)
        s = inverse @ phi @ inverse.T if swapped else inverse.T @ phi @ inverse
        return (s + s.T) / 2

    a = np.array([[0.5, 0.1, -0.2], [0.1, 0.4, 0.1], [-0.2, 0.1, 0.6]])
    assert pullback.check(whole, lambda g, a: backward(g, a, False), a).verdict == "right"
    assert pullback.check(whole, lambda g, a: backward(g, a, True), a).verdict == "wrong"
