"""Layers: what PyTorch's compute, under PyTorch's names."""

import numpy as np
import pytest
from modules import compare, state, theirs, torch

from pullback import nn
from pullback.nn.layers import KINDS


class Sixth(theirs.Module):
    """PyTorch's Hardsigmoid, but for its 1/6, which is rounded to float32 even for float64."""

    def forward(self, x):
        return torch.nn.functional.relu6(x + 3) / 6


IMAGE, ROWS, STEPS = (3, 4, 6, 5), (4, 6), (3, 5, 4)


TWINS = {  # ours, theirs, the shape of the input
    "Linear": (nn.Linear(6, 5), theirs.Linear(6, 5), ROWS),
    "Linear without bias": (nn.Linear(6, 5, bias=False), theirs.Linear(6, 5, bias=False), ROWS),
    "Conv1d": (nn.Conv1d(5, 2, 3, padding="same"), theirs.Conv1d(5, 2, 3, padding="same"), STEPS),
    "Conv2d": (
        nn.Conv2d(4, 6, (3, 2), stride=2, padding=1, groups=2),
        theirs.Conv2d(4, 6, (3, 2), stride=2, padding=1, groups=2),
        IMAGE,
    ),
    "Conv2d dilated": (nn.Conv2d(4, 2, 2, 1, 0, 2, 1, False), theirs.Conv2d(4, 2, 2, 1, 0, 2, 1, False), IMAGE),
    "Conv3d": (nn.Conv3d(2, 3, 2), theirs.Conv3d(2, 3, 2), (2, 2, 3, 3, 4)),
    **{
        f"Conv2d {mode} {padding}": (
            nn.Conv2d(4, 2, (3, 4), padding=padding, padding_mode=mode),
            theirs.Conv2d(4, 2, (3, 4), padding=padding, padding_mode=mode),
            IMAGE,
        )
        for mode in ("reflect", "replicate", "circular")
        for padding in ((1, 2), "same", "valid")
    },
    "Conv1d reflect": (
        nn.Conv1d(5, 2, 3, 2, 2, padding_mode="reflect"),
        theirs.Conv1d(5, 2, 3, 2, 2, padding_mode="reflect"),
        STEPS,
    ),
    "ConvTranspose1d": (nn.ConvTranspose1d(5, 2, 3, 2), theirs.ConvTranspose1d(5, 2, 3, 2), STEPS),
    "ConvTranspose2d": (
        nn.ConvTranspose2d(4, 6, 3, 2, 1, 1, 2, True, 1),
        theirs.ConvTranspose2d(4, 6, 3, 2, 1, 1, 2, True, 1),
        IMAGE,
    ),
    "ConvTranspose3d": (nn.ConvTranspose3d(2, 1, 2), theirs.ConvTranspose3d(2, 1, 2), (2, 2, 3, 3, 2)),
    "BatchNorm1d": (nn.BatchNorm1d(6), theirs.BatchNorm1d(6), ROWS),
    "BatchNorm2d": (nn.BatchNorm2d(4, 1e-3, 0.3), theirs.BatchNorm2d(4, 1e-3, 0.3), IMAGE),
    "BatchNorm3d": (nn.BatchNorm3d(2, affine=False), theirs.BatchNorm3d(2, affine=False), (2, 2, 3, 3, 2)),
    "LayerNorm": (nn.LayerNorm((6, 5), 1e-3), theirs.LayerNorm((6, 5), 1e-3), IMAGE),
    "LayerNorm without bias": (nn.LayerNorm(6, bias=False), theirs.LayerNorm(6, bias=False), ROWS),
    "LayerNorm alone": (nn.LayerNorm(6, 1e-5, False), theirs.LayerNorm(6, 1e-5, False), ROWS),
    "RMSNorm": (nn.RMSNorm(6), theirs.RMSNorm(6), ROWS),
    "RMSNorm of two axes": (nn.RMSNorm([6, 5], eps=0.1), theirs.RMSNorm([6, 5], eps=0.1), IMAGE),
    "GroupNorm": (nn.GroupNorm(2, 4), theirs.GroupNorm(2, 4), IMAGE),
    "InstanceNorm1d": (nn.InstanceNorm1d(5), theirs.InstanceNorm1d(5), STEPS),
    "InstanceNorm2d": (nn.InstanceNorm2d(4, affine=True), theirs.InstanceNorm2d(4, affine=True), IMAGE),
    "PReLU": (nn.PReLU(), theirs.PReLU(), IMAGE),
    "PReLU by channel": (nn.PReLU(4), theirs.PReLU(4), IMAGE),
    "RNN": (nn.RNN(4, 3), theirs.RNN(4, 3), STEPS),
    "RNN relu": (nn.RNN(4, 3, 2, "relu", bias=False), theirs.RNN(4, 3, 2, "relu", bias=False), STEPS),
    "LSTM": (
        nn.LSTM(4, 3, 2, batch_first=True, bidirectional=True),
        theirs.LSTM(4, 3, 2, batch_first=True, bidirectional=True),
        STEPS,
    ),
    "LSTM projected": (
        nn.LSTM(4, 5, 2, proj_size=2, bidirectional=True),
        theirs.LSTM(4, 5, 2, proj_size=2, bidirectional=True),
        STEPS,
    ),
    "GRU": (nn.GRU(4, 3, 2, batch_first=True), theirs.GRU(4, 3, 2, batch_first=True), STEPS),
    "MaxPool2d": (nn.MaxPool2d(3, 2, 1, 1, ceil_mode=True), theirs.MaxPool2d(3, 2, 1, 1, ceil_mode=True), IMAGE),
    "MaxPool1d": (nn.MaxPool1d(2), theirs.MaxPool1d(2), STEPS),
    "AvgPool2d": (nn.AvgPool2d(3, 2, 1, True, False), theirs.AvgPool2d(3, 2, 1, True, False), IMAGE),
    "LPPool2d": (nn.LPPool2d(2, 2), theirs.LPPool2d(2, 2), IMAGE),
    "AdaptiveAvgPool2d": (nn.AdaptiveAvgPool2d((3, None)), theirs.AdaptiveAvgPool2d((3, None)), IMAGE),
    "AdaptiveMaxPool2d": (nn.AdaptiveMaxPool2d(2), theirs.AdaptiveMaxPool2d(2), IMAGE),
    "Flatten": (nn.Flatten(), theirs.Flatten(), IMAGE),
    "Flatten in part": (nn.Flatten(2), theirs.Flatten(2), IMAGE),
    "Pad": (nn.Pad((1, 2), "reflect"), theirs.ReflectionPad1d((1, 2)), STEPS),
    "GLU": (nn.GLU(axis=1), theirs.GLU(dim=1), IMAGE),
    "Softmax": (nn.Softmax(1), theirs.Softmax(1), IMAGE),
    "Softmin": (nn.Softmin(-1), theirs.Softmin(-1), IMAGE),
    "LogSoftmax": (nn.LogSoftmax(2), theirs.LogSoftmax(2), IMAGE),
    "LeakyReLU": (nn.LeakyReLU(0.1), theirs.LeakyReLU(0.1), ROWS),
    "GELU": (nn.GELU(approximate="tanh"), theirs.GELU(approximate="tanh"), ROWS),
    "Hardtanh": (nn.Hardtanh(-0.5, 0.7), theirs.Hardtanh(-0.5, 0.7), ROWS),
    "Softplus": (nn.Softplus(2.0, 3.0), theirs.Softplus(2.0, 3.0), ROWS),
    "Threshold": (nn.Threshold(0.1, -2.0), theirs.Threshold(0.1, -2.0), ROWS),
    "ELU": (nn.ELU(0.7), theirs.ELU(0.7), ROWS),
    "CELU": (nn.CELU(0.5), theirs.CELU(0.5), ROWS),  # PyTorch rounds alpha to float32, even for float64
    "Hardsigmoid": (nn.Hardsigmoid(), Sixth(), ROWS),
    "Hardshrink": (nn.Hardshrink(0.3), theirs.Hardshrink(0.3), ROWS),
    "Softshrink": (nn.Softshrink(0.3), theirs.Softshrink(0.3), ROWS),
    **{
        name: (getattr(nn, name)(), getattr(theirs, name)(), ROWS)
        for name in (
            *("Identity", "ReLU", "ReLU6", "Tanh", "Sigmoid", "SELU", "SiLU", "Mish", "Softsign", "LogSigmoid"),
            *("Hardswish", "Tanhshrink"),
        )
    },
}


