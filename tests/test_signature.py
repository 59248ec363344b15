"""The signature line: what it binds, what it refuses, what it draws."""

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pullback.errors import OptionError, ShapeError, SignatureError
from pullback.rule import Rule
from pullback.signature import Signature, along


@dataclass(frozen=True)
class Example(Rule):
    """A rule that is nothing but its signature."""

    text: str = "x[... i] -> y[... i]"
    dims: int | None = None
    groups: int = 1
    requires = ("groups > 0",)
    signature = property(lambda self: self.text)

    def out(self, n, k):
        return tuple(a - b + 1 for a, b in zip(n, k))


def bind(text, *shapes, **options):
    rule = Example(text, **options)
    return dict(rule.shapes.bind(rule, shapes))


def test_names_are_bound():
    assert bind("x[... i]; w[o i], b[o]=0 -> y[... o]", (2, 3, 5), (4, 5), (4,)) == {"...": (2, 3), "i": 5, "o": 4}
    assert bind("x[... i]; w[o i], b[o]=0 -> y[... o]", (5,), (4, 5), None) == {"...": (), "i": 5, "o": 4}


def test_groups_and_computed_axes():
    text = "x[... i *n]; w[o i/groups *k] -> y[... o *out]"
    assert bind(text, (8, 4, 7, 6), (6, 2, 3, 1), groups=2, dims=2) == dict(i=4, n=(7, 6), o=6, k=(3, 1)) | {
        "...": (8,)
    }
    rule = Example(text, groups=2, dims=2)
    sizes = rule.shapes.bind(rule, [(8, 4, 7, 6), (6, 2, 3, 1)])
    assert sizes.shape(rule.outputs[0]) == (8, 6, 5, 6)


def test_a_computed_axis_may_stand_before_its_name():
    assert bind("x[... n], h[... m]=0; w[4*m n], u[4*m m] -> y[... m]", (3, 5), None, (8, 5), (8, 2))["m"] == 2


REFUSED = [
    ("x[... i]; w[o i] -> y[... o]", [(2, 5), (4, 6)], "w has shape (4, 6), needs w[o i] with ...=(2,), i=5, o=4"),
    ("x[... i]; w[o i] -> y[... o]", [(), (4, 6)], "x has shape (), needs x[... i]"),
    ("x[a a] -> y[a]", [(2, 3)], "x has shape (2, 3), needs x[a a]"),
    ("x[3 b] -> y[b]", [(2, 3)], "x has shape (2, 3), needs x[3 b]"),
    ("x[b c] -> y[b]", [(2, 3, 4)], "x has shape (2, 3, 4), needs x[b c]"),
    ("x[b *d], t[b *d] -> y[b]", [(2, 3), (2, 3, 1)], "t has shape (2, 3, 1), needs t[b *d]"),
    ("x[... n]; u[4*m m] -> y[m]", [(2, 3), (9, 2)], "u has shape (9, 2), needs u[4*m m]"),
    ("x[... i]; w[i/groups] -> y[i]", [(5,), (2,)], "w has shape (2,), needs w[i/groups]"),
    ("x[i], z[i] -> y[i]", [(5,)], "z[i] is missing"),
    ("x[i] -> y[i]", [(5,), (5,)], "got 2 arrays, needs 1"),
]


@pytest.mark.parametrize("text, shapes, message", REFUSED)
def test_refused(text, shapes, message):
    with pytest.raises(ShapeError) as error:
        bind(text, *shapes, groups=2)
    assert message in str(error.value)


def test_a_method_may_ask_for_the_batch():
    @dataclass(frozen=True)
    class Total(Example):
        def total(self, batch, i):
            return sum(batch) + i

    assert Total().shapes.bind(Total(), [(2, 3, 5)])["total"] == 10


def test_a_group_of_what_was_left_out_is_empty():
    assert bind("x[i], m[*k]=0 -> y[i]", (5,), None)["k"] == ()


@pytest.mark.parametrize("axis, sizes", [(-1, (2, 3, 9)), (-2, (2, 7, 5)), (0, (4, 3, 5)), (1, (2, 7, 5))])
def test_along_an_axis(axis, sizes):
    @dataclass(frozen=True)
    class Joined(Example):
        axis: int = -1
        signature = along("x[... n], z[... m] -> y[... n+m], s[...]")

    rule = Joined(axis=axis)
    x, z = (2, 3, 5), tuple(m - n if m != n else n for n, m in zip((2, 3, 5), sizes))
    found = rule.shapes.bind(rule, [x, z])
    assert [found.shape(slot) for slot in rule.outputs] == [sizes, x[: axis % 3] + x[axis % 3 + 1 :]]


def test_conditions():
    with pytest.raises(OptionError, match="needs groups > 0, with groups=0"):
        bind("x[i] -> y[i]", (5,), groups=0)


@pytest.mark.parametrize(
    "text", ["x[i]", "x[i] -> y[i] -> z[i]", "x[i -> y[i]", "x[i] + w -> y[i]", "x[i]; w[i]; b[i] -> y[i]"]
)
def test_what_cannot_be_read(text):
    with pytest.raises(SignatureError, match="cannot read the signature"):
        Signature(text)


def test_a_slot_writes_itself_as_it_was_read():
    line = "x[... i]>0<1, int t[...]<i, const m[*d]=1; w[4*m i]=0 -> y[...]"
    slots = Signature(line).inputs
    assert [slot.text() for slot in slots] == ["x[... i]>0<1", "int t[...]<i", "const m[*d]=1", "w[4*m i]=0"]
    assert slots[3].text(i="n") == "w[4*m n]=0"


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.integers(0, 4), max_size=3), st.integers(0, 4), st.integers(0, 4))
def test_what_is_drawn_fits(batch, i, o):
    rule = Example("x[... i]>0<1, int t[...]<9; w[o i], b[o]=0 -> y[... o]")
    x, t, w, b = rule.sample(np.random.default_rng(0), batch=tuple(batch), i=i, o=o, without=("b",))
    assert b is None and np.all((0 < x) & (x < 1)) and np.all((0 <= t) & (t < 9))
    sizes = rule.shapes.bind(rule, [x.shape, t.shape, w.shape, None])
    assert sizes["..."] == tuple(batch) and sizes["i"] == i and sizes["o"] == o


def test_what_cannot_be_filled_in_or_drawn():
    with pytest.raises(ShapeError, match=r"b\[c\] cannot be left out: the size of axis c is not known"):
        rule = Example("x[i], b[c]=0 -> y[i]")
        rule.linearize(np.ones(3))
    with pytest.raises(ShapeError, match=r"t\[i\] needs integers below c, which is 0"):
        Example("x[c], int t[i]<c -> y[i]").sample(np.random.default_rng(0), c=0, i=2)


def test_hyperparameters_are_judged_before_arrays():
    with pytest.raises(OptionError, match="needs groups > 0"):
        bind("x[i]; w[i/groups] -> y[i]", (5,), None, groups=0)
