"""torch.autograd.Function, and custom_vjp in JAX."""
import math

import jax
import jax.numpy as jnp
import torch
from torch.autograd import Function

jax.config.update("jax_enable_x64", True)


class Snake(Function):
    """x + sin(a x)^2 / a, x (N, C, T), one a for each channel"""

    @staticmethod
    def forward(ctx, x, a):
        ctx.save_for_backward(x, a)
        return x + torch.sin(a[:, None] * x) ** 2 / a[:, None]

    @staticmethod
    def backward(ctx, grad_out):
        x, a = ctx.saved_tensors
        a = a[:, None]
        s, s2 = torch.sin(a * x), torch.sin(2 * a * x)
        grad_a = grad_out * (x * s2 / a - s ** 2 / a ** 2)
        return grad_out * (1 + s2), grad_a.sum((0, 2))


class SoftmaxEntropy(Function):
    @staticmethod
    def forward(ctx, logits):
        logp = torch.log_softmax(logits, dim=-1)
        p = logp.exp()
        h = -(p * logp).sum(-1)
        ctx.save_for_backward(p, logp, h)
        return h

    @staticmethod
    def backward(ctx, grad_h):
        p, logp, h = ctx.saved_tensors
        return -grad_h.unsqueeze(-1) * p * (logp + h.unsqueeze(-1))


class ArcMargin(Function):
    """additive angular margin on cosines, scale 8, margin 0.3"""

    @staticmethod
    def forward(ctx, cosine, labels):
        cos_m, sin_m = math.cos(0.3), math.sin(0.3)
        hot = torch.nn.functional.one_hot(labels, cosine.shape[1]).bool()
        sin2 = 1 - cosine ** 2
        sine = sin2.clamp(min=1e-4).sqrt()
        ctx.save_for_backward(cosine, hot, sin2, sine)
        return 8.0 * torch.where(hot, cosine * cos_m - sine * sin_m, cosine)

    @staticmethod
    def backward(ctx, g):
        cosine, hot, sin2, sine = ctx.saved_tensors
        cos_m, sin_m = math.cos(0.3), math.sin(0.3)
        slope = cos_m + torch.where(sin2 > 1e-4, cosine * sin_m / sine, torch.zeros_like(sine))
        return 8.0 * g * torch.where(hot, slope, torch.ones_like(slope)), None


class BinaryFocal(Function):
    """mean of (1 - pt)^2 (-log pt)"""

    @staticmethod
    def forward(ctx, logits, target):
        sgn = 2 * target - 1
        logpt = torch.nn.functional.logsigmoid(sgn * logits)
        ctx.save_for_backward(sgn, logpt)
        return -((1 - logpt.exp()) ** 2 * logpt).mean()

    @staticmethod
    def backward(ctx, grad_loss):
        sgn, logpt = ctx.saved_tensors
        pt = logpt.exp()
        d = sgn * (1 - pt) ** 2 * (2 * pt * logpt + pt - 1)
        return grad_loss * d / d.numel(), None


class SqrtOfGram(Function):
    """the symmetric square root of X X' + 1"""

    @staticmethod
    def forward(ctx, X):
        lam, U = torch.linalg.eigh(X @ X.T + torch.eye(len(X), dtype=X.dtype))
        root = lam.sqrt()
        ctx.save_for_backward(X, lam, root, U)
        return (U * root) @ U.T

    @staticmethod
    def backward(ctx, G):
        X, lam, root, U = ctx.saved_tensors
        K = 1 / (root[:, None] + root[None, :])
        sym = (G + G.T) / 2
        gA = U @ (K * (U.T @ sym @ U)) @ U.T
        return 2 * gA @ X


class ModReLU(Function):
    """relu(|z| + b) z / |z| of complex numbers"""

    @staticmethod
    def forward(ctx, z, b):
        r = z.abs()
        u = z / torch.where(r > 0, r, torch.ones_like(r))
        m = torch.relu(r + b)
        ctx.save_for_backward(r, u, m)
        return m * u

    @staticmethod
    def backward(ctx, g):
        r, u, m = ctx.saved_tensors
        on = (m > 0).to(r.dtype)
        along = (torch.conj(u) * g).real
        ratio = m / torch.where(r > 0, r, torch.ones_like(r))
        gz = ratio * (g - u * along) + on * along * u
        return gz, (on * along).sum(0)


