"""Compiled steps of a chain of dense layers, against the same steps layer by layer."""

import numpy as np
import pytest

import pullback as pb
from pullback import nn
from pullback.errors import RangeError, ShapeError
from pullback.train import loop, quick
from pullback.train.optimisers import SGD, Adam, AdamW

OPTIMISERS = [
    lambda: SGD(0.1), lambda: SGD(0.1, momentum=0.9, nesterov=True, weight_decay=0.01), lambda: Adam(0.01),
    lambda: Adam(0.01, weight_decay=0.1), lambda: AdamW(0.01, weight_decay=0.3),
]  # fmt: skip
CHAINS = {
    "relu": lambda: [nn.Flatten(), nn.Linear(12, 40), nn.ReLU(), nn.Linear(40, 33), nn.ReLU(), nn.Linear(33, 5)],
    "tanh": lambda: [nn.Linear(12, 7), nn.Tanh(), nn.Linear(7, 5)],
    "sigmoid": lambda: [nn.Linear(12, 300), nn.Sigmoid(), nn.Linear(300, 5)],
    "gelu": lambda: [nn.Linear(12, 40), nn.GELU(), nn.Linear(40, 5)],
    "silu": lambda: [nn.Linear(12, 40), nn.SiLU(), nn.Linear(40, 5)],
    "leaky_relu": lambda: [nn.Linear(12, 33), nn.LeakyReLU(0.2), nn.Linear(33, 9), nn.LeakyReLU(), nn.Linear(9, 5)],
    "bare": lambda: [nn.Linear(12, 5)],
    "linear": lambda: [nn.Linear(12, 6), nn.Linear(6, 5)],
}


def examples(batch, seed=0, features=(12,)):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(batch, *features)).astype(np.float32), rng.integers(0, 5, batch)


def layer_by_layer(monkeypatch):
    monkeypatch.setattr(quick, "step", lambda *args: None)


def trained(make, optimiser, steps=4, batch=37, features=(12,)):
    model, rng = nn.Sequential(*make(), rng=0), np.random.default_rng(1)
    found = [loop.step(model, *examples(batch, k, features), optimiser, rng) for k in range(steps)]
    return model, [loss for loss, _ in found], {name: g.copy() for name, g in found[-1][1].items()}


@pytest.mark.parametrize("optimiser", OPTIMISERS, ids=["sgd", "nesterov", "adam", "adam-decay", "adamw"])
@pytest.mark.parametrize("name", CHAINS)
def test_compiled_steps_are_the_layers_steps(name, optimiser, monkeypatch):
    features = (3, 4) if name == "relu" else (12,)
    model, losses, gradients = trained(CHAINS[name], optimiser(), features=features)
    assert quick._known[model].gradients.size == sum(g.size for g in gradients.values()), "compiled"
    layer_by_layer(monkeypatch)
    other, wanted, slopes = trained(CHAINS[name], optimiser(), features=features)
    np.testing.assert_allclose(losses, wanted, rtol=2e-6)
    for n, p in other.parameters.items():
        np.testing.assert_allclose(model.parameters[n], p, rtol=0, atol=3e-5 * max(1, abs(p).max()), err_msg=n)
        np.testing.assert_allclose(gradients[n], slopes[n], rtol=0, atol=3e-6 * max(1, abs(slopes[n]).max()), err_msg=n)


@pytest.mark.parametrize("name", [name for name in CHAINS if name != "bare"])
@pytest.mark.parametrize("value", [np.nan, -np.nan, np.inf, -np.inf, -0.0])
def test_nan_goes_where_it_goes_layer_by_layer(name, value, monkeypatch):
    def gradients():
        model = nn.Sequential(*CHAINS[name](), rng=0)
        first = next(layer for layer in model.layers if layer.own)
        first.own["weight"][3] = value
        with np.errstate(all="ignore"):
            return loop.step(model, *examples(37), SGD(0.1), np.random.default_rng(1))[1]

    found = {name: np.isnan(g) for name, g in gradients().items()}
    layer_by_layer(monkeypatch)
    for name, g in gradients().items():
        np.testing.assert_array_equal(found[name], np.isnan(g), err_msg=name)


