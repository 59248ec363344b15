"""The table of what frameworks return at kinks: as measured with those installed, and as our words for them say."""

import json
import runpy
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from pullback.cli import main
from pullback.discovery import every
from pullback.handbook.explanation.convention import FRAMEWORKS, Conventions, measured, ours, points
from pullback.handbook.site.chapters import FOLDER
from pullback.handbook.words import LANGUAGES

TOOL = runpy.run_path(str(Path(__file__).parent.parent / "tools" / "conventions.py"))
KERAS = runpy.run_path(str(Path(__file__).parent.parent / "tools" / "keras_facts.py"))
POINTS = measured()["points"]
NAMES = [f"{k}-{point['rule']}" for k, point in enumerate(POINTS)]
UNLIKE = {("prelu", "tf")}  # Keras' PReLU gives 0 at 0, which lies outside of [w, 1]: no word of ours can pick it


def gradient(point, name):
    return np.array(point["gradients"][name], float)


def test_what_is_installed_returns_what_the_table_says():
    """`make conventions` would change nothing but dates: run it when a framework changed."""
    now = TOOL["named"](TOOL["table"](measured()))
    assert [TOOL["key"](p) for p in now["points"]] == [TOOL["key"](p) for p in POINTS]
    assert [p["calls"] for p in now["points"]] == [p["calls"] for p in POINTS]
    for fresh, kept in zip(now["points"], POINTS, strict=True):
        for name in FRAMEWORKS:
            if kept["calls"][name]:
                assert np.allclose(gradient(fresh, name), gradient(kept, name), equal_nan=True), (kept["rule"], name)
    versions = lambda found: {name: v["version"] for name, v in found["measured"].items()}
    assert versions(now) == versions(measured())


def test_every_call_was_measured():
    assert set(measured()["measured"]) == set(FRAMEWORKS)
    for point in POINTS:
        assert all((point["gradients"][n] is None) == (point["calls"][n] is None) for n in FRAMEWORKS)
        assert all(np.shape(gradient(point, n)) == np.shape(ours(point)) for n in FRAMEWORKS if point["calls"][n])


@pytest.mark.parametrize("name", [name for name, rule in every().items() if "kink" in rule.options])
def test_every_rule_with_a_word_for_frameworks_was_measured(name):
    if getattr(every()[name], "nonlinearity", "") != "tanh":
        assert points(every()[name])


@pytest.mark.parametrize("point", POINTS, ids=NAMES)
def test_the_words_for_frameworks_pick_what_they_return(point):
    """Our value is that of the framework, and not by chance: it is compared with what was measured."""
    rule = every()[point["rule"]]
    if "kink" not in rule.options or rule.name == "smooth_l1_loss":
        return
    for name in FRAMEWORKS:
        if point["calls"][name] and (rule.name, name) not in UNLIKE:
            assert np.allclose(ours(point, kink=name), gradient(point, name), atol=1e-6), (name, point)


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("name", every())
def test_every_rule_has_its_table_or_says_why_not(name, lang):
    found = CliRunner().invoke(main, ["explain", name, "--convention", "--lang", lang])
    assert found.exit_code == 0 and name in found.output
    assert ("PyTorch" in found.output) == bool(points(every()[name]))


def test_as_data_and_as_a_page(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = json.loads(CliRunner().invoke(main, ["explain", "softmax", "--convention", "--json"]).output)
    (row,) = found["points"]
    assert row["gradients"]["torch"] == ["nan", "nan"] and row["pullback"] == [0.0, 0.0]
    assert CliRunner().invoke(main, ["explain", "relu", "--convention", "--html", "relu.html"]).exit_code == 0
    assert "PyTorch" in Path("relu.html").read_text("utf-8")


def shown(*typed):
    return " ".join(CliRunner().invoke(main, ["explain", *typed, "--convention", "--lang", "en"]).output.split())


def test_at_the_readers_numbers():
    both = shown("relu", "--x", "0,2,-3")
    assert "x = [0] [1] [0] [0] [0]" in both
    assert "There is one derivative at [2 -3], which all of them return." in both
    alone = shown("relu", "--x", "2")
    assert "Nothing was measured at these numbers; it was at x = [0]." in alone and "PyTorch" not in alone
    assert "one derivative" not in shown("relu", "--x", "0")
    tie = shown("softmax", "--x", "1,1")
    assert "Nothing was measured at these numbers" in tie and "one derivative" not in tie
    pool = shown("max_pool1d", "--x", "[[1,1]]")
    assert "x = [[1 1]]" in pool and "[[[1 1] [1 1]]]" not in pool


def test_at_the_readers_hyperparameters():
    assert "PyTorch" in shown("leaky_relu", "--x", "0", "--negative_slope", "0.01")
    assert "with these hyperparameters" in shown("leaky_relu", "--x", "0", "--negative_slope", "0.3")
    assert "with these hyperparameters" in shown("relu", "--x", "0", "--kink", "torch")


@pytest.mark.parametrize(
    "typed, measured",
    [
        (["relu6", "--x", "6"], True),
        (["relu6", "--x", "5"], False),
        (["hardtanh", "--x", "1,0,-1"], True),
        (["hardshrink", "--x", "0.5,0.2"], True),
        (["l1_loss", "--x", "1,2", "--t", "0,1"], False),
        (["l1_loss", "--x", "1,2", "--t", "1,1"], True),
    ],
    ids=str,
)
def test_one_of_the_numbers_in_the_place_of_all_inputs(typed, measured):
    assert ("PyTorch" in shown(*typed)) == measured


def test_only_words_that_hold_are_recommended():
    assert Conventions(every()["relu"], "en").words() == ["torch", "jax", "tf"]
    assert Conventions(every()["prelu"], "en").words() == ["torch"]
    assert Conventions(every()["softmax"], "en").words() == []


def test_what_the_page_says_of_keras_is_what_keras_says():
    pytest.importorskip("keras")
    kept = json.loads(KERAS["TARGET"].read_text("utf-8"))
    assert json.loads(json.dumps(KERAS["facts"]()["facts"])) == kept["facts"]


@pytest.mark.parametrize("lang", LANGUAGES)
def test_what_keras_does_with_ignored_targets(lang):
    """Each example costs 1: the mean stays 1 if those that are ignored are not in the divisor."""
    (kept,) = (said for asked, said in json.loads(KERAS["TARGET"].read_text("utf-8"))["facts"] if "ignored" in asked)
    page = (FOLDER / "conventions" / f"{lang}.md").read_text("utf-8")
    (row,) = (line for line in page.splitlines() if line.startswith(("| ignored targets", "| 被忽略的目标")))
    keras = row.split("|")[-2]
    assert kept == "[1.0, 1.0, 0.0]" and "`ignore_class`" in keras and ("divisor" in keras or "除数" in keras)
