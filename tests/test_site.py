"""The handbook: both languages alike, formulas typeset, links alive, answers right, and a browser content."""

import re
import shutil
from collections import defaultdict
from dataclasses import fields
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

import pullback.check
from pullback.discovery import every
from pullback.handbook.derivation import DerivationError, verify
from pullback.handbook.explanation import explain
from pullback.handbook.explanation.mistakes import faults
from pullback.handbook.site import twins
from pullback.handbook.site.exercises import LONGEST, around, broken_line, wrong_gradient
from pullback.handbook.site.families import families, name_of, text_of
from pullback.handbook.site.formulas import Formulas
from pullback.handbook.site.prose import Prose as typeset
from pullback.handbook.site.rulepage import RulePage, numbered, rule_prose
from pullback.handbook.site.terms import boxes, terms
from pullback.handbook.site.verdicts import backward, forward, judgement
from pullback.handbook.site.wording import wordings
from pullback.kinks import WORDS as WORDS_OF_KINKS

ROOT = Path(__file__).parent.parent
KATEX = ROOT / ".venv" / "katex"
BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
WRITTEN = [name for name in every() if any(any(rule_prose(name, lang).values()) for lang in ("en", "zh"))]
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
        assert {*map(wordless, page.formulas)} == {*map(wordless, chinese[path].formulas)}, path
        assert (page.lang, chinese[path].lang) == ("en", "zh-CN")


WORDS = re.compile(r"\\text\{([^}]*)\}")  # in a formula


def wordless(formula):
    return WORDS.sub(r"\\text{}", formula)


def test_words_in_formulas_are_chinese(site):
    """Names and values of hyperparameters, and nan, are no words."""
    values = {"padding", "mean", "batchmean", "reflect", "replicate", "circular", "nan"}
    for path, page in read(site).items():
        words = {word.strip() for formula in page.formulas for word in WORDS.findall(formula)}
        if path.startswith("zh/"):
            assert all(re.search("[一-鿿]", word) for word in words - values if word), f"{path}: {words - values}"


VOID = "br", "wbr", "img", "hr"  # elements without an end


class Prose(HTMLParser):
    """The text of a page outside of code and formulas."""

    def __init__(self, text):
        super().__init__()
        self.said, self._open, self._within = [], [], 0
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.said.append("" if tag == "wbr" else " ")
        if tag not in VOID:
            other = tag in ("code", "pre", "samp", "style") or dict(attributes).get("class") == "katex"
            self._open.append(other)
            self._within += other

    def handle_endtag(self, tag):
        if tag not in VOID:
            self._within -= self._open.pop()

    def handle_data(self, text):
        self.said.append("" if self._within else text)


WORKS = re.compile(r'(?s)<h2 id="references">.*?</ul>')  # titles stay as they are
KNOWN = """PyTorch JAX TensorFlow NumPy SymPy Keras cuDNN pullback check config layers optimizers Adam Dense Conv2D
    Conv2DTranspose BatchNormalization LayerNormalization RMSNormalization kernel recurrent_kernel bias epsilon
    losses SparseCategoricalCrossentropy
    Transformer LSTM RNN GRU RMS NaN True nan inf nat float16 float32 float64 top sum var sign spread vjp swish
    dh_next dc_next Huber Brier Ridders Bertoin Numerical influence ReLU backpropagation""".split()


def test_chinese_pages_speak_chinese(site):
    """What has Latin letters is a name: of a rule, an option, an array, a library, or in no other use in Chinese."""
    names = {*every(), *map(text_of, every()), *KNOWN, *WORDS_OF_KINKS}
    for name in every():
        rule = explain(name).rule
        names |= {*rule.options, *rule.letters, *rule.saves, *(f"g{letter}" for letter in rule.letters)}
    for path in sorted((site / "zh").rglob("*.html")):
        said = "".join(Prose(WORKS.sub("", text_of_main(path))).said)
        words = set(re.findall(r"\b[A-Za-z_]{3,}\w*", said, re.ASCII))
        assert words <= names, f"{path}: {words - names}"


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
    for path in site.glob("*/**/*.html"):
        text = path.read_text("utf-8")
        assert not re.search(r"[\x00-\x08]|<<|\{#|Undefined|katex-error", text), path
        read = re.sub(r"(?s)<(pre|code|annotation|samp|style)\b.*?</\1>|<[^>]+>", "", text_of_main(path))
        assert not re.search(r"\$|\\[a-z]|\*\*|\]\((rule|chapter|page|http)", read), (
            f"{path}: a formula or a mark of Markdown as it was typed"
        )


