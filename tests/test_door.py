"""The one door: what may be left out, what is refused and with which words, and what comes back."""

import copy
import pickle

import numpy as np
import pytest

import pullback as pb
from pullback.discovery import every
from pullback.errors import DtypeError, OptionError, PullbackError, RangeError, ShapeError

X, W, B = np.ones((4, 3)), np.ones((2, 3)), np.ones(2)
IMAGE, KERNEL = np.ones((2, 4, 5, 5)), np.ones((6, 4, 3, 3))


def test_an_input_may_be_left_out_or_named():
    y, at = pb.linear.linearize(X, W)
    assert at.vjp(y)[2] is None and len(at.vjp(y)) == 3
    for same in (pb.linear(X, W, None), pb.linear(X, W, b=None), pb.linear(X, w=W), pb.linear(X, W, 0 * B)):
        np.testing.assert_array_equal(same, y)


def test_the_names_of_torch_are_known():
    np.testing.assert_array_equal(pb.linear(input=X, weight=W, bias=B), pb.linear(X, W, B))
    assert pb.lstm.long_names["w_l0"] == "weight_ih_l0"
    assert pb.batch_norm.long_names["v"] == "running_var"


def test_lists_and_numbers_are_arrays():
    np.testing.assert_allclose(pb.softmax([2, 3]), [0.26894142, 0.73105858], atol=1e-8)
    np.testing.assert_array_equal(pb.linear(X, W, [1, 1]), pb.linear(X, W, B))
    assert pb.linear(X.astype("f4"), [[1, 2, 3]]).dtype == np.float32
    assert pb.softmax([2, 3]).dtype == np.float64
    assert pb.cross_entropy([[1.0, 2.0]], [1]).shape == ()


def test_a_number_may_stand_for_a_scalar_gradient():
    loss, at = pb.cross_entropy.linearize(X.astype("f4"), np.array([0, 2, 1, 0]))
    assert at.vjp(1.0)[0].dtype == np.float32


def test_wrt_leaves_the_others_alone():
    y, at = pb.conv2d.linearize(IMAGE, KERNEL)
    assert [g is None for g in at.vjp(y, wrt="w")] == [True, False, True]
    assert [g is None for g in at.vjp(y, wrt=["x", "w"])] == [False, False, True]
    with pytest.raises(OptionError, match="wrt names 'weights'; the inputs are x, w, b"):
        at.vjp(y, wrt="weights")


def test_none_is_zero():
    y, at = pb.linear.linearize(X, W, B)
    np.testing.assert_array_equal(at.jvp(X, None, None), pb.linear(X, W))
    np.testing.assert_array_equal(at.jvp(X), pb.linear(X, W))
    (y, h, c), at = pb.lstm.linearize(np.ones((3, 2, 1)), w_l0=np.ones((8, 1)), u_l0=np.ones((8, 2)))
    for a, b in zip(at.vjp(y), at.vjp(y, np.zeros_like(h), None)):
        np.testing.assert_array_equal(a, b)


def test_integers_have_no_gradient():
    t = np.array([0, 2, 1, 0])
    y, at = pb.cross_entropy.linearize(X, t)
    assert at.vjp(np.array(1.0))[1] is None
    assert at.jvp(X, None).shape == ()
    (y, where), at = pb.max_pool2d.linearize(IMAGE, return_indices=True)
    assert at.vjp(y, None).shape == IMAGE.shape and at.jvp(IMAGE)[1] is None


def test_a_second_derivative_takes_lists_and_tuples():
    _, at = pb.linear.linearize(X, W, B)
    gy = np.ones((4, 2))
    for a, b in zip(at.hvp([gy], [X, W, B]), at.hvp(gy, (X, W, B))):
        np.testing.assert_array_equal(a, b)
    _, at = pb.softmax.linearize([2, 3])
    np.testing.assert_array_equal(at.hvp([1, 0], [0, 1]), at.hvp(np.array([1.0, 0]), np.array([0, 1.0])))


def test_the_jacobian_always_answers():
    y, at = pb.scaled_dot_product_attention.linearize(X, X, X)
    jacobians = at.jacobian()
    assert [None if J is None else J.shape for J in jacobians[:3]] == [(12, 12)] * 3
    np.testing.assert_allclose(jacobians[2] @ X, at.jvp(None, None, X))
    (y, h, c), at = pb.lstm.linearize(np.ones((3, 2, 1)), w_l0=np.ones((8, 1)), u_l0=np.ones((8, 2)))
    assert [row[0].shape for row in at.jacobian()] == [(12, 6), (4, 6), (4, 6)]


def test_hyperparameters_make_another_rule_once():
    from pullback.door import configured

    assert configured(pb.softmax, dict(axis=0)) is configured(pb.softmax, dict(axis=0))
    np.testing.assert_array_equal(pb.conv2d(IMAGE, KERNEL, stride=[2, 1]), pb.conv2d(IMAGE, KERNEL, stride=(2, 1)))


