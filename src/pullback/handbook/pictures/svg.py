"""What all pictures share: elements, colours in light and dark, and words for those who cannot see them.

Colours come from a blue and an orange that every eye tells apart, and nothing is told by colour alone. They follow
the `color-scheme` of the page around the picture, or the reader's system where a picture is a file of its own. A
program that does not know `light-dark` draws the light ones.
"""

from collections.abc import Iterable
from hashlib import sha256
from html import escape

PALETTE = {  # light, dark
    "ink": ("#1c2128", "#e6e9ee"),
    "soft": ("#59626e", "#a3adb9"),
    "line": ("#8b949e", "#6e7781"),
    "box": ("#eef1f5", "#262c36"),
    "plus": ("#f28e2b", "#9c4d05"),
    "minus": ("#5b9ee6", "#1f5fae"),
    "back": ("#b04e00", "#f0a04b"),
}
RULES = "".join(
    f".pullback .{name}{{fill:light-dark({light},{dark})}}.pullback .{name}-line{{stroke:light-dark({light},{dark})}}"
    for name, (light, dark) in PALETTE.items()
)
FIT = "svg.pullback{max-width:100%;height:auto}"  # narrow pages
STYLE = f"svg:root{{color-scheme:light dark}}@supports (color:light-dark(red,red)){{{FIT}{RULES}}}"
FONT = "system-ui, 'Noto Sans', 'Noto Sans CJK SC', 'PingFang SC', 'Microsoft YaHei', sans-serif"
WIDE = 1.75  # of a Chinese character, in widths of a digit


def picture(width: float, height: float, parts: Iterable[str], title: str, description: str, lang: str = "en") -> str:
    """The whole picture; its title and description are what a screen reader says."""
    body = "".join(parts)
    mark = "pb" + sha256((title + description + body).encode()).hexdigest()[:10]  # many may stand on one page
    head = element("title", escape(title), id=f"{mark}t") + element("desc", escape(description), id=f"{mark}d")
    return element(
        "svg", head, element("style", STYLE), body,
        xmlns="http://www.w3.org/2000/svg", viewBox=f"0 0 {round(width)} {round(height)}", width=round(width),
        height=round(height), class_="pullback", role="img", aria_labelledby=f"{mark}t {mark}d", lang=lang,
        font_family=FONT, font_size=13,
    )  # fmt: skip


def element(tag: str, *inside: str, **attributes: object) -> str:
    """`class_` is class, and `text_anchor` is text-anchor: what Python does not let be written."""
    keep = {"viewBox": "viewBox"}
    named = ((keep.get(name, name.rstrip("_").replace("_", "-")), value) for name, value in attributes.items())
    shown = "".join(f' {name}="{escape(short(value))}"' for name, value in named if value is not None)
    return f"<{tag}{shown}>{''.join(inside)}</{tag}>" if inside else f"<{tag}{shown}/>"


def short(value: object) -> str:
    return f"{value:.1f}".removesuffix(".0") if isinstance(value, float) else str(value)


def write(x: float, y: float, words: str, colour: str = "ink", **attributes: object) -> str:
    """Words whose baseline begins (or ends, or is centred, as `text_anchor` says) at x, y."""
    return element("text", escape(words), x=x, y=y, **drawn(colour), **attributes)


def drawn(colour: str, line: bool = False) -> dict[str, str]:
    """Fill or stroke of a colour: as a class that knows light and dark, and as an attribute for who does not."""
    if line:
        return {"class_": f"{colour}-line", "stroke": PALETTE[colour][0]}
    return {"class_": colour, "fill": PALETTE[colour][0]}


def box(x: float, y: float, width: float, height: float, radius: float = 6) -> str:
    """A box to write in."""
    inside = element("rect", x=x, y=y, width=width, height=height, rx=radius, **drawn("box"))
    return inside + outline(x, y, width, height, radius)


def outline(x: float, y: float, width: float, height: float, radius: float = 0) -> str:
    return element("rect", x=x, y=y, width=width, height=height, rx=radius or None, fill="none", **drawn("line", True))


def arrow(x: float, y: float, to_x: float, to_y: float, colour: str, dashed: bool = False) -> str:
    """A straight arrow along one of the axes."""
    right, down = (to_x > x) - (to_x < x), (to_y > y) - (to_y < y)
    base_x, base_y = to_x - 8 * right, to_y - 8 * down
    shaft = element(
        "path", d=f"M{short(x)} {short(y)}L{short(base_x)} {short(base_y)}", stroke_width=1.6,
        stroke_dasharray="5 4" if dashed else None, fill="none", **drawn(colour, True),
    )  # fmt: skip
    left, other = (base_x - 4 * down, base_y - 4 * right), (base_x + 4 * down, base_y + 4 * right)
    tip = f"M{short(to_x)} {short(to_y)}L{short(left[0])} {short(left[1])}L{short(other[0])} {short(other[1])}Z"
    return shaft + element("path", d=tip, **drawn(colour))


def width_of(words: str, size: float = 13) -> float:
    """About how wide words are: a little too wide rather than too narrow."""
    return sum(WIDE if ord(letter) > 0x2E80 else 1 for letter in words) * 0.6 * size


def shape_text(shape: Iterable[int]) -> str:
    """[2 3], as signatures write it; [] is a number."""
    return "[" + " ".join(map(str, shape)) + "]"
