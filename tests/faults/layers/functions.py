"""torch.autograd.Function and jax.custom_vjp."""
import math

import jax
import jax.numpy as jnp
import torch

jax.config.update("jax_enable_x64", True)


# ---------------------------------------------------------------- SwiGLU
class SwiGLU(torch.autograd.Function):
    @staticmethod
    def forward(ctx, gate, up):
        ctx.save_for_backward(gate, up)
        return gate * torch.sigmoid(gate) * up

    @staticmethod
    def backward(ctx, grad_out):
        gate, up = ctx.saved_tensors
        sig = torch.sigmoid(gate)
        silu = gate * sig
        d_gate = grad_out * up * (sig + silu * (1 - sig))
        d_up = grad_out * silu
        return d_gate, d_up


# ---------------------------------------------------------------- GEGLU with the exact GELU
class GEGLU(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        a, b = x.chunk(2, dim=-1)
        cdf = 0.5 * (1 + torch.erf(b / math.sqrt(2)))
        ctx.save_for_backward(a, b, cdf)
        return a * b * cdf

    @staticmethod
    def backward(ctx, grad_out):
        a, b, cdf = ctx.saved_tensors
        slope = cdf + b * torch.exp(-0.5 * b * b) / math.sqrt(2 * math.pi)
        return torch.cat([grad_out * b * cdf, grad_out * a * slope], dim=-1)


# ---------------------------------------------------------------- RMSNorm
class RMSNorm(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, weight):
        rstd = torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6)
        ctx.save_for_backward(x, weight, rstd)
        return x * rstd * weight

    @staticmethod
    def backward(ctx, dy):
        x, weight, rstd = ctx.saved_tensors
        xhat = x * rstd
        m = dy * weight
        dx = rstd * (m - xhat * (m * xhat).mean(-1, keepdim=True))
        dw = (dy * xhat).reshape(-1, x.shape[-1]).sum(0)
        return dx, dw


# ---------------------------------------------------------------- sparsemax
class Sparsemax(torch.autograd.Function):
    @staticmethod
    def forward(ctx, z):
        z = z - z.max(dim=-1, keepdim=True).values
        srt, _ = torch.sort(z, dim=-1, descending=True)
        k = torch.arange(1, z.shape[-1] + 1, dtype=z.dtype)
        cum = srt.cumsum(-1)
        size = ((1 + k * srt) > cum).sum(-1, keepdim=True)
        tau = (cum.gather(-1, size - 1) - 1) / size.to(z.dtype)
        p = torch.clamp(z - tau, min=0)
        ctx.save_for_backward(p)
        return p

    @staticmethod
    def backward(ctx, g):
        (p,) = ctx.saved_tensors
        support = (p > 0).to(g.dtype)
        v = (g * support).sum(-1, keepdim=True) / support.sum(-1, keepdim=True)
        return support * (g - v)


# ---------------------------------------------------------------- log-sum-exp over a mask; 0 where all is masked
class MaskedLSE(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, mask):
        filled = x.masked_fill(~mask, float("-inf"))
        top = filled.amax(-1, keepdim=True)
        top = torch.where(torch.isfinite(top), top, torch.zeros_like(top))
        w = torch.exp(filled - top)
        total = w.sum(-1, keepdim=True)
        ctx.save_for_backward(w, total)
        some = mask.any(-1)
        safe = torch.where(total > 0, total, torch.ones_like(total))
        return torch.where(some, (top + torch.log(safe)).squeeze(-1), torch.zeros_like(some, dtype=x.dtype))

    @staticmethod
    def backward(ctx, g):
        w, total = ctx.saved_tensors
        soft = w / total.clamp(min=1e-30)
        return g.unsqueeze(-1) * soft, None


# ---------------------------------------------------------------- linear layer of complex numbers
class ComplexLinear(torch.autograd.Function):
    @staticmethod
    def forward(ctx, z, W):
        ctx.save_for_backward(z, W)
        return z @ W.t()

    @staticmethod
    def backward(ctx, g):
        z, W = ctx.saved_tensors
        return g @ W.conj(), g.t() @ z.conj()


