"""`pullback explain`: every rule, in both languages, on every kind of page; one clear line for whatever is wrong."""

import json
import re
import subprocess
import sys
from html.parser import HTMLParser
from importlib import import_module
from pathlib import Path
from typing import get_type_hints

import numpy as np
import pytest
from click.testing import CliRunner

import pullback as pb
from pullback.check.contract import as_tuple
from pullback.check.variants import families
from pullback.cli import main
from pullback.discovery import every
from pullback.errors import OptionError, PullbackError, ShapeError
from pullback.handbook.derivation.typesetting import latex
from pullback.handbook.explanation import explain, reading, terminal
from pullback.handbook.explanation.formula import tree, written
from pullback.handbook.explanation.meaning import GAP, chinese, formulas, summary
from pullback.handbook.explanation.mistakes import chinese as of_layers
from pullback.handbook.explanation.mistakes import faults
from pullback.handbook.explanation.outline import structure
from pullback.handbook.site.rulepage import sources
from pullback.handbook.words import LANGUAGES, texts

RULES = list(every())


def run(*args):
    return CliRunner().invoke(main, ["explain", *args])


def refused(*args):
    """The one line on stderr."""
    found = run(*args)
    assert found.exit_code == 2, found.output
    assert found.stderr.startswith("pullback: ") and found.stderr.count("\n") == 1 and not found.stdout, found.output
    return found.stderr


# Every rule.


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
    assert terminal.text(explain(name, lang="en").sections, 80, ascii=True).isascii()


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


def untupled(options):
    return {name: tuple(v) if isinstance(v, list) else v for name, v in options.items()}


@pytest.mark.parametrize("name", RULES)
def test_the_chain_rule_gives_the_gradient(name):
    """Its sum over the outputs is the element of the gradient that it names."""
    found = explain(name, lang="en")
    gradients = {g.name: g.values for g in found.gradients}
    assert [chain.head.text.partition("[")[0] for chain in found.chain_rule] == list(gradients)
    for chain in found.chain_rule:
        name, _, place = chain.head.text.rstrip("]").partition("[")
        element = gradients[name][tuple(map(int, place.split(",")))] if place else gradients[name]
        (line,) = chain.lines
        assert float(line.values[0].rpartition("= ")[2]) == pytest.approx(float(element), rel=1e-3, abs=1e-9)


@pytest.mark.parametrize("name", [name for name in RULES if hasattr(every()[name], "derivation")])
def test_every_line_has_the_value_of_the_line_above_it(name):
    """And the last line of a vjp has that of the gradient, at the indices that it is shown for."""
    lines_agree(explain(name, lang="en"))


@pytest.mark.parametrize("steps", [1, 2, 5])
@pytest.mark.parametrize("name", ["rnn", "gru", "lstm"])
def test_lines_that_speak_of_three_steps_are_left_out_elsewhere(name, steps):
    found = explain(name, np.linspace(-1, 2, steps)[:, None], lang="en")
    lines_agree(found)
    assert "T = 3 in full" not in str(found) and "the size of axis t" in str(found)


def lines_agree(found):
    assert not isinstance(found.derivation, str)
    gradients = {g.name: g.values for g in found.gradients}
    for chain in found.derivation:
        if chain.lines[0].reason.startswith("the size of axis"):
            assert chain.lines[0].text.isdigit() and not chain.lines[0].values
            continue
        shown = [[numbers(value) for value in line.values if value] for line in chain.lines]
        assert all(len(line.values) == len(chain.lines[0].values) for line in chain.lines)
        assert shown[0] and all(np.allclose(np.array(v, float), np.array(shown[0], float), rtol=1e-3) for v in shown)
        gradient = gradients.get(chain.head.text.partition("[")[0])
        if gradient is not None:
            assert np.isclose(gradient, shown[0][0], rtol=1e-3, atol=1e-9).any()


def numbers(said):
    """What stands behind the last `=`: a number, or those of a place."""
    return [float(number) for number in said.rpartition("= ")[2].split(",")]


@pytest.mark.parametrize("lang", LANGUAGES)
def test_latex_shows_how_each_line_is_known(lang):
    typeset = explain("softmax", lang=lang).to_latex()
    reason = texts()["reasons.recognise y"][lang]
    assert rf"\text{{{reason}}} \quad \equiv" in typeset and r"\quad \checkmark" in typeset
    assert texts()["grades.same"][lang].replace("≡", r"$\equiv$") in typeset and "≡" not in typeset


