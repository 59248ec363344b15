"""The note that began the project: its examples, with the numbers worked out by hand."""

import math

import numpy as np
import pytest

import pullback as pb


def close(found, wanted):
    np.testing.assert_allclose(found, wanted, rtol=0, atol=5e-9)


# Softmax.


def test_softmax():
    close(pb.softmax([2, 3]), [0.26894142, 0.73105858])


def test_softmax_jacobian_case_by_case():
    y, at = pb.softmax.linearize(np.array([2.0, 3.0, 0.5]))
    J = at.jacobian().dense()
    for i in range(3):
        for j in range(3):
            close(J[i, j], y[i] * (1 - y[i]) if i == j else -y[i] * y[j])


def test_softmax_jacobian_as_a_matrix():
    """diag(Y) - YᵀY, for a row Y."""
    y, at = pb.softmax.linearize(np.array([2.0, 3.0]))
    Y = y[None]
    close(at.jacobian().dense(), np.diag(y) - Y.T @ Y)
    close(at.jacobian().dense(), [[0.19661193, -0.19661193], [-0.19661193, 0.19661193]])
    assert str(type(at.jacobian()).__name__) in ("Sum", "Along"), "its structure is kept"


def test_softmax_is_safe():
    """The largest score is subtracted; the input stays as it is."""
    x = np.array([1000.0, 1001.0])
    y, at = pb.softmax.linearize(x)
    close(y, [0.26894142, 0.73105858])
    close(at.vjp(np.array([1.0, 0.0])), [0.19661193, -0.19661193])
    assert x.tolist() == [1000, 1001]


# Activations.


def test_relu():
    x, ones = np.array([-2.0, 0.0, 3.0]), np.ones(3)
    assert pb.relu(x).tolist() == [0, 0, 3]
    assert pb.relu.linearize(x)[1].vjp(ones).tolist() == [0, 1, 1]
    assert pb.relu.linearize(x, kink="torch")[1].vjp(ones).tolist() == [0, 0, 1]


def test_sigmoid():
    y, at = pb.sigmoid.linearize(np.array([0.0, math.log(3)]))
    close(y, [1 / 2, 3 / 4])
    close(at.vjp(np.ones(2)), [1 / 4, 3 / 16])


# Losses.


def test_binary_cross_entropy():
    """p = 3/4 for x = log 3; the loss is -log p or -log(1-p), and through the sigmoid its gradient is p - y."""
    x, t = np.array([math.log(3), math.log(3)]), np.array([1.0, 0.0])
    p, through = pb.sigmoid.linearize(x)
    loss, at = pb.binary_cross_entropy.linearize(p, t, reduction="none")
    close(loss, [math.log(4 / 3), math.log(4)])
    gp = at.vjp(np.ones(2))[0]
    close(gp, [-4 / 3, 4])
    close(through.vjp(gp), [-1 / 4, 3 / 4])
    fused, at = pb.binary_cross_entropy_with_logits.linearize(x, t, reduction="none")
    close(fused, loss)
    close(at.vjp(np.ones(2))[0], [-1 / 4, 3 / 4])


def test_cross_entropy():
    """Scores 0, log 2, log 5 have p = 1/8, 2/8, 5/8; through softmax the gradient is p - y."""
    x = np.array([[0.0, math.log(2), math.log(5)]])
    p, through = pb.softmax.linearize(x)
    close(p, [[1 / 8, 2 / 8, 5 / 8]])
    loss, at = pb.cross_entropy.linearize(x, np.array([1]))
    close(loss, math.log(4))
    close(at.vjp(1.0)[0], [[1 / 8, 2 / 8 - 1, 5 / 8]])
    soft, at = pb.cross_entropy.linearize(x, np.array([[0.0, 1.0, 0.0]]))
    close([soft, *at.vjp(1.0)[0][0]], [loss, 1 / 8, -6 / 8, 5 / 8])
    close(through.vjp(np.array([[0.0, -1 / p[0, 1], 0.0]])), [[1 / 8, -6 / 8, 5 / 8]])