@pytest.mark.parametrize("values", [[np.nan, 1.0, -1.0, 0.0, np.inf, -np.inf]])
def test_the_way_back_of_relu_is_that_of_its_rule_at_nan_too(values):
    from pullback.kernels import dense
    from pullback.kernels.compiled import kernel

    pull_rectified = kernel(dense.pull_rectified.py_func)

    x = np.array([sign * np.array(values, np.float32) for sign in (1, -1)])
    y, total = np.where(x < 0, np.float32(-0.0), x + 0), np.empty(x.shape[1], np.float32)
    g = np.array([[1, 2, 3, 4, 5, 6], [np.nan, np.inf, 1, 2, 3, 4]], np.float32)
    _, at = pb.relu.linearize(x.astype(float))
    with np.errstate(all="ignore"):
        wanted = at.vjp(g.astype(float))
    pull_rectified(y, g, g, total)
    np.testing.assert_array_equal(g, wanted)
    np.testing.assert_array_equal(total, wanted.sum(0))


def test_the_same_bits_with_any_number_of_threads():
    before, found = pb.get_threads(), []
    for threads in (1, 2, 3):
        pb.set_threads(threads)
        model, losses, _ = trained(CHAINS["relu"], Adam(0.01), batch=200)
        found.append([losses, *(p.tobytes() for p in model.parameters.values())])
    pb.set_threads(before)
    assert found[0] == found[1] == found[2]


def test_relu_at_0_has_the_derivative_from_the_right():
    model = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 2), rng=0)
    model.load({name: np.zeros_like(p) if name[0] == "0" else p for name, p in model.parameters.items()})
    _, gradients = quick.step(model, np.ones((1, 2), np.float32), np.array([0]), SGD(0.1))
    assert abs(gradients["0.weight"]).min() > 0


def test_a_steady_step_takes_no_fresh_memory():
    model, optimiser = nn.Sequential(*CHAINS["relu"](), rng=0), Adam(0.01)
    x, t = examples(64)
    quick.step(model, x, t, optimiser)
    places = [p.ctypes.data for p in model.parameters.values()]
    arena = quick._known[model].arenas[64]
    for _ in range(3):
        _, gradients = quick.step(model, x, t, optimiser)
    assert quick._known[model].arenas[64] is arena and gradients is quick._known[model].named
    assert [p.ctypes.data for p in model.parameters.values()] == places


def test_without_momentum_nothing_is_remembered():
    optimiser = SGD(0.1, momentum=0.0, weight_decay=0.1)
    trained(CHAINS["relu"], optimiser)
    assert optimiser.memory
    assert all(not kept["v"].any() for kept in optimiser.memory.values())


def test_other_arrays_in_the_layers_places_are_noticed():
    """Weights that are loaded, and the memory of an optimiser, between two steps: the same as without either."""
    (one, _, _), (two, _, _) = (trained(CHAINS["relu"], Adam(0.01)) for _ in range(2))
    two.load({name: p.copy() for name, p in two.parameters.items()})
    x, t = examples(9)
    for model in (one, two):
        fresh = SGD(0.5)
        quick.step(model, x, t, fresh)
        fresh.load(fresh.state)
        quick.step(model, x, t, fresh)
    for name, p in one.parameters.items():
        np.testing.assert_array_equal(two.parameters[name], p)


@pytest.mark.parametrize(
    "layers",
    [
        lambda: [nn.Linear(12, 5), nn.ReLU()], lambda: [nn.Linear(12, 5, bias=False)], lambda: [nn.ReLU()],
        lambda: [nn.Linear(12, 8), nn.GELU("tanh"), nn.Linear(8, 5)],
        lambda: [nn.Linear(12, 8), nn.LeakyReLU(kink="torch"), nn.Linear(8, 5)],
        lambda: [nn.Linear(12, 8), nn.Mish(), nn.Linear(8, 5)],
        lambda: [nn.Linear(12, 8), nn.Dropout(), nn.Linear(8, 5)],
        lambda: [nn.Linear(12, 8), pb.rules.piecewise.ReLU(kink="torch"), nn.Linear(8, 5)],
    ],
)  # fmt: skip
def test_other_models_are_left_to_their_layers(layers):
    assert quick.layers_of(nn.Sequential(*layers(), rng=0)) is None
    assert quick.layers_of(nn.Sequential(nn.Linear(12, 5), rng=0).astype(np.float64)) is None


def test_what_does_not_fit_is_said_by_the_layers():
    model, optimiser, rng = nn.Sequential(nn.Linear(12, 5), rng=0), SGD(0.1), np.random.default_rng(0)
    x, t = examples(4)
    before = {name: p.copy() for name, p in model.parameters.items()}
    with pytest.raises(ShapeError):
        loop.step(model, x[:, :7], t, optimiser, rng)
    for label in (5, -1):
        with pytest.raises(RangeError):
            loop.step(model, x, np.where(t == t[0], label, t), optimiser, rng)
    for name, p in before.items():
        np.testing.assert_array_equal(model.parameters[name], p)


