"""The one door: what may be left out, what is refused and with which words, and what comes back."""

import copy
import pickle

import numpy as np
import pytest

import pullback as pb
from pullback.discovery import every
from pullback.errors import DtypeError, OptionError, PullbackError, RangeError, ShapeError, TooLargeError

X, W, B = np.ones((4, 3)), np.ones((2, 3)), np.ones(2)
IMAGE, KERNEL = np.ones((2, 4, 5, 5)), np.ones((6, 4, 3, 3))


def test_an_input_may_be_left_out_or_named():
    y, at = pb.linear.linearize(X, W)
    assert at.vjp(y)[2] is None and len(at.vjp(y)) == 3
    for same in (pb.linear(X, W, None), pb.linear(X, W, b=None), pb.linear(X, w=W), pb.linear(X, W, 0 * B)):
        np.testing.assert_array_equal(same, y)


def test_the_names_of_torch_are_known():
    y, at = pb.linear.linearize(X, W, B)
    assert [g is None for g in at.vjp(y, wrt=["weight", "b"])] == [True, False, False]
    assert pb.Chain((pb.linear, pb.cross_entropy)).long_names["t1"] == "target1"
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


def test_hyperparameters_that_compare_equal_are_told_apart():
    """True is 1, and hashes alike; what one call allows must not decide the other."""
    assert pb.logsumexp(X, axis=1, keepdims=True).shape == (4, 1)
    with pytest.raises(OptionError, match="keepdims must be bool, got 1"):
        pb.logsumexp(X, axis=1, keepdims=1)
    with pytest.raises(OptionError):
        pb.softmax(X, axis=True)
    assert pb.softmax(X, axis=1).shape == (4, 3)


def test_booleans_are_numbers_where_they_weigh():
    t, keep = np.array([0, 2, 1, 0]), np.array([True, False, True])
    for dtype in (np.float32, np.float64):
        y, at = pb.nll_loss.linearize(X.astype(dtype), t, keep)
        assert y == pb.nll_loss(X.astype(dtype), t, keep.astype(dtype))
        assert y.dtype == at.vjp(1.0)[0].dtype == dtype


@pytest.mark.parametrize("kind", ["f4", "f8"])
@pytest.mark.parametrize("integers", ["i2", "i4", "i8", "u2", "u8"])
def test_the_order_of_bytes_does_not_matter(kind, integers):
    """Files are often big-endian; twice, for the second call could find a plan that the first one left."""
    x, t = np.random.default_rng(0).normal(size=(6, 300)).astype(kind), np.array([0, 256, 1, 299, 2, 0], integers)
    swapped = [a.astype(a.dtype.newbyteorder()) for a in (x, t)]
    for rule in (pb.cross_entropy, pb.Chain((pb.softmax, pb.nll_loss))):
        wanted, at = rule.linearize(x, t)
        for _ in range(2):
            found, other = rule.linearize(*swapped)
            assert found == wanted and found.dtype == kind
            np.testing.assert_array_equal(other.vjp(np.array(1, wanted.dtype.newbyteorder()))[0], at.vjp(1.0)[0])
    np.testing.assert_array_equal(pb.embedding(swapped[1], x.T), pb.embedding(t, x.T))
    assert pb.embedding(swapped[1][:1], swapped[0]).dtype.isnative


def test_a_list_takes_its_dtype_from_arrays_that_have_a_derivative():
    y = pb.scaled_dot_product_attention([[1.0]], [[1.0]], [[2.0]], np.ones((1, 1), "f2"))
    assert y.dtype == np.float64


def test_what_was_left_out_has_no_jacobian():
    assert [J is None for J in pb.linear.linearize(X, W)[1].jacobian()] == [False, False, True]
    cell = pb.rnn_cell.linearize(np.ones((1, 2)), np.ones((1, 2)), np.ones((2, 2)), np.ones((2, 2)))[1]
    assert [J is None for J in cell.jacobian()] == [False, False, False, False, True, True]


