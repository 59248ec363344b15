"""Layers of small projects: scratch buffers, classes with self.dW, closures, dicts, and a few of JAX."""
import numpy as np
import jax
import jax.numpy as jnp

jax.config.update("jax_enable_x64", True)

# --- scratch memory that is kept between calls, as in a C rewrite ---------------------------------------------------

_arena = {}


def scratch(name, shape, dtype):
    key = (name, shape, dtype)
    if key not in _arena:
        _arena[key] = np.zeros(shape, dtype)
    return _arena[key]


def matmul_bias_forward(inp, weight, bias):
    out = scratch("out", (len(inp), weight.shape[0]), inp.dtype)
    np.matmul(inp, weight.T, out=out)
    out += bias
    return out.copy(), (inp, weight)


def matmul_bias_backward(dout, cache):
    inp, weight = cache
    dinp = np.empty_like(inp)
    np.matmul(dout, weight, out=dinp)
    dw = scratch("dweight", weight.shape, weight.dtype)
    dw.fill(0)
    for row, d in zip(inp, dout):
        dw += np.outer(d, row)
    return dinp, dw.copy(), dout.sum(0)


def bias_gelu_forward(x, bias):
    u = x + bias
    return 0.5 * u * (1 + np.tanh(0.7978845608028654 * (u + 0.044715 * u ** 3))), u


def bias_gelu_backward(dout, pre, block=4):
    u = pre
    dx = np.empty_like(u)
    dbias = np.zeros(u.shape[1], u.dtype)
    for start in range(0, len(u), block):
        v = u[start:start + block]
        th = np.tanh(0.7978845608028654 * (v + 0.044715 * v ** 3))
        # far out (1 - th^2) is 0 and u^2 is large, but finite
        slope = 0.5 * (1 + th) + 0.5 * v * (1 - th ** 2) * 0.7978845608028654 * (1 + 3 * 0.044715 * v ** 2)
        np.multiply(dout[start:start + block], slope, out=dx[start:start + block])
        dbias += dx[start:start + block].sum(0)
    return dx, dbias


def threshold_relu_forward(x, theta):
    active = x > theta
    return np.where(active, x, 0.0), active


def threshold_relu_backward(dout, active):
    dx = dout.copy()
    dx[~active] = 0
    return dx


def csr_matvec_forward(data, x, indices, indptr):
    y = np.zeros(len(indptr) - 1, data.dtype)
    for row in range(len(y)):
        span = slice(indptr[row], indptr[row + 1])
        y[row] = data[span] @ x[indices[span]]
    return y, (data, x, indices, indptr)


def csr_matvec_backward(dy, cache):
    data, x, indices, indptr = cache
    ddata = np.zeros_like(data)
    dx = np.zeros_like(x)
    for row in range(len(dy)):
        span = slice(indptr[row], indptr[row + 1])
        ddata[span] = dy[row] * x[indices[span]]
        np.add.at(dx, indices[span], dy[row] * data[span])
    return ddata, dx


def unfold_sum_forward(x):
    """Sums over a 1 x 3 neighbourhood, by flat memory as a compiled kernel would."""
    h, w = x.shape
    flat = np.ascontiguousarray(x).ravel()
    out = np.zeros(h * (w - 2))
    for i in range(h):
        for k in range(3):
            out[i * (w - 2):(i + 1) * (w - 2)] += flat[i * w + k:i * w + k + w - 2]
    return out.reshape(h, w - 2), (h, w)


def unfold_sum_backward(dout, cache):
    h, w = cache
    flat = dout.ravel(order="C")
    dx = np.zeros(h * w)
    for i in range(h):
        for k in range(3):
            dx[i * w + k:i * w + k + w - 2] += flat[i * (w - 2):(i + 1) * (w - 2)]
    return dx.reshape(h, w)


def layernorm32_forward(x, gamma, beta, eps=np.float32(1e-5)):
    centred = x - x.mean(-1, keepdims=True)
    rstd = 1 / np.sqrt((centred * centred).mean(-1, keepdims=True) + eps)
    return centred * rstd * gamma + beta, (x, gamma, eps)


