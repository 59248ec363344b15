# %% setup
import numpy as np

import pullback as pb

rng = np.random.default_rng(5)
x, g = rng.normal(size=6), rng.normal(size=6)
truth = pb.softmax.linearize(x)[1].vjp(g)


def error(backward, step, kind=float, function=pb.softmax):
    """The largest relative error of central differences against a backward."""
    found = []
    for j in range(len(x)):
        move = np.zeros(len(x), kind)
        move[j] = step
        up, down = function(x.astype(kind) + move), function(x.astype(kind) - move)
        found.append(float((up - down) @ g.astype(kind)) / (2 * step))
    return float(np.abs(np.array(found) - backward).max() / np.abs(backward).max())


# %% steps
wrong = truth * 1.01
rows = [
    [f"1e-{k}", error(truth, 10.0**-k), error(truth, 10.0**-k, np.float32), error(wrong, 10.0**-k)]
    for k in (1, 2, 3, 4, 5, 6, 8, 10, 12)
]
bottom64, bottom32 = (min(row[column] for row in rows) for column in (1, 2))
head = ["step", "float64", "float32", "float64, 1 % wrong"]
names = {"step": "步长", "float64, 1 % wrong": "float64，错 1%"}
table([say(name, names.get(name, name)) for name in head], rows)


# %% dropout
def noisy(x):
    return pb.dropout(x, rng.random(x.shape) < 0.5)


[float(f"{error(np.ones(6), 10.0**-k, function=noisy):.0e}") for k in (2, 4, 6)]

# %% kink
beside = np.array([-2e-4, 0.5, 1.0])
at = pb.relu.linearize(beside)[1].vjp(np.ones(3))
differences = lambda step: (pb.relu(beside + step) - pb.relu(beside - step)) / (2 * step)
at, differences(1e-3), differences(1e-5)

# %% blind
diagonal_only = lambda g, y: y * (1 - y) * g
y = pb.softmax(x)
zeros = pb.softmax.linearize(x)[1].vjp(np.ones(6))
np.abs(zeros).max(), np.abs(diagonal_only(g, y) - truth).max()

# %% linear
absolute = lambda g: pb.softmax.linearize(x)[1].vjp(np.abs(g))
one_hot = np.eye(6)[2]
same = np.allclose(absolute(one_hot), pb.softmax.linearize(x)[1].vjp(one_hot))
same, np.allclose(absolute(-g), -absolute(g))
