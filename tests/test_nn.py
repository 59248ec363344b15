"""Layers and models: what PyTorch's compute, under PyTorch's names; nothing is changed behind anyone's back."""

import inspect

import numpy as np
import pytest

import pullback as pb
from pullback import nn, train
from pullback.check.differences import difference, inner
from pullback.errors import DtypeError, OptionError, ShapeError
from pullback.nn.layers import KINDS

torch = pytest.importorskip("torch")
theirs = torch.nn


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
BOUNDS = {np.float64: 1e-10, np.float32: 2e-5}


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)


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


# Whole models.


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


@pytest.mark.parametrize("training", [False, True])
def test_a_network_is_pytorchs(training):
    ours, twin = network()
    ours.load(state(twin))
    compare(ours, twin, X, training)
    names = [name for name in state(twin) if not name.endswith("num_batches_tracked")]
    assert sorted(ours.parameters) == sorted(names) and "4.fn.0.weight" in names and "7.1.weight" in names


def test_training_is_pytorchs():
    """Five steps of gradient descent with batch statistics: weights and running statistics agree."""
    ours, twin = network()
    twin.double()
    ours = ours.astype(np.float64)
    ours.load(state(twin))
    rate, optimiser = 0.1, torch.optim.SGD(twin.parameters(), lr=0.1)
    for k in range(5):
        x = np.random.default_rng(k).normal(size=X.shape)
        y, at = ours.linearize(x, training=True)
        _, gradients = at.vjp(y / y.size, x=False)
        ours.load({name: ours.parameters[name] - rate * g for name, g in gradients.items()} | at.updates, strict=False)
        optimiser.zero_grad()
        found = twin.train()(torch.tensor(x))
        (found * found / 2 / found.numel()).sum().backward()
        optimiser.step()
    wanted = state(twin)
    assert at.updates.keys() == {"1.running_mean", "1.running_var"}
    for name, p in ours.parameters.items():
        close(p, wanted[name], 1e-10, name)


def test_running_statistics_move_when_they_are_loaded():
    """In a loop of one's own as in the trainer's; and what help() shows says how."""
    x = np.random.default_rng(0).normal(3, 2, (20, 2)).astype("f4")
    ours, theirs = (nn.Sequential(nn.BatchNorm1d(2), nn.Linear(2, 2), rng=0) for _ in range(2))
    train.fit(theirs, train.Dataset("made up", x, np.arange(20) % 2, ("a", "b"), "made up"), epochs=1, batch=20)
    _, at = ours.linearize(x, training=True)
    assert not ours.parameters["0.running_mean"].any()
    ours.load(at.updates, strict=False)
    for name in ("0.running_mean", "0.running_var"):
        close(ours.parameters[name], theirs.parameters[name], 1e-6, name)
    _, inner_at = ours.layers[0].linearize(x)
    for what in (type(ours).linearize, nn.Layer.linearize, type(at).updates, type(inner_at).updates):
        assert "model.load(at.updates, strict=False)" in inspect.getdoc(what)


def test_nothing_is_changed():
    model, x = network()[0], X.copy()
    before = {name: p.copy() for name, p in model.parameters.items()}
    y, at = model.linearize(x, training=True)
    at.vjp(np.ones_like(y))
    assert np.array_equal(x, X) and all(np.array_equal(before[name], p) for name, p in model.parameters.items())


@pytest.mark.parametrize("training", [False, True])
def test_derivative_of_a_model_by_differences(training):
    """Along a direction of x and of all parameters; dropout draws the same masks each time."""
    model = nn.Sequential(
        nn.Conv1d(2, 3, 3, padding=1, padding_mode="circular"), nn.BatchNorm1d(3), nn.Dropout(0.4),
        nn.Residual(nn.LSTM(5, 5, 2, dropout=0.5, batch_first=True)), nn.GELU(), nn.Select(1, -1), nn.Linear(5, 2),
        rng=0,
    ).astype(np.float64)  # fmt: skip
    rng = np.random.default_rng(0)
    x, names = rng.normal(size=(4, 2, 5)), model.trainable
    tx, tangents = rng.normal(size=x.shape), {name: rng.normal(size=model.parameters[name].shape) for name in names}
    y, at = model.linearize(x, training, rng=7)
    gy = rng.normal(size=y.shape)
    ty = at.jvp(tx, tangents)
    gx, gradients = at.vjp(gy)

    def f(x, *values):
        other = model.astype(np.float64)
        other.load(dict(zip(names, values)), strict=False)
        return other(x, training, rng=7)

    ((wanted, error),) = difference(f, [x, *(model.parameters[n] for n in names)], [tx, *(tangents[n] for n in names)])
    np.testing.assert_array_less(abs(ty - wanted), 10 * error + 1e-9)
    down = inner([gx, *(gradients[n] for n in names)], [tx, *(tangents[n] for n in names)])
    np.testing.assert_allclose(inner([gy], [ty]), down, rtol=1e-10)


