"""What a check costs: time and memory for layers of a million parameters. `make bench-check` runs this.

Each layer is checked in a process of its own, so that the memory is its own: what was taken at most, over what the same
process had taken when the layer had run forwards and backwards once. `tried` says at how many inputs; `s` are seconds,
`work` those of processors, and `passes` how often the layer could have run forwards and backwards in that.
"""

import resource
import subprocess
import sys
import time

import numpy as np


def linear(dtype=np.float64, factor=1.0):
    rng = np.random.default_rng(0)
    x, w, b = (rng.normal(size=shape).astype(dtype) for shape in ((16, 1000), (1000, 1000), (1000,)))

    def backward(dout, cache):
        x, w = cache
        return dout @ w.T, factor * x.T @ dout, dout.sum(axis=0)

    return lambda x, w, b: (x @ w + b, (x, w)), backward, [x, w, b]


def lstm_step():
    """1.1 million weights, in NumPy."""
    rng = np.random.default_rng(0)
    n, m = 500, 330
    shapes = (4, n), (4, m), (4, m), (n, 4 * m), (m, 4 * m), (4 * m,)
    sigmoid = lambda z: 1 / (1 + np.exp(-z))

    def forward(x, prev_h, prev_c, Wx, Wh, b):
        i, f, o, g = np.split(x @ Wx + prev_h @ Wh + b, 4, axis=1)
        i, f, o, g = sigmoid(i), sigmoid(f), sigmoid(o), np.tanh(g)
        next_c = f * prev_c + i * g
        return o * np.tanh(next_c), next_c, (x, prev_h, prev_c, Wx, Wh, i, f, o, g, next_c)

    def backward(dnext_h, dnext_c, cache):
        x, prev_h, prev_c, Wx, Wh, i, f, o, g, next_c = cache
        dc, do = dnext_c + dnext_h * o * (1 - np.tanh(next_c) ** 2), dnext_h * np.tanh(next_c)
        da = np.hstack([dc * g * i * (1 - i), dc * prev_c * f * (1 - f), do * o * (1 - o), dc * i * (1 - g**2)])
        return da @ Wx.T, da @ Wh.T, dc * f, x.T @ da, prev_h.T @ da, da.sum(axis=0)

    return forward, backward, [0.1 * rng.normal(size=shape) for shape in shapes]


def gelu():
    """A million elements, in NumPy."""
    c = np.sqrt(2 / np.pi)
    inner = lambda x: np.tanh(c * (x + 0.044715 * x**3))
    slope = lambda x, t: 0.5 * (1 + t) + 0.5 * x * (1 - t**2) * c * (1 + 0.134145 * x**2)
    backward = lambda g, x: g * slope(x, inner(x))
    return lambda x: 0.5 * x * (1 + inner(x)), backward, [np.random.default_rng(0).normal(size=(1000, 1000))]


def conv():
    """1.2 million weights, in PyTorch's functions."""
    import torch

    rng = np.random.default_rng(0)
    x, w = rng.normal(size=(1, 256, 6, 7)), 0.1 * rng.normal(size=(512, 256, 3, 3))
    return lambda x, w: torch.nn.functional.conv2d(x, w, padding=1), None, [x, w]


def module(name, *sizes, example):
    """A layer of PyTorch's, in its own single precision; its backward is PyTorch's."""

    def make():
        import torch

        torch.manual_seed(0)
        layer = getattr(torch.nn, name)(*sizes)
        return layer, None, [torch.randn(example).numpy()]

    return make


def tanh_layer_in_jax():
    import jax
    import jax.numpy as jnp

    layer = jax.custom_vjp(lambda x, w, b: jnp.tanh(x @ w + b))

    def forth(x, w, b):
        y = layer(x, w, b)
        return y, (x, w, y)

    def back(kept, g):
        x, w, y = kept
        gz = g * (1 - y**2)
        return gz @ w.T, x.T @ gz, gz.sum(0)

    layer.defvjp(forth, back)
    rng = np.random.default_rng(0)
    shapes = (16, 1000), (1000, 1000), (1000,)
    return layer, None, [jnp.asarray(0.03 * rng.normal(size=shape), jnp.float32) for shape in shapes]


MAKE = {
    "linear": linear,
    "linear, half a gradient": lambda: linear(factor=0.5),
    "linear, float32": lambda: linear(np.float32),
    "conv": conv,
    "lstm_step": lstm_step,
    "gelu": gelu,
    "torch.nn.Linear": module("Linear", 1000, 1000, example=(16, 1000)),
    "torch.nn.Conv2d": module("Conv2d", 256, 432, 3, example=(1, 256, 6, 7)),
    "torch.nn.LSTM": module("LSTM", 350, 350, example=(4, 2, 350)),
    "JAX, custom_vjp": tanh_layer_in_jax,
}


def megabytes():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure(name):
    from pullback.check import check
    from pullback.check.adapters import adapt

    forward, backward, inputs = MAKE[name]()
    adapted = adapt(forward, backward, inputs)
    arrays = [np.asarray(leaf.value) for leaf in adapted.leaves]
    start = time.process_time()
    adapted.backward([np.ones_like(y) for y in adapted.forward(*arrays)], arrays)
    once, before = time.process_time() - start, megabytes()
    start, work = time.perf_counter(), time.process_time()
    report = check(forward, backward, *inputs)
    seconds, work = time.perf_counter() - start, time.process_time() - work
    count, more = sum(array.size for array in arrays) / 1e6, megabytes() - before
    found, cost = f"{count:9.2f} {report.verdict:<8} {report.tried:5}", f"{seconds:6.1f} {work:6.1f} {work / once:7.0f}"
    print(f"{name:<24} {found} {cost} {more:9.0f}")


def main():
    costs = f"{'s':>6} {'work':>6} {'passes':>7} {'MB more':>9}"
    print(f"{'layer':<24} {'inputs, M':>9} {'verdict':<8} {'tried':>5} {costs}", flush=True)
    for name in MAKE:
        subprocess.run([sys.executable, __file__, name], check=True)


if __name__ == "__main__":
    measure(sys.argv[1]) if len(sys.argv) > 1 else main()
