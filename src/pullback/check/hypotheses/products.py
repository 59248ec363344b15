"""Layers that multiply one array by another: the Jacobian by the one consists of numbers of the other."""

from collections.abc import Iterator
from itertools import permutations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pullback.check import structure as look
from pullback.check.hypotheses.evidence import Evidence, Says
from pullback.check.structure import nonzero, same

Array = NDArray[Any]


def one_factor_of_two(e: Evidence) -> Says:
    """Numbers of another input, that do belong there, as a scale does, and the rest of the product is missing."""
    owner = stranger(e)
    if owner and e.scales_with(owner):
        return f"made of the numbers of {owner} alone: what else they are multiplied by is missing"
    return None


def another_factor(e: Evidence) -> Says:
    """Numbers of the output (or another input) where those of an input belong: y in the gradient of w, not x."""
    owner = stranger(e)
    return f"made of the numbers of {owner}, which is not what {e.name} is multiplied by" if owner else None


def stranger(e: Evidence) -> str | None:
    """The array that the wrong gradient is made of, and the right one is not."""
    given = e.B[nonzero(e.B)]
    if not e.partners or not e.steady or not patterned(e) or len(given) < 2 or np.ptp(given) < 1e-6:
        return None
    known = e.arguments | e.results
    owner = next((name for name, a in known.items() if made_of(e.B, a)), None)
    return owner if owner and not made_of(e.J, known[owner]) else None


def one_for_another(e: Evidence) -> Says:
    """Every output's share is off by P / Q, two arrays of its shape: P stands where Q is meant."""
    if not np.array_equal(nonzero(e.B), e.some) or not look.per_row(e.ratio, e.some):
        return None
    rows = e.some.any(1)
    factor = np.array([r[some][0] for r, some in zip(e.ratio[rows], e.some[rows])])
    known = {name: np.ravel(a)[rows] for name, a in (e.arguments | e.results).items() if np.shape(a) == e.y_shape}
    for (p, P), (q, Q) in permutations(known.items(), 2):
        if len(factor) > 1 and np.all(Q) and same(factor, P / Q, 1e-4):
            return f"every output's share is off by {p} / {q}: {p} stands where {q} is meant"
    return None


def term_negated(e: Evidence) -> Says:
    """J is linear in an argument, or in the input itself: some of its numbers come in with the other sign."""
    for name, T, S in taken(e):
        wrong = abs(T - S) > 1e-5 * np.max(abs(T))
        if same(S[wrong], -T[wrong]):
            return f"what is multiplied by {name} has the wrong sign in places"
    return None


def term_lost(e: Evidence) -> Says:
    for name, T, S in taken(e):
        wrong = abs(T - S) > 1e-5 * np.max(abs(T))
        if not nonzero(S)[wrong].any():
            return f"a term is missing that is multiplied by {name}"
    return None


def numbers_elsewhere(e: Evidence) -> Says:
    """Every number of an argument does what another one should."""
    for name, T, S in taken(e):
        if len(T) > 1 and same(np.sort(T, 0), np.sort(S, 0)):
            return f"the numbers of {name} are taken in another order"
    return None


def taken(e: Evidence) -> Iterator[tuple[str, Array, Array]]:
    """How the right Jacobian and the wrong one move with the numbers of an array, if they are linear in it."""
    if e.elementwise or not nonzero(e.B).any():
        return
    for name in (e.name, *(name for name, a in e.partners.items() if a.dtype.kind == "f")):
        found = e.shares(name)
        if found is not None and nonzero(found[0]).any() and not same(*found):
            yield name, *found


def other_side(e: Evidence) -> Says:
    """A square matrix from the wrong side: every output's share runs along a row of it, not along a column."""
    for name, u in e.partners.items():
        square = u.dtype.kind == "f" and u.ndim == 2 and u.shape[0] == u.shape[1] > 1
        if square and not same(u, u.T) and not e.elementwise:
            in_J, in_B = nonzero(e.J), nonzero(e.B)
            rows = np.flatnonzero((in_J.sum(1) == len(u)) & (in_B.sum(1) == len(u)))
            right, given = ([M[k][some[k]] for k in rows] for M, some in ((e.J, in_J), (e.B, in_B)))
            for lines in (u, u.T):
                if rows.size and (taken := along(given, lines)) and taken == along(right, lines.T):
                    return f"{name} is multiplied from the wrong side: it is not transposed, or should not be"
    return None


def along(shares: list[Array], lines: Array) -> list[int] | None:
    """Which of these lines each share is a multiple of, if all are."""
    unit = lines / np.linalg.norm(lines, axis=1, keepdims=True)
    near = [abs(unit @ share) / np.linalg.norm(share) for share in shares]
    return [int(each.argmax()) for each in near] if all(each.max() > 1 - 1e-9 for each in near) else None


def factor_lost(e: Evidence) -> Says:
    """One where the number of another array belongs."""
    given = e.B[nonzero(e.B)]
    if (
        not e.partners
        or not e.steady
        or not patterned(e)
        or not given.size
        or not same(abs(given), np.ones(given.size))
    ):
        return None
    owner = next((name for name, a in e.partners.items() if made_of(e.J, a)), None)
    return f"{owner} is left out: what is multiplied by it gets the gradient as it is" if owner else None


def patterned(e: Evidence) -> bool:
    """The right places, and not all numbers alike."""
    return np.array_equal(nonzero(e.B), e.some) and bool(e.some.any()) and bool(np.ptp(e.J[e.some]) > 1e-6)


def made_of(M: Array, array: Any) -> bool:
    """Is every number of this matrix one of the array's?"""
    values = np.sort(np.asarray(array, float).ravel()) if np.asarray(array).dtype.kind == "f" else np.zeros(0)
    if len(values) < 2 or np.ptp(values) < 1e-6:
        return False
    numbers = M[nonzero(M)]
    at = np.clip(np.searchsorted(values, numbers), 1, len(values) - 1)
    gap = np.minimum(abs(values[at] - numbers), abs(values[at - 1] - numbers))
    return bool(np.all(gap < 1e-6 * (1 + abs(numbers))))
