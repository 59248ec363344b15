"""Inputs that the cases share. Where numbers must lie in a range, they are given; else a shape is enough."""

import numpy as np

ROWS, MATRIX = (4, 5), (5, 3)
IMAGE, CHANNELS_LAST, SEQUENCE = (2, 3, 4, 6), (2, 4, 6, 3), (2, 3, 5)
LABELS = np.array([1, 0, 4, 2])
TOKENS = np.array([[1, 2, 3], [3, 5, 1]])


def between(low, high, *shape):
    return np.random.default_rng(0).uniform(low, high, shape)


UNIT, ABOVE_ONE = between(0.1, 0.9, *ROWS), between(1.1, 2, *ROWS)
INVERTIBLE = between(0, 1, 3, 3) + 2 * np.eye(3)
