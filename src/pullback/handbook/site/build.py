"""The whole site: pages in both languages, an index for the search, style and scripts, fonts."""

import re
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from time import perf_counter
from typing import NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined

import pullback
from pullback.check.progress import followed
from pullback.discovery import every
from pullback.files import write
from pullback.handbook.site import formulas as katex
from pullback.handbook.site import search
from pullback.handbook.site.chapters import chapter, slugs
from pullback.handbook.site.families import families
from pullback.handbook.site.formulas import Formulas
from pullback.handbook.site.prose import Prose, plain
from pullback.handbook.site.rulepage import RulePage
from pullback.handbook.site.verdicts import Verdict, verdicts
from pullback.handbook.site.wording import word
from pullback.handbook.words import LANGUAGES

TEMPLATES = Environment(
    loader=PackageLoader("pullback.handbook.site"), undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
)
ASSETS = files("pullback.handbook.site") / "assets"
LINK = re.compile(r'href="(rule|chapter|page):([\w-]+)(#[\w-]+)?"')
FOLDERS = {"rule": "rules/", "chapter": "chapters/", "page": ""}


class Page(NamedTuple):
    path: str  # below the folder of a language: rules/softmax.html
    title: str
    body: str

    @property
    def root(self) -> str:
        """From here to the folder of the language."""
        return "../" * self.path.count("/")


def build(folder: Path, katex_folder: Path | None = None, judged: bool = True) -> str:
    """Write the site into a folder, and say what there is. Without KaTeX, formulas stay LaTeX.

    `judged`: `check` judges the common mistakes of every rule, which takes most of the time.
    """
    start, formulas = perf_counter(), Formulas()
    texts, indices, said = {}, {}, verdicts(every()) if judged else {}
    for lang in LANGUAGES:
        found = list(followed(f"pages, {lang}", pages(lang, formulas, said), len(slugs()) + len(every())))
        texts |= {f"{lang}/{page.path}": written(page, lang, found) for page in found}
        entries = [entry for page in found for entry in search.entries(page.path, page.title, page.body)]
        indices[f"assets/search-{lang}.js"] = search.script(entries)
    texts = (
        formulas.put_back(texts, katex_folder) | indices | {"index.html": TEMPLATES.get_template("door.html").render()}
    )
    contents = {path: text.encode() for path, text in texts.items()} | {
        f"assets/{n}": c for n, c in assets(katex_folder)
    }
    for path, content in contents.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        write(folder / path, content)
    count = sum(path.endswith(".html") for path in texts)
    return f"{folder}: {count} pages, {len(formulas.known)} formulas, in {perf_counter() - start:.0f} s"


def pages(lang: str, formulas: Formulas, said: dict[str, dict[str, Verdict]]) -> Iterator[Page]:
    """Introduction, conventions, chapters, rules."""
    prose = Prose(formulas)
    for slug in slugs():
        yield Page(path_of(slug), *chapter(slug, lang, prose))
    for name, rule in every().items():
        yield Page(
            f"rules/{name}.html", f"<code>{name}</code>", RulePage(rule, lang, prose, formulas, said.get(name)).body()
        )


def path_of(slug: str) -> str:
    """Chapters have a number in front; what has none is a page by itself."""
    if slug[0].isdigit():
        return f"chapters/{slug}.html"
    return "index.html" if slug == "introduction" else f"{slug}.html"


def written(page: Page, lang: str, book: list[Page]) -> str:
    """The page with all that stands around it."""
    body = LINK.sub(lambda to: f'href="{page.root}{FOLDERS[to[1]]}{to[2]}.html{to[3] or ""}"', page.body)
    title, chapters = plain(page.title), [p for p in book if not p.path.startswith("rules/")]
    before, after = neighbours(page, chapters)
    return TEMPLATES.get_template("page.html").render(
        page=page, lang=lang, title=title, body=body, sections=re.findall(r'<h2 id="([\w-]+)">(.*?)</h2>', body),
        chapters=chapters, families=families(), before=before, after=after,
        readings=readings(page, book), other=next(o for o in LANGUAGES if o != lang), version=pullback.__version__,
        say=lambda name, **values: word(name, lang, **values),
    )  # fmt: skip


def neighbours(page: Page, chapters: list[Page]) -> tuple[Page | None, Page | None]:
    """What to read before and after a chapter."""
    if page not in chapters:
        return None, None
    at = chapters.index(page)
    return (chapters[at - 1] if at else None), (chapters[at + 1] if at + 1 < len(chapters) else None)


def readings(page: Page, book: list[Page]) -> list[Page]:
    """The chapters that lead to the page of a rule."""
    name = page.path.removeprefix("rules/").removesuffix(".html")
    return [p for p in book if p.path.startswith("chapters/") and f'href="rule:{name}"' in p.body]


def assets(katex_folder: Path | None) -> Iterator[tuple[str, bytes]]:
    for file in ASSETS.iterdir():
        yield file.name, file.read_bytes()
    if katex_folder:
        yield from katex.assets(katex_folder).items()
