"""Layers and losses as pairs of functions with a cache, in NumPy."""
import numpy as np

ROPE_BASE = 10.0


# weight-normalised linear layer, w = g v / |v| for every output
def wn_linear_forward(x, v, g, b):
    norm = np.sqrt((v ** 2).sum(axis=1, keepdims=True))
    v_hat = v / norm
    w = g[:, None] * v_hat
    return x @ w.T + b, (x, v_hat, norm, g, w)


def wn_linear_backward(dout, cache):
    x, v_hat, norm, g, w = cache
    dw = dout.T @ x
    dg = (dw * v_hat).sum(axis=1)
    dv = g[:, None] / norm * (dw - dg[:, None] * v_hat)
    return dout @ w, dv, dg, dout.sum(axis=0)


# squashing of capsules
def squash_forward(s):
    sq = np.sum(s * s, axis=-1, keepdims=True)
    length = np.sqrt(sq)
    return s * length / (1 + sq), (s, sq, length)


def squash_backward(dv, cache):
    s, sq, length = cache
    inner = np.sum(dv * s, axis=-1, keepdims=True)
    safe = np.where(length > 0, length, 1.0)
    scale = length / (1 + sq)
    dscale = (1 - sq) / (1 + sq) ** 2
    return dv * scale + inner * dscale * s / safe


# quantile regression
def pinball_loss(pred, target, tau):
    diff = target - pred
    loss = np.mean(np.maximum(tau * diff, (tau - 1) * diff))
    dpred = np.where(diff > 0, -tau, 1 - tau) / diff.size
    return loss, dpred


# rotary positions
def rope_forward(x):
    T, H, D = x.shape
    freq = ROPE_BASE ** (-np.arange(0, D, 2) / D)
    angle = np.outer(np.arange(T), freq)[:, None, :]
    c, s = np.cos(angle), np.sin(angle)
    x1, x2 = x[..., 0::2], x[..., 1::2]
    out = np.empty_like(x)
    out[..., 0::2] = x1 * c - x2 * s
    out[..., 1::2] = x1 * s + x2 * c
    return out, (c, s)


def rope_backward(dout, cache):
    c, s = cache
    d1, d2 = dout[..., 0::2], dout[..., 1::2]
    dx = np.empty_like(dout)
    dx[..., 0::2] = d1 * c + d2 * s
    dx[..., 1::2] = d2 * c - d1 * s
    return dx


# Kolmogorov-Arnold layer with Gaussian bumps
def kan_forward(x, coef):
    K = coef.shape[2]
    grid = np.linspace(-1, 1, K)
    h = 2.0 / max(K - 1, 1)
    z = (x[:, :, None] - grid) / h
    phi = np.exp(-z ** 2)
    return np.einsum("nik,oik->no", phi, coef), (z, phi, coef, h)


def kan_backward(dy, cache):
    z, phi, coef, h = cache
    dcoef = np.einsum("no,nik->oik", dy, phi)
    dphi = np.einsum("no,oik->nik", dy, coef)
    dx = (dphi * phi * -2 * z).sum(axis=-1) / h
    return dx, dcoef


# selective state space scan
def ssm_forward(u, delta, A, B, C, D):
    L, d = u.shape
    h = np.zeros((L + 1, d, A.shape[1]))
    y = np.empty((L, d))
    for t in range(L):
        decay = np.exp(delta[t][:, None] * A)
        h[t + 1] = decay * h[t] + (delta[t] * u[t])[:, None] * B[t]
        y[t] = h[t + 1] @ C[t] + D * u[t]
    return y, (u, delta, A, B, C, D, h)


def ssm_backward(dy, cache):
    u, delta, A, B, C, D, h = cache
    du, dD = dy * D, (dy * u).sum(axis=0)
    ddelta, dA, dB, dC = (np.zeros_like(p) for p in (delta, A, B, C))
    dh = np.zeros_like(h[0])
    for t in reversed(range(len(u))):
        dh = dh + dy[t][:, None] * C[t]
        dC[t] = dy[t] @ h[t + 1]
        decay = np.exp(delta[t][:, None] * A)
        da = dh * h[t] * decay
        ddelta[t] = (da * A).sum(axis=1) + u[t] * (dh @ B[t])
        dA += da * delta[t][:, None]
        du[t] += delta[t] * (dh @ B[t])
        dB[t] = (delta[t] * u[t]) @ dh
        dh = dh * decay
    return du, ddelta, dA, dB, dC, dD


# graph convolution, mean over the neighbours
def sage_forward(feat, edges, w):
    src, dst = edges
    deg = np.bincount(dst, minlength=len(feat))
    msg = np.zeros_like(feat)
    np.add.at(msg, dst, feat[src])
    msg = msg / np.maximum(deg, 1).reshape(-1, 1)
    z = msg @ w
    return np.maximum(z, 0), (src, dst, deg, msg, z, w)


