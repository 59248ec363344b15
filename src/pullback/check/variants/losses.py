"""Losses: what is averaged, over what, with which weights, and what does not count."""

import numpy as np

from pullback.check.variants.call import Variant, needs


def divisor(a, n):
    """The mean over n in the place of the right number."""
    needs(a.rule.reduction == "mean")
    right = getattr(a, "n", None) or a.rule.count(a.x)
    return {name: g * right / n for name, g in a.right.items()}


def examples(a):
    return a.x.shape[0]


def one_hot(a):
    """1 at the target of every example."""
    hot = np.zeros(a.x.shape)
    hot[a.place] = 1
    return hot


def each(a):
    """What an example counts for, times its gradient from above, facing the classes."""
    return a.rule.lift(a.share * a.rule.spread(a.gy, a.n))


def p_of(a):
    """softmax(x): the rule keeps p and its value at the target apart."""
    p = a.p.copy()
    p[a.place] = a.saved["right"]
    return p


def smoothed(a, value):
    """p Σq - q with another q."""
    g = a.rule.lift(a.rule.spread(a.gy, a.n))
    return dict(x=g * (np.exp(a.logp) * value.sum(a.rule.axis, keepdims=True) - value))


def scores(a):
    """What is too much if x stands where σ(x) should."""
    g = a.rule.spread(a.gy, a.rule.count(a.x))
    return g * a.w * (a.x - 1 / (1 + np.exp(-a.x)))


def halved(a, inside):
    """d² with the derivative d, where the loss is a square."""
    return dict(x=np.where(inside, a.gx / 2, a.gx), t=np.where(inside, a.gt / 2, a.gt))


WEIGHTED = (
    Variant("weights of the classes forgotten", "missing_chain_factor", lambda a: dict(x=a.anew(w=None)["x"])),
    Variant("weights not in the normaliser: divided by the number of targets", "constant_factor",
            lambda a: divisor(a, a.t.size)),
    Variant("ignored targets counted in the mean", "constant_factor",
            lambda a: divisor(a, a.share.sum() + (a.share == 0).sum())),
    Variant("ignore_index ignored: these targets get a gradient", "mode_mismatch",
            lambda a: dict(x=a.back(share=np.where(a.share == 0, 1.0, a.share))["x"])),
)  # fmt: skip

