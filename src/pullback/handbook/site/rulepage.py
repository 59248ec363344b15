"""The page of a rule: everything on it but the prose comes from the rule, its derivation, and numbers."""

import inspect
import re
from collections.abc import Iterator
from html import escape

from pullback.discovery import index
from pullback.handbook.derivation import parse
from pullback.handbook.explanation import Explanation, explain
from pullback.handbook.explanation.html import drawn, picture
from pullback.handbook.explanation.meaning import chinese, formulas, summary
from pullback.handbook.explanation.notation import compares, indices, marks, names, of_shapes, sentences
from pullback.handbook.explanation.outline import brief
from pullback.handbook.explanation.steps import MARKS, Derived, Line, because
from pullback.handbook.site import twins
from pullback.handbook.site.exercises import LONGEST, around, broken_line, without_cases, wrong_gradient
from pullback.handbook.site.families import alike, name_of, text_of
from pullback.handbook.site.formulas import Formulas
from pullback.handbook.site.prose import Prose, breakable, code_block
from pullback.handbook.site.terms import boxes
from pullback.handbook.site.verdicts import Verdict
from pullback.handbook.site.wording import word, wordings
from pullback.handbook.words import say
from pullback.rule import Rule

PARTS = re.compile(r"^## (\w+)\n", re.MULTILINE)  # of the prose: "purpose" and "derivation"


