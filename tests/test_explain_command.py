"""What is typed after `pullback explain`: numbers, hyperparameters, and one clear line for whatever is wrong."""

import json
import subprocess
import sys
from pathlib import Path
from typing import get_type_hints

import numpy as np
import pytest
from explaining import refused, run

import pullback as pb
from pullback.discovery import every
from pullback.errors import OptionError, ShapeError
from pullback.handbook.explanation import reading


def test_softmax_with_numbers():
    said = run("softmax", "--x", "2,3", "--gy", "1,0", "--lang", "en")
    assert said.exit_code == 0
    for part in ("y  [2]  [0.2689 0.7311]", "gx  [2]  [0.1966 -0.1966]", "y[0]   0.1966  -0.1966", "Diagonal - Outer"):
        assert part in said.output, said.output
    assert "an example" not in said.output


@pytest.mark.parametrize(
    "text, value",
    [
        ("2", 2), ("-2.5", -2.5), ("2,3", [2, 3]), ("2 3", [2, 3]), ("2,", [2]), ("[2]", [2]), ("[]", []),
        ("[[1,2],[3,4]]", [[1, 2], [3, 4]]), ("[[1 2] [3 4]]", [[1, 2], [3, 4]]), ("[1 -2]", [1, -2]),
        ("[-inf, 0]", [-np.inf, 0]), ("1e-3,2", [1e-3, 2]), ("true,false", [True, False]),
    ],
)  # fmt: skip
def test_numbers_are_read(text, value):
    assert reading.numbers("x", text) == value


def test_what_is_wrong_with_numbers_is_said():
    for text in ("[1", "a", "1;2", "{1}", "[1,[2]]", "None"):
        with pytest.raises((OptionError, ShapeError)):
            reading.numbers("x", text)


def test_one_number_where_several_are_needed():
    said = refused("softmax", "--x", "2")
    assert "out of range for x of shape (); --x is a single number, and several are separated by commas: 2,3" in said
    assert "commas" not in refused("linear", "--x", "[1,2]", "--w", "[[1,2,3]]")


def test_hyperparameters_are_options():
    def y(*args):
        return json.loads(run(*args, "--json").output)["outputs"]["y"]

    assert y("softmax", "--x", "[[0,0],[0,0]]", "--axis", "0")["values"] == [[0.5, 0.5], [0.5, 0.5]]
    assert y("softmax", "--x=[[0,0],[0,0]]", "--axis=-1")["values"] == [[0.5, 0.5], [0.5, 0.5]]
    assert y("conv2d", "--x", "[[[1,2,3,4],[5,6,7,8]]]", "--stride", "(1,2)", "--padding", "1")["shape"] == [1, 3, 3]
    assert y("max_pool1d", "--x", "[1,5,2,4]", "--kernel-size", "4")["values"] == [5.0]
    assert y("gelu", "--x", "1", "--approximate", "tanh")["values"] == pb.gelu(1.0, approximate="tanh")
    assert y("rnn", "--bidirectional")["shape"] == [3, 2]
    assert y("conv1d", "--groups", "2")["shape"] == [2, 3]


@pytest.mark.parametrize(
    "args, says",
    [
        (["batch_norm", "--training", "false"], "training = False"),
        (["group_norm", "--num_groups", "1"], "num_groups = 1"),
        (["adaptive_avg_pool1d", "--output_size", "1"], "output_size = (1,)"),
        (["clamp", "--max", "inf"], "min = -1.0, max = inf"),
    ],
)
def test_a_default_that_was_asked_for_is_not_that_of_the_example(args, says):
    assert says in run(*args, "--lang", "en").output
    assert says not in run(args[0], "--lang", "en").output, "else this shows nothing"


WRITTEN_DOWN = {"value"}  # of pad and threshold: put into y as it is, nan or not


FLOATS = [
    (name, option)
    for name, rule in every().items()
    for option, kinds in get_type_hints(type(rule)).items()
    if option in rule.options and "float" in str(kinds) and option not in WRITTEN_DOWN
]


