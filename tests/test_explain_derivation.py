"""The derivation with numbers in it: every line has the value of the line above, and says how it is known."""

import re
import sys

import numpy as np
import pytest
from explaining import RULES, lines_agree, numbers, run

import pullback as pb
from pullback.discovery import every
from pullback.handbook.derivation.grading import found_now
from pullback.handbook.derivation.typesetting import latex
from pullback.handbook.explanation import explain
from pullback.handbook.explanation.formula import tree, written
from pullback.handbook.words import LANGUAGES, texts


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


@pytest.mark.parametrize("name", ["max_pool3d", "flatten", "select", "prelu", "concatenate", "adaptive_max_pool2d"])
def test_an_entry_is_shown_where_it_is_not_0(name):
    chains = [chain for chain in explain(name, lang="en").derivation if chain.lines[-1].grade]
    assert chains and all(any(numbers(value) != [0] for value in chain.lines[-1].values) for chain in chains)


def test_a_hyperparameter_is_no_axis():
    assert "p\n    = norm_type" in str(explain("lp_pool1d", norm_type=1.5, lang="en"))


@pytest.mark.parametrize("steps", [1, 2, 5])
@pytest.mark.parametrize("name", ["rnn", "gru", "lstm"])
def test_lines_that_speak_of_three_steps_are_left_out_elsewhere(name, steps):
    found = explain(name, np.linspace(-1, 2, steps)[:, None], lang="en")
    lines_agree(found)
    assert "T = 3 in full" not in str(found) and "the size of axis t" in str(found)


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


def test_a_mask_of_booleans_is_derived_as_well():
    mask = np.array([[True, False], [True, True]])
    found = explain("scaled_dot_product_attention", mask=mask, is_causal=False, lang="en")
    gradients = {g.name: g.values for g in found.gradients}
    assert not isinstance(found.derivation, str)
    shown = {chain.head.text.partition("[")[0]: numbers(chain.lines[-1].values[0])[0] for chain in found.derivation}
    assert all(np.isclose(shown[g], values, rtol=1e-3).any() for g, values in gradients.items())


@pytest.mark.parametrize("name", ["mse_loss", "l1_loss", "huber_loss", "binary_cross_entropy", "kl_div"])
def test_losses_that_are_not_reduced_are_derived_as_well(name):
    found = explain(name, lang="en", reduction="none")
    gradients = {g.name: g.values for g in found.gradients}
    assert not isinstance(found.derivation, str) and gradients["gx"].size > 1
    for chain in found.derivation:
        if (gradient := gradients.get(chain.head.text.partition("[")[0])) is not None:
            assert numbers(chain.lines[-1].values[0])[0] == pytest.approx(gradient.reshape(-1)[0], rel=1e-3, abs=1e-9)
    assert "that of the first element" in str(found)


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


def test_whose_numbers_these_are():
    """A softmax is derived for one example, the gradient of a table for all that are looked up."""
    first = texts()["explain.first"]["en"]
    assert first in str(explain("softmax", [[1.0, 2.0], [0.0, 1.0]], lang="en"))
    assert first not in str(explain("softmax", [1.0, 2.0], lang="en"))
    assert first not in str(explain("embedding", lang="en"))
    assert first not in str(explain("mse_loss", [1.0, 2.0], [0.0, 0.0], lang="en"))


def test_what_a_derivation_does_not_cover_is_not_called_unwritten():
    instead = "What stands above is the chain rule with these numbers."
    said = str(explain("log", [0.0], lang="en"))
    assert "There is -inf in y, which" in said and instead in said and "not written down yet" not in said
    said = str(explain("log", [], lang="en"))  # of nothing there is no chain rule either
    assert "does not cover this case." in said and instead not in said
    said = str(explain(pb.Chain((pb.tanh, pb.softmax)), [1.0, 2.0], lang="en"))
    assert "not written down yet." in said and instead in said
    said = str(explain(pb.Chain((pb.tanh, pb.softmax)), np.ones(100), lang="en"))  # too large to be written out
    assert "not written down yet." in said and instead not in said


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


@pytest.fixture
def without_sympy(monkeypatch):
    for package in ("sympy", "mpmath"):
        monkeypatch.setitem(sys.modules, package, None)
    found_now.cache_clear()  # what other tests have found with them


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("name, options", [
    ("lstm", ["--num_layers", "3"]), ("gru", ["--num_layers", "3", "--bidirectional", "true"]),
])  # fmt: skip
def test_what_cannot_be_graded_is_shown_all_the_same(without_sympy, name, options, lang):
    done = run(name, *options, "--lang", lang)
    assert done.exit_code == 0, done.output
    said = " ".join(done.output.split())
    for word in texts()["grades.ungraded"][lang].split():
        assert word in said
    assert 'pip install "pullback[docs]"' in said and " ○" in done.output
    assert not re.search("[≡✓≈✗]", said) and texts()["explain.lines"][lang] not in said
    grades = {line.grade for chain in explain(name, num_layers=3, lang=lang).derivation for line in chain.lines}
    assert grades == {"", "ungraded"}


