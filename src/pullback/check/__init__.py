"""Is a derivative right? Tools that look at functions from outside; none of them knows a rule.

The package is also what it is for: `pullback.check(forward, backward, *inputs)` gives a verdict and a cause.
"""

import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pullback.check.report import Report

__all__ = ["check"]


def check(
    forward: Any,
    backward: Any = None,
    *inputs: Any,
    like: Any = None,
    wrt: Any = None,
    seed: int = 0,
    mode: str = "vjp",
    convention: str | None = None,
    shapes: Any = None,
    order: int = 1,
) -> "Report":
    """Judge a backward: is it the derivative of forward, and if not, what is wrong with it?

    forward(*inputs) gives output(s), and backward(*gradients of them, *inputs) one gradient per input, None for none;
    `pullback.check.adapters` lists the other styles of code that are recognised. `inputs` are examples: arrays, or
    shapes for random ones, and whatever else forward takes. The checker makes further inputs of the examples itself,
    within their range where it looks like a domain.

    like        the rule that it is meant to be, such as "layer_norm" or "conv2d(stride=2)": a second opinion; of a
                forward that moves in steps, as a sign does, the function whose derivative backward is meant to give
    wrt         names or numbers of the inputs that are judged (None: all that move)
    mode        "vjp", or "jvp" where `backward` is a forward derivative: jvp(*tangents, *inputs) -> tangent(s)
    convention  of complex gradients: "conjugate" as in torch, "transpose" as in JAX; None takes either, and says which
    shapes      a function of a random generator that gives other example inputs, of other shapes
    order       2 judges the derivative of the backward as well, where the code brings it: double backward, hvp

    Returns a `Report`: `verdict` is "right", "wrong" or "cannot judge", `cause` a class of faults, `power` what could
    not have been seen. Raises `StyleError` where the code is in no known style or forward does not run, and
    `OptionError` for what makes no sense.
    """
    from pullback.check.runs import judge

    return judge(forward, backward, inputs, like, wrt, seed, mode, convention, shapes, order)


class _Callable(ModuleType):
    __call__ = staticmethod(check)


sys.modules[__name__].__class__ = _Callable
__doc__ = str(check.__doc__)  # so that help(pullback.check) says at once how it is called
