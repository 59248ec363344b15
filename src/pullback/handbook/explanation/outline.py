"""An explanation in sections, as it is read."""

import re
from typing import Any

import numpy as np

from pullback.handbook import written
from pullback.handbook.derivation import parse
from pullback.handbook.explanation.content import Array, Block, Content, Kept
from pullback.handbook.explanation.meaning import formulas, summary
from pullback.handbook.explanation.notation import of_derivation, of_shapes
from pullback.handbook.explanation.parts import Formulas, Heat, Listed, Part, Rows, Section, Words
from pullback.handbook.explanation.places import Place
from pullback.handbook.explanation.steps import goes_wrong, lacks_numbers
from pullback.handbook.pictures.heatmap import NUMBERED
from pullback.handbook.words import say, texts
from pullback.kinks import WORDS
from pullback.rule import Rule

FEW = 24  # numbers of an array that are written out
DRAWN = 6  # Jacobians that are drawn; the others are told in a line


def outline(e: Content) -> list[Section]:
    """The first section is titled by the rule's name."""
    say_ = lambda name, **values: say(f"explain.{name}", e.lang, **values)
    return [
        Section(e.name, head(e)),
        Section(say_("numbers"), [Rows(rows([*e.inputs, *e.outputs], e.lang))]),
        Section(say_("derivation"), derivation(e)),
        Section(say_("jacobian"), jacobians(e)),
        Section(say_("vjp"), [Rows([*(row(g, e.lang, say_("above")) for g in e.above), *rows(e.settled, e.lang)])]),
        Section(say_("kinks"), kinks(e)),
        Section(say_("memory"), memory(e)),
        Section(say_("mistakes"), mistakes(e)),
    ]  # fmt: skip


def head(e: Content) -> list[Part]:
    signs = [Words(unquoted(text), quiet=True) for text in of_shapes(e)]
    return [Words(summary(e.rule, e.lang)), Formulas(formulas(e.rule, e.lang)), Rows(shapes(e)), *signs]


def unquoted(text: str) -> str:
    return text.replace("`", "")


def shapes(e: Content) -> list[tuple[str, ...]]:
    """The signature, and the hyperparameters."""
    options = ", ".join(f"{name} = {value!r}" for name, value in e.rule.options.items())
    return [(e.rule.signature,), *([(options,)] if options else [])]


def rows(arrays: list[Array], lang: str) -> list[tuple[str, ...]]:
    return [row(a, lang) for a in arrays]


def row(a: Array, lang: str, note: str = "") -> tuple[str, ...]:
    notes = filter(None, [note, say("explain.made", lang) if a.made else ""])
    return a.name, shape_of(a.values), brief(a.values, lang), say("explain.and", lang).join(notes)


def shape_of(values: Any) -> str:
    return "[" + " ".join(map(str, np.shape(values))) + "]"


def brief(values: Any, lang: str) -> str:
    """An array, the first numbers of it where there are many."""
    values = np.asarray(values)
    if values.size <= FEW:
        return written.array(values)
    shown = " ".join(written.number(v) for v in values.reshape(-1)[:FEW])
    return f"[{shown}] " + say("explain.more", lang, count=values.size - FEW)


def derivation(e: Content) -> list[Part]:
    if isinstance(e.derivation, str):  # why there is none
        why = [e.derivation, *([say("explain.instead", e.lang)] if e.chain_rule else [])]
        return [*e.chain_rule, *(Words(words, quiet=True) for words in why)]
    holds = all(line.grade not in ("unknown", "ungraded", "long") for chain in e.derivation for line in chain.lines)
    notes = ["explain.lines"] * holds + ["explain.beside"] * goes_wrong(e.derivation)
    notes += ["explain.lost"] * (lacks_numbers(e.derivation) and all(np.size(y.values) for y in e.outputs))
    if e.at.plan.sizes.get("..."):
        unreduced = e.rule.options.get("reduction") == "none"
        notes += ["explain.each"] * unreduced + ["explain.first"] * (not unreduced and speaks_of_one(e.rule))
    letters = [Words(unquoted(text), quiet=True, apart=True) for text in of_derivation(e)]
    return [*letters, *e.derivation, *(Words(say(note, e.lang), quiet=True) for note in notes)]


def speaks_of_one(rule: Rule) -> bool:
    """Does the derivation speak of one example of a batch?"""
    return not parse(rule.derivation).names_the_batch  # type: ignore[attr-defined]


