"""Every line of every derivation follows from the line above it, and the last line is the code."""

import re
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

import pullback as pb
from pullback.errors import MissingError
from pullback.handbook.derivation import DerivationError, parse, spelled_out, verify
from pullback.handbook.derivation.arithmetic import FLOATS
from pullback.handbook.derivation.book import SAMPLE, book, networks
from pullback.handbook.derivation.book import texts as every_text
from pullback.handbook.derivation.checking import instances, retold, values_at
from pullback.handbook.derivation.evaluation import flat
from pullback.handbook.derivation.grading import graded, written_down
from pullback.handbook.derivation.language import FUNCTIONS, OVER_INDICES
from pullback.handbook.derivation.polynomial import Polynomial
from pullback.handbook.words import texts

NETWORKS = networks()
BOOK = book() | {name: NETWORKS[name] for name in SAMPLE}
PAGE = (Path(__file__).parent.parent / "docs" / "derivations.md").read_text("utf-8")
SOFTMAX = pb.softmax.derivation


@pytest.mark.parametrize("name", BOOK)
def test_every_line_follows_from_the_one_above_it(name):
    """That covers: definitions against forward, a chain for every element of every gradient, last lines against vjp."""
    rule = BOOK[name]
    targets = {chain.target for chain in parse(rule.derivation).chains}
    assert targets >= {f"g{slot.name}" for slot in rule.inputs if slot.differentiable}
    assert verify(rule) > 1


@pytest.mark.parametrize("name", [name for name in BOOK if BOOK[name].inputs[0].axes != ("...",)])
def test_it_is_checked_at_more_than_one_size(name):
    assert len(parse(BOOK[name].derivation).cases) > 1


@pytest.mark.parametrize("name", [name for name in NETWORKS if name not in SAMPLE])
def test_networks_of_every_kind_have_texts_that_hold(name):
    rule = NETWORKS[name]
    assert verify(rule, field=FLOATS, points=1) > 5
    assert len(spelled_out(rule.derivation)) > len(rule.derivation)


@pytest.mark.parametrize("name", BOOK)
def test_every_definition_is_used(name):
    """By an output, by a chain, or by another definition that is."""
    known, rule = parse(BOOK[name].derivation), BOOK[name]
    texts = [text.text for chain in known.chains for text in (chain.head, chain.when, *chain.steps) if text]
    words = {word for text in texts for word in re.findall(r"\w+", text)} | {slot.name for slot in rule.outputs}
    while more := {w for n in words & set(known.lets) for w in re.findall(r"\w+", known.lets[n].body.text)} - words:
        words |= more
    assert set(known.lets) <= words


GATES = {"n"}  # the candidate of a GRU, whose gates are r z n for everybody, and the axis of what it reads


@pytest.mark.parametrize("name", BOOK)
def test_a_letter_means_one_thing(name):
    """But for an index that is called as the axis over which it runs."""
    known, rule = parse(BOOK[name].derivation), BOOK[name]
    inputs, outputs = ({slot.name for slot in slots} for slots in (rule.inputs, rule.outputs))
    axes = {word for slot in (*rule.inputs, *rule.outputs) for axis in slot.axes for word in re.findall("[a-z]+", axis)}
    indices = {index for index, axis in known.ranges.items() if axis.lstrip("*") != index}
    kinds = inputs, outputs, axes - set(rule.options), indices, set(rule.options), set(known.lets) - outputs
    met = Counter(letter for kind in kinds for letter in kind)
    assert {letter for letter, count in met.items() if count > 1} <= (GATES if "gru" in name else set())
    assert {index for let in known.lets.values() for index in let.indices} <= set(known.ranges)


FROM_THE_NEXT_STEP = re.compile("gC(_|$)")  # what arrives at a memory beside what its own state sees of it