SECTIONS = (
    "forward",
    "result",
    "derivation",
    "numbers",
    "kinks",
    "code",
    "memory",
    "mistakes",
    "exercises",
    "references",
)


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_every_rule_has_all_its_sections_and_none_is_empty(site, lang):
    for path in sorted((site / lang / "rules").glob("*.html")):
        _, *parts = re.split(r'<h2 id="([\w-]+)">.*?</h2>', text_of_main(path))
        sections = dict(zip(parts[::2], parts[1::2]))
        assert (*sections,)[: len(SECTIONS)] == SECTIONS, path
        for name, body in sections.items():
            assert len(re.sub(r"<[^>]+>|\s", "", body)) > 10, f"{path}: {name} says nothing"


def test_pages_are_made_for_those_who_listen_to_them(site):
    """A title, headings without gaps, and words for every picture."""
    for path in sorted(site.glob("*/**/*.html")):
        main = text_of_main(path)
        levels = [int(level) for level in re.findall(r"<h([1-6])\b", main)]
        assert levels[0] == 1 and levels.count(1) == 1, path
        assert all(after <= before + 1 for before, after in zip(levels, levels[1:])), f"{path}: {levels}"
        for picture in re.findall(r'<svg [^>]*class="pullback".*?</svg>', main, re.DOTALL):
            assert 'role="img"' in picture, path
            assert re.search(r"<title[^>]*>[^<]+</title><desc[^>]*>[^<]+</desc>", picture), path
        assert not re.search(r"<img(?![^>]* alt=)", path.read_text("utf-8")), path


def text_of_main(path):
    return re.search(r"<main.*?</main>", path.read_text("utf-8"), re.DOTALL)[0]


def test_a_formula_that_cannot_be_read_is_an_error():
    if not (KATEX / "node_modules").exists():
        pytest.skip("KaTeX is not there: run `make docs`")
    from pullback.errors import DataError
    from pullback.handbook.site.formulas import rendered

    with pytest.raises(DataError, match=r"\\frac\{1"):
        rendered([("x", False), (r"\frac{1", False)], KATEX)


# What a reader looks for, and the page that must be the first answer.
SEARCHES = {
    "en": {
        "softmax": "rules/softmax",
        "conv2d": "rules/conv2d",
        "batch normalisation": "rules/batch_norm",
        "dense layer": "rules/linear",
        "loss nan": "chapters/13",
        "my loss is nan": "chapters/13",
        "vanishing gradient": "chapters/14",
        "dead relu": "chapters/14",
        "gradient check fails": "chapters/11",
        "out of memory": "chapters/15",
        "shape mismatch": "chapters/04",
    },
    "zh": {
        "softmax": "rules/softmax",
        "梯度消失": "chapters/14",
        "梯度爆炸": "chapters/14",
        "损失变成nan": "chapters/13",
        "梯度检查失败": "chapters/11",
        "全连接层": "rules/linear",
        "转置卷积": "rules/conv_transpose",
        "均方误差": "rules/mse_loss",
        "批归一化": "rules/batch_norm",
        "形状不匹配": "chapters/04",
    },
}


@pytest.fixture(scope="module")
def browser():
    if not BROWSER:
        pytest.skip("no Chromium here: apt-get install chromium")
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as play:
        browser = play.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        window = browser.new_context()
        window.set_default_timeout(300_000)  # a machine may be busy
        yield window
        browser.close()


# What is wider than its place, and may not be; what of a picture lies over something else, or outside of it.
WIDER = """() => [...document.querySelectorAll(
    "main pre, main .formula, main .display, main table, main figure, main .wide")]
    .filter(e => !e.closest("details:not([open])") && e.scrollWidth > e.clientWidth + 1 && e.clientWidth)
    .map(e => e.textContent.trim().slice(0, 60))"""
CROWDED = """() => [...document.querySelectorAll("svg.pullback")].flatMap(svg => {
    const all = svg.getBoundingClientRect(), texts = [...svg.querySelectorAll("text")];
    const boxes = texts.length < 300 ? texts.map(t => [t.getBoundingClientRect(), t.textContent]) : [];
    const out = ([b]) => b.left < all.left - 1 || b.right > all.right + 1 || b.bottom > all.bottom + 1;
    const over = ([a], [b]) => Math.min(a.right, b.right) - Math.max(a.left, b.left) > 1
        && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 5;
    return boxes.filter((b, k) => out(b) || boxes.slice(0, k).some(a => over(a, b))).map(b => b[1]);
})"""
CRUSHED = """() => [...document.querySelectorAll("main td")]
    .filter(e => e.checkVisibility() && e.textContent.trim().length > 6 && e.clientWidth && e.clientWidth < 48)
    .map(e => "crushed: " + e.textContent.trim().slice(0, 40))"""
