"""A change in words: as far as the source is there, in those of the user's code."""

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from pullback.check.mending.edits import WRITING, Edit
from pullback.check.mending.known import Known
from pullback.check.mending.scene import BEGIN, END, Source
from pullback.check.steps.source import code, line, operation, variable, which
from pullback.check.steps.tape import Place, Tape, is_step

LARGE = 1000  # for a denominator


def sentence(edit: Edit, known: Known) -> str:
    """line 7: in `g * y`, x in the place of `y`"""
    place, i, steps = edit.place, edit.operand, known.scene.at(edit.place)
    operand = code(place, i, len(steps[0].operands)) or called(known, [each.operands[i] for each in steps])
    other = "" if edit.other is None else named(edit.other, known)
    if edit.other is not None and edit.other.backwards and edit.other.name[1] is place[1]:
        other += ", its last turn first,"  # of another loop: the same letter is another number there
    says = edit.says if is_step(place) else of_itself(edit.says)
    if edit.other is not None and operand and (at := as_it_was(edit.other, operand, known)):
        says = says.replace("{other} in the place of {operand}", f"{{operand}} as it was in {at}")
    what = {"step": step(place, known), "operand": operand or f"operand {i + 1}", "other": other, "number": edit.called}
    text = says.format(**what)
    return f"{where(place, known.scene.tape)}: {text}{which(place)}" if is_step(place) else text


def as_it_was(source: Source, operand: str, known: Known) -> str:
    """The line of what goes by the same name as the operand, if it is of another line."""
    if source.whose not in ("forward", "backward") or source.turned:
        return ""
    text = named(source, known)
    tape = known.scene.forward if source.whose == "forward" else known.scene.tape
    return where(source.name, tape) if text.partition(" (")[0] == operand else ""


def of_itself(says: str) -> str:
    """What has one operand, and is that."""
    return says.replace("in {step}, {other} in the place of {operand}", "{other} for {step}").replace(
        "in {step}, {operand}", "{step}"
    )


def where(place: Place, tape: Tape) -> str:
    """The line; of a function that is called from several, those as well."""
    at, others = line(place[1], place[2]), (each for each in tape.steps if each[:3] == place[:3] != each)
    if len(place) > 4 and any(others):
        return f"{at}, as called in {line(place[3], place[4])}"
    return at


def fraction(number: float) -> str:
    """1/5 for 0.2"""
    near = Fraction(number).limit_denominator(LARGE)
    return str(near) if abs(number - near) < 1e-8 * abs(number) else f"{number:.6g}"


def step(place: Place, known: Known) -> str:
    if place[0] == BEGIN:
        return above(place[1], known)
    if place[0] == END:
        return f"the gradient of {place[1]}"
    if place[0] == WRITING:
        return code(place) or "what is written"
    return code(place) or operation(place)


def above(output: str, known: Known) -> str:
    problem = known.scene.problem
    if problem.mode == "jvp":
        return f"the tangent of {output}"
    return "the gradient from above" if len(problem.outputs) == 1 else f"the gradient of {output} from above"


def called(known: Known, arrays: Sequence[Any]) -> str:
    """An input, an output, or a gradient from above, if these are one."""
    source = known.called(arrays)
    return named(source, known) if source is not None else ""


def named(source: Source, known: Known) -> str:
    if source.turned:
        return f"{named(source._replace(turned=False), known)}, transposed,"
    if source.whose == "input":
        return str(source.name)
    if source.whose == "above":
        return above(source.name, known)
    if source.whose == "output":
        one = len(known.scene.problem.outputs) == 1
        return "the output of forward" if one else f"the output {source.name} of forward"
    if source.whose == "slope":
        function = code(source.name) or operation(source.name)
        return placed(f"the slope of {function}", source.name, known.scene.forward)
    tape = known.scene.forward if source.whose == "forward" else known.scene.tape
    place, count = source.name, len(tape.steps[source.name][0].operands)
    what = f"what {'comes out of' if source.operand < 0 else 'goes into'} {operation(place)}"
    text = variable(place, source.operand) or code(place, source.operand, count) or what
    return placed(text, place, tape)


def placed(text: str, place: Place, tape: Tape) -> str:
    return f"{text} ({where(place, tape)})" if is_step(place) else text
