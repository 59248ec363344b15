"""`pullback trace`: the gradient's way back through a network, as it is, and told in both languages."""

from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from click.testing import CliRunner

import pullback as pb
from pullback import nn
from pullback.check.differences import difference
from pullback.cli import main
from pullback.handbook.explanation import terminal
from pullback.train.trail import Trail, trace, walked
from pullback.train.way import Way


def run(*args):
    return CliRunner().invoke(main, ["trace", *args])


def said(model, x, t, lang="en"):
    loss, steps = walked(model, x, t)
    return " ".join(Way(Trail("net", 0, "t", loss, steps), lang).verdict())


X, T = np.random.default_rng(0).normal(size=(1, 4)).astype("f4"), np.array([1])


def test_the_norms_are_those_of_the_loss():
    """The gradient that leaves the first layer, by differences of the loss along random directions and along itself."""
    model = nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Residual(nn.Linear(5, 5)), nn.Linear(5, 3), rng=1)
    loss, steps = walked(model, X, T)
    double, x = model.astype(np.float64), X.astype(float)
    f = lambda x: pb.cross_entropy(double(x), T)
    assert loss == pytest.approx(float(f(x)))
    gradient = np.array([difference(f, [x], [t])[0][0] for t in np.eye(4)[:, None, :]])
    assert steps[-1].name == "0" and steps[-1].norm == pytest.approx(np.linalg.norm(gradient), rel=1e-6)
    assert [step.kind for step in steps] == ["cross_entropy", "Linear", "Linear", "Residual", "Tanh", "Linear"]
    around = steps[3]
    assert around.rule is None and around.arrives == steps[1].norm, "what came to Residual is what left the layer above"
    assert set(steps[1].own) == {"weight", "bias"}


def test_parameters_have_the_norms_of_their_gradients():
    model = nn.Sequential(nn.Linear(4, 3), rng=1)
    _, (_, step) = walked(model, X, T)
    x, w, b = X.astype(float), *(p.astype(float) for p in model.parameters.values())
    gy = pb.softmax(pb.linear(x, w, b)) - np.eye(3)[T]
    assert step.own["weight"] == pytest.approx(np.linalg.norm(np.outer(gy, x)))
    assert step.own["bias"] == pytest.approx(np.linalg.norm(gy)) == pytest.approx(step.arrives)


def test_a_layer_is_told_by_what_it_does_here():
    """Where a model predicts, nothing is dropped."""
    _, steps = walked(nn.Sequential(nn.Linear(4, 4), nn.Dropout(0.5), nn.Linear(4, 3), rng=0), X, T)
    (dropout,) = (step for step in steps if step.kind == "Dropout")
    assert Way(Trail("net", 0, "t", 0.0, steps), "en").bar(dropout).below == "gx = gy" and dropout.factor == 1


def test_what_becomes_of_the_gradient_is_told():
    deep = [layer for _ in range(12) for layer in (nn.Linear(4, 4, init=0.05), nn.Sigmoid())]
    assert "It vanishes: " in said(nn.Sequential(*deep, nn.Linear(4, 3), rng=0), X, T)
    steep = nn.Sequential(*(nn.Linear(4, 4, init=nn.init.orthogonal) for _ in range(3)), nn.Linear(4, 3), rng=0)
    steep.load({name: 50 * p for name, p in steep.parameters.items()})
    assert "It explodes: " in said(steep, X, T) and "梯度爆炸" in said(steep, X, T, "zh")
    dead = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 3), rng=0)
    dead.load({"0.weight": np.zeros((4, 4), "f4"), "0.bias": -np.ones(4, "f4")}, strict=False)
    assert "It dies: it is 0 behind 1 ReLU" in said(dead, X, T)
    assert "It arrives: " in said(nn.Sequential(nn.Linear(4, 3), rng=0), X, T)


@pytest.mark.parametrize(
    "lang, words",
    [("en", "0.3 times its length: by 2 Linear, and 2 more alike"), ("zh", "缩短最多的是 2 Linear 及另外 2 层")],
)
def test_layers_that_do_as_much_as_each_other_are_not_told_apart(lang, words):
    model = nn.Sequential(*(nn.Linear(4, 4, init=nn.init.orthogonal) for _ in range(3)), rng=0)
    model.load({name: 0.3 * p for name, p in model.parameters.items()})
    assert words in said(model, X, T, lang)


def test_time_is_a_way_too():
    """A recurrent network with small weights hands nothing to its first step."""
    model = nn.Sequential(nn.RNN(4, 4, batch_first=True), nn.Select(axis=1, index=-1), nn.Linear(4, 3), rng=0)
    model.load({"0.weight_hh_l0": 0.05 * np.ones((4, 4), "f4")}, strict=False)
    _, steps = walked(model, np.ones((1, 9, 4), "f4"), T)
    (times,) = (step.times for step in steps if step.times)
    assert len(times) == 9 and times == sorted(times) and times[0] < 1e-4 * times[-1]
    assert steps[-1].norm == pytest.approx(np.linalg.norm(times))
    assert "hands its first step" in said(model, np.ones((1, 9, 4), "f4"), T)


def recurrent(nonlinearity, factor):
    """A network whose small positive states are passed on times a factor."""
    layers = nn.RNN(4, 4, nonlinearity=nonlinearity, batch_first=True), nn.Select(axis=1, index=-1), nn.Linear(4, 3)
    model = nn.Sequential(*layers, rng=0)
    small, none = np.full(4, 1e-4, "f4"), np.zeros(4, "f4")
    parameters = {"weight_hh": factor * np.eye(4, dtype="f4"), "bias_ih": small, "bias_hh": none}
    model.load({f"0.{name}_l0": p for name, p in parameters.items()}, strict=False)
    return model


