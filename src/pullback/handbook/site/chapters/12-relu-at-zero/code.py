# %% sides
import numpy as np

import pullback as pb

zero = np.array([0.0])
words = "left", "right", "mean", "min_norm", "max_norm", "torch", "jax", "tf"
choices = {word: pb.relu.linearize(zero, kink=word)[1].vjp(np.ones(1)).item() for word in words}
choices

# %% others
from pullback.handbook.explanation.convention import FRAMEWORKS, measured, ours

shown = "relu", "leaky_relu", "elu", "selu", "hardtanh", "abs", "clamp"
points = [p for p in measured()["points"] if p["rule"] in shown]
value = lambda g: "–" if g is None else " ".join(num(v) for v in np.ravel(np.array(g, float)))
at = lambda p: " ".join(num(v) for v in np.ravel(p["inputs"]["x"]))
name = lambda p: ", ".join([p["rule"], *(f"{key} = {num(v)}" for key, v in p["options"].items())])
rows = [[name(p), at(p), value(ours(p)), *(value(p["gradients"][name]) for name in FRAMEWORKS)] for p in points]
table([say("rule", "规则"), "x", "pullback", *FRAMEWORKS.values()], rows)

# %% rare
rng = np.random.default_rng(6)
numbers = rng.normal(size=1_000_000).astype(np.float32)
int((numbers == 0).sum())

# %% images
images = np.zeros((100, 1, 12, 12), np.float32)
images[:, :, 3:9, 3:9] = rng.random((100, 1, 6, 6), np.float32)  # something in the middle, black around it
kernel = rng.normal(size=(8, 1, 3, 3)).astype(np.float32)
z, conv = pb.conv2d.linearize(images, kernel, np.zeros(8, np.float32), padding=1)
share = float((z == 0).mean())
percent = round(100 * share)
share

# %% effect
above = rng.normal(size=z.shape).astype(np.float32)


def gradients(word):
    return conv.vjp(pb.relu.linearize(z, kink=word)[1].vjp(above))[1:]


(w_right, b_right), (w_torch, b_torch) = gradients("right"), gradients("torch")
difference = lambda a, b: float(np.abs(a - b).max() / np.abs(b).max())
of_weights, of_biases = difference(w_right, w_torch), difference(b_right, b_torch)
of_weights, of_biases
