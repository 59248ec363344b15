"""An explanation as a page: by itself, or as part of a notebook. Nothing is asked of the network."""

import re
from collections.abc import Iterator
from html import escape

from pullback.handbook.explanation.content import Content
from pullback.handbook.explanation.parts import Bars, Formulas, Heat, Listed, Part, Rows, Section, Table, Words
from pullback.handbook.explanation.steps import MARKS, Derived
from pullback.handbook.pictures import bars, flow, heatmap
from pullback.handbook.words import say

STYLE = """
.pullback-page{color-scheme:light dark;font:15px/1.55 system-ui,"Noto Sans","Noto Sans CJK SC","PingFang SC",
"Microsoft YaHei",sans-serif;max-width:60rem;margin:0 auto;padding:1rem;
background:light-dark(#fff,#0d1117);color:light-dark(#1c2128,#e6e9ee)}
.pullback-page h1{font-size:1.7rem;margin:.2em 0}.pullback-page h2{font-size:1.15rem;margin:1.6em 0 .4em;
border-bottom:1px solid light-dark(#d0d7de,#3d444d)}
.pullback-page pre,.pullback-page code{font:13px/1.6 ui-monospace,"DejaVu Sans Mono",Consolas,monospace;
background:none;color:inherit}
.pullback-page pre{margin:.5em 0;padding:.6em .8em;overflow-x:auto;background:light-dark(#f3f5f8,#1f252d);
border-radius:6px}
.pullback-page table{border-collapse:collapse;margin:.5em 0;font-size:14px;display:block;overflow-x:auto}
.pullback-page th,.pullback-page td{padding:.2em 1.2em .2em 0;border:0;text-align:left;vertical-align:top}
.pullback-page td{white-space:pre-wrap;background:none}.pullback-page td.shape{white-space:nowrap}
.pullback-page .picture{container-type:inline-size;overflow-x:auto}
.pullback-page .picture svg{max-width:100%;min-width:calc(.8*var(--width))}
.pullback-page .picture .more{position:sticky;left:0;width:100cqi;margin:0;overflow:hidden;font-size:13px;
max-height:clamp(0px,(.8*var(--width) - 100cqi)*99,2em)}
.pullback-page td.quiet{white-space:nowrap}.pullback-page td.quiet code{font:inherit}
.pullback-page .quiet,.pullback-page i{color:light-dark(#59626e,#a3adb9)}
.pullback-page .value{color:light-dark(#0b6157,#63d4c5)}
.pullback-page ol{list-style:none;margin:.2em 0 1em;padding-left:1em}.pullback-page li{margin:.35em 0}
.pullback-page li i{float:right;margin-left:1.5em}.pullback-page li .value{display:block;margin-left:1.6em}
.pullback-page[lang^=zh] i{font-style:normal}
@media (max-width:30rem){.pullback-page li i{float:none;display:block;margin:0}}
.pullback-page svg{margin:.4em 1.2em .4em 0;vertical-align:top}
""".replace("\n", "")


def page(sections: list[Section], lang: str, picture: str = "") -> str:
    """A page by itself."""
    return (
        f'<!doctype html>\n<html lang="{code_of(lang)}">\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(sections[0].title)} · pullback</title>\n"
        "<style>html{color-scheme:light dark;background:light-dark(#fff,#0d1117)}</style>\n"
        f"{part(sections, lang, picture)}\n</html>\n"
    )


def part(sections: list[Section], lang: str, picture: str = "") -> str:
    """The same to be put into another page; a picture stands below the first section."""
    head, *others = sections
    inside = lambda section: "".join(drawn(p, lang) for p in section.parts)
    rest = "".join(f"<h2>{escape(section.title)}</h2>{inside(section)}" for section in others)
    top = f"<h1>{escape(head.title)}</h1>{inside(head)}{picture}"
    return f'<div class="pullback-page" lang="{code_of(lang)}"><style>{STYLE}</style>{top}{rest}</div>'


def code_of(lang: str) -> str:
    return "zh-CN" if lang == "zh" else lang


def picture(e: Content) -> str:
    """The data flow of the rule."""
    shape = lambda arrays: [(a.name, a.values.shape) for a in arrays]
    fixed = [a.name for a in (*e.inputs, *e.outputs) if not a.differentiable]
    keeps = ", ".join(kept.name for kept in e.memory if kept.shape and kept.size)
    keeps = say("flow.keeps", e.lang, names=keeps) if keeps else ""
    return wide(flow(e.name, shape(e.inputs), shape(e.outputs), fixed, keeps, e.lang), e.lang)


def drawn(part: Part, lang: str) -> str:
    match part:
        case Words(words, quiet, _):
            return f'<p class="quiet">{escape(words)}</p>' if quiet else f"<p>{escape(words)}</p>"
        case Formulas(lines):
            return f"<pre>{escape(chr(10).join(lines))}</pre>"
        case Rows(rows):
            return table(rows)
        case Table(head, rows):
            return table(rows, head)
        case Listed(items):
            rows = "".join(f"<tr><td>{escape(a)}</td><td><code>{escape(b)}</code></td></tr>" for a, b in items)
            return f"<table>{rows}</table>"
        case Bars(title, rows):
            below = [(bar.name, bar.below) for bar in rows if bar.below]
            drawing = bars([(bar.name, bar.size) for bar in rows], title, [bar.note for bar in rows], lang=lang)
            return wide(drawing, lang) + table(below)
        case Heat(title, block, note):
            return wide(heatmap(block.matrix, title, block.rows, block.columns, lang=lang), lang) + aside(note)
        case Derived():
            return "".join(chain(part))


def wide(picture: str, lang: str) -> str:
    """A picture that is drawn smaller where there is little room; where there is less, it says that it can be moved
    sideways."""
    width = re.search(r'width="(\d+)"', picture)[1]  # type: ignore[index]
    hint = f'<p class="more" aria-hidden="true">{say("html.sideways", lang)}</p>'
    return f'<div class="wide picture" style="--width:{width}px">{picture}{hint}</div>'


def aside(note: str) -> str:
    return f'<p class="quiet">{escape(note)}</p>' if note else ""


def table(rows: list[tuple[str, ...]], head: tuple[str, ...] = ()) -> str:
    """A word stands first, a note last; what is between are numbers."""
    if not rows:
        return ""
    cells = lambda row: "".join(
        f'<td class="{("", "shape", "", "quiet")[k] if len(row) == 4 else ""}"><code>{escape(cell)}</code></td>'
        for k, cell in enumerate(row)
    )
    top = "<tr>" + "".join(f"<th>{escape(name)}</th>" for name in head) + "</tr>" if head else ""
    return f"<table>{top}" + "".join(f"<tr>{cells(row)}</tr>" for row in rows) + "</table>"


def chain(derived: Derived) -> Iterator[str]:
    point = f' <span class="quiet">{escape(derived.point)}</span>' if derived.point else ""
    yield f"<p><code><b>{escape(derived.head.text)}</b></code>{point}</p><ol>"
    for line in derived.lines:
        numbers = "".join(f'<code class="value">{escape(value)}</code>' for value in line.values if value)
        why = escape(f"{line.reason} {MARKS[line.grade]}".rstrip())
        yield f"<li><i>{why}</i><code>= {escape(line.text)}</code>{numbers}</li>"
    yield "</ol>"