VARIANTS = {
    "Loss": (
        Variant("the mean's divisor forgotten", "constant_factor", lambda a: divisor(a, 1)),
        Variant("the mean's divisor twice", "constant_factor",
                lambda a: divisor(a, (getattr(a, "n", None) or a.rule.count(a.x)) ** 2)),
        Variant("averaged over the first axis alone", "constant_factor", lambda a: divisor(a, examples(a))),
        Variant("the gradient from above taken for 1", "missing_upstream_grad",
                lambda a: a.back(gy=np.ones_like(a.gy))),
        Variant("the sign turned: target minus prediction", "sign", lambda a: dict(x=-a.gx)),
    ),
    "ClassLoss": WEIGHTED,
    "ClassCrossEntropy": (
        Variant("p without the target's 1", "missing_jacobian_term", lambda a: dict(x=a.gx + each(a) * one_hot(a))),
        Variant("p left out: the logarithm of a probability that is its own score", "missing_jacobian_term",
                lambda a: dict(x=-each(a) * one_hot(a))),
        Variant("only the target's entry", "missing_jacobian_term", lambda a: dict(x=a.gx * one_hot(a))),
        Variant("softmax passed through again: y (1 - y) times p - t", "missing_chain_factor",
                lambda a: dict(x=a.gx * p_of(a) * (1 - p_of(a)))),
        Variant("averaged over the classes as well", "constant_factor",
                lambda a: dict(x=a.gx / a.x.shape[a.rule.axis])),
        Variant("targets off by one", "index_routing",
                lambda a: dict(x=a.gx + each(a) * (one_hot(a) - np.roll(one_hot(a), 1, a.rule.axis)))),
    ),
    "CrossEntropy": (
        Variant("label smoothing forgotten", "mode_mismatch", lambda a: dict(x=a.anew(label_smoothing=0.0)["x"])),
        Variant("the targets' sum taken for 1", "missing_jacobian_term",
                lambda a: dict(x=a.rule.lift(a.rule.spread(a.gy, a.n)) * (np.exp(a.logp) - a.q))),
        Variant("p without the targets", "missing_jacobian_term",
                lambda a: dict(x=a.gx + a.rule.lift(a.rule.spread(a.gy, a.n)) * a.q)),
        Variant("only the targets, p left out", "missing_jacobian_term",
                lambda a: dict(x=-a.rule.lift(a.rule.spread(a.gy, a.n)) * a.q)),
        Variant("smoothing not divided by the number of classes", "mode_mismatch",
                lambda a: smoothed(a, a.q + a.rule.label_smoothing * (1 - 1 / a.x.shape[a.rule.axis]))),
        Variant("the target's gradient from p, not from log p", "saved_wrong_tensor",
                lambda a: dict(t=a.back(logp=np.exp(a.logp))["t"])),
        Variant("averaged over the classes as well", "constant_factor",
                lambda a: dict(x=a.gx / a.x.shape[a.rule.axis])),
    ),
    "NLLLoss": (
        Variant("every class gets the target's gradient", "index_routing",
                lambda a: dict(x=np.broadcast_to(a.gx.sum(a.rule.axis, keepdims=True), a.x.shape))),
        Variant("1 / x, of a probability and not of its logarithm", "wrong_local_derivative",
                lambda a: dict(x=a.gx / a.x)),
        Variant("targets off by one", "index_routing", lambda a: dict(x=np.roll(a.gx, 1, a.rule.axis))),
    ),
    "ElementwiseLoss": (
        Variant("prediction and target exchanged", "index_routing", lambda a: dict(x=a.gt, t=a.gx)),
        Variant("no gradient for the target", "missing_jacobian_term", lambda a: dict(t=np.zeros_like(a.gt))),
    ),
    "DifferenceLoss": (
        Variant("the target's gradient without its sign", "sign", lambda a: dict(t=-a.gt)),
    ),
    "SquaredError": (
        Variant("the 2 forgotten", "constant_factor", lambda a: dict(x=a.gx / 2, t=a.gt / 2)),
    ),
    "AbsoluteError": (
        Variant("the difference in the place of its sign", "wrong_local_derivative",
                lambda a: dict(x=a.gx * abs(a.x - a.t))),
    ),
    "SmoothAbsoluteError": (
        Variant("beta forgotten", "missing_chain_factor", lambda a: a.back(beta=1.0)),
        Variant("the straight part forgotten: d / beta everywhere", "wrong_local_derivative",
                lambda a: dict(x=a.gx * np.maximum(abs(a.x - a.t) / a.rule.beta, 1))),
        Variant("the 2 of d² forgotten", "wrong_local_derivative",
                lambda a: halved(a, abs(a.x - a.t) < a.rule.beta)),
        Variant("slope d - 1 left of -beta", "wrong_local_derivative",
                lambda a: dict(x=np.where(a.x - a.t < -a.rule.beta, a.gx * (1 - (a.x - a.t)), a.gx))),
    ),
    "Huber": (
        Variant("delta forgotten", "missing_chain_factor", lambda a: a.back(delta=1.0)),
        Variant("the straight part forgotten: d everywhere", "wrong_local_derivative",
                lambda a: dict(x=a.gx * np.maximum(abs(a.x - a.t) / a.rule.delta, 1))),
        Variant("the 2 of d² forgotten", "wrong_local_derivative",
                lambda a: halved(a, abs(a.x - a.t) <= a.rule.delta)),
        Variant("slope 1 beyond delta, not delta", "wrong_local_derivative",
                lambda a: dict(x=np.where(abs(a.x - a.t) > a.rule.delta, a.gx / a.rule.delta, a.gx))),
    ),
    "Weighted": (
        Variant("weights forgotten", "missing_chain_factor", lambda a: a.back(w=np.ones_like(a.w))),
    ),
    "BinaryCrossEntropy": (
        Variant("x - t, as if behind a sigmoid", "missing_chain_factor", lambda a: dict(x=a.gx * a.x * (1 - a.x))),
        Variant("the second term forgotten: -t / x", "missing_jacobian_term",
                lambda a: dict(x=a.gx - a.gx * (1 - a.t) * a.x / (a.x - a.t))),
        Variant("the sign of the inner derivative of log(1 - x)", "wrong_local_derivative",
                lambda a: dict(x=a.gx - 2 * a.gx * (1 - a.t) * a.x / (a.x - a.t))),
    ),
    "BinaryCrossEntropyWithLogits": (
        Variant("the sigmoid differentiated twice", "missing_chain_factor",
                lambda a: dict(x=a.gx / (2 + 2 * np.cosh(a.x)))),
        Variant("pos_weight forgotten", "missing_chain_factor", lambda a: dict(x=a.back(v=np.ones_like(a.v))["x"])),
        Variant("the score in the place of its probability: x - t", "saved_wrong_tensor",
                lambda a: dict(x=a.gx + scores(a))),
    ),
    "KLDiv": (
        Variant("the 1 of t log t forgotten", "missing_jacobian_term", lambda a: dict(t=a.gt + a.gx)),
        Variant("batchmean and mean confused", "constant_factor",
                lambda a: a.back(reduction={"mean": "batchmean", "batchmean": "mean"}[a.rule.reduction])),
        Variant("log_target ignored, or taken for granted", "mode_mismatch",
                lambda a: dict(x=a.gx * (np.exp(-a.t) * a.t if a.rule.log_target else np.exp(a.t) / a.t))),
    ),
}  # fmt: skip