class SegmentSoftmax(Function):
    """attention over the incoming edges of each node; x (E, H)"""

    @staticmethod
    def forward(ctx, x, seg, num):
        idx = seg[:, None].expand_as(x)
        top = torch.full((num, x.shape[1]), -math.inf, dtype=x.dtype).scatter_reduce(0, idx, x, "amax")
        e = (x - top[seg]).exp()
        tot = torch.zeros(num, x.shape[1], dtype=x.dtype).index_add(0, seg, e)
        p = e / tot[seg]
        ctx.save_for_backward(p, seg)
        ctx.num = num
        return p

    @staticmethod
    def backward(ctx, grad):
        p, seg = ctx.saved_tensors
        g = grad.contiguous()
        dot = torch.zeros(ctx.num, p.shape[1], dtype=p.dtype).index_add(0, seg, p * g)
        return p * (g - dot[seg]), None, None


class ChannelScale(Function):
    @staticmethod
    def forward(ctx, x, w):
        ctx.save_for_backward(x, w)
        return x * w

    @staticmethod
    def backward(ctx, g):
        x, w = ctx.saved_tensors
        acc = torch.zeros(w.shape, dtype=torch.float64)
        for part in (g * x):
            acc = (acc + part).to(acc.dtype)
        return g * w, acc.to(w.dtype)


class SoftDTW(Function):
    """alignment cost of a matrix of distances, gamma 0.7"""

    @staticmethod
    def forward(ctx, D):
        n, m = D.shape
        gamma = 0.7
        R = torch.full((n + 2, m + 2), math.inf, dtype=D.dtype)
        R[0, 0] = 0
        for i in range(1, n + 1):
            for j in range(1, m + 1):
                prev = torch.stack([R[i - 1, j - 1], R[i - 1, j], R[i, j - 1]])
                R[i, j] = D[i - 1, j - 1] - gamma * torch.logsumexp(-prev / gamma, 0)
        ctx.save_for_backward(D, R)
        return R[n, m].clone()

    @staticmethod
    def backward(ctx, grad_cost):
        D, R = ctx.saved_tensors
        n, m = D.shape
        gamma = 0.7
        Dp = torch.zeros(n + 2, m + 2, dtype=D.dtype)
        Dp[1:n + 1, 1:m + 1] = D
        E = torch.zeros_like(R)
        E[n, m] = 1

        def share(i, j, a, b):
            if a > n or b > m:
                return 0.0
            return torch.exp((R[a, b] - R[i, j] - Dp[a, b]) / gamma)

        for i in range(n, 0, -1):
            for j in range(m, 0, -1):
                if (i, j) != (n, m):
                    E[i, j] = (share(i, j, i + 1, j) * E[i + 1, j] + share(i, j, i, j + 1) * E[i, j + 1]
                               + share(i, j, i + 1, j + 1) * E[i + 1, j + 1])
        return grad_cost * E[1:n + 1, 1:m + 1]


class Sparsemax(Function):
    @staticmethod
    def forward(ctx, z):
        s, _ = torch.sort(z, dim=-1, descending=True)
        k = torch.arange(1, z.shape[-1] + 1, dtype=z.dtype)
        cs = s.cumsum(-1)
        size = (1 + k * s > cs).sum(-1, keepdim=True)
        tau = (cs.gather(-1, size - 1) - 1) / size
        p = (z - tau).clamp(min=0)
        ctx.save_for_backward(p)
        return p

    @staticmethod
    def backward(ctx, g):
        (p,) = ctx.saved_tensors
        on = (p > 0).to(g.dtype)
        mean = (g * on).sum(-1, keepdim=True) / on.sum(-1, keepdim=True)
        return on * (g - mean)