OTHER_TEXTS = {  # of which `make docs` knows nothing
    "three layers": lambda: explain("rnn", num_layers=3),
    "on axis 0": lambda: explain("cross_entropy", [2.0, 3.0, 0.5], 1, axis=0),
    "two axes in space": lambda: explain("nll_loss", -np.ones((1, 2, 2, 2)), np.zeros((1, 2, 2), int), axis=1),
}


@pytest.mark.parametrize("told", OTHER_TEXTS)
def test_every_line_says_how_it_is_known(told):
    found = OTHER_TEXTS[told]().derivation
    chains = [chain for chain in found if len({line.grade for line in chain.lines}) and chain.lines[0].grade]
    assert chains and {line.grade for chain in chains for line in chain.lines} <= {"same", "exact", "digits"}


def test_lines_that_do_not_follow_are_not_marked_as_if_they_did():
    text = pb.softmax.derivation.replace("(i==j)*y[i] - y[i]*y[j]  ", "(i==j)*y[i] + y[i]*y[j]  ")
    rule = type("Softmax", (type(pb.softmax),), {"derivation": text})()
    said = str(explain(rule, [2.0, 3.0], lang="en"))
    assert "✓" not in said and "≡" not in said and texts()["grades.unknown"]["en"] in said


def test_a_mask_of_booleans_is_derived_as_well():
    mask = np.array([[True, False], [True, True]])
    found = explain("scaled_dot_product_attention", mask=mask, is_causal=False, lang="en")
    gradients = {g.name: g.values for g in found.gradients}
    assert not isinstance(found.derivation, str)
    shown = {chain.head.text.partition("[")[0]: numbers(chain.lines[-1].values[0])[0] for chain in found.derivation}
    assert all(np.isclose(shown[g], values.reshape(-1)[0], rtol=1e-3) for g, values in gradients.items())


@pytest.mark.parametrize("name", ["mse_loss", "l1_loss", "huber_loss", "binary_cross_entropy", "kl_div"])
def test_losses_that_are_not_reduced_are_derived_as_well(name):
    found = explain(name, lang="en", reduction="none")
    gradients = {g.name: g.values for g in found.gradients}
    assert not isinstance(found.derivation, str) and gradients["gx"].size > 1
    for chain in found.derivation:
        if (gradient := gradients.get(chain.head.text.partition("[")[0])) is not None:
            assert numbers(chain.lines[-1].values[0])[0] == pytest.approx(gradient.reshape(-1)[0], rel=1e-3, abs=1e-9)
    assert "that of the first element" in str(found)


@pytest.mark.parametrize(
    "text, said",
    [
        ("-r[j]**3/2*a[j]", "-(r[j]³ / 2) a[j]"),
        ("y[j]*(gy[j] - sum(i, y[i]*gy[i]))", "y[j] (gy[j] - Σi y[i] gy[i])"),
        ("sum(i, gy[i]*d(y[i], x[j]))", "Σi gy[i] ∂y[i]/∂x[j]"),
        ("exp(x[i])/sum(k, exp(x[k]))**2", "exp(x[i]) / (Σk exp(x[k]))²"),
        ("a*sum(k, b[k])*c", "(a Σk b[k]) c"),
        ("-w[t]*-x[t]", "-w[t] (-x[t])"),
        ("a - (b - c)", "a - (b - c)"),
        ("a/(b/c)", "a / (b / c)"),
        ("(a + b)*c", "(a + b) c"),
        ("w[3*m+k,i]", "w[3*m+k,i]"),
        ("max(k, x[k])", "max_k x[k]"),
        ("min(max(x, low), 6)", "min(max(x, low), 6)"),
    ],
)
def test_formulas_are_written(text, said):
    assert written(tree(text)) == said


@pytest.mark.parametrize(
    "text, typeset",
    [
        ("max(k, x[e,k])", r"\max_{k} x_{ek}"),
        ("max(x, 0)", r"\max(x,0)"),
        ("abs(x)**p", r"\left|x\right|^{p}"),
        ("log(x)**p", r"\left(\log(x)\right)^{p}"),
        ("min(max(x, low), high)", r"\min(\max(x,\mathrm{low}),\mathrm{high})"),
        ("max(-delta, min(delta, d[j]))", r"\max(-\delta,\min(\delta,d_{j}))"),
        ("eps if eps else 1", r"\begin{cases} \varepsilon & \text{if given} \\ 1 & \text{else} \end{cases}"),
        ("pad if border else 0*n", r"\begin{cases} \mathrm{pad} & \mathrm{border} \\ 0 & \text{else} \end{cases}"),
    ],
)
def test_formulas_are_typeset(text, typeset):
    """The largest of two numbers is not the largest over all places."""
    assert latex(text) == typeset


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


