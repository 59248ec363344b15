"""Layers as classes and as closures, in NumPy."""
import numpy as np


def _sigmoid(z):
    return 0.5 * (1 + np.tanh(0.5 * z))


class PReLU:
    def __init__(self, slope):
        self.a = np.array(slope, dtype=float)

    def forward(self, x):
        self.x = x
        self.y = np.where(x > 0, x, self.a[:, None, None] * x)
        return self.y

    def backward(self, grad):
        x = self.x
        self.da = (grad * x * (x <= 0)).sum(axis=(0, 2, 3))
        return grad * np.where(x > 0, 1, self.a[:, None, None])


class GatedLinearUnit:
    def __init__(self, d_in, d_out):
        rng = np.random.default_rng(5)
        self.W, self.V = rng.standard_normal((2, d_in, d_out))
        self.b, self.c = rng.standard_normal((2, d_out))

    def forward(self, x):
        self.x = x
        self.lin = x @ self.W + self.b
        self.gate = _sigmoid(x @ self.V + self.c)
        return self.lin * self.gate

    def backward(self, grad):
        dlin = grad * self.gate
        dpre = grad * self.lin * self.gate * (1 - self.gate)
        self.dW, self.dV = self.x.T @ dlin, self.x.T @ dpre
        self.db, self.dc = dlin.sum(axis=0), dpre.sum(axis=0)
        dx = dlin @ self.W.T
        dx += dpre @ self.V.T
        return dx


class SoftMoE:
    """y = sum over experts of softmax(x G)_e (x E_e)"""

    def __init__(self, gate, experts):
        self.params = {"G": gate, "E": experts}
        self.grads = {}

    def forward(self, x):
        s = x @ self.params["G"]
        s = np.exp(s - s.max(axis=1, keepdims=True))
        p = s / s.sum(axis=1, keepdims=True)
        outs = np.einsum("ni,eio->neo", x, self.params["E"])
        self.cache = x, p, outs
        return np.einsum("ne,neo->no", p, outs)

    def backward(self, dout):
        x, p, outs = self.cache
        dp = np.einsum("no,neo->ne", dout, outs)
        ds = p * (dp - (p * dp).sum(axis=1, keepdims=True))
        douts = p[:, :, None] * dout[:, None, :]
        self.grads["G"] = x.T @ ds
        self.grads["E"] = np.einsum("ni,neo->eio", x, douts)
        return ds @ self.params["G"].T + np.einsum("neo,eio->ni", douts, self.params["E"])


class MinGRU:
    def __init__(self, Wz, Wh):
        self.Wz, self.Wh = Wz, Wh

    def forward(self, x):
        z, cand = _sigmoid(x @ self.Wz), np.tanh(x @ self.Wh)
        h = np.zeros((len(x) + 1,) + z.shape[1:])
        for t in range(len(x)):
            h[t + 1] = (1 - z[t]) * h[t] + z[t] * cand[t]
        self.saved = x, z, cand, h
        return h[1:]

    def backward(self, dh_all):
        x, z, cand, h = self.saved
        dz, dc = np.zeros_like(z), np.zeros_like(z)
        dh = np.zeros(z.shape[1:])
        for t in range(len(x) - 1, -1, -1):
            dh = dh + dh_all[t]
            dz[t] = dh * (cand[t] - h[t])
            dc[t] = dh * z[t]
            dh = dh * (1 - z[t])
        az, ac = dz * z * (1 - z), dc * (1 - cand ** 2)
        self.dWz, self.dWh = x.T @ az, x.T @ ac
        return az @ self.Wz.T + ac @ self.Wh.T


def haar(x):
    """one level of the Haar transform of each row"""
    root = np.sqrt(2.0)
    low, high = (x[:, ::2] + x[:, 1::2]) / root, (x[:, ::2] - x[:, 1::2]) / root

    def back(g):
        half = g.shape[1] // 2
        ga, gd = g[:, :half], g[:, half:]
        gx = np.empty_like(g)
        gx[:, ::2] = (ga + gd) / root
        gx[:, 1::2] = (ga - gd) / root
        return gx

    return np.concatenate([low, high], axis=1), back


