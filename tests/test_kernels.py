"""Every kernel against its rule: what runs for float32 arrays, compared with the rule's own code in float64."""

import hashlib
import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

import pullback as pb
from pullback.check.contract import as_tuple
from pullback.discovery import every
from pullback.kernels import bands, twin_of
from pullback.kernels.compiled import kernel, part
from pullback.kernels.threads import get_threads, parallel
from pullback.rules.class_cross_entropy import ClassCrossEntropy
from pullback.rules.elementwise import Elementwise

EPS = float(np.finfo(np.float32).eps)
ULPS = 32  # of the largest element, or of 1, in a result; a sum of many terms may lose more, and says so below
MORE = dict.fromkeys(("rnn", "gru", "lstm"), 256)  # a rounding error grows from step to step

WINOGRAD = [  # whole vectors of channels, 3 × 3, stride 1
    dict(i=32, o=48, n=(13, 18), k=(3, 3), padding=1, batch=(3,)),
    dict(i=64, o=64, n=(32, 32), k=(3, 3), padding="same", batch=(9,)),
    dict(i=16, o=80, n=(70, 3), k=(3, 3), padding=(0, 2), batch=(4,), without=("b",)),
]

# Large and odd shapes: beyond a chunk, beyond a tile, beside both.
LARGE = {
    "conv1d": [
        dict(i=5, o=33, n=(700,), k=(7,), padding=3, batch=(2,)),
        dict(i=16, o=16, n=(90,), k=(3,), stride=2, dilation=3, padding=2, groups=16, batch=(3,)),
    ],
    "conv2d": [
        dict(i=33, o=70, n=(13, 9), k=(3, 3), padding=1, batch=(3, 2)),
        dict(i=1, o=6, n=(28, 28), k=(5, 5), batch=(5,)),
        dict(i=3, o=5, n=(70, 45), k=(3, 4), padding=(1, 2), batch=(2,)),
        dict(i=64, o=32, n=(17, 15), k=(1, 1), batch=(4,), without=("b",)),
        dict(i=24, o=40, n=(15, 21), k=(3, 5), stride=(2, 3), padding=(1, 4), dilation=(1, 2), batch=(3,), groups=4),
        dict(i=3, o=16, n=(31, 40), k=(11, 11), stride=4, padding=2),
        dict(i=48, o=48, n=(14, 18), k=(3, 3), padding="same", groups=48, batch=(2,)),
        dict(i=2, o=3, n=(2, 7), k=(1, 2), stride=(1, 5), padding=(0, 3), batch=(2,)),
        dict(i=1, o=1, n=(1, 1), k=(1, 1), batch=(1,)),
        dict(i=64, o=64, n=(32, 32), k=(3, 3), stride=2, padding=1, batch=(3,)),
        dict(i=40, o=40, n=(7, 7), k=(3, 3), stride=2, padding=1, batch=(9,)),  # several images in a job
        dict(i=20, o=24, n=(17, 13), k=(2, 2), stride=3, batch=(2,)),  # elements that no window meets
        dict(i=40, o=33, n=(9, 15), k=(1, 1), stride=2, padding=1, batch=(5,)),
        dict(i=5, o=9, n=(19, 22), k=(2, 3), stride=(2, 4), dilation=(3, 2), padding=2, batch=(2,)),
        dict(i=9, o=17, n=(1, 400), k=(1, 5), stride=(1, 2), batch=(2,)),  # lines longer than a job
        dict(i=300, o=16, n=(11, 6), k=(3, 3), stride=(1, 2), padding=1, batch=(2,)),  # more channels than a slab
        *WINOGRAD,
    ],
    "conv3d": [dict(i=6, o=18, n=(9, 7, 11), k=(3, 3, 3), padding=1, batch=(2,))],
    "conv_transpose2d": [
        dict(i=40, o=20, n=(9, 11), k=(4, 4), stride=2, padding=1, batch=(3,)),
        dict(i=16, o=5, n=(12, 10), k=(3, 3), stride=3, output_padding=(2, 1), dilation=2, groups=4, batch=(2,)),
    ],
    **dict.fromkeys(
        ("rnn", "gru", "lstm"),
        [
            dict(t=5, n=7, m=33, batch=(19,)),
            dict(t=9, n=40, m=8, batch=(2, 1), num_layers=2, bidirectional=True),
            dict(t=3, n=1, m=64, batch=(300,), batch_first=True),
            dict(t=4, n=2, m=3, without=("bw_l0", "h")),
        ],
    ),  # fmt: skip
    "scaled_dot_product_attention": [
        dict(l=70, s=131, e=33, d=5, batch=(3,), m=()),
        dict(l=150, s=150, e=8, d=40, batch=(2, 2), is_causal=True, m=()),
        dict(l=67, s=3, e=1, d=1, m=(67, 3), is_causal=True),
        dict(l=5, s=200, e=16, d=64, batch=(2,), m=(2, 1, 200)),
    ],  # fmt: skip
    "linear": [
        dict(i=300, o=33, batch=(9,)),
        dict(i=70, o=130, batch=(5, 7)),
        dict(i=513, o=100, batch=(128,)),
        dict(i=1, o=200),
        dict(i=64, o=10, batch=(64,), without=("b",)),
    ],  # fmt: skip
    "max_pool2d": [
        dict(n=(28, 30), batch=(3, 37)),
        dict(n=(15, 17), kernel_size=3, stride=2, padding=1, ceil_mode=True, batch=(2, 16), return_indices=True),
        dict(n=(300, 250), kernel_size=(7, 3), stride=(5, 1), dilation=(2, 3), batch=(5,)),
        dict(n=(9, 9)),
    ],
    "avg_pool2d": [
        dict(n=(28, 30), batch=(3, 37)),
        dict(n=(15, 17), kernel_size=3, stride=2, padding=1, count_include_pad=False, batch=(2, 16)),
    ],
    "max_pool3d": [dict(n=(9, 10, 11), kernel_size=3, stride=2, padding=1, batch=(2, 19))],
    "adaptive_avg_pool2d": [dict(n=(14, 9), output_size=(5, 4), batch=(2, 33)), dict(n=(7, 7), batch=(3, 512))],
    "adaptive_max_pool2d": [dict(n=(14, 9), output_size=(5, 4), batch=(2, 33))],
    **dict.fromkeys(
        ("softmax", "softmin", "log_softmax", "logsumexp"),
        [
            dict(n=1000, batch=(37,)),
            dict(n=40001),
            dict(n=7, batch=(50, 101)),
            dict(n=1, batch=(3,)),
            dict(n=65, axis=0, batch=(130,)),
        ],
    ),
}
ILL = "rms_norm", dict(n=1)  # nothing but eps is left there, and that is another in float64
ELEMENTWISE = [name for name, rule in every().items() if isinstance(rule, Elementwise)]
LARGE |= dict.fromkeys(ELEMENTWISE, [dict(batch=(40003,)), dict(batch=(5, 3, 7, 11))])
LARGE |= {
    "layer_norm": [dict(n=1000, batch=(133,)), dict(n=40001), dict(normalized_shape=(3, 50, 7), batch=(5, 2))],
    "rms_norm": [
        dict(n=1000, batch=(133,)),
        dict(n=1, eps=1e-6),
        dict(n=40001),
        dict(normalized_shape=(3, 50, 7), batch=(5, 2)),
    ],
    "group_norm": [dict(n=9, c=12, d=(13, 17), num_groups=3), dict(n=70, c=65, d=())],
    "instance_norm": [dict(n=9, c=12, d=(13, 17)), dict(n=2, c=300, d=(3,))],
    "batch_norm": [
        dict(n=70, c=33, d=(9, 5), training=True),
        dict(n=513, c=700, d=(), training=True),
        dict(n=20, c=3, d=(31,)),
        dict(n=1, c=5, d=(7000,), training=True, momentum=0.5),
    ],
}
LARGE |= {
    "dropout": [dict(n=1003, batch=(40,), p=0.3)],
    "glu": [dict(n=2006, batch=(40,)), dict(n=4, batch=(40, 90)), dict(n=90, axis=0, batch=(7, 33))],
    "embedding": [
        dict(v=500, d=130, batch=(50, 20)),
        dict(v=3, d=1, batch=(999,)),
        dict(v=7, d=200, padding_idx=-2, batch=(99,)),
    ],
}
LOSSES = "mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss", "binary_cross_entropy_with_logits", "kl_div"
LARGE |= {
    name: [dict(batch=(40003,), **lone), dict(batch=(5, 3, 7, 11), reduction="none", **lone)]
    for name in (*LOSSES, "binary_cross_entropy")
    for lone in [dict(without=("w", "v")[: 1 + ("logits" in name)]) if name.startswith("binary") else {}]
}
PAIRS = [(name, case) for name, rule in every().items() for case in (*rule.cases, *LARGE.get(name, ()))]
CASES = [pair for pair in PAIRS if pair != ILL]


