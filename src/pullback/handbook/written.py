"""How numbers and arrays are written."""

from decimal import Decimal
from math import isinf
from typing import Any

import numpy as np


def number(value: Any, digits: int = 4) -> str:
    """A few significant digits, without zeros at the end: 0.1966, 3, 1.2e-05, nan."""
    if isinstance(value, Decimal):
        return decimal(value, digits)
    value = np.asarray(value)[()]
    if value.dtype.kind in "biu":
        return str(value)
    return f"{value + 0.0:.{digits}g}"  # -0.0 is 0


def decimal(value: Decimal, digits: int) -> str:
    """The same, of numbers that are too large for floats as well: 1.97e+434."""
    if not isinf(float(value)) or value.is_infinite():
        return number(float(value), digits)
    mantissa, exponent = f"{value:.{digits - 1}e}".split("e")
    return f"{float(mantissa):g}e{exponent}"


def array(values: Any, digits: int = 4, width: int = 56) -> str:
    """Brackets as in NumPy: [[1 2] [3 4]]; a single number stands alone. What is wider has a line for each row."""
    values = np.asarray(values)
    line = nested(values, digits, " ")
    return line if values.ndim < 2 or len(line) <= width else nested(values, digits, "\n")


def nested(values: np.ndarray, digits: int, between: str, depth: int = 1) -> str:
    if values.ndim == 0:
        return number(values, digits)
    between = between + " " * depth if between == "\n" and values.ndim > 1 else " "
    return "[" + between.join(nested(part, digits, between[:1], depth + 1) for part in values) + "]"


def size(count: int) -> str:
    """Bytes: 16 B, 1.5 kB."""
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.3g} {unit}" if unit != "B" else f"{count} B"
        count /= 1000
    return f"{count:.3g} GB"
