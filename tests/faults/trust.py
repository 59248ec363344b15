"""Right code is never accused: every rule at its cases, and torch's own layers."""

import warnings
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context

import numpy as np

import pullback
from pullback.check.contract import Trial
from pullback.discovery import every

LAYERS = {
    "relu": [(3, 4)], "gelu": [(3, 4)], "silu": [(3, 4)], "elu": [(3, 4)], "celu": [(3, 4)], "selu": [(3, 4)],
    "softplus": [(3, 4)], "mish": [(3, 4)], "hardswish": [(3, 4)], "hardsigmoid": [(3, 4)], "hardtanh": [(3, 4)],
    "leaky_relu": [(3, 4)], "logsigmoid": [(3, 4)], "softsign": [(3, 4)], "tanh": [(3, 4)], "relu6": [(3, 4)],
    "tanhshrink": [(3, 4)], "softshrink": [(3, 4)], "hardshrink": [(3, 4)], "glu": [(3, 4)], "normalize": [(3, 4)],
    "linear": [(4, 5), (3, 5), (3,)], "bilinear": [(2, 3), (2, 4), (5, 3, 4)], "conv1d": [(2, 3, 7), (4, 3, 3), (4,)],
    "conv2d": [(2, 2, 5, 4), (3, 2, 2, 3)], "conv_transpose1d": [(2, 3, 5), (3, 2, 3)], "mse_loss": [(3, 4), (3, 4)],
    "l1_loss": [(3, 4), (3, 4)], "smooth_l1_loss": [(3, 4), (3, 4)], "cosine_similarity": [(3, 4), (3, 4)],
    "scaled_dot_product_attention": [(2, 3, 4), (2, 5, 4), (2, 5, 4)],
}  # fmt: skip
WITH_OPTIONS = {  # and how each is called
    "softmax": ([(3, 4)], lambda f: lambda x: f(x, 1)),
    "log_softmax": ([(3, 4)], lambda f: lambda x: f(x, 1)),
    "batch_norm": ([(64, 8), (8,), (8,)], lambda f: lambda x, w, b: f(x, None, None, w, b, True)),
    "layer_norm": ([(6, 8), (8,), (8,)], lambda f: lambda x, w, b: f(x, (8,), w, b)),
    "group_norm": ([(4, 6, 5), (6,), (6,)], lambda f: lambda x, w, b: f(x, 3, w, b)),
    "instance_norm": ([(3, 4, 9)], lambda f: lambda x: f(x)),
    "rms_norm": ([(6, 8), (8,)], lambda f: lambda x, w: f(x, (8,), w)),
    "max_pool2d": ([(2, 2, 6, 5)], lambda f: lambda x: f(x, 2, 2)),
    "avg_pool2d": ([(2, 2, 6, 5)], lambda f: lambda x: f(x, 2, 1, 1)),
    "cross_entropy": ([(5, 4)], lambda f: lambda x: f(x, x.new_tensor([0, 3, 1, 1, 2]).long(), label_smoothing=0.1)),
    "kl_div": ([(5, 4), (5, 4)], lambda f: lambda x, t: f(x, t, reduction="batchmean", log_target=True)),
}


def quietly(*arguments, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # special values overflow in forward functions
        return pullback.check(*arguments, **options)


def judged(rule, case, seed):
    """A rule at the random inputs of one case, handed over as a pair of functions."""
    trial = Trial(rule, case, seed)
    names = [slot.name for slot, x in zip(trial.rule.inputs, trial.x) if x is not None]
    differ = [slot.differentiable for slot in trial.rule.outputs]

    def forward(*arrays):
        return tuple(trial.shown(trial.rule(**dict(zip(names, arrays)))))

    def backward(*arrays):
        gradients, arrays = iter(arrays[: sum(differ)]), arrays[sum(differ) :]
        above = [next(gradients) if each else None for each in differ]
        found = trial.rule.linearize(**dict(zip(names, arrays)))[1].vjp(*above)
        found = found if isinstance(found, tuple) else (found,)
        return tuple(g for g, x in zip(found, trial.x) if x is not None)

    return quietly(forward, backward, *[x for x in trial.x if x is not None], seed=seed)


def rules(seeds):
    """(where, report) for every rule and seed, cases in turn; or if `seeds` is 0, for each case once."""
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:  # JAX, among the peers, may not be forked
        for found in pool.map(partial(of_rule, seeds=seeds), every()):
            yield from found


def of_rule(name, seeds):
    rule = every()[name]
    cases = [case for case in rule.cases if not empty(case)]
    return [
        (f"{name} {cases[seed % len(cases)]} seed {seed}", judged(rule, cases[seed % len(cases)], seed))
        for seed in range(seeds or len(cases))
    ]


def empty(case):
    """Has it no elements? Then there is nothing to judge."""
    return any(0 in np.atleast_1d(n) for n in case.values() if isinstance(n, (int, tuple)) and n is not False)


def torch_layers():
    """torch.nn.functional through torch's own backward, in both precisions."""
    try:
        import torch.nn.functional as F
    except ImportError:
        return
    plain = {name: (shapes, lambda f: f) for name, shapes in LAYERS.items()}
    for name, (shapes, called) in (plain | WITH_OPTIONS).items():
        for dtype in (np.float64, np.float32):
            rng = np.random.default_rng(0)
            inputs = [rng.normal(size=shape).astype(dtype) for shape in shapes]
            yield f"{name} in {np.dtype(dtype)}", quietly(torch_function(called(getattr(F, name))), None, *inputs)


def torch_function(layer):
    import torch

    def call(*arrays):
        assert isinstance(arrays[0], torch.Tensor)
        return layer(*arrays)

    return call