def test_tangents_that_are_left_out_are_zero():
    model, x = nn.Sequential(nn.Linear(3, 2), pb.tanh, nn.Linear(2, 2), rng=0), np.ones((4, 3), "f4")
    _, at = model.linearize(x)
    t = {"2.weight": np.ones((2, 2), "f4")}
    np.testing.assert_array_equal(at.jvp(None, t), at.jvp(np.zeros_like(x), t))
    assert np.array_equal(at.jvp(x), at.jvp(x, {})) and at.jvp(x).any()
    with pytest.raises(OptionError, match="no parameter of this model with a derivative: 1.weight"):
        at.jvp(x, {"1.weight": x})


def test_walk_goes_from_back_to_front():
    model = network()[0]
    y, at = model.linearize(X, training=True)
    found = list(at.walk(np.ones_like(y)))
    gx, gradients = at.vjp(np.ones_like(y))
    assert [name for name, _, _ in found] == ["7.1", "7.0", "6", "5", "4.fn.1", "4.fn.0", "4", "3", "2", "1", "0"]
    np.testing.assert_array_equal(found[-1][1], gx)
    assert {name for _, _, own in found for name in own} == gradients.keys()
    assert {place: sorted(own) for place, _, own in found}["7.1"] == ["7.1.weight"]


def test_gradient_of_x_is_not_computed_if_nobody_wants_it():
    """Nor what stands below the first layer that learns."""
    model, x = nn.Sequential(nn.Flatten(), pb.tanh, nn.Linear(36, 3), pb.relu, rng=0), X
    y, at = model.linearize(x)
    gx, gradients = at.vjp(np.ones_like(y), x=False)
    assert gx is None and [name for name, _, _ in at.walk(np.ones_like(y), x=False)] == ["3", "2"]
    for name, g in at.vjp(np.ones_like(y))[1].items():
        np.testing.assert_array_equal(gradients[name], g)
    assert at.vjp(np.ones_like(y))[0].shape == x.shape


@pytest.mark.parametrize("model", [nn.Sequential(), nn.Sequential(nn.Sequential(), nn.Residual(nn.Sequential()))])
def test_models_without_layers(model):
    x = np.ones((2, 3), "f4")
    y, at = model.linearize(x)
    times = 2 if model.layers else 1
    np.testing.assert_array_equal(y, times * x)
    np.testing.assert_array_equal(at.vjp(x)[0], times * x)
    np.testing.assert_array_equal(at.jvp(x), times * x)
    assert at.vjp(x, x=False) == (None, {}) and model.parameters == at.updates == {}


def test_empty_batch():
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(32, 3), rng=0)
    y, at = model.linearize(np.zeros((0, 1, 6, 6), "f4"), training=True)
    gx, gradients = at.vjp(y)
    assert y.shape == (0, 3) and gx.shape == (0, 1, 6, 6) and not any(g.any() for g in gradients.values())


# Dropout.


def test_dropout_draws_in_training_alone():
    layer, x = nn.Dropout(0.25), np.ones((200, 50), "f4")
    assert np.array_equal(layer(x), x), "exactly"
    y, at = layer.linearize(x, training=True, rng=3)
    assert np.array_equal(y, layer(x, training=True, rng=3)) and not np.array_equal(y, layer(x, True, rng=4))
    assert set(np.unique(y)) == {np.float32(0), np.float32(1 / 0.75)}
    assert abs((y == 0).mean() - 0.25) < 4 * (0.25 * 0.75 / x.size) ** 0.5
    np.testing.assert_array_equal(at.vjp(x)[0], y)


def test_every_dropout_of_a_model_draws_anew():
    model, x = nn.Sequential(nn.Dropout(), nn.Dropout()), np.ones((20, 50), "f4")
    kept = (model(x, training=True, rng=0) != 0).mean()
    assert 0.15 < kept < 0.35, "half of a half; the same mask twice would keep a half"
    rng = np.random.default_rng(0)
    assert not np.array_equal(model(x, training=True, rng=rng), model(x, training=True, rng=rng))