def layernorm32_backward(dy, cache):
    x, gamma, eps = cache
    centred = x - x.mean(-1, keepdims=True)
    var = (centred * centred).mean(-1, keepdims=True)
    rstd = 1 / np.sqrt(var + eps)
    norm = centred * rstd
    dnorm = dy * gamma
    dx = (dnorm - dnorm.mean(-1, keepdims=True) - norm * (dnorm * norm).mean(-1, keepdims=True)) * rstd
    return dx, (dy * norm).reshape(-1, x.shape[-1]).sum(0), dy.reshape(-1, x.shape[-1]).sum(0)


def attention_pool_forward(x, query):
    """x [b t d] pooled over t by softmax of x . query: [b d]."""
    s = x @ query
    p = np.exp(s - s.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    return (p[..., None] * x).sum(1), (x, query, p)


def attention_pool_backward(dpooled, cache):
    x, query, p = cache
    dp = np.matmul(x, dpooled[:, :, None])[:, :, 0]
    ds = p * (dp - (p * dp).sum(1, keepdims=True))
    dx = p[..., None] * dpooled[:, None] + ds[..., None] * query
    return dx, np.einsum("bt,btd->d", ds, x)


# --- attention with a bias for distance, rows that see nothing give zeros ---------------------------------------------

class AlibiAttention:
    def __init__(self, slope=0.25, mask=None):
        self.slope, self.mask = slope, mask

    def forward(self, q, k, v):
        t = len(q)
        distance = np.abs(np.arange(t)[:, None] - np.arange(t)[None, :])
        s = q @ k.T / np.sqrt(q.shape[1]) - self.slope * distance
        s = np.where(self.mask, s, -np.inf)
        top = s.max(1, keepdims=True)
        top = np.where(np.isfinite(top), top, 0)
        total = np.exp(s - top).sum(1, keepdims=True)
        with np.errstate(divide="ignore"):
            self.lse = np.where(total > 0, np.log(total) + top, -np.inf)
        self.q, self.k, self.v, self.s = q, k, v, s
        p = np.where(self.mask, np.exp(s - np.where(total > 0, self.lse, 0)), 0)
        return p @ v

    def backward(self, do):
        scale = 1 / np.sqrt(self.q.shape[1])
        seen = np.isfinite(self.lse)
        p = np.where(self.mask, np.exp(self.s - np.where(seen, self.lse, 0)), 0)
        dv = p.T @ do
        dp = do @ self.v.T
        ds = p * (dp - (dp * p).sum(1, keepdims=True))
        return ds @ self.k * scale, ds.T @ self.q * scale, dv


class FastKAN:
    """sum_j c_oj exp(-((x_i - grid_j) / h)^2) + base: an RBF KAN layer."""

    def __init__(self, coef, base):
        self.coef, self.base = coef, base  # [o i g], [o i]
        self.grid = np.linspace(-2, 2, coef.shape[2])
        self.h = self.grid[1] - self.grid[0]

    def forward(self, x):
        self.x = x
        self.u = (x[:, :, None] - self.grid) / self.h
        self.phi = np.exp(-self.u ** 2)
        self.sig = 1 / (1 + np.exp(-np.clip(x, -500, 500)))
        return np.einsum("nig,oig->no", self.phi, self.coef) + (x * self.sig) @ self.base.T

    def backward(self, dy):
        self.dcoef = np.einsum("no,nig->oig", dy, self.phi)
        self.dbase = dy.T @ (self.x * self.sig)
        dphi = np.einsum("no,oig->nig", dy, self.coef)
        dspline = (dphi * self.phi * -2 * self.u).sum(-1) / self.h
        dsilu = self.sig * (1 + self.x * (1 - self.sig))
        return dspline + dy @ self.base * dsilu


class SqueezeExcite:
    def __init__(self, W1, W2):
        self.W1, self.W2 = W1, W2

    def forward(self, x):
        self.x = x
        self.z = x.mean(axis=(2, 3))
        self.hidden = np.maximum(self.z @ self.W1, 0)
        self.gate = 0.5 * (1 + np.tanh(0.5 * (self.hidden @ self.W2)))
        return x * self.gate[:, :, None, None]

    def backward(self, dout):
        dgate = (dout * self.x).sum(axis=(2, 3))
        da = dgate * self.gate * (1 - self.gate)
        self.dW2 = self.hidden.T @ da
        dh = da @ self.W2.T * (self.hidden > 0)
        self.dW1 = self.z.T @ dh
        dz = dh @ self.W1.T
        area = self.x.shape[2] * self.x.shape[3]
        return dout * self.gate[:, :, None, None] + dz[:, :, None, None] / area


class BatchNorm2d:
    def __init__(self, gamma, beta, eps=1e-5):
        self.gamma, self.beta, self.eps = gamma, beta, eps

    def forward(self, x):
        c = x.shape[1]
        rows = x.transpose(0, 2, 3, 1).reshape(-1, c)
        self.istd = 1 / np.sqrt(rows.var(0) + self.eps)
        self.xhat = (rows - rows.mean(0)) * self.istd
        self.shape = x.shape
        y = self.gamma * self.xhat + self.beta
        n, _, h, w = x.shape
        return y.reshape(n, h, w, c).transpose(0, 3, 1, 2)

    def backward(self, dy):
        n, c, h, w = self.shape
        d = dy.transpose(0, 2, 3, 1).reshape(-1, c)
        self.dbeta = d.sum(0)
        self.dgamma = (d * self.xhat).sum(0)
        m = n * h * w
        dx = self.gamma * self.istd / m * (m * d - self.dbeta - self.xhat * self.dgamma)
        return dx.reshape(n, h, w, c).transpose(0, 3, 1, 2)


class TiedLanguageModel:
    """Bag of context embeddings, tanh, scores against the same embedding matrix, cross-entropy."""

    def __init__(self, E):
        self.E = E

    def loss(self, context, target):
        h = np.tanh(self.E[context].sum(axis=1))
        scores = h @ self.E.T
        scores = scores - scores.max(1, keepdims=True)
        logp = scores - np.log(np.exp(scores).sum(1, keepdims=True))
        rows = np.arange(len(target))
        value = -logp[rows, target].mean()
        dscores = np.exp(logp)
        dscores[rows, target] -= 1
        dscores /= len(target)
        dh = dscores @ self.E
        dE = dscores.T @ h
        dsum = dh * (1 - h ** 2)
        np.add.at(dE, context, dsum[:, None, :])
        return value, {"E": dE}


# --- closures ----------------------------------------------------------------------------------------------------------

def weight_standardized_conv1d(x, w):
    """x [b c l], w [o c k]; every filter has mean 0 and variance 1."""
    k = w.shape[2]
    mu = w.mean(axis=(1, 2), keepdims=True)
    sd = np.sqrt(w.var(axis=(1, 2), keepdims=True) + 1e-3)
    ws = (w - mu) / sd
    cols = np.stack([x[:, :, i:x.shape[2] - k + 1 + i] for i in range(k)], axis=2)
    y = np.einsum("bckl,ock->bol", cols, ws)

    def backward(dy):
        dws = np.einsum("bol,bckl->ock", dy, cols)
        dcols = np.einsum("bol,ock->bckl", dy, ws)
        dx = np.zeros_like(x)
        for i in range(k):
            dx[:, :, i:i + dy.shape[2]] += dcols[:, :, i]
        inner = dws - dws.mean(axis=(1, 2), keepdims=True)
        dw = (inner - ws * (dws * ws).mean(axis=(1, 2), keepdims=True)) / sd
        return dx, dw

    return y, backward


def deform_conv1d(x, offset, w):
    """y_ol = sum_k w_ock x_c(l + k + offset_kl), linear between samples, zeros outside."""
    c, n = x.shape
    kk, length = offset.shape
    pos = np.arange(length)[None, :] + np.arange(kk)[:, None] + offset
    left = np.floor(pos)
    frac = pos - left
    i0 = left.astype(int)

    def read(i):
        inside = (i >= 0) & (i < n)
        return np.where(inside, x[:, np.clip(i, 0, n - 1)], 0)

    x0, x1 = read(i0), read(i0 + 1)
    sampled = x0 * (1 - frac) + x1 * frac
    y = np.einsum("ock,ckl->ol", w, sampled)

    def backward(g):
        dw = np.einsum("ol,ckl->ock", g, sampled)
        ds = np.einsum("ol,ock->ckl", g, w)
        doffset = (ds * (x1 - x0)).sum(0)
        dx = np.zeros_like(x)
        for i, weight in ((i0, 1 - frac), (i0 + 1, frac)):
            inside = (i >= 0) & (i < n)
            for ch in range(c):
                np.add.at(dx[ch], np.clip(i, 0, n - 1), np.where(inside, ds[ch] * weight, 0))
        return dx, doffset, dw

    return y, backward


def _lse(a, axis):
    top = a.max(axis, keepdims=True)
    return (top + np.log(np.exp(a - top).sum(axis, keepdims=True))).squeeze(axis)


def crf_nll(emission, transition, tags):
    """Linear-chain CRF: log Z - score of tags; emission [t k], transition [from to]."""
    steps = len(emission)
    alpha = np.zeros_like(emission)
    alpha[0] = emission[0]
    for t in range(1, steps):
        alpha[t] = emission[t] + _lse(alpha[t - 1][:, None] + transition, 0)
    log_z = _lse(alpha[-1], 0)
    score = emission[np.arange(steps), tags].sum() + transition[tags[:-1], tags[1:]].sum()

    def backward(g):
        beta = np.zeros_like(emission)
        for t in range(steps - 2, -1, -1):
            beta[t] = _lse(transition + emission[t + 1] + beta[t + 1], 1)
        de = np.exp(alpha + beta - log_z)
        dT = np.zeros_like(transition)
        for t in range(1, steps):
            dT += np.exp(alpha[t - 1][:, None] + transition + (emission[t] + beta[t])[None, :] - log_z)
        de[np.arange(steps), tags] -= 1
        np.add.at(dT, (tags[:-1], tags[1:]), -1)
        return g * de, g * dT

    return log_z - score, backward


def soft_dtw(D, gamma=0.5):
    n, m = D.shape
    R = np.full((n + 1, m + 1), np.inf)
    R[0, 0] = 0
    W = np.zeros((n + 1, m + 1, 3))
    for i in range(1, n + 1):
        for j in range(1, m + 1):
            z = -np.array([R[i - 1, j - 1], R[i - 1, j], R[i, j - 1]]) / gamma
            top = z.max()
            e = np.exp(z - top)
            W[i, j] = e / e.sum()
            R[i, j] = D[i - 1, j - 1] - gamma * (top + np.log(e.sum()))

    def backward(gout):
        E = np.zeros((n + 2, m + 2))
        E[n, m] = gout
        for i in range(n, 0, -1):
            for j in range(m, 0, -1):
                E[i - 1, j - 1] += E[i, j] * W[i, j, 0]
                E[i - 1, j] += E[i, j] * W[i, j, 1]
                E[i, j - 1] += E[i, j] * W[i, j, 2]
        return E[1:n + 1, 1:m + 1]

    return R[n, m], backward


def sinkhorn(scores, rounds=3):
    """log-domain row and column normalisations in turn."""
    logp, saved = scores, []
    for _ in range(rounds):
        for axis in (1, 0):
            logp = logp - np.expand_dims(_lse(logp, axis), axis)
            saved.append((np.exp(logp), axis))
    plan = np.exp(logp)

    def backward(dplan):
        d = dplan * plan
        for p, axis in reversed(saved):
            d = d - p * d.sum(axis=axis, keepdims=True)
        return d

    return plan, backward


# --- losses that return their gradient ---------------------------------------------------------------------------------

def pinball_loss(pred, y, taus=(0.1, 0.5, 0.8)):
    """Quantile regression: pred [n q], y [n]."""
    tau = np.asarray(taus)
    err = y[:, None] - pred
    loss = np.maximum(tau * err, (tau - 1) * err).mean()
    dpred = np.where(err > 0, -tau, 1 - tau) / pred.size
    return loss, dpred


def smoothed_cross_entropy(logits, labels, eps=0.2, ignore_index=-1):
    n, k = logits.shape
    valid = labels != ignore_index
    count = max(valid.sum(), 1)
    z = logits - logits.max(1, keepdims=True)
    logp = z - np.log(np.exp(z).sum(1, keepdims=True))
    soft = np.full((n, k), eps / k)
    soft[np.arange(n)[valid], labels[valid]] += 1 - eps
    soft[~valid] = 0
    loss = -(soft * logp).sum() / count
    dlogits = (np.exp(logp) * valid[:, None] - soft) / count
    return loss, dlogits


def clip_loss(a, b, temperature=0.5):
    """Symmetric InfoNCE of embeddings a [n d], b [n d] (not normalised)."""
    n = len(a)
    s = a @ b.T / temperature
    rows = np.exp(s - s.max(1, keepdims=True))
    rows = rows / rows.sum(1, keepdims=True)
    cols = np.exp(s - s.max(0, keepdims=True))
    cols = cols / cols.sum(0, keepdims=True)
    diag = np.diag(s)
    loss = 0.5 * ((_lse(s, 1) - diag).mean() + (_lse(s, 0) - diag).mean())
    ds = (0.5 * (rows + cols) - np.eye(n)) / n
    return loss, ds @ b / temperature, ds.T @ a / temperature


def huber(r, delta=1.5):
    small = np.abs(r) <= delta
    loss = np.where(small, 0.5 * r ** 2, delta * (np.abs(r) - 0.5 * delta)).sum()
    return loss, np.where(small, r, delta * np.sign(r))


def gp_marginal_forward(X, y, log_len, log_noise):
    """Negative log marginal likelihood, squared exponential kernel."""
    d2 = ((X[:, None] - X[None]) ** 2).sum(-1)
    K = np.exp(-0.5 * d2 * np.exp(-2 * log_len))
    C = K + (np.exp(2 * log_noise) + 1e-3) * np.eye(len(X))
    L = np.linalg.cholesky(C)
    Cinv = np.linalg.inv(C)
    alpha = Cinv @ y
    return 0.5 * y @ alpha + np.log(np.diag(L)).sum(), (X, d2, K, Cinv, alpha, log_len, log_noise)


def gp_marginal_backward(g, cache):
    X, d2, K, Cinv, alpha, log_len, log_noise = cache
    dC = 0.5 * g * (Cinv - np.outer(alpha, alpha))
    dlog_len = (dC * K * d2).sum() * np.exp(-2 * log_len)
    dlog_noise = 2 * np.exp(2 * log_noise) * np.trace(dC)
    G = -0.5 * dC * K * np.exp(-2 * log_len)
    dX = 4 * (G.sum(1)[:, None] * X - G @ X)
    return dX, g * alpha, dlog_len, dlog_noise


# --- time ----------------------------------------------------------------------------------------------------------

def fo_pool_forward(z, f, o):
    """QRNN: c_t = f_t c_{t-1} + (1 - f_t) z_t, h_t = o_t c_t; arrays [t d]."""
    c = np.zeros_like(z)
    prev = np.zeros(z.shape[1])
    for t in range(len(z)):
        prev = f[t] * prev + (1 - f[t]) * z[t]
        c[t] = prev
    return o * c, (z, f, o, c)


def fo_pool_backward(dh, cache):
    z, f, o, c = cache
    do = dh * c
    dz, df = np.empty_like(z), np.empty_like(f)
    carry = np.zeros(z.shape[1])
    for t in range(len(z) - 1, -1, -1):
        carry = carry + dh[t] * o[t]
        before = c[t - 1] if t > 0 else np.zeros(z.shape[1])
        dz[t] = carry * (1 - f[t])
        df[t] = carry * (before - z[t])
        carry = carry * f[t]
    return dz, df, do


def rk4_forward(y, W, h=0.2):
    """One step of y' = tanh(y W)."""
    k1 = np.tanh(y @ W)
    y2 = y + 0.5 * h * k1
    k2 = np.tanh(y2 @ W)
    y3 = y + 0.5 * h * k2
    k3 = np.tanh(y3 @ W)
    y4 = y + h * k3
    k4 = np.tanh(y4 @ W)
    return y + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4), (y, y2, y3, y4, k1, k2, k3, k4, W, h)


