"""Does backward run at all, and give one gradient for every input, of its shape?"""

from collections.abc import Iterator
from itertools import combinations, permutations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pullback.check.problem import Part, Problem
from pullback.check.report import WRONG, Cause, Finding
from pullback.check.resizing import others, resized, runs
from pullback.check.structure import nonzero, same, windowed
from pullback.check.truth import fits, whole

Array = NDArray[Any]

MOST = 0.7  # of the inputs that anything reads
AXES = 5  # all orders of more would be too many to try


class TooManyError(Exception):
    """More results than there are inputs: nobody says which of them are the gradients."""


def contract(problem: Problem, g: Array) -> list[Finding]:
    try:
        found = problem.call(problem.cotangents(g), problem.unpack(problem.example))
    except NotImplementedError:
        raise
    except Exception as error:
        return [raises(problem, error)]
    expected = problem.arrays if problem.mode == "vjp" else problem.first
    if len(found) != len(expected):
        what = "inputs" if problem.mode == "vjp" else "outputs"
        text = f"{len(found)} results for {len(expected)} {what if len(expected) > 1 else what[:-1]}"
        if len(found) > len(expected):
            raise TooManyError(f"backward gives {text}: return one gradient for each, in their order or in a dict")
        return [Finding(problem.results[0].name, WRONG, causes=(Cause("contract_shape_dtype", text),))]
    missing = [part.place for part in problem.results if found[part.place] is None]
    if len(missing) == len(problem.results):
        return [
            Finding(
                problem.results[0].name, WRONG, causes=(Cause("contract_shape_dtype", "there is no gradient at all"),)
            )
        ]
    wrong = []
    for part in problem.results:
        gradient = found[part.place]
        if gradient is not None and np.shape(gradient) != part.shape:
            wrong.append(misshapen(problem, part, np.asarray(gradient), g))
        elif gradient is not None and narrowed(problem, part, np.asarray(gradient)):
            text = f"{np.asarray(gradient).dtype} where the input is {part.dtype}"
            wrong.append(Finding(part.name, WRONG, causes=(Cause("contract_shape_dtype", text),)))
    if problem.mode == "vjp":
        asked = [part for part in problem.inputs if part.name in problem.wanted]
        wrong += [lacks(part) for part in asked if part.place in missing and problem.matters(part)]
    if not wrong and missing and problem.mode == "vjp":
        problem.drop(missing)
    return wrong


def lacks(part: Part) -> Finding:
    """Somebody said that this input has a gradient: by wrt, or as torch does."""
    hint = "return its gradient, or say that it needs none: wrt without it, requires_grad=False"
    return Finding(
        part.name, WRONG, causes=(Cause("contract_shape_dtype", "None, though forward moves with it", hint),)
    )


def widened(problem: Problem, g: Array) -> list[Cause]:
    """More precision than the input has: no fault where NumPy is used, and often an accident. An output of less says
    how closely we have looked."""
    if problem.mode == "jvp" or not problem.single or any(part.dtype.itemsize > 4 for part in problem.outputs):
        return []
    if all(part.dtype.itemsize > 4 for part in problem.inputs):
        less = f"forward gives {problem.outputs[0].dtype} where the input is {problem.inputs[0].dtype}"
        return [Cause("", f"{less}: gradients are judged in the precision of its output")]
    found = problem.call(problem.cotangents(g), problem.unpack(problem.example))
    wide = [part for part in problem.inputs if np.asarray(found[part.place]).dtype.itemsize > part.dtype.itemsize]
    if not wide:
        return []
    names = ", ".join(part.name for part in wide)
    text = f"the gradient of {names} is {np.asarray(found[wide[0].place]).dtype} where the input is {wide[0].dtype}"
    return [Cause("contract_shape_dtype", text, "a scalar of NumPy's own, such as np.sqrt gives, widens an array")]


def narrowed(problem: Problem, part: Part, gradient: Array) -> bool:
    """Less precision than the input has, and than forward keeps of it; numbers that cannot be gradients at all."""
    if gradient.dtype.kind not in "biufc":
        return True
    if part.dtype.itemsize != 8 * part.width or gradient.dtype not in (np.float16, np.float32, np.complex64):
        return False
    digits = np.finfo(gradient.dtype).eps
    return any(np.finfo(output.dtype).eps < digits for output in problem.outputs)


def raises(problem: Problem, error: Exception) -> Finding:
    said = f"backward raises {type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
    shapes = ", ".join(f"{part.name} {part.shape}" for part in problem.inputs)
    hint = f"it has to work for {shapes}"
    names = ["contract_shape_dtype", "edge_shape"]
    if isinstance(error, (ValueError, IndexError)):
        names.reverse()
    if isinstance(error, IndexError):
        names.insert(1, "index_routing")
    return Finding(problem.results[0].name, WRONG, causes=tuple(Cause(name, said, hint) for name in names))


def misshapen(problem: Problem, part: Part, gradient: Array, g: Array) -> Finding:
    """Name a wrong shape by what would make it right."""
    says = f"shape {gradient.shape}, needs {part.shape}"
    causes: list[Cause] = []
    if not gradient.size and part.end > part.begin:
        causes = [Cause("edge_shape", f"{says}: nothing is left, as of a slice [a:-0]")]
    elif fits(problem):
        truth = whole(problem, problem.example).value
        right = g @ truth if problem.mode == "vjp" else truth @ g
        causes = exchanged(part, gradient, right, says, problem) or explained(
            part, gradient, part.of(right), says, problem
        )
    causes += [Cause("edge_shape", says), Cause("contract_shape_dtype", says)]
    unique = {cause.name: cause for cause in reversed(causes)}
    return Finding(part.name, WRONG, causes=tuple(dict.fromkeys(unique[cause.name] for cause in causes)))


