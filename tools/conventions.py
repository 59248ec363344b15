"""Write src/pullback/handbook/conventions.json: what PyTorch, JAX and TensorFlow return where there is no derivative.

`make conventions` runs this. A framework that is not installed keeps what was measured last, with its version and date.
Every point is a call of ours and one of each framework, in float64; what is written down is the gradient of the sum
of its output by `by`.
"""

import json
import os
import warnings
from datetime import date
from importlib.util import find_spec
from pathlib import Path

import numpy as np

TARGET = Path(__file__).parent.parent / "src" / "pullback" / "handbook" / "conventions.json"
INF = float("inf")


def point(rule, inputs, torch=None, jax=None, tf=None, by="x", **options):
    return dict(rule=rule, options=options, inputs=inputs, by=by, calls=dict(torch=torch, jax=jax, tf=tf))


ZERO = dict(x=[0.0])
POINTS = [
    point("relu", ZERO, "F.relu(x)", "nn.relu(x)", "tf.nn.relu(x)"),
    point("relu6", dict(x=[0.0, 6.0]), "F.relu6(x)", "nn.relu6(x)", "tf.nn.relu6(x)"),
    point("leaky_relu", ZERO, "F.leaky_relu(x, 0.01)", "nn.leaky_relu(x, 0.01)", "tf.nn.leaky_relu(x, 0.01)"),
    point(
        "prelu", dict(x=[[0.0]], w=[0.25]), "F.prelu(x, w)", None,
        "keras.layers.PReLU(keras.initializers.Constant(0.25))(x)",
    ),
    point("elu", ZERO, "F.elu(x, 2.0)", "nn.elu(x, 2.0)", "keras.activations.elu(x, 2.0)", alpha=2.0),
    point("selu", ZERO, "F.selu(x)", "nn.selu(x)", "tf.nn.selu(x)"),
    point("celu", ZERO, "F.celu(x, 2.0)", "nn.celu(x, 2.0)", "keras.activations.celu(x, 2.0)", alpha=2.0),
    point("hardtanh", dict(x=[-1.0, 1.0]), "F.hardtanh(x)", "nn.hard_tanh(x)", "keras.activations.hard_tanh(x)"),
    point(
        "hardsigmoid", dict(x=[-3.0, 3.0]), "F.hardsigmoid(x)", "nn.hard_sigmoid(x)",
        "keras.activations.hard_sigmoid(x)",
    ),
    point("hardswish", dict(x=[-3.0, 3.0]), "F.hardswish(x)", "nn.hard_swish(x)", "keras.activations.hard_silu(x)"),
    point("softshrink", dict(x=[-0.5, 0.5]), "F.softshrink(x)", None, "keras.activations.soft_shrink(x)"),
    point("hardshrink", dict(x=[-0.5, 0.5]), "F.hardshrink(x)", None, "keras.activations.hard_shrink(x)"),
    point(
        "threshold", dict(x=[0.5]), "F.threshold(x, 0.5, 2.0)", None, "keras.activations.threshold(x, 0.5, 2.0)",
        threshold=0.5, value=2.0,
    ),
    point("softsign", ZERO, "F.softsign(x)", "nn.soft_sign(x)", "tf.nn.softsign(x)"),
    point("softplus", dict(x=[20.0]), "F.softplus(x)", "nn.softplus(x)", "tf.nn.softplus(x)"),
    point("abs", ZERO, "torch.abs(x)", "jnp.abs(x)", "tf.abs(x)"),
    point(
        "clamp", dict(x=[-1.0, 1.0]), "torch.clamp(x, -1, 1)", "jnp.clip(x, -1, 1)", "tf.clip_by_value(x, -1.0, 1.0)",
        min=-1.0, max=1.0,
    ),
    point("sqrt", ZERO, "torch.sqrt(x)", "jnp.sqrt(x)", "tf.sqrt(x)"),
    point("log", ZERO, "torch.log(x)", "jnp.log(x)", "tf.math.log(x)"),
    point(
        "l1_loss", dict(x=[1.0], t=[1.0]), "F.l1_loss(x, t)", "jnp.mean(jnp.abs(x - t))",
        "keras.losses.MeanAbsoluteError(dtype='float64')(t, x)",
    ),
    point(
        "smooth_l1_loss", dict(x=[1.0, 2.0], t=[1.0, 1.0]), "F.smooth_l1_loss(x, t)", None,
        "keras.losses.Huber(dtype='float64')(t, x)",
    ),
    point(
        "huber_loss", dict(x=[1.0, 2.0], t=[1.0, 1.0]), "F.huber_loss(x, t)", None,
        "keras.losses.Huber(dtype='float64')(t, x)",
    ),
    point(
        "max_pool1d", dict(x=[[1.0, 1.0]]), "F.max_pool1d(x, 2)",
        "lax.reduce_window(x, -jnp.inf, lax.max, (1, 2), (1, 2), 'VALID')",
        "tf.nn.max_pool1d(x[..., None], 2, 2, 'VALID')",
    ),
    point("adaptive_max_pool1d", dict(x=[[1.0, 1.0]]), "F.adaptive_max_pool1d(x, 1)"),
    point(
        "max_pool2d", dict(x=[[[1.0, 1.0], [1.0, 1.0]]]), "F.max_pool2d(x, 2)",
        "lax.reduce_window(x, -jnp.inf, lax.max, (1, 2, 2), (1, 2, 2), 'VALID')",
        "tf.nn.max_pool2d(x[..., None], 2, 2, 'VALID')",
    ),
    point("lp_pool1d", dict(x=[[0.0, 0.0]]), "F.lp_pool1d(x, 2, 2)"),
    point("softmax", dict(x=[-INF, -INF]), "F.softmax(x, -1)", "nn.softmax(x)", "tf.nn.softmax(x)"),
    point(
        "log_softmax", dict(x=[-INF, -INF]), "F.log_softmax(x, -1)", "nn.log_softmax(x)", "tf.nn.log_softmax(x)",
    ),
    point(
        "logsumexp", dict(x=[-INF, -INF]), "torch.logsumexp(x, -1)", "nn.logsumexp(x)", "tf.reduce_logsumexp(x)"
    ),
    point(
        "binary_cross_entropy", dict(x=[0.0], t=[1.0]), "F.binary_cross_entropy(x, t)", None,
        "keras.losses.BinaryCrossentropy(dtype='float64')(t, x)",
    ),
    point(
        "cross_entropy", dict(x=[[1.0, 2.0]], t=[-100]), "F.cross_entropy(x, t)", None,
        "keras.losses.SparseCategoricalCrossentropy(True, -100, dtype='float64')(t, x)",
    ),
    point("nll_loss", dict(x=[[-1.0, -2.0]], t=[-100]), "F.nll_loss(x, t)"),
    point("kl_div", dict(x=[-1.0], t=[0.0]), "F.kl_div(x, t, reduction='sum')", by="t", reduction="sum"),
    point(
        "scaled_dot_product_attention",
        dict(q=[[1.0]], k=[[1.0]], v=[[1.0]], mask=[[-INF]]),
        "F.scaled_dot_product_attention(q[None], k[None], v[None], attn_mask=mask)",
        "nn.dot_product_attention(q[None, :, None], k[None, :, None], v[None, :, None], bias=mask[None, None])",
        by="v",
    ),
    point("rms_norm", dict(x=[0.0, 0.0], w=[1.0, 0.0]), "F.rms_norm(x, (2,), w, 1e-5)", eps=1e-5),
    point("layer_norm", dict(x=[1.0, 1.0], w=[1.0, 0.0]), "F.layer_norm(x, (2,), w)"),
]  # fmt: skip


