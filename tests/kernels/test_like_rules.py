"""Every kernel against its rule: values and all derivatives, at all cases, however arrays lie in memory."""

import numpy as np
import pytest
from fast import (
    CASES,
    EPS,
    LARGE,
    LAST,
    LOSSES,
    MORE,
    RULES,
    SMALL,
    arrays,
    as_single,
    by_columns,
    channels_last,
    close,
    compare,
    every_second,
    read_only,
    resized,
    reversed_memory,
    to_single,
    without_examples,
)

import pullback as pb
from pullback.check.contract import as_tuple
from pullback.errors import PullbackError
from pullback.kernels import attention


@pytest.mark.parametrize("name, case", CASES)
def test_a_kernel_is_its_rule(name, case):
    compare(*arrays(RULES[name], case))


@pytest.mark.parametrize("name", LOSSES)
def test_an_error_of_a_thousandth_is_seen_where_gradients_are_small(name):
    """Those of a mean over many: `close` lets pass what the kernel gives, and nothing else."""
    rule, inputs = arrays(RULES[name], LARGE[name][0])
    (_, at), (_, fast) = rule.linearize(*inputs), rule.linearize(*map(to_single, inputs))
    for found, wanted in zip(fast.vjp(np.float32(1)), at.vjp(1.0), strict=True):
        if found is not None:
            close(found, wanted)
            with pytest.raises(AssertionError):
                close(found * np.float32(1.001), wanted)


@pytest.mark.parametrize("name", RULES)
def test_a_kernel_runs(name):
    """Else all the others would compare a rule with itself."""
    rule, inputs = arrays(RULES[name], LAST[name])
    plan = rule.linearize(*map(to_single, inputs))[1].plan
    assert plan.forward.func.__module__.startswith("pullback.kernels.")
    assert plan.vjp is not None or name == "logsumexp"  # whose backward is the rule's, on what the kernel kept


@pytest.mark.parametrize("name, case", [(name, case) for name, case in CASES if case in SMALL[name]])
def test_the_jacobian_after_a_kernel(name, case):
    rule, inputs = arrays(RULES[name], case)
    found, wanted = (rule.linearize(*given)[1].jacobian() for given in (map(to_single, inputs), inputs))
    for a, b in zip(leaves(found), leaves(wanted), strict=True):
        close(a.dense(), b.dense(), 64)


def leaves(jacobian):
    for item in as_tuple(jacobian):
        yield from leaves(item) if isinstance(item, tuple) else [] if item is None else [item]


@pytest.mark.parametrize("change", [reversed_memory, read_only, every_second, by_columns, channels_last])
@pytest.mark.parametrize("name", RULES)
def test_memory_order_does_not_matter(name, change):
    rule, inputs = arrays(RULES[name], (SMALL[name] or LARGE[name])[-1])
    compare(rule, inputs, change)


@pytest.mark.parametrize("name, blocks", [("rnn", 1), ("gru", 3), ("lstm", 4)])
@pytest.mark.parametrize("steps, units", [(3, 5), (1, 1)])
def test_gradients_from_above_of_sequences_may_be_read_only(name, blocks, steps, units):
    """As those of another library are, and the zeros in the place of one that is left out."""
    rng = np.random.default_rng(0)
    x, gy, gh = (rng.normal(size=(n, 2, m)) for n, m in ((steps, 3), (steps, units), (1, units)))
    w, u = (rng.normal(size=(blocks * units, m)) for m in (3, units))
    _, at = RULES[name].linearize(x, w_l0=w, u_l0=u)
    _, fast = RULES[name].linearize(*map(to_single, (x,)), w_l0=to_single(w), u_l0=to_single(u))
    assert fast.plan.forward is not None
    fixed = to_single(gy)
    fixed.flags.writeable = False
    close(fast.vjp(fixed), at.vjp(gy), MORE[name])
    close(fast.vjp(None, to_single(gh)), at.vjp(None, gh), MORE[name])


CHANNELS = "batch_norm", "group_norm", "prelu", "cross_entropy of classes"


@pytest.mark.parametrize("name, case", [(name, case) for name in CHANNELS for case in LARGE[name]])
def test_channels_may_be_last_in_memory(name, case):
    compare(*arrays(RULES[name], case), channels_last)


@pytest.mark.parametrize("name", ["relu", "gelu", "prelu"])
def test_results_lie_in_memory_as_what_they_are_made_of(name):
    image = np.random.default_rng(0).normal(size=(2, 5, 6, 3)).astype(np.float32)
    x = image.transpose(0, 3, 1, 2)
    w = [np.ones(3, np.float32)] if name == "prelu" else []
    y, at = RULES[name].linearize(x, *w)
    gx = as_tuple(at.vjp(np.ones(x.shape, np.float32)))[0]
    assert y.strides == gx.strides == x.strides
    np.testing.assert_array_equal(y, RULES[name](np.ascontiguousarray(x), *w))


