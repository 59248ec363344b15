"""The training loop: what it computes, what decides its numbers, and what it refuses."""

import numpy as np
import pytest
import torch
from trained import DIGITS, FEW, POEM, work

from pullback import nn, train
from pullback.errors import OptionError, PullbackError, RangeError
from pullback.train.loop import batches, layer_norms, step, surprise


def small(seed=0):
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Dropout(0.2), nn.Linear(144, 10), rng=seed)


def same(a, b):
    return a.keys() == b.keys() and all(np.array_equal(a[name], b[name]) for name in a)


def test_fit_learns():
    data, test = train.split(DIGITS, seed=0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 10), rng=0)
    history = train.fit(model, data, test, epochs=5, lr=1e-2)
    assert [epoch.epoch for epoch in history] == [1, 2, 3, 4, 5]
    assert history[0].loss > history[1].loss > history[2].loss
    assert history[-1].accuracy == train.judge(model, test)[1] > 0.9
    assert history[-1].accuracy == np.mean(train.predictions(model, test.x).argmax(1) == test.t)


def test_arrays_of_ones_own_are_data():
    """A pair of arrays, in double precision too, or a Dataset without names: the same weights as of a whole one."""
    x, t = FEW.x.astype("f8"), FEW.t
    given = FEW, (FEW.x, t), [x.tolist(), t.tolist()], (x, t[:, None]), train.Dataset("own", x, t.tolist())
    models = [small() for _ in given]
    found = [train.fit(model, data, data, epochs=1)[0] for model, data in zip(models, given)]
    for model, epoch, data in zip(models, found, given):
        assert same(model.parameters, models[0].parameters)
        assert epoch.accuracy == found[0].accuracy == train.judge(model, data)[1]
    np.testing.assert_array_equal(train.predictions(models[0], x), train.predictions(models[0], FEW.x))
    one, two = (train.split(data, seed=0) for data in (FEW, (x, t)))
    assert all(np.array_equal(a.t, b.t) for a, b in zip(one, two)) and two[0].name == "data"


def test_fit_is_torch():
    """The same first weights, examples and optimiser: the same last weights as PyTorch's."""
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 8), nn.Tanh(), nn.Linear(8, 10), rng=0).astype(np.float64)
    twin = torch.nn.Sequential(
        torch.nn.Flatten(), torch.nn.Linear(64, 8), torch.nn.Tanh(), torch.nn.Linear(8, 10)
    ).double()
    twin.load_state_dict({name: torch.tensor(p) for name, p in model.parameters.items()})
    data = FEW._replace(x=FEW.x.astype(float))
    train.fit(model, data, epochs=2, batch=30, optimizer="adamw", lr=1e-2, seed=4)
    optimiser = torch.optim.AdamW(twin.parameters(), lr=1e-2)
    for epoch in (1, 2):
        for rows in batches(np.random.default_rng([4, epoch]).permutation(300), 30):
            optimiser.zero_grad()
            torch.nn.functional.cross_entropy(twin(torch.tensor(data.x[rows])), torch.tensor(data.t[rows])).backward()
            optimiser.step()
    for name, p in twin.state_dict().items():
        np.testing.assert_allclose(model.parameters[name], p.numpy(), rtol=1e-9, atol=1e-12)


def test_the_seed_decides():
    found = []
    for seed in (1, 1, 2):
        model = small()
        train.fit(model, FEW, epochs=2, seed=seed)
        found.append(model.parameters)
    assert same(found[0], found[1])
    assert not same(found[0], found[2])


def test_running_statistics_move():
    model = nn.Sequential(nn.Flatten(), nn.BatchNorm1d(64), nn.Linear(64, 10), rng=0)
    train.fit(model, FEW, epochs=1)
    assert np.all(model.parameters["1.running_mean"][[2, 3, 4]] > 0.1)


def test_steps_too_large():
    with pytest.raises(OptionError, match="in epoch [12]; try a smaller lr than 1e"):
        train.fit(small(), FEW, epochs=2, optimizer="sgd", lr=1e30)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("lr", [1e6, 1e20, 1e36, 1e38])
def test_nothing_is_saved_of_steps_too_large(tmp_path, lr):
    """The last step of an epoch may be the one that is too large: no loss of that epoch shows it."""
    rng = np.random.default_rng(0)
    rows = [f"{a:.3f},{b:.3f},{'yes' if a > b else 'no'}\n" for a, b in rng.normal(size=(40, 2))]
    (tmp_path / "t.csv").write_text("a,b,c\n" + "".join(rows))
    try:
        work(tmp_path, str(tmp_path / "t.csv"), target="c", epochs=3, batch=32, lr=lr, optimizer="sgd")
    except OptionError as error:
        assert "try a smaller lr than 1e" in str(error)
    else:
        assert lr < 1e20
    saved = nn.load_weights(tmp_path / "run" / "weights.safetensors")
    assert all(np.isfinite(p).all() for p in saved.values())
    history = tmp_path / "run" / "history.jsonl"
    assert not history.exists() or not {"NaN", "Infinity"} & set(history.read_text().replace(",", " ").split())


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    "lr, held_out, says", [(1e38, False, "1.(weight|bias) is"), (1e37, True, "the loss on held-out data is")]
)
def test_the_last_step_is_too_large(lr, held_out, says):
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 10), rng=0)
    data = FEW._replace(x=100 * FEW.x)
    with pytest.raises(OptionError, match=f"{says} -?(nan|inf) in epoch 1; try a smaller lr than 1e"):
        train.fit(model, data, data if held_out else None, epochs=1, batch=300, optimizer=train.SGD(lr))


