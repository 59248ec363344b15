"""Layers of neuralnetlib, a network library in NumPy."""

from inputs import CHANNELS_LAST, ROWS, SEQUENCE, TOKENS
from neuralnetlib import activations, layers


def cases():
    for name in "Sigmoid ReLU Tanh Softmax LeakyReLU ELU SELU GELU".split():
        yield name, layers.Activation(getattr(activations, name)()), None, [ROWS]
    yield "Dense", layers.Dense(3, random_state=0), None, [ROWS]
    yield "Dropout", layers.Dropout(0.5, random_state=0), None, [ROWS]
    yield "Conv1D", layers.Conv1D(4, 3, random_state=0), None, [(2, 7, 3)]
    yield "Conv2D", layers.Conv2D(4, (3, 3), 2, 1, random_state=0), None, [(2, 5, 6, 3)]
    yield "Conv2DTranspose", layers.Conv2DTranspose(4, (2, 2), 2, random_state=0), None, [(2, 3, 4, 3)]
    yield "MaxPooling1D", layers.MaxPooling1D(2), None, [(2, 6, 3)]
    yield "MaxPooling2D", layers.MaxPooling2D((2, 2)), None, [CHANNELS_LAST]
    yield "AveragePooling1D", layers.AveragePooling1D(2), None, [(2, 6, 3)]
    yield "AveragePooling2D", layers.AveragePooling2D((2, 2)), None, [CHANNELS_LAST]
    yield "GlobalAveragePooling1D", layers.GlobalAveragePooling1D(), None, [SEQUENCE]
    yield "GlobalAveragePooling2D", layers.GlobalAveragePooling2D(), None, [CHANNELS_LAST]
    yield "UpSampling2D", layers.UpSampling2D(2), None, [CHANNELS_LAST]
    yield "Embedding", layers.Embedding(7, 5, random_state=0), None, [TOKENS]
    yield "Embedding, token 0", layers.Embedding(7, 5, random_state=0), None, [TOKENS - 1]
    yield "BatchNormalization", layers.BatchNormalization(), None, [ROWS]
    yield "LayerNormalization", layers.LayerNormalization(), None, [ROWS]
    yield "LSTM", layers.LSTM(4, return_sequences=True, random_state=0), None, [SEQUENCE]
    yield "GRU", layers.GRU(4, return_sequences=True, random_state=0), None, [SEQUENCE]
    yield "Attention", layers.Attention(), None, [SEQUENCE]
    yield "MultiHeadAttention", layers.MultiHeadAttention(2, 4, random_state=0), None, [(2, 3, 8)]
    yield "FeedForward", layers.FeedForward(5, 7, random_state=0), None, [SEQUENCE]