UNTOLD = """() => [...document.querySelectorAll("main .picture")].filter(e => e.clientWidth)
    .filter(e => (e.scrollWidth > e.clientWidth + 1) != (e.querySelector(".more").clientHeight > 9))
    .map(e => "moved sideways, or not, and says otherwise: " + e.querySelector("title").textContent)"""
# Formulas, and terms of a line of numbers, that are broken in their middle.
BROKEN = """() => {
    const rows = e => {
        const range = document.createRange();
        range.selectNodeContents(e);
        return new Set([...range.getClientRects()].map(box => Math.round(box.top))).size;
    };
    const back = (part, k, all) =>
        k && part.getBoundingClientRect().left < all[k - 1].getBoundingClientRect().right - 1;
    return [
        ...[...document.querySelectorAll(".chain .katex-html")].filter(e => [...e.children].some(back)),
        ...[...document.querySelectorAll(".chain .value, .chain .term")]
            .filter(e => !e.querySelector(".term") && rows(e) > 1),
    ].map(e => "broken: " + e.textContent);
}"""
LUMINANCE = """([scheme, least]) => {
    document.documentElement.style.colorScheme = scheme;
    const canvas = Object.assign(document.createElement("canvas"), {width: 1, height: 1}).getContext("2d");
    const rgb = colour => {
        canvas.clearRect(0, 0, 1, 1), canvas.fillStyle = colour, canvas.fillRect(0, 0, 1, 1);
        return canvas.getImageData(0, 0, 1, 1).data;
    };
    const light = ([r, g, b]) => [[r, .2126], [g, .7152], [b, .0722]].reduce((sum, [c, share]) =>
        sum + share * (c / 255 <= .04045 ? c / 255 / 12.92 : ((c / 255 + .055) / 1.055) ** 2.4), 0);
    const behind = e => { for (; e; e = e.parentElement) {
        const c = rgb(getComputedStyle(e).backgroundColor); if (c[3] == 255) return c; } };
    const words = e => [...e.childNodes].some(n => n.nodeType == 3 && n.data.trim());
    return [...document.querySelectorAll("body *")]
        .filter(e => words(e) && e.checkVisibility() && !e.closest("svg, .skip"))
        .map(e => {
            const [a, b] = [light(rgb(getComputedStyle(e).color)), light(behind(e))];
            return [(Math.max(a, b) + .05) / (Math.min(a, b) + .05), e.textContent.slice(0, 40)];
        }).filter(([ratio]) => ratio < least);
}"""


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_a_browser_opens_every_page_without_complaint(site, browser, lang):
    """Nothing on the console, nothing asked of the network, nothing wider than the screen, no labels over labels; and
    on a large screen nothing that has to be moved sideways, and no formula that is broken."""
    said = defaultdict(list)
    page, path = browser.new_page(), ""
    page.on("console", lambda message: said[path].append(message.text))
    page.on("pageerror", lambda error: said[path].append(str(error)))
    page.on("request", lambda r: None if r.url.startswith(("file:", "data:")) else said[path].append(r.url))
    for file in sorted((site / lang).rglob("*.html")):
        path = str(file.relative_to(site))
        page.goto(file.as_uri())
        for width in (1280, 390):
            page.set_viewport_size({"width": width, "height": 844})
            if (wide := page.evaluate("document.documentElement.scrollWidth")) > width:
                said[path].append(f"{wide} pixels wide")
            said[path] += page.evaluate(CROWDED) + page.evaluate(CRUSHED) + page.evaluate(UNTOLD)
            said[path] += page.evaluate(WIDER) + page.evaluate(BROKEN) if width == 1280 else []
    page.close()
    assert not {path: found for path, found in said.items() if found}


@pytest.mark.parametrize("lang, words, first", [(lang, *pair) for lang in SEARCHES for pair in SEARCHES[lang].items()])
def test_the_search_finds_rules_terms_and_symptoms(site, browser, lang, words, first):
    page = browser.new_page()
    page.goto((site / lang / "index.html").as_uri())
    page.keyboard.press("/")
    page.keyboard.insert_text(words)
    page.wait_for_selector("#found li")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/{lang}/{first}*")
    page.close()


