"""The handbook: both languages alike, formulas typeset, links alive, answers right, and a browser content."""

import re
import shutil
from collections import defaultdict
from dataclasses import fields
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from pullback.discovery import every
from pullback.handbook.derivation import DerivationError, verify
from pullback.handbook.explanation import explain
from pullback.handbook.explanation.mistakes import faults
from pullback.handbook.site import twins
from pullback.handbook.site.exercises import broken_line, wrong_gradient
from pullback.handbook.site.families import families
from pullback.handbook.site.rulepage import rule_prose
from pullback.handbook.site.verdicts import judgement
from pullback.handbook.site.wording import wordings

ROOT = Path(__file__).parent.parent
KATEX = ROOT / ".venv" / "katex"
BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
DERIVED = [name for name, rule in every().items() if hasattr(rule, "derivation")]


@pytest.fixture(scope="session")
def site(tmp_path_factory):
    if not (KATEX / "node_modules").exists():
        pytest.skip("KaTeX is not there: run `make docs`")
    from pullback.handbook.site.build import build

    folder = tmp_path_factory.mktemp("site")
    build(folder, KATEX, judged=False)
    return folder


class Reader(HTMLParser):
    """Where a page leads, the places that can be led to, and its formulas."""

    def __init__(self, text):
        super().__init__()
        self.links, self.ids, self.formulas, self.images, self.lang, self._tex = [], [], [], [], "", False
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        self.links += [found[name] for name in ("href", "src") if name in found]
        self.ids += [found["id"]] if "id" in found else []
        self.lang = self.lang or (found.get("lang", "") if tag == "html" else "")
        self._tex = tag == "annotation"

    def handle_data(self, text):
        if self._tex:
            self.formulas.append(text)

    def handle_endtag(self, tag):
        self._tex = False


def read(site):
    return {str(path.relative_to(site)): Reader(path.read_text("utf-8")) for path in sorted(site.rglob("*.html"))}


# The pages.


def test_both_languages_have_the_same_pages_places_and_formulas(site):
    pages = read(site)
    english = {path[3:]: page for path, page in pages.items() if path.startswith("en/")}
    chinese = {path[3:]: page for path, page in pages.items() if path.startswith("zh/")}
    assert english.keys() == chinese.keys() and {f"rules/{name}.html" for name in every()} <= english.keys()
    for path, page in english.items():
        anchors = [[i for i in p.ids if not re.match(r"pb[0-9a-f]{10}[td]$", i)] for p in (page, chinese[path])]
        assert anchors[0] == anchors[1], path
        assert set(page.formulas) == set(chinese[path].formulas), path
        assert (page.lang, chinese[path].lang) == ("en", "zh-CN")


def test_no_link_is_dead_and_none_leads_outside(site):
    pages = read(site)
    for path, page in pages.items():
        assert len(page.ids) == len(set(page.ids)), f"{path}: two places of one name"
        for link in page.links:
            target, _, anchor = link.partition("#")
            assert ":" not in target, f"{path} leads outside: {link}"
            there = (site / path).parent / target if target else site / path
            assert there.is_file(), f"{path}: {link}"
            if anchor:
                assert anchor in pages[str(there.resolve().relative_to(site.resolve()))].ids, f"{path}: {link}"
    for sheet in site.rglob("*.css"):
        for link in re.findall(r"url\(([^)]*)\)", sheet.read_text("utf-8")):
            assert (sheet.parent / link).is_file(), f"{sheet.name}: {link}"


def test_all_that_pages_say_was_filled_in(site):
    for path in site.rglob("*.html"):
        text = path.read_text("utf-8")
        assert not re.search(r"[\x00-\x08]|<<|\{#|Undefined", text), path


def test_a_formula_that_cannot_be_read_is_an_error():
    if not (KATEX / "node_modules").exists():
        pytest.skip("KaTeX is not there: run `make docs`")
    from pullback.errors import DataError
    from pullback.handbook.site.formulas import rendered

    with pytest.raises(DataError, match=r"\\frac\{1"):
        rendered([("x", False), (r"\frac{1", False)], KATEX)


@pytest.mark.skipif(not BROWSER, reason="no Chromium here: apt-get install chromium")
@pytest.mark.parametrize("lang", ["en", "zh"])
def test_a_browser_opens_every_page_without_complaint(site, lang):
    """Nothing on the console, nothing asked of the network, nothing wider than a telephone."""
    playwright = pytest.importorskip("playwright.sync_api")
    said = defaultdict(list)
    with playwright.sync_playwright() as play:
        browser = play.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        page, path = browser.new_page(viewport={"width": 390, "height": 844}), ""
        page.on("console", lambda message: said[path].append(message.text))
        page.on("pageerror", lambda error: said[path].append(str(error)))
        page.on("request", lambda r: None if r.url.startswith(("file:", "data:")) else said[path].append(r.url))
        for file in sorted((site / lang).rglob("*.html")):
            path = str(file.relative_to(site))
            page.goto(file.as_uri())
            if (width := page.evaluate("document.documentElement.scrollWidth")) > 390:
                said[path].append(f"{width} pixels wide")
        page.fill("#search", "softmax")
        if "rules/softmax.html" not in (page.get_attribute("#found a", "href") or ""):
            said["search"].append("the page of softmax is not the first answer")
        browser.close()
    assert not dict(said)


