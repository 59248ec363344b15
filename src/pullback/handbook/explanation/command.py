"""`pullback explain`: what is typed after the name of a rule."""

from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any

import pullback.files as files
from pullback.door import configured
from pullback.errors import OptionError, ShapeError
from pullback.handbook.explanation import Explanation, gradient_names, reading, terminal
from pullback.handbook.explanation import explain as explained
from pullback.handbook.explanation.convention import Conventions
from pullback.handbook.page import known
from pullback.handbook.words import language, say
from pullback.rule import Rule


def explain(name: str, typed: Sequence[str], lang: str | None, convention: bool, **how: Any) -> None:
    """Print, or write, what was asked for: `how` says ascii, latex, json, or the file of a page as html."""
    if len(chosen := [f"--{word}" for word, on in how.items() if on]) > 1:
        raise OptionError(f"one way at a time, got {' and '.join(chosen)}")
    if how["ascii"] and lang == "zh":
        raise OptionError("Chinese cannot be written in ASCII; leave out --ascii or --lang zh")
    lang = "en" if how["ascii"] else lang or language()
    if convention and how["latex"]:
        raise OptionError("--convention shows a table, which is no LaTeX; leave out --latex")
    found = Conventions(known(name), lang, *parsed(name, typed)) if convention else explanation(name, typed, lang)
    if how["html"]:
        files.write(how["html"], found.to_html().encode())
        print(say("explain.written", lang, path=how["html"]))
    elif how["json"] or how["latex"]:
        print(found.to_json() if how["json"] else found.to_latex(), end="")
    else:
        terminal.tell(found.sections, how["ascii"])


def explanation(name: str, typed: Sequence[str], lang: str | None = None) -> Explanation:
    """The rule of that name at the numbers that were typed: `--x 2,3`, `--axis=0`, `--bidirectional`."""
    options, given = parsed(name, typed)
    try:
        return explained(known(name), lang=lang, **options, **given)
    except ShapeError as error:
        single = [word for word, value in given.items() if not isinstance(value, list) and word in known(name).letters]
        advice = f"; --{single[0]} is a single number, and several are separated by commas: 2,3" if single else ""
        raise ShapeError(f"{error}{advice}") from None


def parsed(name: str, typed: Sequence[str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Hyperparameters and arrays."""
    rule = known(name)
    pairs = paired(typed)
    options = {word: option(rule, word, text) for word, text in pairs.items() if word in rule.options}
    rule = configured(rule, options)
    arrays = {word: text for word, text in pairs.items() if word not in options}
    return options, {recognised(rule, word): numbers(word, text) for word, text in arrays.items()}


def paired(typed: Sequence[str]) -> dict[str, str | None]:
    """Names with what follows them; None where nothing does."""
    found: dict[str, str | None] = {}
    words = list(typed)
    while words:
        word = words.pop(0)
        if not word.startswith("--") or word == "--":
            raise OptionError(f"do not know what {reading.shortened(word)!r} is for; write names, as in --x 2,3")
        name, equals, value = word[2:].partition("=")
        name = name.replace("-", "_")
        if name in found:
            raise OptionError(f"--{name} is given twice")
        found[name] = value if equals else words.pop(0) if words and not words[0].startswith("--") else None
    return found


def option(rule: Rule, name: str, text: str | None) -> Any:
    """The value of a hyperparameter; nothing behind the name of a switch turns it on."""
    if text is None:
        if isinstance(rule.options[name], bool):
            return True
        raise OptionError(f"--{name} needs a value, such as {rule.options[name]}")
    return text if isinstance(rule.options[name], str) else reading.option(text)


def numbers(name: str, text: str | None) -> Any:
    if text is None:
        raise OptionError(f"--{name} needs numbers, as in --{name} 2,3")
    return reading.numbers(name, text)


def recognised(rule: Rule, name: str) -> str:
    """The name, if the rule has such an input or gradient."""
    known_names = [*rule.letters, *gradient_names(rule)]
    if name in known_names:
        return name
    everything = [*known_names, *rule.options]
    close = get_close_matches(name, everything, 3, 0.5)
    advice = f"did you mean {' or '.join('--' + word for word in close)}?" if close else "it has "
    listed = "" if close else ", ".join(f"--{word}" for word in dict.fromkeys(everything))
    raise OptionError(f"{rule.name} has no --{name}; {advice}{listed}")