def test_a_derivative_says_what_it_is():
    assert repr(pb.linear.linearize(X, W, B)[1]) == "<derivative of linear at x[4, 3], w[2, 3], b[2], float64>"


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
    (lambda: pb.linear(X, W, x=X), OptionError, "got 'x' twice, by place or by another name; give it once"),
    (lambda: pb.softmax(X, dim=0), OptionError, "softmax has no 'dim' (PyTorch's dim is axis here); it has axis"),
    (lambda: pb.softmax(X, axis=2), ShapeError, "softmax: axis=2 is out of range for x of shape (4, 3)"),
    (lambda: pb.conv2d(IMAGE, KERNEL, groups=3), ShapeError, "conv2d: w has shape (6, 4, 3, 3), needs w[o i/groups"),
    (lambda: pb.conv2d(IMAGE, KERNEL, stride=0), OptionError, "conv2d: needs "),
    (lambda: pb.conv2d(IMAGE, KERNEL, stride=1.5), OptionError, "int or tuple of whole numbers, got 1.5"),
    (lambda: pb.conv2d(IMAGE, KERNEL, stride=(1, 1.5)), OptionError, "tuple of whole numbers, got (1, 1.5)"),
    (lambda: pb.conv2d(IMAGE[..., :2], KERNEL), OptionError, "conv2d: needs "),
    (lambda: pb.cross_entropy(X, np.array([0, 3, 1, 1])), RangeError, "must lie in 0 .. 2 or -100, got 3"),
    (lambda: pb.embedding(np.array([-1]), W), RangeError, "embedding: x[...] must lie in 0 .. 1, got -1"),
    (lambda: pb.embedding(X, W), DtypeError, "embedding: x must be integers, got float64"),
    (lambda: pb.softmax.linearize(X)[1].vjp(X[:1]), ShapeError, "for y[... n], got float64(1, 3), needs float64(4, 3)"),
    (lambda: pb.softmax.linearize(X)[1].vjp(X.astype("f4")), ShapeError, "got float32(4, 3), needs float64(4, 3)"),
    (lambda: pb.softmax.linearize(X)[1].jvp(X, X), ShapeError, "softmax: got 2 arrays, needs 1"),
    (lambda: pb.softmax(X, axis=B), OptionError, "softmax: axis must be int, got array"),
    (lambda: pb.linear(X, w=W, weight=W), OptionError, "got 'weight' twice"),
    (lambda: pb.log_softmax(X, axis=True), OptionError, "axis must be int, got True"),
    (lambda: pb.log_softmax(X, axis=1.0), OptionError, "axis must be int, got 1.0"),
    (lambda: pb.conv2d(IMAGE, KERNEL, groups=0), OptionError, "conv2d: needs groups > 0 and o % groups == 0"),
    (lambda: pb.conv2d(IMAGE, KERNEL, groups=-1), OptionError, "conv2d: needs groups > 0 and o % groups == 0"),
    (lambda: pb.embedding(np.array([0]), W[:0]), RangeError, "must lie in nothing, for there are none, got 0"),
    (lambda: pb.embedding(np.array([-1], "i1"), np.ones((300, 2))), RangeError, "in 0 .. 299, got -1"),
    (lambda: pb.embedding(np.array([-7], "i2"), np.ones((40000, 1))), RangeError, "in 0 .. 39999, got -7"),
    (lambda: pb.embedding(np.array([200], "u1"), W), RangeError, "in 0 .. 1, got 200"),
    (lambda: pb.embedding(np.array([256], ">i2"), W), RangeError, "in 0 .. 1, got 256"),
    (lambda: pb.embedding(np.array([-1], ">i2"), W), RangeError, "in 0 .. 1, got -1"),
    (lambda: pb.embedding(np.array([256], ">i8"), W.astype("f4")), RangeError, "in 0 .. 1, got 256"),
    (lambda: pb.softmax(np.ma.masked_less(X, 2)), DtypeError, "softmax: got a masked array, whose mask would be lost"),
    (lambda: pb.softmax.linearize(X)[1].vjp(np.ma.array(X)), DtypeError, "softmax: got a masked array"),
    (lambda: pb.nll_loss(X, np.zeros(4, int), np.array(["a"] * 3)), DtypeError, "w must be numbers or booleans"),
    (lambda: pb.softmax.linearize(X)[1].vjp("a"), ShapeError, "for y[... n], got a str, needs float64(4, 3)"),
    (lambda: pb.softmax.linearize(X)[1].vjp([[1], [1, 2]]), ShapeError, "got a list, needs float64(4, 3)"),
    (lambda: pb.softmax.linearize(X)[1].jvp({}), ShapeError, "got a dict, needs float64(4, 3)"),
    (lambda: pb.linear.linearize(X, W)[1].vjp(X[:, :2], wrt=3), OptionError, "wrt names 3; the inputs are x, w, b"),
    (lambda: pb.softmax(X, axis=1.5), OptionError, "softmax: axis must be int, got 1.5"),
    (lambda: pb.leaky_relu(X, negative_slope="a"), OptionError, "negative_slope must be float, got 'a'"),
    (lambda: pb.conv2d(IMAGE, KERNEL, stride=None), OptionError, "int or tuple of whole numbers, got None"),
    (lambda: pb.cross_entropy(X), ShapeError, "t[n *d] is missing"),
    (lambda: pb.relu(X, kink="up"), OptionError, "relu: needs kink in"),
    (lambda: pb.softmax(X, axis=99999999999), OptionError, "axis must lie between -64 and 64, got 99999999999"),
    (lambda: pb.logsumexp(X, axis=(0, -99999999999)), OptionError, "must lie between -64 and 64, got -99999999999"),
    (lambda: pb.conv2d(IMAGE, KERNEL, stride=2**70), OptionError, "stride must lie between -1.09951e+12 and"),
    (lambda: pb.conv2d(IMAGE, KERNEL, stride=(1, 2**63)), OptionError, "and 1.09951e+12, got 9223372036854775808"),
    (lambda: pb.leaky_relu(X, negative_slope=10**400), OptionError, "e+308, got an integer of 1329 bits"),
    (lambda: pb.leaky_relu(X, negative_slope=-(10**5000)), OptionError, "negative_slope must lie between"),
    (lambda: pb.threshold(X, threshold=np.nan), OptionError, "needs threshold <= inf, with threshold=nan"),
    (lambda: pb.batch_norm(X, B, B, momentum=2.0), OptionError, "needs 0 <= momentum <= 1, with momentum=2.0"),
]  # fmt: skip


