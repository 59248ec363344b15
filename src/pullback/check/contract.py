"""The contract of a rule: every promise that DESIGN makes is one function here, and `assert_rule` keeps them all."""

import inspect
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from typing import Any

import numpy as np

from pullback.check.differences import away_from, difference, inner

Arrays = tuple[Any, ...]
SINGLE = 1e-4  # float32 against float64, relative to the largest element (or 1)


def assert_rule(rule: Any, seed: int = 0, **case: Any) -> None:
    """Check every promise of `rule` at random inputs of one case: axis sizes and hyperparameters."""
    missing = [name for name in ("forward", "jvp", "vjp", "hvp") if not hasattr(rule, name)]
    assert not missing, f"{rule.name} has no {', '.join(missing)}"
    cases = [case]
    if any("..." in slot.axes for slot in rule.inputs):
        cases.append(case | {"batch": (0, 2)})
    with np.errstate(all="raise", under="ignore"):
        for each in cases:
            trial = Trial(rule, each, seed)
            for promise in PROMISES:
                promise(trial)
            single_precision_stays(Trial(rule, each, seed, np.float32), trial)


class Trial:
    """A rule at random inputs of one case, with tangents and gradients; None where there are none."""

    def __init__(self, rule: Any, case: dict[str, Any], seed: int = 0, dtype: type = np.float64) -> None:
        rng = np.random.default_rng(seed)
        rule, sizes = rule.at(case)
        self.x = [real(x, slot, dtype) for x, slot in zip(rule.sample(rng, **sizes), rule.inputs)]
        if rule.inputs[0].differentiable:
            self.x[0] = away_from(rule.kinks, self.x[0]).astype(dtype)
        self.y, self.at = rule.linearize(*self.x)
        self.rule, self.plan = self.at.rule, self.at.plan
        self.has = self.plan.has
        draw = lambda zero: None if zero is None else np.round(rng.normal(size=zero.shape), 2).astype(dtype)
        self.tx = tuple(draw(zero) if has else None for zero, has in zip(self.plan.tangents, self.has))
        self.gy = tuple(draw(zero) for zero in self.plan.gradients)

    @cached_property
    def ty(self) -> Arrays:
        return as_tuple(self.at.jvp(*self.tx))

    @cached_property
    def gx(self) -> Arrays:
        return as_tuple(self.at.vjp(*self.gy))

    def given(self, items: Iterable[Any]) -> list[Any]:
        """Of one item per input, those of inputs that are there and have a derivative."""
        return [item for item, has in zip(items, self.has) if has]

    def shown(self, items: Any) -> list[Any]:
        """Of one item per output, those of outputs that have a derivative."""
        return [item for item, slot in zip(as_tuple(items), self.rule.outputs, strict=True) if slot.differentiable]

    def moved(self, f: Callable[..., Any]) -> Callable[..., Any]:
        """f as a function of the inputs that have a derivative alone."""

        def g(*moving: Any) -> Any:
            each = iter(moving)
            return f(*(next(each) if has else x for has, x in zip(self.has, self.x)))

        return g


def as_tuple(value: Any) -> Arrays:
    return value if isinstance(value, tuple) else (value,)


def real(x: Any, slot: Any, dtype: type) -> Any:
    return x.astype(dtype) if x is not None and slot.differentiable else x


# The promises.


def every_method_answers_for_every_array(trial: Trial) -> None:
    whole = lambda items, zeros: [zero if a is None else a for a, zero in zip(items, zeros) if zero is not None]
    inputs, outputs = trial.plan.tangents, trial.plan.gradients
    tx, gy = whole(trial.tx, inputs), whole(trial.gy, outputs)
    for method, arrays, like in (("jvp", tx, outputs), ("vjp", gy, inputs), ("hvp", [*gy, *tx], inputs)):
        found = [a() if callable(a) else a for a in as_tuple(getattr(trial.rule, method)(*arrays, *trial.at.saved))]
        shapes = [zero.shape for zero in like if zero is not None]
        assert [np.shape(a) for a in found] == shapes, f"{method} gives {[np.shape(a) for a in found]}, needs {shapes}"


