"""The closed form of the layer that the user says it is: a second opinion, exact in the tails, and its other modes."""

import ast
import re
from collections.abc import Iterator
from difflib import get_close_matches
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pullback.check.called import CALLED
from pullback.check.problem import Part, Problem, pack
from pullback.check.terms import terms, told
from pullback.check.variants import wrong
from pullback.check.variants.call import Call, Variant
from pullback.discovery import find, index
from pullback.errors import OptionError, PullbackError

Array = NDArray[Any]


class Reference:
    """A rule at the inputs of a problem, once a way is found to hand them over that gives the problem's own output."""

    def __init__(self, problem: Problem, like: Any) -> None:
        self.problem, self.like = problem, like
        self.rule = named(like)
        self.options: dict[str, Any] = {}
        self.turned: tuple[bool, ...] = ()
        self.places: list[int] = []
        self.fits = self.arrange()

    def placed(self) -> list[int]:
        """Which inputs of the rule the arrays are: where there are fewer, lengths, masks and weights are left out."""
        slots, count = self.rule.inputs, len(self.problem.arrays)
        moving = [k for k, slot in enumerate(slots) if slot.differentiable or not slot.default]
        return moving if len(moving) == count < len(slots) else list(range(count))

    def arrange(self) -> bool:
        """Does the rule give what forward gives: in this mode or another, some matrices perhaps transposed?

        Half the world keeps the weight of a linear layer as [in, out], the other half as [out, in].
        """
        asked = self.rule
        with np.errstate(all="ignore"):
            wanted = self.problem.f(self.problem.example)
            turnable = [array.ndim == 2 for array in self.problem.arrays]
            for options in ({}, *self.modes()):
                self.rule, _ = asked.at(options)  # which may have other inputs, as batch_norm in training
                self.places = self.placed()
                for turned in product(*([False, True] if each else [False] for each in turnable)):
                    self.options, self.turned = options, turned
                    found = self.value(self.problem.example)
                    if found is not None and alike(found, wanted):
                        return True
        self.rule = asked
        return False

    @property
    def mode(self) -> str:
        """The hyperparameters that had to be changed."""
        return ", ".join(f"{name}={value!r}" for name, value in self.options.items())

    def modes(self) -> Iterator[dict[str, Any]]:
        """Other documented values of words and flags, as the rule's own cases have them."""
        for name, value in self.rule.options.items():
            others = {case[name] for case in self.rule.cases if isinstance(case.get(name), (str, bool))}
            if isinstance(value, (str, bool)):
                others |= {not value} if isinstance(value, bool) else {type(self.rule).__dict__.get(name, value)}
                yield from ({name: other} for other in sorted(others - {value}, key=str))

    @property
    def turning(self) -> list[float]:
        """The inputs at which the rule has kinks."""
        kinks = self.rule.kinks
        return [] if isinstance(kinks, str) else [float(k) for k in kinks if np.isfinite(k)]

    def inputs(self, v: Array) -> list[Array | None]:
        """The inputs of the rule, None for those that were left out."""
        arrays = self.problem.unpack(v, exact=True)
        turned = {k: array.T if turn else array for k, array, turn in zip(self.places, arrays, self.turned)}
        return [turned.get(k) for k in range(max(self.places, default=-1) + 1)]

    def linearized(self, v: Array, options: dict[str, Any]) -> Any:
        """(output, derivative) of the rule; None where it refuses these inputs."""
        try:
            return self.rule.linearize(*self.inputs(v), **options)
        except (PullbackError, TypeError, ValueError):
            return None

    def value(self, v: Array) -> Array | None:
        found = self.linearized(v, self.options)
        if found is None:
            return None
        outputs = found[0] if isinstance(found[0], tuple) else (found[0],)
        return pack(outputs[: len(self.problem.first)], self.problem.outputs)

    def pull(self, v: Array, g: Array, options: dict[str, Any] | None = None) -> Array | None:
        """The gradient of all inputs, flat."""
        found = self.linearized(v, self.options if options is None else options)
        if found is None:
            return None
        outputs = found[0] if isinstance(found[0], tuple) else (found[0],)
        above = [np.asarray(a, outputs[0].dtype) for a in self.problem.cotangents(g)]
        if any(a.shape != np.shape(y) for a, y in zip(above, outputs)):  # another mode may give another shape
            return None
        with np.errstate(all="ignore"):
            gradients = found[1].vjp(*above)
        gradients = gradients if isinstance(gradients, tuple) else (gradients,)
        own = [gradients[k] for k in self.places]
        back = [a if a is None or not turn else a.T for a, turn in zip(own, self.turned)]
        if any(back[part.place] is None for part in self.problem.inputs):
            return None
        return pack(back, self.problem.inputs)

    def other_mode(self, v: Array, g: Array, found: Array) -> str:
        """The mode whose gradient this is, if it is one."""
        for options in self.modes():
            pulled = self.pull(v, g, options)
            if pulled is not None and np.allclose(pulled, found, rtol=1e-5, atol=1e-8):
                (item,) = options.items()
                return f"{self.rule.name}({item[0]}={item[1]!r})"
        return ""

    def mistakes(self, v: Array, g: Array, part: Part) -> list[Variant]:
        """The known mistakes in this very layer that give the gradient of this input that was given."""
        other = 2.5 * np.cos(g + np.arange(len(g)))  # small ones and large
        found = [self.mistaken(v, above, part) for above in (g, other)]
        return [each for each in found[0] if each in found[1]]

    def mistaken(self, v: Array, g: Array, part: Part) -> list[Variant]:
        call, given = self.call(v, g), self.problem.b(v, g)[part.begin : part.end]
        name, turn = self.letter(part), self.turned[part.place]
        spoilt = [(each, gradients[name]) for each, gradients in wrong(call) if name in gradients]
        same = lambda a: np.allclose((a.T if turn else a).ravel(), given, rtol=1e-5, atol=1e-8)
        return [each for each, gradient in spoilt if same(gradient)]

    def term_by_term(self, v: Array, g: Array, part: Part) -> str:
        """Which terms of the gradient are there, and which are not, where it is known as a sum of some."""
        if self.value(v) is None:
            return ""
        above = g, np.cos(g + np.arange(len(g)))
        given = [part.of(self.problem.b(v, each)) for each in above]
        given = [each.T if self.turned[part.place] else each for each in given]
        if not np.isfinite(given).all():
            return ""
        return told([terms(self.call(v, each), self.letter(part)) for each in above], given)

    def call(self, v: Array, g: Array) -> Call:
        rule, _ = self.rule.at(self.options)
        cotangents = self.problem.cotangents(g)
        above = [a.astype(float) for a, slot in zip(cotangents, rule.outputs) if slot.differentiable]
        inputs = self.inputs(v)
        return Call(rule, [*inputs, *[None] * (len(rule.inputs) - len(inputs))], above)

    def letter(self, part: Part) -> str:
        """What the rule calls this input."""
        return str(self.rule.inputs[self.places[part.place]].name)


