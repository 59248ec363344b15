"""What the arrays of a layer may be, by its name: the layouts that courses and libraries use.

Sizes are small and differ from one another, so that no transpose and no wrong mean can hide.
"""

import re
from typing import Any

import numpy as np

from pullback.check.files.numbers import definite, flags, integers, one_hot, probabilities

ANY_LOSS = "loss"  # some are of matrices, some of one number for each example: no name says it

# A name of a layer, and what its arrays may be; the first with which it runs is taken.
RECIPES: tuple[tuple[str, tuple[tuple[Any, ...], ...]], ...] = (

    ("temporal_affine", (((2, 3, 5), (5, 4), (4,)),)),
    ("temporal.*loss|mask.*loss|loss.*mask", (((2, 3, 5), integers(2, 3, below=5), flags(2, 3)),)),
    ("embed", ((integers(2, 3, below=7), (7, 5)), (integers(4, below=7), (7, 5)))),
    ("lstm.*(step|cell)", (
        ((3, 5), (3, 2), (3, 2), (5, 8), (2, 8), (8,)), ((3, 5), (3, 2), (3, 2), (8, 5), (8, 2), (8,)),
        ((3, 5), (4, 5), (4, 5)),
    )),
    ("lstm", (
        ((2, 3, 5), (2, 4), (5, 16), (4, 16), (16,)), ((2, 3, 5), (2, 4), (2, 4), (5, 16), (4, 16), (16,)),
        ((3, 5, 2), (4, 5)),
    )),
    ("gru.*(step|cell)", (((3, 5), (3, 2), (5, 6), (2, 6), (6,)),)),
    ("rnn.*(step|cell)", (
        ((3, 5), (3, 2), (5, 2), (2, 2), (2,)), ((3, 5), (3, 2), (2, 5), (2, 2), (2,)), ((3, 5), (4, 5)),
    )),
    ("rnn|gru", (
        ((2, 3, 5), (2, 4), (5, 4), (4, 4), (4,)), ((2, 3, 5), (2, 4), (5, 12), (4, 12), (12,)), ((3, 5, 2), (4, 5)),
    )),
    ("group.?norm", (((2, 6, 4, 5), (1, 6, 1, 1), (1, 6, 1, 1)), ((2, 6, 4, 5), (6,), (6,)))),
    ("(spatial|2d).*norm|norm.*2d", (((2, 3, 4, 5), (3,), (3,)), ((2, 3, 4, 5), (1, 3, 1, 1), (1, 3, 1, 1)))),
    ("norm", (((4, 5), (5,), (5,)), ((4, 5), (1, 5), (1, 5)), ((5, 4), (5, 1), (5, 1)), ((2, 3, 4, 5), (3,), (3,)))),
    ("depth_?wise", (((2, 3, 5, 6), (3, 2, 4), (3,)), ((2, 3, 5, 6), (3, 1, 2, 4), (3,)), ((2, 3, 8), (3, 4), (3,)))),
    ("conv.*1d|1d.*conv", (((2, 3, 8), (4, 3, 3), (4,)), ((2, 3, 8), (3, 4), (3,)))),
    ("conv", (((2, 3, 5, 6), (4, 3, 3, 3), (4,)), ((2, 5, 6, 3), (3, 3, 3, 4), (1, 1, 1, 4)), ((5, 6), (3, 3), ()))),
    ("pool", (((2, 3, 4, 6),), ((2, 4, 6, 3),), ((4, 6),))),
    (r"\(x,w_?q,w_?k,w_?v,w_?o", (
        ((3, 5), (5, 4), (5, 4), (5, 4), (4, 6)), ((3, 5), (5, 4), (5, 4), (5, 4), (4, 5)),
        ((2, 3, 5), (5, 4), (5, 4), (5, 4), (4, 6)), ((2, 3, 4), (4, 4), (4, 4), (4, 4), (4, 4)),
    )),
    (r"\(x,w_?q,w_?k,w_?v", (((3, 5), (5, 4), (5, 4), (5, 6)), ((2, 3, 5), (5, 4), (5, 4), (5, 6)))),
    (r"atten[dt]|sdpa|\(q,k,v", (((2, 3, 4), (2, 5, 4), (2, 5, 6)), ((3, 4), (5, 4), (5, 6)))),
    ("ctc", (((8, 4), np.array([1, 3, 3])),)),  # a label twice in a row needs a blank between
    ("svm|hinge|softmax_loss", (((4, 5), integers(4, below=5)), ((5, 3), (4, 5), integers(4, below=3)))),
    (r"\(w,x,[yt]", (((5,), (4, 5), (4,)), ((5, 3), (4, 5), (4, 3)))),
    (r"bce|binary|logistic_loss|focal|dice|tversky", ((probabilities(4, 5), flags(4, 5).astype(float)),)),
    (r"\((p|probs?|y_?hat),(t|y|y_?true|targets?)\)", ((probabilities(4, 5), flags(4, 5).astype(float)),)),
    ("(^|_|\\b)kl(_|\\b)|kl_?div", ((probabilities(4, 5), probabilities(4, 5)),)),
    ("crf", (
        ((4, 3), (3, 3), integers(4, below=3)), ((4, 3), integers(4, below=3), (3, 3)),
        ((4, 3), (3, 3), (3,), integers(4, below=3)),
    )),
    ("hmm|hidden_?markov", (
        ((3,), (3, 3), (3, 5), integers(6, below=5)), (integers(6, below=5), (3,), (3, 3), (3, 5)),
        ((3,), (3, 3), (6, 3)),
    )),
    ("cholesky|chol|definite|spd", ((definite(4),), (definite(4), (4,)), (definite(4), (4, 3)))),
    ("cross_?entropy|xent|nll|ce_loss|softmax.*loss", (
        ((4, 5), integers(4, below=5)), (probabilities(4, 5), one_hot(4, 5)),
        (probabilities(4, 5), probabilities(4, 5)),
    )),
    ("logits", (((4, 5), flags(4, 5).astype(float)),)),
    ("pos(ition(al)?)?_?(enc|emb)", (((2, 3, 5), (1, 4, 5)), ((2, 3, 5), (4, 5)), ((3, 5), (4, 5)))),
    ("cost", ((probabilities(3, 4), flags(3, 4).astype(float)), ((4,), (4,)))),
    ("mse|squared|l2|l1|huber|mae", (((4, 5), (4, 5)), ((4,), (4,)), ((4, 5), integers(4, below=5)))),
    (ANY_LOSS, (((4, 5), (4, 5)), ((4,), (4,)), ((4, 5), integers(4, below=5)))),
    ("activation", (((5, 4), (3, 5), (3, 1)), ((4, 5), (5, 3), (3,)))),
    ("linear|affine|dense|fc|fully", (((4, 5), (5, 3), (3,)), ((4, 5), (3, 5), (3,)), ((5, 4), (3, 5), (3, 1)), (
        (5, 1), (3, 5), (3, 1),
    ))),
)  # fmt: skip

