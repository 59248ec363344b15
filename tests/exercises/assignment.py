"""Layers as assignments of a vision course ask for them, all right. The tests put a typical mistake into each."""

import numpy as np


def layernorm_forward(x, gamma, beta, ln_param):
    mean, std = x.mean(axis=1, keepdims=True), np.sqrt(x.var(axis=1, keepdims=True) + ln_param.get("eps", 1e-5))
    x_hat = (x - mean) / std
    return gamma * x_hat + beta, (x_hat, gamma, std)


def layernorm_backward(dout, cache):
    x_hat, gamma, std = cache
    d = dout * gamma
    dx = (d - d.mean(axis=1, keepdims=True) - x_hat * (d * x_hat).mean(axis=1, keepdims=True)) / std
    return dx, (dout * x_hat).sum(axis=0), dout.sum(axis=0)


def spatial_batchnorm_forward(x, gamma, beta, bn_param):
    n, c, h, w = x.shape
    flat = x.transpose(0, 2, 3, 1).reshape(-1, c)
    std = np.sqrt(flat.var(axis=0) + bn_param.get("eps", 1e-5))
    x_hat = (flat - flat.mean(axis=0)) / std
    return (gamma * x_hat + beta).reshape(n, h, w, c).transpose(0, 3, 1, 2), (x_hat, gamma, std)


def spatial_batchnorm_backward(dout, cache):
    x_hat, gamma, std = cache
    n, c, h, w = dout.shape
    flat = dout.transpose(0, 2, 3, 1).reshape(-1, c)
    d = flat * gamma
    dx = (d - d.mean(axis=0) - x_hat * (d * x_hat).mean(axis=0)) / std
    return dx.reshape(n, h, w, c).transpose(0, 3, 1, 2), (flat * x_hat).sum(axis=0), flat.sum(axis=0)


def spatial_groupnorm_forward(x, gamma, beta, G, gn_param):
    n, c, h, w = x.shape
    groups = x.reshape(n, G, -1)
    std = np.sqrt(groups.var(axis=2, keepdims=True) + gn_param.get("eps", 1e-5))
    x_hat = ((groups - groups.mean(axis=2, keepdims=True)) / std).reshape(x.shape)
    return gamma * x_hat + beta, (x_hat, gamma, std, G)


def spatial_groupnorm_backward(dout, cache):
    x_hat, gamma, std, G = cache
    d, groups = (dout * gamma).reshape(len(dout), G, -1), x_hat.reshape(len(dout), G, -1)
    dx = (d - d.mean(axis=2, keepdims=True) - groups * (d * groups).mean(axis=2, keepdims=True)) / std
    over = (0, 2, 3)
    return dx.reshape(dout.shape), (dout * x_hat).sum(axis=over, keepdims=True), dout.sum(axis=over, keepdims=True)


def dropout_forward(x, dropout_param):
    p, mask = dropout_param["p"], None
    if "seed" in dropout_param:
        np.random.seed(dropout_param["seed"])
    if dropout_param["mode"] == "train":
        mask = (np.random.rand(*x.shape) < p) / p
        return x * mask, (dropout_param, mask)
    return x, (dropout_param, mask)


def dropout_backward(dout, cache):
    dropout_param, mask = cache
    return dout * mask if dropout_param["mode"] == "train" else dout


def rnn_step_forward(x, prev_h, Wx, Wh, b):
    next_h = np.tanh(x @ Wx + prev_h @ Wh + b)
    return next_h, (x, prev_h, Wx, Wh, next_h)


def rnn_step_backward(dnext_h, cache):
    x, prev_h, Wx, Wh, next_h = cache
    da = dnext_h * (1 - next_h**2)
    return da @ Wx.T, da @ Wh.T, x.T @ da, prev_h.T @ da, da.sum(axis=0)


def rnn_forward(x, h0, Wx, Wh, b):
    h, prev_h, caches = np.zeros((*x.shape[:2], h0.shape[1])), h0, []
    for t in range(x.shape[1]):
        prev_h, cache = rnn_step_forward(x[:, t], prev_h, Wx, Wh, b)
        h[:, t] = prev_h
        caches.append(cache)
    return h, caches


def rnn_backward(dh, cache):
    x, _, Wx, Wh, _ = cache[0]
    n, steps, _ = dh.shape
    dx, dprev = np.zeros((n, steps, x.shape[1])), np.zeros_like(dh[:, 0])
    dWx, dWh, db = np.zeros_like(Wx), np.zeros_like(Wh), np.zeros(Wh.shape[1])
    for t in reversed(range(steps)):
        dx[:, t], dprev, gx, gh, gb = rnn_step_backward(dh[:, t] + dprev, cache[t])
        dWx, dWh, db = dWx + gx, dWh + gh, db + gb
    return dx, dprev, dWx, dWh, db


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def lstm_step_forward(x, prev_h, prev_c, Wx, Wh, b):
    ai, af, ao, ag = np.split(x @ Wx + prev_h @ Wh + b, 4, axis=1)
    i, f, o, g = sigmoid(ai), sigmoid(af), sigmoid(ao), np.tanh(ag)
    next_c = f * prev_c + i * g
    return o * np.tanh(next_c), next_c, (x, prev_h, prev_c, Wx, Wh, i, f, o, g, next_c)


