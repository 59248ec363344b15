"""nan, infinities, and numbers at the ends of what float32 holds: kernels make of them what their rules make."""

import numpy as np
import pytest
from fast import (
    ELEMENTWISE,
    EPS,
    HIDDEN,
    LARGE,
    LAST,
    LOSSES,
    MORE,
    POLYPHASE,
    RULES,
    WINOGRAD,
    arrays,
    channels_last,
    close,
    strange,
    to_single,
)

import pullback as pb
from pullback.check.contract import as_tuple


def rows_of_odd_scores():
    """All rows of four of these, and each among many more."""
    odd = np.array([np.nan, np.inf, -np.inf, 0.0, 1e38, -1e38, 88.0], np.float32)
    four = np.stack(np.meshgrid(odd, odd, odd, odd), -1).reshape(-1, 4)
    return four, np.concatenate([four, np.full((len(four), 99), -5, np.float32)], -1)


@pytest.mark.parametrize("axis", [-1, 0])
@pytest.mark.parametrize("x", rows_of_odd_scores(), ids=len)
@pytest.mark.parametrize(
    "name, options",
    [
        *((name, {}) for name in ("softmax", "softmin", "log_softmax", "logsumexp")),
        *((name, dict(reduction="none")) for name in ("nll_loss", "cross_entropy", "soft")),
        *((name, dict(reduction="none", label_smoothing=s)) for name in ("cross_entropy", "soft") for s in (0.1, 1.0)),
    ],
    ids=str,
)
def test_odd_scores_are_treated_as_by_the_rule(name, options, x, axis):
    t = [np.arange(len(x)) % 4] if options else []
    if name == "soft":
        name, t = "cross_entropy", [np.eye(x.shape[1], dtype="f4")[t[0]] * np.float32(0.75)]
    if axis == 0:  # places side by side
        x, t = x.T.copy(), [a.T.copy() for a in t]
    wide = lambda a: a.astype(float) if a.dtype.kind == "f" else a
    with np.errstate(all="ignore"):
        y, at = RULES[name].linearize(wide(x), *map(wide, t), axis=axis, **options)
        fast_y, fast = RULES[name].linearize(x, *t, axis=axis, **options)
        assert fast.plan.forward is not None
        close(fast_y, y)
        gy = np.cos(np.arange(y.size)).reshape(y.shape).astype(np.float32)
        close(fast.vjp(gy), at.vjp(gy.astype(float)))


@pytest.mark.parametrize("shape", [(50, 3), (50, 99), (2, 3, 5, 7), (2, 3, 11, 7)], ids=str)
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_scores_of_what_does_not_count_may_be_anything(value, shape):
    """Neither an ignored class nor one of no weight."""
    x = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    t = np.arange(x[:, 0].size).reshape(x[:, 0].shape) % 3
    np.moveaxis(x, 1, -1)[t > 0] = value
    w = np.ones(shape[1], np.float32)
    w[2] = 0
    loss, at = pb.cross_entropy.linearize(x, t, w, ignore_index=1)
    assert at.plan.forward is not None
    (gx,) = at.vjp(1)[:1]
    assert np.isfinite(loss) and not np.moveaxis(gx, 1, -1)[t > 0].any()
    wanted, exact = pb.cross_entropy.linearize(np.where(np.isfinite(x), x, 0).astype(float), t, w, ignore_index=1)
    close(loss, wanted)
    close(gx, exact.vjp(1)[0])


KINKS = [(name, dict(kink=word)) for name in ELEMENTWISE if "kink" in RULES[name].options for word in ("mean", "jax")]


