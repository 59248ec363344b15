"""Chains with a kernel of their own."""

from functools import partial

from pullback.kernels import METHODS, conv_pool, conv_relu, linear_relu, log_softmax_nll, ours, relu_pool

CHAINS = {
    ("Conv", "ReLU", "MaxPool"): conv_pool,
    ("Conv", "ReLU"): conv_relu,
    ("ReLU", "MaxPool"): relu_pool,
    ("Linear", "ReLU"): linear_relu,
    ("LogSoftmax", "NLLLoss"): log_softmax_nll,
}


def kernel_of(rule):
    if all(map(ours, rule.rules)):
        return CHAINS.get(tuple(type(each).__name__ for each in rule.rules))
    return None


def takes(rule, *inputs):
    kernel = kernel_of(rule)
    return kernel is not None and kernel.takes(rule, *inputs)


def made_for(rule):
    kernel = kernel_of(rule)
    return {name: partial(getattr(kernel, name), rule) for name in METHODS if hasattr(kernel, name)}
