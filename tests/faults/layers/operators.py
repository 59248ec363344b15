"""ops.py: primitive operators of a small array framework. forward returns (out, saved)."""
import numpy as np
from scipy import special


def unbroadcast(g, shape):
    extra = g.ndim - len(shape)
    if extra:
        g = g.sum(axis=tuple(range(extra)))
    axes = tuple(i for i, n in enumerate(shape) if n == 1 and g.shape[i] != 1)
    return g.sum(axis=axes, keepdims=True) if axes else g


# --- elementwise -------------------------------------------------------------------------------------------------

def addcmul_forward(x, t1, t2, value=0.3):
    return x + value * t1 * t2, (x.shape, t1, t2, value)


def addcmul_backward(grad, saved):
    xshape, t1, t2, value = saved
    gx = unbroadcast(grad, xshape)
    g1 = unbroadcast(value * grad * t2, t1.shape)
    g2 = unbroadcast(grad * t1 * value, t2.shape)
    return gx, g1, g2


def logaddexp_forward(a, b):
    return np.logaddexp(a, b), (a, b)


def logaddexp_backward(grad, saved):
    a, b = saved
    ga = grad * special.expit(a - b)
    return ga, grad - ga


def sinc_forward(x):
    return np.sinc(x), x


def sinc_backward(grad, x):
    small = np.abs(x) < 1e-3
    safe = np.where(small, 1.0, x)
    slope = (np.cos(np.pi * safe) - np.sinc(safe)) / safe
    slope = np.where(small, -np.pi ** 2 * x / 3 + np.pi ** 4 * x ** 3 / 30, slope)
    return grad * slope


def log_ndtr_forward(z):
    y = special.log_ndtr(z)
    return y, (z, y)


def log_ndtr_backward(grad, saved):
    z, y = saved
    log_pdf = -0.5 * z ** 2 - 0.5 * np.log(2 * np.pi)
    return grad * np.exp(log_pdf - y)


def betaln_forward(a, b):
    return special.betaln(a, b), (a, b)


def betaln_backward(grad, saved):
    a, b = saved
    both = special.digamma(a + b)
    return grad * (special.digamma(a) - both), grad * (special.digamma(b) - both)


def clamp_forward(x, lo, hi):
    return np.minimum(np.maximum(x, lo), hi), (x, lo, hi)


def clamp_backward(grad, saved):
    x, lo, hi = saved
    at_hi = (x > hi) | (lo > hi)
    at_lo = (x < lo) & ~at_hi
    inside = ~at_hi & ~at_lo
    return grad * inside, grad * at_lo, grad * at_hi


# --- reductions and scans ------------------------------------------------------------------------------------------

def prod_forward(x):
    return x.prod(axis=1), x


def prod_backward(grad, x):
    n = x.shape[1]
    left = np.ones_like(x)
    right = np.ones_like(x)
    for j in range(1, n):
        left[:, j] = left[:, j - 1] * x[:, j - 1]
        right[:, n - 1 - j] = right[:, n - j] * x[:, n - j]
    return grad[:, None] * left * right


def std_forward(x):
    n = x.shape[-1]
    centred = x - x.mean(-1, keepdims=True)
    s = np.sqrt((centred ** 2).sum(-1) / (n - 1))
    return s, (centred, s, n)


def std_backward(grad, saved):
    centred, s, n = saved
    denominator = (n - 1) * s
    scale = np.divide(grad, denominator, out=np.zeros_like(s), where=s > 0)
    return centred * scale[..., None]


def amax_forward(x):
    m = x.max(axis=(1, 2), keepdims=True)
    return m[:, 0, 0], (x, m)


def amax_backward(grad, saved):
    x, m = saved
    hits = (x == m).astype(x.dtype)
    hits /= hits.sum(axis=(1, 2), keepdims=True)
    return hits * grad[:, None, None]