@pytest.mark.parametrize("name, options", [*((name, {}) for name in ELEMENTWISE), *KINKS])
def test_edges_of_a_function_are_those_of_its_rule(name, options):
    """nan, infinities, both zeros, the largest and smallest numbers, and where it bends."""
    numbers = np.finfo(np.float32)
    edges = [np.nan, np.inf, 0.0, numbers.max, numbers.tiny, numbers.smallest_subnormal, 1e10, 88.8, 100.0, 0.5, 1.0]
    x = np.array([sign * edge for edge in (*edges, *np.atleast_1d(RULES[name].kinks)) for sign in (1, -1)], "f4")
    with np.errstate(all="ignore"):
        y, at = RULES[name].linearize(x, **options)
        wanted, saved = at.rule.forward(x)
        gx, slope = at.vjp(np.ones_like(x)), at.rule.vjp(np.ones_like(x), *saved)
    np.testing.assert_allclose(y, wanted, rtol=4 * EPS, atol=numbers.tiny)
    np.testing.assert_allclose(gx, slope, rtol=4 * EPS, atol=numbers.tiny)


def test_the_mean_may_be_far_from_zero():
    """To 4e-7 of the largest y, as the rule says, where x is around 1e6 with variance 1."""
    z = np.random.default_rng(0).normal(size=(64, 32, 9)).astype(np.float32)
    x = (z + np.float32(1e6)).astype(np.float32)
    wide = x.astype(float)
    for rule, options in (
        (pb.layer_norm, dict(normalized_shape=(32, 9))),
        (pb.group_norm, dict(num_groups=4)),
        (pb.batch_norm, dict(training=True)),
    ):
        for given in (x, channels_last(x)):
            y, wanted = (as_tuple(rule(a, **options))[0] for a in (given, wide))
            assert np.max(abs(y - wanted)) <= 4e-7 * np.max(abs(wanted))


@pytest.mark.parametrize("value", [np.inf, np.nan, 1e30])
@pytest.mark.parametrize("name", ["layer_norm", "rms_norm", "group_norm", "batch_norm"])
def test_a_norm_of_what_is_no_number_is_as_by_its_rule(name, value):
    rule, inputs = arrays(RULES[name], LARGE[name][0])
    x = to_single(inputs[0])
    x[(1,) * x.ndim] = value
    with np.errstate(all="ignore"):
        y, at = rule.linearize(x)
        wanted, saved = at.rule.forward(x, *at.plan.fill)
        for found, due in zip(as_tuple(y), as_tuple(wanted)):
            np.testing.assert_array_equal(np.isfinite(found), np.isfinite(due))
            np.testing.assert_allclose(found, due, rtol=1e-4, atol=1e-4)


def test_an_extreme_element_stays_alone_in_the_evaluation_of_batch_norm():
    x = np.ones((2, 4, 4, 3), np.float32).transpose(0, 3, 1, 2)  # channels last in memory
    g = np.ones_like(x)
    x[0, 1, 2, 2] = g[0, 1, 2, 2] = 1e20
    with np.errstate(all="ignore"):
        _, at = pb.batch_norm.linearize(x, np.zeros(3, np.float32), np.ones(3, np.float32))
        assert np.isfinite(at.vjp(g)[0]).all()


ATTENTION = dict(l=150, s=150, e=8, d=5, batch=(2,), m=(), without=("mask",))
PLACES = [  # where it matters on which way a kernel goes, and what it leaves out
    *(("conv2d", case) for case in (*(LARGE["conv2d"][k] for k in (0, 1, 4, 6, 10)), WINOGRAD[0], POLYPHASE[1])),
    *((f"{kind}_pool2d", dict(n=(6, 7), batch=(2, 19))) for kind in ("max", "avg", "adaptive_max", "adaptive_avg")),
    *(("scaled_dot_product_attention", ATTENTION | dict(is_causal=causal)) for causal in (True, False)),
    *((name, case) for name, case in LAST.items() if name not in ("rnn", "gru", "lstm")),
]


ELSEWHERE = {  # what is inf or nan there, the kernel treats in another way, which is as good
    "batch_norm": [3],  # w: gx is inf, where the rule, whose sums hold w, has nan
    "scaled_dot_product_attention": [2],  # v: PLACES has cases where it is the same, in LAST gk is nan instead of inf
    # Where neighbours are joined, nothing of an infinite gradient is nothing; one after the other they make it nan.
    **dict.fromkeys((name for name in HIDDEN if "relu" in name or "nll_loss" in name), ["gy"]),
    "linear, relu": [],
}