def exchanged(part: Part, gradient: Array, right: Array, says: str, problem: Problem) -> list[Cause]:
    """The gradient of another one."""
    others = [each for each in problem.results if each.shape == gradient.shape and each != part]
    names = [each.name for each in others if alike(gradient, each.of(right))]
    hint = f"return them in this order: {', '.join(each.name for each in problem.results)}"
    return [Cause("index_routing", f"{says}: it is the gradient of {name}", hint) for name in names]


def alike(a: Array, b: Array) -> bool:
    return a.shape == b.shape and np.allclose(a, b, rtol=1e-5, atol=1e-7 * (1 + abs(b).max(initial=0)))


def right_elsewhere(problem: Problem) -> bool:
    """Are the shapes those that they should be at other sizes, such as where nothing is of size one?"""
    grown = (resized(problem, {1: n}) for n in (2, 3, 5)) if any(1 in a.shape for a in problem.arrays) else ()
    return any(each is not None and runs(each) for each in grown) or bool(others(problem))


def slides(problem: Problem, part: Part) -> bool:
    """Does forward read windows that slide over this input, or is it their kernel?"""
    J = whole(problem, problem.example).value[:, part.begin : part.end]
    return any(windowed(J[y.begin : y.end], part.shape, y.shape) for y in problem.outputs)


def reads_all_or_nothing(problem: Problem, part: Part) -> bool:
    """Do all outputs read the same inputs, or most of them? Then there are no windows."""
    some = nonzero(whole(problem, problem.example).value[:, part.begin : part.end])
    return not problem.outputs[0].shape or len(some) > 1 and bool(some[:, some.any(0)].mean() > MOST)


def broadcasts(gradient: Array, wanted: Array) -> bool:
    try:
        return bool(same(np.broadcast_to(gradient, wanted.shape), wanted))
    except ValueError:
        return False


def sums(problem: Problem, part: Part) -> bool:
    """Is forward a sum, or a mean, of this input over some of its axes?"""
    J = whole(problem, problem.example).value[:, part.begin : part.end]
    several = len(J) < J.shape[1] and bool((nonzero(J).sum(0) == 1).all())
    return several and same(J[nonzero(J)], np.full(J.shape[1], J[nonzero(J)][0]))


def sums_of(shape: tuple[int, ...]) -> Iterator[tuple[tuple[int, ...], tuple[int, ...]]]:
    """The shapes of sums over some axes, and which these are."""
    for count in range(1, len(shape) + 1):
        for axes in combinations(range(len(shape)), count):
            yield tuple(n for k, n in enumerate(shape) if k not in axes), axes


def explained(part: Part, gradient: Array, wanted: Array, says: str, problem: Problem) -> list[Cause]:
    several = [k for k, n in enumerate(gradient.shape) if n > 1]
    for count in range(1, len(several) + 1):
        for axes in combinations(several, count):
            summed = gradient.sum(axes)
            if summed.size == wanted.size and alike(summed.ravel(), wanted.ravel()) and gradient.size > wanted.size:
                return [Cause("reduction_broadcast", f"{says}: the sum over axes {axes} is right", "sum over them")]
    for count in range(1, wanted.ndim + 1) if gradient.size < wanted.size else ():
        for axes in combinations(range(wanted.ndim), count):
            if alike(np.squeeze(gradient), np.squeeze(wanted.sum(axes))):
                text = f"{says}: it is the sum of the right one over axes {axes}"
                return [Cause("reduction_broadcast", text, "each has a gradient of its own")]
    if gradient.ndim > 1 and alike(gradient.T, wanted):
        return [Cause("transpose_or_adjoint", f"{says}: its transpose is right", "transpose it")]
    for axes in permutations(range(gradient.ndim)) if gradient.ndim <= AXES else ():
        if alike(gradient.transpose(axes), wanted):
            return [Cause("transpose_or_adjoint", f"{says}: with its axes in the order {axes} it is right", "permute")]
    if gradient.size == wanted.size:
        text = f"{says}: the right number of elements, in another shape"
        loose = lambda shape: [n for n in shape if n > 1]
        always = loose(gradient.shape) == loose(part.shape) and not right_elsewhere(problem)
        return [Cause("contract_shape_dtype" if always else "edge_shape", text)]
    if gradient.size < wanted.size and broadcasts(gradient, wanted):
        return [Cause("reduction_broadcast", f"{says}: broadcast to that it is right", "np.broadcast_to")]
    if gradient.ndim == wanted.ndim:
        common = tuple(slice(0, min(a, b)) for a, b in zip(gradient.shape, wanted.shape))
        if alike(gradient[common], wanted[common]) and gradient.size < wanted.size:
            name = "edge_shape" if reads_all_or_nothing(problem, part) else "conv_geometry"
            return [Cause(name, f"{says}: the end is cut off", "inputs that no window reaches get zeros")]
        if slides(problem, part):
            return [Cause("conv_geometry", f"{says}: a layer of sliding windows", "check stride, dilation, padding")]
    if gradient.size > wanted.size and sums(problem, part):
        return [Cause("reduction_broadcast", f"{says}: of a sum each element gets the gradient", "np.broadcast_to")]
    for shape in {output.shape for output in problem.outputs}:
        over = {reduced: axes for reduced, axes in sums_of(shape) if reduced in (gradient.shape, part.shape)}
        if len(over) == 2:
            text = f"{says}: as an output {shape} summed over axes {over[gradient.shape]}"
            return [Cause("reduction_broadcast", f"{text}; over axes {over[part.shape]} it has the right one")]
    if any(gradient.shape == output.shape for output in problem.outputs):
        return [Cause("reduction_broadcast", f"{says}: that is the shape of the output", "sum over what was broadcast")]
    return []