def rk4_backward(dout, cache):
    y, y2, y3, y4, k1, k2, k3, k4, W, h = cache
    dy, dW = dout.copy(), np.zeros_like(W)

    def back(dk, k, at):
        da = dk * (1 - k ** 2)
        return da @ W.T, at.T @ da

    d4, dW4 = back(h / 6 * dout, k4, y4)
    d3, dW3 = back(h / 3 * dout + h * d4, k3, y3)
    d2, dW2 = back(h / 3 * dout + 0.5 * h * d3, k2, y2)
    d1, dW1 = back(h / 6 * dout + 0.5 * h * d2, k1, y)
    return dy + d1 + d2 + d3 + d4, dW + dW1 + dW2 + dW3 + dW4


# --- JAX -----------------------------------------------------------------------------------------------------------

@jax.custom_vjp
def srgb(x):
    return jnp.where(x <= 0.0031308, 12.92 * x, 1.055 * jnp.maximum(x, 0.0031308) ** (1 / 2.4) - 0.055)


def srgb_fwd(x):
    return srgb(x), x


def srgb_bwd(x, g):
    bright = 1.055 / 2.4 * jnp.maximum(x, 0.0031308) ** (1 / 2.4 - 1)
    return (g * jnp.where(x <= 0.0031308, 12.92, bright),)