def lstm_step_backward(dnext_h, dnext_c, cache):
    x, prev_h, prev_c, Wx, Wh, i, f, o, g, next_c = cache
    dc = dnext_c + dnext_h * o * (1 - np.tanh(next_c) ** 2)
    di, df, do, dg = dc * g, dc * prev_c, dnext_h * np.tanh(next_c), dc * i
    da = np.hstack([di * i * (1 - i), df * f * (1 - f), do * o * (1 - o), dg * (1 - g**2)])
    return da @ Wx.T, da @ Wh.T, dc * f, x.T @ da, prev_h.T @ da, da.sum(axis=0)


def lstm_forward(x, h0, Wx, Wh, b):
    h, prev_h, prev_c, caches = np.zeros((*x.shape[:2], h0.shape[1])), h0, np.zeros_like(h0), []
    for t in range(x.shape[1]):
        prev_h, prev_c, cache = lstm_step_forward(x[:, t], prev_h, prev_c, Wx, Wh, b)
        h[:, t] = prev_h
        caches.append(cache)
    return h, caches


def lstm_backward(dh, cache):
    x, _, _, Wx, Wh = cache[0][:5]
    n, steps, hidden = dh.shape
    dx, dprev_h, dprev_c = np.zeros((n, steps, x.shape[1])), np.zeros((n, hidden)), np.zeros((n, hidden))
    dWx, dWh, db = np.zeros_like(Wx), np.zeros_like(Wh), np.zeros(Wh.shape[1])
    for t in reversed(range(steps)):
        dx[:, t], dprev_h, dprev_c, gx, gh, gb = lstm_step_backward(dh[:, t] + dprev_h, dprev_c, cache[t])
        dWx, dWh, db = dWx + gx, dWh + gh, db + gb
    return dx, dprev_h, dWx, dWh, db


def temporal_affine_forward(x, w, b):
    n, t, d = x.shape
    return (x.reshape(n * t, d) @ w).reshape(n, t, -1) + b, (x, w)


def temporal_affine_backward(dout, cache):
    x, w = cache
    flat = dout.reshape(-1, dout.shape[2])
    return (flat @ w.T).reshape(x.shape), x.reshape(-1, x.shape[2]).T @ flat, dout.sum(axis=(0, 1))


def temporal_softmax_loss(x, y, mask):
    n, t, v = x.shape
    flat, labels, keep = x.reshape(-1, v), y.ravel(), mask.ravel()
    p = np.exp(flat - flat.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    loss = -(keep * np.log(p[np.arange(n * t), labels])).sum() / n
    p[np.arange(n * t), labels] -= 1
    return loss, (p * keep[:, None] / n).reshape(n, t, v)


def svm_loss(x, y):
    rows = np.arange(len(x))
    margins = np.maximum(0, x - x[rows, y][:, None] + 1)
    margins[rows, y] = 0
    dx = (margins > 0).astype(x.dtype)
    dx[rows, y] -= (margins > 0).sum(axis=1)
    return margins.sum() / len(x), dx / len(x)


class MultiHeadAttention:
    def __init__(self, embed_dim, num_heads):
        rng = np.random.default_rng(1)
        self.heads = num_heads
        self.params = {name: rng.normal(size=(embed_dim, embed_dim)) for name in ("Wq", "Wk", "Wv", "Wo")}
        self.grads = {}

    def split(self, x):
        n, t, e = x.shape
        return x.reshape(n, t, self.heads, e // self.heads).transpose(0, 2, 1, 3)

    def merge(self, x):
        n, heads, t, d = x.shape
        return x.transpose(0, 2, 1, 3).reshape(n, t, heads * d)

    def forward(self, x):
        self.x = x
        self.q, self.k, self.v = (self.split(x @ self.params[name]) for name in ("Wq", "Wk", "Wv"))
        self.scale = 1 / np.sqrt(self.q.shape[-1])
        scores = np.exp(self.q @ self.k.swapaxes(2, 3) * self.scale)
        self.p = scores / scores.sum(axis=-1, keepdims=True)
        self.mixed = self.merge(self.p @ self.v)
        return self.mixed @ self.params["Wo"]

    def backward(self, dout):
        flat = lambda a: a.reshape(-1, a.shape[-1])
        self.grads["Wo"] = flat(self.mixed).T @ flat(dout)
        dmixed = self.split(dout @ self.params["Wo"].T)
        dp, dv = dmixed @ self.v.swapaxes(2, 3), self.p.swapaxes(2, 3) @ dmixed
        ds = self.p * (dp - (dp * self.p).sum(axis=-1, keepdims=True)) * self.scale
        dx = 0
        for name, d in (("Wq", ds @ self.k), ("Wk", ds.swapaxes(2, 3) @ self.q), ("Wv", dv)):
            self.grads[name] = flat(self.x).T @ flat(self.merge(d))
            dx = dx + self.merge(d) @ self.params[name].T
        return dx
