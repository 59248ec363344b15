"""What arrays are kept in: dicts, lists, tuples, and records; their parts by keys, and the same with other parts."""

from collections.abc import Iterator, Mapping
from copy import copy
from dataclasses import is_dataclass
from functools import lru_cache
from types import SimpleNamespace
from typing import Any

Parts = list[tuple[Any, Any]]

DEPTH = 12  # deeper than anybody nests arrays, and an end where something holds itself


def contents(value: Any) -> Parts:
    """Keys and parts; nothing of what is no container."""
    if isinstance(value, Mapping):
        return list(value.items())
    if is_named(value):
        return list(zip(value._fields, value))
    if isinstance(value, list) or type(value) is tuple:
        return list(enumerate(value))
    return list(attributes(value).items()) if is_record(value) else []


def is_named(value: Any) -> bool:
    """A tuple whose places have names."""
    return isinstance(value, tuple) and isinstance(getattr(value, "_fields", None), tuple)


def is_record(value: Any) -> bool:
    """An object whose attributes are all there is of it. What else such a thing holds, a pair of numbers, say, may be a
    setting: of it nothing is an example but arrays."""
    kind: Any = type(value)
    return is_named(value) or isinstance(value, SimpleNamespace) or holds_data(kind)


@lru_cache(512)
def holds_data(kind: type) -> bool:
    """A class of records: a dataclass or named tuple, or one of somebody's own that has no methods."""
    if is_dataclass(kind) or hasattr(kind, "_fields"):
        return True
    written = [vars(each) for each in kind.__mro__ if each is not object]
    methods = (name for each in written for name, part in each.items() if is_method(name) and callable(part))
    return kind.__module__ != "builtins" and not any(methods)


def is_method(name: str) -> bool:
    return not (name.startswith("__") and name.endswith("__")) or name == "__call__"


def replaced(value: Any, parts: Mapping[Any, Any]) -> Any:
    """A copy of a container with other parts under the same keys."""
    if isinstance(value, dict):
        found = value.copy()
        found.update(parts)
        return found
    if isinstance(value, Mapping):
        return type(value)(parts)  # type: ignore[call-arg]
    if is_named(value):
        return type(value)._make(parts.values())
    if type(value) is tuple:
        return tuple(parts.values())
    found = copy(value)
    if isinstance(value, list):
        found[:] = parts.values()
        return found
    for name, part in parts.items():
        object.__setattr__(found, name, part)  # of frozen ones as well
    return found


def flat(value: Any, depth: int = DEPTH) -> Iterator[Any]:
    """The value, and everything in it."""
    yield value
    for _, part in contents(value) if depth else ():
        yield from flat(part, depth - 1)


def states(values: Any) -> list[tuple[Any, dict[str, Any]]]:
    """All objects that may be written to, with what is in them now."""
    several = ((each, attributes(each)) for value in values for each in flat(value) if not is_named(each))
    return [(each, held) for each, held in several if held or is_record(each)]


def is_written(record: Any, before: dict[str, Any]) -> bool:
    """Has something else been put into it since?"""
    after = attributes(record)
    return after.keys() != before.keys() or any(after[name] is not part for name, part in before.items())


def attributes(holder: Any) -> dict[str, Any]:
    """Of an object, in its slots as well."""
    slots = [slot for kind in type(holder).__mro__ for slot in several(vars(kind).get("__slots__", ()))]
    found = {name: getattr(holder, name) for name in slots if not name.startswith("__") and hasattr(holder, name)}
    return found | dict(getattr(holder, "__dict__", {}))


def several(slots: Any) -> list[str]:
    return [slots] if isinstance(slots, str) else list(slots)
