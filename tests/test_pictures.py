"""Pictures: well-formed, told in words as well, in colours that every eye tells apart and that words can be read on."""

import re
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

import pullback.operators
from pullback.handbook.pictures import bars, chain, flow, heatmap
from pullback.handbook.pictures.svg import PALETTE
from pullback.handbook.words import LANGUAGES, language, say, texts

SVG = "{http://www.w3.org/2000/svg}"
VALUES = np.array([[0.25, -1.5, 0.0], [np.nan, np.inf, 3e-7]])


def drawn(lang):
    return {
        "heatmap": heatmap(VALUES, "∂y/∂x <&>", ["y[0]", "y[1]"], ["x[0]", "x[1]", "x[2]"], lang=lang),
        "vector": heatmap([1.0, 2.0], "y", lang=lang),
        "number": heatmap(2.0, "y", lang=lang),
        "large": heatmap(np.ones((120, 20)), "J", lang=lang),
        "empty": heatmap(np.ones((0, 3)), "J", lang=lang),
        "flow": flow("linear", [("x", (2, 3)), ("w", (4, 3)), ("t", ())], [("y", (2, 4))], ["t"], "x, w", lang),
        "chain": chain([("conv2d", (8, 6, 6)), ("relu", (8, 6, 6))], (1, 8, 8), lang=lang),
        "bars": bars([("0 Conv2d", 1.2), ("1 <ReLU>", 0.0), ("2", np.nan), ("3", 1e-9)], "‖g‖", lang=lang),
        "no bars": bars([], "‖g‖", lang=lang),
    }


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("name", drawn("en"))
def test_is_well_formed_and_told_in_words(name, lang):
    root = ElementTree.fromstring(drawn(lang)[name])
    title, description = root[0], root[1]
    assert (title.tag, description.tag) == (f"{SVG}title", f"{SVG}desc") and title.text and description.text
    assert root.get("role") == "img" and root.get("lang") == lang
    assert root.get("aria-labelledby") == f"{title.get('id')} {description.get('id')}"
    width, height = map(float, root.get("viewBox").split()[2:])
    for node in root.iter():
        assert 0 <= float(node.get("x", 0)) <= width and 0 <= float(node.get("y", 0)) <= height, node.attrib
        for name, value in node.attrib.items():
            assert "nan" not in value and "inf" not in value and "href" not in name


@pytest.mark.parametrize("name", drawn("en"))
def test_asks_nothing_of_the_network(name):
    assert re.findall(r"https?://[^\"]+", drawn("en")[name]) == ["http://www.w3.org/2000/svg"]


def test_a_cell_says_its_number():
    words = [node.text for node in ElementTree.fromstring(drawn("en")["heatmap"]).iter(f"{SVG}text")]
    assert words == ["∂y/∂x <&>", "y[0]", "y[1]", "x[0]", "x[1]", "x[2]", "0.25", "-1.5", "0", "nan", "inf", "3e-07"]


def test_a_large_matrix_has_no_numbers_but_says_what_is_left_out():
    root = ElementTree.fromstring(drawn("en")["large"])
    assert [node.text for node in root.iter(f"{SVG}text")] == ["J", "the first 96 of 120 rows and 20 columns"]
    assert len(list(root.iter(f"{SVG}rect"))) == 96 * 20 + 1


def test_the_larger_the_darker_and_the_sign_is_the_colour():
    cells = list(ElementTree.fromstring(heatmap([[4.0, -2.0, 0.0]], "J")).iter(f"{SVG}rect"))[:3]
    assert [(cell.get("class"), cell.get("fill-opacity")) for cell in cells] == [
        ("plus", "1.00"), ("minus", "0.50"), (None, None),
    ]  # fmt: skip


def test_what_is_fixed_has_no_gradient():
    words = {node.text for node in ElementTree.fromstring(drawn("en")["flow"]).iter(f"{SVG}text")}
    assert words == {"linear", "x, w", "x [2 3]", "gx [2 3]", "w [4 3]", "gw [4 3]", "t []", "y [2 4]", "gy [2 4]"}


