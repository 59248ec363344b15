# %% forward
import numpy as np

import pullback as pb

rng = np.random.default_rng(9)
q, k, v = rng.normal(size=(3, 4)), rng.normal(size=(5, 4)), rng.normal(size=(5, 2))
scale = 1 / np.sqrt(4)
s = scale * q @ k.T
p = pb.softmax(s)
y, at = pb.scaled_dot_product_attention.linearize(q, k, v)
np.abs(p @ v - y).max()

# %% backward
gy = rng.normal(size=y.shape)
gv = p.T @ gy
gp = gy @ v.T
gs = p * (gp - (p * gp).sum(1, keepdims=True))
gq = scale * gs @ k
gk = scale * gs.T @ q
max(np.abs(a - b).max() for a, b in zip((gq, gk, gv), at.vjp(gy)))

# %% probabilities
heatmap(
    p,
    say("p: what each query (row) attends to", "p：每个查询（行）关注哪些键"),
    [f"q{i}" for i in range(3)],
    [f"k{j}" for j in range(5)],
)

# %% trick
rows_of_p = (p * gp).sum(1)
rows_of_y = (y * gy).sum(1)
np.abs(rows_of_p - rows_of_y).max()

# %% sizes
gigabytes = lambda numbers: float(4 * numbers / 1e9)
rows = []
for length in (128, 1024, 8192):
    rows.append([length, gigabytes(length * 64), gigabytes(length**2), gigabytes(length**3), gigabytes(length**4)])
names = [
    say("length", "长度"),
    "q",
    "p",
    say("all ∂p/∂s blocks", "全部 ∂p/∂s 块"),
    say("∂p/∂s as one matrix", "∂p/∂s 写成一个矩阵"),
]
table(names, rows)

# %% faults
truth = at.vjp(gy)
no_scale = gs @ k
diagonal = scale * (p * (1 - p) * gp) @ k
error = lambda g: float(np.linalg.norm(g - truth[0]) / np.linalg.norm(truth[0]))
table(
    [say("fault", "错误"), say("relative error of gq", "gq 的相对误差")],
    [
        [say("1/√d is missing in the backward", "反向时漏了 1/√d"), error(no_scale)],
        [say("softmax taken as y(1 - y)", "把 softmax 当成 y(1 - y)"), error(diagonal)],
        [say("none", "无"), round(error(gq), 12)],
    ],
)
