"""What only convolutions have: Winograd's error and overflow, depthwise gradients in one pass, bands of images."""

import numpy as np
import pytest
from fast import POLYPHASE, RULES, WINOGRAD, arrays, to_single

import pullback as pb
from pullback.kernels import bands
from pullback.kernels.compiled import kernel


@pytest.mark.parametrize("case", WINOGRAD + POLYPHASE)
def test_the_error_of_winograd_is_what_its_docstring_says(case):
    """Value and gradients: in units of the root mean square of each."""
    rule, inputs = arrays(RULES["conv2d"], case)
    y, at = rule.linearize(*inputs)
    fast_y, fast = rule.linearize(*map(to_single, inputs))
    gy = np.random.default_rng(3).normal(size=y.shape).astype(np.float32)
    gradients = zip(fast.vjp(gy)[:2], at.vjp(gy.astype(float))[:2], strict=True)
    for found, wanted in ((fast_y, y), *gradients):
        error = (found - wanted) / np.sqrt(np.mean(wanted**2))
        assert np.sqrt(np.mean(error**2)) < 2e-6 and np.max(abs(error)) < 3e-5


def test_what_only_winograd_overflows_is_computed_directly():
    x = np.full((2, 16, 12, 12), 1e38, np.float32)
    w = np.zeros((16, 16, 3, 3), np.float32)
    w[:, 0, 1, 1] = 2
    y, at = pb.conv2d.linearize(x, w, padding=1)
    assert np.all(y == np.float32(2e38))
    _, gw, _ = at.vjp(np.full_like(y, 1e-2))
    np.testing.assert_allclose(gw[:, :, 1, 1], 2 * 144 * 1e36, rtol=1e-5)


def test_what_only_polyphase_overflows_is_computed_directly():
    """The signs of every second pixel add up at the points."""
    signs = lambda size, period: np.sign(np.cos((np.arange(size) + 0.5) * 2 * np.pi / period))
    squares = lambda *args: np.float32(1e38) * np.outer(signs(*args), signs(*args)).astype(np.float32)
    x, w, gy = (np.zeros(shape, np.float32) for shape in ((8, 32, 16, 16), (32, 32, 3, 3), (8, 32, 8, 8)))
    x[:], gy[:, 0], w[:, 0, 0, 0] = squares(16, 8), squares(8, 4), 2
    y, at = pb.conv2d.linearize(x, w, stride=2, padding=1)
    assert np.all(y[..., 1:, 1:] == 2 * x[..., 1:-1:2, 1:-1:2])
    gx, _, _ = at.vjp(gy)
    assert np.all(gx[:, 0, 1:-1:2, 1:-1:2] == 2 * gy[:, 0, 1:, 1:])
    _, gw, _ = at.vjp(np.sign(y) * np.float32(1e-3))
    np.testing.assert_allclose(gw[:, 0, 0, 0], 1e-3 * 1e38 * 8 * 7 * 7, rtol=1e-5)


@pytest.mark.parametrize(
    "channels, some, q, jump", [(4, 1, 8, 2), (8, 8, 8, 1), (12, 12, 8, 1), (3, 3, 3, 2), (9, 5, 4, 3)]
)
def test_a_band_is_written_and_nothing_beside_it(channels, some, q, jump):
    """Panels of some channels of every jump-th pixel, with zeros around the image."""
    n, size, first = (2, 3, 7), (3, 4, 5), (-1, -1, -2)
    guard = np.prod(size) * q  # as far as a panel that is not there would reach
    x = np.arange(1, 1 + np.prod(n) * channels, dtype=np.float32).reshape(*n, channels)
    out = np.full(np.prod(size) * some + 2 * guard, -1, np.float32)
    arrays = [np.array(a) for a in (first, [jump] * 3, size)]
    kernel(bands.bring.py_func)(x.ctypes.data, np.array(n), channels, some, q, *arrays, out.ctypes.data + 4 * guard)
    framed = np.pad(x, [(-f, 30) for f in first] + [(0, 0)])
    seen = framed[tuple(slice(0, jump * s, jump) for s in size)][..., :some]
    wanted = [seen[..., c : c + q].ravel() for c in range(0, some, q)]
    np.testing.assert_array_equal(out[guard:-guard], np.concatenate(wanted))
    assert (out[:guard] == -1).all() and (out[-guard:] == -1).all()


@pytest.mark.parametrize("odd", [None, "x", "w", "gy"])
@pytest.mark.parametrize("batch, channels, size, stride", [(5, 64, 32, 1), (3, 20, 13, 2), (2, 3, 9, 3)])
@np.errstate(invalid="ignore")  # the rule says 0 · inf, and so do we
def test_depthwise_gradients_in_one_pass_are_those_asked_for_alone(batch, channels, size, stride, odd):
    """To the bit, with any number of threads; with an infinite number as well, at the padding."""
    rng = np.random.default_rng(4)
    x, w = (rng.normal(size=n).astype(np.float32) for n in ((batch, channels, size, size), (channels, 1, 3, 3)))
    options = dict(stride=stride, padding=1, groups=channels)
    gy = rng.normal(size=pb.conv2d(x, w, **options).shape).astype(np.float32)
    for name, array in (("x", x), ("w", w), ("gy", gy)):
        array[1, 0, 0, 0] = np.inf if name == odd else array[1, 0, 0, 0]
    _, at = pb.conv2d.linearize(x, w, np.zeros(channels, np.float32), **options)
    alone = [at.vjp(gy, wrt=name)[k] for k, name in enumerate("xwb")]
    threads = pb.get_threads()
    try:
        for count in (1, 2):
            pb.set_threads(count)
            for found, wanted in zip(at.vjp(gy), alone, strict=True):
                np.testing.assert_array_equal(found, wanted)
    finally:
        pb.set_threads(threads)
    _, exact = pb.conv2d.linearize(*(a.astype(float) for a in (x, w, np.zeros(channels))), **options)
    for found, wanted in zip(alone, exact.vjp(gy.astype(float)), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("channels, outs, k, size, options", [
    (1, 32, 3, 28, dict(padding=1)), (3, 16, 3, 11, dict(stride=2)), (2, 48, 4, 9, dict(dilation=2, padding=3)),
    (256, 32, 3, 6, dict(padding=1)), (300, 32, 3, 5, dict(stride=2)),
])  # fmt: skip
def test_few_products_and_few_strips(channels, outs, k, size, options):
    """A first layer; and two strips of outputs with more weights than one job sums up. With any number of threads."""
    rng = np.random.default_rng(5)
    shapes = (3, channels, size, size), (outs, channels, k, k), (outs,)
    inputs = [rng.normal(size=shape).astype(np.float32) for shape in shapes]
    exact_y, exact = pb.conv2d.linearize(*(a.astype(float) for a in inputs), **options)
    gy, found, threads = rng.normal(size=exact_y.shape).astype(np.float32), [], pb.get_threads()
    try:
        for count in (1, 2):
            pb.set_threads(count)
            y, at = pb.conv2d.linearize(*inputs, **options)
            found.append((y, *at.vjp(gy)))
    finally:
        pb.set_threads(threads)
    for one, two, wanted in zip(*found, (exact_y, *exact.vjp(gy.astype(float))), strict=True):
        np.testing.assert_array_equal(one, two)
        np.testing.assert_allclose(one, wanted, rtol=1e-4, atol=1e-5 * np.sqrt(channels) * k * size)
