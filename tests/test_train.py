"""Training: the loop, the check of derivatives before it, runs on disk, pictures, texts, predictions."""

import errno
import io
import json
import os
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from rich.console import Console

from pullback import nn, relu, train
from pullback.check.faults import FAULTS
from pullback.errors import DataError, DtypeError, OptionError, PullbackError, ShapeError
from pullback.rules.linear import Linear
from pullback.train import config as configs
from pullback.train import job, models, report, runs, text
from pullback.train.loop import Epoch, batches, layer_norms, step, surprise
from pullback.train.picture import picture
from pullback.train.predict import lines, predict
from pullback.train.task import confusion, prepare
from pullback.train.verify import apart, judged, off_kinks, verify

DIGITS = train.load("digits")
FEW = DIGITS._replace(x=DIGITS.x[:300], t=DIGITS.t[:300])
POEM = train.Text("poem", np.arange(2000) % 7, "\nabcdef", "made up")


def build(name, task, seed=0):
    tokens = len(task.classes) if task.reads_text else None
    return nn.build_model(models.network(name, task.shape), task.shape, len(task.classes), tokens, seed)


def small(seed=0):
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Dropout(0.2), nn.Linear(144, 10), rng=seed)


def same(a, b):
    return a.keys() == b.keys() and all(np.array_equal(a[name], b[name]) for name in a)


# The loop.


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
        ({"data": (FEW.x, FEW.t / 2)}, r"data: t holds float64, needs classes: .* as with t.astype\(int\)"),
    ],
)
def test_fit_refuses(options, says):
    model = small()
    before = {name: p.copy() for name, p in model.parameters.items()}
    with pytest.raises((OptionError, ShapeError, DtypeError), match=says):
        train.fit(model, **{"data": FEW, **options})
    assert same(before, model.parameters)


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


# The check of derivatives.


@pytest.mark.parametrize("name", models.NAMES)
@pytest.mark.parametrize("data", ["images", "table", "text"])
def test_every_layer_of_every_network_is_right(name, data):
    task = {
        "images": lambda: prepare(FEW, 0),
        "table": lambda: prepare(FEW._replace(x=FEW.x.reshape(300, 64)[:, 2:8]), 0),
        "text": lambda: prepare(POEM, 0),
    }[data]()
    if name not in models.TAKES[len(task.shape)]:
        with pytest.raises(DataError, match=f"{name} cannot read {models.EXAMPLES[len(task.shape)]}; .* can"):
            models.network(name, task.shape)
        return
    model = build(name, task)
    found = verify(model, task.train.x[:4], task.train.t[:4])
    assert [v.kind for v in found] == [row.kind for row in model.describe(task.train.x[:4])] + ["cross_entropy"]
    assert {v.says for v in found} == {"right"}
    assert max(v.error for v in found) < 1e-7


@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 5, 9), (1, 6, 6), (1, 15, 40), (3, 28, 28), (4, 64, 33)])
@pytest.mark.parametrize("name", ["cnn", "mlp", "lstm"])
def test_networks_take_images_of_any_size(name, shape):
    model = nn.build_model(models.network(name, shape), shape, 7, rng=0)
    assert model(np.zeros((2, *shape), "f4")).shape == (2, 7)


RICH = """
[[layer]]
kind = "Conv2d"
out_channels = 4
kernel_size = 3
padding = 1
padding_mode = "reflect"

[[layer]]
kind = "Residual"
  [[layer.layer]]
  kind = "GroupNorm"
  num_groups = 2
  [[layer.layer]]
  kind = "GELU"
  [[layer.layer]]
  kind = "Conv2d"
  out_channels = 4
  kernel_size = 3
  padding = "same"

[[layer]]
kind = "AvgPool2d"
kernel_size = 2

[[layer]]
kind = "PReLU"
num_parameters = 1

[[layer]]
kind = "Flatten"

[[layer]]
kind = "Linear"
"""


def test_layers_in_layers(tmp_path):
    (tmp_path / "net.toml").write_text(RICH)
    run, said = work(tmp_path, model=str(tmp_path / "net.toml"), epochs=1)
    assert "wrong" not in said and "cannot judge" not in said
    assert {"0", "1.fn.0", "1.fn.2", "3", "5"} == set(run.history(1)[0].gradients)
    assert "1.fn.2 Conv2d" in (run.folder / "picture.svg").read_text()


LEAKS = {
    "sees the characters that it has to guess": "batch_first = true\nbidirectional = true",
    "mixes the examples of a batch": "",
}