def spoilable(name, case):
    """The inputs with a derivative that are there, and the gradient."""
    rule, inputs = arrays(RULES[name], case)
    known = zip(rule.linearize(*inputs)[1].plan.has, inputs)
    places = [k for k, (has, x) in enumerate(known) if has and x.size] + ["gy"]
    return [which for which in places if case != LAST[name] or which not in ELSEWHERE.get(name, [])]


@pytest.mark.parametrize("name, case", PLACES)
def test_what_is_no_number_stays_where_the_rule_has_it(name, case):
    for which in spoilable(name, case):
        for value in (np.inf, -np.inf, np.nan):
            rule, inputs, gradients = strange(name, case, value, which)
            with np.errstate(all="ignore"):
                y, at = rule.linearize(*inputs)
                fast_y, fast = rule.linearize(*map(to_single, inputs))
                close(fast_y, y)
                close(fast.vjp(*map(to_single, gradients)), at.vjp(*gradients))


@pytest.mark.parametrize("which", ["x", "h", "u_l0", "gy"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e6, -200])  # under relu it grows: float32 holds 1e6 ** 4
@pytest.mark.parametrize("name, options", [("rnn", {}), ("rnn", dict(nonlinearity="relu")), ("gru", {}), ("lstm", {})])
def test_recurrent_networks_of_what_is_no_number_or_far_from_0(name, options, value, which):
    rule, inputs = arrays(RULES[name], dict(t=4, n=5, m=20, batch=(19,), without=("lengths",), **options))
    given = dict(zip((slot.name for slot in rule.inputs), inputs, strict=True))
    rng = np.random.default_rng(2)
    gradients = [rng.normal(size=y.shape).astype(np.float32).astype(float) for y in rule.linearize(*inputs)[0]]
    spoiled = gradients[0] if which == "gy" else given[which]
    spoiled[tuple(n // 2 for n in spoiled.shape)] = value
    with np.errstate(all="ignore"):
        (y, at), (fast_y, fast) = (rule.linearize(*map(change, inputs)) for change in (lambda x: x, to_single))
        assert fast.plan.forward is not None
        close(fast_y, y, MORE[name])
        close(fast.vjp(*map(to_single, gradients)), at.vjp(*gradients), MORE[name])


ODD = [np.nan, np.inf, -np.inf, 0.0, -0.0, 1.0, 0.5, 1e-44, 1e-30, 2.0, -2.0, -200.0, 3e38]


@pytest.mark.parametrize("options", [{}, dict(log_target=True)], ids=str)
@pytest.mark.parametrize("name", [*LOSSES, "binary_cross_entropy"])
def test_losses_of_odd_numbers_are_those_of_the_rule(name, options):
    if options and name != "kl_div":
        return
    targets = [a for a in ODD if not abs(a) > 1] if name.startswith("binary") else ODD  # of a chance, or any
    x, t = (a.reshape(-1) for a in np.meshgrid(np.array(ODD, "f4"), np.array(targets, "f4")))
    with np.errstate(all="ignore"):
        y, at = RULES[name].linearize(x, t, reduction="none", **options)
        assert at.plan.forward is not None
        rule, inputs = at.rule, (x, t, *at.plan.fill)
        wanted, saved = rule.forward(*inputs)
        np.testing.assert_allclose(y, wanted, rtol=1e-6, atol=1e-37)
        for found, due in zip(at.vjp(np.ones_like(x)), rule.vjp(np.ones_like(x), *saved)):
            np.testing.assert_allclose(found, due() if callable(due) else due, rtol=1e-6, atol=1e-37)
        wide = RULES[name].linearize(x.astype(float), t.astype(float), reduction="none", **options)[1]
        for found, due in zip(at.vjp(np.zeros_like(x)), wide.vjp(np.zeros(x.shape))):  # float32's own slopes overflow
            np.testing.assert_array_equal(found, due)
