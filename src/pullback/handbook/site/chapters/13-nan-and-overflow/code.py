# %% softmax
import numpy as np

import pullback as pb

scores = np.array([1000.0, 1001.0])
e = np.exp(scores)
e / e.sum(), pb.softmax(scores)

# %% limits
largest = {kind.__name__: float(np.log(np.finfo(kind).max)) for kind in (np.float16, np.float32, np.float64)}
table([say("type", "类型"), say("exp overflows above", "exp 在此之上溢出")], [[k, v] for k, v in largest.items()])

# %% sigmoid
x = np.array([5.0, 10.0, 16.0, 17.0, 30.0], np.float32)
y, at = pb.sigmoid.linearize(x)
book = y * (1 - y)
exact = np.exp(-x.astype(float)) / (1 + np.exp(-x.astype(float))) ** 2
rows = [[float(a), float(b), float(c), float(d)] for a, b, c, d in zip(x, book, at.vjp(np.ones_like(x)), exact)]
table(["x", "y (1 - y)", "pullback", say("exact", "精确值")], rows)

# %% where
x = np.array([-1.0, 4.0])
root, at = pb.sqrt.linearize(x)
y = np.where(x > 0, root, 0.0)
gx = at.vjp(np.where(x > 0, 1.0, 0.0))
y, gx

# %% twice
safe = np.where(x > 0, x, 1.0)
root, at = pb.sqrt.linearize(safe)
np.where(x > 0, at.vjp(np.where(x > 0, 1.0, 0.0)), 0.0)

# %% masked
inf = np.inf
row = np.array([[-inf, -inf, -inf], [0.0, -inf, 1.0]])
naive = np.exp(row - row.max(1, keepdims=True))
naive / naive.sum(1, keepdims=True), pb.softmax(row)

# %% log
p = pb.sigmoid(np.array([-800.0]))
np.log(p), pb.logsigmoid(np.array([-800.0]))
