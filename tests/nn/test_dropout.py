"""Dropout: drawn in training alone, anew for every layer."""

import numpy as np
import pytest

from pullback import nn
from pullback.errors import OptionError


def test_dropout_draws_in_training_alone():
    layer, x = nn.Dropout(0.25), np.ones((200, 50), "f4")
    assert np.array_equal(layer(x), x), "exactly"
    y, at = layer.linearize(x, training=True, rng=3)
    assert np.array_equal(y, layer(x, training=True, rng=3)) and not np.array_equal(y, layer(x, True, rng=4))
    assert set(np.unique(y)) == {np.float32(0), np.float32(1 / 0.75)}
    assert abs((y == 0).mean() - 0.25) < 4 * (0.25 * 0.75 / x.size) ** 0.5
    np.testing.assert_array_equal(at.vjp(x)[0], y)
    kept = np.random.default_rng(3).random(x.shape, np.float32) >= 0.25  # so it was drawn ever since: seeds stay good
    np.testing.assert_array_equal(y != 0, kept)
    image = np.moveaxis(x.reshape(4, 25, 25, 4), -1, 1)  # whose channels are last in memory
    kept = np.random.default_rng(3).random(image.shape, np.float32) >= 0.25
    np.testing.assert_array_equal(layer(image, training=True, rng=3) != 0, kept)


def test_every_dropout_of_a_model_draws_anew():
    model, x = nn.Sequential(nn.Dropout(), nn.Dropout()), np.ones((20, 50), "f4")
    kept = (model(x, training=True, rng=0) != 0).mean()
    assert 0.15 < kept < 0.35, "half of a half; the same mask twice would keep a half"
    rng = np.random.default_rng(0)
    assert not np.array_equal(model(x, training=True, rng=rng), model(x, training=True, rng=rng))


@pytest.mark.parametrize("dtype, close", [("f4", 1e-6), ("f8", 1e-14)])
@pytest.mark.parametrize("batch_first", [False, True])
def test_dropout_between_recurrent_layers(batch_first, dtype, close):
    """Two layers with a mask between them are two networks with a Dropout between them, in all digits there are."""
    make = lambda *sizes, **options: nn.LSTM(*sizes, bidirectional=True, batch_first=batch_first, **options)
    whole, below, above = (
        net.astype(dtype) for net in (make(3, 4, 2, dropout=0.3, rng=0), make(3, 4, 1), make(8, 4, 1))
    )
    values = whole.parameters
    below.load({name: p for name, p in values.items() if "_l0" in name})
    above.load({name.replace("_l1", "_l0"): p for name, p in values.items() if "_l1" in name})
    x = np.random.default_rng(0).normal(size=(5, 6, 3)).astype(dtype)
    split = nn.Sequential(below, nn.Dropout(0.3), above)
    np.testing.assert_allclose(whole(x, training=True, rng=9), split(x, training=True, rng=9), rtol=0, atol=close)
    np.testing.assert_allclose(whole(x), split(x), rtol=0, atol=close)
    assert not np.allclose(whole(x), whole(x, training=True, rng=9))
    silent = nn.LSTM(3, 4, 2, dropout=1.0, rng=0).astype(dtype)
    assert np.isfinite(silent(x, training=True, rng=0)).all()


def test_dropout_without_rng_is_refused():
    with pytest.raises(OptionError, match=r"layer 1 \(Dropout\): draws a mask in training; give rng"):
        nn.Sequential(nn.Linear(2, 2), nn.Dropout()).linearize(np.ones((1, 2), "f4"), training=True)
    for dropout in (-0.1, 2, "a"):
        with pytest.raises(OptionError, match="LSTM: needs 0 <= dropout <= 1"):
            nn.LSTM(2, 3, 2, dropout=dropout)