@pytest.mark.parametrize(
    "nonlinearity, factor, en, zh",
    [
        ("tanh", 0.1, "Through time it vanishes: 0 RNN", "沿时间梯度消失"),
        ("relu", 0.85, "0 RNN hands its first step 0.054 of", "第一步得到的梯度只有最大一步的 0.054 倍"),
        ("relu", 1.0, "", ""),
        ("relu", 1.5, "Through time it explodes: 0 RNN hands its first step 1.5e+03 times", "沿时间梯度爆炸"),
    ],
)
def test_what_becomes_of_it_through_time(nonlinearity, factor, en, zh):
    """Where relu passes everything on, the gradient of a step is the factor to the power of the steps behind it."""
    x = np.zeros((1, 19, 4), "f4")
    for lang, words in (("en", en), ("zh", zh)):
        told = said(recurrent(nonlinearity, factor), x, T, lang)
        assert words in told if words else "hrough time" not in told and "时间" not in told, told


def test_integers_have_no_gradient_and_none_of_0():
    model = nn.Sequential(nn.Embedding(5, 3), nn.Select(axis=1, index=-1), nn.Linear(3, 3), rng=0)
    loss, steps = walked(model, np.array([[1, 4]]), T)
    way = Way(Trail("net", 0, "t", loss, steps), "en")
    (line,) = (line for line in terminal.text(way.sections).splitlines() if "0 Embedding" in line)
    assert line.split() == "0 Embedding none: what it reads are integers".split()
    assert ">none: what it reads are integers<" in way.to_svg()


def test_an_example_that_is_learned_sends_nothing_back():
    """Its scores are so far apart that p is the target: no layer is to blame."""
    model = nn.Sequential(nn.Linear(4, 3), rng=0)
    model.load({"0.bias": np.array([0, 1e4, 0], "f4")}, strict=False)
    assert said(model, X, T).startswith("There is none: the loss is 0,") and "没有梯度" in said(model, X, T, "zh")


def test_what_is_not_finite_is_told():
    loss, steps = walked(nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 3), rng=0), X, T)
    steps[1] = steps[1]._replace(norm=np.inf)
    way = Way(Trail("net", 0, "t", loss, steps), "en")
    assert "It is not finite behind 1 Linear" in " ".join(way.verdict())
    ElementTree.fromstring(way.to_svg())


@pytest.mark.parametrize("model, data", [("cnn", "digits"), ("mlp", "digits"), ("gru", "digits"), ("lstm", "text")])
def test_models_that_have_not_learned(model, data):
    for lang, word in (("en", "What became of it"), ("zh", "结论")):
        found = run(model, data, "--lang", lang)
        assert found.exit_code == 0 and word in found.output and "cross_entropy" in found.output, found.output
    assert run(model, data, "--ascii").output.isascii()


def test_a_run_and_files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert CliRunner().invoke(main, ["train", "digits", "--model", "mlp", "--epochs", "1"]).exit_code == 0
    fresh, learned = trace("mlp", "digits", 3), trace("runs/digits", example=3)
    assert learned.target == fresh.target and learned.loss < fresh.loss
    assert run("runs/digits", "--html", "t.html", "--lang", "zh").output == "已写入 t.html\n"
    assert "<svg" in Path("t.html").read_text("utf-8")
    assert run("runs/digits", "--svg", "t.svg").exit_code == 0
    ElementTree.fromstring(Path("t.svg").read_text("utf-8"))
    Path("net.toml").write_text('[[layer]]\nkind = "Flatten"\n\n[[layer]]\nkind = "Linear"\n')
    assert "1 Linear" in run("net.toml", "digits").output
    np.savez("own.npz", x=np.random.default_rng(0).normal(size=(30, 4)).astype("f4"), t=np.arange(30) % 2)
    assert CliRunner().invoke(main, ["train", "own.npz", "--epochs", "1"]).exit_code == 0
    assert "What became of it" in run("runs/own", "own.npz", "--lang", "en").output
    Path("own.npz").rename("moved.npz")
    for args, says in {
        ("runs/own",): "say which data runs/own learned from",
        ("runs/own", "digits"): "not the data that the run was begun with",
        ("runs/digits", "--example", "9999"): "--example must lie in 0 .. ",
        ("runs/digits", "--seed", "0"): "runs/digits has its own --seed; ",
        ("runs/digits", "--seed", "1", "--target", "x"): "runs/digits has its own --target and --seed; ",
    }.items():
        refused = run(*args)
        assert refused.exit_code == 2 and says in refused.stderr and refused.stderr.count("\n") == 1, refused.output
    assert "What became of it" in run("runs/own", "moved.npz", "--lang", "en").output


@pytest.mark.parametrize(
    "args, says",
    [
        (["cnn"], "say on which data: pullback trace cnn digits"),
        (["cnnn", "digits"], "no model 'cnnn'"),
        (["runs/none"], "runs/none is no folder of a run"),
        (["no.toml", "digits"], "cannot read no.toml"),
        (["cnn", "digitz"], "did you mean 'digits'"),
        (["cnn", "digits", "--example", "-1"], "--example"),
        (["cnn", "digits", "--html", "a", "--svg", "b"], "one way at a time, got --html and --svg"),
        (["cnn", "digits", "--ascii", "--lang", "zh"], "Chinese cannot be written in ASCII"),
        (["cnn", "digits", "--svg", "no/such/x.svg"], "cannot write no/such/x.svg"),
    ],
)
def test_one_clear_line(args, says, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = run(*args)
    assert found.exit_code == 2 and says in found.stderr and found.stderr.count("\n") == 1, found.output
    assert not list(Path().iterdir())
