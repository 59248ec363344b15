"""Layers as classes with self.dW, and as closures."""
import numpy as np


def sigmoid(z):
    return np.where(z >= 0, 1 / (1 + np.exp(-np.abs(z))), np.exp(-np.abs(z)) / (1 + np.exp(-np.abs(z))))


# ---------------------------------------------------------------- KAN layer with Gaussian radial basis functions
class FastKAN:
    def __init__(self, n_in, n_out, n_grid=5, lo=-2.0, hi=2.0, seed=0):
        rng = np.random.default_rng(seed)
        self.grid = np.linspace(lo, hi, n_grid)
        self.h = (hi - lo) / (n_grid - 1)
        self.C = rng.normal(size=(n_in, n_grid, n_out)) * 0.5
        self.Wb = rng.normal(size=(n_in, n_out)) * 0.5

    def forward(self, x):
        self.x = x
        self.u = (x[:, :, None] - self.grid) / self.h
        self.phi = np.exp(-self.u**2)
        self.sig = sigmoid(x)
        return np.einsum("nig,igo->no", self.phi, self.C) + (x * self.sig) @ self.Wb

    def backward(self, grad):
        self.dC = np.einsum("nig,no->igo", self.phi, grad)
        self.dWb = (self.x * self.sig).T @ grad
        dphi = np.einsum("no,igo->nig", grad, self.C)
        dx = (dphi * -2 * self.u * self.phi / self.h).sum(axis=2)
        dbase = self.sig * (1 + self.x * (1 - self.sig))
        return dx + (grad @ self.Wb.T) * dbase


# ---------------------------------------------------------------- WaveNet's gated causal convolution
def wavenet_block(x, Wf, Wg, bf, bg, dilation=2):
    """x (N, C, T), Wf and Wg (O, C, K): returns the output and its pullback"""
    N, C, T = x.shape
    O, _, K = Wf.shape
    left = dilation * (K - 1)
    xp = np.pad(x, ((0, 0), (0, 0), (left, 0)))
    a = np.zeros((N, O, T)) + bf[None, :, None]
    g = np.zeros((N, O, T)) + bg[None, :, None]
    for j in range(K):
        tap = xp[:, :, j * dilation : j * dilation + T]
        a += np.einsum("nct,oc->not", tap, Wf[:, :, j])
        g += np.einsum("nct,oc->not", tap, Wg[:, :, j])
    ta, sg = np.tanh(a), sigmoid(g)

    def pullback(dy):
        da = dy * sg * (1 - ta**2)
        dg = dy * ta * sg * (1 - sg)
        dxp = np.zeros_like(xp)
        dWf, dWg = np.zeros_like(Wf), np.zeros_like(Wg)
        for k in range(K):
            piece = xp[:, :, k * dilation : k * dilation + T]
            dWf[:, :, k] = np.einsum("nct,not->oc", piece, da)
            dWg[:, :, k] = np.einsum("nct,not->oc", piece, dg)
            back = np.einsum("not,oc->nct", da, Wf[:, :, k]) + np.einsum("not,oc->nct", dg, Wg[:, :, k])
            dxp[:, :, k * dilation : k * dilation + T] += back
        return dxp[:, :, left:], dWf, dWg, da.sum(axis=(0, 2)), dg.sum(axis=(0, 2))

    return ta * sg, pullback


# ---------------------------------------------------------------- GraphSAGE with mean aggregation
class SAGEConv:
    def __init__(self, src, dst, n_nodes, n_in, n_out, seed=1):
        rng = np.random.default_rng(seed)
        self.src, self.dst = src, dst
        self.deg = np.bincount(dst, minlength=n_nodes)
        self.Ws = rng.normal(size=(n_in, n_out))
        self.Wn = rng.normal(size=(n_in, n_out))

    def forward(self, h):
        agg = np.zeros_like(h)
        np.add.at(agg, self.dst, h[self.src])
        self.agg = agg / np.maximum(self.deg, 1)[:, None]
        self.h = h
        self.pre = h @ self.Ws + self.agg @ self.Wn
        return np.maximum(self.pre, 0)

    def backward(self, dout):
        dpre = dout * (self.pre > 0)
        self.dWs = self.h.T @ dpre
        self.dWn = self.agg.T @ dpre
        dh = dpre @ self.Ws.T
        dagg = dpre @ self.Wn.T / np.maximum(self.deg, 1)[:, None]
        np.add.at(dh, self.src, dagg[self.dst])
        return dh


