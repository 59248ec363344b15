"""Markdown as HTML: formulas between dollars, code in colours, an anchor for every heading."""

import re
from html import escape, unescape

from markdown_it import MarkdownIt
from mdit_py_plugins.dollarmath import dollarmath_plugin
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer, TextLexer

from pullback.handbook.site.formulas import Formulas

HEADING = re.compile(r"<h2>(.*?) *\{#([\w-]+)\}</h2>")
GLUED = re.compile(r'[(（“]?<span class="math inline">\x02(\d+)\x03</span>[.,:;?!)。，：；？！）、”]+')
SHORT = 24  # letters of LaTeX: a longer formula may have to be broken by itself
QUAD = re.compile(r"\s*\\qquad\s*")  # between the equations of a line
DISPLAY = r"\displaystyle "
HANG = 4  # letters by which the rest of a long line of code is moved in


class Prose:
    """Renders text; its formulas are put aside."""

    def __init__(self, formulas: Formulas) -> None:
        self.formulas = formulas
        self.markdown = MarkdownIt("commonmark", {"html": True, "typographer": False, "highlight": highlighted})
        self.markdown.enable("table")
        self.markdown.use(
            dollarmath_plugin, double_inline=True, allow_digits=True,
            renderer=lambda latex, how: self.displayed(latex) if how["display_mode"] else formulas.hold(latex),
        )  # fmt: skip

    def __call__(self, text: str) -> str:
        """A block of text. `## Title {#anchor}` is a heading that both languages share."""
        html = HEADING.sub(r'<h2 id="\2">\1</h2>', self.markdown.render(text))
        html = GLUED.sub(self.glued, html)
        html = re.sub("([，、；：])<code>", r"\1<wbr><code>", html)  # quotation marks would forbid a new line there
        return html.replace("<table>", '<div class="wide"><table>').replace("</table>", "</table></div>")

    def displayed(self, latex: str) -> str:
        """Equations in one line, which stand below one another where there is no room."""
        one, *more = QUAD.split(latex)
        if not more:
            return self.formulas.hold(latex, True)
        each = "".join(f"<span>{self.formulas.hold(DISPLAY + part)}</span>" for part in (one, *more))
        return f'<span class="equations">{each}</span>'

    def glued(self, found: re.Match[str]) -> str:
        """No line begins with the comma behind a formula."""
        short = len(self.formulas.latex(int(found[1]))) <= SHORT
        return f'<span class="glued">{found[0]}</span>' if short else found[0]


def highlighted(code: str, language: str = "python", _: str = "") -> str:
    lexer = PythonLexer(ensurenl=False) if language == "python" else TextLexer(ensurenl=False)
    coloured = highlight(code, lexer, HtmlFormatter(nowrap=True)).split("\n")
    return "".join(map(hanging, map(breaking, coloured), code.split("\n")))


def breaking(html: str) -> str:
    """Where a line of code may go on below although there is no blank: before a dot, behind an opening bracket."""
    return re.sub(r'(?<=\w)(</span>)(?=<span class="o">\.</span>)|(<span class="p">[(\[]+</span>)', r"\1\2<wbr>", html)


def breakable(text: str) -> str:
    """A name that may go on below, behind an underscore or before a dot."""
    return re.sub(r"(?<=[\w)])\.(?=[A-Za-z])", "<wbr>.", escape(text).replace("_", "_<wbr>"))


def hanging(html: str, line: str) -> str:
    """A line of code; where it is too long for the page, it goes on below, further in than it began."""
    indent = len(line) - len(line.lstrip(" "))
    return f'<span class="line" style="--in:{indent + HANG}ch">{html}\n</span>'


def code_block(code: str, language: str = "python") -> str:
    code = code.strip("\n")
    return f'<pre class="code"><code>{highlighted(code, language)}</code></pre>'


def plain(html: str) -> str:
    """What a reader sees of it, for the search; formulas and pictures left out."""
    html = re.sub(r"(?s)<(svg|style|script|pre)\b.*?</\1>|\x02\d+\x03", " ", html.replace("<wbr>", ""))
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", html)).split())


def titled(html: str) -> tuple[str, str]:
    """The first heading of a rendered text, and what follows."""
    found = re.match(r"\s*<h1>(.*?)</h1>", html, re.DOTALL)
    if not found:
        raise ValueError(f"a text begins with its title, `# ...`; got {escape(html[:60])}")
    return found[1], html[found.end() :]
