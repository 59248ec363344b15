"""What in a module has a backward: pairs by their names, losses that bring their gradients, closures, classes."""

import ast
import inspect
import re
import sys
from collections.abc import Iterator, Sequence
from textwrap import dedent
from types import FunctionType, ModuleType
from typing import Any, NamedTuple

from pullback.check.adapters.arguments import names_of
from pullback.check.adapters.code import METHODS

BACKWARD = re.compile(r"backward|backprop|bwd|_back\b|_(?:grad|gradient|vjp|prime|derivative|deriv)\b|\bd(?=_)")
FORWARD = "forward", "fwd", "fprop", ""
LOSS = re.compile(r"loss|error|cost|cross_?entropy|(^|_)(mse|mae|bce|nll|kl|huber|hinge|crf|ctc|xent|hmm|loglik)(_|$)")
# What comes with a loss and is its gradient, by its name: else it is an accuracy, or a cache.
GRADIENT = re.compile(r"[dgDG]\w*|\w*(grad|deriv|prime|delta)\w*")


SURE = re.compile(
    r"(?!_)(\w*_)?(backward|backprop|bwd)(_\w*)?"
)  # what is called so is no helper with `grad` in its name


class Exercise(NamedTuple):
    """Something to check: a pair of functions, or one thing that brings its backward. Without a forward there is
    nothing to judge it by."""

    name: str
    forward: Any
    backward: Any = None

    @property
    def alone(self) -> bool:
        return self.forward is None


def exercises(module: ModuleType) -> list[Exercise]:
    """Everything in the module to check, in the order in which it is written."""
    own = {name: value for name, value in vars(module).items() if is_own(value, module)}
    inner = {id(part) for value in own.values() for part in (getattr(value, "fwd", None), getattr(value, "bwd", None))}
    functions = {n: value for n, value in own.items() if isinstance(value, FunctionType) and id(value) not in inner}
    found = [*pairs(functions)]
    partners = {id(each) for exercise in found for each in (exercise.forward, exercise.backward)}
    brings = lambda name, f: "loss" in name.lower() or returns_a_function(f) or is_a_loss(name, f)
    found += [Exercise(n, f) for n, f in functions.items() if id(f) not in partners and brings(n, f)]
    found += [Exercise(name, value) for name, value in own.items() if has_a_backward(value)]
    return sorted(found, key=lambda exercise: line(exercise.backward or exercise.forward))


def everything(module: ModuleType) -> list[Exercise]:
    """Exercises, and beside them what is called a backward and has no forward: a name that is misspelt, perhaps."""
    found = exercises(module)
    partners = {id(each) for exercise in found for each in (exercise.forward, exercise.backward)}
    functions = {n: f for n, f in vars(module).items() if isinstance(f, FunctionType) and is_own(f, module)}
    alone = {n: f for n, f in functions.items() if SURE.fullmatch(n) and id(f) not in partners}
    used = names_used(module, found) if alone else set()
    found += [Exercise(name, None, backward) for name, backward in alone.items() if name not in used]
    return sorted(found, key=lambda exercise: line(exercise.backward or exercise.forward))


def names_used(module: ModuleType, found: Sequence[Exercise]) -> set[str]:
    """What is used by something that is checked, or handed to a function: a helper, or a part of something else."""
    try:
        tree = ast.parse(inspect.getsource(module))
    except (OSError, SyntaxError, TypeError):
        return set()
    judged = {getattr(each, "__name__", "") for exercise in found for each in (exercise.forward, exercise.backward)}
    parts = [each for each in tree.body if getattr(each, "name", "") in judged or isinstance(each, ast.ClassDef)]
    inside = [each for part in parts for each in ast.walk(part)]
    handed = [each for call in ast.walk(tree) if isinstance(call, ast.Call) for each in (*call.args, *call.keywords)]
    handed = [each.value if isinstance(each, ast.keyword) else each for each in handed]
    return {each.id for each in (*inside, *handed) if isinstance(each, ast.Name)}


def wanted(name: str) -> list[str]:
    """What the forward of a backward would be called, the likeliest names."""
    full = next((each for each in partners(name) if each.endswith(FORWARD[0]) or FORWARD[0] in each), "")
    bare = re.sub("_+", "_", re.sub(r"backward|backprop|bwd", "", name)).strip("_")
    return [each for each in dict.fromkeys((full, bare)) if each]


def is_own(value: Any, module: ModuleType) -> bool:
    try:
        return bool(
            getattr(getattr(value, "fun", value), "__module__", None) == module.__name__
        )  # `fun` of a primitive
    except Exception:  # an object that raises when it is looked at is none of ours
        return False


