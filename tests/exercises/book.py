"""Functions with their gradients, and closures, as in a book. What is wrong says so."""

import numpy as np


def softmax(X):
    X_exp = np.exp(X - X.max(1, keepdims=True))
    return X_exp / X_exp.sum(1, keepdims=True)


def softmax_grad(g, X):
    y = softmax(X)
    return y * (g - (g * y).sum(1, keepdims=True))


def squared_loss(y_hat, y):
    return (y_hat - y.reshape(y_hat.shape)) ** 2 / 2


def squared_loss_grad(g, y_hat, y):
    return g * (y_hat - y.reshape(y_hat.shape))


def linreg(X, w, b):
    return X @ w + b


def linreg_grad(g, X, w, b):
    return g @ w.T, X.T @ g, g.sum(0)


def corr2d(X, K):
    h, w = K.shape
    Y = np.zeros((X.shape[0] - h + 1, X.shape[1] - w + 1))
    for i in range(Y.shape[0]):
        for j in range(Y.shape[1]):
            Y[i, j] = (X[i : i + h, j : j + w] * K).sum()
    return Y


def corr2d_grad(g, X, K):
    h, w = K.shape
    dX, dK = np.zeros_like(X), np.zeros_like(K)
    for i in range(g.shape[0]):
        for j in range(g.shape[1]):
            dX[i : i + h, j : j + w] += g[i, j] * K
            dK += g[i, j] * X[i : i + h, j : j + w]
    return dX, dK


def dot_product_attention(queries, keys, values):
    d = queries.shape[-1]
    scores = queries @ keys.transpose(0, 2, 1) / np.sqrt(d)
    e = np.exp(scores - scores.max(-1, keepdims=True))
    p = e / e.sum(-1, keepdims=True)
    return p @ values, (queries, keys, values, p)


def dot_product_attention_backward(dout, cache):  # wrong: sqrt(d) is missing
    q, k, v, p = cache
    dp = dout @ v.transpose(0, 2, 1)
    ds = p * (dp - (dp * p).sum(-1, keepdims=True))
    return ds @ k, ds.transpose(0, 2, 1) @ q, p.transpose(0, 2, 1) @ dout


def gelu(x):
    u = np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)
    y = 0.5 * x * (1 + np.tanh(u))

    def back(g):
        t = np.tanh(u)
        du = np.sqrt(2 / np.pi) * (1 + 3 * 0.044715 * x**2)
        return g * (0.5 * (1 + t) + 0.5 * x * (1 - t**2) * du)

    return y, back


def rnn(inputs, state, W_xh, W_hh, b_h):
    """inputs (steps, batch, features)"""
    hs = [state]
    for X in inputs:
        hs.append(np.tanh(X @ W_xh + hs[-1] @ W_hh + b_h))
    outputs = np.stack(hs[1:])

    def back(g):
        dX, dWx, dWh, db = np.zeros_like(inputs), np.zeros_like(W_xh), np.zeros_like(W_hh), np.zeros_like(b_h)
        carry = np.zeros_like(state)
        for t in reversed(range(len(inputs))):
            da = (g[t] + carry) * (1 - hs[t + 1] ** 2)
            dX[t] = da @ W_xh.T
            dWx += inputs[t].T @ da
            dWh += hs[t].T @ da
            db += da.sum(0)
            carry = da @ W_hh.T
        return dX, carry, dWx, dWh, db

    return outputs, back


def dropout_layer(X, dropout):
    mask = (np.random.rand(*X.shape) > dropout).astype(float)
    return mask * X / (1.0 - dropout), (mask, dropout)


def dropout_layer_backward(dout, cache):  # wrong: not scaled
    mask, dropout = cache
    return dout * mask


def layer_norm(X, gamma, beta, eps=1e-5):
    mean, var = X.mean(-1, keepdims=True), X.var(-1, keepdims=True)
    xhat = (X - mean) / np.sqrt(var + eps)
    return gamma * xhat + beta, (xhat, var, gamma, eps)


def layer_norm_backward(dY, cache):
    xhat, var, gamma, eps = cache
    axes = tuple(range(dY.ndim - 1))
    d = dY * gamma
    dX = (d - d.mean(-1, keepdims=True) - xhat * (d * xhat).mean(-1, keepdims=True)) / np.sqrt(var + eps)
    return dX, (dY * xhat).sum(axes), dY.sum(axes)


def hinge_loss(scores, labels):
    return np.maximum(0, 1 - labels * scores).mean()


def hinge_loss_grad(scores, labels):
    return np.where(labels * scores < 1, -labels, 0.0) / scores.size


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def sigmoid_prime(x):  # wrong: of the output
    return x * (1 - x)


def positional_encoding(X, P):
    return X + P[:, : X.shape[1], :]


def positional_encoding_backward(dY, X, P):
    dP = np.zeros_like(P)
    dP[:, : X.shape[1], :] = dY.sum(0, keepdims=True)
    return dY, dP
