"""Whole models: what PyTorch's compute; nothing is changed behind anyone's back."""

import inspect
import pickle

import numpy as np
import pytest
from modules import X, close, compare, network, state, torch

import pullback as pb
from pullback import nn, train
from pullback.check.differences import difference, inner
from pullback.errors import OptionError


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


NORM = nn.BatchNorm1d(3)


@pytest.mark.parametrize(
    "model, name",
    [
        (NORM, "typo"), (NORM, "running_mean"), (nn.Residual(NORM), "bias"), (nn.Residual(NORM), "fn.running_mean"),
        (nn.Residual(nn.ReLU()), "typo"), (nn.ReLU(), "weight"),
    ],
)  # fmt: skip
def test_tangents_of_no_parameter_are_refused(model, name):
    _, at = model.linearize(np.ones((4, 3), "f4"))
    with pytest.raises(OptionError, match=f"no parameter of this model with a derivative: {name}"):
        at.jvp(None, {name: np.ones(3, "f4")})


def test_models_can_be_pickled():
    """As for processes that share the work. What comes back draws the same numbers, too."""
    images = nn.Sequential(
        nn.Conv2d(1, 2, 3, padding=1, padding_mode="reflect"), nn.BatchNorm2d(2), nn.Residual(nn.Dropout(0.5)), pb.tanh
    )
    texts = nn.Sequential(nn.Embedding(5, 3, padding_idx=0), nn.LSTM(3, 2, num_layers=2, dropout=0.5), rng=0)
    for model, x in (images, X), (texts, np.array([[0, 4], [2, 3]])):
        twin = pickle.loads(pickle.dumps(model))
        assert repr(twin) == repr(model)
        for rng in None, 3:
            if rng is not None:
                model.draw(rng)
                twin.draw(rng)
            np.testing.assert_array_equal(twin(x, training=True, rng=0), model(x, training=True, rng=0))


def test_lists_are_arrays_for_layers_too():
    x = [[1.0, 2.0]]
    np.testing.assert_array_equal(nn.Dropout(0.5)(x), x)
    assert set(nn.Dropout(0.5)(x, training=True, rng=0).ravel()) <= {0.0, 2.0, 4.0}
    residual = nn.Residual(nn.Linear(2, 2, rng=0))
    y = residual(x)
    np.testing.assert_array_equal(y, residual(np.array(x, "f4")))
    assert y.dtype == np.float32


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
    with pytest.raises(OptionError, match="a model without layers moves only with x; give tx"):
        at.jvp(None)
    assert at.vjp(x, x=False) == (None, {}) and model.parameters == at.updates == {}


def test_empty_batch():
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(32, 3), rng=0)
    y, at = model.linearize(np.zeros((0, 1, 6, 6), "f4"), training=True)
    gx, gradients = at.vjp(y)
    assert y.shape == (0, 3) and gx.shape == (0, 1, 6, 6) and not any(g.any() for g in gradients.values())