def fourier_layer(x, wr, wi):
    """the spectral convolution of a Fourier neural operator, the lowest modes"""
    n, modes = x.shape[-1], wr.shape[-1]
    w = wr + 1j * wi
    X = np.fft.rfft(x)[..., :modes]
    y = np.fft.irfft(np.einsum("bcm,com->bom", X, w), n=n)

    def back(gy):
        weight = np.full(modes, 2.0)
        weight[0] = 1
        if n % 2 == 0 and modes == n // 2 + 1:
            weight[-1] = 1
        gY = np.fft.rfft(gy)[..., :modes] * weight / n
        gX = np.einsum("bom,com->bcm", gY, np.conj(w))
        gw = np.einsum("bcm,bom->com", np.conj(X), gY)
        return (n * np.fft.ifft(gX, n=n)).real, gw.real, gw.imag

    return y, back


def alibi_attention(q, k, v, pad):
    """causal, with a bias for the distance; pad[j] = 1 where key j is none"""
    T, d = q.shape
    i, j = np.arange(T)[:, None], np.arange(T)[None, :]
    scale, slope = 1 / np.sqrt(d), 0.25
    visible = (j <= i) & (pad[None, :] == 0)
    s = np.where(visible, q @ k.T * scale - slope * (i - j), -np.inf)
    top = s.max(axis=1, keepdims=True)
    e = np.where(visible, np.exp(s - np.where(np.isfinite(top), top, 0)), 0)
    tot = e.sum(axis=1, keepdims=True)
    out = (e / np.where(tot > 0, tot, 1)) @ v

    def back(dout):
        p = e / np.maximum(tot, 1e-300)
        dp = dout @ v.T
        ds = p * (dp - (dp * p).sum(axis=1, keepdims=True))
        dq = ds @ k * scale
        dk = ds.T @ q * scale
        return dq, dk, p.T @ dout, None

    return out, back


class BatchNorm1d:
    def __init__(self, gamma, beta, mean, var, training):
        self.gamma, self.beta, self.mean, self.var, self.training = gamma, beta, mean, var, training

    def forward(self, x):
        mu, var = (x.mean(axis=0), x.var(axis=0)) if self.training else (self.mean, self.var)
        self.istd = 1 / np.sqrt(var + 1e-5)
        self.xhat = (x - mu) * self.istd
        return self.gamma * self.xhat + self.beta

    def backward(self, dy):
        self.dgamma, self.dbeta = (dy * self.xhat).sum(axis=0), dy.sum(axis=0)
        dxhat = dy * self.gamma
        if self.training:
            dxhat = dxhat - dxhat.mean(axis=0) - self.xhat * (dxhat * self.xhat).mean(axis=0)
        return dxhat * self.istd


def instance_norm_forward(x):
    mu = x.mean(axis=-1, keepdims=True)
    var = ((x - mu) ** 2).mean(axis=-1, keepdims=True)
    return (x - mu) / np.sqrt(var + 1e-3), x


def instance_norm_backward(dy, x):
    mu = x.mean(axis=-1, keepdims=True)
    xc = x - mu
    var = (xc ** 2).mean(axis=-1, keepdims=True)
    inv = 1 / np.sqrt(var + 1e-3)
    proj = (dy * xc).mean(axis=-1, keepdims=True) * inv ** 2
    return inv * (dy - dy.mean(axis=-1, keepdims=True) - xc * proj)


def tied_lm(emb, W, ids):
    """tokens -> embedding -> tanh(W) -> logits by the same embedding"""
    x = emb[ids]
    h = np.tanh(x @ W)

    def back(dlogits):
        demb = dlogits.T @ h
        da = dlogits @ emb * (1 - h ** 2)
        np.add.at(demb, ids, da @ W.T)
        return demb, x.T @ da

    return h @ emb.T, back