srgb.defvjp(srgb_fwd, srgb_bwd)


def upwind(n):
    return jnp.eye(n) - jnp.eye(n, k=-1)


@jax.custom_vjp
def advect(u, speed):
    """One implicit Euler step of u_t + speed u_x = 0."""
    return jnp.linalg.solve(jnp.eye(len(u)) + 0.1 * speed ** 2 * upwind(len(u)), u)


def advect_fwd(u, speed):
    new = advect(u, speed)
    return new, (new, speed)


def advect_bwd(res, g):
    new, speed = res
    D = upwind(len(new))
    lam = jnp.linalg.solve((jnp.eye(len(new)) + 0.1 * speed ** 2 * D).T, g)
    return lam, -0.2 * speed * lam @ (D @ new)


advect.defvjp(advect_fwd, advect_bwd)


@jax.custom_vjp
def planar_flow(z, u, w, b):
    """f = z + u tanh(z w + b), and log(1 + (u.w)^2 (1 - tanh^2)), a positive stand-in for the log determinant."""
    t = jnp.tanh(z @ w + b)
    return z + t[:, None] * u, jnp.log1p((u @ w) ** 2 * (1 - t ** 2))


def planar_fwd(z, u, w, b):
    t = jnp.tanh(z @ w + b)
    uw = u @ w
    det = 1 + uw ** 2 * (1 - t ** 2)
    return (z + t[:, None] * u, jnp.log(det)), (z, u, w, t, uw, det)