def has_twin(name):
    return twin_of(type(every()[name]).__module__.rpartition(".")[2]) is not None


def arrays(rule, case, seed=0):
    """The rule, and float64 inputs that float32 holds exactly."""
    rule, sizes = rule.at(case)
    inputs = rule.sample(np.random.default_rng(seed), **sizes)
    single = lambda x: x if x is None or x.dtype.kind != "f" else x.astype(np.float32).astype(float)
    return rule, [single(x) for x in inputs]


def to_single(x):
    return x.astype(np.float32) if getattr(x, "dtype", None) == np.float64 else x


def close(found, wanted, ulps=ULPS):
    for a, b in zip(as_tuple(found), as_tuple(wanted), strict=True):
        assert (a is None) == (b is None)
        if a is not None and np.asarray(b).dtype.kind == "f":
            a, b = np.asarray(a), np.asarray(b)
            assert a.dtype == np.float32 and a.shape == b.shape
            scale = max(1.0, float(np.max(abs(b[np.isfinite(b)]), initial=0.0)))
            np.testing.assert_allclose(a, b, rtol=0, atol=ulps * EPS * scale)


def compare(rule, inputs, change=lambda x: x):
    """Output, vjp, jvp, hvp and jacobian after the kernel's forward, against the rule in float64."""
    rng = np.random.default_rng(1)
    draw = lambda zero: None if zero is None else rng.normal(size=zero.shape).astype(np.float32).astype(float)
    ulps = MORE.get(rule.name, ULPS)
    y, at = rule.linearize(*inputs)
    fast_y, fast = rule.linearize(*(change(to_single(x)) for x in inputs))
    close(fast_y, y, ulps)
    gy, tx = [draw(zero) for zero in at.plan.gradients], [draw(zero) for zero in at.plan.tangents]
    single = lambda items: [None if a is None else change(to_single(a)) for a in items]
    close(fast.vjp(*single(gy)), at.vjp(*gy), ulps)
    close(fast.jvp(*single(tx)), at.jvp(*tx), ulps)
    close(fast.hvp(single(gy), single(tx)), at.hvp(gy, tx), ulps)