@pytest.mark.parametrize("batch_first", [False, True])
def test_dropout_between_recurrent_layers(batch_first):
    """Two layers with a mask between them are two networks with a Dropout between them."""
    whole = nn.LSTM(3, 4, 2, dropout=0.5, bidirectional=True, batch_first=batch_first, rng=0)
    below, above = (nn.LSTM(n, 4, 1, bidirectional=True, batch_first=batch_first) for n in (3, 8))
    values = whole.parameters
    below.load({name: p for name, p in values.items() if "_l0" in name})
    above.load({name.replace("_l1", "_l0"): p for name, p in values.items() if "_l1" in name})
    x = np.random.default_rng(0).normal(size=(5, 6, 3)).astype("f4")
    split = nn.Sequential(below, nn.Dropout(0.5), above)
    np.testing.assert_allclose(whole(x, training=True, rng=9), split(x, training=True, rng=9), atol=1e-6)
    np.testing.assert_allclose(whole(x), split(x), atol=1e-6)
    assert not np.allclose(whole(x), whole(x, training=True, rng=9))
    silent = nn.LSTM(3, 4, 2, dropout=1.0, rng=0)
    assert np.isfinite(silent(x, training=True, rng=0)).all()


def test_dropout_without_rng_is_refused():
    with pytest.raises(OptionError, match=r"layer 1 \(Dropout\): draws a mask in training; give rng"):
        nn.Sequential(nn.Linear(2, 2), nn.Dropout()).linearize(np.ones((1, 2), "f4"), training=True)
    for dropout in (-0.1, 2, "a"):
        with pytest.raises(OptionError, match="LSTM: needs 0 <= dropout <= 1"):
            nn.LSTM(2, 3, 2, dropout=dropout)


# Where parameters start.


def test_a_seed_decides_every_bit():
    a, b, c = (network()[0] for _ in range(3))
    c.draw(1)
    for name, p in a.parameters.items():
        assert p.dtype == np.float32 and np.array_equal(p, b.parameters[name])
    assert not np.array_equal(a.parameters["0.weight"], c.parameters["0.weight"])
    assert np.array_equal(nn.Linear(3, 4, rng=5).parameters["weight"], nn.Linear(3, 4, rng=5).parameters["weight"])
    layer = nn.Linear(3, 4)
    assert np.array_equal(nn.Sequential(layer).parameters["0.weight"], layer.parameters["weight"]), "kept without rng"


def test_drawing_keeps_the_precision():
    model = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3)).astype(np.float64)
    model.draw(0)
    assert {p.dtype for p in model.parameters.values()} == {np.dtype(float)}


LARGE = {
    "Linear": (64, 300), "Conv2d": (16, 40, 5, 1, 0, 1, 4), "ConvTranspose2d": (16, 40, 5, 1, 0, 0, 4),
    "RNN": (30, 60, 2), "LSTM": (30, 60), "GRU": (30, 60), "Embedding": (100, 60),
    "BatchNorm1d": (7,), "LayerNorm": (7,), "RMSNorm": (7,), "GroupNorm": (1, 7), "PReLU": (7,),
}  # fmt: skip


@pytest.mark.parametrize("kind", LARGE)
def test_parameters_start_as_pytorchs(kind):
    """The same mean, spread and bounds, as far as so many numbers show them."""
    torch.manual_seed(0)
    ours = getattr(nn, kind)(*LARGE[kind], rng=0).parameters
    for name, wanted in state(getattr(theirs, kind)(*LARGE[kind])).items():
        if name == "num_batches_tracked":
            continue
        p = ours[name]
        doubt = 6 * wanted.std() / wanted.size**0.5
        assert abs(p.mean() - wanted.mean()) <= 1.5 * doubt and abs(p.std() - wanted.std()) <= doubt, name
        if kind != "Embedding":
            high = abs(wanted).max()
            assert abs(abs(p).max() - high) <= 20 * high / wanted.size, name


def test_projected_lstm_starts_as_pytorchs():
    torch.manual_seed(0)
    ours = nn.LSTM(30, 60, proj_size=20, rng=0).parameters
    for name, wanted in state(theirs.LSTM(30, 60, proj_size=20)).items():
        assert abs(abs(ours[name]).max() - abs(wanted).max()) <= 0.02 * abs(wanted).max(), name


