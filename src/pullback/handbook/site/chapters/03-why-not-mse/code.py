# %% gradients
import numpy as np

import pullback as pb

scores, t = np.array([-8.0, -4.0, 0.0, 4.0, 8.0]), np.ones(5)

p, through = pb.sigmoid.linearize(scores)
squared = through.vjp(pb.mse_loss.linearize(p, t, reduction="sum")[1].vjp(1.0)[0])
crossed = pb.binary_cross_entropy_with_logits.linearize(scores, t, reduction="sum")[1].vjp(1.0)[0]

# %% table
head = [say("score", "得分"), "p", say("squared error", "平方误差"), say("cross-entropy", "交叉熵")]
table(head, [list(row) for row in zip(scores, p, squared, crossed)])


# %% steps
def steps_until(learned, gradient, start=-6.0, rate=1.0):
    x, steps = start, 0
    while pb.sigmoid(x) < learned and steps < 100_000:
        x, steps = x - rate * gradient(x), steps + 1
    return steps


of_squared = lambda x: 2 * (pb.sigmoid(x) - 1) * pb.sigmoid(x) * pb.sigmoid(-x)
of_crossed = lambda x: pb.sigmoid(x) - 1
slow, fast = steps_until(0.9, of_squared), steps_until(0.9, of_crossed)
slow, fast


# %% curvature
def curvature(loss, x):
    step = 1e-3
    return (loss(x + step) - 2 * loss(x) + loss(x - step)) / step**2


squared_loss = lambda x: (pb.sigmoid(x) - 1) ** 2
crossed_loss = lambda x: -pb.logsigmoid(x)
table(
    [
        say("score", "得分"),
        say("curvature, squared", "曲率，平方误差"),
        say("curvature, cross-entropy", "曲率，交叉熵"),
    ],
    [[x, float(curvature(squared_loss, x)), float(curvature(crossed_loss, x))] for x in (-4.0, -2.0, -1.0, 0.0, 2.0)],
)
