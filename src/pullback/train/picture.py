"""A picture of a training: the loss, and the gradient norm of every layer, over the epochs. SVG, written by hand.

Colours are those of Okabe & Ito (2008), told apart by every eye; lines differ in their dashes as well, and each is
labelled where it ends.
"""

from collections.abc import Mapping, Sequence
from html import escape
from math import ceil, floor, log10

from pullback.train.loop import Epoch

COLOURS = "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#000000", "#e69f00", "#56b4e9"
DASHES = "none", "7 3", "2 3", "9 3 2 3", "4 4"
WIDTH, HEIGHT = 760, 300  # of a panel
LEFT, RIGHT, TOP, BOTTOM = 70, 190, 50, 50  # margins around its plot
LOWEST, HIGHEST = 1e-300, 1e300  # what else there may be (0, inf, nan) has no place on a logarithmic axis
LINE = 15  # between the labels of two lines

Points = list[tuple[float, float]]
Lines = dict[str, Points]


def picture(history: Sequence[Epoch], title: str, names: Mapping[str, str] = {}) -> str:
    """The picture as text; `names` says what a layer is called in it."""
    losses: Lines = {"training": [(e.epoch, e.loss) for e in history]}
    if all(e.test_loss is not None for e in history):
        losses["held out"] = [(e.epoch, e.test_loss) for e in history if e.test_loss is not None]
    places = history[-1].gradients
    norms: Lines = {names.get(place, place): [(e.epoch, e.gradients[place]) for e in history] for place in places}
    panels = panel(losses, "Loss (nats)", 30), panel(norms, "Gradient norm of each layer", 30 + HEIGHT)
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {30 + 2 * HEIGHT}" role="img"'
            ' aria-labelledby="title desc" font-family="system-ui, sans-serif" font-size="12" fill="#222">',
            f'<title id="title">{escape(title)}</title>',
            f'<desc id="desc">{escape(described(history, norms))}</desc>',
            '<rect width="100%" height="100%" fill="white"/>',
            f'<text x="{LEFT}" y="26" font-size="16" font-weight="bold">{escape(title)}</text>',
            *panels,
            "</svg>\n",
        ]
    )


def described(history: Sequence[Epoch], norms: Lines) -> str:
    """What the picture shows, for those who cannot see it."""
    first, last = history[0], history[-1]
    says = [f"Two line charts over {len(history)} epochs, with logarithmic axes."]
    says += [f"The training loss goes from {first.loss:.3g} to {last.loss:.3g}."]
    if last.test_loss is not None and last.accuracy is not None:
        says += [f"The loss on held-out data ends at {last.test_loss:.3g}, with {last.accuracy:.1%} right."]
    moves = [f"{name} from {points[0][1]:.2g} to {points[-1][1]:.2g}" for name, points in norms.items()]
    return " ".join([*says, f"Gradient norms: {'; '.join(moves)}."])


def panel(lines: Lines, title: str, top: float) -> str:
    """Axes with ticks, the lines, and their labels."""
    lines = {name: [(x, y) for x, y in line if LOWEST < y < HIGHEST] for name, line in lines.items()}
    points = [point for line in lines.values() for point in line]
    if not points:
        return ""
    ticks = decades(min(y for _, y in points), max(y for _, y in points))
    first, last = min(x for x, _ in points), max(x for x, _ in points)
    low, high = log10(ticks[0]), log10(ticks[-1])
    across = lambda x: LEFT + (WIDTH - LEFT - RIGHT) * ((x - first) / (last - first) if last > first else 0.5)
    up = lambda y: top + HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * (log10(y) - low) / (high - low)
    placed = {name: [(across(x), up(y)) for x, y in line] for name, line in lines.items()}
    return "\n".join(
        [
            f'<text x="{LEFT}" y="{top + TOP - 16}" font-weight="bold">{title}</text>',
            *(grid(up(y), f"{y:g}") for y in ticks),
            *(mark(across(x), top + HEIGHT - BOTTOM, f"{x:g}") for x in epochs(int(first), int(last))),
            f'<text x="{across((first + last) / 2):.1f}" y="{top + HEIGHT - 12}" text-anchor="middle">epoch</text>',
            *(drawn(k, line) for k, line in enumerate(placed.values())),
            *labels(placed, top + HEIGHT - BOTTOM),
        ]
    )


def decades(low: float, high: float) -> list[float]:
    """Round numbers around low .. high: 1, 2, 5, or powers of ten where these would be too many."""
    exponents = range(floor(log10(low)), ceil(log10(high)) + 1)
    every = [m * 10.0**e for e in exponents for m in (1, 2, 5)]
    inner = [y for y, after in zip(every, every[1:]) if after > low]
    ticks = inner[: next((k for k, y in enumerate(inner) if y >= high), len(inner) - 1) + 1]
    if len(ticks) > 7:
        ticks = [10.0**e for e in exponents]
    return ticks if len(ticks) > 1 else [ticks[0] / 2, ticks[0] * 2]


def epochs(first: int, last: int) -> list[int]:
    """At most eight round numbers."""
    step = next(m * 10**e for e in range(9) for m in (1, 2, 5) if (last - first) / (m * 10**e) < 8)
    return [x for x in range(first, last + 1) if x % step == 0] or [first]


def grid(y: float, text: str) -> str:
    line = f'<path d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}" stroke="#ddd"/>'
    return line + f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{text}</text>'


def mark(x: float, y: float, text: str) -> str:
    line = f'<path d="M{x:.1f} {y:.1f}v5" stroke="#888"/>'
    return line + f'<text x="{x:.1f}" y="{y + 19:.1f}" text-anchor="middle">{text}</text>'


def drawn(k: int, line: Points) -> str:
    """A line; one point alone is a dot."""
    if len(line) == 1:
        return f'<circle cx="{line[0][0]:.1f}" cy="{line[0][1]:.1f}" r="3" fill="{COLOURS[k % len(COLOURS)]}"/>'
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in line)
    return f'<polyline points="{path}" {stroke(k)} stroke-width="2"/>'


def stroke(k: int) -> str:
    return f'fill="none" stroke="{COLOURS[k % len(COLOURS)]}" stroke-dasharray="{DASHES[k % len(DASHES)]}"'


def labels(lines: Lines, bottom: float) -> list[str]:
    """A name beside the end of every line; names that would overlap are moved apart, half of the way up."""
    ends = sorted((line[-1][1], line[-1][0], k, name) for k, (name, line) in enumerate(lines.items()) if line)
    apart, places = min(LINE, (HEIGHT - TOP - BOTTOM) / len(ends)), [ends[0][0]]
    for y, *_ in ends[1:]:
        places.append(max(y, places[-1] + apart))
    lift = max((places[-1] - ends[-1][0]) / 2, places[-1] - bottom)
    return [label(x, y, place - lift, k, name) for (y, x, k, name), place in zip(ends, places)]


def label(x: float, y: float, place: float, k: int, name: str) -> str:
    edge = WIDTH - RIGHT + 22
    leader = f'<path d="M{x:.1f} {y:.1f}L{edge} {place:.1f}" {stroke(k)}/>'
    return leader + f'<text x="{edge + 5}" y="{place + 4:.1f}">{escape(name)}</text>'