@pytest.mark.parametrize("name, case", [c for c in CASES if has_twin(c[0])])
def test_a_kernel_is_its_rule(name, case):
    compare(*arrays(every()[name], case))


@pytest.mark.parametrize("name", [name for name in every() if "conv" in name or "pool" in name])
def test_the_jacobian_after_a_kernel(name):
    rule, inputs = arrays(every()[name], every()[name].cases[1])
    found, wanted = (rule.linearize(*given)[1].jacobian() for given in (map(to_single, inputs), inputs))
    for a, b in zip(as_tuple(found), as_tuple(wanted), strict=True):
        close(a.dense(), b.dense())


def reversed_memory(x):
    return x[..., ::-1].copy()[..., ::-1] if isinstance(x, np.ndarray) and x.ndim else x


def read_only(x):
    x = np.array(x)
    x.flags.writeable = False
    return x


def by_columns(x):
    return np.asfortranarray(x) if isinstance(x, np.ndarray) and x.ndim else x


def every_second(x):
    return np.repeat(x, 2, -1)[..., ::2] if isinstance(x, np.ndarray) and x.ndim else x


def channels_last(x):
    return np.moveaxis(np.moveaxis(x, 1, -1).copy(), -1, 1) if isinstance(x, np.ndarray) and x.ndim > 2 else x


@pytest.mark.parametrize("change", [reversed_memory, read_only, every_second, by_columns, channels_last])
@pytest.mark.parametrize("name", [name for name in every() if has_twin(name)])
def test_memory_order_does_not_matter(name, change):
    rule, inputs = arrays(every()[name], every()[name].cases[-1])
    compare(rule, inputs, lambda x: None if x is None else change(x))


CLASSES = [
    dict(n=130, c=1000, d=()),
    dict(n=3, c=40001, d=(), without=("w",), reduction="sum"),
    dict(n=999, c=10, d=(), reduction="none", ignore_index=3),
    dict(n=9, c=33, d=(7,), axis=-1, reduction="sum"),
    dict(c=70, d=(), axis=0),
    dict(n=5, c=1, d=()),
]


@pytest.mark.parametrize("case", CLASSES)
def test_cross_entropy_of_classes_is_its_rule(case):
    compare(*arrays(ClassCrossEntropy(), case))


def test_a_gradient_that_was_computed_beforehand_is_given_away_once():
    rule, inputs = arrays(ClassCrossEntropy(), CLASSES[0])
    _, at = rule.linearize(*map(to_single, inputs))
    first = at.vjp(np.float32(1))[0]
    wanted = first.copy()
    first[:] = 0
    for gy in (1, 2):
        np.testing.assert_allclose(at.vjp(np.float32(gy))[0], gy * wanted, rtol=2 * EPS)


def rows_of_odd_scores():
    """All rows of four of these, and each among many more."""
    odd = np.array([np.nan, np.inf, -np.inf, 0.0, 1e38, -1e38, 88.0], np.float32)
    four = np.stack(np.meshgrid(odd, odd, odd, odd), -1).reshape(-1, 4)
    return four, np.concatenate([four, np.full((len(four), 99), -5, np.float32)], -1)


@pytest.mark.parametrize("x", rows_of_odd_scores(), ids=len)
@pytest.mark.parametrize("name", ["softmax", "softmin", "log_softmax", "logsumexp", "cross_entropy"])
def test_odd_scores_are_treated_as_by_the_rule(name, x):
    t = [np.arange(len(x)) % 4] if name == "cross_entropy" else []
    options = dict(reduction="none") if t else {}
    with np.errstate(all="ignore"):
        y, at = every()[name].linearize(x.astype(float), *t, **options)
        fast_y, fast = every()[name].linearize(x, *t, **options)
        assert fast.plan.forward is not None
        close(fast_y, y)
        gy = np.cos(np.arange(y.size)).reshape(y.shape).astype(np.float32)
        close(fast.vjp(gy), at.vjp(gy.astype(float)))


KINKS = [(name, dict(kink=word)) for name in ELEMENTWISE if "kink" in every()[name].options for word in ("mean", "jax")]


