"""A steady training step takes no fresh large memory: what the step before let go is used again."""

import tracemalloc

import numpy as np
import pytest

from pullback import nn, train
from pullback.nn import layers
from pullback.train import loop

LIMIT = 1_000_000  # bytes
ROWS, LINE, IMAGE, BLOCK, SEQUENCE = (256, 4096), (32, 32, 700), (32, 32, 28, 28), (8, 16, 12, 16, 16), (64, 64, 96)
SPATIAL = (1, LINE, 32), (2, IMAGE, 32), (3, BLOCK, 16)
OF_ROWS = ("LayerNorm", (4096,)), ("RMSNorm", (4096,)), ("Softmax", (-1,)), ("Softmin", (-1,)), ("LogSoftmax", (-1,))
NO_KERNEL = "LPPool1d", "LPPool2d", "LPPool3d", "Pad"  # the rules do the work, in memory of NumPy's

MADE = {  # of every layer its arguments, and the shape of what it is given: 1.5 MB and more
    **dict.fromkeys(layers.KINDS, ((), IMAGE)),
    **{f"{kind}{d}d": ((c, c, 3), x) for kind in ("Conv", "ConvTranspose") for d, x, c in SPATIAL},
    **{f"{kind}Norm{d}d": ((c,), x) for kind in ("Batch", "Instance") for d, x, c in SPATIAL},
    **{f"{kind}Pool{d}d": ((2,), x) for kind in ("Max", "Avg", "AdaptiveMax", "AdaptiveAvg") for d, x, _ in SPATIAL},
    **{name: (arguments, ROWS) for name, arguments in OF_ROWS},
    **dict.fromkeys(("RNN", "LSTM", "GRU"), ((96, 96), SEQUENCE)),
    "Linear": ((4096, 1024), ROWS),
    "Embedding": ((50, 64), (64, 128)),
    "GroupNorm": ((4, 32), IMAGE),
    "Select": ((1, 0), SEQUENCE),
    "Threshold": ((0.1, 0.2), IMAGE),
}


def fresh(step):
    """The bytes that a step takes beyond what there was before it, at most; others have come before."""
    for _ in range(3):
        step()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        step()
        return tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()


def last(x):
    """The same image with its channels last in memory."""
    return np.moveaxis(np.moveaxis(x, 1, -1).copy(), -1, 1)


@pytest.mark.parametrize("change", [np.copy, last])
@pytest.mark.parametrize("name", [name for name in MADE if name not in NO_KERNEL])
def test_of_every_layer(name, change):
    arguments, shape = MADE[name]
    rng = np.random.default_rng(0)
    whole = name == "Embedding"
    x = change(rng.integers(0, 50, shape) if whole else rng.standard_normal(shape, np.float32))
    model, optimiser = nn.Sequential(getattr(nn, name)(*arguments), rng=0), train.Adam(1e-4)
    gy = np.cos(model(x, training=True, rng=0))

    def step():
        _, at = model.linearize(x, training=True, rng=rng)
        _, gradients = at.vjp(gy, x=not whole)
        optimiser.step(model.parameters, gradients)
        model.load(at.updates, strict=False)

    assert fresh(step) < LIMIT < max(x.nbytes, gy.nbytes)


def test_of_layers_together():
    """An image on its way through layers that lay it out in one way and in another, and around some of them."""
    model = nn.Sequential(
        nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.Dropout(0.2), nn.MaxPool2d(2),
        nn.Residual(nn.Conv2d(32, 32, 3, padding=1), nn.BatchNorm2d(32), nn.GELU()), nn.LeakyReLU(), nn.Dropout(0.1),
        nn.Flatten(), nn.Dropout(0.5), nn.Linear(32 * 24 * 24, 128), nn.ReLU(), nn.Residual(nn.Linear(128, 128)),
        nn.LayerNorm(128), nn.Linear(128, 5), rng=0,
    )  # fmt: skip
    rng, optimiser = np.random.default_rng(0), train.SGD(1e-3)
    x, t = rng.standard_normal((32, 16, 48, 48), np.float32), rng.integers(0, 5, 32)
    assert fresh(lambda: loop.step(model, x, t, optimiser, rng)) < LIMIT < x.nbytes


def test_the_measure_sees_what_is_fresh():
    assert fresh(lambda: np.empty(LIMIT)) > LIMIT
