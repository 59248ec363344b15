"""Sums of products of letters, multiplied out: two of them are equal if they have the same terms.

A term is one whole number that holds the exponents of all letters, eight bits for each, so that to multiply terms is to
add numbers. A polynomial also carries what it is worth at some point, by which it is compared with others.
"""

from fractions import Fraction
from typing import Any

from pullback.handbook.derivation.errors import NoValue

LARGEST = 20_000  # products of terms in one multiplication
BITS, ALONE = 8, 0  # of an exponent; the term without letters


class Polynomial:
    __slots__ = "degree", "terms", "worth"

    def __init__(self, terms: dict[int, Any], degree: int, worth: float) -> None:
        self.terms, self.degree, self.worth = terms, degree, worth  # no term is 0; no exponent is above the degree

    @classmethod
    def letter(cls, place: int, worth: float) -> "Polynomial":
        return cls({1 << BITS * place: 1}, 1, worth)

    def __add__(self, other: Any) -> "Polynomial":
        if (other := polynomial(other)) is NotImplemented:
            return other  # type: ignore[no-any-return]
        long, short = sorted((self.terms, other.terms), key=len, reverse=True)
        terms = dict(long)
        for term, c in short.items():
            if found := terms.get(term, 0) + c:
                terms[term] = found
            else:
                del terms[term]
        return Polynomial(terms, max(self.degree, other.degree), self.worth + other.worth)

    def __mul__(self, other: Any) -> "Polynomial":
        if (other := polynomial(other)) is NotImplemented:
            return other  # type: ignore[no-any-return]
        degree = self.degree + other.degree
        if degree >= 1 << BITS or len(self.terms) * len(other.terms) > LARGEST:
            raise NoValue("too much to multiply out")
        terms: dict[int, Any] = {}
        for s, c in self.terms.items():
            for t, d in other.terms.items():
                terms[s + t] = terms.get(s + t, 0) + c * d
        return Polynomial({t: c for t, c in terms.items() if c}, degree, self.worth * other.worth)

    __radd__, __rmul__ = __add__, __mul__

    def __neg__(self) -> "Polynomial":
        return self * -1

    def __sub__(self, other: Any) -> "Polynomial":
        return self + -1 * other

    def __rsub__(self, other: Any) -> "Polynomial":
        return other + -self

    def __truediv__(self, number: Any) -> "Polynomial":
        return self * (1 / Fraction(number))

    def __pow__(self, n: int) -> "Polynomial":
        return self * self ** (n - 1) if n else polynomial(1)

    def __eq__(self, other: object) -> bool:
        return isinstance(other := polynomial(other), Polynomial) and self.terms == other.terms

    def __hash__(self) -> int:
        return hash(frozenset(self.terms.items()))


def polynomial(a: Any) -> Any:
    """A number as one."""
    if isinstance(a, (int, float, Fraction)):
        return Polynomial({ALONE: a} if a else {}, 0, float(a))
    return a if isinstance(a, Polynomial) else NotImplemented