INITS = {
    "uniform": dict(a=-2.0, b=0.5), "normal": dict(mean=1.0, std=0.2), "xavier_uniform": dict(gain=1.5),
    "xavier_normal": {}, "kaiming_uniform": dict(a=5**0.5), "kaiming_normal": dict(mode="fan_out", nonlinearity="relu"),
}  # fmt: skip


@pytest.mark.parametrize("shape", [(60, 90), (40, 10, 3, 3)])
@pytest.mark.parametrize("name", INITS)
def test_initialisations_are_pytorchs(name, shape):
    torch.manual_seed(0)
    wanted = getattr(torch.nn.init, f"{name}_")(torch.empty(*shape), **INITS[name]).numpy()
    found = getattr(nn.init, name)(shape, **INITS[name], rng=0)
    doubt = 6 * wanted.std() / wanted.size**0.5
    assert found.dtype == np.float32 and found.shape == shape
    assert abs(found.mean() - wanted.mean()) <= 1.5 * doubt and abs(found.std() - wanted.std()) <= doubt
    if "uniform" in name:
        close([found.min(), found.max()], np.array([wanted.min(), wanted.max()]), 20 / wanted.size, "bounds")


@pytest.mark.parametrize("shape", [(5, 5), (3, 8), (8, 3), (4, 3, 2, 2), (6, 2, 2)])
def test_orthogonal(shape):
    w = nn.init.orthogonal(shape, gain=2.0, rng=0).reshape(shape[0], -1).astype(float)
    product = w @ w.T if w.shape[0] <= w.shape[1] else w.T @ w
    np.testing.assert_allclose(product, 4 * np.eye(len(product)), atol=1e-5)


def test_orthogonal_favours_no_rotation():
    traces = [np.trace(nn.init.orthogonal((2, 2), rng=k)) for k in range(2000)]
    assert abs(np.mean(traces)) < 6 * np.std(traces) / 2000**0.5


@pytest.mark.parametrize("nonlinearity", ["linear", "sigmoid", "tanh", "relu", "leaky_relu", "selu"])
def test_gains_are_pytorchs(nonlinearity):
    assert nn.init.calculate_gain(nonlinearity) == pytest.approx(torch.nn.init.calculate_gain(nonlinearity))


def test_leaky_gain_is_pytorchs():
    assert nn.init.calculate_gain("leaky_relu", 0.3) == pytest.approx(torch.nn.init.calculate_gain("leaky_relu", 0.3))


def test_constants_and_errors_of_initialisation():
    assert (nn.init.zeros((2, 3)) == 0).all() and (nn.init.ones((2, 3)) == 1).all()
    with pytest.raises(ShapeError, match=r"a weight of shape \(3,\) has no fan-in"):
        nn.init.xavier_uniform((3,))
    with pytest.raises(OptionError, match="mode must be"):
        nn.init.kaiming_normal((3, 2), mode="fan")
    with pytest.raises(OptionError, match="no gain is known for 'gelu'"):
        nn.init.calculate_gain("gelu")


def test_init_of_a_layer():
    """A function or a number, for the weights; biases stay as they are."""
    layer = nn.Linear(4, 4, init=nn.init.orthogonal, rng=0)
    w, b = layer.parameters["weight"], layer.parameters["bias"]
    np.testing.assert_allclose(w @ w.T, np.eye(4), atol=1e-6)
    assert b.any() and abs(b).max() <= 0.5
    assert (nn.BatchNorm1d(3, init=0).parameters["weight"] == 0).all()
    assert (nn.PReLU(init=0.1).parameters["weight"] == np.float32(0.1)).all()
    lstm = nn.LSTM(3, 4, init=nn.init.zeros)
    assert not lstm.parameters["weight_hh_l0"].any() and lstm.parameters["bias_hh_l0"].any()


# Names, tables, errors.


