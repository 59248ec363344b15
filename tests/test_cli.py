"""The command line: what it prints, and one clear line with exit code 2 for whatever a user can get wrong."""

import gzip
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import pullback
from pullback import nn
from pullback.cli import main
from pullback.discovery import every

MLP = '[[layer]]\nkind = "Flatten"\n\n[[layer]]\nkind = "Linear"\n'


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "1")  # as the command does, which comes too late here


def run(*args):
    return CliRunner().invoke(main, args)


def refused(*args, code=2):
    """The one line on stderr."""
    found = run(*args)
    assert found.exit_code == code, found.output
    assert found.stderr.startswith("pullback: ") and found.stderr.count("\n") == 1, found.stderr
    return found.stderr


def command(*args, **options):
    """The same as a process of its own."""
    return subprocess.run([sys.executable, "-m", "pullback", *args], capture_output=True, text=True, **options)


def table(path="t.csv", rows=60):
    rng = np.random.default_rng(0)
    lines = [f"{a:.3f},{b:.3f},{'up' if a > b else 'down'}" for a, b in rng.normal(size=(rows, 2))]
    Path(path).write_text("a,b,way\n" + "\n".join(lines) + "\n")


# Looking things up.


def test_list():
    found = run("list")
    lines = found.output.splitlines()
    assert found.exit_code == 0 and len(lines) == len(every())
    assert [line.split()[0] for line in lines] == list(every())
    assert any(line.split(maxsplit=1) == ["linear", "x[... i]; w[o i], b[o]=0 -> y[... o]"] for line in lines)


@pytest.mark.parametrize("name", every())
def test_show(name):
    found = run("show", name)
    assert found.exit_code == 0
    for part in (name, every()[name].signature, "Shapes", "Tested with", "Written in"):
        assert part in found.output


def test_show_softmax():
    said = run("show", "softmax").output
    for part in ("exp(x[i]) / Σk exp(x[k])", "axis = -1", "n = 3", "Source: Bridle"):
        assert part in said
    path, line = said.split()[-1].rsplit(":", 1)
    assert Path(path).read_text().splitlines()[int(line) - 1] == "@dataclass(frozen=True)"


def test_show_knows_layers_by_their_rules():
    for layer, rule in ("Linear", "linear"), ("MaxPool2d", "max_pool2d"), ("BatchNorm1d", "batch_norm"):
        assert run("show", layer).output == run("show", rule).output
    assert "no rule 'CrossEntropyLoss'; did you mean cross_entropy or" in refused("show", "CrossEntropyLoss")


def test_show_guesses():
    assert "no rule 'sofmax'; did you mean softmax or " in refused("show", "sofmax")
    assert "`pullback list` shows all" in refused("show", "xyzzy")


def test_version_and_help():
    assert run("--version").output == f"pullback {pullback.__version__}\n"
    said = run("--help").output
    assert all(name in said for name in ("train", "predict", "list", "show"))
    assert "--resume" in run("train", "-h").output


def test_help_is_quick():
    code = "import sys; from pullback.cli import main\ntry: main(['--help'])\nexcept SystemExit: pass\n"
    code += "assert not {'numpy', 'rich', 'safetensors'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


# Training and predicting.


def test_train_predict_resume():
    table()
    said = run("train", "t.csv", "--target", "way", "--epochs", "3", "--model", "mlp", "--batch", "8")
    assert said.exit_code == 0, said.output
    assert "epoch 3/3" in said.output and "Written to runs/t:" in said.output
    assert "\x1b" not in said.output
    assert run("train", "t.csv", "--target", "way", "--epochs", "1").exit_code == 0
    assert sorted(path.name for path in Path("runs").iterdir()) == ["t", "t-2"]
    said = run("train", "t.csv", "--resume", "--epochs", "2")
    assert "Written to runs/t-2" in said.output
    said = run("predict", "runs/t", "t.csv")
    assert len(said.output.splitlines()) == 60
    label, probability = said.output.splitlines()[0].split()
    assert label in ("up", "down") and 0.5 <= float(probability) <= 1


def test_same_seed_same_weights():
    """Bit for bit, in processes of their own."""
    for name in ("one", "two"):
        assert command("train", "digits", "--epochs", "1", "--seed", "3", "--out", name).returncode == 0
    one, two = (Path(name, "weights.safetensors").read_bytes() for name in ("one", "two"))
    assert one == two