def losses_of(change, optimiser, layered, monkeypatch, steps=6):
    """The losses of steps between which something is changed, compiled or layer by layer."""
    with monkeypatch.context() as patch:
        if layered:
            patch.setattr(quick, "step", lambda *args: None)
        model, rng = nn.Sequential(*CHAINS["tanh"](), rng=0), np.random.default_rng(1)
        found = []
        for k in range(steps):
            if k == 3:
                change(model, optimiser)
            found.append(loop.step(model, *examples(9), optimiser, rng)[0])
    return found


def replace_inner(model, optimiser):
    kept = optimiser.memory["0.weight"]
    kept["m"] = np.zeros_like(kept["m"])


CHANGES = {
    "reset": lambda model, optimiser: optimiser.load(Adam().state),
    "cleared": lambda model, optimiser: optimiser.memory.clear(),
    "one name less": lambda model, optimiser: optimiser.memory.pop("2.bias"),
    "another array inside": replace_inner,
    "another activation": lambda model, optimiser: model.parts.update({"1": nn.ReLU()}),
    "a layer less": lambda model, optimiser: model.parts.pop("1"),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=list(CHANGES))
def test_whatever_is_changed_between_steps_is_noticed(change, monkeypatch):
    compiled, wanted = (losses_of(change, Adam(0.01), layered, monkeypatch) for layered in (False, True))
    np.testing.assert_allclose(compiled, wanted, rtol=2e-5)


def test_one_optimiser_of_two_models(monkeypatch):
    found = []
    for layered in (False, True):
        if layered:
            layer_by_layer(monkeypatch)
        optimiser, rng = Adam(0.01), np.random.default_rng(1)
        models = [nn.Sequential(*CHAINS["tanh"](), rng=k) for k in range(2)]
        found.append([loop.step(models[k % 2], *examples(9), optimiser, rng)[0] for k in range(6)])
    np.testing.assert_allclose(*found, rtol=2e-5)


@pytest.mark.parametrize("layered", [False, True])
@pytest.mark.parametrize("other", [(3, 4), (40, 4), (4, 3)])
def test_what_is_remembered_of_another_model_is_not_used(monkeypatch, layered, other):
    """Its arrays end elsewhere: compiled steps would write beyond them."""
    if layered:
        layer_by_layer(monkeypatch)
    one, two = Adam(0.1), Adam(0.1)
    small, large = (nn.Sequential(nn.Linear(*sizes), rng=0) for sizes in ((2, 6), other))
    rng = np.random.default_rng(0)

    def learn(model, optimiser):
        x = rng.normal(size=(5, model.parameters["0.weight"].shape[1])).astype("f4")
        loop.step(model, x, np.arange(5) % 3, optimiser, rng)

    learn(small, one)
    two.load(one.state)
    for optimiser in (one, two):
        before = {name: p.copy() for name, p in large.parameters.items()}
        with pytest.raises(ShapeError, match="every model needs an optimizer of its own"):
            learn(large, optimiser)
        assert optimiser.steps == 1
        for name, p in large.parameters.items():
            np.testing.assert_array_equal(p, before[name])
        learn(small, optimiser)


@pytest.mark.parametrize("kind", [SGD, Adam])
def test_a_gradient_of_another_shape_is_refused(kind):
    p, optimiser = {"w": np.zeros(99, "f4")}, kind(0.1)
    with pytest.raises(ShapeError, match=r"the gradient of w is \(4,\), and w itself \(99,\)"):
        optimiser.step(p, {"w": np.ones(4, "f4")})
    assert optimiser.steps == 0 and not p["w"].any()


def test_an_optimiser_of_ones_own_moves_as_it_says():
    class Still(SGD):
        def move(self, p, g, **memory):
            pass

    model = nn.Sequential(*CHAINS["tanh"](), rng=0)
    before = {name: p.copy() for name, p in model.parameters.items()}
    loop.step(model, *examples(9), Still(0.1), np.random.default_rng(0))
    for name, p in before.items():
        np.testing.assert_array_equal(model.parameters[name], p)


def test_a_rule_of_ones_own_is_not_taken_for_ours():
    class Double(type(pb.tanh)):
        pass

    rule = Double()
    rule.__dict__["name"] = "tanh"
    assert quick.layers_of(nn.Sequential(nn.Linear(12, 7), rule, nn.Linear(7, 5), rng=0)) is None


def test_images_need_a_flatten():
    model = nn.Sequential(nn.Linear(12, 5), rng=0)
    with pytest.raises(ShapeError):
        loop.step(model, *examples(9, features=(3, 4)), SGD(0.1), np.random.default_rng(0))