def test_load_says_what_does_not_fit_and_changes_nothing():
    model = nn.Sequential(nn.Linear(3, 2), pb.relu, nn.Linear(2, 2), rng=0)
    before = {name: p.copy() for name, p in model.parameters.items()}
    good = {name: np.zeros_like(p) for name, p in before.items()}
    with pytest.raises(ShapeError, match=r"missing: 2.bias; unexpected: 3.bias, 3.weight"):
        model.load({k: v for k, v in good.items() if k != "2.bias"} | {"3.bias": 0, "3.weight": 0})
    with pytest.raises(ShapeError, match=r"2.bias has shape \(3,\), needs \(2,\)"):
        model.load(good | {"2.bias": np.zeros(3, "f4")})
    with pytest.raises(DtypeError, match="2.bias is int64, needs floating-point numbers"):
        model.load(good | {"2.bias": np.zeros(2, int)})
    with pytest.raises(ShapeError, match="2.bias has shape"):
        model.load(good | {"2.bias": np.zeros(3, "f4")}, strict=False)
    assert all(np.array_equal(before[name], p) for name, p in model.parameters.items())
    model.load(good | {"0.num_batches_tracked": np.array(3)})
    assert not any(p.any() for p in model.parameters.values())


def test_load_in_part():
    model = nn.Sequential(nn.Linear(3, 2), rng=0)
    found = model.load({"0.bias": np.ones(2, "f4"), "1.bias": np.ones(2, "f4")}, strict=False)
    assert found == (["0.weight"], ["1.bias"]) and (model.parameters["0.bias"] == 1).all()


def test_load_takes_copies_and_says_what_it_rounds():
    model, values = nn.Linear(1, 2, bias=False), {"weight": np.array([[1.0], [1 + 1e-12]])}
    with pytest.warns(UserWarning, match="rounded to float32: weight"):
        model.load(values)
    assert model.parameters["weight"].dtype == np.float32
    half = {"weight": np.array([[0.5], [2.0]], np.float16)}
    model.load(half)
    single = {"weight": np.zeros((2, 1), "f4")}
    model.load(single)
    single["weight"][:] = 7
    assert not model.parameters["weight"].any()
    double = model.astype(np.float64)
    double.load(values)
    assert double.parameters["weight"][1, 0] == 1 + 1e-12 and not model.parameters["weight"].any()


def test_a_copy_is_a_copy():
    model = nn.Sequential(nn.Linear(2, 2), nn.Residual(nn.BatchNorm1d(2)), rng=0)
    other = model.astype(np.float32)
    for p in other.parameters.values():
        p += 1
    assert not any(np.array_equal(p, other.parameters[name]) for name, p in model.parameters.items())


def test_table_of_a_model():
    rows = network()[0].describe(X)
    assert [row[:4] for row in rows[:2]] == [("0", "Conv2d", (5, 4, 6, 6), 40), ("1", "BatchNorm2d", (5, 4, 6, 6), 8)]
    y = X
    for row, (name, layer, x) in zip(rows, network()[0].trace(X), strict=True):
        y, _ = layer.linearize(x)
        assert row.name == name and row.shape == y.shape and row.kind == layer.kind
    assert sum(row.size for row in rows) == sum(p.numel() for p in network()[1].parameters())


def test_trace_gives_every_layer_its_input():
    """So that each layer's derivative can be tried where it works."""
    model = network()[0]
    for _, layer, x in model.trace(X):
        y, at = layer.rule.linearize(*layer.arguments(x))
        y = y[0] if isinstance(y, tuple) else y
        np.testing.assert_array_equal(y, layer(x))
        assert at.rule.name == layer.rule.name


def test_padding_modes_are_two_layers_under_one_name():
    model = nn.Sequential(nn.Conv2d(1, 2, 3, padding=1, padding_mode="reflect"), rng=0)
    assert [row[:3] for row in model.describe(X)] == [("0.pad", "Pad", (5, 1, 8, 8)), ("0", "Conv2d", (5, 2, 6, 6))]
    assert list(model.parameters) == ["0.weight", "0.bias"]


