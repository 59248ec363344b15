"""Write src/pullback/handbook/keras.json: how Keras lays out its parameters and which constants it takes.

The page of conventions shows it. `make conventions` runs this; where Keras is not installed, the last answers stay.
"""

import json
import os
from datetime import date
from importlib.util import find_spec
from pathlib import Path

import numpy as np

TARGET = Path(__file__).parent.parent / "src" / "pullback" / "handbook" / "keras.json"

# What is asked: a call, and for a layer the shape of one example.
LAYERS = [
    ("layers.Dense(5)", (3,)),
    ("layers.Conv2D(6, 3, groups=2)", (8, 8, 4)),
    ("layers.Conv2DTranspose(4, 3)", (8, 8, 2)),
    ("layers.LSTM(5)", (7, 3)),
    ("layers.GRU(5)", (7, 3)),
]
CONSTANTS = [
    "layers.BatchNormalization().epsilon",
    "layers.BatchNormalization().momentum",
    "layers.LayerNormalization().epsilon",
    "layers.RMSNormalization().epsilon",
    "optimizers.Adam().epsilon",
    "config.epsilon()",
]


def facts():
    """Rows of (call, what Keras says)."""
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    import keras

    found = [(call, shapes(eval(call, vars(keras)), shape)) for call, shape in LAYERS]
    found += [(call, f"{eval(call, vars(keras)):g}") for call in CONSTANTS]
    found += [("layers.LSTM(1): bias at the start, 1 for the gate f", str(first_bias(keras)))]
    found += [("layers.GRU(1): h after h = 0.5, one gate wide open", str([after(keras, gate) for gate in range(3)]))]
    found += [("losses.SparseCategoricalCrossentropy: mean with 1, 3, 4 of 4 targets ignored", str(ignoring(keras)))]
    return dict(version=keras.__version__, date=str(date.today()), facts=found)


def shapes(layer, example):
    layer.build((None, *example))
    return ", ".join(f"{weight.name} {tuple(weight.shape)}" for weight in layer.weights)


def first_bias(keras):
    layer = keras.layers.LSTM(1)
    layer.build((None, 1, 1))
    return np.asarray(layer.weights[2]).astype(int).tolist()


def after(keras, gate):
    """All weights are zero but for one gate's bias: z keeps the state, r changes nothing, h adds half of one."""
    layer = keras.layers.GRU(1)
    layer.build((1, 1, 1))
    bias = np.zeros((2, 3))
    bias[0, gate] = 50
    layer.set_weights([np.zeros((1, 3)), np.zeros((1, 3)), bias])
    return float(layer(np.zeros((1, 1, 1)), initial_state=np.array([[0.5]]))[0, 0])


def ignoring(keras):
    """The loss of four examples, each of which costs 1 unless it is ignored: 1 if the mean is over the others alone."""
    scores = np.tile(np.log([1, np.e - 1]), (4, 1))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=-1)
    targets = [np.array([-1] * count + [0] * (4 - count)) for count in (1, 3, 4)]
    return [round(float(loss(t, scores)), 6) for t in targets]


if __name__ == "__main__" and find_spec("keras"):
    TARGET.write_text(json.dumps(facts(), indent=1) + "\n", encoding="utf-8")