@pytest.mark.parametrize("name, options", [*((name, {}) for name in ELEMENTWISE), *KINKS])
def test_edges_of_a_function_are_those_of_its_rule(name, options):
    """nan, infinities, both zeros, the largest and smallest numbers, and where it bends."""
    numbers = np.finfo(np.float32)
    edges = [np.nan, np.inf, 0.0, numbers.max, numbers.tiny, numbers.smallest_subnormal, 1e10, 88.8, 100.0, 0.5, 1.0]
    x = np.array([sign * edge for edge in (*edges, *np.atleast_1d(every()[name].kinks)) for sign in (1, -1)], "f4")
    with np.errstate(all="ignore"):
        y, at = every()[name].linearize(x, **options)
        wanted, saved = at.rule.forward(x)
        gx, slope = at.vjp(np.ones_like(x)), at.rule.vjp(np.ones_like(x), *saved)
    np.testing.assert_allclose(y, wanted, rtol=4 * EPS, atol=numbers.tiny)
    np.testing.assert_allclose(gx, slope, rtol=4 * EPS, atol=numbers.tiny)


def channels_last(x):
    return np.moveaxis(np.moveaxis(x, 1, -1).copy(), -1, 1) if isinstance(x, np.ndarray) and x.ndim > 2 else x


@pytest.mark.parametrize("name, case", [(name, case) for name in ("batch_norm", "group_norm") for case in LARGE[name]])
def test_channels_may_be_last_in_memory(name, case):
    compare(*arrays(every()[name], case), channels_last)


def test_the_mean_may_be_far_from_zero():
    """To 4e-7 of the largest y, as the rule says, where x is around 1e6 with variance 1."""
    z = np.random.default_rng(0).normal(size=(64, 32, 9)).astype(np.float32)
    x = (z + np.float32(1e6)).astype(np.float32)
    wide = x.astype(float)
    for rule, options in (
        (pb.layer_norm, dict(normalized_shape=(32, 9))),
        (pb.group_norm, dict(num_groups=4)),
        (pb.batch_norm, dict(training=True)),
    ):
        for given in (x, channels_last(x)):
            y, wanted = (as_tuple(rule(a, **options))[0] for a in (given, wide))
            assert np.max(abs(y - wanted)) <= 4e-7 * np.max(abs(wanted))


@pytest.mark.parametrize("value", [np.inf, np.nan, 1e30])
@pytest.mark.parametrize("name", ["layer_norm", "rms_norm", "group_norm", "batch_norm"])
def test_a_norm_of_what_is_no_number_is_as_by_its_rule(name, value):
    rule, inputs = arrays(every()[name], LARGE[name][0])
    x = to_single(inputs[0])
    x[(1,) * x.ndim] = value
    with np.errstate(all="ignore"):
        y, at = rule.linearize(x)
        wanted, saved = at.rule.forward(x, *at.plan.fill)
        for found, due in zip(as_tuple(y), as_tuple(wanted)):
            np.testing.assert_array_equal(np.isfinite(found), np.isfinite(due))
            np.testing.assert_allclose(found, due, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", ["relu", "gelu"])
def test_results_lie_in_memory_as_what_they_are_made_of(name):
    image = np.random.default_rng(0).normal(size=(2, 5, 6, 3)).astype(np.float32)
    x = image.transpose(0, 3, 1, 2)
    y, at = every()[name].linearize(x)
    gx = at.vjp(np.ones(x.shape, np.float32))
    assert y.strides == gx.strides == x.strides
    np.testing.assert_array_equal(y, every()[name](image).transpose(0, 3, 1, 2))


@pytest.fixture
def threads():
    before = get_threads()
    yield
    pb.set_threads(before)


@pytest.mark.parametrize("name, case", [c for c in CASES if has_twin(c[0]) and c[1] in LARGE.get(c[0], [])])
def test_the_same_bits_with_any_number_of_threads(name, case, threads):
    rule, inputs = arrays(every()[name], case)
    found = []
    for number in (1, 2, 3, 2):
        pb.set_threads(number)
        y, at = rule.linearize(*map(to_single, inputs))
        gx = at.vjp(
            *(None if z is None else np.cos(np.arange(z.size, dtype="f4")).reshape(z.shape) for z in at.plan.gradients)
        )
        found.append([None if a is None else np.asarray(a).tobytes() for a in (*as_tuple(y), *as_tuple(gx))])
    assert all(bits == found[0] for bits in found)


def test_eight_threads_at_once():
    x = np.random.default_rng(0).normal(size=(300, 500)).astype(np.float32)
    wanted, wrong = pb.softmax(x).tobytes(), []

    def work():
        wrong.extend(1 for _ in range(100) if pb.softmax(x).tobytes() != wanted)

    crowd = [threading.Thread(target=work) for _ in range(8)]
    for thread in crowd:
        thread.start()
    for thread in crowd:
        thread.join()
    assert not wrong


def run(code, **environment):
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=os.environ | environment, timeout=300
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def bits(names):
    """A line for each of these rules: a hash of what the kernels make of its cases, forth and back."""
    for name in names:
        found = hashlib.sha256()
        for case in (*every()[name].cases, *LARGE[name]):
            rule, inputs = arrays(every()[name], case)
            y, at = rule.linearize(*map(to_single, inputs))
            gy = [
                None if z is None else np.cos(np.arange(z.size, dtype="f4")).reshape(z.shape) for z in at.plan.gradients
            ]
            for a in (*as_tuple(y), *as_tuple(at.vjp(*gy))):
                found.update(b"" if a is None else np.asarray(a).tobytes())
        print(name, found.hexdigest(), sep=":")


SPREAD = "batch_norm", "layer_norm", "softmax", "avg_pool2d", "gelu"


def test_who_compiles_a_kernel_finds_the_same_bits_as_who_loads_it(tmp_path):
    """Whatever was loaded before it: the second process goes the other way round."""
    found = []
    for names in (SPREAD, SPREAD[::-1]):
        code = (
            f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r}); import test_kernels as t; t.bits({names})"
        )
        found.append(sorted(run(code, XDG_CACHE_HOME=str(tmp_path), NUMBA_CACHE_DIR="")))
    assert len(found[0]) == len(SPREAD) and found[0] == found[1]


