"""Classes of layers, as in a small framework written from scratch. What is wrong says so."""

import numpy as np


class Module:
    def __call__(self, *args):
        return self.forward(*args)

    def forward(self, *args):
        raise NotImplementedError

    def backward(self, *args):
        raise NotImplementedError

    def params(self):
        return []


class Linear(Module):
    def __init__(self, n_in, n_out):
        self.W = np.random.randn(n_in, n_out) * np.sqrt(2 / n_in)
        self.b = np.zeros((1, n_out))

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b

    def backward(self, dout):
        self.dW = self.x.T @ dout
        self.db = dout.sum(axis=0)
        return dout @ self.W.T


class LinearT(Module):  # wrong: dW is that of the transpose
    def __init__(self, n_in, n_out):
        self.W = np.random.randn(n_in, n_out)
        self.b = np.zeros((1, n_out))

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b

    def backward(self, dout):
        self.dW = dout.T @ self.x
        self.db = dout.sum(axis=0, keepdims=True)
        return dout @ self.W.T


class ReLU(Module):
    def forward(self, x):
        self.mask = x > 0
        return x * self.mask

    def backward(self, dout):
        return dout * self.mask


class Sigmoid(Module):
    def forward(self, x):
        self.out = 1 / (1 + np.exp(-x))
        return self.out

    def backward(self, dout):
        self.dout = dout
        return dout * self.out * (1 - self.out)


class Tanh(Module):  # wrong: no upstream
    def forward(self, x):
        self.out = np.tanh(x)
        return self.out

    def backward(self, dout):
        return 1 - self.out**2


class Dropout(Module):
    def __init__(self, p=0.5):
        self.p, self.training = p, True

    def forward(self, x):
        if not self.training:
            return x
        self.mask = (np.random.rand(*x.shape) > self.p) / (1 - self.p)
        return x * self.mask

    def backward(self, dout):
        return dout * self.mask


class BatchNorm1d(Module):
    def __init__(self, dim, eps=1e-5, momentum=0.1):
        self.eps, self.momentum, self.training = eps, momentum, True
        self.gamma, self.beta = np.ones(dim), np.zeros(dim)
        self.running_mean, self.running_var = np.zeros(dim), np.ones(dim)

    def forward(self, x):
        mean, var = x.mean(axis=0), x.var(axis=0)
        self.std = np.sqrt(var + self.eps)
        self.xhat = (x - mean) / self.std
        self.running_mean = (1 - self.momentum) * self.running_mean + self.momentum * mean
        self.running_var = (1 - self.momentum) * self.running_var + self.momentum * var
        return self.gamma * self.xhat + self.beta

    def backward(self, dout):
        self.dgamma = (dout * self.xhat).sum(axis=0)
        self.dbeta = dout.sum(axis=0)
        d = dout * self.gamma
        return (d - d.mean(axis=0) - self.xhat * (d * self.xhat).mean(axis=0)) / self.std


class LayerNorm(Module):
    def __init__(self, dim, eps=1e-5):
        self.gamma, self.beta, self.eps = np.ones(dim), np.zeros(dim), eps

    def forward(self, x):
        self.std = np.sqrt(x.var(axis=-1, keepdims=True) + self.eps)
        self.xhat = (x - x.mean(axis=-1, keepdims=True)) / self.std
        return self.gamma * self.xhat + self.beta

    def backward(self, dout):  # wrong: the mean of d is left out
        self.dgamma = (dout * self.xhat).reshape(-1, len(self.gamma)).sum(axis=0)
        self.dbeta = dout.reshape(-1, len(self.beta)).sum(axis=0)
        d = dout * self.gamma
        return (d - self.xhat * (d * self.xhat).mean(axis=-1, keepdims=True)) / self.std


class Embedding(Module):
    def __init__(self, vocab_size, dim):
        self.weight = np.random.randn(vocab_size, dim)

    def forward(self, idx):
        self.idx = idx
        return self.weight[idx]

    def backward(self, dout):
        self.grad_weight = np.zeros_like(self.weight)
        np.add.at(self.grad_weight, self.idx, dout)


class Softmax(Module):
    def forward(self, x):
        e = np.exp(x - x.max(axis=-1, keepdims=True))
        self.out = e / e.sum(axis=-1, keepdims=True)
        return self.out

    def backward(self, dout):
        return self.out * (dout - (dout * self.out).sum(axis=-1, keepdims=True))