# The texts.


@pytest.mark.parametrize(
    "english, twin", [pytest.param(*pair, id="/".join(pair[0].parts[-2:])) for pair in twins.pairs()]
)
def test_a_translation_is_not_older_than_its_twin(english, twin):
    assert twin.exists(), f"{english.name} has no Chinese twin"
    assert twins.is_fresh(english, twin), "look at the twin again, then: python -m pullback.handbook.site --stamp"
    cells = [re.findall(r"<<.*?>>", twins.text(path)) for path in (english, twin)]
    assert sorted(cells[0]) == sorted(cells[1]), "both show the same results"


def test_families_name_rules():
    assert {name for family in families().values() for name in family["rules"]} == set(every())


WRITTEN = [name for name in every() if any(any(rule_prose(name, lang).values()) for lang in ("en", "zh"))]


@pytest.mark.parametrize("name", WRITTEN)
@pytest.mark.parametrize("lang", ["en", "zh"])
def test_a_rule_has_its_text_whole_and_in_both_languages(name, lang):
    """A rule that somebody adds has a page without a text, too."""
    assert all(part.strip() for part in rule_prose(name, lang).values())


@pytest.mark.parametrize("twin", [pytest.param(twin, id="/".join(twin.parts[-2:])) for _, twin in twins.pairs()])
def test_chinese_is_set_as_chinese(twin):
    """A blank between Chinese and anything Latin; full-width punctuation beside Chinese."""
    text = re.sub(r"(?m)^#+ \w+$|\{#[\w-]+\}", "", twins.text(twin))
    text = re.sub(r"`[^`]*`|\$\$?[^$]*\$\$?|<<.*?>>", "x", text)
    text = re.sub(r"\]\([^)]*\)|[\[*]", "", text)
    for pattern in (
        r"[一-鿿][A-Za-z0-9]",
        r"[A-Za-z0-9][一-鿿]",
        r"[一-鿿] ?[,;:?!]|[一-鿿]\(",
        r"[,;:?!] ?[一-鿿]|[()][一-鿿]",
    ):
        found = re.search(f".{{0,12}}{pattern}.{{0,12}}", text)
        assert not found, found[0]


@pytest.mark.parametrize("name", wordings())
def test_words_are_there_in_both_languages(name):
    both = wordings()[name]
    assert sorted(both) == ["en", "zh"] and all(both.values())
    english, chinese = (sorted(re.findall(r"\{\w+\}", both[lang])) for lang in ("en", "zh"))
    assert english == chinese


# The exercises.


@pytest.mark.parametrize("name", DERIVED)
def test_the_line_that_an_exercise_breaks_is_wrong(name):
    broken = broken_line(name, every()[name].derivation)
    if broken is None:
        pytest.skip("no line of it can be broken by a slip")
    rule = every()[name]
    own = {field.name: getattr(rule, field.name) for field in fields(rule)}
    spoiled = type(name, (type(rule),), {"derivation": broken.text})(**own)
    with pytest.raises(DerivationError):
        verify(spoiled)


@pytest.mark.parametrize("name", every())
def test_only_the_answer_gives_the_wrong_gradient(name):
    e = explain(name, lang="en")
    wrong = wrong_gradient(e)
    if wrong is None:
        assert len(e.mistakes) < 2
        return
    right = next(g.values for g in e.gradients if g.name == wrong.gradient)
    above = e.above[0].values
    told = {fault.says: fault.spoil for fault in faults().values()}
    anew = lambda fault: told[fault.says](right, above) if fault.says in told else fault.gradients.get(wrong.gradient)
    gives = [anew(choice) for choice in wrong.choices]
    fits = [np.shape(g) == np.shape(wrong.values) and np.allclose(g, wrong.values) for g in gives]
    assert len(fits) > 1 and np.flatnonzero(fits).tolist() == [wrong.answer]


@pytest.mark.parametrize("name", ["softmax", "linear", "lstm_cell", "relu"])
def test_check_sees_the_common_mistakes(name):
    found = judgement(name)[1]
    assert found and all(verdict == "wrong" and cause for verdict, cause in found.values()), found
    assert found["sign"].cause == "sign"