def measured_by_torch():
    import torch
    import torch.nn.functional as F

    def gradient(call, inputs, by):
        arrays = {
            name: torch.tensor(value, dtype=kind(value, torch.float64, torch.int64)) for name, value in inputs.items()
        }
        arrays[by].requires_grad_()
        eval(call, {"torch": torch, "F": F}, arrays).sum().backward()
        return arrays[by].grad.numpy()

    return torch.__version__.partition("+")[0], gradient


def measured_by_jax():
    import jax
    from jax import lax, nn
    from jax import numpy as jnp

    jax.config.update("jax_enable_x64", True)

    def gradient(call, inputs, by):
        arrays = {name: jnp.array(value, kind(value, jnp.float64, jnp.int64)) for name, value in inputs.items()}
        names = {"nn": nn, "jnp": jnp, "lax": lax}
        return jax.grad(lambda value: jnp.sum(eval(call, names, arrays | {by: value})))(arrays[by])

    return jax.__version__, gradient


def measured_by_tf():
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    import keras
    import tensorflow as tf

    keras.backend.set_floatx("float64")
    names = {"tf": tf, "keras": keras}

    def gradient(call, inputs, by):
        arrays = {name: tf.constant(value, kind(value, tf.float64, tf.int64)) for name, value in inputs.items()}
        with tf.GradientTape() as tape:
            tape.watch(arrays[by])
            y = tf.reduce_sum(eval(call, names, arrays))
        return tape.gradient(y, arrays[by]).numpy()

    return f"{tf.__version__}, Keras {keras.__version__}", gradient


FRAMEWORKS = {
    "torch": ("torch", measured_by_torch),
    "jax": ("jax", measured_by_jax),
    "tf": ("tensorflow", measured_by_tf),
}


def table(before):
    """The whole table; columns of what is not installed as they were before."""
    known = {key(p): p["gradients"] for p in before.get("points", [])}
    points = [named(p) | {"gradients": dict.fromkeys(FRAMEWORKS)} for p in POINTS]
    measured = dict(before.get("measured", {}))
    for name, (package, begin) in FRAMEWORKS.items():
        if find_spec(package) is None:
            for p in points:
                p["gradients"][name] = known.get(key(p), {}).get(name)
            continue
        version, gradient = begin()
        measured[name] = {"version": version, "date": str(date.today())}
        for p in points:
            if call := p["calls"][name]:
                p["gradients"][name] = np.asarray(gradient(call, unnamed(p["inputs"]), p["by"])).tolist()
    return {"measured": measured, "points": points}


def key(p):
    return json.dumps([p["rule"], p["options"], p["inputs"], p["by"]], sort_keys=True, default=str)


def named(value):
    """nan and infinities as texts, for JSON has none."""
    if isinstance(value, dict):
        return {name: named(item) for name, item in value.items()}
    if isinstance(value, list):
        return [named(item) for item in value]
    return str(value) if isinstance(value, float) and not np.isfinite(value) else value


def unnamed(value):
    """Back again."""
    if isinstance(value, dict):
        return {name: unnamed(item) for name, item in value.items()}
    return np.asarray(value, kind(value, float, int)).tolist()


def kind(value, real, whole):
    """The dtype of an input: whole numbers without a point are classes."""
    return whole if np.asarray(value).dtype.kind == "i" else real


def text(found):
    """One point a line."""
    rows = ",\n  ".join(json.dumps(p) for p in found["points"])
    return f'{{\n "measured": {json.dumps(found["measured"])},\n "points": [\n  {rows}\n ]\n}}\n'


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    before = json.loads(TARGET.read_text("utf-8")) if TARGET.exists() else {}
    TARGET.write_text(text(named(table(before))), encoding="utf-8")
