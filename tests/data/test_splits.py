"""How data are split, and how columns are scaled."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from readers import refusal

from pullback.errors import OptionError
from pullback.train.data import Dataset, Scaling, split


def labelled(counts):
    """A dataset with so many examples of each class, in mixed order; x holds the numbers of the rows."""
    t = np.random.default_rng(1).permutation(np.repeat(np.arange(len(counts)), counts))
    x = np.arange(len(t), dtype=np.float32)[:, None]
    return Dataset("made", x, t, tuple(f"class {i}" for i in range(len(counts))), "made for a test")


COUNTS = st.lists(st.integers(1, 40), min_size=2, max_size=6).filter(lambda counts: max(counts) > 1)


@given(COUNTS, st.integers(0, 2**32), st.floats(0.01, 0.99))
def test_splits_are_disjoint_complete_and_stratified(counts, seed, share):
    data = labelled(counts)
    train, test = split(data, seed, share)
    rows = [part.x[:, 0].astype(int) for part in (train, test)]
    assert sorted(np.concatenate(rows)) == list(range(len(data.t)))
    for part, found in zip((train, test), rows):
        assert np.array_equal(part.t, data.t[found]) and (np.diff(found) > 0).all()
        assert (part.name, part.classes, part.source) == (data.name, data.classes, data.source)
    held = np.bincount(test.t, minlength=len(counts))
    assert (abs(held - np.array(counts) * share) < 1).all()
    assert all(0 < h < n or n == 1 and h == 0 for h, n in zip(held, counts))


def test_a_share_is_no_seed():
    with pytest.raises(OptionError, match="seed must be a whole number from 0 up, got 0.5; the share .* is test=0.5"):
        split(labelled([5, 5]), 0.5)
    with pytest.raises(OptionError, match="seed must be a whole number from 0 up, got -1$"):
        split(labelled([5, 5]), -1)


@given(COUNTS, st.integers(0, 2**32))
def test_the_same_seed_makes_the_same_split(counts, seed):
    one, two = (split(labelled(counts), seed) for _ in range(2))
    assert all(np.array_equal(a.x, b.x) and np.array_equal(a.t, b.t) for a, b in zip(one, two))


@given(st.integers(0, 2**32))
def test_another_seed_makes_another_split(seed):
    one, two = (split(labelled([50, 50]), s)[1].x for s in (seed, seed + 1))
    assert not np.array_equal(one, two)


def test_a_split_stays_the_same_over_time():
    assert split(labelled([5, 5, 1]), seed=0, test=0.4)[1].x[:, 0].tolist() == [2, 5, 9, 10]


def test_splits_refused():
    with pytest.raises(OptionError, match=r"^split: test is the share held out, between 0 and 1; got 1$"):
        split(labelled([3, 3]), 0, test=1)
    assert refusal(split, labelled([1, 1]), 0) == (
        "made: no class has two examples, so that nothing is left to test on"
    )


def test_a_class_without_examples_is_no_obstacle():
    train, test = split(labelled([5, 0, 5]), 0)
    assert np.bincount(train.t).tolist() == [4, 0, 4] and np.bincount(test.t).tolist() == [1, 0, 1]


def test_scaling():
    x = np.random.default_rng(0).normal(3, 5, size=(100, 4)).astype(np.float32)
    scaling = Scaling.fit(x)
    y = scaling.apply(x)
    assert y.dtype == scaling.mean.dtype == scaling.deviation.dtype == np.float32
    assert np.allclose(y.mean(0), 0, atol=1e-6) and np.allclose(y.std(0), 1, atol=1e-6)
    assert np.allclose(scaling.apply(x[:3]), (x[:3] - x.mean(0)) / x.std(0), atol=1e-5)
    assert np.array_equal(Scaling(**scaling._asdict()).apply(x), y)


def test_scaling_of_integers_and_lists():
    """Their means lie between them."""
    x = np.array([[1, 500], [2, 100], [4, 300]])
    for rows in (x, x.tolist(), x.astype("u2")):
        scaling = Scaling.fit(rows)
        np.testing.assert_allclose(scaling.mean, x.mean(0))
        np.testing.assert_allclose(scaling.apply(rows), (x - x.mean(0)) / x.std(0))


@pytest.mark.parametrize("value", [0, 0.1, -1e30, 1e-40])
def test_scaling_of_a_constant_column_gives_zeros(value):
    x = np.c_[np.full(1000, value), np.arange(1000)].astype(np.float32)
    y = Scaling.fit(x).apply(x)
    assert np.array_equal(y[:, 0], np.zeros(1000)) and np.isfinite(y).all()


def test_scaling_of_a_column_whose_deviation_is_too_small_for_float32():
    x = np.array([[0.0], [1e-45]], np.float32)
    assert np.isfinite(Scaling.fit(x).apply(x)).all()