def planar_bwd(res, cot):
    z, u, w, t, uw, det = res
    gf, gl = cot
    slope = 1 - t ** 2
    dt = gf @ u - gl * uw ** 2 * 2 * t / det
    da = dt * slope
    duw = (gl * 2 * uw * slope / det).sum()
    dz = gf + da[:, None] * w
    du = t @ gf + duw * w
    dw = da @ z + duw * u
    return dz, du, dw, da.sum()


planar_flow.defvjp(planar_fwd, planar_bwd)


@jax.custom_vjp
def ema(x, decay):
    """y_t = decay y_{t-1} + (1 - decay) x_t."""
    def step(y, xt):
        y = decay * y + (1 - decay) * xt
        return y, y
    return jax.lax.scan(step, jnp.zeros_like(x[0]), x)[1]


def ema_fwd(x, decay):
    y = ema(x, decay)
    return y, (x, y, decay)


def ema_bwd(res, g):
    x, y, decay = res
    before = jnp.concatenate([jnp.zeros_like(y[:1]), y[:-1]])

    def step(carry, inputs):
        gt, xt, yt = inputs
        carry = carry + gt
        return decay * carry, (carry * (1 - decay), (carry * (yt - xt)).sum())

    _, (dx, dd) = jax.lax.scan(step, jnp.zeros_like(x[0]), (g, x, before), reverse=True)
    return dx, dd.sum()


ema.defvjp(ema_fwd, ema_bwd)


@jax.custom_vjp
def masked_norm(x, mask):
    """Length of each row, over the entries that the mask keeps."""
    return jnp.sqrt(jnp.sum(jnp.where(mask, x, 0) ** 2, axis=1))


def masked_norm_fwd(x, mask):
    r = masked_norm(x, mask)
    return r, (x, mask, r)


def masked_norm_bwd(res, g):
    x, mask, r = res
    safe = jnp.where(r > 0, r, 1.0)
    return jnp.where(mask, x, 0) * (g / safe)[:, None], None


masked_norm.defvjp(masked_norm_fwd, masked_norm_bwd)
