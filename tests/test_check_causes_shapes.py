"""What tells one cause from another: other shapes, and those of gradients."""

import numpy as np
from causes import named

import pullback as pb
from pullback.check.adapters import adapt
from pullback.check.problem import Problem
from pullback.check.resizing import others


def at(forward, *shapes):
    """Other shapes that a layer is tried at."""
    arrays = [np.random.default_rng(k).normal(size=shape) for k, shape in enumerate(shapes)]
    adapted = adapt(forward, lambda *_: None, arrays)
    adapted = adapted._replace(backward=lambda g, inputs: tuple(map(np.zeros_like, inputs)))
    problem = Problem(adapted, None, 0, "vjp", None)
    return [[part.shape for part in other.inputs] for other in others(problem)]


def test_axes_that_belong_together_change_together():
    for x, w, b in at(lambda x, w, b: x @ w + b, (4, 5), (5, 3), (3,)):
        assert x[1] == w[0] and w[1:] == b and len({*x, *b}) == 3 and (x[0], *w) != (4, 5, 3)


def test_the_columns_of_four_gates_stay_four_times_as_many():
    step = lambda x, h, w, u: np.tanh(np.split(x @ w + h @ u, 4, 1)[0]) + h[:, :1]
    for x, h, w, u in at(step, (3, 5), (3, 2), (5, 8), (2, 8)):
        assert w == (x[1], u[1]) and u[0] == h[1] and not u[1] % 4


def test_what_insists_on_its_sizes_keeps_them():
    kernel = np.ones((5, 3))
    for (shape,) in at(lambda x: x @ kernel, (4, 5)):
        assert shape[1] == 5 and shape[0] != 4
    assert not at(lambda x: np.arange(4) * x, (4,))


def spread(x, b):
    return x + b


def test_a_size_is_named_only_where_it_is_that_size_at_every_shape():
    inputs = (4, 2), (2,)
    assert "1 / the size of axis 0" in named(spread, lambda g, x, b: (g, g.sum(0) / len(x)), *inputs)[1]
    assert named(spread, lambda g, x, b: (g, g.sum(0) / 4), *inputs)[1].startswith(
        "the right gradient times 0.25 (for b"
    )


def test_shapes_are_asked_for_where_somebody_knows_them():
    drawn = []

    def shapes(rng):
        drawn.append(tuple(rng.integers(2, 9, 2)))
        return (*drawn[-1:], drawn[-1][1:])

    causes, _ = named(spread, lambda g, x, b: (g, g.mean(0)), (4, 2), (2,), shapes=shapes)
    assert causes[0] == "constant_factor" and drawn


def test_what_holds_for_two_numbers_by_chance_is_no_cause():
    """Of two elements a norm's gradient is nearly zero, and looks like anything."""
    norm = lambda x: (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 0.1)
    wrong = lambda g, x: (g - g.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 0.1)
    assert named(norm, wrong, (1, 2))[0][0] == named(norm, wrong, (3, 5))[0][0] == "missing_jacobian_term"