@pytest.mark.parametrize("name", [name for name in BOOK if "lengths" not in name])
def test_g_before_a_letter_is_its_gradient(name):
    """The sum of gy ∂y/∂z over all elements of all outputs, where it is called gz: at all steps that a sequence has."""
    known, rule = parse(BOOK[name].derivation), BOOK[name]
    called = [let for let in known.lets.values() if re.match("g[a-zA-Z]", let.name)]
    called = [let for let in called if not FROM_THE_NEXT_STEP.match(let.name)]
    for instance in instances(rule, known, known.cases[0], 0) if called else ():
        values = values_at(known, instance, FLOATS)
        for let in called:
            for env in values.points(let.indices):
                key = flat([env[index] for index in let.indices])
                right = pulled_back(values, instance, (let.name[1:], key))
                assert float(values.element(let.name, key, None)) == pytest.approx(right, rel=1e-9, abs=1e-12), let.head


def pulled_back(values, instance, seed):
    above = {slot.name: instance.arrays.get(f"g{slot.name}") for slot in instance.rule.outputs}
    moved = lambda y, place: float(getattr(values.element(y, place, seed), "e", 0))
    return sum(g * moved(y, place) for y, gy in above.items() if gy is not None for place, g in np.ndenumerate(gy))


@pytest.mark.parametrize(
    "formula", ["(a + b)**3 - (b + a)**3", "(a*b + 2*c)*(a - c)/4", "a*(b - c) + c*(a - b) - b*(a - c)"]
)
def test_polynomials_are_multiplied_out_as_by_sympy(formula):
    import sympy

    names = dict(zip("abc", map(Polynomial.letter, range(3), (2.0, 3.0, 5.0))))
    found = eval(formula, {}, names)
    symbols = sympy.symbols("a b c")
    terms = sympy.Poly(sympy.sympify(formula), *symbols).terms()
    packed = {sum(e << 8 * place for place, e in enumerate(powers)): c for powers, c in terms if c}
    assert found.terms == packed and found.worth == eval(formula, {}, {"a": 2.0, "b": 3.0, "c": 5.0})
    assert found == found + 0 and found != found + 1 and found - found == 0


def test_what_a_text_uses_is_a_text():
    for statement in ("use lstmcell[t] with x=x[t]", "use lstm_cell with x=x", "use conv1d"):
        with pytest.raises(DerivationError, match="line 1, column 1: needs `use rule"):
            parse(statement)


@pytest.mark.parametrize("name", every_text())
def test_what_sympy_says_to_each_line_is_written_down(name):
    rule = every_text()[name]
    found = graded(rule)
    assert found == written_down(rule.derivation), "run `make docs`"
    if any("digits" in chain for chain in found) and name not in BOOK:
        assert verify(at_its_first_size(rule))  # in fifty digits


def at_its_first_size(rule):
    lines = rule.derivation.split("\n")
    cases = [line for line in lines if line.split()[:1] == ["at"]]
    return retold(rule, "\n".join(line for line in lines if line not in cases[1:]))


def test_reasons_are_those_of_the_glossary():
    """Every reason is there in both languages, and every entry gives a reason somewhere."""
    known = [parse(rule.derivation) for rule in BOOK.values()]
    used = {s.reason for text in known for chain in text.chains for s in chain.steps}
    used |= {let.reason for text in known for let in text.lets.values() if let.reason}
    glossary = {name.removeprefix("reasons."): both for name, both in texts().items() if name.startswith("reasons.")}
    assert used == set(glossary)
    assert all(both["en"] == name and both["zh"] for name, both in glossary.items())
    spaced = re.compile(r"[\u4e00-\u9fff][A-Za-z0-9]|[A-Za-z0-9][\u4e00-\u9fff]")
    assert not [both["zh"] for both in glossary.values() if spaced.search(both["zh"]) or re.search("[,;:]", both["zh"])]


def spoiled(**changes):
    text = pb.softmax.derivation
    for old, new in changes.values():
        assert old in text
        text = text.replace(old, new, 1)
    return type("Softmax", (type(pb.softmax),), {"derivation": text})()


