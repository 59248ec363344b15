# %% bias
import numpy as np

import pullback as pb

rng = np.random.default_rng(2)
x, w, b = rng.normal(size=(4, 3)), rng.normal(size=(2, 3)), rng.normal(size=2)
y, at = pb.linear.linearize(x, w, b)
gy = rng.normal(size=y.shape)
at.vjp(gy)[2], gy.sum(0)

# %% nudge
step = 1e-6
moved = (gy * (pb.linear(x, w, b + [step, 0]) - y)).sum() / step
moved

# %% losses
t = rng.normal(size=(4, 2))
totals = {how: pb.mse_loss.linearize(y, t, reduction=how)[1].vjp(1.0)[0] for how in ("sum", "mean")}
ratio = totals["sum"] / totals["mean"]
ratio

# %% batch
draw = np.random.default_rng(3)
many = draw.normal(size=(1000, 3))
outputs = pb.linear(many, w, b)
targets = outputs - 0.5 + draw.normal(size=outputs.shape)


def gradient(examples, how):
    y, layer = pb.linear.linearize(many[:examples], w, b)
    return layer.vjp(pb.mse_loss.linearize(y, targets[:examples], reduction=how)[1].vjp(1.0)[0])[2][0]


rows = [[n, *(float(gradient(n, how)) for how in ("sum", "mean"))] for n in (10, 100, 1000)]
table([say("examples", "样本数"), say("gb, sum", "gb，求和"), say("gb, mean", "gb，平均")], rows)

# %% weighted
scores, classes, weights = rng.normal(size=(3, 2)), np.array([0, 1, 1]), np.array([1.0, 3.0])
each = pb.cross_entropy(scores, classes, weights, reduction="none")
pb.cross_entropy(scores, classes, weights), each.sum() / weights[classes].sum(), each.mean()