REFUSED = {
    "Linear: missing a required argument: 'out_features'; it takes in_features, out_features": lambda: nn.Linear(3),
    "Linear: got an unexpected keyword argument 'size'": lambda: nn.Linear(3, 2, size=1),
    "Linear: out_features must be a whole number; got 2.5": lambda: nn.Linear(3, 2.5),
    "Linear: in_features must be a whole number; got -1": lambda: nn.Linear(-1, 2),
    "Linear: in_features must be a whole number; got (2, 3)": lambda: nn.Linear((2, 3), 2),
    "Linear: bias must be True or False; got 'no'": lambda: nn.Linear(3, 2, bias="no"),
    "Conv2d: kernel_size must be a whole number, or 2 of them; got (3, 3, 3)": lambda: nn.Conv2d(1, 2, (3, 3, 3)),
    "Conv2d: no padding_mode 'mirror'; zeros, reflect": lambda: nn.Conv2d(1, 2, 3, padding_mode="mirror"),
    "conv2d: stride must be a whole number or 2 of them, got (1, 2, 3)": lambda: nn.Conv2d(1, 2, 3, stride=(1, 2, 3)),
    "ConvTranspose1d: out_channels=3 cannot be divided among groups=2": lambda: nn.ConvTranspose1d(2, 3, 1, groups=2),
    "conv2d: needs padding != 'same' or stride == 1, with padding='same', stride=(2, 2)": lambda: nn.Conv2d(
        1, 2, 3, stride=2, padding="same"
    ),
    "conv1d: needs stride > 0, with stride=(0,)": lambda: nn.Conv1d(1, 2, 3, stride=0),
    "max_pool2d: needs 0 <= padding <= kernel_size/2": lambda: nn.MaxPool2d(2, padding=3),
    "leaky_relu: negative_slope must be float, got 'a'": lambda: nn.LeakyReLU("a"),
    "nn.ReLU is no layer; a layer is made by a call": lambda: nn.Sequential(nn.ReLU),
    "linear is no layer by itself: nobody gives it w[o i]": lambda: nn.Sequential(pb.linear),
    "cross_entropy is no layer by itself": lambda: nn.Sequential(pb.cross_entropy),
}


@pytest.mark.parametrize("message", REFUSED)
def test_what_is_refused(message):
    with pytest.raises(OptionError) as error:
        REFUSED[message]()
    assert message in str(error.value)


def test_a_model_prints_as_it_was_made():
    model = nn.Sequential(
        nn.Conv2d(1, 8, 3, padding="same", padding_mode="reflect"),
        nn.Residual(nn.Sequential(nn.BatchNorm2d(8), pb.tanh)),
        nn.Linear(8, 2, bias=False, rng=0),
        nn.ReLU(),
    )
    assert (
        repr(model)
        == """\
Sequential(
  (0): Conv2d(in_channels=1, out_channels=8, kernel_size=3, padding='same', padding_mode='reflect')
  (1): Residual(
    (fn): Sequential(
      (0): BatchNorm2d(num_features=8)
      (1): tanh()
    )
  )
  (2): Linear(in_features=8, out_features=2, bias=False)
  (3): ReLU()
)"""
    )
    assert repr(nn.Sequential()) == "Sequential()"


def test_a_sequential_is_a_sequence_of_its_layers():
    layers = nn.Linear(8, 2), nn.ReLU()
    model = nn.Sequential(*layers)
    assert len(model) == 2 and model[0] is layers[0] and model[-1] is layers[1] and tuple(model) == layers


def test_shared_layers_are_refused():
    layer = nn.Linear(2, 2)
    with pytest.raises(OptionError, match="a layer stands twice"):
        nn.Sequential(layer, nn.Sequential(pb.relu, layer))
    relu = nn.ReLU()
    nn.Sequential(relu, relu)


def test_errors_say_which_layer():
    model = nn.Sequential(nn.Flatten(), nn.Sequential(pb.relu, nn.Linear(7, 2)), rng=0)
    for try_it in (model, model.describe, model.trace):
        with pytest.raises(ShapeError, match=r"layer 1 \(Sequential\): layer 1 \(Linear\): linear: w has shape"):
            try_it(X)
    with pytest.raises(ShapeError, match=r"layer 0 \(Residual\): fn makes \(5, 2\) of \(5, 7\)"):
        nn.Sequential(nn.Residual(nn.Linear(7, 2)))(np.ones((5, 7), "f4"))
    with pytest.raises(DtypeError, match="x is float64, w is float32"):
        nn.Sequential(nn.Linear(2, 2))(np.ones((1, 2)))


def test_a_small_network_learns():
    """Whether two numbers have the same sign."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(64, 2)).astype("f4")
    t = (x[:, 0] * x[:, 1] > 0).astype(int)
    model = nn.Sequential(nn.Linear(2, 16), pb.tanh, nn.Linear(16, 2), rng=0)
    for _ in range(400):
        scores, at = model.linearize(x)
        loss, down = pb.cross_entropy.linearize(scores, t)
        _, gradients = at.vjp(down.vjp(np.float32(1))[0], x=False)
        model.load({name: p - 0.5 * gradients[name] for name, p in model.parameters.items()})
    assert loss < 0.1
