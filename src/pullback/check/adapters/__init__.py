"""Every style of code gets one face. A file is a style; the first that knows the code takes it."""

from collections.abc import Sequence
from typing import Any

from pullback.check.adapters import (
    autograd,
    classes,
    closures,
    jax,
    linearizations,
    losses,
    models,
    mygrad,
    pairs,
    thinc,
    torch,
)
from pullback.check.adapters.code import Adapted, Code, StyleError, UnknownStyleError, name_of
from pullback.errors import PullbackError

# Objects first; then functions that bring their backward with them; then those for which a library has one.
STYLES = (
    linearizations.recognise, torch.classes, thinc.recognise, models.recognise, classes.recognise, pairs.recognise,
    closures.recognise, losses.recognise, torch.functions, jax.recognise, mygrad.recognise, autograd.recognise,
)  # fmt: skip
LOOKS = [
    style.LOOKS
    for style in (pairs, closures, losses, models, classes, torch, jax, autograd, mygrad, thinc, linearizations)
]

__all__ = ["Adapted", "StyleError", "UnknownStyleError", "adapt"]


def adapt(forward: Any, backward: Any = None, inputs: Sequence[Any] = ()) -> Adapted:
    """forward and backward, whatever their style, as functions of arrays: see `Adapted`.

    `inputs` are the arguments of forward as its user would give them: arrays, shapes in the place of arrays, and
    whatever else it takes. Raises StyleError where no style is recognised, or where forward does not run with them.
    """
    try:
        code = Code(forward, backward, inputs)
        adapted = next((adapted for recognise in STYLES if (adapted := recognise(code))), None)
    except PullbackError:
        raise
    except Exception as error:  # of objects that raise when they are looked at, and of shapes that no memory holds
        kind, says = type(forward).__name__, f"{type(error).__name__}: {error}"
        raise StyleError(f"what was given cannot be used (forward is a {kind}): {says}") from error
    if adapted is None and backward is not None and not callable(backward):
        taken = f"the second argument is taken for the backward, and it is a {type(backward).__name__}"
        raise StyleError(f"{taken}: where the layer has its own, put None there, check({name_of(forward)}, None, ...)")
    if adapted is None:
        raise UnknownStyleError(f"no style of code is recognised in {got(forward, backward)}; these are:{KNOWN}")
    return adapted


KNOWN = "".join(f"\n  - {looks}" for looks in LOOKS)


def got(forward: Any, backward: Any) -> str:
    if isinstance(forward, type):
        return f"{name_of(forward)}, which is a class: give an object, {name_of(forward)}(...)"
    return f"{name_of(forward)} {'without a backward' if backward is None else f'and {name_of(backward)}'}"
