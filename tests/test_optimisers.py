"""Optimisers against torch.optim, step by step in float64; and how they remember."""

import copy
import inspect
import tracemalloc

import numpy as np
import pytest
import torch

from pullback.errors import DataError, OptionError
from pullback.train.optimisers import SGD, Adam, AdamW, make

TWINS = {"SGD": (SGD, torch.optim.SGD), "Adam": (Adam, torch.optim.Adam), "AdamW": (AdamW, torch.optim.AdamW)}
OPTIONS = [
    ("SGD", {}),
    ("SGD", {"momentum": 0.9}),
    ("SGD", {"momentum": 0.9, "weight_decay": 0.1}),
    ("SGD", {"momentum": 0.8, "nesterov": True, "weight_decay": 0.01}),
    ("Adam", {}),
    ("Adam", {"betas": (0.5, 0.9), "eps": 1e-3}),
    ("Adam", {"weight_decay": 0.1}),
    ("AdamW", {}),
    ("AdamW", {"weight_decay": 0.3, "betas": (0.7, 0.8)}),
]


def parameters():
    rng = np.random.default_rng(0)
    return {"0.weight": rng.normal(size=(3, 2)), "0.bias": rng.normal(size=3), "scale": np.array(0.5)}


def gradient(p, k):
    """Of the k-th step: it depends on p, and is 0 in places."""
    return np.where(np.arange(p.size).reshape(p.shape) % 3 == k % 3, 0, np.cos(k + p) * 10.0 ** (k % 4 - 2))


