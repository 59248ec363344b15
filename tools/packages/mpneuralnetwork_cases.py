"""Layers of mpneuralnetwork, a network library in NumPy that computes in single precision."""

import numpy as np
from inputs import IMAGE, ROWS
from mpneuralnetwork import activations, layers


def cases():
    for name in "Tanh Sigmoid ReLU Softmax PReLU Swish".split():
        yield name, getattr(activations, name)(), None, [single(*ROWS)]
    yield "Dense", built(layers.Dense(3), 5), None, [single(*ROWS)]
    yield "BatchNormalization", built(layers.BatchNormalization(), 5), None, [single(*ROWS)]
    yield "Dropout", built(layers.Dropout(0.5), 5), None, [single(*ROWS)]
    yield "Convolutional", built(layers.Convolutional(4, 3), IMAGE[1:]), None, [single(*IMAGE)]
    yield "Convolutional, stride 2", built(layers.Convolutional(4, 3, stride=2), (3, 7, 7)), None, [single(2, 3, 7, 7)]
    yield "MaxPooling2D", built(layers.MaxPooling2D(2), IMAGE[1:]), None, [single(*IMAGE)]
    yield "AveragePooling2D", built(layers.AveragePooling2D(2), IMAGE[1:]), None, [single(*IMAGE)]
    yield "BatchNormalization2D", built(layers.BatchNormalization2D(), IMAGE[1:]), None, [single(*IMAGE)]


def single(*shape):
    return np.random.default_rng(0).normal(size=shape).astype("f4")


def built(layer, shape):
    layer.build(shape)
    if hasattr(layer, "init_weights"):
        layer.init_weights("xavier", False)
    return layer
