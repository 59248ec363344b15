"""The rows, by pullback."""

import numpy as np

import pullback as pb
from pullback import nn
from pullback.kernels.buffers import empty
from pullback.train.loop import step
from pullback.train.optimisers import SGD, Adam

rng = np.random.default_rng(0)


def normal(*shape, scale=1.0):
    return (scale * rng.standard_normal(shape, dtype=np.float32)).astype(np.float32)


def images(n, size, channels):
    """As a layer before would give them: the channels last in memory, which begins with a cache line."""
    x = empty((n, *size, channels))
    x[...] = normal(*x.shape)
    return np.moveaxis(x, -1, 1)


def start(threads):
    pb.set_threads(threads)


def training(model, x, classes, optimiser):
    t = rng.integers(0, classes, len(x))
    return lambda: step(model, x, t, optimiser, rng)


def optimiser(name):
    return {"sgd": lambda: SGD(1e-3), "momentum": lambda: SGD(1e-3, momentum=0.9), "adam": lambda: Adam(1e-3)}[name]()


def mlp(layers, batch, optimizer):
    parts = [part for i, o in zip(layers, layers[1:]) for part in (nn.Linear(i, o), nn.ReLU())]
    return training(nn.Sequential(*parts[:-1], rng=0), normal(batch, layers[0]), layers[-1], optimiser(optimizer))


def cnn(batch):
    model = nn.Sequential(
        nn.Conv2d(1, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(),
        nn.MaxPool2d(2), nn.Flatten(), nn.Linear(3136, 128), nn.ReLU(), nn.Linear(128, 10), rng=0,
    )  # fmt: skip
    return training(model, normal(batch, 1, 28, 28), 10, optimiser("sgd"))


def there_and_back(rule, *inputs, wrt=None, **options):
    """Forward, and the gradients of all inputs, or of those named."""
    y, at = rule.linearize(*inputs, **options)
    first = y[0] if isinstance(y, tuple) else y
    gy = normal(*first.shape) if first.ndim else np.float32(1)

    def work():
        _, at = rule.linearize(*inputs, **options)
        return at.vjp(gy, wrt=wrt) if wrt else at.vjp(gy)

    return work


def conv(batch, i, o, size, k, stride, padding, groups, first):
    x = images(batch, (size, size), i)
    w, b = normal(o, i // groups, k, k, scale=0.05), normal(o)
    options = dict(stride=stride, padding=padding, groups=groups)
    y, _ = pb.conv2d.linearize(x, w, b, **options)
    gy = images(batch, y.shape[2:], o)
    wrt = ("w", "b") if first else None

    def work():
        _, at = pb.conv2d.linearize(x, w, b, **options)
        return at.vjp(gy, wrt=wrt)

    return work


def recurrent(kind, t, batch, n, m):
    gates = dict(rnn=1, gru=3, lstm=4)[kind]
    shapes = dict(w_l0=(gates * m, n), u_l0=(gates * m, m), bw_l0=(gates * m,), bu_l0=(gates * m,))
    return there_and_back(
        getattr(pb, kind), normal(t, batch, n), **{k: normal(*s, scale=0.08) for k, s in shapes.items()}
    )


def xent(batch, classes):
    x, t = normal(batch, classes), rng.integers(0, classes, batch)
    return there_and_back(pb.cross_entropy, x, t)


def pointwise(name, shape):
    return there_and_back(getattr(pb, name), normal(*shape))


def pool(kind, shape):
    n, c, *image = shape
    x = images(n, image, c)
    rule = getattr(pb, f"{kind}_pool2d")
    y, _ = rule.linearize(x, kernel_size=2)
    gy = images(n, y.shape[2:], c)
    return lambda: rule.linearize(x, kernel_size=2)[1].vjp(gy)


def attention(batch, heads, t, d, causal):
    q, k, v = (normal(batch, heads, t, d) for _ in range(3))
    return there_and_back(pb.scaled_dot_product_attention, q, k, v, is_causal=causal)


def adam(n):
    p, g, adam = {"p": normal(n)}, {"p": normal(n)}, Adam(1e-3)
    return lambda: adam.step(p, g)
