"""What tests of kernels share: all rules with a kernel, at which cases, and how results are compared.

A kernel runs for float32 arrays, and is compared with its rule's own code in float64.
"""

import hashlib
import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import numpy as np

import pullback as pb
from pullback.check.contract import as_tuple
from pullback.discovery import every
from pullback.errors import PullbackError
from pullback.kernels import twin_of
from pullback.rules.class_cross_entropy import ClassCrossEntropy
from pullback.rules.cross_entropy import SmoothedCrossEntropy
from pullback.rules.elementwise import Elementwise

TESTS = Path(__file__).parent
EPS = float(np.finfo(np.float32).eps)
ULPS = 32  # of the largest element of a result; a sum of many terms may lose more, and says so below
MORE = dict.fromkeys(("rnn", "gru", "lstm"), 256)  # a rounding error grows from step to step
SECOND = dict.fromkeys(MORE, 512)  # and more so in hvp, where the rule in NumPy's own float32 loses up to 184
CANCELLING = {  # of one number alone: what is left of terms of about 1, by which an error is measured then
    "kl_div": ["hvp"],  # tt / t - tx
    "rms_norm": ["vjp", "hvp"],  # 1 / r - x² / r³, where r² = x² + eps
}

WINOGRAD = [  # whole vectors of channels, 3 × 3, stride 1
    dict(i=32, o=48, n=(13, 18), k=(3, 3), padding=1, batch=(3,)),
    dict(i=64, o=64, n=(32, 32), k=(3, 3), padding="same", batch=(9,)),
    dict(i=16, o=80, n=(70, 3), k=(3, 3), padding=(0, 2), batch=(4,), without=("b",)),
    dict(i=256, o=32, n=(14, 14), k=(3, 3), padding=1, batch=(2,)),  # many channels: long sums forward,
    dict(i=32, o=512, n=(14, 14), k=(3, 3), padding=1, batch=(2,)),  # and in the input gradient
    dict(i=528, o=48, n=(9, 15), k=(3, 3), padding=1, batch=(2,)),
]
POLYPHASE = [  # whole strips of channels, 3 × 3, stride 2
    dict(i=64, o=64, n=(32, 32), k=(3, 3), stride=2, padding=1, batch=(3,)),
    dict(i=32, o=96, n=(23, 62), k=(3, 3), stride=2, padding=1),
    dict(i=64, o=32, n=(79, 62), k=(3, 3), stride=2, padding=(0, 2), batch=(2,), without=("b",)),
    dict(i=32, o=32, n=(33, 33), k=(3, 3), stride=2, batch=(2,)),  # tiles do not fit gx
    dict(i=128, o=32, n=(24, 24), k=(3, 3), stride=2, padding=1, batch=(2,)),  # as many channels as go this way
    dict(i=32, o=128, n=(24, 24), k=(3, 3), stride=2, padding=1, batch=(2,)),
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
        dict(i=16, o=48, n=(7, 5), k=(1, 1), batch=(3,)),
        dict(i=40, o=16, n=(7, 5), k=(1, 1), batch=(3,)),
        dict(i=24, o=40, n=(15, 21), k=(3, 5), stride=(2, 3), padding=(1, 4), dilation=(1, 2), batch=(3,), groups=4),
        dict(i=3, o=16, n=(31, 40), k=(11, 11), stride=4, padding=2),
        dict(i=48, o=48, n=(14, 18), k=(3, 3), padding="same", groups=48, batch=(2,)),
        dict(i=2, o=3, n=(2, 7), k=(1, 2), stride=(1, 5), padding=(0, 3), batch=(2,)),
        dict(i=1, o=1, n=(1, 1), k=(1, 1), batch=(1,)),
        dict(i=60, o=63, n=(32, 32), k=(3, 3), stride=2, padding=1, batch=(3,)),
        dict(i=40, o=40, n=(7, 7), k=(3, 3), stride=2, padding=1, batch=(9,)),  # several images in a job
        dict(i=20, o=24, n=(17, 13), k=(2, 2), stride=3, batch=(2,)),  # elements that no window meets
        dict(i=40, o=33, n=(9, 15), k=(1, 1), stride=2, padding=1, batch=(5,)),
        dict(i=5, o=9, n=(19, 22), k=(2, 3), stride=(2, 4), dilation=(3, 2), padding=2, batch=(2,)),
        dict(i=9, o=17, n=(1, 400), k=(1, 5), stride=(1, 2), batch=(2,)),  # lines longer than a job
        dict(i=300, o=16, n=(11, 6), k=(3, 3), stride=(1, 2), padding=1, batch=(2,)),  # more channels than a slab
        *POLYPHASE,
        *WINOGRAD,
    ],
    "conv3d": [
        dict(i=32, o=32, n=(2, 16, 16), k=(1, 3, 3), padding=1, batch=(2,)),  # planes in the padding
        dict(i=32, o=32, n=(2, 16, 16), k=(1, 3, 3), stride=(1, 2, 2), padding=1, batch=(4,)),
        dict(i=32, o=32, n=(2, 16, 16), k=(1, 3, 3), stride=(1, 2, 2), padding=(0, 1, 1), batch=(4,)),
        dict(i=6, o=18, n=(9, 7, 11), k=(3, 3, 3), padding=1, batch=(2,)),
    ],
    "conv_transpose2d": [
        dict(i=64, o=32, n=(16, 16), k=(3, 3), stride=2, padding=1, output_padding=1, batch=(2,)),
        dict(i=40, o=20, n=(9, 11), k=(4, 4), stride=2, padding=1, batch=(3,)),
        dict(i=16, o=5, n=(12, 10), k=(3, 3), stride=3, output_padding=(2, 1), dilation=2, groups=4, batch=(2,)),
    ],
    **dict.fromkeys(
        ("rnn", "gru", "lstm"),
        [
            dict(t=3, n=7, m=33, batch=(19,), without=("lengths",)),  # second derivatives grow a hundredfold a step
            dict(t=9, n=40, m=8, batch=(2, 1), num_layers=2, bidirectional=True, without=("lengths",)),
            dict(t=3, n=1, m=64, batch=(300,), batch_first=True, without=("lengths",)),
            dict(t=6, n=5, m=20, batch=(17,)),  # with lengths: then the rule does the work
            dict(t=4, n=2, m=3, without=("bw_l0", "h", "lengths")),
        ],
    ),  # fmt: skip
    "scaled_dot_product_attention": [
        dict(l=70, s=131, e=33, d=5, batch=(3,), m=()),
        dict(l=150, s=150, e=8, d=40, batch=(2, 2), is_causal=True, m=()),
        dict(l=67, s=3, e=1, d=1, m=(67, 3), is_causal=True),
        dict(l=5, s=200, e=16, d=64, batch=(2,), m=(2, 1, 200)),
        dict(l=140, s=96, e=64, d=32, batch=(3,), m=()),
        dict(l=133, s=150, e=32, d=64, batch=(2,), is_causal=True, m=()),
    ],  # fmt: skip
    "linear": [
        dict(i=300, o=33, batch=(9,)),
        dict(i=70, o=130, batch=(5, 7)),
        dict(i=513, o=100, batch=(128,)),
        dict(i=300, o=70, batch=(1100,)),  # many rows, forward and in the input gradient,
        dict(i=33, o=1030, batch=(20,)),  # and in the weight gradient
        dict(i=1024, o=260, batch=(30,)),  # rows that the first cache cannot hold side by side
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
            dict(n=300, axis=1, b0=2, batch=(70,)),
            dict(n=3, axis=1, b0=2, batch=(5, 7)),
            dict(n=21, axis=1, b0=20, batch=(9, 17)),
        ],
    ),
}
ILL = "rms_norm", dict(n=1)  # nothing but eps is left there, and that is another in float64
NONE_OF_THEIR_OWN = "sin", "cos", "reshape"  # the file has kernels for the others
ELEMENTWISE = [
    name for name, rule in every().items() if isinstance(rule, Elementwise) and name not in NONE_OF_THEIR_OWN
]
LARGE |= dict.fromkeys(ELEMENTWISE, [dict(batch=(40003,)), dict(batch=(5, 3, 7, 11))])
LARGE |= {
    "flatten": [dict(n=(3, 33, 7, 11), start_axis=1), dict(n=(2, 5, 3, 70, 4), start_axis=-4, end_axis=3)],
    "select": [dict(n=9, batch=(40, 33), axis=-1, index=3), dict(n=50, batch=(20, 40))],
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
    "dropout": [dict(n=9, batch=(2, 33, 50), p=0.2), dict(n=1003, batch=(40,), p=0.3)],
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
LARGE |= {
    "prelu": [
        dict(n=7, c=33, d=(9, 15), p=33, kink="left"),
        dict(n=1033, c=70, d=(), p=70, kink="mean"),
        dict(n=1, c=1, d=(70001,), p=1),
        dict(n=3, c=5, d=(130,), p=1),
    ],
    "nll_loss": [
        dict(n=130, c=1000, d=()),
        dict(n=3, c=9, d=(50, 60), reduction="none"),
        dict(n=999, c=10, d=(), ignore_index=3, reduction="sum"),
        dict(c=70, d=(2500,), axis=0),
        dict(n=9, c=33, d=(7,), axis=-1, without=("w",)),
    ],
    "cross_entropy": [
        dict(n=130, c=1000, d=()),
        dict(n=3, c=40001, d=(), without=("w",), reduction="sum"),
        dict(n=99, c=10, d=(), reduction="none", label_smoothing=0.2),
        dict(n=9, c=33, d=(7,), axis=-1),
        dict(n=9, c=33, d=(7, 5), label_smoothing=1.0),
        dict(c=70, d=(), axis=0),
    ],
}

CLASSES = [
    dict(n=130, c=1000, d=()),
    dict(n=3, c=40001, d=(), without=("w",), reduction="sum"),
    dict(n=999, c=10, d=(), reduction="none", ignore_index=3),
    dict(n=9, c=33, d=(7,), axis=-1, reduction="sum"),
    dict(c=70, d=(), axis=0),
    dict(n=5, c=1, d=()),
    dict(n=31, c=130, d=()),
    dict(n=700, c=63, d=(), ignore_index=5),
    dict(n=5, c=3, d=(1, 1), reduction="sum"),
    dict(n=11, c=7, d=(2, 3), reduction="none"),
    dict(n=3, c=300, d=(5, 13), ignore_index=2),
    dict(n=2, c=3, d=(99, 7), reduction="none", ignore_index=1),
    dict(n=2, c=1, d=(300,), without=("w",)),
    dict(n=40, n1=20, c=9, d=(2,), axis=-3, without=("w",)),
    dict(n=9, c=21, d=(19, 15)),
]


def chained(*sizes, batch=()):
    return dict(sizes=sizes, batch=batch)


SMOOTHED = [case | dict(label_smoothing=s) for case, s in zip(CLASSES, (0.1, 0.3, 0.1, 1.0, 0.5, 0.1, 0.2))]
HIDDEN = {  # kernels of rules that have no name of their own: behind another's, and of neighbours
    "cross_entropy of classes": (ClassCrossEntropy(), CLASSES),
    "cross_entropy, smoothed": (SmoothedCrossEntropy(), [*SMOOTHED, dict(n=9, c=33, d=(7,), label_smoothing=0.5)]),
    "linear, relu": (
        pb.Chain((pb.linear, pb.relu)),
        [
            chained(dict(i=0, o=3), {}),
            chained(dict(i=3, o=2), {}),
            chained(dict(i=5, o=1100), {}, batch=(40,)),
            chained(dict(i=70, o=130), {}, batch=(5, 7)),
        ],
    ),
    "log_softmax, nll_loss": (
        pb.Chain((pb.log_softmax, pb.nll_loss)),
        [chained(dict(n=1), {}, batch=(1,)), chained(dict(n=1000), {}, batch=(130,))],
    ),
    "relu, max_pool2d": (pb.Chain((pb.relu, pb.max_pool2d)), [chained({}, dict(n=(15, 17)), batch=(2, 5))]),
    "conv2d, relu": (
        pb.Chain((pb.conv2d, pb.relu)),
        [
            chained(dict(i=2, o=40, n=(15, 21), k=(3, 3)), {}, batch=(3,)),
            chained(dict(i=32, o=16, n=(9, 5), k=(1, 1)), {}, batch=(2,)),
        ],
    ),
    "conv2d, relu, max_pool2d": (
        pb.Chain((pb.conv2d, pb.relu, pb.max_pool2d)),
        [chained(dict(i=2, o=40, n=(15, 21), k=(3, 3)), {}, {}, batch=(3,))],
    ),
}
RULES = {
    name: rule
    for name, rule in every().items()
    if twin_of(type(rule).__module__.rpartition(".")[2]) and name not in NONE_OF_THEIR_OWN
}
RULES |= {name: rule for name, (rule, _) in HIDDEN.items()}
SMALL = {name: [] if name in HIDDEN else list(rule.cases) for name, rule in RULES.items()}
LARGE |= {name: cases for name, (_, cases) in HIDDEN.items()}
CASES = [(name, case) for name in RULES for case in (*SMALL[name], *LARGE.get(name, [])) if (name, case) != ILL]
LAST = dict(CASES)  # of each, which is large and odd if one is


def arrays(rule, case, seed=0):
    """The rule, and float64 inputs that float32 holds exactly."""
    rule, sizes = rule.at(case)
    return rule, [as_single(x) for x in rule.sample(np.random.default_rng(seed), **sizes)]


def resized(name, n, axes=None):
    """The rule's own cases with all axes, or these, of n elements: those that it does not refuse."""
    sized = lambda old: tuple(n for _ in old) if isinstance(old, tuple) else n if isinstance(old, int) else old
    found = {}
    for case in SMALL[name]:
        rule, sizes = RULES[name].at(case)
        change = {k: sized(v) for k, v in sizes.items() if k != "without" and (axes is None or k in axes)}
        with suppress(PullbackError):
            rule.sample(np.random.default_rng(0), **sizes | change)
            found[str(case | change)] = case | change
    return list(found.values())


def without_examples(name):
    """The rule's own cases with an empty batch."""
    if "..." in str(RULES[name].signature):
        return [case | dict(batch=(0, 2)) for case in SMALL[name] if "batch" in case or case == SMALL[name][0]]
    return [case for first in RULES[name].inputs[0].axes[:1] for case in resized(name, 0, (first,))]


def as_single(x):
    """Numbers that float32 holds, in float64."""
    return x if x is None or x.dtype.kind != "f" else x.astype(np.float32).astype(float)


def to_single(x):
    return x.astype(np.float32) if getattr(x, "dtype", None) == np.float64 else x


def close(found, wanted, ulps=ULPS, cancelling=False):
    """Within so many ulps of the largest element; of 1, if that is less and terms of about 1 cancel."""
    for a, b in zip(as_tuple(found), as_tuple(wanted), strict=True):
        assert (a is None) == (b is None)
        if a is not None and np.asarray(b).dtype.kind == "f":
            a, b = np.asarray(a), np.asarray(b)
            assert a.dtype == np.float32 and a.shape == b.shape
            scale = float(np.max(abs(b[np.isfinite(b)]), initial=cancelling)) or 1.0  # 1 where all is zero
            np.testing.assert_allclose(a, b, rtol=0, atol=ulps * EPS * scale)


def compare(rule, inputs, change=lambda x: x):
    """Output, vjp, jvp and hvp after the kernel's forward, against the rule in float64."""
    rng = np.random.default_rng(1)
    draw = lambda zero: None if zero is None else as_single(rng.normal(size=zero.shape))
    ulps = MORE.get(rule.name, ULPS)
    cancelling = CANCELLING.get(rule.name, []) if all(np.size(x) == 1 for x in inputs) else []
    y, at = rule.linearize(*inputs)
    changed = lambda items: [None if x is None else change(to_single(x)) for x in items]
    fast_y, fast = rule.linearize(*changed(inputs))
    close(fast_y, y, ulps)
    gy, tx = [draw(zero) for zero in at.plan.gradients], [draw(zero) for zero in at.plan.tangents]
    close(fast.vjp(*changed(gy)), at.vjp(*gy), ulps, "vjp" in cancelling)
    close(fast.jvp(*changed(tx)), at.jvp(*tx), ulps)
    close(fast.hvp(changed(gy), changed(tx)), at.hvp(gy, tx), SECOND.get(rule.name, ulps), "hvp" in cancelling)


def waves(zeros):
    """A gradient for every output that has one: the same in every process."""
    return [None if z is None else np.cos(np.arange(z.size, dtype="f4")).reshape(z.shape) for z in zeros]


def bits(name, case):
    """A hash of what the kernel makes of a case, forth and back."""
    rule, inputs = arrays(RULES[name], case)
    y, at = rule.linearize(*map(to_single, inputs))
    found = hashlib.sha256()
    for a in (*as_tuple(y), *as_tuple(at.vjp(*waves(at.plan.gradients)))):
        found.update(b"" if a is None else np.asarray(a).tobytes())
    return found.hexdigest()


def strange(name, case, value, which):
    """The rule, inputs and gradients; one element of an input, or of the first gradient ("gy"), is inf or nan."""
    rule, inputs = arrays(RULES[name], case)
    rng, (_, at) = np.random.default_rng(2), rule.linearize(*inputs)
    gradients = [None if z is None else as_single(rng.normal(size=z.shape)) for z in at.plan.gradients]
    spoiled = gradients[0] if which == "gy" else inputs[which]
    spoiled[tuple(n // 2 for n in spoiled.shape)] = value
    return rule, inputs, gradients


def run(code, **environment):
    """What a process of its own prints."""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=os.environ | environment, timeout=1800
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


# How arrays may lie in memory.


def reversed_memory(x):
    return x[..., ::-1].copy()[..., ::-1] if x.ndim else x


def read_only(x):
    x = np.array(x)
    x.flags.writeable = False
    return x


def by_columns(x):
    return np.asfortranarray(x) if x.ndim else x


def every_second(x):
    return np.repeat(x, 2, -1)[..., ::2] if x.ndim else x


def channels_last(x):
    return np.moveaxis(np.moveaxis(x, 1, -1).copy(), -1, 1) if x.ndim > 2 else x
