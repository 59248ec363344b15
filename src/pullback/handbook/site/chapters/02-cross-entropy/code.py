# %% fused
import numpy as np

import pullback as pb

x, t = np.array([[2.0, 3.0, 0.5]]), np.array([1])
loss, at = pb.cross_entropy.linearize(x, t)
p = pb.softmax(x)
loss, at.vjp(1.0)[0], p - np.eye(3)[t]

# %% steps
p, through_softmax = pb.softmax.linearize(x)
logarithm, through_log = pb.log.linearize(p)
_, through_pick = pb.nll_loss.linearize(logarithm, t)

g_logarithm = through_pick.vjp(1.0)[0]
g_p = through_log.vjp(g_logarithm)
g_x = through_softmax.vjp(g_p)
g_logarithm, g_p, g_x

# %% table
line = lambda g: "[" + " ".join(map(num, g[0])) + "]"
rows = [["-log p[t]", line(g_logarithm)], ["log p", line(g_p)], ["softmax(x)", line(g_x)]]
table([say("through", "经过"), say("gradient that comes out", "传出的梯度")], rows)

# %% extreme
far = np.array([[0.0, -800.0]])
with np.errstate(all="ignore"):
    p, back = pb.softmax.linearize(far)
    steps = back.vjp(np.array([[0.0, -1.0]]) / p)
fused = pb.cross_entropy.linearize(far, [1])[1].vjp(1.0)[0]
p, steps, fused

# %% twice
once_too_often = pb.cross_entropy.linearize(pb.softmax(x), t)[1].vjp(1.0)[0]
once_too_often, at.vjp(1.0)[0]

# %% smooth
q = np.array([[0.1, 0.8, 0.1]])
pb.cross_entropy.linearize(x, q)[1].vjp(1.0)[0], pb.softmax(x) - q
