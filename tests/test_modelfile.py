"""Models out of TOML files: sizes that follow from the data, and errors that say where and what."""

import numpy as np
import pytest

from pullback import nn
from pullback.errors import DataError
from pullback.nn import modelfile


def layers(*rows):
    """TOML text: `layers("Linear out_features=3", "ReLU")`."""
    lines = lambda row: [f'kind = "{row.split()[0]}"', *(option.replace("=", " = ") for option in row.split()[1:])]
    return "\n".join(line for row in rows for line in ("[[layer]]", *lines(row)))


CNN = layers(
    "Conv2d out_channels=4 kernel_size=[3,2] padding=1", "BatchNorm2d", "PReLU", "MaxPool2d kernel_size=2",
    "GroupNorm num_groups=2", "Dropout p=0.1", "Flatten", "LayerNorm", "Linear out_features=6", "ReLU", "Linear",
)  # fmt: skip


def test_sizes_are_read_off_the_data():
    model = nn.build_model(CNN, (1, 8, 8), 3, rng=0)
    same = nn.Sequential(
        nn.Conv2d(1, 4, (3, 2), padding=1), nn.BatchNorm2d(4), nn.PReLU(), nn.MaxPool2d(2), nn.GroupNorm(2, 4),
        nn.Dropout(0.1), nn.Flatten(), nn.LayerNorm(64), nn.Linear(64, 6), nn.ReLU(), nn.Linear(6, 3), rng=0,
    )  # fmt: skip
    x = np.random.default_rng(0).normal(size=(2, 1, 8, 8)).astype("f4")
    assert [row.kind for row in model.describe(x)] == [row.kind for row in same.describe(x)]
    assert model.parameters.keys() == same.parameters.keys()
    assert all(np.array_equal(p, same.parameters[name]) for name, p in model.parameters.items())
    np.testing.assert_array_equal(model(x, training=True, rng=0), same(x, training=True, rng=0))


@pytest.mark.parametrize("kind", ["RNN", "LSTM", "GRU"])
def test_sequences(kind):
    rows = f"{kind} hidden_size=5 batch_first=true", "Select axis=1 index=-1", "Linear"
    model = nn.build_model(layers(*rows), (6, 4), 3, rng=0)
    assert model.parameters["0.weight_ih_l0"].shape[1] == 4
    assert model(np.zeros((2, 6, 4), "f4")).shape == (2, 3)


def test_tokens():
    text = layers(
        "Embedding embedding_dim=4", "LSTM hidden_size=5 batch_first=true", "Select axis=1 index=-1", "Linear"
    )
    model = nn.build_model(text, (6,), 10, tokens=7, rng=0)
    assert model.parameters["0.weight"].shape == (7, 4)
    assert model(np.zeros((2, 6), int)).shape == (2, 10)


def test_what_is_given_is_taken():
    model = nn.build_model(layers("Linear in_features=4 out_features=3 bias=false"), (4,), 3)
    assert {name: p.shape for name, p in model.parameters.items()} == {"0.weight": (3, 4)}


def test_the_example_of_the_docstring():
    text = modelfile.__doc__.split('"""')[1]
    model = nn.build_model(text, (3, 8, 8), 5, rng=0)
    shapes = {name: p.shape for name, p in model.parameters.items() if name.endswith("weight")}
    assert shapes == {"0.weight": (16, 3, 3, 3), "2.fn.weight": (16, 16, 3, 3), "4.weight": (5, 1024)}