def test_what_is_kept_makes_a_box_no_wider_than_need_be():
    """Many names stand below one another where there are many lanes, inside of the box and apart."""
    lanes = [(letter, (4, 1)) for letter in "xhcwu"]
    root = ElementTree.fromstring(flow("lstm_cell", lanes, [("y", (1,))], (), "keeps x, h, c, w, u, gates, slopes, r"))
    assert float(root.get("viewBox").split()[2]) < 420
    box = next(root.iter(f"{SVG}rect"))
    kept = [node for node in root.iter(f"{SVG}text") if node.get("font-size") == "12"]
    heights = [float(node.get("y")) for node in kept]
    assert len(kept) > 1 and " ".join(node.text for node in kept) == "keeps x, h, c, w, u, gates, slopes, r"
    assert np.all(np.diff(heights) >= 14) and max(heights) < float(box.get("y")) + float(box.get("height"))


def test_ids_differ_between_pictures():
    ids = [mark for text in drawn("en").values() for mark in re.findall(r' id="(\w+)"', text)]
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("theme, paper", [(0, "#ffffff"), (1, "#0d1117")])
def test_words_can_be_read(theme, paper):
    """WCAG 2: a contrast of 4.5, on the paper, in a box, and in the most colourful cell."""
    colour = {name: pair[theme] for name, pair in PALETTE.items()}
    grounds = [paper, colour["box"]]
    assert all(contrast(colour[ink], ground) >= 4.5 for ink in ("ink", "soft", "back") for ground in grounds)
    assert all(contrast(colour["ink"], colour[ground]) >= 4.5 for ground in ("plus", "minus"))


def contrast(one, other):
    bright, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (bright + 0.05) / (dark + 0.05)


def luminance(colour):
    shares = np.array([int(colour[k : k + 2], 16) for k in (1, 3, 5)]) / 255
    return np.where(shares <= 0.04045, shares / 12.92, ((shares + 0.055) / 1.055) ** 2.4) @ [0.2126, 0.7152, 0.0722]


def test_a_wide_matrix_has_shorter_numbers():
    """Sixteen columns of six digits fit on a page; nothing is lost to those who listen."""
    values = np.linspace(-1, -1 / 3, 64).reshape(4, 16) / 3
    picture = heatmap(values, "J", list("abcd"), [f"x[{k}]" for k in range(16)])
    assert int(re.search(r'width="(\d+)"', picture)[1]) < 800
    assert ">-0.33<" in picture and "-0.3333" in picture and ">-0.3333<" in heatmap(values[:, :8], "J")


# Words.


@pytest.mark.parametrize("name", texts())
def test_words_are_there_in_both_languages_and_fill_in_the_same(name):
    said = texts()[name]
    assert sorted(said) == sorted(LANGUAGES) and all(said.values())
    english, chinese = (set(re.findall(r"{(\w+)", said[lang])) for lang in LANGUAGES)
    assert english == chinese


def test_no_text_is_left_over():
    """Somewhere a program names it. Faults go by the names that `check` gives them, operators by those of classes;
    reasons stand in derivations, and words of formulas are taken all together."""
    together = "faults", "reasons", "formulas", "latex"
    sources = "".join(path.read_text("utf-8") for path in Path(pullback.__file__).parent.rglob("*.py"))
    for name in texts():
        table, _, last = name.partition(".")
        quoted = [f"{mark}{said}{mark}" for mark in "\"'" for said in (name, last)]
        known = hasattr(pullback.operators, last) if table == "operators" else any(said in sources for said in quoted)
        assert table in together or known, name


@pytest.mark.parametrize("name", texts())
def test_chinese_is_set_as_chinese(name):
    """A blank between Chinese and Latin letters, digits or names filled in; full-width punctuation."""
    chinese = texts()[name]["zh"]
    assert not re.search(r"[一-鿿][A-Za-z0-9{]|[A-Za-z0-9}][一-鿿]", chinese), chinese
    assert not re.search(r"[一-鿿] ?[,;:?!()]|[,;:?!()] ?[一-鿿]", chinese), chinese


def test_the_language_is_that_of_the_locale(monkeypatch):
    for name in ("LC_ALL", "LC_MESSAGES"):
        monkeypatch.delenv(name, raising=False)
    for locale, lang in {"zh_CN.UTF-8": "zh", "zh_TW": "zh", "de_DE.UTF-8": "en", "C": "en", "": "en"}.items():
        monkeypatch.setenv("LANG", locale)
        assert language() == lang
    monkeypatch.setenv("LC_ALL", "zh_CN.UTF-8")
    assert language() == "zh"
    assert say("bars.says", "zh", values="a 1") == "对数坐标条形图：a 1。"