@part
def first_of_many(lo, hi, sizes, y):
    for i in range(lo, hi):
        y[i] = np.ones(sizes[i], np.float32)[0]


@kernel
def first_of_each(sizes, y):
    parallel(first_of_many, sizes.size, 1, (sizes, y))


@pytest.mark.parametrize("number", [1, 2])
def test_a_body_that_finds_no_memory_is_heard(number, threads):
    """Wherever it is in the work; the next job is none the worse for it."""
    pb.set_threads(number)
    for place in (0, 7, 63):
        sizes, y = np.full(64, 5), np.zeros(64, np.float32)
        sizes[place] = 1 << 60
        with pytest.raises(MemoryError, match="Allocation failed"):
            first_of_each(sizes, y)
        sizes[place] = 5
        first_of_each(sizes, y)
        assert (y == 1).all()


USE = "import numpy as np, pullback as pb; x = np.ones((300, 500), 'f4'); y, at = pb.softmax.linearize(x); at.vjp(y); "


def test_after_a_fork():
    code = USE + "import os; child = os.fork(); y2 = pb.softmax(x); assert y2.tobytes() == y.tobytes()\n"
    assert run(code + "if child == 0: os._exit(0)\nassert os.waitpid(child, 0)[1] == 0; print('well')") == ["well"]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="these tunables are glibc's")
def test_no_memory_is_read_after_it_was_given_back():
    """What is freed is overwritten at once: tables whose addresses are handed on must live as long as they are read."""
    code = (
        "import numpy as np, pullback as pb; a = lambda *shape: np.ones(shape, 'f4'); "
        "y, at = pb.linear.linearize(a(9, 40), a(33, 40), a(33)); at.vjp(y); assert (y == 41).all(); "
        "y, at = pb.lstm.linearize(a(3, 5, 4), w_l0=a(24, 4), u_l0=a(24, 6)); at.vjp(*y); "
        "y, at = pb.rnn.linearize(a(3, 5, 4), w_l0=a(6, 4), u_l0=a(6, 6)); at.vjp(*y); "
        "y, at = pb.scaled_dot_product_attention.linearize(*[a(2, 70, 9)] * 3); at.vjp(y); assert np.allclose(y, 1)"
    )
    run(code, GLIBC_TUNABLES="glibc.malloc.tcache_count=0:glibc.malloc.perturb=85")


def test_without_numba_the_rule_does_the_work():
    code = "import sys; sys.modules['numba'] = None; " + USE + "print(at.plan.forward)"
    assert run(code) == ["None"]


def test_where_nothing_can_be_kept(tmp_path):
    """A cache folder that cannot be written to: everything is compiled anew."""
    (tmp_path / "file").write_text("")
    assert run(USE + "print(at.plan.forward.func.__module__)", NUMBA_CACHE_DIR=str(tmp_path / "file")) == [
        "pullback.kernels.softmax"
    ]


def test_threads_follow_the_usual_variables():
    ask = "import pullback as pb; print(pb.get_threads())"
    assert run(ask, PULLBACK_THREADS="3") == ["3"]
    assert run(ask, OMP_NUM_THREADS="1", PULLBACK_THREADS="") == ["1"]


@pytest.mark.parametrize("number", [0, -1, 1.5, True, "2", None])
def test_threads_that_cannot_be(number):
    with pytest.raises(pb.errors.OptionError, match="a whole number from 1 up"):
        pb.set_threads(number)


ATTENTION = dict(l=150, s=150, e=8, d=5, batch=(2,), m=(), without=("mask",))