def sage_backward(dout, cache):
    src, dst, deg, msg, z, w = cache
    dz = dout * (z > 0)
    dmsg = dz @ w.T / np.maximum(deg, 1)[:, None]
    dfeat = np.zeros_like(msg)
    np.add.at(dfeat, src, dmsg[dst])
    return dfeat, None, msg.T @ dz


# soft dice of a segmentation
def dice_loss(logits, mask):
    p = 1 / (1 + np.exp(-logits))
    inter = (p * mask).sum(axis=1, keepdims=True)
    total = p.sum(axis=1, keepdims=True) + mask.sum(axis=1, keepdims=True)
    loss = 1 - np.mean((2 * inter + 1) / (total + 1))
    dp = (2 * inter + 1) / (total + 1) ** 2 - 2 * mask / (total + 1)
    return loss, dp * p * (1 - p) / len(logits)


# spatial transformer: bilinear sampling, zeros outside
def sampler_forward(img, grid):
    H, W = img.shape
    px = np.clip((grid[:, 0] + 1) * (W - 1) / 2, -2, W + 1)
    py = np.clip((grid[:, 1] + 1) * (H - 1) / 2, -2, H + 1)
    x0, y0 = np.floor(px).astype(int), np.floor(py).astype(int)
    out = np.zeros(len(grid))
    corners = []
    for i in (0, 1):
        for j in (0, 1):
            yy, xx = y0 + i, x0 + j
            inside = (yy >= 0) & (yy < H) & (xx >= 0) & (xx < W)
            yc, xc = np.clip(yy, 0, H - 1), np.clip(xx, 0, W - 1)
            wy = py - y0 if i else 1 - (py - y0)
            wx = px - x0 if j else 1 - (px - x0)
            out += np.where(inside, img[yc, xc], 0) * wy * wx
            corners.append((i, j, yc, xc, inside, wy, wx))
    return out, (img, grid, corners)


def sampler_backward(dout, cache):
    img, grid, corners = cache
    H, W = img.shape
    dimg, dgrid = np.zeros_like(img), np.zeros_like(grid)
    for i, j, yc, xc, inside, wy, wx in corners:
        g = dout * inside
        np.add.at(dimg, (yc, xc), g * wy * wx)
        dgrid[:, 0] += g * img[yc, xc] * wy * (2 * j - 1) * (W - 1) / 2
        dgrid[:, 1] += g * img[yc, xc] * wx * (2 * i - 1) * (H - 1) / 2
    return dimg, dgrid


# one-dimensional convolution with stride 2, dilation 3
def conv1d_forward(x, w, b):
    stride, dilation, pad = 2, 3, 2
    N, C, L = x.shape
    F, _, K = w.shape
    xp = np.pad(x, ((0, 0), (0, 0), (pad, pad)))
    Lo = (L + 2 * pad - dilation * (K - 1) - 1) // stride + 1
    out = np.zeros((N, F, Lo)) + b[:, None]
    for k in range(K):
        tap = xp[:, :, k * dilation:k * dilation + stride * Lo:stride]
        out += np.einsum("ncl,fc->nfl", tap, w[:, :, k])
    return out, (xp, w, stride, dilation, pad, L)


def conv1d_backward(dout, cache):
    xp, w, stride, dilation, pad, L = cache
    dxp, dw = np.zeros_like(xp), np.zeros_like(w)
    span = stride * dout.shape[2]
    for k in range(w.shape[2]):
        start = dilation * k
        dw[:, :, k] = np.einsum("nfl,ncl->fc", dout, xp[:, :, start:start + span:stride])
        dxp[:, :, start:start + span:stride] += np.einsum("nfl,fc->ncl", dout, w[:, :, k])
    return dxp[:, :, pad:pad + L], dw, dout.sum(axis=(0, 2))


# label smoothing, labels of -1 are left out
def smooth_ce_loss(logits, labels):
    eps, ignore = 0.1, -1
    z = logits - logits.max(axis=1, keepdims=True)
    logp = z - np.log(np.exp(z).sum(axis=1, keepdims=True))
    keep = labels != ignore
    n = max(keep.sum(), 1)
    q = np.full_like(logp, eps / logits.shape[1])
    q[np.arange(len(labels)), labels] += 1 - eps
    q *= keep[:, None]
    loss = -(q * logp).sum() / n
    return loss, (np.exp(logp) * keep[:, None] - q) / n


# softplus with a slope
def softplus_forward(x, beta):
    bx = beta * x
    return np.logaddexp(0, bx) / beta, bx


def softplus_backward(dout, cache):
    bx = cache
    e = np.exp(-np.abs(bx))
    return dout * np.where(bx >= 0, 1, e) / (1 + e)
