"""Names, tables and errors of models."""

import numpy as np
import pytest
from modules import X, network

import pullback as pb
from pullback import nn
from pullback.errors import DtypeError, OptionError, ShapeError, TooLargeError


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
    "embedding: needs padding_idx is None or -v <= padding_idx < v, with padding_idx=7, v=3": lambda: nn.Embedding(
        3, 2, padding_idx=7
    ),
    "nn.ReLU is no layer; a layer is made by a call": lambda: nn.Sequential(nn.ReLU),
    "linear is no layer by itself: nobody gives it w[o i]": lambda: nn.Sequential(pb.linear),
    "cross_entropy is no layer by itself": lambda: nn.Sequential(pb.cross_entropy),
}


@pytest.mark.parametrize("message", REFUSED)
def test_what_is_refused(message):
    with pytest.raises(OptionError) as error:
        REFUSED[message]()
    assert message in str(error.value)


@pytest.mark.parametrize("size, says", [(10**8, "Unable to allocate "), (10**10, "weight would have shape ")])
def test_layers_that_there_is_no_room_for(size, says):
    with pytest.raises(TooLargeError, match=f"^Linear: {says}.*; choose smaller sizes"):
        nn.Linear(size, size)


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