def strange(rule, case, value, which):
    """Inputs and gradients, one element of one of them inf or nan."""
    rule, inputs = arrays(every()[rule], case)
    y, at = rule.linearize(*inputs)
    gy = np.random.default_rng(2).normal(size=y.shape).astype(np.float32).astype(float)
    spoiled = gy if which == "gy" else inputs[which]
    spoiled[tuple(n // 2 for n in spoiled.shape)] = value
    return rule, inputs, gy


@pytest.mark.parametrize("which", [0, 1, "gy"])
@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan])
@pytest.mark.parametrize(
    "name, case", [("conv2d", case) for case in (*(LARGE["conv2d"][k] for k in (0, 1, 4, 6, 10)), WINOGRAD[0])]
)
def test_what_is_no_number_stays_where_the_rule_has_it(name, case, value, which):
    rule, inputs, gy = strange(name, case, value, which)
    with np.errstate(all="ignore"):
        y, at = rule.linearize(*inputs)
        fast_y, fast = rule.linearize(*map(to_single, inputs))
        for found, wanted in zip((fast_y, *fast.vjp(to_single(gy))), (y, *at.vjp(gy)), strict=True):
            close(found, wanted)


@pytest.mark.parametrize("case", WINOGRAD)
def test_the_error_of_winograd_is_what_its_docstring_says(case):
    """Value and gradients: in units of the root mean square of each."""
    rule, inputs = arrays(every()["conv2d"], case)
    y, at = rule.linearize(*inputs)
    fast_y, fast = rule.linearize(*map(to_single, inputs))
    gy = np.random.default_rng(3).normal(size=y.shape).astype(np.float32)
    gradients = zip(fast.vjp(gy)[:2], at.vjp(gy.astype(float))[:2], strict=True)
    for found, wanted in ((fast_y, y), *gradients):
        error = (found - wanted) / np.sqrt(np.mean(wanted**2))
        assert np.sqrt(np.mean(error**2)) < 2e-6 and np.max(abs(error)) < 3e-5


def test_what_only_winograd_overflows_is_computed_directly():
    x = np.full((2, 16, 12, 12), 1e38, np.float32)
    w = np.zeros((16, 16, 3, 3), np.float32)
    w[:, 0, 1, 1] = 2
    y, at = pb.conv2d.linearize(x, w, padding=1)
    assert np.all(y == np.float32(2e38))
    _, gw, _ = at.vjp(np.full_like(y, 1e-2))
    np.testing.assert_allclose(gw[:, :, 1, 1], 2 * 144 * 1e36, rtol=1e-5)


@pytest.mark.parametrize("shape", [(2, 5, 8, 6), (3, 16, 7, 9), (1, 40, 300, 250)])
def test_relu_and_max_pooling_in_one_pass_are_what_they_are_one_after_the_other(shape):
    """Bit for bit, at zeros, ties and nan too."""
    rng = np.random.default_rng(0)
    x = rng.integers(-2, 3, shape).astype(np.float32)
    x[rng.random(shape) < 0.1] = -0.0
    x[rng.random(shape) < 0.01] = np.nan
    y, at = pb.Chain((pb.relu, pb.max_pool2d)).linearize(x)
    assert at.plan.forward.func.__module__ == "pullback.kernels.relu_pool"
    between, first = pb.relu.linearize(x)
    wanted, second = pb.max_pool2d.linearize(between)
    np.testing.assert_array_equal(y, wanted)
    gy = rng.normal(size=y.shape).astype(np.float32)
    np.testing.assert_array_equal(at.vjp(gy), first.vjp(second.vjp(gy)))
    tx = rng.normal(size=shape).astype(np.float32)
    np.testing.assert_array_equal(at.jvp(tx), second.jvp(first.jvp(tx)))


POOLED = [  # in bands of lines, by Winograd, in another way, and with windows of other shapes
    (dict(i=2, o=40, n=(15, 61), k=(3, 3), padding=1, batch=(3,)), {}),
    (dict(i=3, o=33, n=(40, 12), k=(3, 2), stride=2, batch=(2, 2)), {}),
    (dict(i=16, o=16, n=(17, 18), k=(3, 3), batch=(2,)), {}),
    (dict(i=1, o=6, n=(28, 28), k=(5, 5), batch=(3,)), {}),
    (dict(i=8, o=8, n=(9, 9), k=(3, 3), padding=1, groups=8), {}),
    (dict(i=4, o=20, n=(9, 10), k=(2, 2), batch=(3,), without=("b",)), dict(kernel_size=3, stride=2, padding=1)),
]