def test_what_is_not_graded_has_its_numbers_and_is_typeset(without_sympy):
    found = explain("lstm", num_layers=3, lang="en")
    lines_agree(found)
    assert r"\quad \circ" in found.to_latex() and "○" not in found.to_latex() and "○" in found.to_html()


def test_marks_that_are_written_down_need_no_sympy(without_sympy):
    said = str(explain("lstm", num_layers=2, lang="en"))
    assert "✓" in said and "○" not in said and texts()["explain.lines"]["en"] in said


def test_lines_that_do_not_follow_are_not_marked_as_if_they_did():
    text = pb.softmax.derivation.replace("(i==j)*y[i] - y[i]*y[j]  ", "(i==j)*y[i] + y[i]*y[j]  ")
    rule = type("Softmax", (type(pb.softmax),), {"derivation": text})()
    said = " ".join(str(explain(rule, [2.0, 3.0], lang="en")).split())
    assert "✓" not in said and "≡" not in said and texts()["grades.unknown"]["en"] in said
    assert texts()["explain.lines"]["en"] not in said


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
        ("p*n//out <= q < -(-(p+1)*n//out)", "(⌊p n / out⌋ ≤ q < ⌈(p + 1) n / out⌉)"),
        ("(i==j)*x[i]", "(i==j) x[i]"),
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
        ("a/b/c", r"\frac{a}{b\,c}"),
        ("gy*d(l, x)/N", r"\frac{\bar{y}}{N}\,\frac{\partial l}{\partial x}"),
        ("d(s, x)/s", r"\frac{1}{s}\,\frac{\partial s}{\partial x}"),
        ("tanh(c)**2", r"\tanh^{2}(c)"),
        ("exp(-x**2/2)", r"e^{-x^{2}/2}"),
        ("exp((x - a)/(2*b))", r"e^{\left(x - a\right)/\left(2\,b\right)}"),
        ("abs(x)**p", r"\left|x\right|^{p}"),
        ("log(x)**p", r"\left(\log(x)\right)^{p}"),
        ("min(max(x, low), high)", r"\min(\max(x,\mathrm{low}),\mathrm{high})"),
        ("max(-delta, min(delta, d[j]))", r"\max(-\delta,\min(\delta,d_{j}))"),
        ("-(-(p+1)*n//m)", r"\lceil \left(p + 1\right)\,n / m \rceil"),
        ("eps if eps else 1", r"\begin{cases} \varepsilon & \text{if given} \\ 1 & \text{else} \end{cases}"),
        ("pad if border else 0*n", r"\begin{cases} \mathrm{pad} & \mathrm{border} \\ 0 & \text{else} \end{cases}"),
    ],
)
def test_formulas_are_typeset(text, typeset):
    """The largest of two numbers is not the largest over all places."""
    assert latex(text) == typeset


@pytest.mark.parametrize("name, x", [("relu", [np.nan]), ("softmax", [np.nan, 1.0]), ("layer_norm", [1.0, np.nan])])
def test_no_line_is_said_to_hold_of_nan(name, x):
    said = str(pb.explain(getattr(pb, name), np.array(x), lang="en"))
    assert "There is nan in x, which" in said and "Every line equals" not in said
    assert "Every line equals" in str(pb.explain(pb.relu, np.array([1.0, np.nan]), lang="en")), "it speaks of the first"


@pytest.mark.parametrize("name, x, en, zh", [
    ("relu", "nan", "There is nan in x, which the derivation", "x 中有 nan，已写出的推导不涵盖"),
    ("softmax", "nan,1", "There is nan in x, which the derivation", "x 中有 nan，已写出的推导不涵盖"),
    ("softmax", "inf,1", "There is inf in x, which the derivation", "x 中有 inf，已写出的推导不涵盖"),
    ("sqrt", "[-1]", "There is nan in y, which the derivation", "y 中有 nan，已写出的推导不涵盖"),
    ("rms_norm", "1e200,1", "There is 1e+200 in x: so large that products", "x 中有 1e+200：其乘积在 float64 中溢出"),
])  # fmt: skip
def test_what_is_not_finite_is_named(name, x, en, zh):
    assert en in run(name, "--x", x, "--lang", "en").output and zh in run(name, "--x", x, "--lang", "zh").output


def test_what_stands_behind_the_first_example_is_not_blamed():
    said = str(pb.explain(pb.log, np.array([0.0, np.nan]), lang="en"))
    assert "There is -inf in y" in said and "There is nan" not in said