def test_dropout_and_flatten_of_an_image_with_its_channels_last():
    """What dropout gives lies as what it is given. Rows of features lie in one piece; what can share memory does."""
    x = np.random.default_rng(0).normal(size=(2, 5, 6, 33)).astype(np.float32).transpose(0, 3, 1, 2)
    mask = np.random.default_rng(1).random(x.shape) < 0.5
    y, at = pb.dropout.linearize(x, mask)
    assert y.strides == x.strides and at.vjp(x)[0].strides == x.strides
    np.testing.assert_array_equal(y, 2 * x * mask)
    rows = pb.flatten(x, start_axis=1)
    np.testing.assert_array_equal(rows, np.ascontiguousarray(x).reshape(2, -1))
    assert rows.flags.c_contiguous and np.shares_memory(pb.flatten(x, start_axis=2), x)
    assert np.shares_memory(pb.flatten(x[:, :1], start_axis=1), x)


SIZES = {
    "one element": lambda name: resized(name, 1),
    "no elements": lambda name: resized(name, 0),
    "no examples": without_examples,
}


@pytest.mark.parametrize("kind", SIZES)
@pytest.mark.parametrize("name", RULES)
def test_where_there_is_one_element_or_none(name, kind):
    for case in SIZES[kind](name):
        if name == "rms_norm":  # without it, eps is another in each dtype, and of one element nothing else is left
            case = dict(eps=1e-6) | case
        rule, inputs = arrays(RULES[name], case)
        try:
            rule.plan(*inputs)
        except PullbackError:
            continue  # the rule refuses it
        compare(rule, inputs)


def test_a_mask_of_booleans_hides_whatever_is_there():
    """A key that overflows, or is nan or inf, in a padded place."""
    q, v = np.ones((1, 2), np.float32), np.array([[1], [2]], np.float32)
    for value in (3e38, np.nan, np.inf):
        k = np.ones((2, 2), np.float32)
        k[1] = value
        with np.errstate(all="ignore"):
            assert pb.scaled_dot_product_attention(q, k, v, np.array([[True, False]])) == [[1]]


@pytest.mark.parametrize("causal", [True, False])
def test_scores_that_are_not_kept_are_made_again(monkeypatch, causal):
    q, k, v = (np.random.default_rng(0).normal(size=(3, 150, d)).astype(np.float32) for d in (8, 8, 40))
    gradients = []
    for most in (attention.LITTLE, 0):
        monkeypatch.setattr(attention, "LITTLE", most)
        y, at = pb.scaled_dot_product_attention.linearize(q, k, v, is_causal=causal)
        gradients.append(at.vjp(np.cos(y)))
    close(*gradients)


@pytest.mark.parametrize("n", [3, 64, 100, 1000])
@pytest.mark.parametrize("name", ["softmax", "softmin"])
def test_where_one_element_has_almost_all_the_gradient_keeps_its_digits(name, n):
    rng = np.random.default_rng(0)
    x, gy = (as_single(a * rng.normal(size=(20, n))) for a in (8, 1))
    found, wanted = (RULES[name].linearize(f(x))[1].vjp(f(gy)) for f in (to_single, np.array))
    np.testing.assert_array_less(abs(found - wanted).max(-1), 1e-5 * abs(wanted).max(-1))


@pytest.mark.parametrize("causal", [True, False])
@pytest.mark.parametrize("most", [attention.LITTLE, 0])
def test_where_one_key_has_almost_all_its_gradient_keeps_its_digits(monkeypatch, most, causal):
    """What is left of the gradient of a score is tiny there, and nothing beside the gradient of its probability."""
    monkeypatch.setattr(attention, "LITTLE", most)
    rng = np.random.default_rng(0)
    q, k, v, gy = (as_single(rng.normal(size=(3, 140, d))) for d in (8, 8, 40, 40))
    q *= 64
    found, wanted = (
        pb.scaled_dot_product_attention.linearize(*given, is_causal=causal)[1].vjp(g)[0]
        for *given, g in ([*map(to_single, (q, k, v, gy))], [q, k, v, gy])
    )
    size = np.linalg.norm(wanted, axis=-1)
    assert np.percentile(size, 25) < 1e-9 < 1e-2 < size.max(), "of some queries, not of all"
    np.testing.assert_array_less(np.linalg.norm(found - wanted, axis=-1), 1e-4 * size + 1e-30)


@pytest.mark.parametrize("name", ["cross_entropy of classes", "cross_entropy, smoothed", "cross_entropy"])
def test_a_gradient_that_was_computed_beforehand_is_given_away_once(name):
    rule, inputs = arrays(RULES[name], LARGE[name][0])
    _, at = rule.linearize(*map(to_single, inputs))
    first = at.vjp(np.float32(1))[0]
    wanted = first.copy()
    first[:] = 0
    for gy in (1, 2):
        np.testing.assert_allclose(at.vjp(np.float32(gy))[0], gy * wanted, rtol=2 * EPS)
