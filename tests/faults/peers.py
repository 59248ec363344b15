"""The same sketches through torch's gradcheck and JAX's check_grads, as somebody would who wraps such code in them."""

import warnings

import numpy as np

from faults.suite import cases, sketch

LARGEST = 1000  # outputs: one by one, as gradcheck tries them, more take minutes


def torch_accepts(case, version, fast):
    import torch

    scope = sketch(case)
    f, derivative, x0 = scope["f"], scope[version], scope["x0"]

    class Layer(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return torch.as_tensor(np.array(f(x.detach().numpy())))

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            return torch.as_tensor(np.array(derivative(x.detach().numpy(), g.detach().numpy())))

    kind = torch.complex128 if np.iscomplexobj(x0) else torch.float64
    x = torch.tensor(x0, dtype=kind, requires_grad=True)
    return torch.autograd.gradcheck(Layer.apply, (x,), fast_mode=fast)


def jax_accepts(case, version):
    import jax
    from jax.test_util import check_grads

    with jax.enable_x64(True):
        scope = sketch(case)
        x0 = np.asarray(scope["x0"], complex if np.iscomplexobj(scope["x0"]) else float)
        like = lambda a: jax.ShapeDtypeStruct(np.shape(a), np.asarray(a).dtype)
        y0 = np.asarray(scope["f"](x0))

        @jax.custom_vjp
        def layer(x):
            return jax.pure_callback(lambda x: np.asarray(scope["f"](np.asarray(x)), y0.dtype), like(y0), x)

        back = lambda x, g: np.asarray(scope[version](np.array(x), np.array(g)), x0.dtype)
        layer.defvjp(lambda x: (layer(x), x), lambda x, g: (jax.pure_callback(back, like(x0), x, g),))
        check_grads(layer, (x0,), order=1, modes=["rev"])
    return True


CHECKERS = {
    "gradcheck, slow": lambda case, version: torch_accepts(case, version, fast=False),
    "gradcheck, fast": lambda case, version: torch_accepts(case, version, fast=True),
    "check_grads": jax_accepts,
}


def figures(name, checker):
    """How many there are, how many of the bad and of the good ones are refused; without jvps and huge layers."""
    caught = false = count = 0
    for case in cases(name):
        if case["harness_kind"] == "jvp" or outputs(case) > LARGEST:
            continue
        count += 1
        caught += not accepts(CHECKERS[checker], case, "bad")
        false += not accepts(CHECKERS[checker], case, "good")
    return count, caught, false


def outputs(case):
    scope = sketch(case)
    return np.size(scope["f"](scope["x0"]))


def accepts(checker, case, version):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return bool(checker(case, version))
        except Exception:  # that is how they refuse
            return False