@pytest.mark.parametrize(
    "old, new, said",
    [
        ("(i==j)*y[i] - y[i]*y[j]  ", "(i==j)*y[i] + y[i]*y[j]  ", r"line 11, column 13: it is .*i = 0, j = 0"),
        ("for i j k in n", "for i j in n", "line 3, column"),
        ("quotient", "quotient", ""),
        ("y[i] - y[i]*y[j]  ", "y[i] - y[i]*y[j  ", "line 11, column"),
        ("(i==j)*y[i] - y[i]*y[j]  ", "cosh(y[i])  ", "line 11, column 13: no function 'cosh'"),
        ("(i==j)*y[i] - y[i]*y[j]  ", "[y for y in x]  ", "line 11, column 13: ListComp is not part of the language"),
        ("(i==j)*y[i] - y[i]*y[j]  ", "y[i+7]  ", "line 11, column 13: .* has no value"),
        ("at n=3; n=2, batch=(2,)", "at n", "line 1, column 9: needs sizes"),
        ("let y[i] =", "let z[i] =", "`let y` is missing"),
        ("vjp gx[j]", "d(y[j], x[j])", "no chain `vjp gx`|it is"),
        ("- sum(i, y[i]*gy[i]))", "- 0*sum(i, y[i]*gy[i]))", "line 16"),
        ("exp(x[i]) / sum(k, exp(x[k]))", "2*exp(x[i]) / sum(k, exp(x[k]))", "in the code"),
    ],
)
def test_errors_point_at_the_line_and_the_column(old, new, said):
    rule = spoiled(change=(old, new))
    if not said:
        assert verify(rule)
        return
    with pytest.raises(DerivationError, match=said):
        verify(rule)


def shown_errors():
    """What docs/derivations.md puts in the place of softmax's line 11, and the error that it shows for that."""
    *_, block = re.findall(r"```\n(.*?)```", PAGE, re.DOTALL)
    lines = block.splitlines()
    return [(line, error.strip()) for line, error in zip(lines[::2], lines[1::2])]


@pytest.mark.parametrize("line, error", shown_errors())
def test_the_page_of_the_language_shows_the_errors_that_come(line, error):
    with pytest.raises(DerivationError, match=re.escape(error)):
        verify(spoiled(change=("(i==j)*y[i] - y[i]*y[j]  ", f"{line}  ")))


def test_the_page_of_the_language_knows_every_function():
    head, *rows = re.search(r"\| function .*?\n\n", PAGE, re.DOTALL)[0].strip().splitlines()
    named = set(re.findall(r"`(\w+)", " ".join(row.split("|")[1] for row in rows)))
    assert named == {*FUNCTIONS, *OVER_INDICES, "d"}
    assert "\n".join(line.strip() for line in SOFTMAX.strip().splitlines()) in re.sub(r"\n +", "\n", PAGE)


def test_no_element_of_a_gradient_is_left_out():
    text, second, _ = pb.glu.derivation.partition("vjp gx[half + l]")
    assert second
    with pytest.raises(DerivationError, match=r"no chain `vjp gx` for the element \[2\]"):
        verify(type("GLU", (type(pb.glu),), {"derivation": text})())


def test_the_last_line_is_the_choice_of_the_code_on_a_kink():
    text = pb.relu.derivation.replace("x >= 0", "x > 0").replace("x < 0", "x <= 0")
    assert text != pb.relu.derivation
    with pytest.raises(DerivationError, match=r"gx\[\] is 0, and 0.1257\d* in the code: .*; on a kink"):
        verify(type("ReLU", (type(pb.relu),), {"derivation": text})())


def test_without_mpmath(monkeypatch):
    """Fifty digits are not to be had then; floats are."""
    monkeypatch.setitem(sys.modules, "mpmath", None)
    with pytest.raises(MissingError) as error:
        verify(pb.softmax)
    says = 'derivations are checked with mpmath, which is not installed: pip install "pullback[docs]"'
    assert str(error.value) == says
    assert verify(pb.softmax, field=FLOATS) > 1
