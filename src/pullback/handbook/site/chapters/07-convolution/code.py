# %% forward
import numpy as np

import pullback as pb

x = np.array([1.0, 2.0, 3.0, 4.0, 5.0])
w = np.array([1.0, 10.0, 100.0])
y, at = pb.conv1d.linearize(x[None], w[None, None])
gy = np.array([1.0, 0.0, 2.0])
gx, gw, _ = at.vjp(gy[None])
y[0]

# %% matrix
J = at.jacobian()[0].dense().reshape(3, 5)
heatmap(
    J,
    say("y = J x: the kernel slides", "y = J x：卷积核在滑动"),
    ["y[0]", "y[1]", "y[2]"],
    [f"x[{q}]" for q in range(5)],
)

# %% gx
gx[0], np.convolve(gy, w)

# %% gw
gw[0, 0], np.correlate(x, gy)

# %% wrong
np.correlate(np.pad(gy, 2), w), gx[0]

# %% palindrome
even = np.array([1.0, 5.0, 1.0])
np.convolve(gy, even), np.correlate(np.pad(gy, 2), even)

# %% stride
y, at = pb.conv1d.linearize(np.arange(6.0)[None], w[None, None], stride=2)
spread = np.zeros(3)
spread[::2] = gy[[0, 2]]
at.vjp(gy[[0, 2]][None])[0][0], np.convolve(spread, w)

# %% channels
image, kernel = np.ones((2, 3, 8, 8)), np.ones((4, 3, 3, 3))
y, at = pb.conv2d.linearize(image, kernel)
gx, gw, _ = at.vjp(np.ones(y.shape))
float(gw[0, 0, 0, 0]), y.shape
