"""For the tests of your own project: a wrong backward fails them, and the message says what is wrong with it."""

from typing import Any

from pullback.check import check
from pullback.check.report import Report


def assert_backward(forward: Any, backward: Any = None, *inputs: Any, **options: Any) -> Report:
    """Fail unless `backward` is right; takes what `pullback.check` takes, and returns its report.

    Raises AssertionError with the whole report where the verdict is "wrong", and also where it is "cannot judge": a
    test that could not have failed is no test.
    """
    __tracebackhide__ = True  # pytest shows the line that called us
    report = check(forward, backward, *inputs, **options)
    if report.verdict != "right":
        raise AssertionError(f"\n{report}")
    return report