class RulePage:
    """What stands on the page of one rule in one language."""

    def __init__(
        self, rule: Rule, lang: str, prose: Prose, formulas: Formulas, verdicts: dict[str, Verdict] | None = None
    ) -> None:
        self.rule, self.lang, self.prose, self.formulas, self.verdicts = rule, lang, prose, formulas, verdicts or {}
        self.e: Explanation = explain(rule, lang=lang)
        self.sections = self.e.sections
        self.texts = rule_prose(rule.name, lang)
        derived = getattr(self.e.rule, "derivation", "")  # of the mode that the example is in
        self.uses = parse(derived).reach

    def body(self) -> str:
        parts = {
            "forward": self.forward, "result": self.result, "derivation": self.derivation, "numbers": self.numbers,
            "kinks": self.kinks, "code": self.code, "memory": self.memory, "mistakes": self.mistakes,
            "exercises": self.exercises, "references": self.references,
        }  # fmt: skip
        return "".join(
            [self.lead(), *(f'<h2 id="{name}">{self.say(name)}</h2>{part()}' for name, part in parts.items())]
        )

    def say(self, name: str, /, **values: object) -> str:
        return word(name, self.lang, **values)

    def lead(self) -> str:
        others = [name for name in alike(self.rule.name) if name != self.rule.name]
        links = self.say("comma").join(f'<a href="rule:{name}"><code>{name}</code></a>' for name in others)
        also = f'<p class="quiet">{self.say("alike", rules=links)}</p>' if others else ""
        summed = f'<div class="summary">{self.prose(summary(self.rule, self.lang))}</div>'
        name = name_of(self.rule.name, self.lang)
        said = " hidden" if name.lower() in summary(self.rule, self.lang).lower() else ""
        known = f'<p class="name"{said}>{escape(name)}</p>' if name else ""
        return known + summed + self.prose(self.texts["purpose"]) + also + f"<figure>{picture(self.e)}</figure>"

    def forward(self) -> str:
        options = [f"{name}={value!r}" for name, value in self.rule.options.items()]
        call = f"{self.rule.name}({', '.join([*(slot.name for slot in self.rule.inputs), *options])})"
        shapes = list(dict.fromkeys([self.rule.signature, self.e.rule.signature]))
        told = self.say("shapes" if len(shapes) == 1 else "both_shapes")
        return (
            f"<p>{told}</p>{code_block(chr(10).join(shapes), 'text')}"
            f'<div class="quiet">{self.prose(" ".join(of_shapes(self.e)))}</div>'
            f"<p>{self.say('call')}</p>{code_block(call)}{self.here()}" + self.equations("definition") + self.names()
        )

    def here(self) -> str:
        """The hyperparameters of the example, where they are others."""
        own, default = self.e.rule.options, self.rule.options
        others = [f"<code>{name}={own[name]!r}</code>" for name in own if own[name] != default.get(name, own[name])]
        return f"<p>{self.say('here', options=self.say('comma').join(others))}</p>" if others else ""

    def names(self) -> str:
        """What stands in the equations and is defined by none: values that the rule computes, and functions."""
        told = names(getattr(self.e.rule, "derivation", ""), self.lang)
        return f'<div class="quiet">{self.prose(told + self.say("stop"))}</div>' if told else ""

    def result(self) -> str:
        lines = code_block("\n".join(formulas(self.e.rule, self.lang)), "text")
        last = self.equations("recursion") + self.equations("vjp")
        return f"{last}<p>{self.say('written' if last else 'formulas')}</p>{lines}"

    def equations(self, kind: str) -> str:
        """What is derived, and the last line of it."""
        return "".join(self.display(equation(head, lines[-1])) for head, lines, _ in self.chains(kind))

    # The derivation in three depths.

    def chains(self, kind: str) -> list[Derived]:
        """Those of gradients of inputs ("vjp"), of entries of Jacobians ("entry"); of the definitions before them those
        that go forward ("definition") and those that come back with the gradient from above ("recursion")."""
        found = [] if isinstance(self.e.derivation, str) else self.e.derivation
        return [chain for chain in found if chain.lines and self.kind(chain) == kind]

    def kind(self, chain: Derived) -> str:
        name = chain.head.text.partition("[")[0]
        if name.startswith("∂"):
            return "entry"
        if name in {f"g{x.name}" for x in self.e.inputs}:
            return "vjp"
        return "recursion" if self.uses.get(name, set()) & {g.name for g in self.e.above} else "definition"

    def derivation(self) -> str:
        if isinstance(self.e.derivation, str):
            return self.prose(self.texts["derivation"]) + f"<p>{self.say('underived')}</p>" + self.matrix()
        return (
            self.prose(self.texts["derivation"]) + self.letters()
            + f"<h3>{self.say('entries')}</h3>" + "".join(map(self.chain, self.chains("entry")))
            + self.matrix()
            + f"<h3>{self.say('vjp')}</h3>" + "".join(map(self.chain, self.chains("vjp")))
            + f'<p class="quiet">{self.say("checked")}</p>'
        )  # fmt: skip

    def letters(self) -> str:
        """What the indices and signs of the derivation mean."""
        delta = self.say("delta") if compares(self.e) else ""
        told = sentences([indices(self.e), delta], self.lang)
        known = marks(self.e)
        return f'<div class="quiet">{self.prose(told)}{self.prose(known)}</div>'

    def matrix(self) -> str:
        """The Jacobian as a matrix of numbers."""
        section = next(s for s in self.sections if s.title == say("explain.jacobian", self.lang))
        inside = "".join(drawn(part, self.lang) for part in section.parts)
        return f'<h3>{self.say("matrix")}</h3><figure class="maps">{inside}</figure>'

    def chain(self, chain: Derived) -> str:
        point = f'<span class="quiet">{escape(chain.point)}</span>' if chain.point else ""
        head = f'<p class="head">{self.tall(chain.head.latex)} {point}</p>'
        return f'<div class="chain">{head}<ol>{"".join(map(self.step, chain.lines))}</ol></div>'

    def step(self, line) -> str:
        values = "".join(f'<code class="value">{boxes(value)}</code>' for value in line.values if value)
        why = f"{escape(line.reason)}&nbsp;{self.mark(line.grade)}" if line.grade else escape(line.reason)
        reason = f'<span class="reason">{why}</span>' if why.strip() else ""
        return f'<li><span class="formula">{self.tall("= " + line.latex)}</span>{reason}{values}</li>'

    def mark(self, grade: str) -> str:
        """How it is known that the line equals the one above it; pointing at the mark says so in words."""
        return f'<abbr title="{say(f"grades.{grade}", self.lang)}">{MARKS[grade]}</abbr>' if grade else ""

    def tall(self, latex: str) -> str:
        """In a line, but as high as a formula by itself."""
        return self.formulas.hold(r"\displaystyle " + latex)

    def display(self, latex: str) -> str:
        return f'<div class="display">{self.formulas.hold(latex, True)}</div>'

    # Numbers, places, memory: as `pullback explain` shows them.

    def numbers(self) -> str:
        how = " ".join(f"--{a.name} {typed(a.values)}" for a in self.e.inputs[:1])
        shell = code_block(f"pullback explain {self.rule.name} {how}", "text")
        rows = self.shown("explain.numbers", "stacked") + self.shown("explain.vjp", "stacked")
        return rows + f"<p>{self.say('yours')}</p>{shell}"

    def kinks(self) -> str:
        return self.shown("explain.kinks")

    def shown(self, title: str, how: str = "") -> str:
        """A section as `pullback explain` has it; `stacked` tables have long numbers, below their names if need be."""
        section = next(s for s in self.sections if s.title == say(title, self.lang))
        return "".join(drawn(part, self.lang) for part in section.parts).replace(
            "<table>", f'<table class="{f"numbers {how}".strip()}">'
        )

    def memory(self) -> str:
        blocks = self.e.jacobians
        kept = sum(k.size for k in self.e.memory)
        cost = self.say(
            "cost", entries=sum(b.shape[0] * b.shape[1] for b in blocks), kept=kept // 8,
            above=sum(g.values.size for g in self.e.above), gradients=sum(g.values.size for g in self.e.gradients),
        )  # fmt: skip
        return self.shown("explain.memory") + f"<p>{cost}</p>"

    # The code, what goes wrong, exercises.

    def code(self) -> str:
        own, *families = [k for k in type(self.rule).__mro__ if k.__module__.startswith("pullback.rules.")]
        title = lambda kind: self.say("family", name=f"<code>{kind.__name__}</code>")
        more = "".join(f"<details><summary>{title(k)}</summary>{source(k)}</details>" for k in families)
        place = f"<code>src/pullback/rules/<wbr>{breakable(index()[self.rule.name])}.py</code>"
        return f"<p>{self.say('file', place=place)}</p>{source(own)}{more}"

    def mistakes(self) -> str:
        columns = "mistake", "gives", *(["says"] if self.verdicts else [])
        head = "".join(f"<th>{self.say(name)}</th>" for name in columns)
        rows = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in self.mistaken())
        table = f'<table class="mistakes"><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>'
        how = f'<p class="quiet">{self.say("judged")}</p>' if self.verdicts else ""
        return f'<div class="wide">{table}</div>{how}'

    def mistaken(self) -> Iterator[list[str]]:
        """What went wrong, what it gives here, and what `check` says to it."""
        for mistake in self.e.mistakes:
            name, values = next(iter(mistake.gradients.items()))
            cells = [escape(mistake.says), f"<code>{name} = {escape(brief(values, self.lang))}</code>"]
            yield cells + ([self.verdict(mistake.name)] if self.verdicts else [])

    def verdict(self, mistake: str) -> str:
        found = self.verdicts.get(mistake)
        if not found:
            return "–"
        sees = f"<br>{word(found.cause, self.lang)}" if found.cause in wordings() else ""
        return f"<code>{escape(': '.join(filter(None, [found.verdict, found.cause])))}</code>{sees}"

    def exercises(self) -> str:
        return (
            "".join(filter(None, [self.line_exercise(), self.gradient_exercise()]))
            or f"<p>{self.say('no_exercise')}</p>"
        )

    def line_exercise(self) -> str:
        text = getattr(self.e.rule, "derivation", "")
        broken = broken_line(self.rule.name, text) if text else None
        if not broken:
            return ""
        lines = without_cases(numbered(explained(broken.text, self.lang)).splitlines())
        part = f"<p>{self.say('find_part')}</p>" if len(lines) > LONGEST else ""
        shown = around(lines, broken.number) if part else lines
        asked = f"<h3>{self.say('find_line')}</h3>{part}{code_block(chr(10).join(shown), 'text')}"
        right = broken.right.partition("#")[0].strip()
        return asked + self.answer(self.say("line_is", number=broken.number), code_block(right, "text"))

    def gradient_exercise(self) -> str:
        wrong = wrong_gradient(self.e)
        if not wrong:
            return ""
        right = next(g for g in self.e.settled if g.name == wrong.gradient)
        values = f"{wrong.gradient} = {brief(wrong.values, self.lang)}"
        choices = "".join(f"<li>{escape(choice.says)}</li>" for choice in wrong.choices)
        asked = f"<h3>{self.say('find_fault')}</h3><p>{self.say('returned')}</p>{code_block(values, 'text')}"
        truth = code_block(f"{right.name} = {brief(right.values, self.lang)}", "text")
        return f'{asked}<ol class="choices">{choices}</ol>' + self.answer(
            self.say("fault_is", number=wrong.answer + 1, says=escape(wrong.choices[wrong.answer].says)), truth
        )

    def answer(self, says: str, more: str) -> str:
        return f"<details><summary>{self.say('answer')}</summary><p>{says}</p>{more}</details>"

    def references(self) -> str:
        told = (spoken(source, self.lang) for source in sources(self.rule))
        return "<ul>" + "".join(f"<li>{escape(source)}</li>" for source in told) + "</ul>"