# Sizes that constructors ask for.
SIZES = (
    ("(n_?)?(in|inputs?)(_?(features|dims?|size|channels|units|n))?|fan_in|d_in|num_inputs|c_in", 5),
    ("(n_?)?(out|outputs?)(_?(features|dims?|size|channels|units|n))?|fan_out|d_out|(n_?)?(units|neurons)|c_out", 3),
    ("(num_|n_)?(features|channels)|normalized_shape|dims?|d", 5), ("d_model|embed_dim", 4),
    ("(n_?)?hidden(_?(dims?|size|units))?|h", 4), ("vocab(_size)?|num_embeddings|v", 7), ("num_filters|filters", 4),
    ("kernel_size|filter_size", 3),
)  # fmt: skip

# Parameters that hold no array, and what a hyperparameter of that name may be.
OPTIONS: dict[str, Any] = {
    "stride": 2, "strides": 2, "pad": 1, "padding": 1, "pool_height": 2, "pool_width": 2, "pool_size": 2, "size": 2,
    "f": 2, "kernel_size": 2, "k": 2, "dilation": 1, "groups": 1, "G": 3, "num_groups": 3, "num_heads": 2, "n_heads": 2,
    "mode": "train", "training": True, "is_training": True, "train": True, "p": 0.6, "keep_prob": 0.6, "dropout": 0.4,
    "rate": 0.4, "dropout_rate": 0.4, "seed": 0, "eps": 1e-5, "epsilon": 1e-5, "momentum": 0.9, "reg": 0.1,
    "lambd": 0.1, "alpha": 0.1, "beta1": 0.9, "negative_slope": 0.1, "slope": 0.1, "temperature": 0.7, "axis": -1,
    "delta": 1.0, "activation": "relu", "causal": False, "input_shape": (4, 5), "output_shape": (5, 4),
}  # fmt: skip
LETTERS = {"f", "k", "p", "G", "size"}  # or arrays
TABLE = re.compile(r".*(param|conf|opts|options|kwargs|settings)\w*")

# Cells of courses take their weights in one dict: x is (inputs, batch), and h sees h and x stacked.
WEIGHTS = {
    "Wax": (4, 3), "Waa": (4, 4), "Wya": (2, 4), "ba": (4, 1), "by": (2, 1), "Wy": (2, 4),
    **{f"W{gate}": (4, 7) for gate in "fuico"}, **{f"b{gate}": (4, 1) for gate in "fuico"},
}  # fmt: skip


class Table(dict[str, Any]):
    """Hyperparameters in a dict that has an answer for every name that we know, and notes which were `read`."""

    def __init__(self, given: Any = (), read: dict[str, Any] | None = None) -> None:
        super().__init__(given)
        self.read = {} if read is None else read

    def __missing__(self, name: str) -> Any:
        self.read[name] = OPTIONS[name]
        return OPTIONS[name]

    def copy(self) -> "Table":
        return Table(self, self.read)


def size(name: str) -> int | None:
    """What a size of this name may be, where a constructor asks for it."""
    return next((value for pattern, value in SIZES if re.fullmatch(pattern, name.lower())), None)


def option(name: str) -> Any:
    """What a parameter of this name may be, if it is no array; None if we do not know it."""
    return Table() if TABLE.fullmatch(name) else OPTIONS.get(name)
