"""What is explained in Chinese is Chinese."""

import re
from importlib import import_module

import pytest
from explaining import RULES, run

from pullback.check.variants import families
from pullback.discovery import every
from pullback.handbook.explanation import explain
from pullback.handbook.explanation.meaning import GAP, chinese, formulas
from pullback.handbook.explanation.mistakes import chinese as of_layers
from pullback.handbook.explanation.mistakes import faults
from pullback.handbook.explanation.notation import undefined
from pullback.handbook.explanation.outline import jacobians, structure
from pullback.handbook.site.rulepage import sources
from pullback.handbook.words import texts


def test_chinese_from_the_locale(monkeypatch):
    monkeypatch.setenv("LC_ALL", "zh_CN.UTF-8")
    assert "雅可比矩阵" in run("softmax", "--x", "2,3").output
    assert "Jacobian" in run("softmax", "--lang", "en").output
    assert run("softmax", "--ascii").output.isascii()


@pytest.mark.parametrize("name", [name for name in RULES if type(every()[name]).__name__ in chinese()["summaries"]])
def test_chinese_leaves_no_english_words(name):
    """A rule that has its sentence in Chinese has its formulas in Chinese as well."""
    rule, here = every()[name], explain(name).rule
    known = {*rule.options, *rule.long_names.values(), *rule.long_names, "argmax", "count", "source", "before", "scale"}
    known |= {"exp", "log", "tanh", "sin", "cos", "max", "min", "sign", "sqrt", "mean", "var", "relu", "mask", "None"}
    known |= {"softmax", "softplus", "hardsigmoid", "total"}
    known |= {"lstm_cell", "gru_cell", "norm_type", "index", "beta", "delta", "label_smoothing", "torch"}
    for line in [*formulas(rule, "zh"), *formulas(here, "zh")]:
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


@pytest.mark.parametrize("name", RULES)
def test_nothing_without_zeros_is_called_sparse(name):
    drawn = [part for part in jacobians(explain(name, lang="en")) if hasattr(part, "block")]
    assert not [part.title for part in drawn if part.block.matrix.all() and "Sparse" in part.note]


def test_no_translation_is_left_over():
    """What no docstring says any more is not kept in Chinese."""
    kinds = {k.__name__ for rule in every().values() for k in type(rule).__mro__}
    assert set(chinese()["summaries"]) <= kinds
    shown = [rule for name in every() for rule in (every()[name], explain(name).rule)]
    lines = {line for rule in shown for line in formulas(rule, "en")}
    parts = {part.strip() for line in lines for part in GAP.split(line)}
    assert set(chinese()["formulas"]) <= parts, set(chinese()["formulas"]) - parts
    notes = {part for rule in every().values() for source in sources(rule) for part in source.split(": ")}
    assert set(chinese()["sources"]) <= notes, set(chinese()["sources"]) - notes


def test_every_fault_has_chinese():
    assert {f"faults.{name}" for name in faults()} <= set(texts())
    tables = [import_module(f"pullback.check.variants.{name}").VARIANTS for name in families()]
    assert {variant.says for table in tables for each in table.values() for variant in each} == set(of_layers())
    spaced = re.compile(r"[\u4e00-\u9fff][A-Za-z0-9]|[A-Za-z0-9][\u4e00-\u9fff]|[\u4e00-\u9fff][,;:]")
    assert not [chinese_ for chinese_ in of_layers().values() if spaced.search(chinese_)]


@pytest.mark.parametrize(
    "name, names",
    [("silu", []), ("rnn", []), ("gru", []), ("lstm", []), ("conv2d", ["padding_before"]), ("max_pool1d", ["step"])],
)
def test_names_are_told_that_stand_in_a_formula(name, names):
    """`# before step t` and `# factor out` are reasons, and no names of anything."""
    assert undefined(explain(name, lang="en").rule.derivation) == names


@pytest.mark.parametrize(
    "name, en, zh",
    [
        ("softmax", "i, j, k over n. (i==j) is 1 where it holds", "i、j、k 取遍 n。(i==j) 成立时为 1"),
        ("conv2d", "k over *k; p over *out", "k 取遍 *k；p 取遍 *out"),
        ("embedding", "over the batch", "取遍批次"),
        ("layer_norm", "j, k over the elements of w", "j、k 取遍 w 的元素"),
        ("conv2d", "padding_before: how much of the padding stands in front", "padding_before 为前端填充的长度"),
        ("binary_cross_entropy", "> and < bound the numbers", "> 和 < 为自动生成的数的范围"),
        ("gru", "three blocks of m rows each: r z n", "依次为 r z n"),
        ("lstm", "four blocks of m rows each: i f g o", "依次为 i f g o"),
        ("cross_entropy", "w[t] the weight of the right class t", "w[t] 为正确类别 t 的权重"),
        ("scaled_dot_product_attention", "factor: the scale; without one 1/√e, with e the length", "factor 即 scale"),
    ],
)
def test_letters_are_told_before_they_are_used(name, en, zh):
    for lang, words, mark in (("en", en, "The mark behind a line"), ("zh", zh, "行末的记号")):
        before, _, _ = re.split(r"(^ +=.*[≡✓≈]$)", str(explain(name, lang=lang)), maxsplit=1, flags=re.MULTILINE)
        said = " ".join(before.split())
        assert words in said and mark in said


def test_it_is_places_that_a_sum_runs_over():
    """o, p and k do not run over q: they are all those for which the equation holds."""
    said = " ".join(str(explain("conv2d", lang="zh")).split())
    assert "对满足 q = stride p + dilation k - padding 的所有 o, p, k 求和" in said
    assert not [line for line in chinese()["formulas"].values() if re.search("取遍[^，]*=", line)]
