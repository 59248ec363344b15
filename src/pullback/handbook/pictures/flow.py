"""Data flow: boxes that compute, solid arrows forwards, dashed ones backwards, each with the shape it carries."""

from collections.abc import Collection, Sequence
from textwrap import wrap

from pullback.handbook.pictures.svg import arrow, box, picture, shape_text, width_of, write
from pullback.handbook.words import say

Array = tuple[str, tuple[int, ...]]  # a name and a shape

LANE = 54  # the height of a forward arrow and the backward arrow below it
MARGIN = 12
NARROW = 20  # letters of a line of what is kept


def flow(
    name: str,
    inputs: Sequence[Array],
    outputs: Sequence[Array],
    fixed: Collection[str] = (),
    keeps: str = "",
    lang: str = "en",
) -> str:
    """A rule: what goes in and comes out, and the gradients that come back; what is `fixed` has none.

    `keeps` is a line below the name, of what stays in memory from the forward pass.
    """
    goes = max(width_of(f"g{slot} {shape_text(shape)}") for slot, shape in [*inputs, *outputs]) + 30
    height = 2 * MARGIN + LANE * max(len(inputs), len(outputs))
    kept = wrap(keeps, NARROW, break_long_words=False)
    kept = kept if len(kept) <= height // LANE + 1 else [keeps]  # of few lanes, the box is too low for many lines
    middle = max([width_of(name, 15), *(width_of(line, 12) for line in kept), 80]) + 28
    left, right = MARGIN + goes, MARGIN + goes + middle
    parts = [box(left, MARGIN, middle, height - 2 * MARGIN)]
    centre = left + middle / 2, height / 2 + (10 - 10 * len(kept) if kept else 5)
    parts.append(write(*centre, name, text_anchor="middle", font_size=15, font_weight="bold"))
    for k, line in enumerate(kept, 1):
        parts.append(write(centre[0], centre[1] + 20 * k, line, "soft", text_anchor="middle", font_size=12))
    for slots, start, end in ((inputs, MARGIN, left), (outputs, right, right + goes)):
        for k, (slot, shape) in enumerate(slots):
            y = height / 2 + LANE * (k - len(slots) / 2) + 4
            parts += lane(slot, shape, start, end, y, slot not in fixed)
    title = say("flow.title", lang, name=name)
    return picture(2 * MARGIN + 2 * goes + middle, height, parts, title, described(inputs, outputs, fixed, lang), lang)


def lane(slot: str, shape: tuple[int, ...], start: float, end: float, y: float, back: bool) -> list[str]:
    """An array on its way, and its gradient on the way back."""
    middle = (start + end) / 2
    parts = [
        write(middle, y + 10, f"{slot} {shape_text(shape)}", text_anchor="middle"),
        arrow(start + 3, y + 16, end - 3, y + 16, "ink"),
    ]
    if back:
        parts += [
            arrow(end - 3, y + 26, start + 3, y + 26, "back", dashed=True),
            write(middle, y + 41, f"g{slot} {shape_text(shape)}", "back", text_anchor="middle"),
        ]
    return parts


def described(inputs: Sequence[Array], outputs: Sequence[Array], fixed: Collection[str], lang: str) -> str:
    listed = lambda slots, mark="": ", ".join(f"{mark}{slot}{shape_text(shape)}" for slot, shape in slots) or "-"
    learns = [(slot, shape) for slot, shape in inputs if slot not in fixed]
    above = [(slot, shape) for slot, shape in outputs if slot not in fixed]
    return say(
        "flow.says", lang, inputs=listed(inputs), outputs=listed(outputs),
        above=listed(above, "g"), below=listed(learns, "g"),
    )  # fmt: skip


def chain(steps: Sequence[Array], begins: tuple[int, ...], title: str = "", lang: str = "en") -> str:
    """A network from top to bottom: every step a name and the shape that it gives; `begins` is that of the input."""
    labels = [begins, *(shape for _, shape in steps)]
    wide = max(width_of(name, 14) for name, _ in steps) + 40
    side = max(width_of("g " + shape_text(shape)) for shape in labels) + 24
    middle, top = side + wide / 2, MARGIN + (24 if title else 0)
    parts = [write(MARGIN, 22, title, font_weight="bold")] if title else []
    for k, shape in enumerate(labels):
        y = top + k * (34 + LANE)
        parts += [
            arrow(middle - 8, y + 4, middle - 8, y + LANE - 4, "ink"),
            arrow(middle + 8, y + LANE - 4, middle + 8, y + 4, "back", dashed=True),
            write(middle - 20, y + LANE / 2 + 4, shape_text(shape), text_anchor="end"),
            write(middle + 20, y + LANE / 2 + 4, "g " + shape_text(shape), "back"),
        ]
        if k < len(steps):
            parts.append(box(side, y + LANE, wide, 34))
            parts.append(write(middle, y + LANE + 22, steps[k][0], text_anchor="middle", font_size=14))
    height = top + len(steps) * (34 + LANE) + LANE + MARGIN
    says = say("flow.chain", lang, steps=" → ".join(f"{name} {shape_text(shape)}" for name, shape in steps))
    return picture(2 * side + wide, height, parts, title or say("flow.network", lang), says, lang)