def shapes_are_as_the_signature_says(trial: Trial) -> None:
    assert len(trial.gx) == len(trial.x), "one gradient per input"
    assert len(trial.ty) == len(trial.rule.outputs), "one tangent per output"
    for has, g, x in zip(trial.has, trial.gx, trial.x):
        assert has == (g is not None), "None for what has no derivative, and nothing else"
        assert not has or g.shape == x.shape, f"a gradient has the shape of its input: {g.shape}, {x.shape}"
    promised = [zero.shape for zero in trial.plan.gradients if zero is not None]
    assert [np.shape(y) for y in trial.shown(trial.y)] == promised, "outputs as the signature says"
    assert [np.shape(t) for t in trial.shown(trial.ty)] == promised, "tangents of outputs as the signature says"


def the_transpose_is_the_transpose(trial: Trial) -> None:
    up, down = inner(trial.shown(trial.gy), trial.shown(trial.ty)), inner(trial.given(trial.gx), trial.given(trial.tx))
    equal(up, down, 1e-10, "<g, J t> = <Jᵀ g, t>")


def jvp_is_how_the_output_moves(trial: Trial) -> None:
    f = trial.moved(lambda *x: tuple(trial.shown(trial.rule(*x))))
    agree(trial.shown(trial.ty), difference(f, trial.given(trial.x), trial.given(trial.tx)), "jvp")


def hvp_is_how_the_vjp_moves(trial: Trial) -> None:
    found = as_tuple(trial.at.hvp(trial.gy, trial.tx))
    f = trial.moved(lambda *x: tuple(trial.given(as_tuple(trial.rule.linearize(*x)[1].vjp(*trial.gy)))))
    agree(trial.given(found), difference(f, trial.given(trial.x), trial.given(trial.tx)), "hvp")


def the_hessian_is_symmetric(trial: Trial) -> None:
    wave = lambda t: np.cos(1 + np.arange(t.size)).reshape(t.shape).astype(t.dtype)
    other = tuple(None if t is None else wave(t) for t in trial.tx)
    bend = lambda t: trial.given(as_tuple(trial.at.hvp(trial.gy, t)))
    a, b = inner(trial.given(other), bend(trial.tx)), inner(trial.given(trial.tx), bend(other))
    equal(a, b, 1e-9, "<u, H t> = <t, H u>")


def the_jacobian_is_the_derivative(trial: Trial) -> None:
    found = trial.at.jacobian()
    shown = [k for k, slot in enumerate(trial.rule.outputs) if slot.differentiable]
    for k, row in zip(shown, found if len(shown) > 1 else [found], strict=True):
        row = trial.given(as_tuple(row))
        ty = sum(J @ t for J, t in zip(row, trial.given(trial.tx), strict=True))
        equal(ty, trial.ty[k], 1e-9, "jacobian against jvp")
        one = [g if j == k else None for j, g in enumerate(trial.gy)]
        for J, g in zip(row, trial.given(as_tuple(trial.at.vjp(*one))), strict=True):
            pulled = J.T @ trial.gy[k]
            pulled = pulled.sum(tuple(range(pulled.ndim - g.ndim)))  # a parameter is shared by the batch
            equal(pulled, g, 1e-9, "jacobian against vjp")
            dense = J.dense()
            assert dense.shape == J.shape, "an operator's shape is that of its matrix"
            equal(J.T.dense(), np.swapaxes(dense, -1, -2), 1e-9, "jacobian's transpose")


def nothing_is_written_to(trial: Trial) -> None:
    frozen = [None if a is None else a.copy() for a in (*trial.x, *trial.gy, *trial.tx)]
    _, at = trial.rule.linearize(*trial.x)
    at.jvp(*trial.tx), at.vjp(*trial.gy), at.hvp(trial.gy, trial.tx)
    for before, after in zip(frozen, (*trial.x, *trial.gy, *trial.tx)):
        assert before is None or np.array_equal(before, after), "inputs, tangents and gradients are never written to"
    for a, b in zip(trial.given(as_tuple(at.vjp(*trial.gy))), trial.given(trial.gx)):
        np.testing.assert_array_equal(a, b, "a second call gives the same")