@pytest.mark.parametrize("value", [0, np.nan])
@pytest.mark.parametrize("case, window", POOLED)
def test_convolution_relu_and_max_pooling_are_what_they_are_one_after_the_other(case, window, value):
    """Bit for bit: the inputs are small whole numbers, with many ties and zeros."""
    conv, inputs = arrays(pb.conv2d, case)
    x, w, *b = (None if a is None else np.round(2 * a).astype(np.float32) for a in inputs)
    x[..., 1, 2] = value
    pool = pb.max_pool2d.at(window)[0]
    y, at = pb.Chain((conv, pb.relu, pool)).linearize(x, w, *b)
    assert at.plan.forward.func.__module__ == "pullback.kernels.conv_pool"
    z, first = conv.linearize(x, w, *b)
    between, second = pb.relu.linearize(z)
    wanted, third = pool.linearize(between)
    np.testing.assert_array_equal(y, wanted)
    gy = np.round(3 * np.random.default_rng(0).normal(size=y.shape)).astype(np.float32)
    every = first.vjp(second.vjp(third.vjp(gy)))
    for wrt in ((0, 1, 2), (1, 2)):  # bands are summed to weights at once only if nobody asks for gx
        names = [at.rule.inputs[k].name for k in wrt]
        found = at.vjp(gy, wrt=names)
        for k in wrt:
            assert (found[k] is None) == (every[k] is None)
            if found[k] is not None:
                np.testing.assert_array_equal(found[k], every[k])
    if value == 0:
        tx = np.round(np.random.default_rng(1).normal(size=x.shape)).astype(np.float32)
        np.testing.assert_allclose(at.jvp(tx), third.jvp(second.jvp(first.jvp(tx))), rtol=0, atol=100 * ULPS * EPS)


def test_a_zero_with_a_sign_was_not_clipped():
    """relu and pooling after it know what was clipped by its sign."""
    x, w, b = -np.ones((1, 4, 6, 6), "f4"), np.zeros((4, 1, 3, 3), "f4"), np.full(4, -0.0, "f4")
    conv, pool = pb.conv2d.at(dict(groups=4, padding=1))[0], pb.max_pool2d.at(dict(kernel_size=2))[0]
    y, at = pb.Chain((conv, pb.relu, pool)).linearize(x, w, b)
    assert at.plan.forward is not None
    np.testing.assert_array_equal(at.vjp(np.ones_like(y))[2], [9, 9, 9, 9])


def test_the_slope_of_relu_at_nan_is_that_of_the_rule_in_a_network_too():
    x, one = np.array([[[np.nan]], [[1.0]]], "f4"), np.ones((1, 1), "f4")
    (y, h), at = pb.rnn.linearize(x, w_l0=one, u_l0=one, nonlinearity="relu")
    assert at.plan.forward is not None
    wide = one.astype(float)
    _, exact = pb.rnn.linearize(x.astype(float), w_l0=wide, u_l0=wide, nonlinearity="relu")
    for found, wanted in zip(at.vjp(y, h), exact.vjp(y.astype(float), h.astype(float)), strict=True):
        assert (found is None) == (wanted is None)
        if found is not None:
            np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("value", [0, np.nan])
@pytest.mark.parametrize("case", [POOLED[k][0] for k in (0, 1, 2, 5)])
def test_convolution_and_relu_are_what_they_are_one_after_the_other(case, value):
    """Bit for bit, at zeros too."""
    conv, inputs = arrays(pb.conv2d, case)
    x, w, *b = (None if a is None else np.round(2 * a).astype(np.float32) for a in inputs)
    x[..., 1, 2] = value
    y, at = pb.Chain((conv, pb.relu)).linearize(x, w, *b)
    assert at.plan.forward.func.__module__ == "pullback.kernels.conv_relu"
    between, first = conv.linearize(x, w, *b)
    wanted, second = pb.relu.linearize(between)
    np.testing.assert_array_equal(y, wanted)
    gy = np.random.default_rng(0).normal(size=y.shape).astype(np.float32)
    for found, due in zip(at.vjp(gy), first.vjp(second.vjp(gy)), strict=True):
        np.testing.assert_array_equal(found, due)
    if value == 0:
        tx = np.random.default_rng(1).normal(size=x.shape).astype(np.float32)
        np.testing.assert_allclose(at.jvp(tx), second.jvp(first.jvp(tx)), rtol=0, atol=100 * ULPS * EPS)


@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan])
@pytest.mark.parametrize("name", ["max_pool2d", "avg_pool2d", "adaptive_max_pool2d", "adaptive_avg_pool2d"])
def test_pools_of_what_is_no_number(name, value):
    rule, inputs, gy = strange(name, dict(n=(6, 7), batch=(2, 19)), value, 0)
    with np.errstate(all="ignore"):
        y, at = rule.linearize(*inputs)
        fast_y, fast = rule.linearize(*map(to_single, inputs))
        close(fast_y, y)
        close(fast.vjp(to_single(gy)), at.vjp(gy))


@pytest.mark.parametrize("which", [0, 1, 2, "gy"])
@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan])
@pytest.mark.parametrize("causal", [True, False])
def test_attention_of_what_is_no_number(causal, value, which):
    """In the middle, where a causal mask hides it from some queries and not from others."""
    rule, inputs, gy = strange("scaled_dot_product_attention", ATTENTION | dict(is_causal=causal), value, which)
    with np.errstate(all="ignore"):
        y, at = rule.linearize(*inputs)
        fast_y, fast = rule.linearize(*map(to_single, inputs))
        for found, wanted in zip((fast_y, *fast.vjp(to_single(gy))), (y, *at.vjp(gy)), strict=True):
            close(found, wanted)


ODD = [np.nan, np.inf, -np.inf, 0.0, -0.0, 1.0, 0.5, 1e-44, 1e-30, 2.0, -2.0, -200.0, 3e38]