@pytest.mark.parametrize("says", LEAKS)
def test_networks_that_see_too_much(tmp_path, says):
    layers = f'kind = "Embedding"\nembedding_dim = 4\n[[layer]]\nkind = "RNN"\nhidden_size = 4\n{LEAKS[says]}'
    (tmp_path / "net.toml").write_text(f'[[layer]]\n{layers}\n[[layer]]\nkind = "Linear"\n')
    (tmp_path / "poem.txt").write_text("\nabcdef" * 600)
    with pytest.raises(DataError, match=says):
        work(tmp_path, str(tmp_path / "poem.txt"), model=str(tmp_path / "net.toml"))
    assert not (tmp_path / "run").exists()


@dataclass(frozen=True)
class Faulty(Linear):
    """Linear, with a fault in one of its gradients."""

    fault: str = ""
    place: int = 0

    def vjp(self, gy, x, w):
        found = [g() for g in super().vjp(gy, x, w)]
        found[self.place] = FAULTS[self.fault].spoil(found[self.place], gy)
        return tuple(found)


# A vector has no transpose, nor is it as large as what comes from above: these change nothing.
HARMLESS = [*((fault, 2) for fault in ("transposed", "reversed", "passed through", "twice", "upstream ignored"))]
HARMLESS += [(fault, 1) for fault in ("passed through", "twice", "upstream ignored")]


@pytest.mark.parametrize("place", [0, 1, 2])
@pytest.mark.parametrize("fault", FAULTS)
def test_faults_are_caught(fault, place):
    rng = np.random.default_rng(0)
    x, w, b = rng.normal(size=(5, 4)), rng.normal(size=(4, 4)), rng.normal(size=4)
    found = judged("0", "Faulty", Faulty(fault, place), (x, w, b), rng)
    if (fault, place) in HARMLESS:
        assert found.says == "right"
    else:
        assert (found.says, found.why) == ("wrong", f"the gradient of {('input', 'weight', 'bias')[place]}")


def test_training_does_not_begin_with_a_wrong_derivative(monkeypatch, tmp_path):
    monkeypatch.setattr(Linear, "vjp", lambda self, gy, x, w: (gy @ w, 1.01 * gy.T @ x, gy.sum(0)))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(job.WrongDerivative, match=r"layer 1 \(Linear\) is wrong: the gradient of weight") as caught:
        job.train("digits", Console(file=io.StringIO()), model="mlp")
    assert caught.value.exit_code == 1
    assert not list(tmp_path.iterdir())


def test_kinks():
    x = np.array([[0.0, 1e-5, 2.0, -3.0]])
    moved, count = off_kinks(relu.kinks, x)
    assert count == 2
    assert np.all(moved[0, :2] > 1e-3)
    assert np.array_equal(moved[0, 2:], x[0, 2:])
    assert judged("0", "ReLU", relu, (x,), np.random.default_rng(0)).says == "right"


def test_ties():
    x = np.array([[1.0, 0.0, 0.0, 0.0, 2.0], [3.0, 2.0, 1.0, 0.0, -1.0]])
    y = apart(x, 0.1)
    np.testing.assert_allclose(y, [[1, 0, 0.1, 0.2, 2], [3, 2, 1, 0, -1]])
    assert np.array_equal(y[1], x[1])


def test_cannot_judge():
    rng = np.random.default_rng(0)
    still = judged("0", "ReLU", relu, (np.full((2, 3), -1.0),), rng)
    assert (still.says, still.why) == ("cannot judge", "nothing moves with input here")
    endless = judged("0", "ReLU", relu, (np.array([1.0, np.inf]),), rng)
    assert (endless.says, endless.why) == ("cannot judge", "the output is not finite near input")


# Runs.


def work(tmp_path, data="digits", **options):
    """What the console said."""
    console = Console(file=io.StringIO(), width=100)
    run = job.train(data, console, out=str(tmp_path / options.pop("name", "run")), **options)
    return run, console.file.getvalue()


def test_resume_goes_on_to_the_same_bits(tmp_path):
    """Two epochs and two more are four, with batch norm, dropout and the optimiser's memory in it."""
    straight, _ = work(tmp_path, name="straight", epochs=4)
    work(tmp_path, epochs=2)
    broken, said = work(tmp_path, resume=True, epochs=4)
    assert "epoch 3/4" in said and "epoch 2/4" not in said
    for file in ("weights.safetensors", "checkpoint.safetensors"):
        assert (straight.folder / file).read_bytes() == (broken.folder / file).read_bytes()
    assert straight.config == broken.config
    history = [run.history(4) for run in (straight, broken)]
    assert [e._replace(seconds=0) for e in history[0]] == [e._replace(seconds=0) for e in history[1]]