def test_a_file(tmp_path):
    path = tmp_path / "model.toml"
    path.write_text(CNN, encoding="utf-8")
    a, b = nn.read_model(path, (1, 8, 8), 3, rng=0), nn.build_model(CNN, (1, 8, 8), 3, rng=0)
    assert all(np.array_equal(p, b.parameters[name]) for name, p in a.parameters.items())
    path.write_bytes(b'[[layer]]\nkind = "\xff"')
    with pytest.raises(DataError, match=r"model.toml is no text \(UTF-8\): invalid start byte at byte 18"):
        nn.read_model(path, (1, 8, 8), 3)
    with pytest.raises(DataError, match="cannot read .*none.toml: No such file"):
        nn.read_model(tmp_path / "none.toml", (1, 8, 8), 3)
    path.write_text("[[layer]]\nkind = Conv2d\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"model.toml is not TOML: Invalid value \(at line 2, column 8\)"):
        nn.read_model(path, (1, 8, 8), 3)


NESTED = '[[layer]]\nkind = "Residual"\n'
REFUSED = {  # text: what the error says (the data are images of 1 x 8 x 8 in three classes)
    "": "needs [[layer]] tables and nothing else, got none",
    "layer = 3": "needs [[layer]] tables and nothing else, got layer",
    "layer = []": "needs [[layer]] tables and nothing else",
    "[layer]\nkind = 'ReLU'": "needs [[layer]] tables and nothing else",
    "rate = 3\n" + layers("ReLU"): "needs [[layer]] tables and nothing else, got rate, layer",
    "[[layer]]\nout_features = 3": "layer 0: has no kind",
    "[[layer]]\nkind = 3": "layer 0 (3): unknown kind 3; there are Linear, Embedding",
    "[[layer]]\nkind = ['ReLU']": "unknown kind ['ReLU']",
    layers("ReLU", "Conv2D"): "layer 1 (Conv2D): unknown kind 'Conv2D'; did you mean Conv2d?",
    layers("Zebra"): "unknown kind 'Zebra'; there are Linear, Embedding",
    layers("Flatten", "Linear", "CrossEntropyLoss"): "layer 2 (CrossEntropyLoss): 'CrossEntropyLoss' is a loss, and no",
    layers("Conv2d out_channels=2 kernel=3"): "layer 0 (Conv2d): unknown argument 'kernel'; did you mean kernel_size?",
    layers("ReLU slope=3"): "unknown argument 'slope'; there are kink",
    layers("Flatten", "Linear rng=0"): "layer 1 (Linear): unknown argument 'rng'; there are in_features",
    layers("Conv2d out_channels=2"): "layer 0 (Conv2d) gets (1, 8, 8) per example: Conv2d: missing a required argument",
    layers("Conv2d out_channels=2 kernel_size='3'"): "kernel_size must be a whole number, or 2 of them; got '3'",
    layers("Conv2d out_channels=2 kernel_size=3 stride='a'"): "conv2d: stride must be",
    layers("Conv2d out_channels=2 kernel_size=9"): "layer 0 (Conv2d) gets (1, 8, 8) per example: conv2d: needs",
    layers(
        "Conv2d out_channels=3 kernel_size=1 groups=2"
    ): "conv2d: w[o i/groups *k] needs a whole number for i/groups",
    layers("Conv3d out_channels=2 kernel_size=3"): "(1, 8, 8) per example: conv3d: needs output_size > 0",
    layers(
        "Select axis=0 index=0"
    ): "layer 0 (Select) gets (1, 8, 8) per example, and takes the examples for another axis",
    layers("Flatten", "Linear in_features=63"): "layer 1 (Linear) gets (64,) per example: linear: w has shape (3, 63)",
    layers("Flatten", "Linear bias='no'"): "Linear: bias must be True or False; got 'no'",
    layers("Flatten", "Linear out_features=true"): "Linear: out_features must be a whole number; got True",
    layers("Flatten", "Linear out_features=[2,2]"): "Linear: out_features must be a whole number; got (2, 2)",
    layers("Dropout p=2.0"): "layer 0 (Dropout) gets (1, 8, 8) per example: dropout: needs 0 <= p <= 1, with p=2.0",
    layers("GELU approximate='no'"): "gelu: needs approximate in",
    layers(
        "Embedding embedding_dim=2 num_embeddings=4"
    ): "layer 0 (Embedding) gets (1, 8, 8) per example: embedding: x must be",
    layers("Flatten", "Linear out_features=4"): "the last layer gives (4,) per example; needs 3 scores, one per class",
    layers("Softmax axis=99999999999"): "(1, 8, 8) per example: softmax: axis must lie between -64 and 64",
    layers("Linear"): "the last layer gives (1, 8, 3) per example; needs 3 scores",
    layers("Flatten", "Linear", "ReLU"): "layer 1 (Linear) gets (64,) per example: Linear: missing a required argument",
    layers("Flatten", "Linear out_features=1000000000000000"): "layer 1 (Linear) is too large for the memory",
    layers("Flatten", "Linear out_features=99999999999999999999999"): "layer 1 (Linear) is too large for the memory",
    layers("Conv2d out_channels=2 kernel_size=3 padding=100000000", "Flatten", "Linear"): "is too large for the memory",
    "layer = " + 3000 * "[": "is not TOML that can be read: it is nested too deeply",
    "[[layer]]\nkind = 'Linear'\nout_features = " + 5000 * "9": "is not TOML: Exceeds the limit",
    NESTED: "layer 0 (Residual): holds [[layer.layer]] tables and nothing else",
    NESTED + "layer = 3": "holds [[layer.layer]] tables",
    NESTED + "p = 3\n[[layer.layer]]\nkind = 'ReLU'": "holds [[layer.layer]] tables",
    NESTED + "[[layer.layer]]\nkind = 'Relu'": "layer 0.0 (Relu): unknown kind 'Relu'; did you mean ReLU?",
    NESTED + "[[layer.layer]]\nkind = 'Flatten'": "layer 0 (Residual) gets (1, 8, 8) per example: fn makes (13, 64) of",
}


@pytest.mark.parametrize("text", REFUSED)
def test_what_is_refused(text):
    with pytest.raises(DataError) as error:
        nn.build_model(text, (1, 8, 8), 3, source="net.toml")
    assert REFUSED[text] in str(error.value)
    assert str(error.value).startswith("net.toml") and "\n" not in str(error.value)


def test_images_without_a_channel():
    """A convolution would take the examples for channels."""
    with pytest.raises(DataError, match=r"layer 0 \(Conv2d\) gets \(8, 8\) per example, and takes the examples for"):
        nn.build_model(layers("Conv2d out_channels=2 kernel_size=3", "Flatten", "Linear"), (8, 8), 3)