def median_forward(x):
    """The lower median of each row."""
    order = np.argsort(x, axis=1, kind="stable")
    pick = order[:, (x.shape[1] - 1) // 2]
    rows = np.arange(len(x))
    return x[rows, pick], (x.shape, rows, pick, order)


def median_backward(grad, saved):
    shape, rows, pick, order = saved
    gx = np.zeros(shape, grad.dtype)
    gx[rows, pick] = grad
    return gx


def logcumsumexp_forward(x):
    y = np.logaddexp.accumulate(x, axis=1)
    return y, (x, y)


def logcumsumexp_backward(grad, saved):
    x, y = saved
    n = x.shape[1]
    later = np.tri(n, dtype=bool)  # [i, j]: y_i has x_j in it
    share = np.where(later, np.exp(np.minimum(x[:, None, :] - y[:, :, None], 0)), 0)
    return np.einsum("bi,bij->bj", grad, share)


def pnorm_forward(x, p=3):
    top = np.abs(x).max(axis=1, keepdims=True)
    top = np.where(top > 0, top, 1)
    y = top * ((np.abs(x) / top) ** p).sum(axis=1, keepdims=True) ** (1 / p)
    return y[:, 0], (x, y, p)


def pnorm_backward(grad, saved):
    x, y, p = saved
    ratio = np.abs(x) / np.where(y > 0, y, 1)
    return grad[:, None] * np.sign(x) * ratio ** (p - 1)


# --- indexing ------------------------------------------------------------------------------------------------------

def gather_forward(x, index):
    return np.take_along_axis(x, index, axis=0), (x.shape, index)


def gather_backward(grad, saved):
    shape, index = saved
    gx = np.zeros(shape, grad.dtype)
    columns = np.broadcast_to(np.arange(shape[1]), index.shape)
    np.add.at(gx, (index, columns), grad)
    return gx


def scatter_mean_forward(src, index, size=5):
    count = np.bincount(index, minlength=size)
    out = np.zeros((size, src.shape[1]), src.dtype)
    np.add.at(out, index, src)
    return out / np.maximum(count, 1)[:, None], (index, count)


def scatter_mean_backward(grad, saved):
    index, count = saved
    return grad[index] / count[index][:, None]


def embedding_bag_forward(weight, tokens, pad=0):
    keep = tokens != pad
    length = np.maximum(keep.sum(axis=1), 1)
    out = (weight[tokens] * keep[..., None]).sum(axis=1) / length[:, None]
    return out, (weight.shape, tokens, keep, length)


def embedding_bag_backward(grad, saved):
    shape, tokens, keep, length = saved
    each = keep[..., None] * (grad / length[:, None])[:, None, :]
    gw = np.zeros(shape, grad.dtype)
    np.add.at(gw, tokens, each)
    return gw


def lookup_forward(x, table, first=-2.0, step=0.5):
    """A table of values at first, first + step, ..., linear between them, constant outside."""
    u = np.clip((x - first) / step, 0, len(table) - 1)
    i = np.minimum(u.astype(int), len(table) - 2)
    t = u - i
    return (1 - t) * table[i] + t * table[i + 1], (x, table, i, t, first, step)


def lookup_backward(grad, saved):
    x, table, i, t, first, step = saved
    inside = (x >= first) & (x <= first + step * (len(table) - 1))
    gx = grad * inside * (table[i + 1] - table[i]) / step
    gt = np.zeros_like(table)
    np.add.at(gt, i, grad * (1 - t))
    np.add.at(gt, i + 1, grad * t)
    return gx, gt


# --- shapes --------------------------------------------------------------------------------------------------------

def roll2d_forward(x, shifts=(1, 2)):
    return np.roll(x, shifts, axis=(0, 1)), shifts


def roll2d_backward(grad, shifts):
    return np.roll(grad, (-shifts[0], -shifts[1]), axis=(0, 1))


def pixel_shuffle_forward(x, r=2):
    n, c, h, w = x.shape
    y = x.reshape(n, c // r ** 2, r, r, h, w).transpose(0, 1, 4, 2, 5, 3)
    return y.reshape(n, c // r ** 2, h * r, w * r), (x.shape, r)


def pixel_shuffle_backward(grad, saved):
    (n, c, h, w), r = saved
    g = grad.reshape(n, c // r ** 2, h, r, w, r)
    return g.transpose(0, 1, 3, 5, 2, 4).reshape(n, c, h, w)


def reflect_pad_forward(x, left=2, right=3):
    return np.pad(x, ((0, 0), (left, right)), mode="reflect"), (x.shape[1], left, right)


def reflect_pad_backward(grad, saved):
    n, left, right = saved
    gx = grad[:, left:left + n].copy()
    gx[:, 1:left + 1] += grad[:, left - 1::-1]
    gx[:, n - 1 - right:n - 1] += grad[:, :left + n - 1:-1]
    return gx


def frames_forward(signal, window, hop=3):
    """Frames of a signal, as for a spectrogram."""
    size = len(window)
    count = 1 + (len(signal) - size) // hop
    out = np.stack([signal[k * hop:k * hop + size] * window for k in range(count)])
    return out, (signal, window, hop)


def frames_backward(grad, saved):
    signal, window, hop = saved
    gs = np.zeros_like(signal)
    gwin = np.zeros_like(window)
    size = len(window)
    for k in range(len(grad)):
        gs[k * hop:k * hop + size] += grad[k] * window
        gwin += grad[k] * signal[k * hop:k * hop + size]
    return gs, gwin


# --- linear algebra ------------------------------------------------------------------------------------------------

def baddbmm_forward(c, a, b, alpha=0.5, beta=2.0):
    return beta * c + alpha * (a @ b), (c, a, b, alpha, beta)


def baddbmm_backward(grad, saved):
    c, a, b, alpha, beta = saved
    gc = unbroadcast(beta * grad, c.shape)
    ga = alpha * grad @ b.transpose(0, 2, 1)
    gb = alpha * a.transpose(0, 2, 1) @ grad
    return gc, ga, gb


def kron_forward(a, b):
    (p, q), (r, s) = a.shape, b.shape
    return np.einsum("ij,kl->ikjl", a, b).reshape(p * r, q * s), (a, b)


def kron_backward(grad, saved):
    a, b = saved
    (p, q), (r, s) = a.shape, b.shape
    g = grad.reshape(p, r, q, s)
    return np.einsum("ikjl,kl->ij", g, b), np.einsum("ikjl,ij->kl", g, a)


def cross_forward(u, v):
    return np.cross(u, v), (u, v)


def cross_backward(grad, saved):
    u, v = saved
    return np.cross(v, grad), np.cross(grad, u)


def quadratic_form_forward(x, M):
    """x_n' M x_n, for a matrix that need not be symmetric."""
    return np.einsum("ni,ij,nj->n", x, M, x), (x, M)


def quadratic_form_backward(grad, saved):
    x, M = saved
    gx = grad[:, None] * (x @ (M + M.T))
    gM = np.einsum("n,ni,nj->ij", grad, x, x)
    return gx, gM


# --- convolution, pooling, interpolation -----------------------------------------------------------------------------

def conv_transpose1d_forward(x, w, stride=2, padding=1, output_padding=1):
    n, cin, length = x.shape
    k = w.shape[2]
    full = np.zeros((n, w.shape[1], (length - 1) * stride + k + output_padding))
    for j in range(k):
        full[:, :, j:j + length * stride:stride][:, :, :length] += np.einsum("nil,io->nol", x, w[:, :, j])
    return full[:, :, padding:full.shape[2] - padding], (x, w, stride, padding)


def conv_transpose1d_backward(grad, saved):
    x, w, stride, padding = saved
    length, k = x.shape[2], w.shape[2]
    g = np.pad(grad, ((0, 0), (0, 0), (padding, padding)))
    gx = np.zeros_like(x)
    gw = np.zeros_like(w)
    for j in range(k):
        part = g[:, :, j:j + (length - 1) * stride + 1:stride]
        gx += np.einsum("nol,io->nil", part, w[:, :, j])
        gw[:, :, j] = np.einsum("nil,nol->io", x, part)
    return gx, gw


def depthwise_forward(x, w, dilation=2):
    kh, kw = w.shape[1:]
    oh = x.shape[2] - (kh - 1) * dilation
    ow = x.shape[3] - (kw - 1) * dilation
    y = np.zeros(x.shape[:2] + (oh, ow))
    for i in range(kh):
        for j in range(kw):
            a, b = i * dilation, j * dilation
            y += x[:, :, a:a + oh, b:b + ow] * w[:, i, j][None, :, None, None]
    return y, (x, w, dilation)


def depthwise_backward(grad, saved):
    x, w, d = saved
    oh, ow = grad.shape[2:]
    gx, gw = np.zeros_like(x), np.zeros_like(w)
    for i in range(w.shape[1]):
        for j in range(w.shape[2]):
            rows, cols = slice(i * d, i * d + oh), slice(j * d, j * d + ow)
            gx[:, :, rows, cols] += grad * w[:, i, j][None, :, None, None]
            gw[:, i, j] = (grad * x[:, :, rows, cols]).sum(axis=(0, 2, 3))
    return gx, gw


def avg_pool_forward(x, k=3, stride=2, pad=1):
    """Averages of what is inside: padding does not count."""
    h, w = x.shape[2:]
    oh, ow = (h + 2 * pad - k) // stride + 1, (w + 2 * pad - k) // stride + 1
    y = np.empty(x.shape[:2] + (oh, ow))
    for i in range(oh):
        for j in range(ow):
            top, lft = max(i * stride - pad, 0), max(j * stride - pad, 0)
            y[:, :, i, j] = x[:, :, top:i * stride - pad + k, lft:j * stride - pad + k].mean(axis=(2, 3))
    return y, (x.shape, k, stride, pad)


def avg_pool_backward(grad, saved):
    shape, k, stride, pad = saved
    gx = np.zeros(shape)
    for i in range(grad.shape[2]):
        for j in range(grad.shape[3]):
            t, l = max(i * stride - pad, 0), max(j * stride - pad, 0)
            b, r = min(i * stride - pad + k, shape[2]), min(j * stride - pad + k, shape[3])
            area = (b - t) * (r - l)
            gx[:, :, t:b, l:r] += grad[:, :, i:i + 1, j:j + 1] / area
    return gx


def max_pool1d_forward(x, k=3, stride=2):
    out = (x.shape[1] - k) // stride + 1
    windows = np.stack([x[:, o * stride:o * stride + k] for o in range(out)], axis=1)
    which = windows.argmax(axis=2)
    return windows.max(axis=2), (x.shape, which + stride * np.arange(out))


def max_pool1d_backward(grad, saved):
    shape, position = saved
    gx = np.zeros(shape)
    for o in range(grad.shape[1]):
        gx[np.arange(shape[0]), position[:, o]] += grad[:, o]
    return gx


def interpolation_matrix(n, m, align_corners):
    """[m n]: linear interpolation of n values at m places."""
    if align_corners:
        at = np.arange(m) * (n - 1) / max(m - 1, 1)
    else:
        at = np.clip((np.arange(m) + 0.5) * n / m - 0.5, 0, n - 1)
    low = np.minimum(at.astype(int), max(n - 2, 0))
    t = at - low
    R = np.zeros((m, n))
    R[np.arange(m), low] += 1 - t
    R[np.arange(m), np.minimum(low + 1, n - 1)] += t
    return R


def resize_forward(x, size=(7, 5)):
    Ry = interpolation_matrix(x.shape[1], size[0], False)
    Rx = interpolation_matrix(x.shape[2], size[1], False)
    return Ry @ x @ Rx.T, x.shape


def resize_backward(grad, shape):
    Ry = interpolation_matrix(shape[1], grad.shape[1], False)
    Rx = interpolation_matrix(shape[2], grad.shape[2], align_corners=False)
    return Ry.T @ grad @ Rx


def channel_scale_forward(x, gamma):
    return x * gamma, (x, gamma)


def channel_scale_backward(grad, saved):
    x, gamma = saved
    products = (grad * x).reshape(-1, x.shape[-1])
    return grad * gamma, products.sum(axis=0, dtype=np.float64).astype(np.float32)
