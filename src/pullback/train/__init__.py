"""Training: data, optimisers, the loop, and what `pullback train` makes of them.

    data, test = train.split(train.load("digits"), seed=0)
    history = train.fit(model, data, test, epochs=10)          history[-1].accuracy

These names are for everybody; the rest of the folder serves the command line.
"""

from pullback.train.data import Dataset, Scaling, Text, load, read_inputs, split
from pullback.train.loop import Epoch, fit, judge, predictions
from pullback.train.optimisers import SGD, Adam, AdamW, Optimiser
from pullback.train.runs import Run

__all__ = [
    "SGD", "Adam", "AdamW", "Dataset", "Epoch", "Optimiser", "Run", "Scaling", "Text",
    "fit", "judge", "load", "predictions", "read_inputs", "split",
]  # fmt: skip