@pytest.mark.parametrize("name, x", [("log", 0.0), ("sqrt", 0.0), ("square", 1e308)])
def test_an_infinite_gradient_is_no_rounding_error(name, x):
    """It is not small beside the terms that it is the sum of, for they are infinite too."""
    found = explain(name, x, gy=1.0, lang="en")
    assert [g.values for g in found.settled] == [np.inf] and "gx  []  inf" in str(found)


@pytest.mark.parametrize("name", RULES)
def test_no_two_mistakes_show_the_same(name):
    firsts = [next(iter(mistake.gradients.items())) for mistake in explain(name).mistakes]
    shown = [(g, str(np.round(a, 9) + 0.0)) for g, a in firsts]
    assert len(set(shown)) == len(shown)


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


def test_mistakes_are_some_that_can_be_made():
    """A forgotten 2 where there is a square, a mean where examples share a parameter, a kernel where there is one."""
    named = lambda *args, **kw: {m.name: m.gradients for m in explain(*args, **kw).mistakes}
    everywhere = {"half", "mean", "first only", "transposed", "reversed"}
    assert not everywhere & set(named("softmax", [2.0, 3.0])) and not everywhere & set(named("relu"))
    assert "half" in named("huber_loss", reduction="sum") and "first only" in named("embedding")
    x, w, gy = np.array([[1.0, 2.0], [3.0, 5.0], [2.0, 2.0]]), np.array([[1.0, 1.0]]), np.ones((3, 1))
    averaged = named("linear", x, w, gy=gy)["the gradient of w averaged over the batch"]
    assert set(averaged) == {"gw"} and np.allclose(averaged["gw"], x.mean(0))
    assert not any("averaged" in name for name in named("linear", x[0], w))


@pytest.mark.parametrize("name", RULES)
def test_every_mistake_is_one(name):
    found = explain(name)
    right = {g.name: g.values for g in found.gradients}
    assert len(found.mistakes) >= 4
    for mistake in found.mistakes:
        assert mistake.says
        for g, wrong in mistake.gradients.items():
            assert wrong.shape != right[g].shape or not np.allclose(wrong, right[g])


def test_faults_of_meaning():
    """The famous ones: softmax as if it were elementwise, sigmoid' at y, a matrix that is not transposed."""
    named = lambda *args, **kw: {m.name: m.gradients for m in explain(*args, **kw).mistakes}
    x, gy = np.array([2.0, 3.0]), np.array([1.0, 0.0])
    y = pb.softmax(x)
    assert np.allclose(named("softmax", x, gy=gy)["diagonal only"]["gx"], y * (1 - y) * gy)
    assert "not transposed" not in named("softmax", x), "its Jacobian is symmetric"
    assert np.allclose(
        named("sigmoid", x, gy=gy)["at the output"]["gx"], pb.sigmoid.linearize(pb.sigmoid(x))[1].vjp(gy)
    )
    w = np.array([[1.0, 2.0], [3.0, 4.0]])
    assert np.allclose(named("linear", x, w, gy=gy)["not transposed"]["gx"], w @ gy)
    assert "first output only" in named("lstm_cell") and "first output only" not in named("gru_cell")


@pytest.mark.parametrize("name", [name for name in RULES if type(every()[name]).__name__ in chinese()["summaries"]])
def test_chinese_leaves_no_english_words(name):
    """A rule that has its sentence in Chinese has its formulas in Chinese as well."""
    rule = every()[name]
    known = {*rule.options, *rule.long_names.values(), *rule.long_names, "argmax", "count", "source", "before", "scale"}
    known |= {"exp", "log", "tanh", "sin", "cos", "max", "min", "sign", "sqrt", "mean", "var", "relu", "mask", "None"}
    known |= {"softmax", "softplus", "hardsigmoid"}
    known |= {"lstm_cell", "gru_cell", "norm_type", "index", "beta", "delta", "label_smoothing", "torch"}
    for line in formulas(rule, "zh"):
        words = set(re.findall(r"(?<![A-Za-z_])[A-Za-z_]{4,}(?![A-Za-z_])|\b(?:and|for|all|the|are)\b", line))
        assert words <= known, f"{line}: {words - known}"