def test_an_exponential_that_overflows_has_its_numbers_and_says_what_a_program_gets():
    """And the line in which the largest score is subtracted gets them right."""
    said = str(explain("softmax", [1000.0, 1001.0], lang="en"))
    assert "exp(1000) / (exp(1000) + exp(1001)) = 0.2689   (float64: nan)\n" in said
    assert "exp(1000 - 1001) / (exp(1000 - 1001) + exp(1001 - 1001)) = 0.2689\n" in said
    assert "Where a line says (float64: …)" in said
    plain = str(explain("softmax", [2.0, 3.0], lang="en"))
    assert "float64" not in plain and "A line without numbers" not in plain


BEYOND = {
    "softmax": [[1000.0, 1001.0], [-1000.0, -1001.0], [1e5, -1e5], [0.0, 100.0]], "softmin": [[1000.0, -1000.0]],
    "log_softmax": [[1000.0, 1001.0], [-1e4, -1e4]], "logsumexp": [[1000.0, 1001.0], [-1e4, -1e4]],
    "sigmoid": [[40.0], [-800.0], [500.0]], "tanh": [[20.0], [-400.0]], "silu": [[-500.0]], "mish": [[-50.0], [900.0]],
    "logsigmoid": [[-800.0], [50.0]], "softplus": [[-50.0], [1000.0]], "gelu": [[-10.0], [12.0]], "exp": [[-700.0]],
    "tanhshrink": [[1e-6], [500.0]], "elu": [[-800.0]], "lstm_cell": [[900.0, -900.0]], "gru_cell": [[900.0, -900.0]],
}  # fmt: skip


@pytest.mark.parametrize("name, x", [(name, x) for name, given in BEYOND.items() for x in given], ids=str)
def test_lines_agree_however_large_the_numbers_are(name, x):
    """Also where floats overflow, or 1 - y has no digit left."""
    found = explain(name, x, lang="en")
    lines_agree(found)
    assert "A line without numbers" not in str(found)


def test_a_loss_of_two_scores_that_are_far_from_0_has_its_numbers():
    found = explain("binary_cross_entropy_with_logits", [800.0, -800.0], [0.0, 1.0], lang="en")
    lines_agree(found)
    assert "= 800   (float64: inf)" in str(found)


@pytest.mark.parametrize("t", [0, 1])
def test_a_loss_of_scores_that_are_far_apart_has_its_numbers(t):
    found = explain("cross_entropy", [[1000.0, -1000.0]], [t], lang="en")
    lines_agree(found)
    assert "x[a,c,s] - top[a,s] - log(Σk exp(x[a,k,s] - top[a,s]))" in str(found)


@pytest.mark.parametrize("name, x, says", [
    ("square", 1e200, "1e+200² = 1e+400   (float64: inf)"), ("sigmoid", 40.0, "= 4.248e-18   (float64: 0)"),
])  # fmt: skip
def test_what_float64_cannot_hold_is_marked(name, x, says):
    assert says in str(explain(name, x, gy=1.0, lang="en"))


def test_a_line_without_numbers_is_accounted_for():
    """exp(1e300) is too large to be written down; exp(0) is not."""
    said = str(explain("softmax", [1e300, 0.0], lang="en"))
    assert "A line without numbers has none here" in said
    assert "(exp(1e+300 - 1e+300) + exp(0 - 1e+300)) = 1\n" in said
    assert "A line without numbers" not in str(explain("softmax", [], lang="en"))


@pytest.mark.parametrize("layers, grade", [(3, "digits"), (6, "long")])
def test_nobody_waits_for_minutes_until_the_lines_of_a_long_network_are_graded(layers, grade):
    """Digits at the first size alone are asked, or nothing; the numbers are there all the same."""
    found = explain("lstm", num_layers=layers, bidirectional=True, lang="en")
    assert {line.grade for chain in found.derivation for line in chain.lines} == {"", grade}
    assert texts()[f"grades.{grade}"]["en"].split()[0] in str(found)
    lines_agree(found)


def test_a_long_network_whose_lines_do_not_follow_is_not_said_to_be_right():
    rule = every()["lstm"]
    options = dict(num_layers=3, bidirectional=True)
    text = type(rule)(**options).derivation.replace("gP_l1[t+1", "2*gP_l1[t+1")
    wrong = type("LSTM", (type(rule),), {"derivation": text})(**options)
    assert {line.grade for chain in explain(wrong, lang="en").derivation for line in chain.lines} == {"", "unknown"}


def test_sums_that_do_not_depend_on_an_index_are_evaluated_once():
    """Of a thousand scores every line has its numbers: a sum of all exponentials for each of them would be too much."""
    found = explain("softmax", np.linspace(-3, 3, 1000), lang="en")
    lines_agree(found)


def test_what_is_too_large_is_not_called_uncovered():
    x, t = np.zeros((1000, 100)), np.ones((1000, 100))
    said = str(explain("mse_loss", x, t, lang="en"))
    assert "does not cover this case" not in said and "more terms than there is time for" in said
