"""What kernels write is their own: results and scratch lie between guards that must stay as they are.

Guards and fresh memory are full of nan. So a number that is read beside an array, or before it is written, shows too.
"""

import sys
from types import ModuleType

import numpy as np
import pytest
from fast import CASES, LARGE, LAST, RULES, TESTS, arrays, bits, run, to_single

import pullback as pb
import pullback.kernels
from pullback.kernels import buffers, past
from pullback.kernels.compiled import kernel

scale_row = kernel(past.scaled_past.py_func)

GUARD = 1 << 13  # bytes on either side: more than a strip of any tile
FULL = 0xFF  # every byte: nan as a float, -1 as a signed number


class Guards:
    """Arrays in the middle of larger ones."""

    def __init__(self):
        self.blocks = []

    def empty(self, shape, dtype=float):
        size = int(np.prod(shape, dtype=int)) * np.dtype(dtype).itemsize
        block = np.full(size + 2 * GUARD + buffers.LINE, FULL, np.uint8)
        start = GUARD + -(block.ctypes.data + GUARD) % buffers.LINE
        self.blocks.append((block, start, start + size))
        return np.ndarray(shape, dtype, block, start)

    def zeros(self, shape, dtype=float):
        found = self.empty(shape, dtype)
        found[...] = 0
        return found

    def untouched(self):
        return all((b[:start] == FULL).all() and (b[end:] == FULL).all() for b, start, end in self.blocks)


class Numpy(ModuleType):
    """NumPy, but that arrays come from somewhere else."""

    def __init__(self, guards):
        super().__init__("numpy")
        self.empty, self.zeros = guards.empty, guards.zeros

    def __getattr__(self, name):
        return getattr(np, name)


@pytest.fixture
def guards(monkeypatch):
    """In Python's part of all kernels: what is compiled already keeps the NumPy that it was compiled with."""
    found = Guards()
    single = lambda shape, dtype=np.float32: found.empty(shape, dtype)
    for name, module in list(sys.modules.items()):
        if name.startswith(f"{pullback.kernels.__name__}.") and module is not buffers:
            if getattr(module, "empty", None) is buffers.empty:
                monkeypatch.setattr(module, "empty", single)
            if getattr(module, "np", None) is np:
                monkeypatch.setattr(module, "np", Numpy(found))
    return found


def by_kernel(name, case):
    """Does a kernel do the work, and is there any? (To flatten what lies in one piece is none.)"""
    rule, inputs = arrays(RULES[name], case)
    lengths = dict(zip((slot.name for slot in rule.inputs), inputs)).get("lengths")
    plan = rule.linearize(*map(to_single, inputs))[1].plan
    return plan.forward is not None and lengths is None and inputs[0].size > 0 and name != "flatten"


WORK = [(name, case) for name, case in CASES if case in LARGE.get(name, [LAST[name]])]


@pytest.fixture
def wanted(name, case):
    """Without guards, before there are any: then all is compiled."""
    return bits(name, case)


@pytest.mark.parametrize("name, case", WORK)
def test_nothing_is_written_beside_results_and_scratch(wanted, guards, name, case):
    assert bits(name, case) == wanted
    assert guards.untouched()
    assert guards.blocks or not by_kernel(name, case)


def test_the_guards_see_a_store_beside_an_array():
    guards = Guards()
    y = guards.empty((3, 5), np.float32)
    assert np.isnan(y).all() and guards.untouched()
    y[:] = 0
    assert guards.untouched()
    np.ndarray(1, np.uint8, guards.blocks[0][0], guards.blocks[0][2])[:] = 0
    assert not guards.untouched()


LIBRARY = "libc_malloc_debug.so.0"


def test_nothing_is_written_behind_what_compiled_code_allocates():
    """glibc's own guards: a process that finds one changed, when memory is given back, is aborted."""
    if not run(f"import ctypes\ntry: ctypes.CDLL('{LIBRARY}'); print(1)\nexcept OSError: pass"):
        pytest.skip("no glibc with a malloc for debugging here")
    code = "import sys; sys.path.insert(0, {!r})\nfrom fast import bits\nfor each in {!r}: bits(*each)\nprint('well')"
    found = run(code.format(str(TESTS), WORK), LD_PRELOAD=LIBRARY, GLIBC_TUNABLES="glibc.malloc.check=3")
    assert found == ["well"]


@pytest.mark.parametrize("n", [0, 1, 15, 16, 17, 100, past.TURN, 2 * past.TURN + 100])
@pytest.mark.parametrize("begin", range(17))
def test_what_is_stored_past_the_cache(begin, n):
    """Wherever a row begins, the same numbers as those that go through it, and nothing beside them."""
    e, out = np.cos(np.arange(n), dtype="f4"), np.full(begin + n + 16, np.nan, "f4")
    ahead = np.sin(np.arange(n), dtype="f4")
    assert scale_row(e, np.float32(0.3), out[begin : begin + n], ahead) == max(ahead, default=-np.inf)
    assert np.array_equal(out[begin : begin + n], np.float32(0.3) * e)
    assert np.isnan(out[:begin]).all() and np.isnan(out[begin + n :]).all()


def test_gradients_that_no_cache_holds_are_the_same():
    """Half of the rows at a time, the cache would do. No two rows beside each other have the same largest score."""
    rows = 2 * (past.LARGE // 32000 // 2 + 1)
    x = np.cos(np.arange(rows * 32000, dtype="f4")).reshape(rows, -1)
    x *= np.float32(30) * (np.arange(rows, dtype="f4") % 7)[:, None]
    x[10, 3], x[20, 4], x[30] = np.nan, np.inf, -np.inf
    t, gy = np.arange(rows), np.ones(rows, "f4")
    gradient = lambda x, t: pb.cross_entropy.linearize(x, t, reduction="none")[1].vjp(gy[: len(t)])[0]
    assert x.size >= past.LARGE > x[: rows // 2].size
    whole = gradient(x, t)
    for half in (slice(rows // 2), slice(rows // 2, None)):
        assert np.array_equal(whole[half], gradient(x[half], t[half]), equal_nan=True)
