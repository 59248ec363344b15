"""Arrays that there is no room for: in memory, or in what NumPy can count."""

from math import prod
from sys import maxsize

from pullback.errors import TooLargeError

UNITS = "bytes", "kB", "MB", "GB", "TB", "PB", "EB"


def refuse_uncountable(owner: str, name: str, shape: tuple[int, ...], itemsize: int) -> None:
    """An array whose bytes NumPy cannot count, were there ever so much memory."""
    if prod(n for n in shape if n) * itemsize > maxsize:
        raise TooLargeError(f"{owner}: {described(name, shape, itemsize)}: larger than any array; choose smaller sizes")


def described(name: str, shape: tuple[int, ...], itemsize: int) -> str:
    return f"{name} would have shape {shape}, {amount(prod(shape) * itemsize)}"


def amount(size: int) -> str:
    """A number of bytes, to three digits."""
    power = min((len(str(size)) - 1) // 3, len(UNITS) - 1)
    return f"{size / 1000**power:.3g} {UNITS[power]}"
