"""A rule explained at one point, with the reader's own numbers: on a terminal, as a page, as LaTeX, as data."""

from functools import cached_property
from typing import Any

from pullback.door import configured
from pullback.door import placed as in_order
from pullback.errors import OptionError
from pullback.handbook.explanation import data, html, terminal, typeset
from pullback.handbook.explanation.content import Content
from pullback.handbook.explanation.outline import outline
from pullback.handbook.explanation.parts import Section
from pullback.handbook.page import known
from pullback.handbook.words import LANGUAGES, language
from pullback.rule import Rule


class Explanation(Content):
    """What there is to say about a rule at one point. `print` writes it, and a notebook shows it as a page."""

    def __str__(self) -> str:
        return terminal.text(self.sections)

    def __repr__(self) -> str:
        return f"<explanation of {self.name} at {', '.join(a.shown for a in self.inputs)}>"

    def _repr_html_(self) -> str:
        return html.part(self.sections, self.lang, html.picture(self))

    @cached_property
    def sections(self) -> list[Section]:
        return outline(self)

    def to_html(self) -> str:
        """A page by itself, which asks nothing of the network."""
        return html.page(self.sections, self.lang, html.picture(self))

    def to_latex(self) -> str:
        """A piece of a LaTeX document with amsmath and amssymb (and ctex for Chinese), for XeLaTeX or LuaLaTeX."""
        return typeset.latex(self)

    def to_json(self) -> str:
        """All numbers. JSON has no nan and no infinity: they are the texts "nan", "inf" and "-inf"."""
        return data.to_json(self)


def explain(rule: Rule | str, /, *inputs: Any, lang: str | None = None, **keywords: Any) -> Explanation:
    """Explain a rule at the inputs: definition, derivation, Jacobian, backward, kinks, memory, common mistakes.

        pullback.explain(pullback.softmax, [2.0, 3.0])
        pullback.explain("conv2d", x, w, stride=2, gy=gradient, lang="zh")

    The rule, or its name. Keywords are inputs, hyperparameters, or gradients of outputs (`gy`). Inputs that are left
    out are made up, and marked so. `lang` is "en" or "zh", by default that of the locale. Errors are those of a call
    of the rule; OptionError for a name that it does not know.
    """
    rule = known(rule) if isinstance(rule, str) else rule
    if not isinstance(rule, Rule):
        raise OptionError(f"explain takes a rule or its name, as in explain(pullback.softmax, x); got {rule!r}")
    lang = lang or language()
    if lang not in LANGUAGES:
        raise OptionError(f"lang must be {' or '.join(LANGUAGES)}, got {lang!r}")
    own = {name: value for name, value in keywords.items() if name in rule.options}
    rule = configured(rule, own)
    named = {name: value for name, value in keywords.items() if name not in own}
    gradients = {name: named.pop(name) for name in list(named) if name in gradient_names(rule)}
    given = placed(rule, inputs, named)
    given = {name: value for name, value in given.items() if value is not None}
    return Explanation(rule, given, gradients, lang, own)


def gradient_names(rule: Rule) -> list[str]:
    return [f"g{slot.name}" for slot in rule.outputs if slot.differentiable]


def placed(rule: Rule, inputs: tuple[Any, ...], named: dict[str, Any]) -> dict[str, Any]:
    """All given inputs by letter."""
    letters = [slot.name for slot in rule.inputs]
    if len(inputs) > len(letters):
        raise OptionError(f"{rule.name}: got {len(inputs)} arrays, needs {len(letters)}: {rule.signature}")
    return dict(zip(letters, in_order(rule, inputs, named)))
