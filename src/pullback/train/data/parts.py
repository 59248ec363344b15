"""A part for training and a part for testing."""

import numpy as np

from pullback.errors import DataError, OptionError
from pullback.train.data.dataset import Dataset, Pair, as_dataset


def split(dataset: Dataset | Pair, seed: int, test: float = 0.2) -> tuple[Dataset, Dataset]:
    """The training part and the test part, each in the order of the data.

    An official test set (`held_out`) is used as it is. Otherwise `seed` draws the share `test` of every class, rounded;
    a class of two or more examples has at least one in each part, the only example of a class is trained on.
    """
    if not isinstance(seed, int | np.integer) or seed < 0:
        share_meant = f"; the share held out is test={seed}" if isinstance(seed, float) else ""
        raise OptionError(f"split: seed must be a whole number from 0 up, got {seed!r}{share_meant}")
    dataset = as_dataset(dataset, "data")
    if dataset.held_out is not None:
        return part(dataset, dataset.held_out)
    if not 0 < test < 1:
        raise OptionError(f"split: test is the share held out, between 0 and 1; got {test}")
    rng = np.random.Generator(np.random.PCG64(seed))
    classes = (rng.permutation(np.flatnonzero(dataset.t == c)) for c in np.unique(dataset.t))
    rows = np.concatenate([members[: share(len(members), test)] for members in classes])
    if not rows.size:
        raise DataError(f"{dataset.name}: no class has two examples, so that nothing is left to test on")
    return part(dataset, np.sort(rows))


def share(n: int, test: float) -> int:
    """How many of the n examples of a class are held out."""
    return min(max(round(n * test), 1), n - 1) if n else 0


def part(dataset: Dataset, held_out: np.ndarray) -> tuple[Dataset, Dataset]:
    chosen = np.zeros(len(dataset.t), bool)
    chosen[held_out] = True
    train, test = (dataset._replace(x=dataset.x[rows], t=dataset.t[rows], held_out=None) for rows in (~chosen, chosen))
    return train, test