@pytest.mark.parametrize("name, options", OPTIONS, ids=str)
def test_torch(name, options):
    ours, theirs = TWINS[name]
    p = parameters()
    q = {name: torch.nn.Parameter(torch.tensor(a)) for name, a in p.items()}
    optimiser, twin = ours(lr=0.05, **options), theirs(q.values(), lr=0.05, **options)
    for k in range(20):
        optimiser.step(p, {name: gradient(a, k) for name, a in p.items()})
        for b in q.values():
            b.grad = torch.tensor(gradient(b.detach().numpy(), k))
        twin.step()
        for name in p:
            np.testing.assert_allclose(p[name], q[name].detach().numpy(), rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("name", ["sgd", "adam", "adamw"])
def test_goes_on_where_it_was(name):
    """Three steps, the state, three more: the same bits as six steps. float32 stays."""
    straight, broken = ({n: a.astype("f4") for n, a in parameters().items()} for _ in range(2))
    whole, first, second = (make(name, 0.1) for _ in range(3))
    for k in range(6):
        whole.step(straight, {n: gradient(a, k) for n, a in straight.items()})
    for k in range(3):
        first.step(broken, {n: gradient(a, k) for n, a in broken.items()})
    second.load({n: a.copy() for n, a in first.state.items()})
    for k in range(3, 6):
        second.step(broken, {n: gradient(a, k) for n, a in broken.items()})
    for n in straight:
        assert straight[n].dtype == broken[n].dtype == np.float32
        np.testing.assert_array_equal(straight[n], broken[n])


def test_in_place_and_gradients_untouched():
    for optimiser in (
        SGD(0.1, weight_decay=0.1, momentum=0.9, nesterov=True),
        Adam(0.1, weight_decay=0.1),
        AdamW(0.1),
    ):
        p = parameters()
        before, gradients = dict(p), {n: np.ones_like(a) for n, a in p.items()}
        optimiser.step(p, gradients)
        assert all(p[n] is before[n] for n in p)
        assert all((g == 1).all() for g in gradients.values())


def test_what_has_no_gradient_stays():
    p = parameters()
    Adam(0.1).step(p, {"0.bias": np.ones(3)})
    assert np.array_equal(p["0.weight"], parameters()["0.weight"])
    assert not np.array_equal(p["0.bias"], parameters()["0.bias"])


@pytest.mark.parametrize("lr", [0, -1, float("nan"), float("inf")])
def test_learning_rate(lr):
    with pytest.raises(OptionError, match="lr must be a positive number, got"):
        Adam(lr)


@pytest.mark.parametrize(
    "kind, name, value",
    [
        (SGD, "lr", "fast"),
        (SGD, "weight_decay", float("nan")),
        (SGD, "momentum", -1),
        (SGD, "momentum", 1),
        (SGD, "momentum", 1.5),
        (Adam, "betas", (1, 1)),
        (Adam, "betas", (0.9,)),
        (Adam, "betas", 0.9),
        (AdamW, "betas", (-0.1, 0.9)),
        (AdamW, "eps", -1e-8),
        (AdamW, "weight_decay", -0.1),
    ],
)
def test_options(kind, name, value):
    with pytest.raises(OptionError, match=f"{name} must be .* number.*, got "):
        kind(**{name: value})


def test_nesterov_needs_momentum():
    """As in PyTorch: without it, the step would silently be a plain one."""
    with pytest.raises(OptionError, match="nesterov needs momentum"):
        SGD(0.1, nesterov=True)
    with pytest.raises(OptionError, match="nesterov must be True or False, got 'no'"):
        SGD(0.1, momentum=0.9, nesterov="no")


@pytest.mark.parametrize("kind", [SGD, Adam, AdamW])
def test_all_but_the_learning_rate_are_given_by_name(kind):
    """The second is momentum in torch's SGD, betas in its Adam: by place, nobody could be sure."""
    with pytest.raises(OptionError, match=rf"{kind.__name__} takes lr alone by place, got \(0.1, 0.9\).*weight_decay"):
        kind(0.1, 0.9)
    twin = copy.deepcopy(kind(0.1, weight_decay=0.5))
    assert (twin.lr, twin.weight_decay) == (0.1, 0.5)
    assert [*inspect.signature(kind).parameters][0] == "lr"


def test_foreign_states():
    with pytest.raises(OptionError, match="no optimizer 'adma'; there are sgd, adam, adamw"):
        make("adma", 0.1)
    with pytest.raises(DataError, match="how many steps"):
        Adam().load({"0.weight/m": np.zeros(2)})
    adam = Adam()
    adam.step(parameters(), parameters())
    sgd = SGD(momentum=0.5)
    sgd.step(parameters(), parameters())
    before = sgd.state
    with pytest.raises(DataError, match="another optimiser than SGD"):
        sgd.load(adam.state)
    assert sgd.state.keys() == before.keys() and sgd.steps == 1  # as it was
    with pytest.raises(OptionError, match="a gradient of q, and no parameter of that name"):
        sgd.step(parameters(), {"q": np.zeros(2)})


@pytest.mark.parametrize("optimiser", [SGD(0.1, momentum=0.9), Adam(), AdamW()])
def test_a_steady_step_takes_no_fresh_memory(optimiser):
    p, g = {"w": np.ones((500, 300), np.float32)}, {"w": np.ones((500, 300), np.float32)}
    optimiser.step(p, g)
    tracemalloc.start()
    optimiser.step(p, g)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < p["w"].nbytes / 10


def test_memory_in_any_order():
    """A checkpoint may give the arrays back in another order than they were made in."""
    one, two = ({"p": np.ones(5, np.float32)} for _ in range(2))
    first, second = Adam(0.1), Adam(0.1)
    first.step(one, {"p": np.full(5, 2, np.float32)})
    second.step(two, {"p": np.full(5, 2, np.float32)})
    second.load(dict(reversed(second.state.items())))
    for optimiser, p in ((first, one), (second, two)):
        optimiser.step(p, {"p": np.full(5, -1, np.float32)})
    np.testing.assert_array_equal(one["p"], two["p"])


@pytest.mark.parametrize("name, options", OPTIONS, ids=str)
def test_compiled_steps_are_the_formulas(name, options):
    """float32 runs compiled where arrays lie in one piece, and by NumPy where they do not."""
    fast, slow = (TWINS[name][0](lr=0.05, **options) for _ in range(2))
    p = np.linspace(-1, 1, 50_000, dtype=np.float32)
    one, two = {"p": p.copy()}, {"p": np.repeat(p, 2)[::2]}
    for k in range(5):
        g = gradient(one["p"], k).astype(np.float32)
        fast.step(one, {"p": g})
        slow.step(two, {"p": g})
    np.testing.assert_allclose(one["p"], two["p"], rtol=2e-5, atol=2e-6)