BY_PLACE = [
    (lambda: pb.max_pool2d(IMAGE, 2), "max_pool2d: got 2 arrays, needs 1: x[... *n] -> y[... *out]", "kernel_size=2"),
    (lambda: pb.avg_pool2d(IMAGE, (2, 2), 1), "got 3 arrays", "kernel_size=(2, 2)"),
    (lambda: pb.softmax(X, -1), "softmax: got 2 arrays", "axis=-1"),
    (lambda: pb.leaky_relu(X, 0.2), "leaky_relu: got 2 arrays", "negative_slope=0.2"),
    (lambda: pb.pad(X, (1, 1), "reflect"), "pad: got 3 arrays", "pad=(1, 1)"),
    (lambda: pb.pad(X, [1, 1]), "pad: got 2 arrays", "pad=[1, 1]"),
    (lambda: pb.clamp(X, 0, 1), "clamp: got 3 arrays", "min=0"),
    (lambda: pb.reshape(X, (12,)), "reshape: got 2 arrays", "shape=(12,)"),
    (lambda: pb.gelu(X, "tanh"), "gelu: got 2 arrays", "approximate='tanh'"),
    (lambda: pb.conv2d(IMAGE, KERNEL, None, 2, 1), "conv2d: got 5 arrays", "stride=2"),
    (lambda: pb.conv2d(IMAGE, KERNEL, 2), "conv2d: b has shape ()", "stride=2"),
    (lambda: pb.group_norm(IMAGE, 2), "group_norm: w has shape (), needs w[c]", "num_groups=2"),
    (lambda: pb.layer_norm(X, (3,)), "layer_norm: w has shape (1,), needs w[n]", "normalized_shape=(3,)"),
    (lambda: pb.dropout(X, 0.5), "dropout: mask has shape ()", "p=0.5"),
    (lambda: pb.embedding([1], W, 0), "embedding: got 3 arrays", "padding_idx=0"),
    (lambda: pb.mse_loss(X, X, "sum"), "mse_loss: got 3 arrays", "reduction='sum'"),
    (lambda: pb.logsumexp.linearize(X, 1, keepdims=True), "logsumexp: got 2 arrays", "axis=1"),
    (lambda: pb.linear(X, 2), "linear: w has shape ()", None),
    (lambda: pb.mse_loss(X, 2), "mse_loss: t has shape ()", None),
    (lambda: pb.relu(X, True), "relu: got 2 arrays", None),
    (lambda: pb.softmax(X, X), "softmax: got 2 arrays", None),
    (lambda: pb.Chain((pb.linear, pb.tanh))(X, W, B, 3), "got 4 arrays, needs 3", None),
]  # fmt: skip


