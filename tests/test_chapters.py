"""The chapters: their code runs as it stands on the page, and what they say of their numbers is so."""

import re

import numpy as np
import pytest

from pullback.handbook.site.cells import Cells, cell, executed, shown
from pullback.handbook.site.chapters import FOLDER, slugs

SHOWN = re.compile(r'<< cell\("([\w-]+)"\) >>')


def cells(slug):
    return Cells(FOLDER / slug / "code.py", "en")


@pytest.mark.parametrize("slug", slugs())
def test_code_that_a_page_shows_runs_as_it_stands_and_gives_what_it_says(slug):
    """A reader who types it from the top of the page to its end needs nothing else, and gets the same."""
    known, names = cells(slug), {}
    for name in SHOWN.findall((FOLDER / slug / "en.md").read_text("utf-8")):
        assert repr(executed(known.code[name], names, name)) == repr(known.results[name]), name


@pytest.mark.parametrize("slug", slugs())
def test_no_cell_is_forgotten(slug):
    used = re.findall(r'<< (?:cell|figure)\("([\w-]+)"\) >>', (FOLDER / slug / "en.md").read_text("utf-8"))
    assert sorted(used) == sorted(cells(slug).code)


def test_arrays_of_several_rows_stand_below_one_another():
    """Beside each other their rows would not."""
    two = np.eye(2)
    assert shown((two, two)) == "[[1. 0.]\n [0. 1.]],\n[[1. 0.]\n [0. 1.]]"
    assert shown((two[0], 0.5)) == "[1. 0.], 0.5"


def test_names_in_tables_are_broken_where_a_reader_would():
    assert (
        cell("layer_norm, of one") == "<td>layer_<wbr>norm, of one</td>"
        and cell("1e-10") == '<td class="glued">1e-10</td>'
    )


def increasing(values):
    return bool(np.all(np.diff(values) > 0))