# ---------------------------------------------------------------- graph attention, one head
def gat_layer(h, W, a_src, a_dst, edges, slope=0.2):
    """edges (2, E): from, to"""
    src, dst = edges
    n = len(h)
    z = h @ W
    pre = (z @ a_src)[src] + (z @ a_dst)[dst]
    e = np.where(pre > 0, pre, slope * pre)
    top = np.full(n, -np.inf)
    np.maximum.at(top, dst, e)
    w = np.exp(e - top[dst])
    norm = np.zeros(n)
    np.add.at(norm, dst, w)
    att = w / norm[dst]
    out = np.zeros_like(z)
    np.add.at(out, dst, att[:, None] * z[src])

    def back(dout):
        dz = np.zeros_like(z)
        np.add.at(dz, src, att[:, None] * dout[dst])
        datt = (dout[dst] * z[src]).sum(axis=1)
        inner = np.zeros(n)
        np.add.at(inner, dst, att * datt)
        de = att * (datt - inner[dst])
        dpre = de * np.where(pre > 0, 1.0, slope)
        ds, dd = np.zeros(n), np.zeros(n)
        np.add.at(ds, src, dpre)
        np.add.at(dd, dst, dpre)
        da_src, da_dst = z.T @ ds, z.T @ dd
        dz += np.outer(ds, a_src) + np.outer(dd, a_dst)
        return dz @ W.T, h.T @ dz, da_src, da_dst

    return out, back


# ---------------------------------------------------------------- bilinear sampler of a spatial transformer
class GridSampler:
    """img (C, H, W), grid (P, 2) in [-1, 1] as (x, y); corners are the centres of the corner pixels; zeros outside"""

    def forward(self, img, grid):
        C, H, W = img.shape
        gx = (grid[:, 0] + 1) / 2 * (W - 1)
        gy = (grid[:, 1] + 1) / 2 * (H - 1)
        x0, y0 = np.floor(gx).astype(int), np.floor(gy).astype(int)
        self.fx, self.fy = gx - x0, gy - y0
        self.img = img
        self.corners = []
        out = np.zeros((C, len(grid)))
        for oy in (0, 1):
            for ox in (0, 1):
                xi, yi = x0 + ox, y0 + oy
                inside = (xi >= 0) & (xi < W) & (yi >= 0) & (yi < H)
                xc, yc = np.clip(xi, 0, W - 1), np.clip(yi, 0, H - 1)
                val = np.where(inside, img[:, yc, xc], 0.0)
                wx = self.fx if ox else 1 - self.fx
                wy = self.fy if oy else 1 - self.fy
                out += val * wx * wy
                self.corners.append((ox, oy, inside, xc, yc, val, wx, wy))
        return out

    def backward(self, dout):
        C, H, W = self.img.shape
        dimg = np.zeros_like(self.img)
        dfx, dfy = np.zeros(dout.shape[1]), np.zeros(dout.shape[1])
        for ox, oy, inside, xc, yc, val, wx, wy in self.corners:
            share = dout * (wx * wy * inside)
            np.add.at(dimg, (slice(None), yc, xc), share)
            dval = (dout * val).sum(axis=0)
            dfx += dval * wy * (1 if ox else -1)
            dfy += dval * wx * (1 if oy else -1)
        dgrid = np.stack([dfx * (W - 1) / 2, dfy * (H - 1) / 2], axis=1)
        return dimg, dgrid


