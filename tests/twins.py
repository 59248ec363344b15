"""Comparison with PyTorch: value, vjp and jvp of a rule and of its twin, in float64 and float32."""

import numpy as np
import pytest
from allpairspy import AllPairs

from pullback.discovery import find

torch = pytest.importorskip("torch")

BOUNDS = {np.float64: 1e-10, np.float32: 2e-5}  # error allowed, relative to the largest entry (or 1)


def normal(*shape, seed=0):
    return np.random.default_rng([seed, *shape]).normal(size=shape)


def pairs(**choices):
    """A covering array: dicts in which every pair of values of two keywords occurs together."""
    if len(choices) == 1:
        return [{name: value} for name, values in choices.items() for value in values]
    return [dict(zip(choices, row)) for row in AllPairs([list(values) for values in choices.values()])]


def same(name, theirs, inputs, bounds=BOUNDS, **options):
    """Compare the rule `name` with the function `theirs` at NumPy `inputs` (None: left out).

    What the rule differentiates is differentiated; float inputs are cast to each dtype of `bounds`.
    """
    for dtype, bound in bounds.items():
        _same(find(name), theirs, [cast(a, dtype) for a in inputs], bound, options)


def cast(a, dtype):
    return a.astype(dtype) if isinstance(a, np.ndarray) and a.dtype.kind == "f" else a


def _same(rule, theirs, inputs, bound, options):
    y, at = rule.linearize(*inputs, **options)
    has = at.plan.has[: len(inputs)]
    fixed = [None if a is None else torch.tensor(a) for a in inputs]
    live = tuple(t for t, h in zip(fixed, has) if h)

    def f(*moving):
        moving = iter(moving)
        found = theirs(*(next(moving) if h else t for h, t in zip(has, fixed)))
        return tuple(a for a in (found if isinstance(found, tuple) else (found,)) if a.dtype.is_floating_point)

    ours = [np.asarray(a) for a in as_tuple(y) if np.asarray(a).dtype.kind == "f"][: len(f(*live))]
    close(ours, f(*live), bound, "value")
    rng = np.random.default_rng(1)
    gy = [rng.normal(size=a.shape).astype(a.dtype) for a in ours]
    tx = [rng.normal(size=tuple(a.shape)).astype(ours[0].dtype) for a in live]
    _, want = torch.autograd.functional.vjp(f, live, tuple(map(torch.tensor, gy)))
    close([g for g in as_tuple(at.vjp(*gy)) if g is not None], want, bound, "vjp")
    _, want = torch.autograd.functional.jvp(f, live, tuple(map(torch.tensor, tx)))
    tangents = iter(tx)
    found = as_tuple(at.jvp(*(next(tangents) if h else None for h in has)))
    close([t for t in found if t is not None][: len(want)], want, bound, "jvp")


def close(found, wanted, bound, what):
    wanted = wanted if isinstance(wanted, tuple) else (wanted,)
    for a, b in zip(found, wanted, strict=True):
        b = b.detach().numpy()
        scale = max(1.0, np.max(abs(b[np.isfinite(b)]), initial=0.0))
        np.testing.assert_allclose(a, b, rtol=0, atol=bound * scale, err_msg=what)


def as_tuple(value):
    return value if isinstance(value, tuple) else (value,)
