# %% forward
import numpy as np

import pullback as pb

rng = np.random.default_rng(4)
x, g = rng.normal(size=5), rng.normal(size=5)
n, eps = len(x), 1e-5
mean, var = x.mean(), x.var()
r = 1 / np.sqrt(var + eps)
x_hat = (x - mean) * r

# %% paths
direct = r * g
through_mean = -r * g.mean() * np.ones(n)
through_variance = -r * x_hat * (g * x_hat).mean()
_, at = pb.batch_norm.linearize(x[:, None], w=np.ones(1), b=np.zeros(1), training=True)
truth = at.vjp(g[:, None], None, None)[0][:, 0]
np.abs(direct + through_mean + through_variance - truth).max()

# %% table
rows = zip(range(n), direct, through_mean, through_variance, truth)
head = [
    "",
    say("direct", "直接"),
    say("through the mean", "经过均值"),
    say("through the variance", "经过方差"),
    say("sum", "合计"),
]
table(head, [[f"x[{i}]", *parts] for i, *parts in rows])

# %% orthogonal
truth.sum(), truth @ x_hat

# %% heat
J = r * (np.eye(n) - np.ones((n, n)) / n - np.outer(x_hat, x_hat) / n)
heatmap(J, say("∂y/∂x in training", "训练时的 ∂y/∂x"))

# %% eval
_, at = pb.batch_norm.linearize(
    x[:, None], w=np.ones(1), b=np.zeros(1), m=np.array([mean]), v=np.array([var]), training=False
)
fixed = at.vjp(g[:, None])[0][:, 0]
fixed, r * g

# %% biased
r1 = 1 / np.sqrt(x.var(ddof=1) + eps)
x_hat1 = (x - mean) * r1
unbiased = r1 * (g - g.mean() - x_hat1 * (g * x_hat1).sum() / (n - 1))
truth, unbiased
