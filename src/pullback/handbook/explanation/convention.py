"""What frameworks return where there is no derivative: a table that was measured, with versions and dates."""

import json
from functools import cache, cached_property
from importlib.resources import files
from typing import Any

import numpy as np

from pullback.door import configured
from pullback.handbook import written
from pullback.handbook.explanation import data, html
from pullback.handbook.explanation.parts import Listed, Part, Section, Table, Words
from pullback.handbook.page import known
from pullback.handbook.words import say
from pullback.linearization import as_tuple
from pullback.rule import Rule

FRAMEWORKS = {"torch": "PyTorch", "jax": "JAX", "tf": "TensorFlow"}


@cache
def measured() -> dict[str, Any]:
    """The table: `measured` says versions and dates, `points` are the rows."""
    return json.loads(files("pullback.handbook").joinpath("conventions.json").read_text("utf-8"))


def points(rule: Rule) -> list[dict[str, Any]]:
    """The rows of a rule, and of its family in other dimensions."""
    return [p for p in measured()["points"] if type(known(p["rule"])) is type(rule)]


def ours(point: dict[str, Any], **options: Any) -> np.ndarray:
    """The gradient that pullback gives there."""
    rule = configured(known(point["rule"]), point["options"] | options)
    classes = lambda value: np.asarray(value).dtype.kind == "i"
    inputs = {name: np.array(v, int if classes(v) else float) for name, v in point["inputs"].items()}
    with np.errstate(all="ignore"):
        y, at = rule.linearize(**inputs)
        found = as_tuple(at.vjp(*(np.ones_like(a) for a in as_tuple(y)), wrt=point["by"]))
    return next(g for g in found if g is not None)


def asked(point: dict[str, Any], options: dict[str, Any], given: dict[str, Any]) -> bool:
    """Is it one of these numbers, or these arrays, with these hyperparameters?"""
    return configured_as(point, options) and (not given or met(point, given))


def configured_as(point: dict[str, Any], options: dict[str, Any]) -> bool:
    own = known(point["rule"]).options | point["options"]
    return all(own[name] == value for name, value in options.items())


def met(point: dict[str, Any], given: dict[str, Any]) -> bool:
    """The same arrays; or, of a rule for single numbers, the measured ones of all inputs in one place."""
    measured = {name: np.array(point["inputs"].get(name, []), float) for name in given}
    if all(np.array_equal(measured[name], value) for name, value in given.items()):
        return True
    rows = zip(*(np.ravel(a) for a in measured.values())) if single(known(point["rule"])) else ()
    arrays = np.broadcast_arrays(*given.values()) if one_shape(given) else []
    return any(arrays and np.all([a == x for a, x in zip(arrays, row)], 0).any() for row in rows)


def single(rule: Rule) -> bool:
    """Does it treat every number alone?"""
    return all(slot.axes == ("...",) for slot in rule.inputs)


def one_shape(given: dict[str, Any]) -> bool:
    return len({np.shape(a) for a in given.values()}) == 1


class Conventions:
    """What frameworks return where a rule has no derivative: at all places that were measured, or at the reader's."""

    def __init__(
        self, rule: Rule, lang: str, options: dict[str, Any] | None = None, given: dict[str, Any] | None = None
    ) -> None:
        self.rule, self.lang, self.measured = rule, lang, points(rule)
        self.options, self.given = options or {}, given or {}
        self.points = [point for point in self.measured if asked(point, self.options, self.given)]

    @cached_property
    def sections(self) -> list[Section]:
        title = say("convention.title", self.lang, name=self.rule.name)
        return [Section(title, [*(self.parts() if self.points else [Words(self.reason())]), *self.smooth()])]

    def smooth(self) -> list[Part]:
        """Numbers of the reader's at which a function of one number has a derivative."""
        rule, numbers = configured(self.rule, self.options), np.ravel(self.given.get("x", []))
        if not rule.kinks or isinstance(rule.kinks, str) or len(rule.inputs) > 1:
            return []
        rest = numbers[np.isfinite(numbers) & ~np.isin(numbers, rule.kinks)]
        return [Words(say("convention.one", self.lang, numbers=written.array(rest)))] if rest.size else []

    def parts(self) -> list[Part]:
        """The table, what was called, and when."""
        head = (say("convention.at", self.lang), say("convention.here", self.lang), *FRAMEWORKS.values())
        by = ", ".join(dict.fromkeys(point["by"] for point in self.points))
        parts: list[Part] = [
            Table(head, [row(point) for point in self.points]),
            Words(say("convention.by", self.lang, names=by), quiet=True),
            Words(say("convention.calls", self.lang), quiet=True),
            Listed([call for point in self.points for call in calls(point)]),
            Words(say("convention.measured", self.lang), quiet=True),
            Listed([(FRAMEWORKS[name], f"{v['version']}, {v['date']}") for name, v in measured()["measured"].items()]),
        ]
        if words := self.words():
            parts.append(Words(say("convention.kink", self.lang, words=", ".join(f"kink={word}" for word in words))))
        return parts

    def words(self) -> list[str]:
        """The frameworks whose word makes pullback return what they were measured to return."""
        if "kink" not in self.rule.options:
            return []
        known = lambda name: [(p, p["gradients"][name]) for p in self.points if p["gradients"][name] is not None]
        same = lambda p, name, g: np.allclose(ours(p, kink=name), np.array(g, float), atol=1e-6, equal_nan=True)
        return [name for name in FRAMEWORKS if known(name) and all(same(p, name, g) for p, g in known(name))]

    def reason(self) -> str:
        """Why there is no table."""
        if self.measured and not any(configured_as(point, self.options) for point in self.measured):
            return say("convention.otherwise", self.lang)
        if self.measured:
            places = "; ".join(place(point).replace("\n", ", ") for point in self.measured)
            return say("convention.elsewhere", self.lang, points=places)
        smooth = not self.rule.kinks and "kink" not in self.rule.options
        return say(f"convention.{'smooth' if smooth else 'unmeasured'}", self.lang)

    def to_html(self) -> str:
        return html.page(self.sections, self.lang)

    def to_json(self) -> str:
        rows = [point | {"pullback": data.plain(ours(point))} for point in self.points]
        return json.dumps({"measured": measured()["measured"], "points": rows}, ensure_ascii=False, indent=1) + "\n"


def place(point: dict[str, Any]) -> str:
    inputs = {name: written.array(np.array(value, float)) for name, value in point["inputs"].items()}
    said = [
        *(f"{name} = {value}" for name, value in inputs.items()),
        *(f"{k}={v}" for k, v in point["options"].items()),
    ]
    return "\n".join(said)


def row(point: dict[str, Any]) -> tuple[str, ...]:
    return place(point), written.array(ours(point)), *(shown(point["gradients"][name]) for name in FRAMEWORKS)


def shown(gradient: Any) -> str:
    return "–" if gradient is None else written.array(np.array(gradient, float))


def calls(point: dict[str, Any]) -> list[tuple[str, str]]:
    return [(FRAMEWORKS[name], call) for name, call in point["calls"].items() if call]