def test_memory_of_plans_is_bounded():
    from pullback.door import MEMO

    for n in range(1, 2 * MEMO):
        pb.softmax(np.ones(n))
    assert len(pb.softmax.plans) <= MEMO


def test_nothing_but_the_answer_is_kept():
    y, at = pb.softmax.linearize(X)
    with pytest.raises(AttributeError):
        pb.softmax.axis = 0
    with pytest.raises(AttributeError):
        at.note = 1


@pytest.mark.parametrize("name", every())
def test_rules_can_be_pickled_and_copied(name):
    rule = every()[name]
    for twin in (pickle.loads(pickle.dumps(rule)), copy.deepcopy(rule)):
        assert type(twin) is type(rule) and twin == rule and twin.name == rule.name


REFUSED = [
    (lambda: pb.linear(X, W.T), ShapeError, "linear: w has shape (3, 2), needs w[o i] with ...=(4,), i=3"),
    (lambda: pb.linear(X), ShapeError, "linear: w[o i] is missing"),
    (lambda: pb.linear(X, W, B, B), ShapeError, "linear: got 4 arrays, needs 3"),
    (lambda: pb.linear(X, W.astype("f4")), DtypeError, "one for all; x is float64, w is float32"),
    (lambda: pb.linear(X.astype(int), W), DtypeError, "x is int64, needs float32 or float64; convert it"),
    (lambda: pb.linear(X.astype("f2"), W), DtypeError, "x is float16, needs float32 or float64"),
    (lambda: pb.linear(X.astype(complex), W), DtypeError, "x is complex128, needs float32 or float64"),
    (lambda: pb.linear(np.array(["a"]), W), DtypeError, "x is <U1, needs float32 or float64"),
    (lambda: pb.linear([[1], [1, 2]], W), ShapeError, "a list is ragged"),
    (lambda: pb.linear(X, W, biass=B), OptionError, "no 'biass'; it has no hyperparameters, and takes x, w, b"),
    (lambda: pb.linear(X, W, x=X), OptionError, "got 'x' by place and by name"),
    (lambda: pb.softmax(X, dim=0), OptionError, "softmax has no 'dim'; it has axis"),
    (lambda: pb.softmax(X, axis=2), ShapeError, "softmax: x has shape (4, 3), needs x[b0 b1 n ...]"),
    (lambda: pb.conv2d(IMAGE, KERNEL, groups=3), ShapeError, "conv2d: w has shape (6, 4, 3, 3), needs w[o i/groups"),
    (lambda: pb.conv2d(IMAGE, KERNEL, stride=0), OptionError, "conv2d: needs "),
    (lambda: pb.conv2d(IMAGE, KERNEL, stride=1.5), OptionError, "conv2d: stride must be int or tuple, got 1.5"),
    (lambda: pb.conv2d(IMAGE, KERNEL, stride=(1, 1.5)), OptionError, "stride must be "),
    (lambda: pb.conv2d(IMAGE[..., :2], KERNEL), OptionError, "conv2d: needs "),
    (lambda: pb.cross_entropy(X, np.array([0, 3, 1, 1])), RangeError, "must lie in 0 .. 2 or -100, got 3"),
    (lambda: pb.embedding(np.array([-1]), W), RangeError, "embedding: x[...] must lie in 0 .. 1, got -1"),
    (lambda: pb.embedding(X, W), DtypeError, "embedding: x must be integers, got float64"),
    (lambda: pb.softmax.linearize(X)[1].vjp(X[:1]), ShapeError, "for y[... n], got float64(1, 3), needs float64(4, 3)"),
    (lambda: pb.softmax.linearize(X)[1].vjp(X.astype("f4")), ShapeError, "got float32(4, 3), needs float64(4, 3)"),
    (lambda: pb.softmax.linearize(X)[1].jvp(X, X), ShapeError, "softmax: got 2 arrays, needs 1"),
    (lambda: pb.softmax(X, axis=B), OptionError, "softmax: axis must be int, got array"),
    (lambda: pb.softmax(X, axis=1.5), OptionError, "softmax: axis must be int, got 1.5"),
    (lambda: pb.leaky_relu(X, negative_slope="a"), OptionError, "negative_slope must be float, got 'a'"),
    (lambda: pb.conv2d(IMAGE, KERNEL, stride=None), OptionError, "stride must be int or tuple, got None"),
    (lambda: pb.cross_entropy(X), ShapeError, "t[b *d] is missing"),
    (lambda: pb.relu(X, kink="up"), OptionError, "relu: needs kink in"),
]  # fmt: skip


@pytest.mark.parametrize("call, kind, message", REFUSED)
def test_refused(call, kind, message):
    with pytest.raises(PullbackError) as error:
        call()
    assert isinstance(error.value, kind) and message in str(error.value)


def test_names():
    with pytest.raises(AttributeError, match="pullback has no 'nosuch'"):
        _ = pb.nosuch
    assert pb.conv3d.name == "conv3d" and pb.relu.name == "relu"
    assert {"softmax", "Chain", "nn"} <= set(dir(pb))
    assert pb.Chain((pb.linear, pb.tanh))(X, W).shape == (4, 2)