def alike(one: Array, other: Array) -> bool:
    """The same but for rounding; where one is outside of its domain the other is, too."""
    return one.shape == other.shape and np.allclose(one, other, 1e-6, 1e-9, equal_nan=True)


def named(like: Any) -> Any:
    """A rule; or its name; or its name with hyperparameters, as it would be written: "conv2d(stride=2)"."""
    if hasattr(like, "linearize"):
        return like
    name, options = parsed(like)
    rule = find(name)
    if rule is None:
        others = [
            other for pattern, rules in CALLED if re.fullmatch(pattern, name) for other in rules if "(" not in other
        ]
        close = others or get_close_matches(name, index(), 3)
        hint = f"did you mean {' or '.join(close)}?" if close else "`pullback list` shows what there is"
        raise OptionError(f"like: there is no rule {name!r}; {hint}")
    configured, unknown = rule.at(options)
    if unknown:
        known = ", ".join(rule.options) or "none"
        raise OptionError(f"like: {name} has no hyperparameter {next(iter(unknown))!r}; it has {known}")
    return configured


def parsed(like: Any) -> tuple[str, dict[str, Any]]:
    try:
        tree = ast.parse(like, mode="eval").body
        if isinstance(tree, ast.Name):
            return tree.id, {}
        if isinstance(tree, ast.Call) and isinstance(tree.func, ast.Name) and not tree.args:
            return tree.func.id, {str(k.arg): ast.literal_eval(k.value) for k in tree.keywords}
    except (SyntaxError, TypeError, ValueError):
        pass
    raise OptionError(f"like is {like!r}; it is a rule, or its name: 'layer_norm', 'conv2d(stride=2)'")