def memory_order_does_not_matter(trial: Trial) -> None:
    y, at = trial.rule.linearize(*map(awkward, trial.x))
    awkwardly = "read-only arrays with negative strides"
    for a, b in zip(trial.shown(y), trial.shown(trial.y), strict=True):
        equal(a, b, 1e-11, awkwardly)
    gy, tx = tuple(map(awkward, trial.gy)), tuple(map(awkward, trial.tx))
    for a, b in zip(trial.given(as_tuple(at.vjp(*gy))), trial.given(trial.gx), strict=True):
        equal(a, b, 1e-11, awkwardly)
    for a, b in zip(trial.shown(at.jvp(*tx)), trial.shown(trial.ty), strict=True):
        equal(a, b, 1e-11, awkwardly)
    bent = as_tuple(trial.at.hvp(trial.gy, trial.tx))
    for a, b in zip(trial.given(as_tuple(at.hvp(gy, tx))), trial.given(bent), strict=True):
        equal(a, b, 1e-11, awkwardly)


def wrt_leaves_the_others_alone(trial: Trial) -> None:
    for slot, has, g in zip(trial.rule.inputs, trial.has, trial.gx):
        found = as_tuple(trial.at.vjp(*trial.gy, wrt=slot.name))
        assert [s.name for s, a in zip(trial.rule.inputs, found) if a is not None] == [slot.name] * has, "wrt"
        assert not has or np.array_equal(next(a for a in found if a is not None), g), "wrt does not change a gradient"


def the_saved_arrays_are_named(trial: Trial) -> None:
    saves = trial.rule.saves
    assert len(trial.at.saved) == len(saves), f"forward saves {len(trial.at.saved)} things, vjp takes {saves}"
    for method in (trial.rule.jvp, trial.rule.hvp, trial.rule.jacobian):
        parameters = inspect.signature(method).parameters.values()
        if not any(p.kind is p.VAR_POSITIONAL for p in parameters):  # combinators take whatever their parts take
            tail = tuple(p.name for p in parameters)[-len(saves) or len(parameters) :]
            assert tail == saves, f"{method.__name__} and vjp need the same saved values: {tail}, {saves}"


def single_precision_stays(single: Trial, double: Trial) -> None:
    """float32 in, float32 out; and the same values, but for rounding."""

    def found(trial: Trial) -> Iterator[tuple[str, Any]]:
        yield from (("output", a) for a in trial.shown(trial.y))
        yield from (("jvp", a) for a in trial.shown(trial.ty))
        yield from (("vjp", a) for a in trial.given(trial.gx))
        yield from (("hvp", a) for a in trial.given(as_tuple(trial.at.hvp(trial.gy, trial.tx))))
        yield from (("jacobian", J.dense()) for J in leaves(trial.at.jacobian()))

    for (name, a), (_, b) in zip(found(single), found(double), strict=True):
        assert np.asarray(a).dtype == np.float32, f"float32 in, but the {name} is {np.asarray(a).dtype}"
        equal(a, b, SINGLE * max(1.0, float(np.max(abs(b), initial=0.0))), f"{name} in float32 and float64")


def leaves(jacobian: Any) -> Iterator[Any]:
    """The operators in the tuples (of tuples) that `jacobian()` gives."""
    if isinstance(jacobian, tuple):
        for part in jacobian:
            yield from leaves(part)
    elif jacobian is not None:
        yield jacobian


PROMISES = (
    every_method_answers_for_every_array,
    shapes_are_as_the_signature_says,
    the_transpose_is_the_transpose,
    jvp_is_how_the_output_moves,
    hvp_is_how_the_vjp_moves,
    the_hessian_is_symmetric,
    the_jacobian_is_the_derivative,
    nothing_is_written_to,
    memory_order_does_not_matter,
    wrt_leaves_the_others_alone,
    the_saved_arrays_are_named,
)


def agree(found: Iterable[Any], wanted: Iterable[Any], name: str) -> None:
    for got, (want, error) in zip(found, wanted, strict=True):
        assert np.shape(got) == np.shape(want), f"{name} has shape {np.shape(got)}, needs {np.shape(want)}"
        assert np.all(error <= 1e-5 * (1 + abs(want))), f"central differences are too rough here to judge the {name}"
        np.testing.assert_array_less(abs(got - want), 10 * error + 1e-9, f"{name} against central differences")


def equal(found: Any, wanted: Any, bound: float, says: str) -> None:
    np.testing.assert_allclose(found, wanted, rtol=bound, atol=bound, err_msg=says)


def awkward(a: Any) -> Any:
    """The same values, read-only and with a negative stride."""
    if a is None or not a.ndim:
        return a
    a = a[..., ::-1].copy()[..., ::-1]
    a.flags.writeable = False
    return a
