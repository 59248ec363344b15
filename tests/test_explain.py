"""`pullback explain`: every rule, in both languages, on every kind of page; examples; how it is used from Python."""

import json
import re
import subprocess
import sys
from html.parser import HTMLParser

import numpy as np
import pytest
from explaining import RULES, run, untupled

import pullback as pb
from pullback.check.contract import as_tuple
from pullback.discovery import every
from pullback.errors import PullbackError
from pullback.handbook.explanation import explain, terminal
from pullback.handbook.explanation.meaning import summary
from pullback.handbook.words import LANGUAGES, texts


@pytest.mark.parametrize("name", RULES)
def test_every_rule_is_explained(name):
    """All sections, in both languages, no wider than asked for; HTML, LaTeX and JSON are well formed."""
    for lang in LANGUAGES:
        found = explain(name, lang=lang)
        said = terminal.text(found.sections, 80)
        for word in ("numbers", "derivation", "jacobian", "vjp", "kinks", "memory", "mistakes"):
            assert texts()[f"explain.{word}"][lang] in said
        assert summary(found.rule, lang)[:10] in said
        assert max(map(terminal.cell_len, said.splitlines())) <= 80
        assert "\x1b" not in said
        page = found.to_html()
        assert Balanced(page).open == [] and "<svg" in page and "http://www.w3.org/2000/svg" in page
        assert not re.search(r"(src|href)=", page)
        typeset = found.to_latex()
        assert typeset.count("{") == typeset.count("}") and typeset.count(r"\begin") == typeset.count(r"\end")
    plain = terminal.text(explain(name, lang="en").sections, 80, ascii=True)
    assert plain.isascii() and "?" not in plain


class Balanced(HTMLParser):
    """Tags that are open and not closed."""

    def __init__(self, page):
        super().__init__()
        self.open = []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_decl(self, decl):
        assert decl == "doctype html"


@pytest.mark.parametrize("name", RULES)
def test_the_numbers_hold_together(name):
    """Jᵀ times the gradient from above is the gradient shown, and both are those of a plain call of the rule."""
    found = json.loads(explain(name, lang="en").to_json())
    value = lambda a: np.array(a["values"], float)
    gradients = {g: np.zeros(value(a).size) for g, a in found["gradients"].items()}
    for block in found["jacobian"]:
        above = value(found["cotangents"][f"g{block['of']}"]).reshape(-1)
        gradients[f"g{block['by']}"] += np.array(block["matrix"], float).T @ above
    for g, a in found["gradients"].items():
        assert np.allclose(gradients[g], value(a).reshape(-1), rtol=1e-9, atol=1e-12), g
    inputs = {x: a["values"] for x, a in found["inputs"].items()}
    y = as_tuple(every()[name](**inputs, **untupled(found["options"])))
    assert all(np.allclose(a, value(b)) for a, b in zip(y, found["outputs"].values(), strict=True))