@pytest.mark.parametrize("name, says", [("hardswish", "-3 ≤ x < 3，否则"), ("avg_pool1d", "0 ≤ q < n，否则 0")])
def test_words_in_formulas_are_chinese(name, says):
    found = explain(name, lang="zh")
    formulas = [line.text for chain in found.derivation for line in chain.lines]
    assert any(f"若 {says}" in text for text in formulas)
    assert not any(re.search(r"\b(if|else|and|or|not)\b", text) for text in formulas)
    assert r"\text{else}" not in found.to_latex() and r"\text{其他}" in found.to_latex()


@pytest.mark.parametrize("name, says", [("softmax", "对角 - 外积"), ("batch_norm", "分块（对角 - 外积 - 外积）")])
def test_the_structure_is_told_in_chinese(name, says):
    assert f"结构：{says}" in str(explain(name, lang="zh"))


@pytest.mark.parametrize("name", RULES)
def test_no_structure_is_told_in_english(name):
    assert not any(re.search("[A-Za-z]", structure(block, "zh")) for block in explain(name, lang="zh").jacobians)


def test_no_translation_is_left_over():
    """What no docstring says any more is not kept in Chinese."""
    kinds = {k.__name__ for rule in every().values() for k in type(rule).__mro__}
    assert set(chinese()["summaries"]) <= kinds
    lines = {line for rule in every().values() for line in formulas(rule, "en")}
    parts = {part.strip() for line in lines for part in GAP.split(line)}
    assert set(chinese()["formulas"]) <= parts, set(chinese()["formulas"]) - parts
    notes = {part for rule in every().values() for source in sources(rule) for part in source.split(": ")}
    assert set(chinese()["sources"]) <= notes, set(chinese()["sources"]) - notes


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


# The reader's own numbers.


def test_softmax_with_numbers():
    said = run("softmax", "--x", "2,3", "--gy", "1,0", "--lang", "en")
    assert said.exit_code == 0
    for part in ("y  [2]  [0.2689 0.7311]", "gx  [2]  [0.1966 -0.1966]", "y[0]   0.1966  -0.1966", "Diagonal - Outer"):
        assert part in said.output, said.output
    assert "an example" not in said.output


def test_chinese_from_the_locale(monkeypatch):
    monkeypatch.setenv("LC_ALL", "zh_CN.UTF-8")
    assert "雅可比矩阵" in run("softmax", "--x", "2,3").output
    assert "Jacobian" in run("softmax", "--lang", "en").output
    assert run("softmax", "--ascii").output.isascii()


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


def test_an_infinite_bound_is_no_place():
    for name, option in (("hardtanh", "max_val"), ("softplus", "threshold"), ("huber_loss", "delta")):
        said = run(name, f"--{option}", "inf", "--lang", "en").output
        kinks = said.partition("Kinks")[2].partition("What it keeps")[0]
        assert kinks and "= inf" not in kinks


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


def test_what_is_missing_is_made_up_in_a_shape_that_fits():
    found = json.loads(run("linear", "--x", "[[1,2,3],[4,5,6]]", "--json").output)
    assert found["inputs"]["w"]["made_up"] and found["inputs"]["w"]["shape"][1] == 3
    assert "b" not in found["inputs"] and not found["inputs"]["x"]["made_up"]
    found = json.loads(run("linear", "--weight", "[[1,2,3]]", "--json").output)
    assert found["inputs"]["x"]["shape"] == [3]


@pytest.mark.parametrize("lang, word", [("en", "left"), ("zh", "torch")])
def test_the_choice_is_not_among_the_other_choices(lang, word):
    said = " ".join(run("relu", "--x", "0,1", "--kink", word, "--lang", lang).output.split())  # it may be wrapped
    others = re.search(f"kink={word}(.*?)[.。]", said)[1]
    assert word not in others and all(other in others for other in {"right", "mean", "jax", "tf"} - {word})


@pytest.mark.parametrize("lang, says", [("en", "None of the mistakes"), ("zh", "已知的错误都不会")])
def test_where_no_mistake_matters_it_is_said(lang, says):
    """The heading of the mistakes has something below it for no numbers at all, too."""
    for args in (["softmax", "--x", "[]"], ["mse_loss", "--x", "[]", "--t", "[]"]):
        assert says in run(*args, "--lang", lang).output.rstrip().splitlines()[-1]