class ChunkedHead(Function):
    """tanh(x W') worked out four rows at a time, recomputed in backward"""

    @staticmethod
    def forward(ctx, x, W):
        ctx.save_for_backward(x, W)
        return torch.cat([torch.tanh(x[i:i + 4] @ W.T) for i in range(0, len(x), 4)])

    @staticmethod
    def backward(ctx, g):
        x, W = ctx.saved_tensors
        dx, dW = torch.zeros_like(x), torch.zeros_like(W)
        n = len(x)
        for lo in range(0, n, 4):
            rows = x[lo:lo + 4]
            da = g[lo:lo + 4] * (1 - torch.tanh(rows @ W.T) ** 2)
            dx[lo:lo + 4] = da @ W
            dW += da.T @ rows
        return dx, dW


# cumulative product of a vector, also where it has zeros
@jax.custom_vjp
def cumprod(x):
    return jnp.cumprod(x)


def cumprod_fwd(x):
    return jnp.cumprod(x), x


def cumprod_bwd(x, g):
    n = x.shape[0]
    others = jnp.where(jnp.eye(n, dtype=bool), 1.0, x[None, :])
    prods = jnp.triu(jnp.cumprod(others, axis=1))
    return (prods @ g,)


cumprod.defvjp(cumprod_fwd, cumprod_bwd)


# covariance of a Gaussian process
@jax.custom_vjp
def gp_kernel(X, log_ls, log_var):
    d2 = ((X[:, None] - X[None]) ** 2).sum(-1)
    return jnp.exp(log_var) * jnp.exp(-0.5 * d2 / jnp.exp(log_ls) ** 2)


def gp_kernel_fwd(X, log_ls, log_var):
    K = gp_kernel(X, log_ls, log_var)
    return K, (X, jnp.exp(log_ls), K)


def gp_kernel_bwd(res, G):
    X, ls, K = res
    diff = X[:, None] - X[None]
    GK = G * K
    P = GK + GK.T
    dX = -(P[:, :, None] * diff).sum(1) / ls ** 2
    d_ls = (GK * (diff ** 2).sum(-1)).sum() / ls ** 2
    return dX, d_ls, GK.sum()


gp_kernel.defvjp(gp_kernel_fwd, gp_kernel_bwd)


# gelu(a) b with a, b the halves of the last axis
@jax.custom_vjp
def geglu(x):
    a, b = jnp.split(x, 2, axis=-1)
    return jax.nn.gelu(a, approximate=False) * b


def geglu_fwd(x):
    return geglu(x), x


def geglu_bwd(x, g):
    a, b = jnp.split(x, 2, axis=-1)
    cdf = jax.scipy.stats.norm.cdf(a)
    slope = cdf + a * jax.scipy.stats.norm.pdf(a)
    da, db = g * b * slope, g * a * cdf
    return (jnp.concatenate([da, db], axis=-1),)


geglu.defvjp(geglu_fwd, geglu_bwd)


# log(1 - exp(-x)) for x > 0
@jax.custom_vjp
def log1mexp(x):
    return jnp.where(x < 0.69, jnp.log(-jnp.expm1(-x)), jnp.log1p(-jnp.exp(-x)))


def log1mexp_fwd(x):
    return log1mexp(x), x


def log1mexp_bwd(x, g):
    e = jnp.exp(-x)
    return (g * e / -jnp.expm1(-x),)


log1mexp.defvjp(log1mexp_fwd, log1mexp_bwd)


# pinhole camera: points (N, 3) to pixels
@jax.custom_vjp
def project(points, focal):
    return focal * points[:, :2] / points[:, 2:]


def project_fwd(points, focal):
    return project(points, focal), (points, focal)


def project_bwd(res, g):
    points, focal = res
    xy, z = points[:, :2], points[:, 2:]
    dxy = focal * g / z
    dz = -(g * focal * xy).sum(-1, keepdims=True) / z ** 2
    return jnp.concatenate([dxy, dz], axis=-1), (g * xy / z).sum(0)


project.defvjp(project_fwd, project_bwd)
