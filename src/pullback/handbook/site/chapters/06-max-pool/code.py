# %% select
import numpy as np

import pullback as pb

x = np.array([[1.0, 2.0, 0.0, 3.0], [4.0, 3.0, 3.0, 1.0]])
y, at = pb.max_pool2d.linearize(x[None, None], kernel_size=2)
y[0, 0], at.vjp(np.array([[[[5.0, 7.0]]]]))[0, 0]

# %% heat
heatmap(
    at.jacobian().dense().reshape(2, 8),
    say("One 1 in every row: which input each output copies", "每行一个 1：每个输出复制哪个输入"),
    ["y[0]", "y[1]"],
    [f"x[{i},{j}]" for i in range(2) for j in range(4)],
)

# %% overlap
line = np.array([[[1.0, 5.0, 2.0, 0.0, 4.0]]])
y, at = pb.max_pool1d.linearize(line, kernel_size=3, stride=1)
y[0, 0], at.vjp(np.ones((1, 1, 3)))[0, 0]

# %% lost
g = np.zeros(5)
winners = line[0, 0].argmax() * np.ones(2, int)
g[winners] += 1  # NumPy writes each place once
h = np.zeros(5)
np.add.at(h, winners, 1)  # this adds
g, h

# %% ties
same = np.array([[[2.0, 2.0]]])
y, at = pb.max_pool1d.linearize(same, kernel_size=2)
at.vjp(np.ones((1, 1, 1)))[0, 0]

# %% sides
pool = lambda x: pb.max_pool1d(x, kernel_size=2).item()
step = 1e-3
rows = []
for name, direction in {"x[0]": [step, 0], "x[1]": [0, step]}.items():
    up = (pool(same + direction) - pool(same)) / step
    down = (pool(same) - pool(same - direction)) / step
    rows.append([name, up, down, (up + down) / 2])
table(
    ["", say("from the right", "从右侧"), say("from the left", "从左侧"), say("central difference", "中心差分")], rows
)
