# %% first
import numpy as np

import pullback as pb

y, at = pb.softmax.linearize(np.array([2.0, 3.0]))
y, at.vjp(np.array([1.0, 0.0]))

# %% identity
rng = np.random.default_rng(0)
x, t, g = rng.normal(size=(3, 4))
y, at = pb.softmax.linearize(x)
g @ at.jvp(t), at.vjp(g) @ t

# %% faces
J = at.jacobian().dense()
heatmap(J, say("J, the Jacobian of softmax at four scores", "J：softmax 在四个得分处的雅可比矩阵"))
