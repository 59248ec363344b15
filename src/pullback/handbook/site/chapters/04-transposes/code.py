# %% setup
import numpy as np

import pullback as pb

rng = np.random.default_rng(1)
X, W = rng.normal(size=(4, 3)), rng.normal(size=(2, 3))
Y, at = pb.linear.linearize(X, W)
dY = rng.normal(size=Y.shape)
gX, gW, _ = at.vjp(dY)
np.abs(gW - dY.T @ X).max(), np.abs(gX - dY @ W).max()

# %% shapes
shape = lambda a: " × ".join(map(str, a.shape))
table(
    [say("array", "数组"), say("shape", "形状"), say("axes", "轴")],
    [
        ["X", shape(X), say("examples × inputs", "样本 × 输入")],
        ["W", shape(W), say("outputs × inputs", "输出 × 输入")],
        ["Y = X Wᵀ", shape(Y), say("examples × outputs", "样本 × 输出")],
        ["dY", shape(dY), say("examples × outputs", "样本 × 输出")],
        ["dW = dYᵀ X", shape(gW), say("outputs × inputs", "输出 × 输入")],
        ["dX = dY W", shape(gX), say("examples × inputs", "样本 × 输入")],
    ],
)

# %% sum
outer = sum(np.outer(dY[n], X[n]) for n in range(4))
np.abs(outer - gW).max()

# %% square
S = rng.normal(size=(3, 3))
_, square = pb.linear.linearize(X, S)
gY = rng.normal(size=(4, 3))
(gY @ S.T).shape == X.shape, np.allclose(gY @ S.T, square.vjp(gY)[0])
