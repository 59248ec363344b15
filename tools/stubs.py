"""Write src/pullback/__init__.pyi: the rules as editors and type checkers see them. `make stubs` runs this."""

import ast
import re
from dataclasses import fields
from pathlib import Path

from pullback.discovery import OTHERS, PARTS, every

TARGET = Path(__file__).parent.parent / "src" / "pullback" / "__init__.pyi"

HEAD = """\
# Written by `make stubs` from the rules themselves; a test compares it. Do not edit.
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

{imports}

__version__: str
Array = NDArray[np.floating[Any]]
"""

RULE = '''
class _{name}(Rule):
    """{doc}

    {signature}
    """
{fields}
    def __call__({parameters}) -> {output}: ...
    def linearize({parameters}) -> tuple[{output}, Linearization]: ...

{name}: _{name}
'''


def text():
    imports = ["from pullback.check import check as check"]  # the package is called; editors need to know how
    imports += [f"from pullback import {part} as {part}" for part in PARTS if part != "check"]
    imports.append("from pullback.linearization import Linearization")
    imports += [f"from pullback.{module} import {name} as {name}" for name, module in OTHERS.items()]
    return HEAD.format(imports="\n".join(imports)) + "".join(rule_text(rule) for rule in every().values())


def rule_text(rule):
    options = [(f.name, type_name(f.type), getattr(rule, f.name)) for f in fields(rule) if f.repr]
    variants = [rule.at(case)[0] for case in rule.cases]
    parameters = ["self", *array_parameters(rule.inputs)]
    keywords = [f"{name}: {kind} = {value_text(value)}" for name, kind, value in options]
    parameters += ["*", *keywords] if keywords else []
    if any(len(variant.inputs) != len(rule.inputs) for variant in variants):
        parameters.append("**more: ArrayLike | None")
    several = {len(variant.outputs) for variant in (rule, *variants)}
    return RULE.format(
        name=rule.name,
        doc=rule.__doc__.strip().splitlines()[0],
        signature=rule.signature,
        fields="".join(f"    {name}: {kind}\n" for name, kind, _ in options),
        parameters=", ".join(parameters),
        output="Array" if several == {1} else "tuple[Array, ...]" if 1 not in several else "Any",
    )


def array_parameters(slots):
    """Arrays in order; what stands behind one that may be left out needs a default too, as Python has it."""
    late = False
    for slot in slots:
        late = late or bool(slot.default)
        yield f"{slot.name}: ArrayLike" + (" | None = None" if slot.default else " = ..." if late else "")


def type_name(kind):
    text = kind if isinstance(kind, str) else kind.__name__ if type(kind) is type else str(kind)
    return re.sub(r"\btuple\b(?!\[)", "tuple[int, ...]", text)


def value_text(value):
    """A default as a stub may write it; `...` for what is no literal."""
    try:
        ast.literal_eval(repr(value))
    except ValueError:
        return "..."
    return repr(value)


if __name__ == "__main__":
    TARGET.write_text(text(), encoding="utf-8")
