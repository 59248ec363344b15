"""Bars on a logarithmic scale: sizes that may differ by many powers of ten."""

from collections.abc import Sequence
from math import ceil, floor, isfinite, log10

from pullback.handbook.pictures.svg import drawn, element, picture, width_of, write
from pullback.handbook.words import say
from pullback.handbook.written import number

ROW = 26
LENGTH = 360  # of the longest bar
TICKS = 8  # at most


def bars(
    rows: Sequence[tuple[str, float | None]], title: str, notes: Sequence[str] = (), description: str = "",
    lang: str = "en",
) -> str:  # fmt: skip
    """A bar for each name and size; what is 0 has none, what is not finite is written only, and None not even that.

    `notes` are words behind the bars, one for each, or none.
    """
    low, high = decades([value for _, value in rows])
    left = max((width_of(name) for name, _ in rows), default=0) + 24
    top, bottom = 56, 56 + ROW * len(rows)
    along = lambda exponent: left + LENGTH * (exponent - low) / (high - low)
    parts = [write(12, 22, title, font_weight="bold", font_size=14)]
    step = ceil((high - low) / TICKS)
    for exponent in range(low, high + 1, step):
        x = along(exponent)
        parts.append(element("path", d=f"M{x:.1f} {top - 6}V{bottom}", stroke_opacity="0.35", **drawn("line", True)))
        parts.append(write(x, top - 12, f"{10.0**exponent:g}", "soft", text_anchor="middle", font_size=11))
    ends = []
    for k, (name, value) in enumerate(rows):
        y = top + ROW * k
        end = along(log10(value)) if value and value > 0 and isfinite(value) else left
        parts.append(write(left - 8, y + 17, name, text_anchor="end"))
        if end > left:
            parts.append(element("rect", x=left, y=y + 4, width=end - left, height=ROW - 8, rx=3, **drawn("minus")))
        says = ", ".join(filter(None, [size(value), notes[k] if notes else ""]))
        parts.append(write(end + 8, y + 17, says))
        ends.append(end + 16 + width_of(says))
    width = max([left + LENGTH + 24, width_of(title, 14) + 24, *ends])
    says = description or say("bars.says", lang, values="; ".join(f"{name} {size(v)}".rstrip() for name, v in rows))
    return picture(width, bottom + 14, parts, title, says, lang)


def size(value: float | None) -> str:
    return "" if value is None else number(value, 3)


def decades(values: Sequence[float | None]) -> tuple[int, int]:
    """The powers of ten around all sizes: the lowest one lies below them all, so that every bar is seen."""
    shown = [log10(v) for v in values if v and v > 0 and isfinite(v)]
    low, high = (floor(min(shown)), ceil(max(shown))) if shown else (-1, 0)
    return (low - 1 if not shown or min(shown) - low < 0.2 else low), max(high, low + 1)
