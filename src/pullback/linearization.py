"""The derivative of a rule at one point."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy import ndarray
from numpy.typing import NDArray

from pullback.errors import DtypeError, OptionError, ShapeError
from pullback.operators import Implicit

if TYPE_CHECKING:
    from pullback.door import Plan
    from pullback.rule import Rule
    from pullback.signature import Slot


def as_tuple(value: Any) -> tuple[Any, ...]:
    return value if isinstance(value, tuple) else (value,)


def native(name: str, x: Any) -> NDArray[Any]:
    """x as an array in the byte order of this machine: kernels, and views as other integers, know no other."""
    if hasattr(x, "filled"):
        raise DtypeError(f"{name}: got a masked array, whose mask would be lost; fill it first, as with x.filled(0)")
    found = np.asarray(x)
    return found if found.dtype.isnative else found.astype(found.dtype.newbyteorder("="))


def fit(given: tuple[Any, ...], zeros: Sequence[Any]) -> bool:
    """Are these the arrays that are wanted, as they stand? Equal dtypes are nearly always one object; to compare them
    takes longer."""
    if len(given) != len(zeros):
        return False
    for a, z in zip(given, zeros):
        if type(a) is not ndarray or z is None or a.shape != z.shape or a.dtype is not z.dtype:
            return False
    return True


class Linearization:
    """The derivative of a rule at one point: a linear map, its transpose, its matrix.

    One tangent or gradient for every input or output. None stands for zero, and for what integers have.
    """

    __slots__ = "kept", "plan", "rule"

    def __init__(self, rule: "Rule", plan: "Plan", kept: tuple[Any, ...]) -> None:
        self.rule, self.plan, self.kept = rule, plan, kept

    def __repr__(self) -> str:
        points = zip(self.rule.inputs, self.plan.tangents)
        given = ", ".join(f"{slot.name}{list(zero.shape)}" for slot, zero in points if zero is not None)
        return f"<derivative of {self.rule.name} at {given}, {self.plan.dtype}>"

    @property
    def saved(self) -> tuple[Any, ...]:
        """What the rule's methods need; a fast twin may keep less for its vjp."""
        return self.plan.saved(*self.kept) if self.plan.saved else self.kept

    def jvp(self, *tangents: Any) -> Any:
        """J t: how the output(s) move when the inputs move along the tangents."""
        plan = self.plan
        if not fit(tangents, plan.tangents):
            tangents = self._fitting(tangents, plan.tangents, self.rule.inputs)
        found = (plan.jvp or self.rule.jvp)(*tangents, *self.saved)
        return found if len(plan.gradients) == 1 else self._spread(found, plan.gradients)

    def vjp(self, *gradients: Any, wrt: str | Iterable[str] | None = None) -> Any:
        """Jᵀ g: the gradients of all inputs, or of those that `wrt` names (and None for the others)."""
        plan = self.plan
        if not fit(gradients, plan.gradients):
            gradients = self._fitting(gradients, plan.gradients, self.rule.outputs)
        found = (plan.vjp or self.rule.vjp)(*gradients, *self.kept)
        if type(found) is ndarray and wrt is None and len(plan.has) == 1:
            return found  # as of most rules
        return self._gradients(found, wrt)

    def hvp(self, gradients: Any, tangents: Any, wrt: str | Iterable[str] | None = None) -> Any:
        """How vjp(*gradients) moves when the inputs move along the tangents: the Hessian of ⟨g, f⟩ times t."""
        gradients = self._fitting(self._each(gradients), self.plan.gradients, self.rule.outputs)
        tangents = self._fitting(self._each(tangents), self.plan.tangents, self.rule.inputs)
        return self._gradients(self.rule.hvp(*gradients, *tangents, *self.saved), wrt)

    @staticmethod
    def _each(given: Any) -> tuple[Any, ...]:
        """A list of arrays is as good as a tuple; a list of numbers is one array."""
        several = isinstance(given, list) and any(isinstance(a, np.ndarray) or a is None for a in given)
        return tuple(given) if several else as_tuple(given)

    def jacobian(self) -> Any:
        """J as an Operator, one per input (None for integers); a tuple of them per output where there are several.

        The Operator of a parameter acts on one copy of it for the whole batch; its transpose gives a gradient per
        example, which summed over the batch is what vjp gives.
        """
        found = self.rule.jacobian(*self.saved)
        if found is None:
            return self._implicit()
        if len(self.plan.has) == 1:
            return found
        return tuple([J if has else None for J, has in zip(self._spread(found, self.plan.tangents), self.plan.has)])

    def _implicit(self) -> Any:
        rows = [self._row(j) for j, zero in enumerate(self.plan.gradients) if zero is not None]
        return rows[0] if len(rows) == 1 else tuple(rows)

    def _row(self, j: int) -> Any:
        """The operators from each input to output j."""
        tangents, gradients = self.plan.tangents, self.plan.gradients
        one = lambda zeros, k, value: [value if i == k else None for i in range(len(zeros))]

        def operator(k: int) -> Implicit:
            push = lambda t: as_tuple(self.jvp(*one(tangents, k, t)))[j]
            pull = lambda g: as_tuple(self.vjp(*one(gradients, j, g)))[k]
            return Implicit(push, pull, tangents[k].shape, gradients[j].shape, self.plan.dtype)

        row = tuple(operator(k) if has else None for k, has in enumerate(self.plan.has))
        return row[0] if len(row) == 1 else row

    def _fitting(self, given: Sequence[Any], zeros: Sequence[Any], slots: Sequence["Slot"]) -> tuple[Any, ...]:
        """Arrays that resemble the zeros, of what was given; those of integers are left out."""
        if len(given) > len(zeros):
            raise ShapeError(f"{self.rule.name}: got {len(given)} arrays, needs {len(zeros)}")
        fitting = []
        for slot, a, z in zip(slots, (*given, *[None] * (len(zeros) - len(given))), zeros):
            if z is None:
                continue
            a = z if a is None else self._array(a, z, slot)
            if a.shape != z.shape or a.dtype != z.dtype:
                raise ShapeError(f"{self.rule.name}: for {slot}, got {a.dtype}{a.shape}, needs {z.dtype}{z.shape}")
            fitting.append(a)
        return tuple(fitting)

    def _array(self, a: Any, zero: Any, slot: "Slot") -> Any:
        try:
            return native(self.rule.name, a) if hasattr(a, "dtype") else np.asarray(a, zero.dtype)
        except DtypeError:
            raise
        except (TypeError, ValueError):
            given = type(a).__name__
            raise ShapeError(f"{self.rule.name}: for {slot}, got a {given}, needs {zero.dtype}{zero.shape}") from None

    def _gradients(self, found: Any, wrt: str | Iterable[str] | None) -> Any:
        has = self.plan.has
        if len(has) == 1 and wrt is None:
            found = found[0] if type(found) is tuple else found
            return found() if callable(found) else found
        if wrt is not None:
            has = self._wanted((wrt,) if isinstance(wrt, str) or not isinstance(wrt, Iterable) else tuple(wrt))
        if callable(found) and sum(z is not None for z in self.plan.tangents) > 1:  # a twin's, for all of them
            found = found([h for h, z in zip(has, self.plan.tangents) if z is not None])
        every = self._spread(found, self.plan.tangents)
        every = tuple([None if not h else g() if callable(g) else g for h, g in zip(has, every)])
        return every if len(every) > 1 else every[0]

    def _wanted(self, names: tuple[str, ...]) -> list[bool]:
        letters = self.rule.letters
        if unknown := [name for name in names if name not in letters]:
            known = ", ".join(slot.name for slot in self.rule.inputs)
            raise OptionError(f"{self.rule.name}: wrt names {unknown[0]!r}; the inputs are {known}")
        wanted = {letters[name] for name in names}
        return [h and slot.name in wanted for h, slot in zip(self.plan.has, self.rule.inputs)]

    @staticmethod
    def _spread(found: Any, zeros: Sequence[Any]) -> tuple[Any, ...]:
        """Put None in the place of what has no derivative."""
        each = iter(as_tuple(found))
        return tuple([None if z is None else next(each) for z in zeros])
