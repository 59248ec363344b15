"""A trail, told and drawn: bars, the formula of every layer, and what became of the gradient."""

from math import isfinite
from typing import Any

import numpy as np

import pullback.files as files
from pullback.errors import OptionError
from pullback.handbook.explanation import html, terminal
from pullback.handbook.explanation.meaning import backward
from pullback.handbook.explanation.parts import Bar, Bars, Part, Section, Words
from pullback.handbook.pictures import bars
from pullback.handbook.words import language, say
from pullback.handbook.written import number
from pullback.train.trail import Step, Trail, trace

LOST = 1e-2  # of its length at the loss: less has vanished, and more than the inverse has exploded
SPARSE = 0.9  # of a gradient: so many zeros are told
FORGOTTEN = 0.1  # of what the most favoured step of time gets
STEPS = 16  # of time that are drawn
LONG = 40  # characters of a target


class Way:
    """What there is to say about a trail."""

    def __init__(self, trail: Trail, lang: str) -> None:
        self.trail, self.lang = trail, lang
        self.norms = [(called(step), step.norm) for step in trail.steps if step.norm is not None]

    def say(self, name: str, /, **values: object) -> str:
        return say(f"trace.{name}", self.lang, **values)

    @property
    def sections(self) -> list[Section]:
        trail = self.trail
        target = trail.target if len(trail.target) <= LONG else trail.target[: LONG - 1] + "…"
        target = target if target.isprintable() else repr(target)
        example = self.say("example", number=trail.example, target=target, loss=number(trail.loss))
        parts: list[Part] = [Words(example), Bars(self.say("leaves"), [self.bar(step) for step in trail.steps])]
        through = [Section(self.say("time"), [self.times(s)]) for s in trail.steps if s.times]
        own = [Bar(f"{s.name}.{name}", value) for s in trail.steps for name, value in s.own.items()]
        return [
            Section(self.say("title", source=trail.source), parts),
            *through,
            *([Section(self.say("parameters"), [Bars(self.say("own"), own)])] if own else []),
            Section(self.say("verdict"), [Words(sentence) for sentence in self.verdict()]),
        ]

    def bar(self, step: Step) -> Bar:
        formula = backward(step.rule, self.lang) if step.rule else ""
        if step.norm is None:
            return Bar(called(step), None, self.say("nothing"), formula)
        notes = [self.say("factor", factor=number(step.factor, 2))] if step.factor and step.name != "loss" else []
        notes += [self.say("zeros", share=f"{step.zeros:.0%}")] if step.zeros else []
        return Bar(called(step), step.norm, say("explain.and", self.lang).join(notes), formula)

    def times(self, step: Step) -> Bars:
        """All steps, or some at equal distances where there are many."""
        shown = dict.fromkeys(int(t) for t in np.linspace(0, len(step.times) - 1, min(STEPS, len(step.times))))
        steps = [Bar(self.say("step", t=t), step.times[t]) for t in shown]
        return Bars(self.say("times", name=called(step)), steps)

    def verdict(self) -> list[str]:
        """What became of the gradient, and which layers did the most to it."""
        said = [self.fate()]
        found = [(step.factor, called(step)) for step in self.trail.steps[1:] if step.factor and isfinite(step.factor)]
        if found and min(found)[0] < 0.5:
            said.append(self.most("shrinks", min(found)[0], found))
        if found and max(found)[0] > 2:
            said.append(self.most("grows", max(found)[0], found))
        for step in self.trail.steps:
            said += self.over_time(step)
        sparse = max(self.trail.steps, key=lambda step: step.zeros)
        if SPARSE <= sparse.zeros < 1:
            said.append(self.say("sparse", name=called(sparse), share=f"{sparse.zeros:.0%}"))
        return said

    def over_time(self, step: Step) -> list[str]:
        """What becomes of it from the last step of time to the first."""
        if not step.times or not isfinite(most := max(step.times)) or not most:
            return []
        first, last = step.times[0], step.times[-1]
        told = lambda word, share: [self.say(word, name=called(step), share=number(share, 2))]
        if first < FORGOTTEN * most:
            return told("fades" if first < LOST * most else "forgets", first / most)
        return told("swells", first / last) if 0 < last < LOST * first else []

    def most(self, word: str, extreme: float, found: list[tuple[float, str]]) -> str:
        """Which layer does most, the first of all that do as much as far as two digits show."""
        factor = number(extreme, 2)
        first, *others = (name for each, name in found if number(each, 2) == factor)
        name = self.say("alike", name=first, count=len(others)) if others else first
        return self.say(word, name=name, factor=factor)

    def fate(self) -> str:
        if self.norms[0][1] == 0:
            return self.say("learned", loss=number(self.trail.loss))
        for name, norm in self.norms:
            if not isfinite(norm):
                return self.say("broken", name=name)
            if norm == 0:
                return self.say("dies", name=name)
        share = self.norms[-1][1] / self.norms[0][1]
        word = "vanishes" if share < LOST else "explodes" if share > 1 / LOST else "arrives"
        return self.say(word, name=self.norms[-1][0], share=number(share, 2))

    def to_html(self) -> str:
        return html.page(self.sections, self.lang)

    def to_svg(self) -> str:
        """The picture alone."""
        rows = [self.bar(step) for step in self.trail.steps]
        title = self.say("title", source=self.trail.source)
        return bars([(row.name, row.size) for row in rows], title, [row.note for row in rows], lang=self.lang) + "\n"


def tell(source: str, data: str | None, lang: str | None, **how: Any) -> None:
    """Trace, and print it, or write what was asked for: `how` says ascii, html, svg, and what to trace."""
    if len(chosen := [f"--{word}" for word in ("ascii", "html", "svg") if how[word]]) > 1:
        raise OptionError(f"one way at a time, got {' and '.join(chosen)}")
    if how["ascii"] and lang == "zh":
        raise OptionError("Chinese cannot be written in ASCII; leave out --ascii or --lang zh")
    lang = "en" if how["ascii"] else lang or language()
    found = Way(trace(source, data, how["example"], how["target"], how["seed"]), lang)
    if path := how["html"] or how["svg"]:
        files.write(path, (found.to_html() if how["html"] else found.to_svg()).encode())
        print(say("explain.written", lang, path=path))
    else:
        terminal.tell(found.sections, how["ascii"])


def called(step: Step) -> str:
    return step.kind if step.name == "loss" else f"{step.name} {step.kind}"