def test_sgd_and_adamw():
    table()
    for optimizer in ("sgd", "adamw"):
        said = run("train", "t.csv", "--target", "way", "--epochs", "1", "--optimizer", optimizer, "--lr", "0.01")
        assert said.exit_code == 0


# `python -m pullback`, which hears Ctrl-C even if the tests run in the background of a shell, where it is ignored
LISTENING = (
    "import runpy, signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
    "runpy.run_module('pullback', run_name='__main__')"
)


def test_ctrl_c_keeps_the_checkpoint():
    """Stopped in the middle, resumed: the same weights as never stopped."""
    table(rows=200)
    args = ["train", "t.csv", "--target", "way", "--out", "stopped"]
    process = subprocess.Popen(
        [sys.executable, "-c", LISTENING, *args, "--epochs", "100000"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    for line in process.stdout:
        if line.startswith("epoch      3/"):
            break
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=60)
    assert process.returncode == 130
    assert error.startswith("pullback: stopped; stopped holds ") and error.count("\n") == 1
    assert error.endswith("of 100000 epochs; to go on: pullback train t.csv --resume --out stopped\n")
    epochs = str(int(error.split("holds ")[1].split()[0]) + 2)
    assert run("train", "t.csv", "--resume", "--out", "stopped", "--epochs", epochs).exit_code == 0
    assert run(*args[:-1], "straight", "--epochs", epochs).exit_code == 0
    one, two = (Path(name, "checkpoint.safetensors").read_bytes() for name in ("stopped", "straight"))
    assert one == two


def test_a_pipe_that_closes():
    code = f"{sys.executable} -m pullback list | head -n 1"
    found = subprocess.run(["bash", "-c", code], capture_output=True, text=True)
    assert found.stdout.count("\n") == 1 and found.stderr == ""


# What users get wrong.


def test_no_such_file():
    assert "no such file or data: digit (did you mean 'digits'?)" in refused("train", "digit")
    assert "no such run: runs/digits" in refused("predict", "runs/digits", "digits")
    assert "there is no run of digits under runs/ to resume" in refused("train", "digits", "--resume")


@pytest.mark.parametrize(
    "content, says",
    [
        ("a,b,way\n1,2,up\n", "no column 'wya' (did you mean 'way'?)"),
        ("a,b,wya\n1,2\n", "line 2: 2 cells, but the header has 3"),
        ("a,b,wya\n1,two,up\n1,2,down\n3,4,up\n", "line 2, column 'b': 'two' is not a finite number"),
        ("a,b,wya\n1,nan,up\n1,2,down\n3,4,up\n", "'nan' is not a finite number"),
        ("", "the file is empty"),
    ],
)
def test_tables(content, says):
    Path("t.csv").write_text(content)
    assert says in refused("train", "t.csv", "--target", "wya")


def test_labels_out_of_range():
    x, t = np.zeros((6, 2), "f4"), np.array([0, 1, 5, 0, 1, 1])
    np.savez("t.npz", x=x, t=t, classes=np.array(["no", "yes"]))
    assert "t[2] is 5: there are 2 names, for 0 .. 1" in refused("train", "t.npz")


def test_damaged_data():
    Path("t.npz").write_bytes(b"rubbish")
    assert "no .npz archive, or damaged" in refused("train", "t.npz")
    Path("t10k-images-idx3-ubyte.gz").write_bytes(gzip.compress(b"rubbish"))
    refused("train", "t10k-images-idx3-ubyte.gz")


@pytest.mark.parametrize(
    "content, says",
    [
        ("[[layer]", "is not TOML"),
        ('[[layer]]\nkind = "Linaer"\n', "did you mean Linear"),
        ('[[layer]]\nkind = "Linear"\nin_features = 5\n', "net.toml: layer 0 (Linear)"),
        (MLP + "out_features = 7\n", "needs 10"),
        (
            '[[layer]]\nkind = "LSTM"\nhidden_size = 4\n',
            "net.toml: the last layer gives (1, 8, 4) per example; needs 10 scores",
        ),
    ],
)
def test_model_files(content, says):
    Path("net.toml").write_text(content)
    assert says in refused("train", "digits", "--model", "net.toml")
    assert not Path("runs").exists()


def test_model_names():
    assert "no model 'cn'; there are cnn, mlp, rnn, lstm, gru" in refused("train", "digits", "--model", "cn")
    assert "cannot read net.toml: No such file" in refused("train", "digits", "--model", "net.toml")
    table()
    assert "cnn cannot read rows of features; mlp can" in refused("train", "t.csv", "--target", "way", "--model", "cnn")


@pytest.mark.parametrize(
    "options, says",
    [
        (["--epochs", "0"], "'--epochs'"),
        (["--epochs", "x"], "'--epochs'"),
        (["--batch", "0"], "'--batch'"),
        (["--batch", "1439"], "--batch must be between 1 and 1438"),
        (["--lr", "nan"], "--lr must be a positive number, got nan"),
        (["--lr", "0"], "--lr must be a positive number"),
        (["--lr", "inf"], "--lr must be a positive number"),
        (["--seed", "-1"], "'--seed'"),
        (["--optimizer", "adma"], "'--optimizer'"),
        (["--target", "way"], "--target names a column of a .csv file"),
        (["--nonsense"], "--nonsense"),
        (["--epochs", "2", "--lr", "1e30", "--optimizer", "sgd"], "try a smaller lr than 1e+30"),
    ],
)
def test_options(options, says):
    assert says in refused("train", "digits", "--model", "mlp", *options)


def test_commands():
    assert "nonsense" in refused("nonsense")
    assert "DATA" in refused("train")


def test_weights_that_do_not_fit():
    Path("net.toml").write_text(MLP)
    assert run("train", "digits", "--model", "net.toml", "--epochs", "1").exit_code == 0
    weights = Path("runs/digits/weights.safetensors")
    good = weights.read_bytes()
    weights.write_bytes(good[:100])
    assert "damaged, or no .safetensors file" in refused("predict", "runs/digits", "digits")
    nn.save({"weight": np.zeros(3, "f4")}, weights)
    assert "does not fit the network" in refused("predict", "runs/digits", "digits")
    nn.save({"1.weight": np.zeros((10, 64), "f4"), "1.bias": np.zeros(9, "f4")}, weights)
    assert "1.bias has shape (9,), needs (10,)" in refused("predict", "runs/digits", "digits")
    weights.unlink()
    assert "cannot read runs/digits/weights.safetensors" in refused("predict", "runs/digits", "digits")
    weights.write_bytes(good)
    assert "the model takes images of 8 x 8 pixels" in refused("predict", "runs/digits", "mnist5k")
    Path("checkpoint.safetensors").write_bytes(good)
    assert "there are runs/digits" in refused("predict", "runs/digit", "digits")


def test_a_disk_that_is_full():
    """The system refuses files beyond 20 kB: the line says what could not be written, and no part of it is left."""
    # The process limits itself: a fork of this one, which may have threads of JAX, would be no safe place for it.
    code = (
        "import resource, runpy, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))\n"
        "sys.argv = ['pullback', 'train', 'digits', '--epochs', '1']; runpy.run_module('pullback', run_name='__main__')"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert found.returncode == 2
    assert found.stderr == "pullback: cannot write runs/digits/weights.safetensors: File too large\n"
    assert [path.name for path in Path("runs/digits").iterdir()] == ["config.json"]


def test_folders_that_cannot_be():
    Path("runs").write_text("a file")
    assert refused("train", "digits", "--model", "mlp", "--epochs", "1").startswith("pullback: runs")
    assert "/dev/null/x" in refused("train", "digits", "--model", "mlp", "--epochs", "1", "--out", "/dev/null/x")


def test_show_tells_of_the_family_and_of_combinators():
    assert "Of all in Recurrent" in run("show", "lstm").output
    assert "Feed a cell its own states" in run("show", "Scan").output


def test_without_a_command_the_help_is_shown():
    found = run()
    assert found.exit_code == 2 and "Usage:" in found.stderr and "\n  train " in found.stderr


def test_output_that_is_not_utf8():
    """What cannot be written is replaced, not a traceback."""
    environment = os.environ | {"PYTHONIOENCODING": "ascii"}
    for args in (("show", "softmax"), ("list",)):
        done = command(*args, env=environment)
        assert done.returncode == 0 and not done.stderr and "softmax" in done.stdout


def test_more_epochs_than_can_be_counted():
    assert "epochs" in refused("train", "digits", "--epochs", "1" + 30 * "0")


@pytest.mark.parametrize("args", [("train", ""), ("train", "digits", "--out", ""), ("train", "digits", "--model", "")])
def test_empty_names_are_refused(args):
    assert "is empty" in refused(*args)
    assert not list(Path().iterdir())


# Damaged runs.


@pytest.fixture
def damaged():
    """A run of one epoch on a table, for a test to damage."""
    table()
    assert run("train", "t.csv", "--target", "way", "--epochs", "1", "--model", "mlp").exit_code == 0
    return Path("runs/t")


DEEP = 3000 * "[" + 3000 * "]"
CONFIGS = [
    ("epochs", "Infinity"), ("epochs", "5.0"), ("epochs", "0"), ("epochs", "true"), ("batch", "0"), ("seed", "-1"),
    ("seed", "1.0"), ("target", "5"), ("shape", "[-2]"), ("shape", "[1000000000000000000]"), ("shape", "[1, 2]"),
    ("classes", '"xy"'), ("classes", '["x", "x"]'), ("mean", "[NaN, NaN]"), ("mean", "[1]"), ("mean", "[1e300, 0]"),
    ("deviation", "[0, 1]"), ("deviation", "[1]"), ("features", '["a"]'), ("optimizer", '"adma"'), ("lr", "-1.0"),
    ("lr", "1e999"),
]  # fmt: skip


def test_damaged_configurations(damaged):
    path = damaged / "config.json"
    good = json.loads(path.read_text())
    for name, value in CONFIGS:
        path.write_text(json.dumps(good | {name: "HERE"}).replace('"HERE"', value))
        for args in (("predict", "runs/t", "t.csv"), ("train", "t.csv", "--resume", "--epochs", "2")):
            said = refused(*args)
            assert "runs/t/config.json is damaged" in said and f": {name} is " in said, said
    for text, says in [(DEEP, "is nested too deeply"), ("[]", "is no object"), ("{}", "does not say data")]:
        path.write_text(text)
        assert f"config.json is damaged, or no configuration of a run: it {says}" in refused(
            "predict", "runs/t", "t.csv"
        )


CHECKPOINTS = {
    "epoch": [np.ones(2, int), np.array(np.nan), np.array(np.inf), np.array(1.0), np.array(-1)],
    "optimiser/steps": [np.ones(2, int), np.array(np.nan), np.array(-1)],
    "optimiser/0.weight/m": [np.zeros(3, "f4"), np.zeros((128, 2)), np.full((128, 2), np.nan, "f4"), None],
    "optimiser/0.weight/x": [np.zeros((128, 2), "f4")],
    "model/0.weight": [np.full((128, 2), np.inf, "f4"), np.full((128, 2), np.nan, "f4")],
}


def test_damaged_checkpoints(damaged):
    path = damaged / "checkpoint.safetensors"
    good = nn.load_weights(path)
    for name, arrays in CHECKPOINTS.items():
        for array in arrays:
            changed = good | {name: array}
            nn.save({key: a for key, a in changed.items() if a is not None}, path)
            said = refused("train", "t.csv", "--resume", "--epochs", "2")
            assert "checkpoint.safetensors is damaged: " in said and name.partition("/")[2] in said, said
    nn.save({key: a for key, a in good.items() if "0.bias/" not in key}, path)
    assert "is damaged: it has no 0.bias/m" in refused("train", "t.csv", "--resume", "--epochs", "2")
    nn.save(good, path)
    assert run("train", "t.csv", "--resume", "--epochs", "2").exit_code == 0


def test_weights_that_are_not_finite(damaged):
    path = damaged / "weights.safetensors"
    nn.save(nn.load_weights(path) | {"0.bias": np.full(128, np.nan, "f4")}, path)
    assert "is damaged: 0.bias holds numbers that are not finite" in refused("predict", "runs/t", "t.csv")


HISTORIES = [
    ("loss", '"x"'), ("loss", "null"), ("loss", "Infinity"), ("accuracy", "null"), ("gradients", "{}"),
    ("gradients", '{"0": "x"}'), ("gradients", "[]"), ("epoch", "7"), ("epoch", DEEP),
]  # fmt: skip


def test_damaged_histories(damaged):
    path = damaged / "history.jsonl"
    good = json.loads(path.read_text())
    for name, value in HISTORIES:
        path.write_text(json.dumps(good | {name: "HERE"}).replace('"HERE"', value))
        said = refused("train", "t.csv", "--resume", "--epochs", "2")
        assert "history.jsonl is damaged: line 1: " in said
        assert ("nested too deeply" if value == DEEP else f"{name} is ") in said