# What a chapter says in words about its numbers: sentence -> is it so, for the names of its code.
CLAIMS = {
    "introduction": {
        "the two products belong together": lambda v: np.isclose(
            v["g"] @ v["at"].jvp(v["t"]), v["at"].vjp(v["g"]) @ v["t"], rtol=1e-12
        ),
    },
    "01-softmax": {
        "every row and every column sums to 0": lambda v: all(
            np.allclose(v["there"].jacobian().dense().sum(axis), 0, atol=1e-15) for axis in (0, 1)
        ),
        "it is symmetric": lambda v: np.array_equal(J := v["there"].jacobian().dense(), J.T),
        "with a gradient of ones the answer is 0": lambda v: np.allclose(v["at"].vjp(np.ones(2)), 0),
        "the diagonal alone shows itself": lambda v: not np.allclose(v["wrong"], v["at"].vjp(v["gy"])),
    },
    "02-cross-entropy": {
        "p - y": lambda v: np.allclose(v["at"].vjp(1.0)[0], v["g_x"]),
        "the gradient of p is not": lambda v: not np.allclose(v["g_p"], v["g_x"]),
        "the steps return nan": lambda v: np.isnan(v["steps"]).all(),
        "the fused rule returns the truth": lambda v: np.allclose(v["fused"], [[1, -1]]),
        "one softmax too many: the signs are right": lambda v: np.array_equal(
            np.sign(v["once_too_often"]), np.sign(v["at"].vjp(1.0)[0])
        ),
        "and the loss stops at log(e + n - 1) - 1": lambda v: np.isclose(
            v["pb"].cross_entropy(np.eye(5)[:1], [0]), np.log(np.e + 4) - 1
        ),
    },
    "03-why-not-mse": {
        "the worse the mistake, the weaker the correction": lambda v: (
            increasing(np.abs(v["squared"][:3])) and increasing(-np.abs(v["crossed"]))
        ),
        "the squared error takes longer": lambda v: v["slow"] > 10 * v["fast"],
        "nearly all of it on the plateau": lambda v: v["steps_until"](0.1, v["of_squared"]) > 0.8 * v["slow"],
        "its curvature is negative where the truth has a probability below 1/3": lambda v: all(
            np.sign(v["curvature"](v["squared_loss"], np.log(p / (1 - p)))) == np.sign(p - 1 / 3)
            for p in (0.05, 0.3, 0.33, 0.34, 0.45, 0.9)
        ),
        "cross-entropy is convex": lambda v: all(v["curvature"](v["crossed_loss"], x) > 0 for x in (-4.0, 0.0, 4.0)),
    },
    "04-transposes": {
        "nothing is left but rounding": lambda v: (
            np.allclose(v["gW"], v["dY"].T @ v["X"], rtol=1e-14) and np.allclose(v["gX"], v["dY"] @ v["W"], rtol=1e-14)
        ),
        "a batch adds outer products up": lambda v: np.allclose(v["outer"], v["gW"], rtol=1e-12),
    },
    "05-sum-or-mean": {
        "the ratio is the number of elements": lambda v: np.allclose(v["ratio"], 8),
        "a nudge says the same": lambda v: np.isclose(v["moved"], v["gy"].sum(0)[0], rtol=1e-6),
        "with a sum the gradient grows with the batch": lambda v: (
            v["rows"][2][1] > 8 * v["rows"][1][1] and v["rows"][1][1] > 4 * v["rows"][0][1]
        ),
        "with a mean it keeps its size": lambda v: (
            max(row[2] for row in v["rows"]) < 3 * min(row[2] for row in v["rows"])
        ),
    },
    "06-max-pool": {
        "the 5 gets 2 where windows overlap": lambda v: v["h"][1] == 2 and v["g"][1] == 1,
        "a tie: one half by central differences": lambda v: [round(row[3], 9) for row in v["rows"]] == [0.5, 0.5],
        "the first gets all": lambda v: v["at"].vjp(np.ones((1, 1, 1)))[0, 0].tolist() == [1, 0],
    },
    "07-convolution": {
        "the gradient of x is a convolution": lambda v: np.array_equal(
            v["np"].convolve([1, 0, 2], v["w"]), [1, 10, 102, 20, 200]
        ),
        "each weight was used 2 × 6 × 6 times": lambda v: np.all(v["gw"] == 72),
    },
    "08-bptt": {
        "the three ways sum up to what the rule returns": lambda v: np.isclose(
            v["direct"] + v["through_h2"] + v["through_h1"], v["gradients"]["w_l0"].item()
        ),
        "and so does the sweep": lambda v: (
            np.isclose(v["gw"], v["gradients"]["w_l0"].item()) and np.isclose(v["gu"], v["gradients"]["u_l0"].item())
        ),
    },
    "09-lstm": {
        "the sweep agrees with the layer": lambda v: np.allclose(v["sweep"](True), v["truth"], rtol=1e-12),
        "both omissions are wrong": lambda v: v["distance"](v["sweep"](False)) > 0.1 and v["distance"](v["last"]) > 0.5,
        "nothing comes to u from a state of zeros": lambda v: not v["g_u"].any(),
    },
    "10-batch-norm": {
        "three paths, one sum": lambda v: np.allclose(
            v["direct"] + v["through_mean"] + v["through_variance"], v["truth"], rtol=1e-12
        ),
        "orthogonal to ones, and to x̂ but for eps": lambda v: (
            abs(v["truth"].sum()) < 1e-12 and 1e-9 < abs(v["truth"] @ v["x_hat"]) < 1e-4
        ),
        "another divisor, another gradient": lambda v: not np.allclose(v["unbiased"], v["truth"], rtol=0.05),
        "that is the gradient with the other divisor": lambda v: np.allclose(
            v["unbiased"],
            by_differences(lambda x: ((x - x.mean()) / np.sqrt(x.var(ddof=1) + v["eps"])) @ v["g"], v["x"]),
            rtol=1e-4,
            atol=1e-6,
        ),
        "in evaluation it is a scale": lambda v: np.allclose(v["fixed"], v["r"] * v["g"]),
    },
    "11-gradient-check": {
        "float64 has the shape of a V, with its bottom near 1e-5": lambda v: (
            min(range(9), key=lambda k: v["rows"][k][1]) == 4
        ),
        "the bottom of float32 lies at a large step": lambda v: min(range(9), key=lambda k: v["rows"][k][2]) in (0, 1),
        "a bug is a plateau": lambda v: all(0.009 < row[3] < 0.011 for row in v["rows"]),
        "noise explodes as 1/h": lambda v: (
            v["error"](np.ones(6), 1e-6, function=v["noisy"])
            > 1000 * v["error"](np.ones(6), 1e-2, function=v["noisy"]) / 10
        ),
        "relu beside its kink: the large step is wrong": lambda v: (
            v["at"][0] == 0 != v["differences"](1e-3)[0] and v["differences"](1e-5)[0] == 0
        ),
        "one-hot gradients do not see |g|": lambda v: v["same"],
    },
    "12-relu-at-zero": {
        "the frameworks take 0, the default is 1": lambda v: (
            (v["choices"]["right"], v["choices"]["torch"], v["choices"]["jax"], v["choices"]["tf"]) == (1, 0, 0, 0)
        ),
        "of one mind about relu": lambda v: v["rows"][0][3:] == ["0", "0", "0"],
        "and about no other row": lambda v: all(len({*row[2:]}) > 1 for row in v["rows"]),
        "the weights do not feel the choice, the bias does": lambda v: v["of_weights"] < 1e-6 < 1 < v["of_biases"],
    },
    "13-nan-and-overflow": {
        "with 16 bits a score of 12 is too much": lambda v: 11 < v["largest"]["float16"] < 12,
        "a single bit is left at 16, and none at 17": lambda v: v["rows"][2][1] > 0 == v["rows"][3][1],
        "the rule keeps its digits": lambda v: all(np.isclose(row[2], row[3], rtol=1e-6) for row in v["rows"]),
        "nan from a branch that was not taken": lambda v: (
            np.isnan(v["gx"]).tolist() == [True, False] and np.isfinite(v["y"]).all()
        ),
        "a row that sees nothing has probability 0": lambda v: not v["pb"].softmax(v["row"])[0].any(),
    },
    "14-vanishing": {
        "the sigmoid loses more than a factor of four a layer": lambda v: v["results"][0][2][29] < 0.25**30,
        "relu loses √2 a layer": lambda v: abs(np.log(v["results"][3][2][29]) / 30 + np.log(2) / 2) < 0.05,
        "and keeps the length with √2": lambda v: 0.2 < v["results"][4][2][29] < 5,
        "and explodes with 2": lambda v: v["results"][5][2][29] > 1000,
        "in the last row nearly every unit is dead": lambda v: v["rows"][-1][1] > 0.9 and v["rows"][0][1] == 0,
    },
    "15-attention": {
        "four lines agree with the rule": lambda v: all(
            np.allclose(a, b, rtol=1e-12) for a, b in zip((v["gq"], v["gk"], v["gv"]), v["at"].vjp(v["gy"]))
        ),
        "the sum may be had from the output": lambda v: np.allclose(v["rows_of_p"], v["rows_of_y"], rtol=1e-12),
        "both faults are seen": lambda v: min(v["error"](v["no_scale"]), v["error"](v["diagonal"])) > 0.1,
    },
}


def by_differences(function, x, step=1e-6):
    moves = step * np.eye(len(x))
    return np.array([(function(x + move) - function(x - move)) / (2 * step) for move in moves])


@pytest.mark.parametrize("slug", [slug for slug in slugs() if slug != "conventions"])
def test_what_a_chapter_says_of_its_numbers_is_so(slug):
    values = cells(slug).names
    assert slug in CLAIMS
    for sentence, is_so in CLAIMS[slug].items():
        assert is_so(values), sentence


def test_a_sweep_that_overwrites_leaves_the_first_step():
    """Chapter 8 says what = for += does: its own loop, so spoiled, ends at step 1."""
    known = cells("08-bptt")
    overwriting = known.code["recursion"].replace("gw + ", "").replace("gu + ", "")
    _, (gw, gu) = executed(overwriting, dict(known.names), "recursion")
    assert np.isclose(gw, known.names["through_h1"], rtol=1e-12) and gu == 0
    for lang, first, last in (
        ("en", "trained on the first step only", "last step only"),
        ("zh", "只在第一步上", "只在最后一步上"),
    ):
        said = (FOLDER / "08-bptt" / f"{lang}.md").read_text("utf-8")
        assert first in said and last not in said and "<< num(through_h1) >>" in said