def test_elements_on_a_kink_are_named():
    said = run("relu", "--x", "-1,0,2", "--lang", "en").output
    assert "At x = 0 the derivative jumps from 0 to 1" in said and "Here: x[1]." in said
    said = run("relu", "--x", "[[1,0],[0,2]]", "--kink", "mean", "--lang", "zh").output
    assert "此处：x[0,1], x[1,0]" in said and "此处取 0.5" in said
    assert "Here: x - t[1]." in run("l1_loss", "--x", "1,2", "--t", "0,2", "--lang", "en").output


def test_a_few_elements_on_a_kink_stand_for_many():
    said = str(explain("relu", np.zeros(3000), lang="en"))
    assert "x[23] … and 2976 more values." in said and "x[24]" not in said.partition("Here:")[2]


def test_a_logarithm_that_is_held_is_no_smooth_function():
    said = str(explain("binary_cross_entropy", [0.0, 0.5, 1.0], [1.0, 0.0, 0.0], lang="en"))
    assert "Here: x[0], x[2]." in said and "wherever it is defined" not in said
    assert "None of these numbers lies there." in str(explain("binary_cross_entropy", lang="en"))


def test_what_a_derivation_does_not_cover_is_not_called_unwritten():
    instead = "What stands above is the chain rule with these numbers."
    said = str(explain("log", [0.0], lang="en"))
    assert "does not cover this case." in said and instead in said and "not written down yet" not in said
    said = str(explain("log", [], lang="en"))  # of nothing there is no chain rule either
    assert "does not cover this case." in said and instead not in said
    said = str(explain(pb.Chain((pb.tanh, pb.softmax)), [1.0, 2.0], lang="en"))
    assert "not written down yet." in said and instead in said
    said = str(explain(pb.Chain((pb.tanh, pb.softmax)), np.ones(100), lang="en"))  # too large to be written out
    assert "not written down yet." in said and instead not in said


def test_no_number_but_nan_and_infinity_is_lost():
    found = run("softmax", "--x", "[-inf,-inf]", "--json")
    assert json.loads(found.output)["inputs"]["x"]["values"] == ["-inf", "-inf"]
    assert "nan" in run("softmax", "--x", "[nan,1]", "--lang", "en").output


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


def test_large_arrays_are_told_shortly():
    """A Jacobian that nobody could read is described; it takes no time."""
    x = np.linspace(-1, 1, 10_000)
    said = str(explain(pb.softmax, x, lang="en"))
    assert "∂y/∂x (10000 × 10000)" in said and "more values" in said and len(said) < 10_000


# In Python.


def test_in_python():
    found = pb.explain(pb.softmax, [2.0, 3.0], gy=[1.0, 0.0], lang="en")
    assert "gx  [2]  [0.1966 -0.1966]" in str(found)
    assert found._repr_html_().startswith("<div") and repr(found) == "<explanation of softmax at x[... n]>"
    assert json.loads(found.to_json())["gradients"]["gx"]["values"] == pytest.approx([0.19661193, -0.19661193])
    one = pb.explain("conv2d", np.ones((1, 3, 3)), np.ones((1, 1, 2, 2)), stride=2, lang="en")
    assert json.loads(one.to_json())["outputs"]["y"]["values"] == [[[4.0]]]


@pytest.mark.parametrize("name", RULES)
def test_single_precision_is_explained_too(name):
    """The arrays of the example in float32, which a compiled twin may take."""
    found = explain(name, lang="en")
    arrays = {a.name: a.values.astype("f4") if a.differentiable else a.values for a in found.inputs}
    single = explain(name, lang="en", **arrays, **untupled(json.loads(found.to_json())["options"]))
    assert str(single) and single.to_html()
    for g, wide in zip(single.gradients, found.gradients, strict=True):
        assert g.values.dtype == np.float32 and np.allclose(g.values, wide.values, rtol=1e-3, atol=1e-4)


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


# What can be typed wrong.


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
        (["relu", "--convention", "--x", "0"], "takes no numbers"),
        (["relu", "--convention", "--latex"], "is no LaTeX"),
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


# Words.


def test_whose_numbers_these_are():
    """A softmax is derived for one example, the gradient of a table for all that are looked up."""
    first = texts()["explain.first"]["en"]
    assert first in str(explain("softmax", [[1.0, 2.0], [0.0, 1.0]], lang="en"))
    assert first not in str(explain("softmax", [1.0, 2.0], lang="en"))
    assert first not in str(explain("embedding", lang="en"))
    assert first not in str(explain("mse_loss", [1.0, 2.0], [0.0, 0.0], lang="en"))