class CrossEntropyLoss(Module):
    def forward(self, logits, y):
        self.y = y
        e = np.exp(logits - logits.max(axis=1, keepdims=True))
        self.p = e / e.sum(axis=1, keepdims=True)
        return -np.log(self.p[np.arange(len(y)), y]).mean()

    def backward(self):
        d = self.p.copy()
        d[np.arange(len(self.y)), self.y] -= 1
        return d / len(self.y)


class MSELoss(Module):
    def forward(self, pred, target):
        self.diff = pred - target
        return (self.diff**2).mean()

    def backward(self):  # wrong: 1/n is missing
        return 2 * self.diff


class HingeLoss(Module):
    def forward(self, scores, y):
        self.n = len(y)
        m = np.maximum(0, 1 + scores - scores[np.arange(self.n), y][:, None])
        m[np.arange(self.n), y] = 0
        self.m, self.y = m, y
        return m.sum() / self.n

    def backward(self):
        d = (self.m > 0).astype(float)
        d[np.arange(self.n), self.y] = -d.sum(axis=1)
        return d / self.n


class Conv2d(Module):
    def __init__(self, in_channels, out_channels, kernel_size, stride=1, padding=0):
        self.W = np.random.randn(out_channels, in_channels, kernel_size, kernel_size)
        self.b = np.zeros(out_channels)
        self.s, self.p, self.k = stride, padding, kernel_size

    def forward(self, x):
        self.shape = x.shape
        self.xp = np.pad(x, ((0, 0), (0, 0), (self.p,) * 2, (self.p,) * 2))
        H, W = ((n + 2 * self.p - self.k) // self.s + 1 for n in x.shape[2:])
        out = np.zeros((len(x), len(self.W), H, W))
        for i in range(H):
            for j in range(W):
                win = self.xp[:, :, i * self.s : i * self.s + self.k, j * self.s : j * self.s + self.k]
                out[:, :, i, j] = np.tensordot(win, self.W, ((1, 2, 3), (1, 2, 3))) + self.b
        return out

    def backward(self, dout):
        self.dW, self.db = np.zeros_like(self.W), dout.sum(axis=(0, 2, 3))
        dxp = np.zeros_like(self.xp)
        for i in range(dout.shape[2]):
            for j in range(dout.shape[3]):
                r, c = slice(i * self.s, i * self.s + self.k), slice(j * self.s, j * self.s + self.k)
                self.dW += np.tensordot(dout[:, :, i, j], self.xp[:, :, r, c], ((0,), (0,)))
                dxp[:, :, r, c] += np.tensordot(dout[:, :, i, j], self.W, ((1,), (0,)))
        H, W = self.shape[2:]
        return dxp[:, :, self.p : self.p + H, self.p : self.p + W]


class MaxPool2d(Module):
    def __init__(self, kernel_size):
        self.k = kernel_size

    def forward(self, x):
        n, c, h, w = x.shape
        k = self.k
        self.x = x
        xr = x[:, :, : h // k * k, : w // k * k].reshape(n, c, h // k, k, w // k, k)
        self.out = xr.max(axis=(3, 5))
        return self.out

    def backward(self, dout):
        n, c, h, w = self.x.shape
        k = self.k
        dx = np.zeros_like(self.x)
        for i in range(h // k):
            for j in range(w // k):
                win = self.x[:, :, i * k : (i + 1) * k, j * k : (j + 1) * k].reshape(n, c, -1)
                first = np.eye(k * k)[win.argmax(axis=2)]
                dx[:, :, i * k : (i + 1) * k, j * k : (j + 1) * k] = (first * dout[:, :, i, j, None]).reshape(
                    n, c, k, k
                )
        return dx


class Flatten(Module):
    def forward(self, x):
        self.shape = x.shape
        return x.reshape(len(x), -1)

    def backward(self, dout):
        return dout.reshape(self.shape)


class Cached(Module):
    def forward(self, x):
        y = np.tanh(x)
        return y, (x, y)

    def backward(self, dy, cache):
        x, y = cache
        return dy * (1 - y**2)


class Sequential(Module):
    def __init__(self, *layers):
        self.layers = layers

    def forward(self, x):
        for layer in self.layers:
            x = layer(x)
        return x

    def backward(self, dout):
        for layer in reversed(self.layers):
            dout = layer.backward(dout)
        return dout