@pytest.mark.parametrize("call, message, keyword", BY_PLACE)
def test_a_hyperparameter_by_place_is_told_its_name(call, message, keyword):
    with pytest.raises(ShapeError) as error:
        call()
    said, _, advice = str(error.value).partition("; hyperparameters are keywords, as in ")
    assert message in said and advice == (keyword or "")


@pytest.mark.parametrize("call, kind, message", REFUSED)
def test_refused(call, kind, message):
    with pytest.raises(PullbackError) as error:
        call()
    assert isinstance(error.value, kind) and message in str(error.value)


TALL = lambda kind, n: np.broadcast_to(np.ones((), kind), (n, 1))
NO_ROOM = [
    (lambda kind: pb.pad(TALL(kind, 4), pad=[2**40] * 4), "pad: y would have shape (2199023255556, 2199023255553), "),
    (lambda kind: pb.linear(TALL(kind, 2**22), TALL(kind, 2**22)), "; y would have shape (4194304, 4194304), "),
    (lambda kind: pb.add(TALL(kind, 2**22), TALL(kind, 2**22).T), "add: Unable to allocate "),
    (lambda kind: pb.max_pool1d(TALL(kind, 3), kernel_size=2**40, padding=2**39), "max_pool1d: Unable to allocate 8"),
    (lambda kind: pb.Chain((pb.linear, pb.relu))(TALL(kind, 2**33), TALL(kind, 2**33)), "linear: y would have shape"),
]  # fmt: skip


@pytest.mark.parametrize("kind", ["f4", "f8"])
@pytest.mark.parametrize("call, message", NO_ROOM)
def test_what_there_is_no_room_for(call, message, kind):
    with pytest.raises(TooLargeError) as error:
        call(kind)
    assert message in str(error.value) and "smaller sizes" in str(error.value) and isinstance(error.value, MemoryError)


def test_how_much_it_would_be_is_told():
    with pytest.raises(TooLargeError, match=r"y would have shape \(4194304, 4194304\), 141 TB; take fewer examples"):
        pb.linear(TALL("f8", 2**22), TALL("f8", 2**22))
    with pytest.raises(TooLargeError, match=r"\(8589934592, 8589934592\), 590 EB: larger than any array; choose"):
        pb.linear(TALL("f8", 2**33), TALL("f8", 2**33))


@pytest.mark.parametrize("kind", ["f4", "f8"])
def test_integers_may_be_large(kind):
    x, w = IMAGE.astype(kind), KERNEL.astype(kind)
    y, at = pb.conv2d.linearize(x, w, stride=2**40)
    np.testing.assert_array_equal(y, pb.conv2d(x, w, stride=100))
    assert at.vjp(y)[0].shape == x.shape and pb.max_pool2d(x, kernel_size=2, stride=2**40).shape == (2, 4, 1, 1)
    assert pb.leaky_relu(-x, negative_slope=10**20).min() == np.array(-1e20, kind)


def test_names():
    with pytest.raises(AttributeError, match="pullback has no 'nosuch'"):
        _ = pb.nosuch
    assert pb.conv3d.name == "conv3d" and pb.relu.name == "relu"
    assert {"softmax", "Chain", "nn", "__version__"} <= set(dir(pb))
    assert not {"Any", "OTHERS", "PARTS", "index", "public"} & set(dir(pb))
    assert pb.Chain((pb.linear, pb.tanh))(X, W).shape == (4, 2)