def test_resume_refuses(tmp_path):
    work(tmp_path, epochs=1, model="mlp")
    for options, message in [
        ({}, "has done its epoch; --epochs says to how many it shall go on"),
        ({"epochs": 2, "lr": 0.1}, "--lr cannot be changed"),
        ({"epochs": 2, "model": "cnn"}, "--model cannot be changed"),
        ({"epochs": 2, "data": "mnist5k"}, "mnist5k: not the data that the run was begun with"),
    ]:
        with pytest.raises(PullbackError, match=message):
            work(tmp_path, resume=True, **options)
    with pytest.raises(DataError, match="no such run: .*/other; there are .*/run"):
        work(tmp_path, name="other", resume=True)
    with pytest.raises(DataError, match="holds a run already"):
        work(tmp_path)


def test_what_a_run_says_and_leaves(tmp_path):
    run, said = work(tmp_path, epochs=2)
    for part in ("1,797 scanned digits", "1,438 examples to train on, 359 held out", "16 x 8 x 8", "10,026",
                 "right", "epoch 2/2", "Held out:", "Confusion", str(run.folder)):  # fmt: skip
        assert part in said
    assert said.count("epoch ") == 2
    assert sorted(path.name for path in run.folder.iterdir()) == [
        "checkpoint.safetensors", "config.json", "history.jsonl", "picture.svg", "weights.safetensors",
    ]  # fmt: skip
    last = json.loads((run.folder / "history.jsonl").read_text().splitlines()[1])
    assert last["epoch"] == 2 and last["accuracy"] > 0.9 and set(last["gradients"]) == {"0", "1", "3", "4", "9"}


def test_weights_are_torchs(tmp_path):
    run, _ = work(tmp_path, epochs=1)
    t = torch.nn
    twin = t.Sequential(
        t.Conv2d(1, 16, 3, padding=1), t.BatchNorm2d(16), t.ReLU(), t.Conv2d(16, 32, 3, padding=1), t.BatchNorm2d(32),
        t.ReLU(), t.MaxPool2d(2), t.Flatten(), t.Dropout(), t.Linear(512, 10),
    ).eval()  # fmt: skip
    weights = {name: torch.tensor(a) for name, a in nn.load_weights(run.folder / "weights.safetensors").items()}
    missing, unexpected = twin.load_state_dict(weights, strict=False)
    assert not unexpected and all(name.endswith("num_batches_tracked") for name in missing)
    y = twin(torch.tensor(DIGITS.x[:50])).detach().numpy()
    np.testing.assert_allclose(run.trained()(DIGITS.x[:50]), y, rtol=1e-4, atol=1e-4)


def test_runs_are_numbered(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert runs.fresh("a/flowers.csv", None).folder == runs.HOME / "flowers"
    for name in ("flowers", "flowers-2", "flowers-10", "flowers-x", "flowersome"):
        (runs.HOME / name).mkdir(parents=True)
    assert runs.fresh("flowers.csv", None).folder == runs.HOME / "flowers-11"
    assert runs.newest("flowers.csv", None).folder == runs.HOME / "flowers-10"
    assert runs.fresh("photos/", None).folder == runs.HOME / "photos"
    with pytest.raises(DataError, match="there is no run of digits under runs/ to resume"):
        runs.newest("digits", None)


def test_a_full_disk_leaves_the_last_checkpoint(tmp_path, monkeypatch):
    run, _ = work(tmp_path, epochs=1, model="mlp")
    before = {path.name: path.read_bytes() for path in run.folder.iterdir()}

    def full(file):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DataError, match="cannot write .*: No space left on device"):
        work(tmp_path, resume=True, epochs=2)
    assert {path.name: path.read_bytes() for path in run.folder.iterdir()} == before


@pytest.mark.parametrize(
    "file, content, message",
    [
        ("config.json", b"{", "damaged, or no configuration"),
        ("config.json", b"{}", "damaged, or no configuration"),
        ("checkpoint.safetensors", b"rubbish", "damaged, or no .safetensors file"),
        ("checkpoint.safetensors", None, "is no checkpoint of pullback"),
        ("history.jsonl", b"{]", "history.jsonl is damaged"),
        ("history.jsonl", b"", "it has 0 epochs of 1"),
    ],
)
def test_damaged_runs(tmp_path, file, content, message):
    run, _ = work(tmp_path, epochs=1, model="mlp")
    foreign = (run.folder / "weights.safetensors").read_bytes()
    (run.folder / file).write_bytes(foreign if content is None else content)
    with pytest.raises(DataError, match=message):
        work(tmp_path, resume=True, epochs=2)


