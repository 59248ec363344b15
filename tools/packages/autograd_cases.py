"""Primitives of autograd.numpy and autograd.scipy: their vector-Jacobian products are written by hand."""

import autograd.numpy as anp
import autograd.scipy.signal as signal
import autograd.scipy.special as special
import autograd.scipy.stats as stats
from inputs import ABOVE_ONE, IMAGE, INVERTIBLE, MATRIX, ROWS, UNIT, between

linalg = anp.linalg
EVERYWHERE = """absolute arctan arcsinh cos cosh exp exp2 expm1 negative sin sinc sinh square tan tanh sum mean prod max
    min var std cumsum diff fliplr ravel rot90 sort transpose tril triu"""
TWO = "add subtract multiply divide maximum minimum arctan2 hypot logaddexp logaddexp2 kron"


def cases():
    for name in EVERYWHERE.split():
        yield name, getattr(anp, name), None, [ROWS]
    for name in "log log10 log1p log2 sqrt reciprocal arccosh".split():
        yield name, getattr(anp, name), None, [ABOVE_ONE]
    for name in "arcsin arccos arctanh".split():
        yield name, getattr(anp, name), None, [UNIT]
    for name in TWO.split():
        yield name, getattr(anp, name), None, [ROWS, ROWS]
        yield f"{name}, broadcast", getattr(anp, name), None, [ROWS, (5,)]
    yield "gradient", anp.gradient, None, [(5,)]
    yield "power", anp.power, None, [UNIT, ROWS]
    yield "remainder", anp.remainder, None, [ROWS, ABOVE_ONE]
    yield "dot", anp.dot, None, [ROWS, MATRIX]
    yield "matmul, batches", anp.matmul, None, [(2, 4, 5), MATRIX]
    yield "inner", anp.inner, None, [ROWS, (3, 5)]
    yield "outer", anp.outer, None, [(4,), (5,)]
    yield "cross", anp.cross, None, [(4, 3), (4, 3)]
    yield "einsum", lambda x, w: anp.einsum("ni,io->no", x, w), None, [ROWS, MATRIX]
    yield "tensordot", lambda x, w: anp.tensordot(x, w, 1), None, [ROWS, MATRIX]
    yield "pad", lambda x: anp.pad(x, 1, "constant"), None, [ROWS]
    yield "tile", lambda x: anp.tile(x, (2, 3)), None, [ROWS]
    yield "repeat", lambda x: anp.repeat(x, 2, axis=1), None, [ROWS]
    yield "clip", lambda x: anp.clip(x, -0.5, 0.5), None, [ROWS]
    yield "partition", lambda x: anp.partition(x, 2), None, [ROWS]
    yield "take with repeats", lambda x: x[anp.array([0, 2, 0])], None, [ROWS]
    yield "max, along an axis", lambda x: anp.max(x, axis=1), None, [IMAGE]
    for name in "inv det pinv".split():
        yield f"linalg.{name}", getattr(linalg, name), None, [INVERTIBLE]
    yield "linalg.slogdet", lambda x: linalg.slogdet(x)[1], None, [INVERTIBLE]
    yield "linalg.norm", linalg.norm, None, [ROWS]
    yield "linalg.norm, along an axis", lambda x: linalg.norm(x, axis=1), None, [ROWS]
    yield "linalg.norm, nuclear", lambda x: linalg.norm(x, "nuc"), None, [ROWS]
    yield "linalg.solve", linalg.solve, None, [INVERTIBLE, (3, 2)]
    yield "linalg.cholesky", lambda x: linalg.cholesky(x @ x.T + anp.eye(3)), None, [(3, 3)]
    yield "linalg.eigh, values", lambda x: linalg.eigh(x + x.T)[0], None, [(3, 3)]
    yield "linalg.svd, values", lambda x: linalg.svd(x)[1], None, [ROWS]
    for name in "erf erfc expit logit psi gammaln j0 i0".split():
        yield f"special.{name}", getattr(special, name), None, [UNIT]
    yield "special.logsumexp", special.logsumexp, None, [ROWS]
    yield "special.logsumexp, along an axis", lambda x: special.logsumexp(x, axis=0), None, [ROWS]
    yield "special.beta", special.beta, None, [UNIT, ABOVE_ONE]
    yield "signal.convolve", signal.convolve, None, [(6,), (3,)]
    yield "signal.convolve, valid", lambda x, w: signal.convolve(x, w, mode="valid"), None, [(6,), (3,)]
    for name in "pdf logpdf cdf logcdf".split():
        yield f"stats.norm.{name}", getattr(stats.norm, name), None, [(4,), (4,), between(0.5, 1.5, 4)]
    yield "stats.t.logpdf", stats.t.logpdf, None, [(4,), between(2, 3, 4)]
    yield "stats.gamma.logpdf", stats.gamma.logpdf, None, [between(1, 2, 4), between(1, 2, 4)]
    yield "stats.beta.logpdf", stats.beta.logpdf, None, [between(0.1, 0.9, 4), between(1, 2, 4), between(1, 2, 4)]