def of_name(module: ModuleType, name: str) -> Exercise | None:
    """The exercise that a function of this name is a part of."""
    value = getattr(module, name)
    parts = lambda exercise: (exercise.forward, exercise.backward)
    return next((each for each in exercises(module) if any(part is value for part in parts(each))), None)


def pairs(functions: dict[str, FunctionType]) -> Iterator[Exercise]:
    for name, backward in functions.items():
        forward = next((functions[other] for other in partners(name) if other in functions and other != name), None)
        if forward is not None:
            yield Exercise(name, forward, backward)


def partners(name: str) -> Iterator[str]:
    """Names that the forward of this backward may have: batchnorm_backward_alt -> batchnorm_forward."""
    for found in BACKWARD.finditer(name):
        for word in FORWARD:
            whole = re.sub("_+", "_", name[: found.start()] + word + name[found.end() :]).strip("_")
            yield whole
            while "_" in whole:
                whole = whole.rpartition("_")[0]
                if whole not in FORWARD:
                    yield whole


def is_a_loss(name: str, function: FunctionType) -> bool:
    """Is it called like one, and ends in `return loss, grad`? Or does it take q and k, and `return loss, dq, dk`?"""
    ends = [each.value for each in body_of(function) if isinstance(each, ast.Return)]
    gradient = lambda end: not isinstance(end, ast.Name) or GRADIENT.fullmatch(end.id)
    if not ends or not all(map(last, ends)):
        return False
    if LOSS.search(name.lower()) and all(gradient(last(end)) for end in ends):
        return True
    inputs = names_of(function)
    return all(brings_gradients(end, inputs) for end in ends)


def brings_gradients(end: Any, inputs: Sequence[str]) -> bool:
    """Is it a value, and after it gradients of inputs?"""
    first, *rest = map(ast.unparse, end.elts)
    gradients = {mark + name for name in inputs for mark in ("d", "d_", "g", "grad_")}
    return not GRADIENT.fullmatch(first) and gradients.issuperset(rest)


def returns_a_function(function: FunctionType) -> bool:
    """Does it end in `return y, back`, where `back` is a function that it has made?"""
    own = body_of(function)
    made = {each.name for each in own if isinstance(each, ast.FunctionDef)}
    made |= {ast.unparse(each.targets[0]) for each in own if isinstance(each, ast.Assign) and is_lambda(each.value)}
    ends = [last(each.value) for each in own if isinstance(each, ast.Return)]
    return any(is_lambda(end) or ast.unparse(end) in made for end in ends if end)


def body_of(function: Any) -> list[Any]:
    """Its statements, where its text is at hand."""
    try:
        (tree,) = ast.parse(dedent(inspect.getsource(function))).body
    except (OSError, SyntaxError, TypeError, ValueError):
        return []
    return list(statements(tree))


def statements(tree: ast.AST) -> Iterator[Any]:
    """Those of a function itself, without those of the functions inside."""
    for each in ast.iter_child_nodes(tree):
        if isinstance(each, ast.stmt):
            yield each
            if not isinstance(each, (ast.FunctionDef, ast.ClassDef)):
                yield from statements(each)


def is_lambda(value: Any) -> bool:
    return isinstance(value, ast.Lambda)


def last(value: Any) -> Any:
    """Of several."""
    return value.elts[-1] if isinstance(value, ast.Tuple) and len(value.elts) > 1 else None


def has_a_backward(value: Any) -> bool:
    """A class with both methods, its own or inherited, a Function of torch, a custom_vjp of JAX."""
    if isinstance(value, type):
        both = (all(is_written(getattr(value, method, None)) for method in pair) for pair in METHODS)
        return not inspect.isabstract(value) and any(both)
    jax = sys.modules.get("jax")
    return getattr(value, "_is_autograd_primitive", False) or bool(
        jax and isinstance(value, (jax.custom_vjp, jax.custom_jvp))
    )


def is_written(method: Any) -> bool:
    """Does it do anything? What a base class leaves to others raises, or passes."""
    if method is None:
        return False
    own = body_of(inspect.unwrap(method))
    doing = [each for each in own if not (isinstance(each, ast.Expr) and isinstance(each.value, ast.Constant))]
    nothing = lambda each: isinstance(each, (ast.Raise, ast.Pass)) or ast.unparse(each) in ("return", "return None")
    return not own or bool(doing) and not nothing(doing[0])


def line(value: Any) -> int:
    """Where it is written."""
    if isinstance(value, type):
        return int(getattr(value, "__firstlineno__", 0)) or first_line(value)
    return int(inspect.unwrap(getattr(value, "fun", value)).__code__.co_firstlineno)


def first_line(kind: type) -> int:
    try:
        return inspect.getsourcelines(kind)[1]
    except (OSError, TypeError):
        return 0