def rule_prose(name: str, lang: str) -> dict[str, str]:
    """The parts of the text of a rule; those that nobody has written are empty."""
    path = twins.HERE / "prose" / lang / f"{text_of(name)}.md"
    _, *parts = PARTS.split(twins.text(path)) if path.exists() else [""]
    return {"purpose": "", "derivation": "", **dict(zip(parts[::2], parts[1::2]))}


def source(kind: type) -> str:
    """The class as it is written, without its derivation, which stands above on the page."""
    text = inspect.getsource(kind)
    return code_block(re.sub(r'\n *(?:derivation|text|steps) = """.*?"""\n', "", text, flags=re.DOTALL))


def explained(text: str, lang: str) -> str:
    """A derivation with its reasons in the reader's language."""
    parts = (line.partition("#") for line in text.splitlines())
    return "\n".join(f"{body.rstrip()}  # {because(why.strip(), lang)}" if mark else body for body, mark, why in parts)


def numbered(text: str) -> str:
    """The lines that begin with `=` get a number."""
    lines, number = [], 0
    for line in inspect.cleandoc(text).splitlines():
        step = line.strip().startswith("= ")
        number += step
        lines.append(f"{number:>3}  {line}" if step else f"     {line}")
    return "\n".join(lines)


def sources(rule: Rule) -> list[str]:
    """What its docstring, or its family's, names as the source."""
    for kind in type(rule).__mro__:
        if found := re.search(
            r"Source: (.*?)(?:\n\n|\Z)", inspect.cleandoc(kind.__dict__.get("__doc__") or ""), re.DOTALL
        ):
            return re.split(r";\s+", " ".join(found[1].split()).removesuffix("."))
    return []


def equation(head: Line, line: Line) -> str:
    """A letter and what it stands for; of the size of an axis, which axis that is."""
    named = line.reason.replace("_", r"\_")
    size = rf" \qquad \text{{{named}}}" if line.text.isdigit() and not line.values else ""
    return f"{head.latex} = {line.latex}{size}"


def spoken(source: str, lang: str) -> str:
    """What is said of a work in the reader's language; its title stays as it is."""
    known = chinese()["sources"]
    note, _, work = source.partition(": ")
    if lang != "zh" or note not in known:
        return source
    return "：".join(known.get(part, part) for part in (note, work) if part)


def typed(values) -> str:
    """An array as `pullback explain` reads it."""
    return (
        "[" + ",".join(map(typed, values)) + "]"
        if getattr(values, "ndim", 0)
        else f"{values:.4g}"
        if values.dtype.kind == "f"
        else str(values)
    )
