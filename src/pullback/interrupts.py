"""Ctrl-C, also where Python would lose it."""

import sys
from _thread import interrupt_main
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Timer
from typing import Any

AGAIN = 0.05  # seconds, until what was under way is over


@contextmanager
def kept() -> Iterator[None]:
    """Where Python tidies up, as after every import, it reports an exception and goes on: so that of a Ctrl-C comes
    again a moment later."""
    report = sys.unraisablehook

    def hook(lost: Any) -> None:
        if not isinstance(lost.exc_value, KeyboardInterrupt):
            report(lost)
            return
        timer = Timer(AGAIN, interrupt_main)
        timer.daemon = True
        timer.start()

    sys.unraisablehook = hook
    try:
        yield
    finally:
        sys.unraisablehook = report
