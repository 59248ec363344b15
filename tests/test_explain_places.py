"""Where numbers are special: kinks, poles, nan, infinity, and what rounding leaves."""

import json
import re

import numpy as np
import pytest
from explaining import run

from pullback.handbook.explanation import explain


def test_elements_on_a_kink_are_named():
    said = run("relu", "--x", "-1,0,2", "--lang", "en").output
    assert "At x = 0 the derivative jumps from 0 to 1" in said and "Here: x[1]." in said
    said = run("relu", "--x", "[[1,0],[0,2]]", "--kink", "mean", "--lang", "zh").output
    assert "此处：x[0,1], x[1,0]" in said and "此处取 0.5" in said
    assert "Here: x - t[1]." in run("l1_loss", "--x", "1,2", "--t", "0,2", "--lang", "en").output


def test_kinks_of_channels_are_told_apart():
    """A slope for each of them, named with it; the elements that lie there once."""
    said = run("prelu", "--x", "[[0,1,0],[1,0,0]]", "--w", "0.1,0.2,0.1", "--lang", "en").output
    assert "At x[:,[0,2]] = 0 the derivative jumps from 0.1 to 1" in said
    assert "At x[:,1] = 0 the derivative jumps from 0.2 to 1" in said
    assert "Here: x[0,0], x[0,2], x[1,2], x[1,1]." in said
    shared = run("prelu", "--x", "[[0,1]]", "--w", "[0.1]", "--lang", "en").output
    assert "At x = 0 the derivative jumps from 0.1 to 1" in shared


@pytest.mark.parametrize("w", ["nan,1", "1,inf", "[nan,nan]", "[1]"])
def test_equal_sides_and_sides_that_are_unknown_are_no_kink(w):
    said = run("prelu", "--x", "[[1,0]]", "--w", w, "--lang", "en").output
    kinks = said.partition("Kinks")[2].partition("What it keeps")[0]
    assert "None: differentiable" in kinks and "jumps" not in kinks
    beside = run("prelu", "--x", "[[1,0,0]]", "--w", "nan,1,0.5", "--lang", "en").output
    assert beside.count("jumps from") == 1 and "At x[:,2] = 0 the derivative jumps from 0.5 to 1" in beside
    assert "Here: x[0,2]." in beside


def test_a_few_elements_on_a_kink_stand_for_many():
    said = str(explain("relu", np.zeros(3000), lang="en"))
    assert "x[23] … and 2976 more values." in said and "x[24]" not in said.partition("Here:")[2]


@pytest.mark.parametrize("lang, word", [("en", "left"), ("zh", "torch")])
def test_the_choice_is_not_among_the_other_choices(lang, word):
    said = " ".join(run("relu", "--x", "0,1", "--kink", word, "--lang", lang).output.split())  # it may be wrapped
    others = re.search(f"kink={word}(.*?)[.。]", said)[1]
    assert word not in others and all(other in others for other in {"right", "mean", "jax", "tf"} - {word})


def test_a_logarithm_that_is_held_is_no_smooth_function():
    said = str(explain("binary_cross_entropy", [0.0, 0.5, 1.0], [1.0, 0.0, 0.0], lang="en"))
    assert "Here: x[0], x[2]." in said and "wherever it is defined" not in said
    assert "None of these numbers lies there." in str(explain("binary_cross_entropy", lang="en"))


def test_an_infinite_bound_is_no_place():
    for name, option in (("hardtanh", "max_val"), ("softplus", "threshold"), ("huber_loss", "delta")):
        said = run(name, f"--{option}", "inf", "--lang", "en").output
        kinks = said.partition("Kinks")[2].partition("What it keeps")[0]
        assert kinks and "= inf" not in kinks


def test_what_rounding_leaves_is_shown_as_nothing():
    """1.1·(-1) - 0.2·3 + 0.4·2.5 + 0.7·1 is 0; a small gradient that is right stays, however small."""
    found = explain("conv_transpose2d", lang="en")
    (gx,) = (g.values for g in found.gradients if g.name == "gx")
    assert 0 < abs(gx[0, 1, 1]) < 1e-15, "else this shows nothing"
    assert "e-16" not in str(found) and "[3.4 0]" in str(found)
    assert "gx  [2]  [0.25 8.757e-27]" in str(explain("sigmoid", [0.0, 60.0], gy=[1.0, 1.0], lang="en"))
    assert "[3.72e-44 -3.72e-44]" in str(explain("softmax", [0.0, 100.0], gy=[1.0, 0.0], lang="en"))
    assert "[0 0]" in str(explain("softmax", [0.3, 0.1], gy=[0.7, 0.7], lang="en"))


