# %% forward
import numpy as np

import pullback as pb

w, u = 0.5, 2.0
x = [1.0, -1.0, 0.5]
h, slope = [0.0], []
for x_t in x:
    h.append(np.tanh(w * x_t + u * h[-1]))
    slope.append(1 - h[-1] ** 2)
h1, h2, h3 = h[1:]
np.array(h[1:])

# %% paths
s1, s2, s3 = slope
direct = s3 * x[2]
through_h2 = s3 * u * s2 * x[1]
through_h1 = s3 * u * s2 * u * s1 * x[0]
direct, through_h2, through_h1, direct + through_h2 + through_h1

# %% rule
sequence = np.array(x).reshape(3, 1, 1)
_, at = pb.rnn.linearize(sequence, w_l0=[[w]], u_l0=[[u]])
only_the_last = np.array([0.0, 0.0, 1.0]).reshape(3, 1, 1)
names = [slot.name for slot in at.rule.inputs]
gradients = dict(zip(names, at.vjp(only_the_last, None)))
gradients["w_l0"].item(), gradients["u_l0"].item()

# %% recursion
gh, gw, gu = 1.0, 0.0, 0.0  # the loss is h3
for t in (3, 2, 1):
    gz = slope[t - 1] * gh
    gw, gu = gw + gz * x[t - 1], gu + gz * h[t - 1]
    gh = u * gz
gw, gu

# %% table
rows = [
    [say("directly", "直接"), "s3 x3", direct],
    [say("through h2", "经过 h2"), "s3 u s2 x2", through_h2],
    [say("through h2 and h1", "经过 h2 和 h1"), "s3 u s2 u s1 x1", through_h1],
]
table([say("path", "路径"), say("formula", "公式"), say("value", "数值")], rows)