# ---------------------------------------------------------------- weight-normalised linear layer
class WeightNormLinear:
    def __init__(self, n_in, n_out, seed=2):
        rng = np.random.default_rng(seed)
        self.V = rng.normal(size=(n_out, n_in))
        self.g = rng.uniform(0.5, 2, size=n_out)
        self.b = rng.normal(size=n_out)

    def forward(self, x):
        self.x = x
        self.norm = np.linalg.norm(self.V, axis=1)
        self.unit = self.V / self.norm[:, None]
        return x @ (self.g[:, None] * self.unit).T + self.b

    def backward(self, dout):
        dw = dout.T @ self.x
        self.dg = (dw * self.unit).sum(axis=1)
        self.dV = (self.g / self.norm)[:, None] * (dw - self.dg[:, None] * self.unit)
        self.db = dout.sum(axis=0)
        return dout @ (self.g[:, None] * self.unit)


# ---------------------------------------------------------------- batch normalisation with running statistics
class BatchNorm1d:
    def __init__(self, n, training=True, momentum=0.1, eps=1e-5):
        self.gamma = np.linspace(0.5, 1.5, n)
        self.beta = np.zeros(n)
        self.mean, self.var = np.linspace(-0.3, 0.4, n), np.linspace(0.6, 1.7, n)
        self.training, self.momentum, self.eps = training, momentum, eps

    def forward(self, x):
        if self.training:
            mu, var = x.mean(axis=0), x.var(axis=0)
            m = self.momentum
            self.mean = (1 - m) * self.mean + m * mu
            self.var = (1 - m) * self.var + m * var
        else:
            mu, var = self.mean, self.var
        self.istd = 1 / np.sqrt(var + self.eps)
        self.xhat = (x - mu) * self.istd
        return self.gamma * self.xhat + self.beta

    def backward(self, dy):
        self.dgamma = (dy * self.xhat).sum(axis=0)
        self.dbeta = dy.sum(axis=0)
        dxh = dy * self.gamma
        if self.training:
            dxh = dxh - dxh.mean(axis=0) - self.xhat * (dxh * self.xhat).mean(axis=0)
        return dxh * self.istd