@pytest.mark.parametrize("which", ["x", "h", "u_l0", "gy"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e6, -200])  # under relu it grows: float32 holds 1e6 ** 4
@pytest.mark.parametrize("name, options", [("rnn", {}), ("rnn", dict(nonlinearity="relu")), ("gru", {}), ("lstm", {})])
def test_recurrent_networks_of_what_is_no_number_or_far_from_0(name, options, value, which):
    rule, inputs = arrays(every()[name], dict(t=4, n=5, m=20, batch=(19,), **options))
    given = dict(zip((slot.name for slot in rule.inputs), inputs, strict=True))
    rng = np.random.default_rng(2)
    gradients = [rng.normal(size=y.shape).astype(np.float32).astype(float) for y in rule.linearize(*inputs)[0]]
    spoiled = gradients[0] if which == "gy" else given[which]
    spoiled[tuple(n // 2 for n in spoiled.shape)] = value
    with np.errstate(all="ignore"):
        (y, at), (fast_y, fast) = (rule.linearize(*map(change, inputs)) for change in (lambda x: x, to_single))
        assert fast.plan.forward is not None
        close(fast_y, y, MORE[name])
        close(fast.vjp(*map(to_single, gradients)), at.vjp(*gradients), MORE[name])


@pytest.mark.parametrize("options", [{}, dict(log_target=True)], ids=str)
@pytest.mark.parametrize("name", [*LOSSES, "binary_cross_entropy"])
def test_losses_of_odd_numbers_are_those_of_the_rule(name, options):
    if options and name != "kl_div":
        return
    targets = [a for a in ODD if not abs(a) > 1] if name.startswith("binary") else ODD  # of a chance, or any
    x, t = (a.reshape(-1) for a in np.meshgrid(np.array(ODD, "f4"), np.array(targets, "f4")))
    with np.errstate(all="ignore"):
        y, at = every()[name].linearize(x, t, reduction="none", **options)
        assert at.plan.forward is not None
        rule, inputs = at.rule, (x, t, *at.plan.fill)
        wanted, saved = rule.forward(*inputs)
        np.testing.assert_allclose(y, wanted, rtol=1e-6, atol=1e-37)
        for found, due in zip(at.vjp(np.ones_like(x)), rule.vjp(np.ones_like(x), *saved)):
            np.testing.assert_allclose(found, due() if callable(due) else due, rtol=1e-6, atol=1e-37)
        wide = every()[name].linearize(x.astype(float), t.astype(float), reduction="none", **options)[1]
        for found, due in zip(at.vjp(np.zeros_like(x)), wide.vjp(np.zeros(x.shape))):  # float32's own slopes overflow
            np.testing.assert_array_equal(found, due)


def test_a_mask_of_booleans_hides_whatever_is_there():
    """A key that overflows, or is nan or inf, in a padded place."""
    q, v = np.ones((1, 2), np.float32), np.array([[1], [2]], np.float32)
    for value in (3e38, np.nan, np.inf):
        k = np.ones((2, 2), np.float32)
        k[1] = value
        with np.errstate(all="ignore"):
            assert pb.scaled_dot_product_attention(q, k, v, np.array([[True, False]])) == [[1]]


def test_an_extreme_element_stays_alone_in_the_evaluation_of_batch_norm():
    x = np.ones((2, 4, 4, 3), np.float32).transpose(0, 3, 1, 2)  # channels last in memory
    g = np.ones_like(x)
    x[0, 1, 2, 2] = g[0, 1, 2, 2] = 1e20
    with np.errstate(all="ignore"):
        _, at = pb.batch_norm.linearize(x, np.zeros(3, np.float32), np.ones(3, np.float32))
        assert np.isfinite(at.vjp(g)[0]).all()


@pytest.mark.parametrize(
    "channels, some, q, jump", [(4, 1, 8, 2), (8, 8, 8, 1), (12, 12, 8, 1), (3, 3, 3, 2), (9, 5, 4, 3)]
)
def test_a_band_is_written_and_nothing_beside_it(channels, some, q, jump):
    """Panels of some channels of every jump-th pixel, with zeros around the image."""
    n, size, first = (2, 3, 7), (3, 4, 5), (-1, -1, -2)
    guard = np.prod(size) * q  # as far as a panel that is not there would reach
    x = np.arange(1, 1 + np.prod(n) * channels, dtype=np.float32).reshape(*n, channels)
    out = np.full(np.prod(size) * some + 2 * guard, -1, np.float32)
    arrays = [np.array(a) for a in (first, [jump] * 3, size)]
    kernel(bands.bring.py_func)(x.ctypes.data, np.array(n), channels, some, q, *arrays, out.ctypes.data + 4 * guard)
    framed = np.pad(x, [(-f, 30) for f in first] + [(0, 0)])
    seen = framed[tuple(slice(0, jump * s, jump) for s in size)][..., :some]
    wanted = [seen[..., c : c + q].ravel() for c in range(0, some, q)]
    np.testing.assert_array_equal(out[guard:-guard], np.concatenate(wanted))
    assert (out[:guard] == -1).all() and (out[-guard:] == -1).all()