def windows(x):
    """Means over thirds."""
    n = x.shape[1]
    return np.stack([x[:, k * n // 3 : -(-(k + 1) * n // 3)].mean(1) for k in range(3)], 1)


def windows_back(g, x):
    gx, n = np.zeros_like(x), x.shape[1] // 3
    for k in range(3):
        gx[:, k * n : (k + 1) * n] = g[:, k : k + 1] / n
    return gx


def test_a_fault_of_this_shape_alone_is_said_to_be_one():
    shapes = lambda rng: (rng.normal(size=(2, 6)),)
    causes = named(windows, windows_back, (2, 7), shapes=shapes)[0]
    assert "edge_shape" in causes[:3]


def test_an_axis_of_one_that_is_always_lost():
    assert named(lambda x, b: x + b, lambda g, x, b: (g, g.sum(0)), (4, 3), (1, 3))[0][0] == "contract_shape_dtype"


def test_the_right_number_of_elements_in_rows_of_another_length():
    assert named(lambda x: 2 * x, lambda g, x: 2 * g.reshape(3, 4), (4, 3))[0][0] == "edge_shape"


def test_an_axis_that_is_lost_where_it_is_one():
    assert named(lambda x: 2 * x, lambda g, x: 2 * g.squeeze(), (1, 3))[0][0] == "edge_shape"


def test_bands_that_are_exchanged_are_no_signs():
    """Sums and differences of neighbours: all entries of the Jacobian are as large, whichever stands where."""

    def haar(x):
        a, b = x[..., ::2], x[..., 1::2]
        return np.concatenate([a + b, a - b], -1) / 2

    def backward(g, x):
        b, a = np.split(g, 2, -1)  # the other way round
        return np.stack([a + b, a - b], -1).reshape(x.shape) / 2

    causes, evidence = named(haar, backward, (3, 8))
    assert causes[0] == "index_routing" and "another order" in evidence


def test_a_causal_convolution_is_no_recurrence():
    """Its padding stands before the signal, and is cut off behind it."""

    def causal(x, w):
        padded = np.concatenate([np.zeros((len(x), 2)), x], 1)
        return sum(w[k] * padded[:, k : k + x.shape[1]] for k in range(3))

    def backward(g, x, w):
        padded = np.concatenate([np.zeros((len(x), 2)), x], 1)
        n = x.shape[1]
        gx = np.zeros_like(padded)
        for k in range(3):
            gx[:, k : k + n] += w[k] * g
        return gx[:, :n], np.array([(g * padded[:, k : k + n]).sum() for k in range(3)])

    causes, _ = named(causal, backward, (2, 7), (3,))
    assert causes[0] == "conv_geometry" and "bptt_time" not in causes


def dense(x, w, b):
    return x @ w + b


def beside(backward):
    """Verdicts by input, beside a gradient of a wrong shape."""
    report = pb.check(dense, backward, (4, 3), (3, 2), (2,))
    return report, [finding.verdict for finding in report.findings]


def test_the_other_gradients_are_judged_beside_one_of_a_wrong_shape():
    report, verdicts = beside(lambda g, x, w, b: (g @ w.T, x.T @ g, g))
    assert report.verdict == "wrong" and verdicts == ["right", "right", "wrong"]
    assert "the sum over axes (0,) is right" in report.causes[0].evidence
    report, verdicts = beside(lambda g, x, w, b: (2 * g @ w.T, x.T @ g, g.sum()))
    assert verdicts == ["wrong", "right", "wrong"] and report.findings[0].cause == "constant_factor"
    assert report.leading.name == "b" and report.cause == "reduction_broadcast"
    assert "it is the sum of the right one over axes (0,)" in report.causes[0].evidence


def test_a_sum_over_the_other_axis_has_the_shape_of_one():
    report, verdicts = beside(lambda g, x, w, b: (g @ w.T, x.T @ g, g.sum(1)))
    assert verdicts == ["right", "right", "wrong"] and report.cause == "reduction_broadcast"
    text = "shape (4,), needs (2,): as an output (4, 2) summed over axes (1,); over axes (0,) it has the right one"
    assert report.causes[0].evidence == text


def test_gradients_in_another_order():
    report, verdicts = beside(lambda g, x, w, b: (x.T @ g, g @ w.T, g.sum(0)))
    assert verdicts == ["wrong", "wrong", "right"] and report.cause == "index_routing"
    assert report.causes[0].evidence == "shape (3, 2), needs (4, 3): it is the gradient of w"


def test_a_gradient_that_none_of_the_others_goes_without():
    report, verdicts = beside(lambda g, x, w, b: (g @ w.T, None, g))
    assert report.verdict == "wrong" and verdicts == ["right", "wrong"]
    assert any("the gradient of w is None" in text for text in report.power)


def pooled(x, y):
    return np.einsum("ni,nj->nij", x, y).reshape(len(x), -1), (x, y)


def test_an_outer_product_in_another_order_is_no_convolution():
    """The numbers of one factor stand side by side, once for each of the other."""

    def backward(g, cache):
        x, y = cache
        g = g.reshape(len(x), y.shape[1], x.shape[1]).swapaxes(1, 2)
        return np.einsum("nij,nj->ni", g, y), np.einsum("nij,ni->nj", g, x)

    report = pb.check(pooled, backward, (4, 3), (4, 5))
    assert report.cause == "index_routing" and "conv_geometry" not in str(report)


def repeated(x, w):
    """A transposed convolution whose stride is the length of its kernel."""
    return (x[:, :, None] * w).reshape(len(x), -1)


def test_a_kernel_side_by_side_is_one_for_all_examples():
    backward = lambda g, x, w: ((g.reshape(len(x), len(w), -1) * w[:, None]).sum(1), x.ravel() @ g.reshape(-1, len(w)))
    report = pb.check(repeated, backward, (4, 3), (5,))
    assert report.findings[0].cause == "conv_geometry"


def norm(x):
    """Over examples and pixels, as in spatial batch normalisation."""
    std = np.sqrt(x.var((0, 2), keepdims=True) + 1e-5)
    return (x - x.mean((0, 2), keepdims=True)) / std, (x, std)


def test_a_wrong_count_is_no_slope():
    """Of examples alone: what goes through the mean is too large, and what goes straight is not."""

    def of_flat(g, cache):
        x, std = cache
        n, c, _ = x.shape
        flat = lambda a: a.swapaxes(1, 2).reshape(-1, c)
        g, u, std = flat(g), flat((x - x.mean((0, 2), keepdims=True)) / std), std.ravel()
        gx = (n * g - g.sum(0) - u * (g * u).sum(0)) / (n * std)
        return gx.reshape(n, -1, c).swapaxes(1, 2)

    report = pb.check(norm, of_flat, (2, 3, 5))
    assert report.cause == "missing_jacobian_term" and [each.name for each in report.causes][1] == "constant_factor"
    assert "10 for 2, and wherever that stands (10 is `g.shape[0]`)" in report.leading.mend
