"""Ctrl-C where Python reports an exception and goes on."""

import signal
import sys
import time
import weakref

import pytest

from pullback.interrupts import kept


@pytest.fixture(autouse=True)
def as_at_a_terminal():
    """Who runs in the background ignores Ctrl-C."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


class Thing:
    pass


def test_ctrl_c_is_not_lost_where_an_object_goes():
    """As between imports, whose locks are let go by such calls."""
    thing, before = Thing(), sys.unraisablehook
    ref = weakref.ref(thing, lambda _: signal.raise_signal(signal.SIGINT))
    with pytest.raises(KeyboardInterrupt), kept():
        del thing
        assert ref() is None  # Python went on
        time.sleep(10)
    assert sys.unraisablehook is before


def test_other_exceptions_are_reported_as_ever(monkeypatch):
    reported = []
    monkeypatch.setattr(sys, "unraisablehook", lambda lost: reported.append(lost.exc_type))
    thing = Thing()
    ref = weakref.ref(thing, lambda _: 1 / 0)
    with kept():
        del thing
    assert ref() is None and reported == [ZeroDivisionError]
