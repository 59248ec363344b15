"""What the tests of layers and models share: PyTorch's beside ours."""

import numpy as np
import pytest

import pullback as pb
from pullback import nn

torch = pytest.importorskip("torch")
theirs = torch.nn
BOUNDS = {np.float64: 1e-10, np.float32: 2e-5}


def state(module):
    """A state_dict as NumPy arrays."""
    return {name: p.detach().numpy().copy() for name, p in module.state_dict().items()}


def close(a, b, bound, what):
    b = b.detach().numpy() if isinstance(b, torch.Tensor) else b
    np.testing.assert_allclose(a, b, rtol=0, atol=bound * max(1.0, abs(b).max(initial=0)), err_msg=what)


def compare(ours, module, x, training=False):
    """Outputs, and gradients of the input and of every parameter, in both precisions."""
    for dtype, bound in BOUNDS.items():
        model, twin = ours.astype(dtype), module.to(torch.from_numpy(np.zeros(0, dtype)).dtype).train(training)
        x = x.astype(dtype) if x.dtype.kind == "f" else x
        y, at = model.linearize(x, training=training, rng=0)
        given = torch.tensor(x, requires_grad=x.dtype.kind == "f")
        wanted = twin(given)
        wanted = wanted[0] if isinstance(wanted, tuple) else wanted
        assert y.dtype == dtype
        close(y, wanted, bound, "output")
        gy = np.random.default_rng(1).normal(size=y.shape).astype(dtype)
        twin.zero_grad()
        wanted.backward(torch.tensor(gy))
        gx, gradients = at.vjp(gy)
        names = [name for name, _ in twin.named_parameters()]
        assert sorted(gradients) == sorted(model.trainable) == sorted(names)
        for name, p in twin.named_parameters():
            close(gradients[name], p.grad, bound, name)
        if given.grad is not None:
            close(gx, given.grad, bound, "gradient of x")
    return at


def network():
    """With its twin."""
    ours = nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(kink="torch"), nn.MaxPool2d(2),
        nn.Residual(nn.Conv2d(4, 4, 3, padding=1), pb.tanh), nn.Flatten(2), nn.GRU(9, 5, 2, bidirectional=True),
        nn.Sequential(nn.LayerNorm(10), nn.Linear(10, 3, bias=False)), rng=0,
    )  # fmt: skip

    class Around(theirs.Module):
        def __init__(self, fn):
            super().__init__()
            self.fn = fn

        def forward(self, x):
            return x + self.fn(x)

    class First(theirs.GRU):
        def forward(self, x):
            return super().forward(x)[0]

    twin = theirs.Sequential(
        theirs.Conv2d(1, 4, 3, padding=1), theirs.BatchNorm2d(4), theirs.ReLU(), theirs.MaxPool2d(2),
        Around(theirs.Sequential(theirs.Conv2d(4, 4, 3, padding=1), theirs.Tanh())), theirs.Flatten(2),
        First(9, 5, 2, bidirectional=True),
        theirs.Sequential(theirs.LayerNorm(10), theirs.Linear(10, 3, bias=False)),
    )  # fmt: skip
    return ours, twin


X = np.random.default_rng(0).normal(size=(5, 1, 6, 6)).astype("f4")