@pytest.mark.filterwarnings("ignore:LSTM with projections is not supported with oneDNN")  # PyTorch's own affair
@pytest.mark.parametrize("name", TWINS)
def test_layer_is_pytorchs(name):
    """With its weights, and with ours in it; a strict load on both sides says that names and shapes are the same."""
    ours, module, shape = TWINS[name]
    x = np.random.default_rng(0).normal(size=shape)
    moved = {key: p + np.linspace(0.1, 0.2, p.size, dtype="f4").reshape(p.shape) for key, p in ours.parameters.items()}
    tracked = {key: p for key, p in module.state_dict().items() if key.endswith("num_batches_tracked")}
    module.float().load_state_dict({key: torch.tensor(p) for key, p in moved.items()} | tracked, strict=True)
    ours.load(moved)
    compare(ours, module, x)
    for p in module.parameters():
        torch.nn.init.normal_(p)
    ours.load(state(module.float()))
    compare(ours, module, x)


def test_embedding_is_pytorchs():
    ours, module = nn.Embedding(5, 3, padding_idx=-4), theirs.Embedding(5, 3, padding_idx=-4)
    assert not ours.parameters["weight"][1].any() and ours.parameters["weight"][2].all()
    ours.load(state(module))
    compare(ours, module, np.array([[0, 1, 1], [4, 2, 0]]))


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_is_tried(name):
    """A row of the table that no test names would be a row that nobody knows to work."""
    elsewhere = {"Embedding", "Select", "Dropout", "MaxPool3d", "AvgPool1d", "AvgPool3d", "LPPool1d", "LPPool3d"}
    elsewhere |= {f"Adaptive{kind}Pool{d}d" for kind in ("Max", "Avg") for d in (1, 3)} | {"InstanceNorm3d"}
    assert any(twin.partition(" ")[0] == name for twin in TWINS) or name in elsewhere
    assert KINDS[name].rule is not None and KINDS[name].name == name and repr(KINDS[name]) == f"nn.{name}"


@pytest.mark.parametrize("kind", ["MaxPool", "AvgPool", "LPPool", "AdaptiveMaxPool", "AdaptiveAvgPool", "InstanceNorm"])
def test_one_two_and_three_dimensions_differ_by_the_rule(kind):
    for d in (1, 2, 3):
        x = np.random.default_rng(0).normal(size=(2, 2, *(4, 5, 6)[:d]))
        arguments = (2, 2) if kind == "LPPool" else (2,)
        compare(getattr(nn, f"{kind}{d}d")(*arguments), getattr(theirs, f"{kind}{d}d")(*arguments), x)
