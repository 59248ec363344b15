"""Runs on disk: what is left, resumed, numbered, damaged."""

import errno
import json
import os

import numpy as np
import pytest
import torch
from trained import DIGITS, work

from pullback import nn
from pullback.errors import DataError, PullbackError
from pullback.train import config as configs
from pullback.train import runs
from pullback.train.predict import predict


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