# ---------------------------------------------------------------- Fourier neural operator, spectral convolution
def spectral_conv1d(x, Wr, Wi):
    """x (B, C, N) real, weights (C, O, M) real and imaginary parts of the lowest M modes; N > 2 M"""
    N = x.shape[-1]
    C, O, M = Wr.shape
    xf = np.fft.rfft(x, axis=-1)[:, :, :M]
    W = Wr + 1j * Wi
    yf = np.zeros((x.shape[0], O, N // 2 + 1), dtype=complex)
    yf[:, :, :M] = np.einsum("bcm,com->bom", xf, W)
    y = np.fft.irfft(yf, n=N, axis=-1)

    def backward(dy):
        # irfft counts every mode twice but the mean
        gf = np.fft.rfft(dy, axis=-1)[:, :, :M] / N
        twice = np.full(M, 2.0)
        twice[0] = 1.0
        if N % 2 == 0 and M > N // 2:
            twice[N // 2] = 1.0
        gf = gf * twice
        gW = np.einsum("bcm,bom->com", np.conj(xf), gf)
        gx = np.einsum("bom,com->bcm", gf, np.conj(W))
        full = np.zeros((x.shape[0], C, N), dtype=complex)
        full[:, :, :M] = gx
        dx = np.fft.ifft(full, axis=-1).real * N
        return dx, gW.real, gW.imag

    return y, backward


# ---------------------------------------------------------------- Haar wavelet pyramid
class HaarPyramid:
    """x (N, L), L divisible by 2 ** levels: [approximation, coarsest detail, ..., finest detail]"""

    def __init__(self, levels=2):
        self.levels = levels

    def forward(self, x):
        parts, a = [], x
        for _ in range(self.levels):
            even, odd = a[:, 0::2], a[:, 1::2]
            parts.append((even - odd) / np.sqrt(2))
            a = (even + odd) / np.sqrt(2)
        self.length = x.shape[1]
        return np.concatenate([a] + parts[::-1], axis=1)

    def backward(self, dout):
        n = self.length >> self.levels
        da = dout[:, :n]
        while n < self.length:
            dd = dout[:, n : 2 * n]
            up = np.empty((len(dout), 2 * n))
            up[:, 0::2] = (da + dd) / np.sqrt(2)
            up[:, 1::2] = (da - dd) / np.sqrt(2)
            da, n = up, 2 * n
        return da


# ---------------------------------------------------------------- ARD kernel of a Gaussian process
class ARDKernel:
    def forward(self, X, log_ell, log_sf):
        self.X, self.ell = X, np.exp(log_ell)
        self.diff = X[:, None, :] - X[None, :, :]
        self.K = np.exp(2 * log_sf) * np.exp(-0.5 * ((self.diff / self.ell) ** 2).sum(axis=2))
        return self.K

    def backward(self, dK):
        G = dK * self.K
        d = self.diff / self.ell**2
        dX = -np.einsum("ij,ijd->id", G, d) + np.einsum("ij,ijd->jd", G, d)
        dlog_ell = np.einsum("ij,ijd->d", G, (self.diff / self.ell) ** 2)
        dlog_sf = 2 * G.sum()
        return dX, dlog_ell, dlog_sf


# ---------------------------------------------------------------- one step of RK4 through a small vector field
def rk4_step(y, W, b, dt=0.3):
    def f(s):
        return np.tanh(s @ W + b)

    k1 = f(y)
    k2 = f(y + dt / 2 * k1)
    k3 = f(y + dt / 2 * k2)
    k4 = f(y + dt * k3)
    out = y + dt / 6 * (k1 + 2 * k2 + 2 * k3 + k4)

    def pullback(dout):
        dW, db = np.zeros_like(W), np.zeros_like(b)

        def vjp(state, k, dk):
            nonlocal dW, db
            da = dk * (1 - k**2)
            dW = dW + state.T @ da
            db = db + da.sum(axis=0)
            return da @ W.T

        s4 = vjp(y + dt * k3, k4, dt / 6 * dout)
        s3 = vjp(y + dt / 2 * k2, k3, dt / 3 * dout + dt * s4)
        s2 = vjp(y + dt / 2 * k1, k2, dt / 3 * dout + dt / 2 * s3)
        s1 = vjp(y, k1, dt / 6 * dout + dt / 2 * s2)
        return dout + s1 + s2 + s3 + s4, dW, db

    return out, pullback


# ---------------------------------------------------------------- whitening by the Cholesky factor
class CholeskyWhitening:
    def __init__(self, eps=0.1):
        self.eps = eps

    def forward(self, x):
        N, D = x.shape
        self.xc = x - x.mean(axis=0)
        S = self.xc.T @ self.xc / N + self.eps * np.eye(D)
        self.L = np.linalg.cholesky(S)
        self.y = np.linalg.solve(self.L, self.xc.T).T
        return self.y

    def backward(self, dy):
        N, D = dy.shape
        gxc = np.linalg.solve(self.L.T, dy.T).T
        gL = -np.tril(gxc.T @ self.y)
        P = np.tril(self.L.T @ gL)
        P[np.diag_indices(D)] *= 0.5
        Li = np.linalg.inv(self.L)
        gS = Li.T @ P @ Li
        gS = (gS + gS.T) / 2
        gxc = gxc + 2 * self.xc @ gS / N
        return gxc - gxc.mean(axis=0)


# ---------------------------------------------------------------- soft rank by pairwise sigmoids
class SoftRank:
    def __init__(self, tau=0.5):
        self.tau = tau

    def forward(self, x):
        self.z = (x[:, :, None] - x[:, None, :]) / self.tau
        return 0.5 + sigmoid(self.z).sum(axis=2)

    def backward(self, dr):
        e = np.exp(-np.abs(self.z))
        slope = e / (1 + e) ** 2 / self.tau
        return dr * slope.sum(axis=2) - np.einsum("ni,nij->nj", dr, slope)


# ---------------------------------------------------------------- highway layer
class Highway:
    def __init__(self, d, seed=4):
        rng = np.random.default_rng(seed)
        self.Wh, self.Wt = rng.normal(size=(d, d)), rng.normal(size=(d, d))
        self.bh, self.bt = rng.normal(size=d), rng.normal(size=d) - 1

    def forward(self, x):
        self.x = x
        self.h = np.tanh(x @ self.Wh + self.bh)
        self.t = sigmoid(x @ self.Wt + self.bt)
        return self.t * self.h + (1 - self.t) * x

    def backward(self, dout):
        dh = dout * self.t * (1 - self.h**2)
        dt = dout * (self.h - self.x) * self.t * (1 - self.t)
        self.dWh, self.dbh = self.x.T @ dh, dh.sum(axis=0)
        self.dWt, self.dbt = self.x.T @ dt, dt.sum(axis=0)
        dx = dh @ self.Wh.T + dt @ self.Wt.T
        dx += dout * (1 - self.t)
        return dx


# ---------------------------------------------------------------- transposed convolution
class ConvTranspose2d:
    def __init__(self, c_in, c_out, kh, kw, stride=2, pad=1, seed=5):
        rng = np.random.default_rng(seed)
        self.W = rng.normal(size=(c_in, c_out, kh, kw))
        self.b = rng.normal(size=c_out)
        self.stride, self.pad = stride, pad

    def forward(self, x):
        self.x = x
        N, C, H, W = x.shape
        _, O, kh, kw = self.W.shape
        s, p = self.stride, self.pad
        full = np.zeros((N, O, (H - 1) * s + kh, (W - 1) * s + kw))
        for i in range(kh):
            for j in range(kw):
                full[:, :, i : i + (H - 1) * s + 1 : s, j : j + (W - 1) * s + 1 : s] += np.einsum(
                    "nchw,co->nohw", x, self.W[:, :, i, j]
                )
        out = full[:, :, p : full.shape[2] - p, p : full.shape[3] - p]
        return out + self.b[None, :, None, None]

    def backward(self, dout):
        N, C, H, W = self.x.shape
        kh, kw = self.W.shape[2:]
        s, p = self.stride, self.pad
        d = np.pad(dout, ((0, 0), (0, 0), (p, p), (p, p)))
        dx = np.zeros_like(self.x)
        self.dW = np.zeros_like(self.W)
        for i in range(kh):
            for j in range(kw):
                win = d[:, :, i : i + (H - 1) * s + 1 : s, j : j + (W - 1) * s + 1 : s]
                dx += np.einsum("nohw,co->nchw", win, self.W[:, :, i, j])
                self.dW[:, :, i, j] = np.einsum("nchw,nohw->co", self.x, win)
        self.db = dout.sum(axis=(0, 2, 3))
        return dx


# ---------------------------------------------------------------- local response normalisation (AlexNet)
class LRN:
    """window of n channels: from c - n // 2 to c - n // 2 + n - 1"""

    def __init__(self, n=4, k=1.0, alpha=0.5, beta=0.75):
        self.n, self.k, self.alpha, self.beta = n, k, alpha, beta

    def forward(self, x):
        N, C = x.shape[:2]
        half = self.n // 2
        sq = np.zeros_like(x)
        for c in range(C):
            sq[:, c] = (x[:, max(0, c - half) : c - half + self.n] ** 2).sum(axis=1)
        self.x, self.scale = x, self.k + self.alpha / self.n * sq
        return x * self.scale**-self.beta

    def backward(self, dy):
        C = self.x.shape[1]
        lo = self.n - 1 - self.n // 2
        inner = dy * self.x * self.scale ** (-self.beta - 1)
        acc = np.zeros_like(inner)
        for c in range(C):
            acc[:, c] = inner[:, max(0, c - lo) : c - lo + self.n].sum(axis=1)
        return dy * self.scale**-self.beta - 2 * self.alpha * self.beta / self.n * self.x * acc


# ---------------------------------------------------------------- alpha compositing along a ray
class Compositor:
    """alpha (R, S) in [0, 1], colour (R, S, 3), front to back"""

    def forward(self, alpha, colour):
        self.alpha, self.colour = alpha, colour
        T = np.cumprod(1 - alpha, axis=1)
        self.T = np.concatenate([np.ones((len(alpha), 1)), T[:, :-1]], axis=1)
        self.w = self.T * alpha
        return np.einsum("rs,rsc->rc", self.w, colour)

    def backward(self, dpix):
        dcolour = self.w[:, :, None] * dpix[:, None, :]
        shade = np.einsum("rc,rsc->rs", dpix, self.colour)
        behind = np.zeros(len(dpix))
        dalpha = np.zeros_like(self.alpha)
        for s in range(self.alpha.shape[1] - 1, -1, -1):
            dalpha[:, s] = self.T[:, s] * (shade[:, s] - behind)
            behind = self.alpha[:, s] * shade[:, s] + (1 - self.alpha[:, s]) * behind
        return dalpha, dcolour


# ---------------------------------------------------------------- overlapping max pooling
class MaxPool2d:
    def __init__(self, k=3, stride=2):
        self.k, self.stride = k, stride

    def forward(self, x):
        N, C, H, W = x.shape
        k, s = self.k, self.stride
        oh, ow = (H - k) // s + 1, (W - k) // s + 1
        out = np.zeros((N, C, oh, ow))
        self.arg = np.zeros((N, C, oh, ow), dtype=int)
        for i in range(oh):
            for j in range(ow):
                win = x[:, :, i * s : i * s + k, j * s : j * s + k].reshape(N, C, k * k)
                self.arg[:, :, i, j] = win.argmax(axis=2)
                out[:, :, i, j] = win.max(axis=2)
        self.shape = x.shape
        return out

    def backward(self, dout):
        dx = np.zeros(self.shape)
        N, C = self.shape[:2]
        n, c = np.ogrid[:N, :C]
        for i in range(dout.shape[2]):
            for j in range(dout.shape[3]):
                di, dj = np.divmod(self.arg[:, :, i, j], self.k)
                dx[n, c, i * self.stride + di, j * self.stride + dj] += dout[:, :, i, j]
        return dx


# ---------------------------------------------------------------- frames of a signal with a window (STFT's first half)
class Framing:
    def __init__(self, size=4, hop=2):
        self.size, self.hop = size, hop
        self.window = 0.5 - 0.5 * np.cos(2 * np.pi * (np.arange(size) + 0.5) / size)

    def forward(self, x):
        n = (x.shape[-1] - self.size) // self.hop + 1
        self.shape = x.shape
        idx = self.hop * np.arange(n)[:, None] + np.arange(self.size)
        return x[:, idx] * self.window

    def backward(self, dframes):
        dx = np.zeros(self.shape)
        for f in range(dframes.shape[1]):
            dx[:, f * self.hop : f * self.hop + self.size] += dframes[:, f] * self.window
        return dx


# ---------------------------------------------------------------- ELU that keeps its output
class ELU:
    def __init__(self, alpha=1.3):
        self.alpha = alpha

    def forward(self, x):
        self.neg = x <= 0
        self.y = np.where(self.neg, self.alpha * np.expm1(np.minimum(x, 0)), x)
        return self.y

    def backward(self, dout):
        dx = dout.copy()
        dx[self.neg] *= self.y[self.neg] + self.alpha
        return dx


# ---------------------------------------------------------------- embedding bag with weights per sample
class EmbeddingBag:
    def __init__(self, vocab, dim, ids, bags, seed=6):
        self.E = np.random.default_rng(seed).normal(size=(vocab, dim))
        self.ids, self.bags = ids, bags

    def forward(self, w):
        out = np.zeros((self.bags.max() + 1, self.E.shape[1]))
        np.add.at(out, self.bags, w[:, None] * self.E[self.ids])
        self.w = w
        return out

    def backward(self, dout):
        g = dout[self.bags]
        self.dE = np.zeros_like(self.E)
        np.add.at(self.dE, self.ids, self.w[:, None] * g)
        return (g * self.E[self.ids]).sum(axis=1)