# ---------------------------------------------------------------- running maximum along a sequence
class CumMax(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        val, idx = torch.cummax(x, dim=1)
        ctx.save_for_backward(idx)
        return val

    @staticmethod
    def backward(ctx, g):
        (idx,) = ctx.saved_tensors
        return torch.zeros_like(g).scatter_add(1, idx, g)


# ---------------------------------------------------------------- KAN layer with Chebyshev polynomials
class ChebyKAN(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, coeff):
        """x (N, I), coeff (I, O, degree + 1)"""
        t = torch.tanh(x)
        T = [torch.ones_like(t), t]
        for _ in range(2, coeff.shape[2]):
            T.append(2 * t * T[-1] - T[-2])
        T = torch.stack(T[: coeff.shape[2]], dim=-1)
        ctx.save_for_backward(t, T, coeff)
        return torch.einsum("nid,iod->no", T, coeff)

    @staticmethod
    def backward(ctx, g):
        t, T, coeff = ctx.saved_tensors
        D = [torch.zeros_like(t), torch.ones_like(t)]
        for n in range(2, coeff.shape[2]):
            D.append(2 * T[..., n - 1] + 2 * t * D[-1] - D[-2])
        D = torch.stack(D[: coeff.shape[2]], dim=-1)
        dT = torch.einsum("no,iod->nid", g, coeff)
        dx = (dT * D).sum(-1) * (1 - t * t)
        return dx, torch.einsum("nid,no->iod", T, g)


# ---------------------------------------------------------------- log-Euclidean covariance (SPD networks)
class LogCov(torch.autograd.Function):
    @staticmethod
    def forward(ctx, A):
        C = A @ A.transpose(-1, -2) + 0.5 * torch.eye(A.shape[-2], dtype=A.dtype)
        lam, U = torch.linalg.eigh(C)
        ctx.save_for_backward(A, lam, U)
        return U @ torch.diag_embed(lam.log()) @ U.transpose(-1, -2)

    @staticmethod
    def backward(ctx, G):
        A, lam, U = ctx.saved_tensors
        G = (G + G.transpose(-1, -2)) / 2
        diff = lam.unsqueeze(-1) - lam.unsqueeze(-2)
        dlog = lam.log().unsqueeze(-1) - lam.log().unsqueeze(-2)
        mid = (lam.unsqueeze(-1) + lam.unsqueeze(-2)) / 2
        close = diff.abs() < 1e-7 * mid
        K = torch.where(close, 1 / mid, dlog / torch.where(close, torch.ones_like(diff), diff))
        Ut = U.transpose(-1, -2)
        dC = U @ (K * (Ut @ G @ U)) @ Ut
        return 2 * dC @ A


# ---------------------------------------------------------------- bilinear score
class BilinearScore(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, M, y):
        ctx.save_for_backward(x, M, y)
        return ((x @ M) * y).sum(-1)

    @staticmethod
    def backward(ctx, g):
        x, M, y = ctx.saved_tensors
        gx = g[:, None] * (y @ M.t())
        gy = g[:, None] * (x @ M)
        gM = (g[:, None] * x).t() @ y
        return gx, gM, gy


# ---------------------------------------------------------------- PReLU, one slope per channel
class PReLU(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, a):
        ctx.save_for_backward(x, a)
        return torch.where(x > 0, x, a[None, :, None] * x)

    @staticmethod
    def backward(ctx, g):
        x, a = ctx.saved_tensors
        gx = torch.where(x > 0, g, a[None, :, None] * g)
        ga = torch.where(x > 0, torch.zeros_like(g), g * x).sum(dim=(0, 2))
        return gx, ga


# ---------------------------------------------------------------- Gaussian negative log-likelihood
class GaussianNLL(torch.autograd.Function):
    @staticmethod
    def forward(ctx, mu, log_var, target):
        inv = torch.exp(-log_var)
        ctx.save_for_backward(mu, inv, target)
        return (0.5 * (log_var + (target - mu) ** 2 * inv)).mean()

    @staticmethod
    def backward(ctx, g):
        mu, inv, target = ctx.saved_tensors
        n = mu.numel()
        d_mu = g * (mu - target) * inv / n
        d_log_var = g * 0.5 * (1 - (target - mu) ** 2 * inv) / n
        return d_mu, d_log_var, None


# ---------------------------------------------------------------- wing loss for landmarks
class WingLoss(torch.autograd.Function):
    @staticmethod
    def forward(ctx, pred, target):
        w, eps = 1.0, 0.5
        d = pred - target
        a = d.abs()
        ctx.save_for_backward(d)
        ctx.w, ctx.eps = w, eps
        const = w - w * math.log(1 + w / eps)
        return torch.where(a < w, w * torch.log1p(a / eps), a - const).sum()

    @staticmethod
    def backward(ctx, g):
        (d,) = ctx.saved_tensors
        a = d.abs()
        slope = torch.where(a < ctx.w, ctx.w / (ctx.eps + a), torch.ones_like(a))
        return g * slope * torch.sign(d), None


# ---------------------------------------------------------------- pixel shuffle
class PixelShuffle(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        n, c, h, w = x.shape
        r = 2
        y = x.reshape(n, c // (r * r), r, r, h, w)
        return y.permute(0, 1, 4, 2, 5, 3).reshape(n, c // (r * r), h * r, w * r)

    @staticmethod
    def backward(ctx, g):
        n, c, H, W = g.shape
        r = 2
        g = g.reshape(n, c, H // r, r, W // r, r)
        return g.permute(0, 1, 3, 5, 2, 4).reshape(n, c * r * r, H // r, W // r)


# ---------------------------------------------------------------- output layer and cross-entropy in chunks
class ChunkedLinearCE(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, W, target):
        N, chunk = x.shape[0], 2
        dx, dW = torch.zeros_like(x), torch.zeros_like(W)
        loss = x.new_zeros(())
        for i in range(0, N, chunk):
            xi, ti = x[i : i + chunk], target[i : i + chunk]
            lp = torch.log_softmax(xi @ W.t(), dim=1)
            rows = torch.arange(len(ti))
            loss = loss - lp[rows, ti].sum() / N
            d = lp.exp()
            d[rows, ti] -= 1
            d = d / N
            dx[i : i + chunk] = d @ W
            dW += d.t() @ xi
        ctx.save_for_backward(dx, dW)
        return loss

    @staticmethod
    def backward(ctx, g):
        dx, dW = ctx.saved_tensors
        return g * dx, g * dW, None


# ---------------------------------------------------------------- layer scale
class LayerScale(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, gamma):
        ctx.save_for_backward(x, gamma)
        return x * gamma

    @staticmethod
    def backward(ctx, g):
        x, gamma = ctx.saved_tensors
        acc = torch.zeros_like(gamma)
        for i in range(x.shape[0]):
            acc = acc + g[i] * x[i]
        return g * gamma, acc


# ---------------------------------------------------------------- maxout
class Maxout(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        """x (N, C, k): the largest of k pieces"""
        y, idx = x.max(dim=2)
        ctx.save_for_backward(x, y, idx)
        return y

    @staticmethod
    def backward(ctx, g):
        x, y, idx = ctx.saved_tensors
        mask = torch.nn.functional.one_hot(idx, x.shape[2]).to(g.dtype)
        return g.unsqueeze(2) * mask


# ---------------------------------------------------------------- softened gravity
class SoftGravity(torch.autograd.Function):
    @staticmethod
    def forward(ctx, pos, mass):
        diff = pos[:, None] - pos[None]
        r = torch.sqrt((diff**2).sum(-1) + 0.1)
        pair = mass[:, None] * mass[None] / r
        pair = pair - torch.diag(torch.diag(pair))
        ctx.save_for_backward(diff, r, mass)
        return -0.5 * pair.sum()

    @staticmethod
    def backward(ctx, g):
        diff, r, mass = ctx.saved_tensors
        inv = 1 / r
        inv = inv - torch.diag(torch.diag(inv))
        mm = mass[:, None] * mass[None]
        d_pos = ((mm * inv**3)[:, :, None] * diff).sum(1)
        d_mass = -(inv @ mass)
        return g * d_pos, g * d_mass


# ---------------------------------------------------------------- JAX: length of the last axis
@jax.custom_vjp
def safe_norm(x):
    return jnp.sqrt(jnp.sum(x * x, axis=-1))


def safe_norm_fwd(x):
    n = safe_norm(x)
    return n, (x, n)


def safe_norm_bwd(res, g):
    x, n = res
    unit = x / jnp.where(n > 0, n, 1.0)[..., None]
    return (g[..., None] * unit,)


safe_norm.defvjp(safe_norm_fwd, safe_norm_bwd)


# ---------------------------------------------------------------- JAX: (exp(x) - 1) / x of exponential integrators
@jax.custom_vjp
def phi1(x):
    small = jnp.abs(x) < 1e-5
    xs = jnp.where(small, 1.0, x)
    return jnp.where(small, 1 + x / 2 + x * x / 6, jnp.expm1(xs) / xs)


def phi1_fwd(x):
    y = phi1(x)
    return y, (x, y)


def phi1_bwd(res, g):
    x, y = res
    small = jnp.abs(x) < 1e-2
    xs = jnp.where(small, 1.0, x)
    series = 1 / 2 + x * (1 / 3 + x * (1 / 8 + x * (1 / 30 + x * (1 / 144 + x / 840))))
    slope = jnp.where(small, series, (jnp.exp(xs) - y) / xs)
    return (g * slope,)


phi1.defvjp(phi1_fwd, phi1_bwd)


# ---------------------------------------------------------------- JAX: log-cosh loss
@jax.custom_vjp
def log_cosh(pred, target):
    a = jnp.abs(pred - target)
    return jnp.mean(a + jnp.log1p(jnp.exp(-2 * a)) - jnp.log(2.0))


def log_cosh_fwd(pred, target):
    return log_cosh(pred, target), pred - target


def log_cosh_bwd(d, g):
    slope = g * jnp.tanh(d) / d.size
    return slope, -slope


log_cosh.defvjp(log_cosh_fwd, log_cosh_bwd)


# ---------------------------------------------------------------- JAX: distance of the hyperboloid
def _gap(u, v):
    x0 = jnp.sqrt(1 + jnp.sum(u * u, -1))
    y0 = jnp.sqrt(1 + jnp.sum(v * v, -1))
    return jnp.maximum(0.5 * (jnp.sum((u - v) ** 2, -1) - (x0 - y0) ** 2), 0.0), x0, y0


@jax.custom_vjp
def lorentz_distance(u, v):
    m, _, _ = _gap(u, v)
    return jnp.log1p(m + jnp.sqrt(m * (m + 2)))


def lorentz_fwd(u, v):
    return lorentz_distance(u, v), (u, v)


def lorentz_bwd(res, g):
    u, v = res
    m, x0, y0 = _gap(u, v)
    root = jnp.sqrt(m * (m + 2))
    w = jnp.where(root > 0, g / jnp.where(root > 0, root, 1.0), 0.0)[..., None]
    diff, lag = u - v, (x0 - y0)[..., None]
    gu = w * (diff - lag * u / x0[..., None])
    gv = w * (-diff + lag * v / y0[..., None])
    return gu, gv


lorentz_distance.defvjp(lorentz_fwd, lorentz_bwd)


# ---------------------------------------------------------------- JAX: ridge regression as a layer
@jax.custom_vjp
def ridge_layer(A, b, log_lam):
    M = A.T @ A + jnp.exp(log_lam) * jnp.eye(A.shape[1])
    return jnp.linalg.solve(M, A.T @ b)


def ridge_fwd(A, b, log_lam):
    z = ridge_layer(A, b, log_lam)
    return z, (A, b, log_lam, z)


def ridge_bwd(res, g):
    A, b, log_lam, z = res
    lam = jnp.exp(log_lam)
    q = jnp.linalg.solve(A.T @ A + lam * jnp.eye(A.shape[1]), g)
    resid = b - A @ z
    dA = jnp.outer(resid, q) - jnp.outer(A @ q, z)
    return dA, A @ q, -lam * jnp.dot(q, z)


ridge_layer.defvjp(ridge_fwd, ridge_bwd)


# ---------------------------------------------------------------- JAX: equilibrium layer
@jax.custom_vjp
def deq_layer(x, W):
    """z = tanh(z W + x), with W made a contraction"""
    Wc = 0.8 * W / (1 + jnp.sqrt(jnp.sum(W * W)))
    return jax.lax.fori_loop(0, 150, lambda _, z: jnp.tanh(z @ Wc + x), jnp.zeros_like(x))


def deq_fwd(x, W):
    z = deq_layer(x, W)
    return z, (z, W)


def deq_bwd(res, g):
    z, W = res
    n = jnp.sqrt(jnp.sum(W * W))
    Wc = 0.8 * W / (1 + n)
    slope = 1 - z * z
    h = jax.lax.fori_loop(0, 150, lambda _, h: (g + h @ Wc.T) * slope, jnp.zeros_like(g))
    dWc = z.T @ h
    inner = jnp.sum(dWc * W)
    dW = 0.8 * (dWc / (1 + n) - inner / (1 + n) ** 2 * W / jnp.where(n > 0, n, 1.0))
    return h, dW


deq_layer.defvjp(deq_fwd, deq_bwd)


# ---------------------------------------------------------------- JAX: holographic binding
@jax.custom_vjp
def bind(a, b):
    """circular convolution of the last axis"""
    return jnp.fft.irfft(jnp.fft.rfft(a) * jnp.fft.rfft(b), n=a.shape[-1])


def bind_fwd(a, b):
    return bind(a, b), (a, b)


def bind_bwd(res, g):
    a, b = res
    G = jnp.fft.rfft(g)
    ga = jnp.fft.irfft(G * jnp.conj(jnp.fft.rfft(b)), n=g.shape[-1])
    gb = jnp.fft.irfft(G * jnp.conj(jnp.fft.rfft(a)), n=g.shape[-1])
    return ga, gb


bind.defvjp(bind_fwd, bind_bwd)