def jacobians(e: Content) -> list[Part]:
    fits = [b.matrix is not None and 0 < min(b.shape) and max(b.shape) <= NUMBERED for b in e.jacobians]
    drawn = [fit and sum(fits[:k]) < DRAWN for k, fit in enumerate(fits)]
    parts: list[Part] = [heat(b, e.lang) for b, here in zip(e.jacobians, drawn) if here]
    others = [f"∂{b.of}/∂{b.by} ({b.shape[0]} × {b.shape[1]})" for b, here in zip(e.jacobians, drawn) if not here]
    return parts + ([Words(say("explain.others", e.lang, names=", ".join(others)), quiet=True)] if others else [])


def heat(block: Block, lang: str) -> Heat:
    return Heat(title_of(block, lang), block, note_of(block, lang))


def title_of(block: Block, lang: str) -> str:
    return say("explain.block", lang, of=block.of, by=block.by, rows=block.shape[0], columns=block.shape[1])


def note_of(block: Block, lang: str) -> str:
    full = block.matrix is not None and block.matrix.all()
    known = block.structure and not (full and block.structure == "Sparse")
    notes = [say("explain.structure", lang, words=structure(block, lang))] if known else []
    if block.matrix is not None and not full:
        notes.append(say("explain.zeros", lang, share=f"{np.mean(block.matrix == 0):.0%}"))
    return say("explain.and", lang).join(notes)


def structure(block: Block, lang: str) -> str:
    """Diagonal - Outer, or 对角 - 外积."""
    found = re.sub(
        r"[A-Z]\w+", lambda name: texts().get(f"operators.{name[0]}", {}).get(lang, name[0]), block.structure
    )
    return found.replace("(", "（").replace(")", "）") if lang == "zh" else found


def kinks(e: Content) -> list[Part]:
    if not e.places:
        return [Words(say("explain.smooth", e.lang))]
    parts: list[Part] = [Words(sentence(place, e.lang)) for place in e.places]
    here = [element for place in e.places for element in place.here]
    told = all(place.at is not None and place.kind != "state" for place in e.places)
    if here:
        more = " " + say("explain.more", e.lang, count=len(here) - FEW) if len(here) > FEW else ""
        parts.append(Words(say("kinks.here", e.lang, elements=", ".join(here[:FEW]) + more)))
    elif told:
        parts.append(Words(say("kinks.absent", e.lang), quiet=True))
    if "kink" in e.rule.options and e.places[0].kind in ("kink", "state"):
        parts.append(Words(choices(e.rule.options["kink"], e.lang), quiet=True))
    return parts


def choices(word: str, lang: str) -> str:
    """The word that picks a derivative, and those that would pick another."""
    others = say("kinks.comma", lang).join(other for other in WORDS if other != word)
    return say("kinks.choose", lang, word=word, others=others)


def sentence(place: Place, lang: str) -> str:
    known = {name: written.number(value) for name, value in place._asdict().items() if isinstance(value, float)}
    size = written.number((place.right or 0.0) - (place.left or 0.0))
    return say(f"kinks.{place.kind}", lang, variable=place.variable, size=size, **known)


def memory(e: Content) -> list[Part]:
    arrays = [kept for kept in e.memory if kept.size]
    plain = [kept.name for kept in e.memory if not kept.size]
    own = sum(kept.own for kept in arrays)
    parts: list[Part] = [Rows([remembered(kept, e.lang) for kept in arrays])] if arrays else []
    if plain:
        parts.append(Words(say("explain.plain", e.lang, names=", ".join(plain)), quiet=True))
    return [*parts, Words(say("explain.total", e.lang, size=written.size(own)), quiet=True)]


def remembered(kept: Kept, lang: str) -> tuple[str, ...]:
    note = say("explain.same", lang, name=kept.is_) if kept.is_ else ""
    several = "" if kept.count == 1 else say("explain.arrays", lang, count=kept.count)
    return kept.name, kept.shape, written.size(kept.size), note or several


def mistakes(e: Content) -> list[Part]:
    """Each with the first gradient that it gets wrong; what is right stands above."""
    if not e.mistakes:
        return [Words(say("explain.harmless", e.lang), quiet=True)]
    right = {g.name: g.values for g in e.settled}
    firsts = [(mistake.says, *next(iter(mistake.gradients.items()))) for mistake in e.mistakes]
    named = {name for _, name, _ in firsts}
    told = [equation(name, brief(values, e.lang)) for name, values in right.items() if name in named]
    found = [(says, equation(name, brief(values, e.lang))) for says, name, values in firsts]
    right_ones = [(say("explain.right", e.lang), "\n".join(told))] if told else []
    return [Listed([*right_ones, *found])]


def equation(name: str, value: str) -> str:
    """The lines of a long value below one another."""
    return f"{name} = " + value.replace("\n", "\n" + " " * (len(name) + 3))
