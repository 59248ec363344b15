"""Values out of JSON, each of the type that its field says. Files are edited by hand, and damaged."""

import json
from math import isfinite
from reprlib import repr as brief
from types import GenericAlias, NoneType, UnionType
from typing import Any, get_args, get_origin


def fields(text: str | bytes, types: dict[str, Any]) -> dict[str, Any]:
    """What a JSON object says for the fields of these names and types. A ValueError says what is wrong."""
    try:
        found = json.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    if not isinstance(found, dict):
        raise ValueError("it is no object")
    for name, kind in types.items():
        if name not in found:
            raise ValueError(f"it does not say {name}")
        if not fits(found[name], kind):
            raise ValueError(f"{name} is {brief(found[name])}")
    return {name: found[name] for name in types}


def fits(value: Any, kind: Any) -> bool:
    """1 will do for a float, but neither 1.0 nor true for an int; floats are finite."""
    if isinstance(kind, UnionType):
        return any(fits(value, each) for each in get_args(kind))
    if isinstance(kind, GenericAlias):
        items = value.values() if isinstance(value, dict) else value
        return isinstance(value, get_origin(kind)) and all(fits(item, get_args(kind)[-1]) for item in items)
    if kind is float:
        return type(value) is float and isfinite(value) or type(value) is int and abs(value) < 2**53
    return type(value) is kind or kind is NoneType and value is None