def test_config_values_are_checked(tmp_path):
    run, _ = work(tmp_path, epochs=1, model="mlp")
    path = run.folder / "config.json"
    good = json.loads(path.read_text())
    for name, value in [("epochs", "many"), ("classes", [1]), ("lr", None), ("seed", 1.5), ("shape", 3)]:
        path.write_text(json.dumps(good | {name: value}))
        with pytest.raises(DataError, match=r"config.json is damaged"):
            configs.read(path)


def test_foreign_weights(tmp_path):
    run, _ = work(tmp_path, epochs=1, model="mlp")
    nn.save({"0.weight": np.zeros((2, 2), "f4")}, run.folder / "weights.safetensors")
    with pytest.raises(DataError, match="weights.safetensors does not fit the network: the names do not fit"):
        predict(run, "digits")


# The picture.


def history(epochs, layers=3):
    norms = lambda k: {str(n): 10.0 ** (n - k / 20) for n in range(layers)}
    return [Epoch(k + 1, 2 / (k + 1), 2.5 / (k + 1), 0.9, norms(k), 0.1) for k in range(epochs)]


@pytest.mark.parametrize("epochs, layers", [(1, 1), (2, 3), (30, 5), (1000, 40)])
def test_picture(epochs, layers):
    svg = ElementTree.fromstring(picture(history(epochs, layers), "a < b", {"0": "0 <Conv>"}))
    spread = lambda tag: list(svg.iter("{http://www.w3.org/2000/svg}" + tag))
    assert svg.get("role") == "img"
    assert spread("title")[0].text == "a < b"
    assert f"over {epochs} epochs" in spread("desc")[0].text
    assert len(spread("polyline") if epochs > 1 else spread("circle")) == layers + 2
    words = [element.text for element in spread("text")]
    assert {"training", "held out", "0 <Conv>", "epoch", "Loss (nats)"} <= set(words)
    width, height = map(float, svg.get("viewBox").split()[2:])
    for element in spread("text"):
        assert 0 <= float(element.get("x")) <= width and 0 <= float(element.get("y")) <= height
    for line in spread("polyline"):
        for point in line.get("points").split():
            x, y = map(float, point.split(","))
            assert 0 <= x <= width and 0 <= y <= height


def test_picture_of_a_gradient_that_vanishes():
    vanishing = [epoch._replace(gradients={"0": 0.0}, test_loss=None) for epoch in history(3)]
    svg = picture(vanishing, "still")
    assert "held out" not in svg and "nan" not in svg and "inf" not in svg


@pytest.mark.parametrize("value", [float("inf"), float("nan"), 1e308, 5e-324])
def test_picture_of_what_no_axis_holds(value):
    found = history(3)
    found[1] = found[1]._replace(test_loss=value, gradients={"0": value, "1": value, "2": 1.0})
    svg = ElementTree.fromstring(picture(found, "wild"))
    points = [line.get("points") for line in svg.iter("{http://www.w3.org/2000/svg}polyline")]
    assert sorted(len(p.split()) for p in points) == [2, 2, 2, 3, 3]
    assert not any("nan" in p or "inf" in p for p in points)


# Tables.


def shown(table):
    console = Console(file=io.StringIO(), width=100)
    console.print(table)
    return console.file.getvalue()


def test_confusion():
    task = prepare(FEW, 0)
    counts = confusion(task, task.test.t)
    assert counts.trace() == counts.sum() == len(task.test.t)
    found = np.where(task.test.t == 3, 8, task.test.t)
    counts = confusion(task, found)
    assert counts[3, 8] == (task.test.t == 3).sum() and counts[3, 3] == 0
    assert "true class (row)" in shown(report.confusion(counts, task.classes))
    many = np.zeros((20, 20), int)
    many[3, 7] = 5
    said = shown(report.confusion(many, [f"[class{k}]" for k in range(20)]))
    assert "[class3]" in said and "[class7]" in said and "[class4]" not in said


def test_a_bar_on_a_terminal():
    console = Console(file=io.StringIO(), width=100, force_terminal=True, highlight=False)
    with report.progress(console, 2) as (tick, tell):
        tick()
        tell(report.line(history(1)[0], 10))
        tick()
    said = console.file.getvalue()
    assert "2/2" in said and "epoch  1/10  loss 2.0000  held out: loss 2.5000, 90.00% right" in said


