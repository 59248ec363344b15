"""pytest: `--pullback` checks every backward in the files that it is given; `assert_backward` is a fixture for others.

It is loaded by every run of pytest, so what it needs is imported when it is used.
"""

import re
import warnings
from collections.abc import Callable, Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest

# A file without such a word has no backward, and is not run to find out.
WORDS = re.compile(
    r"backward|backprop|bwd|_grad\b|_gradient\b|_prime\b|_derivative\b|_vjp\b|defvjp|defjvp"
    r"|def (\w*loss|back|pullback|vjp)\b"
)


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("pullback")
    group.addoption(
        "--pullback",
        action="store_true",
        help="check the backward of every layer in the Python files below the given paths, tests apart",
    )
    parser.addini("pullback_files", "names of files that --pullback looks into", type="args", default=["*.py"])


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> "Layers | None":
    config = parent.config
    if not config.getoption("--pullback") or file_path.suffix != ".py":
        return None
    fits = lambda patterns: any(fnmatch(file_path.name, pattern) for pattern in patterns)
    is_test = fits(config.getini("python_files")) or file_path.name in ("conftest.py", "setup.py")
    if (
        is_test
        or not fits(config.getini("pullback_files"))
        or not WORDS.search(file_path.read_text("utf-8", "replace"))
    ):
        return None
    return Layers.from_parent(parent, path=file_path)


@pytest.hookimpl(tryfirst=True)  # before anything is deselected
def pytest_collection_modifyitems(session: pytest.Session, config: pytest.Config) -> None:
    """A run that checks nothing should not look like one in which all is right."""
    first = getattr(config, "workerinput", {"workerid": "gw0"})["workerid"] == "gw0"  # of several processes one says it
    if config.getoption("--pullback") and first and not any(isinstance(each, Layer) for each in session.items):
        where = ", ".join(config.args)
        text = (
            f"--pullback found nothing to check below {where}: give the folder of the layers too, pytest --pullback src"
        )
        try:
            warnings.warn(pytest.PytestWarning(text), stacklevel=1)
        except pytest.PytestWarning as error:  # where every warning is an error
            raise pytest.UsageError(text) from error


class Layers(pytest.File):
    """A file of layers: one test for everything in it that has a backward."""

    def collect(self) -> Iterator["Layer"]:
        from pullback.check.files.finding import everything
        from pullback.check.files.loading import load

        for exercise in everything(load(self.path)):
            yield Layer.from_parent(self, name=exercise.name, exercise=exercise)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], *args: Any) -> Any:
        from pullback.errors import PullbackError

        if isinstance(excinfo.value, PullbackError):
            return f"pullback: {excinfo.value}"
        return super().repr_failure(excinfo)


class Layer(pytest.Item):
    """Passes if the backward is right, and is skipped with the reason if it cannot be judged."""

    def __init__(self, exercise: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.exercise = exercise

    def runtest(self) -> None:
        from pullback.check.files.command import outcome

        found = outcome(self.exercise)
        if found.verdict == "cannot judge":
            pytest.skip(found.line)
        if found.verdict == "wrong":
            raise WrongBackward(str(found.report))

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], *args: Any) -> Any:
        if isinstance(excinfo.value, WrongBackward):
            return str(excinfo.value)
        return super().repr_failure(excinfo)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        from pullback.check.files.finding import line

        return self.path, line(self.exercise.backward or self.exercise.forward) - 1, f"pullback: {self.name}"


class WrongBackward(AssertionError):
    """The report of a check whose verdict is "wrong"."""


@pytest.fixture
def assert_backward() -> Callable[..., Any]:
    """`pullback.testing.assert_backward`, for tests that would rather take it as an argument."""
    from pullback.testing import assert_backward

    return assert_backward
