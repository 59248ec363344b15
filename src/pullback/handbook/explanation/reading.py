"""Numbers and hyperparameters as they are typed: `2,3`, `[[1, 2], [3, 4]]`, `0.5`, `same`, `(2, 1)`."""

import ast
from typing import Any

from pullback.errors import OptionError, ShapeError

WORDS = {"true": True, "false": False, "none": None, "inf": float("inf"), "-inf": float("-inf"), "nan": float("nan")}


def numbers(name: str, text: str) -> Any:
    """A number, or nested lists of numbers; outer brackets may be left out, blanks may stand for commas."""
    stripped = text.strip()
    if not stripped:
        raise OptionError(f"--{name} is empty; write numbers, as in --{name} 2,3")
    if stripped[0] != "[" and len(stripped.replace(",", " ").split()) > 1 or stripped.endswith(","):
        stripped = f"[{stripped.strip(', ')}]"
    try:
        found = value(ast.parse(commas(stripped), mode="eval").body)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise OptionError(
            f'--{name}: cannot read {shortened(text)!r} as numbers; write 2,3 or "[[1,2],[3,4]]"'
        ) from None
    shape(found, name)
    return found


def commas(text: str) -> str:
    """`[1 2]` as `[1, 2]`, `[1,2][3,4]` refused by the parser."""
    words = text.replace("[", " [ ").replace("]", " ] ").replace(",", " , ").split()
    put = [
        f"{word}," if word not in ("[", ",") and after not in ("]", ",") else word
        for word, after in zip(words, [*words[1:], ","])
    ]
    return " ".join(put)


def value(node: ast.expr) -> Any:
    match node:
        case ast.List(items):
            return [value(item) for item in items]
        case ast.UnaryOp(ast.USub(), inner):
            return -value(inner)
        case ast.UnaryOp(ast.UAdd(), inner):
            return value(inner)
        case ast.Constant(bool() | int() | float() as number):
            return number
        case ast.Name(word) if word.lower() in WORDS and WORDS[word.lower()] is not None:
            return WORDS[word.lower()]
    raise ValueError


def shape(values: Any, name: str) -> tuple[int, ...]:
    """The shape of nested lists; rows must be of one length."""
    if not isinstance(values, list):
        return ()
    inner = {shape(part, name) for part in values}
    if len(inner) > 1:
        raise ShapeError(f"--{name}: the list is ragged; arrays need rows of one length")
    return (len(values), *(inner.pop() if inner else ()))


def option(text: str) -> Any:
    """A hyperparameter: a number, True, False or None, whole numbers as a tuple, or a word as it stands."""
    stripped = text.strip()
    if stripped.lower() in WORDS:
        return WORDS[stripped.lower()]
    try:
        found = ast.literal_eval(stripped)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return text
    return tuple(found) if isinstance(found, list) else found


def shortened(text: str, most: int = 40) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"
