# %% cell
import numpy as np

import pullback as pb

rng = np.random.default_rng(3)
x, h0, c0 = rng.normal(size=(3, 1, 2)), np.zeros((1, 2)), np.zeros((1, 2))
w, u = rng.normal(size=(8, 2)), rng.normal(size=(8, 2))
states, backs, h, c = [], [], h0, c0
for x_t in x:
    (h, c), back = pb.lstm_cell.linearize(x_t, h, c, w, u)
    states.append(h)
    backs.append(back)


# %% sweep
def sweep(with_memory, with_own=True):
    """The loss is the sum of all outputs; back through the steps, cell by cell."""
    gw, gh, gc = np.zeros_like(w), np.zeros((1, 2)), np.zeros((1, 2))
    for back in reversed(backs):
        _, gh, gc, g, *_ = back.vjp(gh + with_own, gc if with_memory else None)
        gw += g
    return gw


_, at = pb.lstm.linearize(x, w_l0=w, u_l0=u)
names = [slot.name for slot in at.rule.inputs]
truth = dict(zip(names, at.vjp(np.ones((3, 1, 2)), None, None)))["w_l0"]
np.abs(sweep(with_memory=True) - truth).max()

# %% faults
_, _, _, last, *_ = backs[-1].vjp(np.ones((1, 2)), None)
distance = lambda g: np.linalg.norm(g - truth) / np.linalg.norm(truth)
table(
    [say("what was done", "做法"), say("relative error of gw", "gw 的相对误差")],
    [
        [say("right", "正确"), round(float(distance(sweep(True))), 12)],
        [say("the gradient of c is not passed on", "没有传递 c 的梯度"), float(distance(sweep(False)))],
        [say("only the last step", "只算最后一步"), float(distance(last))],
    ],
)

# %% keep
keep = np.array([0.99, 0.9, 0.5])
table(
    [say("forget gate", "遗忘门")] + [say(f"after {n} steps", f"{n} 步之后") for n in (10, 50, 100)],
    [[f, *(float(f**n) for n in (10, 50, 100))] for f in keep],
)

# %% zero-start
first = backs[0].vjp(np.ones((1, 2)), np.ones((1, 2)))
g_u = first[4]
np.abs(g_u).max()
