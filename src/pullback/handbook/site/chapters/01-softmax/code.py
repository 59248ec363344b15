# %% setup
import numpy as np

import pullback as pb

x = np.array([2.0, 3.0])
y, at = pb.softmax.linearize(x)
y

# %% one-by-one
step = 1e-6
column = (pb.softmax(x + [step, 0]) - pb.softmax(x - [step, 0])) / (2 * step)
column, y[0] * (1 - y[0]), -y[1] * y[0]

# %% matrix
np.diag(y) - np.outer(y, y)

# %% heat
scores = np.array([2.0, 3.0, 0.5, 1.0])
p, there = pb.softmax.linearize(scores)
heatmap(
    there.jacobian().dense(),
    say("∂y/∂x of softmax", "softmax 的 ∂y/∂x"),
    [f"y[{i}]" for i in range(4)],
    [f"x[{j}]" for j in range(4)],
)

# %% vjp
gy = np.array([1.0, 0.0])
y * (gy - y @ gy), at.vjp(gy)

# %% ones
at.vjp(np.ones(2))

# %% diagonal
wrong = y * (1 - y) * gy
wrong, at.vjp(gy)