@pytest.mark.parametrize("name", RULES)
def test_single_precision_is_explained_too(name):
    """The arrays of the example in float32, which a compiled twin may take."""
    found = explain(name, lang="en")
    arrays = {a.name: a.values.astype("f4") if a.differentiable else a.values for a in found.inputs}
    single = explain(name, lang="en", **arrays, **untupled(json.loads(found.to_json())["options"]))
    assert str(single) and single.to_html()
    for g, wide in zip(single.gradients, found.gradients, strict=True):
        assert g.values.dtype == np.float32 and np.allclose(g.values, wide.values, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", ["l1_loss", "smooth_l1_loss", "huber_loss", "mse_loss"])
def test_differences_lie_on_both_sides(name):
    """A gradient that is positive everywhere would not show a forgotten sign."""
    gx = explain(name).gradients[0].values
    assert gx.min() < 0 < gx.max()


def test_the_example_of_a_divergence_is_one():
    found = explain("kl_div")
    x, t = (a.values for a in found.inputs)
    assert np.exp(x).sum() == pytest.approx(1, abs=1e-2) and t.sum() == pytest.approx(1)
    assert found.outputs[0].values > 0


@pytest.mark.parametrize("name", RULES)
def test_examples_are_small_and_lie_on_no_kink(name):
    found = explain(name)
    assert all(np.size(a.values) <= 16 for a in found.inputs) and all(a.made for a in found.inputs)
    assert not any(place.here for place in found.places)
    x = found.inputs[0].values
    assert every()[name].kinks != "ties" or len(np.unique(x)) == x.size
    for block in found.jacobians:
        assert block.matrix is not None and np.isfinite(block.matrix).all()
    assert any(np.any(g.values) for g in found.gradients), "an example that says nothing"


@pytest.mark.parametrize(
    "args",
    [
        ["lstm", "--proj-size", "1"],
        ["group_norm", "--num-groups", "3"],
        ["conv2d", "--groups", "3"],
        ["conv_transpose2d", "--groups", "2"],
        ["gru", "--num-layers", "2"],
    ],
)
def test_examples_follow_hyperparameters(args):
    assert run(*args).exit_code == 0


def test_what_is_missing_is_made_up_in_a_shape_that_fits():
    found = json.loads(run("linear", "--x", "[[1,2,3],[4,5,6]]", "--json").output)
    assert found["inputs"]["w"]["made_up"] and found["inputs"]["w"]["shape"][1] == 3
    assert "b" not in found["inputs"] and not found["inputs"]["x"]["made_up"]
    found = json.loads(run("linear", "--weight", "[[1,2,3]]", "--json").output)
    assert found["inputs"]["x"]["shape"] == [3]


@pytest.mark.parametrize(
    "args",
    [
        ["softmax", "--x", "[]"],
        ["linear", "--x", "[[],[]]"],
        ["relu", "--x", "5"],
        ["sqrt", "--x", "0"],
        ["log", "--x", "0,-1"],
        ["layer_norm", "--x", "1,1,1"],
        ["cross_entropy", "--x", "2,3", "--t", "1"],
        ["max_pool1d", "--x", "[1,1,2,2]"],
        ["mse_loss", "--x", "[]", "--t", "[]"],
        ["linear", "--x", "1e308,1e308,1e308", "--gy", "1,-2"],
    ],
)
def test_edges_are_explained(args):
    """Nothing, a single number, poles, ties: a page, and no warning."""
    found = run(*args)
    assert found.exit_code == 0 and not found.stderr, found.output


def test_large_arrays_are_told_shortly():
    """A Jacobian that nobody could read is described; it takes no time."""
    x = np.linspace(-1, 1, 10_000)
    said = str(explain(pb.softmax, x, lang="en"))
    assert "∂y/∂x (10000 × 10000)" in said and "more values" in said and len(said) < 10_000


def test_in_python():
    found = pb.explain(pb.softmax, [2.0, 3.0], gy=[1.0, 0.0], lang="en")
    assert "gx  [2]  [0.1966 -0.1966]" in str(found)
    assert found._repr_html_().startswith("<div") and repr(found) == "<explanation of softmax at x[... n]>"
    assert json.loads(found.to_json())["gradients"]["gx"]["values"] == pytest.approx([0.19661193, -0.19661193])
    one = pb.explain("conv2d", np.ones((1, 3, 3)), np.ones((1, 1, 2, 2)), stride=2, lang="en")
    assert json.loads(one.to_json())["outputs"]["y"]["values"] == [[[4.0]]]


def test_inputs_are_not_written_to():
    x = np.array([2.0, 3.0])
    x.flags.writeable = False
    str(pb.explain(pb.softmax, x))


def test_rules_that_a_user_made():
    cell = pb.Chain((pb.tanh, pb.softmax))
    assert "vector-Jacobian" in str(pb.explain(cell, [1.0, 2.0], lang="en"))


@pytest.mark.parametrize(
    "call, says",
    [
        (lambda: pb.explain("sofmax"), "did you mean softmax"),
        (lambda: pb.explain(np.tanh), "takes a rule or its name"),
        (lambda: pb.explain(pb.softmax, [1.0], lang="fr"), "lang must be en or zh"),
        (lambda: pb.explain(pb.softmax, [1.0], [2.0]), "got 2 arrays, needs 1"),
        (lambda: pb.explain(pb.softmax, [1.0], gz=[2.0]), "has no 'gz'"),
        (lambda: pb.explain(pb.softmax, [1.0], gy=[2.0, 1.0]), "gy has shape (2,), needs (1,)"),
        (lambda: pb.explain(pb.softmax, [[1.0], [2.0, 3.0]]), "softmax: a list is ragged"),
        (lambda: pb.explain(pb.softmax, [1.0], gy=[[1.0], [2.0, 3.0]]), "softmax: a list is ragged"),
        (lambda: pb.explain(pb.softmax, [1.0], gy="one"), "softmax: gy is <U3, needs numbers"),
        (lambda: pb.explain(pb.softmax, [1.0], gy=[1j]), "softmax: gy is complex128, needs numbers"),
    ],
)
def test_errors_in_python(call, says):
    with pytest.raises(PullbackError, match=re.escape(says)):
        call()


def test_explaining_is_light():
    """It brings rich, and nothing that computes derivatives for us."""
    code = (
        "import sys, pullback; str(pullback.explain('softmax', [2.0, 3.0]))\n"
        "tops = {name.partition('.')[0] for name in sys.modules}\n"
        "print(*sorted(tops & {'sympy', 'torch', 'jax', 'tensorflow', 'scipy', 'numba', 'click'}))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split() == []
