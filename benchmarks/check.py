"""What a check costs: time and memory for layers of a million parameters. `make bench-check` runs this.

Each layer is checked in a process of its own, so that the memory is its own: what was taken at most, over what the same
process had taken when the layer had run forwards and backwards once.
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


MAKE = {
    "linear": linear,
    "linear, half a gradient": lambda: linear(factor=0.5),
    "linear, float32": lambda: linear(np.float32),
    "conv": conv,
    "lstm_step": lstm_step,
    "gelu": gelu,
}


def megabytes():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure(name):
    from pullback.check import check
    from pullback.check.adapters import adapt

    forward, backward, inputs = MAKE[name]()
    adapted = adapt(forward, backward, inputs)
    start = time.perf_counter()
    adapted.backward([np.ones_like(y) for y in adapted.forward(*inputs)], inputs)
    once, before = time.perf_counter() - start, megabytes()
    start = time.perf_counter()
    report = check(forward, backward, *inputs)
    seconds, count = time.perf_counter() - start, sum(x.size for x in inputs) / 1e6
    print(
        f"{name:<26} {count:9.2f} {report.verdict:<8} {seconds:9.2f} {seconds / once:9.0f} {megabytes() - before:9.0f}"
    )


def main():
    print(f"{'layer':<26} {'inputs, M':>9} {'verdict':<8} {'s':>9} {'passes':>9} {'MB more':>9}")
    for name in MAKE:
        subprocess.run([sys.executable, __file__, name], check=True)


if __name__ == "__main__":
    measure(sys.argv[1]) if len(sys.argv) > 1 else main()
