# %% network
import numpy as np

import pullback as pb

rng = np.random.default_rng(7)
width, depth = 64, 30


def norms(activation, spread):
    """Norms of the gradient from the last layer to the first, of a deep network at its start."""
    x, backs = rng.normal(size=(32, width)), []
    for _ in range(depth):
        w = rng.normal(size=(width, width)) * spread / np.sqrt(width)
        z, linear = pb.linear.linearize(x, w)
        x, bend = activation.linearize(z)
        backs.append((linear, bend))
    g = end = rng.normal(size=x.shape)
    found = []
    for linear, bend in reversed(backs):
        g = linear.vjp(bend.vjp(g), wrt="x")[0]
        found.append(float(np.linalg.norm(g)))
    return np.array(found) / np.linalg.norm(end)


# %% table
root2 = np.sqrt(2)
cases = [("sigmoid", 1.0), ("tanh", 1.0), ("tanh", 2.0), ("relu", 1.0), ("relu", root2), ("relu", 2.0)]
results = [(name, spread, norms(getattr(pb, name), spread)) for name, spread in cases]
head = [say("activation", "激活函数"), say("spread of weights", "权重的尺度")]
steps = np.array([5, 10, 20, 30])
table(head + [say(f"after {n} layers", f"{n} 层之后") for n in steps], [[a, s, *r[steps - 1]] for a, s, r in results])

# %% picture
bars(
    [(f"{name}, {num(spread)}", float(found[-1])) for name, spread, found in results],
    say(f"The gradient after {depth} layers", f"{depth} 层之后的梯度"),
)

# %% orthogonal
draw = np.random.default_rng(8)
turn = np.linalg.qr(draw.normal(size=(width, width)))[0]
g = draw.normal(size=width)
after = np.linalg.matrix_power(turn.T, 100) @ g
np.linalg.norm(after) / np.linalg.norm(g)

# %% train
draw = np.random.default_rng(11)
x, t = draw.normal(size=(256, 8)), draw.normal(size=(256, 1)) + 3


def after_training(rate, steps=20):
    """The share of units that no example wakes, and the loss, after some steps of descent."""
    draw = np.random.default_rng(8)
    w, b, v = draw.normal(size=(100, 8)) / 2, np.zeros(100), draw.normal(size=(1, 100)) / 10
    for _ in range(steps):
        z, first = pb.linear.linearize(x, w, b)
        h, bend = pb.relu.linearize(z)
        y, last = pb.linear.linearize(h, v)
        loss, top = pb.mse_loss.linearize(y, t)
        gh, gv, _ = last.vjp(top.vjp(1.0)[0])
        _, gw, gb = first.vjp(bend.vjp(gh))
        w, b, v = w - rate * gw, b - rate * gb, v - rate * gv
    return float((pb.linear(x, w, b) <= 0).all(0).mean()), float(loss)


# %% dying
rows = [[rate, *after_training(rate)] for rate in (0.01, 0.03, 0.05, 0.07, 0.1)]
table([say("learning rate", "学习率"), say("dead units", "死亡单元的比例"), say("loss", "损失")], rows)
