"""The check of derivatives before training: of right layers, of planted faults, at kinks and ties."""

import io
from dataclasses import dataclass

import numpy as np
import pytest
from rich.console import Console
from trained import FEW, POEM, work

from pullback import nn, relu
from pullback.check.faults import FAULTS
from pullback.errors import DataError
from pullback.rules.linear import Linear
from pullback.train import job, models
from pullback.train.task import prepare
from pullback.train.verify import apart, judged, off_kinks, verify


def build(name, task, seed=0):
    tokens = len(task.classes) if task.reads_text else None
    return nn.build_model(models.network(name, task.shape), task.shape, len(task.classes), tokens, seed)


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