def test_every_fault_has_chinese():
    assert {f"faults.{name}" for name in faults()} <= set(texts())
    tables = [import_module(f"pullback.check.variants.{name}").VARIANTS for name in families()]
    assert {variant.says for table in tables for each in table.values() for variant in each} == set(of_layers())
    spaced = re.compile(r"[\u4e00-\u9fff][A-Za-z0-9]|[A-Za-z0-9][\u4e00-\u9fff]|[\u4e00-\u9fff][,;:]")
    assert not [chinese_ for chinese_ in of_layers().values() if spaced.search(chinese_)]


def test_mistakes_of_the_formula_come_first():
    names = lambda rule: [mistake.name for mistake in explain(rule, lang="en").mistakes]
    assert "variance treated as constant" in names("layer_norm")[:8]
    assert any(name.startswith("last time step only") for name in names("lstm"))
    assert "overlapping windows write over each other: = for +=" in [
        m.name for m in explain("max_pool1d", [1.0, 3.0, 2.0], kernel_size=2, stride=1, lang="en").mistakes
    ]
    norm = explain("layer_norm", [2.0, -1.0, 0.5], lang="en")
    u, r, g = (norm.outputs[0].values, 1 / np.sqrt(np.var([2.0, -1.0, 0.5]) + 1e-5), norm.above[0].values)
    forgotten = next(m for m in norm.mistakes if m.name == "variance treated as constant")
    assert np.allclose(forgotten.gradients["gx"], r * (g - g.mean())) and np.allclose(u.mean(), 0)


SCORES = np.linspace(-1, 2, 12).reshape(2, 3, 2) ** 2


@pytest.mark.parametrize("options", [
    dict(t=[[0, 2], [1, 1]]), dict(t=[[0, 1, 1], [1, 0, 0]], axis=2), dict(t=[[0, 1, 1], [1, 0, 0]], axis=-1),
    dict(t=[[0, 2], [2, 1]], axis=-2, w=[1.0, 2.0, 0.5]), dict(t=[[1, 0], [1, 1], [0, 0]], x=SCORES[0], axis=-1),
], ids=str)  # fmt: skip
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize(
    "name, own", [("nll_loss", {}), ("cross_entropy", {}), ("cross_entropy", dict(label_smoothing=0.1))]
)
def test_losses_of_classes_are_derived_on_every_axis(name, own, reduction, options):
    options = dict(x=SCORES, reduction=reduction, **own) | options
    if np.ndim(options["x"]) == 2:
        options["t"] = np.array(options["t"])[:, 0]
    lines_agree(explain(name, lang="en", **options))


def test_probabilities_at_the_clamp_are_derived():
    """Where x is 0 or 1 a logarithm costs 100, and does not move."""
    for x, t in ((0.0, 1.0), (1.0, 0.0), (0.0, 0.0), (1.0, 1.0)):
        found = explain("binary_cross_entropy", [x, 0.5], [t, 1.0], lang="en")
        lines_agree(found)
        assert "at the clamp nothing moves" in str(found)


@pytest.mark.parametrize("options", [
    dict(proj_size=1), dict(num_layers=2), dict(bidirectional=True), dict(batch_first=True),
    dict(num_layers=2, bidirectional=True, batch_first=True),
    dict(bidirectional=True, lengths=[2], x=np.ones((3, 1, 1))),
], ids=str)  # fmt: skip
@pytest.mark.parametrize("name", ["rnn", "gru", "lstm"])
def test_networks_of_every_kind_are_derived(name, options):
    if "proj_size" in options and name != "lstm":
        pytest.skip("the LSTM alone has a projection")
    lines_agree(explain(name, lang="en", **options))


def test_explaining_is_light():
    """It brings rich, and nothing that computes derivatives for us."""
    code = (
        "import sys, pullback; str(pullback.explain('softmax', [2.0, 3.0]))\n"
        "tops = {name.partition('.')[0] for name in sys.modules}\n"
        "print(*sorted(tops & {'sympy', 'torch', 'jax', 'tensorflow', 'scipy', 'numba', 'click'}))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split() == []


def test_a_pipe_that_closes():
    code = f"{sys.executable} -m pullback explain lstm | head -n 1"
    found = subprocess.run(["bash", "-c", code], capture_output=True, text=True)
    assert found.stdout == "lstm\n" and not found.stderr