def spoiled(x, value):
    x = x.copy()
    x[2, 0, 0, 1] = value
    return x


@pytest.mark.parametrize(
    "options, says",
    [
        ({"batch": 0}, "batch must be a whole number from 1 up, got 0"),
        ({"batch": -1}, "batch must be .* got -1"),
        ({"batch": 2.5}, "batch must be .* got 2.5"),
        ({"seed": -1}, "seed must be a whole number from 0 up, got -1"),
        ({"epochs": 1.5}, "epochs must be a whole number from 0 up, got 1.5"),
        ({"epochs": -1}, "epochs must be .* got -1"),
        ({"optimizer": train.Adam}, "optimizer must be a name, or an optimiser such as"),
        ({"data": FEW._replace(x=FEW.x[:0], t=FEW.t[:0])}, "data holds 0 examples in x, 0 classes in t; needs"),
        ({"data": FEW._replace(t=FEW.t[:9])}, "data holds 300 examples in x, 9 classes in t; needs as many of both"),
        ({"test": FEW._replace(x=FEW.x[:0], t=FEW.t[:0])}, "test holds 0 examples"),
        ({"data": (FEW.x, FEW.t[:9])}, "data holds 300 examples in x, 9 classes in t"),
        ({"data": FEW.x}, r"data must be a Dataset or a pair of arrays \(x, t\), got ndarray"),
        ({"test": POEM}, r"test must be a Dataset or a pair of arrays \(x, t\), got Text"),
        ({"data": (spoiled(FEW.x, np.nan), FEW.t)}, r"data: x\[2, 0, 0, 1\] is nan, needs finite float32; fill it in"),
        ({"test": (spoiled(FEW.x.astype(float), 1e300), FEW.t)}, r"test: x\[2, 0, 0, 1\] is 1e\+300, needs finite"),
        ({"data": (FEW.x, np.where(FEW.t == 3, -100, FEW.t))}, r"data: t\[\d+\] is -100, needs classes: .* from 0 up"),
        ({"test": (FEW.x, FEW.t - 1)}, r"test: t\[\d+\] is -1, needs classes: whole numbers from 0 up"),
        ({"data": (FEW.x, FEW.t / 2)}, r"t holds float64, needs classes: whole .* up; to predict a quantity"),
        ({"data": (FEW.x, FEW.t * 1.0)}, r"if they are classes, convert them, as with t.astype\(int\); to predict"),
        ({"data": (FEW.x, np.eye(10)[FEW.t])}, r"t holds float64, needs classes: .* become numbers by t.argmax\(1\)"),
        ({"data": (FEW.x, np.eye(10, dtype=int)[FEW.t])}, r"t has 10 numbers per example, .* for 1; .* by t.argmax"),
        ({"data": (FEW.x, FEW.t.astype(str))}, r"t holds <U21, needs classes: .*; names become numbers by np.unique"),
        ({"data": (FEW.x, FEW.t > 4)}, r"data: t holds bool, needs classes: .* as with t.astype\(int\)"),
        ({"data": (FEW.x, FEW.t * 9)}, r"t holds class 81: .* give 82 scores or more .*; it gives 10; to predict"),
        ({"test": (FEW.x, FEW.t + 1)}, r"t holds class 10: the model must give 11 scores .*; it gives 10; to predict"),
    ],
)
def test_fit_refuses(options, says):
    model = small()
    before = {name: p.copy() for name, p in model.parameters.items()}
    with pytest.raises(PullbackError, match=says):
        train.fit(model, **{"data": FEW, **options})
    assert same(before, model.parameters)


def test_judge_refuses_what_is_no_class():
    with pytest.raises(RangeError, match=r"data: t\[0\] is -100, needs classes: whole numbers from 0 up"):
        train.judge(small(), (FEW.x, np.full_like(FEW.t, -100)))


def test_no_batch_of_one():
    """Where the docstring says so, and only there."""
    for size in range(1, 9):
        for n in range(1, 60):
            parts = list(map(len, batches(np.arange(n), size)))
            assert sum(parts) == n and max(parts) <= size and max(parts) - min(parts) <= 1
            if n >= 2 and size >= 3:
                assert min(parts) >= 2
    assert sorted(map(len, batches(np.arange(3), 2))) == [1, 2]
    parts = batches(np.arange(65), 32)
    assert sorted(map(len, parts)) == [21, 22, 22]
    assert np.array_equal(np.concatenate(parts), np.arange(65))


def test_gradient_norms():
    model = small()
    y, at = model.linearize(FEW.x[:8])
    _, gradients = at.vjp(surprise(y, FEW.t[:8])[1])
    norms = layer_norms(gradients)
    assert norms.keys() == {"0", "4"}
    both = np.concatenate([gradients["0.weight"].ravel(), gradients["0.bias"]])
    assert norms["0"] == pytest.approx(np.linalg.norm(both), rel=1e-6)


@pytest.mark.parametrize("size", [1e-30, 1e30])
def test_gradient_norms_of_any_size(size):
    norms = layer_norms({"0.weight": np.full((2, 2), size, "f4")})
    assert norms["0"] == pytest.approx(2 * size, rel=1e-6)


def test_step_gives_the_loss_before_it():
    model, rng = nn.Sequential(nn.Flatten(), nn.Linear(64, 10), rng=0), np.random.default_rng(0)
    before = train.judge(model, FEW)[0]
    assert step(model, FEW.x, FEW.t, train.SGD(0.01), rng)[0] == pytest.approx(before, rel=1e-5)
    assert train.judge(model, FEW)[0] < before
