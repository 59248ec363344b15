"""Where parameters start: drawn as PyTorch draws them."""

import numpy as np
import pytest
from modules import close, network, state, theirs, torch

from pullback import nn
from pullback.errors import OptionError, ShapeError


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