@pytest.mark.parametrize("name, option", FLOATS)
def test_a_hyperparameter_that_is_no_number_is_refused(name, option):
    """And an infinite one, where it would make nan of all numbers."""
    assert f"{option}=nan" in refused(name, f"--{option}", "nan")
    for text in ("inf", "-inf"):
        found = run(name, f"--{option}={text}", "--json")
        if found.exit_code:
            assert f"{option}={text}" in found.stderr and found.stderr.count("\n") == 1
        else:
            said = json.loads(found.output)
            arrays = [*said["outputs"].values(), *said["gradients"].values()]
            assert all(np.isfinite(np.array(a["values"], float)).all() for a in arrays)


@pytest.mark.parametrize(
    "args, says",
    [
        (["sofmax"], "did you mean softmax"),
        (["Chain"], "Chain makes a rule out of others"),
        (["softmax", "--xx", "2"], "softmax has no --xx; did you mean --x"),
        (["softmax", "--zzzzz", "2"], "softmax has no --zzzzz; it has --x, --input, --gy, --axis"),
        (["softmax", "--x"], "--x needs numbers, as in --x 2,3"),
        (["softmax", "--x", "two"], "cannot read 'two' as numbers"),
        (["softmax", "--x", ""], "--x is empty"),
        (["softmax", "--x", "[[1,2],[3]]"], "the list is ragged"),
        (["softmax", "--x", "1+2j"], "cannot read"),
        (["softmax", "--x", "[" * 5000], "cannot read"),
        (["softmax", "--x", "__import__('os')"], "cannot read"),
        (["softmax", "--x", "2,3", "--x", "2,3"], "--x is given twice"),
        (["softmax", "2,3"], "do not know what '2,3' is for"),
        (["softmax", "--x", "2,3", "--axis", "2"], "axis=2 is out of range"),
        (["softmax", "--axis", "first"], "axis must be int"),
        (["softmax", "--x", "2,3", "--gy", "1,2,3"], "gy has shape (3,), needs (2,)"),
        (["conv2d", "--stride"], "--stride needs a value"),
        (["conv2d", "--strid", "2"], "did you mean --stride"),
        (["conv2d", "--x", "1,2"], "x has shape (2,), needs x[... i *n]: at least 3 axes, as in [[[1, 2]]], not 1\n"),
        (["linear", "--x", "1,2", "--w", "1,2"], "needs w[o i] with ...=(), i=2: 2 axes, as in [[1, 2]], not 1\n"),
        (["linear", "--x", "1,2", "--w", "[[1,2,3]]"], "linear: w has shape (1, 3), needs w[o i] with"),
        (["embedding", "--x", "7", "--w", "[[1,2]]"], "must lie in 0 .. 0, got 7"),
        (["lstm", "--num-layers", "100000"], "num_layers=100000 is more than can be explained; 32 is the most"),
        (["conv2d", "--padding", "100000"], "conv2d: y would be 40000800004 numbers, more than can be explained"),
        (["adaptive_avg_pool2d", "--output-size", "99999"], "y would be 9999800001 numbers"),
        (["softmax", "--json", "--latex"], "one way at a time, got --json and --latex"),
        (["softmax", "--ascii", "--lang", "zh"], "Chinese cannot be written in ASCII"),
        (["softmax", "--lang", "fr"], "--lang"),
        (["softmax", "--html", "no/such/place.html"], "cannot write no/such/place.html"),
        (["softmax", "--html", ""], "is empty"),
        (["softmax", "--html", "/"], "cannot write /: it is no regular file"),
        (["relu", "--kink", "middle"], "'torch', 'jax', 'tf'), with kink='middle'\n"),
        (["relu", "--convention", "--latex"], "is no LaTeX"),
        (["relu", "--convention", "--z", "0"], "relu has no --z"),
    ],
)
def test_one_clear_line(args, says, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert says in refused(*args)
    assert not list(Path().iterdir())


def test_a_page_is_written_whole(tmp_path):
    path = tmp_path / "softmax.html"
    said = run("softmax", "--x", "2,3", "--html", str(path), "--lang", "zh")
    assert said.exit_code == 0 and said.output == f"已写入 {path}\n"
    assert path.read_text("utf-8").endswith("</html>\n") and [p.name for p in tmp_path.iterdir()] == ["softmax.html"]


def test_a_pipe_that_closes():
    code = f"{sys.executable} -m pullback explain lstm | head -n 1"
    found = subprocess.run(["bash", "-c", code], capture_output=True, text=True)
    assert found.stdout == "lstm\n" and not found.stderr