def rk4_step(x, W, dt=0.3):
    """one step of dx/dt = tanh(x W)"""
    s1 = x
    k1 = np.tanh(s1 @ W)
    s2 = x + dt / 2 * k1
    k2 = np.tanh(s2 @ W)
    s3 = x + dt / 2 * k2
    k3 = np.tanh(s3 @ W)
    s4 = x + dt * k3
    k4 = np.tanh(s4 @ W)

    def vjp(g, s, k):
        da = g * (1 - k ** 2)
        return da @ W.T, s.T @ da

    def back(g):
        g4, w4 = vjp(g * dt / 6, s4, k4)
        g3, w3 = vjp(g * dt / 3 + dt * g4, s3, k3)
        g2, w2 = vjp(g * dt / 3 + dt / 2 * g3, s2, k2)
        g1, w1 = vjp(g * dt / 6 + dt / 2 * g2, s1, k1)
        return g + g1 + g2 + g3 + g4, w1 + w2 + w3 + w4

    return x + dt / 6 * (k1 + 2 * k2 + 2 * k3 + k4), back


_workspace = {}


def frames_forward(x):
    """windows of 4 at every second place, with a taper"""
    taper = np.array([0.3, 0.9, 0.8, 0.2])
    count = (x.shape[-1] - 4) // 2 + 1
    return np.stack([x[:, 2 * i:2 * i + 4] * taper for i in range(count)], axis=1), (x.shape, taper)


def frames_backward(dframes, cache):
    shape, taper = cache
    buf = _workspace.setdefault(shape, np.zeros(shape))
    buf.fill(0)
    for i in range(dframes.shape[1]):
        buf[:, 2 * i:2 * i + 4] += dframes[:, i] * taper
    return buf.copy()


def gram_cholesky_forward(X):
    """L with L L' = X X' + I"""
    L = np.linalg.cholesky(X @ X.T + np.eye(len(X)))
    return L, (X, L)


def gram_cholesky_backward(dL, cache):
    X, L = cache
    phi = np.tril(L.T @ dL)
    phi[np.diag_indices_from(phi)] *= 0.5
    inv = np.linalg.inv(L)
    S = inv.T @ phi @ inv
    return (S + S.T) @ X


class DropPath:
    """drops whole examples"""

    def __init__(self, p):
        self.p = p

    def draw(self, n):
        return (np.random.rand(n, 1) > self.p) / (1 - self.p)

    def forward(self, x):
        self.mask = self.draw(len(x))
        return x * self.mask

    def backward(self, dout):
        return dout * self.mask


class MaxPool1d:
    """overlapping windows of 3, stride 2"""

    def forward(self, x):
        self.shape = x.shape
        self.count = (x.shape[-1] - 3) // 2 + 1
        win = np.stack([x[..., j:j + 2 * self.count - 1:2] for j in range(3)])
        self.win, self.arg = win, win.argmax(axis=0)
        return win.max(axis=0)

    def backward(self, g):
        dx = np.zeros(self.shape)
        for j in range(3):
            chosen = self.arg == j
            dx[..., j:j + 2 * self.count - 1:2] += g * chosen
        return dx


def info_nce(za, zb, tau=0.4):
    """both directions; returns the loss and its gradients"""
    n = len(za)
    s = za @ zb.T / tau
    row = np.exp(s - s.max(axis=1, keepdims=True))
    row /= row.sum(axis=1, keepdims=True)
    col = np.exp(s - s.max(axis=0))
    col /= col.sum(axis=0)
    lse_r = np.log(np.exp(s - s.max(axis=1, keepdims=True)).sum(axis=1)) + s.max(axis=1)
    lse_c = np.log(np.exp(s - s.max(axis=0)).sum(axis=0)) + s.max(axis=0)
    loss = (lse_r + lse_c - 2 * np.diag(s)).mean() / 2
    ds = (row + col - 2 * np.eye(n)) / (2 * n)
    dza, dzb = ds @ zb / tau, ds.T @ za / tau
    return loss, dza, dzb