@pytest.mark.parametrize("path", ["index", "conventions", "chapters/01-softmax", "rules/lstm_cell", "rules/conv2d"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_words_stand_out_from_what_is_behind_them(site, browser, path, scheme):
    """4.5 to 1, as the guidelines for accessible pages (WCAG 2, AA) have it."""
    page = browser.new_page()
    page.goto((site / "en" / f"{path}.html").as_uri())
    assert not page.evaluate(LUMINANCE, [scheme, 4.5])
    page.close()


# The texts.


@pytest.mark.parametrize(
    "english, twin", [pytest.param(*pair, id="/".join(pair[0].parts[-2:])) for pair in twins.pairs()]
)
def test_a_translation_is_not_older_than_its_twin(english, twin):
    assert twin.exists(), f"{english.name} has no Chinese twin"
    assert twins.is_fresh(english, twin), "look at the twin again, then: python -m pullback.handbook.site --stamp"
    cells = [re.findall(r"<<.*?>>", twins.text(path)) for path in (english, twin)]
    assert sorted(cells[0]) == sorted(cells[1]), "both show the same results"


@pytest.mark.parametrize("name", WRITTEN)
def test_a_rule_with_a_text_has_a_name(name):
    assert name_of(name, "en") and re.search("[一-鿿]", name_of(name, "zh"))


def test_families_name_rules():
    assert {name for family in families().values() for name in family["rules"]} == set(every())


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


@pytest.mark.parametrize(
    "name, says", [("pad", "<code>pad=(1, 1)</code>"), ("batch_norm", "<code>training=True</code>"), ("softmax", "")]
)
def test_hyperparameters_of_the_example_are_told_where_they_are_no_defaults(name, says):
    formulas = Formulas()
    told = RulePage(every()[name], "en", typeset(formulas), formulas).here()
    assert says in told if says else not told


LINES = [
    ("0.7 + 0.2 = 0.9", ["0.7 + 0.2 = 0.9"]),
    (
        "1·(0.25 - 0.0625) + (-2)·(0.125 - 0.5) + 0.5·(0.25 - 0.5) = 0.8125",
        ["1·(0.25 - 0.0625)", "+ (-2)·(0.125 - 0.5)", "+ 0.5·(0.25 - 0.5)", "= 0.8125"],
    ),
    ("(2·(2 - 0.7)·0.3333 + 2·(0.5 - 0.7)·0.6667) / 3", ["(2·(2 - 0.7)·0.3333", "+ 2·(0.5 - 0.7)·0.6667) / 3"]),
]


@pytest.mark.parametrize("line, parts", LINES)
def test_a_line_of_numbers_breaks_at_its_outermost_signs(line, parts):
    assert terms(line) == parts
    assert re.sub("<[^>]*>", "", boxes(line)) == line and boxes(line).count('class="term"') >= len(parts) * (
        len(parts) > 1
    )


# The exercises.


@pytest.mark.parametrize("name", DERIVED)
def test_the_line_that_an_exercise_breaks_is_wrong(name):
    """Of the derivation that stands on the page: batch norm is shown in training."""
    rule = explain(name, lang="en").rule
    broken = broken_line(name, rule.derivation)
    own = {field.name: getattr(rule, field.name) for field in fields(rule)}
    spoiled = type(name, (type(rule),), {"derivation": broken.text})(**own)
    with pytest.raises(DerivationError):
        verify(spoiled)


@pytest.mark.parametrize("name", DERIVED)
def test_the_wrong_line_is_among_few(name):
    """Nobody searches fifty lines: of a long derivation a part is shown, with the wrong line and its number in it."""
    broken = broken_line(name, explain(name, lang="en").rule.derivation)
    lines = numbered(broken.text).splitlines()
    shown = around(lines, broken.number) if len(lines) > LONGEST else lines
    assert len(shown) <= LONGEST
    (wrong,) = (line for line in shown if line.startswith(f"{broken.number:>3}  "))
    assert wrong.split("=", 1)[1].strip() == broken.wrong.split("=", 1)[1].strip()


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


@pytest.mark.parametrize("name", ["batch_norm", "layer_norm", "cross_entropy", "max_pool2d", "gru_cell"])
def test_what_check_says_is_about_the_mistake(name):
    """What has no mistake in it is right, in the very same call."""
    e = explain(name, lang="en")
    inputs = [x.values for x in e.inputs]
    right = backward(e, "there is no such mistake")
    assert pullback.check(forward(e), right, *inputs, wrt=[0]).verdict == "right"
    causes = {cause for _, cause in judgement(name)[1].values()}
    assert len(causes) > 3 and ("conv_geometry" in causes) <= ("pool" in name)


def test_what_check_says_is_about_the_layer():
    """There are no steps of time in a table; and of cells of gates, not every mistake is a factor."""
    causes = lambda name: [verdict.cause for verdict in judgement(name)[1].values()]
    assert "bptt_time" not in causes("embedding")
    assert causes("projected_lstm_cell").count("constant_factor") == 1


def test_every_common_mistake_of_a_rule_is_judged():
    """In two dimensions mistakes are possible that one dimension does not know."""
    known = judgement("conv1d")[1]
    found = judgement("conv2d", known)[1]
    assert {mistake.name for mistake in explain("conv2d", lang="en").mistakes} <= found.keys() > known.keys()
