"""Data to train on: `load` a name or a file, `split` it, scale it; `read_inputs` for predictions."""

from pullback.train.data.dataset import Dataset, Pair, Text, as_dataset
from pullback.train.data.formats import load, names, read_inputs
from pullback.train.data.parts import split
from pullback.train.data.scaling import Scaling

__all__ = ["Dataset", "Pair", "Scaling", "Text", "as_dataset", "load", "names", "read_inputs", "split"]