# Texts and predictions.


def test_windows():
    data, test = text.parts(POEM)
    assert data.x.shape == data.t.shape == (28, 64) and test.x.shape == (3, 64)
    assert np.array_equal(data.x[:, 1:], data.t[:, :-1])
    assert data.t[0, -1] == data.x[1, 0] == POEM.codes[64]
    assert test.x[0, 0] == POEM.codes[1800]
    with pytest.raises(DataError, match="poem: 300 characters are too few; needs 650 or more"):
        text.parts(POEM._replace(codes=POEM.codes[:300]))


def test_a_text_is_learned_and_continued(tmp_path):
    (tmp_path / "poem.txt").write_text("\nabcdef" * 600)
    run, said = work(tmp_path, str(tmp_path / "poem.txt"), model="gru", epochs=5, lr=2e-2)
    assert "bits per character" in said and "A sample:" in said and "Confusion" not in said
    (found,) = lines(str(run.folder), "abc")
    assert found.startswith("abcdef\nabcdef\nabcdef") and len(found) == 403
    assert list(lines(str(run.folder), "abc")) == [found]
    with pytest.raises(DataError, match="the model has never met 'x' 'ä'"):
        list(lines(str(run.folder), "axäa"))
    with pytest.raises(DataError, match="no text to continue"):
        list(lines(str(run.folder), ""))


def test_a_table_is_learned_and_predicted(tmp_path):
    """Columns may come in another order, and on another scale than 0..1."""
    rng = np.random.default_rng(0)
    rows = [(f"{1000 * a:.2f}", f"{b:.4f}", "up" if a + b > 0 else "down") for a, b in rng.normal(size=(300, 2))]
    (tmp_path / "t.csv").write_text("a,b,way\n" + "".join(",".join(row) + "\n" for row in rows))
    run, _ = work(tmp_path, str(tmp_path / "t.csv"), target="way", epochs=10)
    (tmp_path / "new.csv").write_text("b,a\n1.5,2000\n-1.5,-2000\n")
    found = predict(run, str(tmp_path / "new.csv"))
    assert [p.label for p in found] == ["up", "down"]
    assert all(0.9 < p.probability <= 1 for p in found)
    said = list(lines(str(run.folder), str(tmp_path / "new.csv")))
    assert said[0].split()[0] == "up" and said[0].split()[1] == f"{found[0].probability:.4f}"


def test_predictions_of_a_folder_name_its_files(tmp_path):
    from PIL import Image

    run, _ = work(tmp_path, model="mlp", epochs=1)
    (tmp_path / "new" / "more").mkdir(parents=True)
    for name in "b.png", "a.png", "more/c.png":
        Image.new("L", (8, 8), 100).save(tmp_path / "new" / name)
    said = [line.split() for line in lines(str(run.folder), str(tmp_path / "new"))]
    assert [name for *_, name in said] == ["a.png", "b.png", "more/c.png"]
    assert [(label, float(p) > 0) for label, p, _ in said] == [(said[0][0], True)] * 3
    (alone,) = lines(str(run.folder), str(tmp_path / "new" / "a.png"))
    assert alone.split() == said[0][:2]


@pytest.mark.filterwarnings("error")
def test_tables_of_extreme_numbers():
    """x - mean would overflow in float32; the scaled numbers do not."""
    x = np.array([[3e38], [-3e38], [-3e38], [-3e38]], "f4")
    scaling = train.Scaling.fit(x)
    np.testing.assert_allclose(scaling.apply(x)[:, 0], [3**0.5, *[-(3**-0.5)] * 3], rtol=1e-6)
    assert scaling.apply(x).dtype == np.float32
    close = train.Scaling.fit(np.array([[1e-20], [2e-20]], "f4"))
    with pytest.raises(DataError, match="row 2 is too far from the others: it holds 3e.38, but column 1 has mean 1.5e"):
        close.apply(x[[1, 0]] * np.array([[0], [1]], "f4"))


def test_a_model_from_a_file(tmp_path):
    (tmp_path / "net.toml").write_text('[[layer]]\nkind = "Flatten"\n\n[[layer]]\nkind = "Linear"\n')
    run, said = work(tmp_path, model=str(tmp_path / "net.toml"), epochs=2)
    assert set(run.trained().parameters) == {"1.weight", "1.bias"}
    assert "650" in said