# Layers.


def test_dense():
    """Two inputs, two outputs: gx = gy W, gw = gyᵀ x, gb = gy, summed over the batch."""
    x, w, b = np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[1.0, 0.0], [2.0, -1.0]]), np.array([0.5, 0.0])
    y, at = pb.linear.linearize(x, w, b)
    assert y.tolist() == [[1.5, 0], [3.5, 2]]
    gx, gw, gb = at.vjp(np.array([[1.0, 2.0], [0.0, 1.0]]))
    assert gx.tolist() == [[5, -2], [2, -1]]
    assert gw.tolist() == [[1, 2], [5, 8]]
    assert gb.tolist() == [1, 3]


def test_convolution():
    """A 3 × 3 image under a 2 × 2 kernel: gx sees the kernel rotated, gw is the image under the gradient."""
    x = np.arange(1.0, 10).reshape(1, 1, 3, 3)
    w = np.array([[[[1.0, 2.0], [3.0, 4.0]]]])
    y, at = pb.conv2d.linearize(x, w, np.array([1.0]))
    assert y[0, 0].tolist() == [
        [1 + 4 + 12 + 20 + 1, 2 + 6 + 15 + 24 + 1],
        [4 + 10 + 21 + 32 + 1, 5 + 12 + 24 + 36 + 1],
    ]
    gx, gw, gb = at.vjp(np.array([[[[1.0, 0.0], [0.0, 10.0]]]]))
    assert gx[0, 0].tolist() == [[1, 2, 0], [3, 14, 20], [0, 30, 40]]
    assert gw[0, 0].tolist() == [[51, 62], [84, 95]]
    assert gb.tolist() == [11]


def test_pooling():
    x = np.array([[[[1.0, 2.0, 0.0, 3.0], [4.0, 3.0, 3.0, 1.0]]]])
    y, at = pb.max_pool2d.linearize(x, kernel_size=2)
    assert y.tolist() == [[[[4, 3]]]]
    assert at.vjp(np.array([[[[5.0, 7.0]]]]))[0, 0].tolist() == [
        [0, 0, 0, 7],
        [5, 0, 0, 0],
    ]  # the tie goes to the first
    y, at = pb.avg_pool2d.linearize(x, kernel_size=2)
    assert y.tolist() == [[[[2.5, 1.75]]]]
    assert at.vjp(np.array([[[[4.0, 8.0]]]]))[0, 0].tolist() == [[1, 1, 2, 2], [1, 1, 2, 2]]


def test_recurrent():
    """Backpropagation through time, left out by the note: h1 = tanh(w x1), h2 = tanh(w x2 + u h1); the loss is h2."""
    w, u, x1, x2 = 0.5, 2.0, 1.0, -1.0
    h1 = math.tanh(w * x1)
    h2 = math.tanh(w * x2 + u * h1)
    s1, s2 = 1 - h1 * h1, 1 - h2 * h2
    (y, last), at = pb.rnn.linearize(np.array([[[x1]], [[x2]]]), w_l0=np.array([[w]]), u_l0=np.array([[u]]))
    close(y[:, 0, 0], [h1, h2])
    close(last[0, 0, 0], h2)
    g = at.vjp(np.array([[[0.0]], [[1.0]]]), None)
    names = [slot.name for slot in at.rule.inputs]
    close(g[names.index("x")][:, 0, 0], [s2 * u * s1 * w, s2 * w])
    close(g[names.index("w_l0")], s2 * (x2 + u * s1 * x1))  # directly, and through h1
    close(g[names.index("u_l0")], s2 * h1)


@pytest.mark.parametrize("name", ["linear", "conv2d", "max_pool2d", "avg_pool2d", "rnn", "relu", "sigmoid", "softmax",
                                  "cross_entropy", "binary_cross_entropy"])  # fmt: skip
def test_all_layers_of_the_note_are_there(name):
    assert getattr(pb, name).name == name