def test_nan_stays_where_it_belongs():
    """∂y/∂x is w wherever x is nan or not; y and ∂y/∂w are nan where they see it, and rounding is rounding still."""
    found = explain("conv_transpose2d", [[[np.nan, 1.0], [2.0, 3.0]]], lang="en")
    by_x, by_w = (block.matrix for block in found.jacobians)
    right = explain("conv_transpose2d", [[[4.0, 1.0], [2.0, 3.0]]], lang="en").jacobians
    assert np.array_equal(by_x, right[0].matrix)
    assert np.isnan(by_w).any() and np.array_equal(by_w[~np.isnan(by_w)], right[1].matrix[~np.isnan(by_w)])
    assert "e-16" not in str(found) and "[3.4 0]" in str(found)


def test_an_entry_that_has_no_part_in_a_nan_is_no_nan():
    """Nor in an infinite slope, a negative root, or a product that overflows; in every example of a batch."""
    (root,) = explain("sqrt", [-1.0, 0.0, 4.0], lang="en").jacobians
    assert np.array_equal(root.matrix, np.diag([np.nan, np.inf, 0.25]), equal_nan=True)
    by_x, by_w = explain("conv1d", [[[np.nan, 1.0, 2.0]], [[1.0, 2.0, 3.0]]], [[[1.1, -0.2]]], lang="en").jacobians
    assert np.isfinite(by_x.matrix).all() and np.argwhere(np.isnan(by_w.matrix)).tolist() == [[0, 0]]
    by_x, *_ = explain("bilinear", [1e200, 1.0], [1e200, 1.0], [[[1.0, 2.0], [3.0, 4.0]]], lang="en").jacobians
    assert np.allclose(by_x.matrix, [[1e200, 3e200]])
    scores = explain("softmax", [[np.nan, 1.0], [1.0, 2.0]], lang="en").jacobians[0].matrix
    assert np.isnan(scores[:2, :2]).all() and not np.isnan(scores[2:]).any() and not scores[:2, 2:].any()


@pytest.mark.parametrize(
    "name, inputs",
    [
        ("softmax", [[np.nan, np.nan]]),
        ("log_softmax", [[np.nan, np.nan]]),
        ("layer_norm", [[np.inf, np.inf]]),
        ("cross_entropy", [[np.nan, np.nan], 1]),
        *((loss, [[np.inf, 1.0], [np.inf, 0.0]]) for loss in ("l1_loss", "mse_loss", "huber_loss", "smooth_l1_loss")),
        ("binary_cross_entropy", [[np.nan, 0.5], [np.nan, 1.0]]),
        ("rms_norm", [[np.nan, np.inf, -np.inf]]),
    ],
)
def test_two_that_are_unknown_are_not_taken_for_equal(name, inputs):
    """An entry is nan where its gradient is: their difference is as unknown as they are. Others have no part in it."""
    found = explain(name, *inputs, lang="en")
    for g in found.gradients:
        (block,) = (b for b in found.jacobians if f"g{b.by}" == g.name)
        assert np.array_equal(np.isnan(block.matrix).any(0), np.isnan(g.values).reshape(-1)), (g, block.matrix)
    assert any(np.isnan(b.matrix).any() for b in found.jacobians)


@pytest.mark.parametrize("name, x", [("log", 0.0), ("sqrt", 0.0), ("square", 1e308)])
def test_an_infinite_gradient_is_no_rounding_error(name, x):
    """It is not small beside the terms that it is the sum of, for they are infinite too."""
    found = explain(name, x, gy=1.0, lang="en")
    assert [g.values for g in found.settled] == [np.inf] and "gx  []  inf" in str(found)


def test_no_number_but_nan_and_infinity_is_lost():
    found = run("softmax", "--x", "[-inf,-inf]", "--json")
    assert json.loads(found.output)["inputs"]["x"]["values"] == ["-inf", "-inf"]
    assert "nan" in run("softmax", "--x", "[nan,1]", "--lang", "en").output
