"""Custom autograd functions for PyTorch: linear algebra, signals, graphics, particles, sequence models."""
import math
import torch
from torch.autograd import Function


# --- linear algebra ------------------------------------------------------------------------------------------------

class Inverse(Function):
    @staticmethod
    def forward(ctx, A):
        inv = torch.linalg.inv(A)
        ctx.save_for_backward(inv)
        return inv

    @staticmethod
    def backward(ctx, grad_out):
        (inv,) = ctx.saved_tensors
        invT = inv.transpose(-1, -2)
        return -invT @ grad_out @ invT


class UnitTriangularSolve(Function):
    """X with (I + tril(A, -1)) X = B."""

    @staticmethod
    def forward(ctx, A, B):
        X = torch.linalg.solve_triangular(A, B, upper=False, unitriangular=True)
        ctx.save_for_backward(A, X)
        return X

    @staticmethod
    def backward(ctx, grad_X):
        A, X = ctx.saved_tensors
        grad_B = torch.linalg.solve_triangular(A.mT, grad_X, upper=True, unitriangular=True)
        grad_A = -(grad_B @ X.mT).tril(-1)
        return grad_A, grad_B


class SqrtSPD(Function):
    """The square root of the covariance X X' + I, as in second-order pooling."""

    @staticmethod
    def forward(ctx, X):
        cov = X @ X.T + torch.eye(X.shape[0], dtype=X.dtype)
        lam, U = torch.linalg.eigh(cov)
        root = lam.clamp(min=1e-12).sqrt()
        ctx.save_for_backward(X, U, root)
        return (U * root) @ U.T

    @staticmethod
    def backward(ctx, grad):
        X, U, root = ctx.saved_tensors
        inner = U.T @ grad @ U
        inner = inner / (root[:, None] + root[None, :])
        dcov = U @ inner @ U.T
        return (dcov + dcov.T) @ X


class LogEig(Function):
    """Matrix logarithm of X X' + I (SPDNet)."""

    @staticmethod
    def forward(ctx, X):
        P = X @ X.T + torch.eye(X.shape[0], dtype=X.dtype)
        s, V = torch.linalg.eigh(P)
        ctx.save_for_backward(X, s, V)
        return V @ torch.diag(s.log()) @ V.T

    @staticmethod
    def backward(ctx, dY):
        X, s, V = ctx.saved_tensors
        gap = s[:, None] - s[None, :]
        near = gap.abs() < 1e-5 * (s[:, None] + s[None, :])
        middle = 2 / (s[:, None] + s[None, :])
        loewner = torch.where(near, middle, (s.log()[:, None] - s.log()[None, :]) / torch.where(near, 1.0, gap))
        dP = V @ (loewner * (V.T @ (0.5 * (dY + dY.T)) @ V)) @ V.T
        return 2 * dP @ X


class CholeskyFactor(Function):
    """L of X X' + I = L L'."""

    @staticmethod
    def forward(ctx, X):
        L = torch.linalg.cholesky(X @ X.mT + torch.eye(X.shape[-2], dtype=X.dtype))
        ctx.save_for_backward(X, L)
        return L

    @staticmethod
    def backward(ctx, gL):
        X, L = ctx.saved_tensors
        P = L.mT @ gL.tril()
        phi = P.tril(-1) + 0.5 * torch.diag_embed(P.diagonal(dim1=-2, dim2=-1))
        Z = torch.linalg.solve_triangular(L.mT, phi, upper=True)
        S = torch.linalg.solve_triangular(L.mT, Z.mT, upper=True).mT
        return (S + S.mT) @ X


# --- signals -------------------------------------------------------------------------------------------------------

class FFTConv(Function):
    """Circular convolution of u [b n] with h [n]."""

    @staticmethod
    def forward(ctx, u, h):
        ctx.save_for_backward(u, h)
        n = u.shape[-1]
        return torch.fft.irfft(torch.fft.rfft(u) * torch.fft.rfft(h), n=n)

    @staticmethod
    def backward(ctx, dy):
        u, h = ctx.saved_tensors
        n = u.shape[-1]
        dY = torch.fft.rfft(dy)
        du = torch.fft.irfft(dY * torch.fft.rfft(h).conj(), n=n)
        dh = torch.fft.irfft(dY * torch.fft.rfft(u).conj(), n=n).sum(0)
        return du, dh


class SpectralFilter(Function):
    """Multiplies the first modes of a complex spectrum with complex weights, and drops the others (FNO)."""

    @staticmethod
    def forward(ctx, z, weight):
        m = weight.shape[-1]
        spectrum = torch.fft.fft(z, norm="ortho")
        kept = torch.zeros_like(spectrum)
        kept[..., :m] = spectrum[..., :m] * weight
        ctx.save_for_backward(spectrum, weight)
        return torch.fft.ifft(kept, norm="ortho")

    @staticmethod
    def backward(ctx, gout):
        spectrum, weight = ctx.saved_tensors
        m = weight.shape[-1]
        gspec = torch.fft.fft(gout, norm="ortho")[..., :m]
        gweight = (gspec * spectrum[..., :m].conj()).sum(0)
        full = torch.zeros_like(spectrum)
        full[..., :m] = gspec * weight.conj()
        return torch.fft.ifft(full, norm="ortho"), gweight


class Magnitude(Function):
    """|z| of complex numbers."""

    @staticmethod
    def forward(ctx, z):
        mag = torch.abs(z)
        ctx.save_for_backward(z, mag)
        return mag

    @staticmethod
    def backward(ctx, g):
        z, mag = ctx.saved_tensors
        unit = torch.where(mag > 0, z / torch.where(mag > 0, mag, 1.0), 0)
        return g * unit


class HaarLevel(Function):
    """One level of the Haar transform along the last axis: (approximation, detail)."""

    @staticmethod
    def forward(ctx, x):
        even, odd = x[..., ::2], x[..., 1::2]
        return (even + odd) / math.sqrt(2), (even - odd) / math.sqrt(2)

    @staticmethod
    def backward(ctx, ga, gd):
        gx = torch.empty(*ga.shape[:-1], 2 * ga.shape[-1], dtype=ga.dtype)
        gx[..., ::2] = (ga + gd) / math.sqrt(2)
        gx[..., 1::2] = (ga - gd) / math.sqrt(2)
        return gx


class LocalResponseNorm(Function):
    """x / (k + alpha * sum of x^2 over neighbouring channels)^beta."""

    @staticmethod
    def forward(ctx, x, n=3, alpha=0.5, beta=0.75, k=1.0):
        half = n // 2
        channels = x.shape[1]
        band = torch.zeros(channels, channels, dtype=x.dtype)
        for c in range(channels):
            band[c, max(0, c - half):c + half + 1] = 1
        scale = k + alpha * torch.einsum("cd,bdl->bcl", band, x * x)
        ctx.save_for_backward(x, scale, band)
        ctx.alpha, ctx.beta = alpha, beta
        return x * scale ** -beta

    @staticmethod
    def backward(ctx, dout):
        x, scale, band = ctx.saved_tensors
        direct = dout * scale ** -ctx.beta
        through = torch.einsum("cd,bcl->bdl", band, dout * x * scale ** (-ctx.beta - 1))
        return direct - 2 * ctx.alpha * ctx.beta * x * through, None, None, None, None


# --- graphics ------------------------------------------------------------------------------------------------------

class AlphaComposite(Function):
    """Front to back: sum_i T_i a_i c_i with T_i = prod_{j<i} (1 - a_j), over alpha [r n], colour [r n 3]."""

    @staticmethod
    def forward(ctx, alpha, color):
        T = torch.cumprod(torch.cat([torch.ones_like(alpha[:, :1]), 1 - alpha[:, :-1]], 1), 1)
        ctx.save_for_backward(alpha, color, T)
        return ((T * alpha)[..., None] * color).sum(1)

    @staticmethod
    def backward(ctx, grad_pixel):
        alpha, color, T = ctx.saved_tensors
        grad_color = (T * alpha)[..., None] * grad_pixel[:, None]
        grad_alpha = torch.zeros_like(alpha)
        behind = torch.zeros_like(grad_pixel)
        for i in reversed(range(alpha.shape[1])):
            grad_alpha[:, i] = T[:, i] * ((color[:, i] - behind) * grad_pixel).sum(-1)
            behind = alpha[:, i, None] * color[:, i] + (1 - alpha[:, i, None]) * behind
        return grad_alpha, grad_color


def _hat(w):
    zero = torch.zeros_like(w[..., 0])
    return torch.stack([torch.stack([zero, -w[..., 2], w[..., 1]], -1),
                        torch.stack([w[..., 2], zero, -w[..., 0]], -1),
                        torch.stack([-w[..., 1], w[..., 0], zero], -1)], -2)


def _rodrigues_terms(t2):
    """sin(t)/t and (1 - cos t)/t^2 and their derivatives by t^2."""
    small = t2 < 1e-4
    s2 = torch.where(small, torch.ones_like(t2), t2)
    t = s2.sqrt()
    a = torch.where(small, 1 - t2 / 6 + t2 ** 2 / 120, t.sin() / t)
    b = torch.where(small, 0.5 - t2 / 24 + t2 ** 2 / 720, 2 * (t / 2).sin() ** 2 / s2)
    da = torch.where(small, -1 / 6 + t2 / 60, (t.cos() - t.sin() / t) / (2 * s2))
    db = torch.where(small, -1 / 24 + t2 / 360, (t.sin() / t - 4 * (t / 2).sin() ** 2 / s2) / (2 * s2))
    return a, b, da, db


class AxisAngleToMatrix(Function):
    """R = I + a K + b K^2, K = hat(w)."""

    @staticmethod
    def forward(ctx, w):
        t2 = (w * w).sum(-1)
        a, b, _, _ = _rodrigues_terms(t2)
        K = _hat(w)
        ctx.save_for_backward(w)
        return torch.eye(3, dtype=w.dtype) + a[..., None, None] * K + b[..., None, None] * (K @ K)

    @staticmethod
    def backward(ctx, gR):
        (w,) = ctx.saved_tensors
        a, b, da, db = _rodrigues_terms((w * w).sum(-1))
        K = _hat(w)
        gK = a[..., None, None] * gR + b[..., None, None] * (gR @ K.mT + K.mT @ gR)
        gw = torch.stack([gK[..., 2, 1] - gK[..., 1, 2],
                          gK[..., 0, 2] - gK[..., 2, 0],
                          gK[..., 1, 0] - gK[..., 0, 1]], -1)
        gt2 = da * (gR * K).sum((-1, -2)) + db * (gR * (K @ K)).sum((-1, -2))
        return gw + 2 * w * gt2[..., None]


class RotateByQuaternion(Function):
    """v + 2 r (u x v) + 2 u x (u x v), for q = (r, u)."""

    @staticmethod
    def forward(ctx, q, v):
        r, u = q[:, :1], q[:, 1:]
        c = torch.linalg.cross(u, v)
        ctx.save_for_backward(q, v, c)
        return v + 2 * r * c + 2 * torch.linalg.cross(u, c)

    @staticmethod
    def backward(ctx, g):
        q, v, c = ctx.saved_tensors
        r, u = q[:, :1], q[:, 1:]
        gc = 2 * r * g + 2 * torch.linalg.cross(g, u)
        gr = 2 * (g * c).sum(-1, keepdim=True)
        gu = 2 * torch.linalg.cross(c, g) + torch.linalg.cross(v, gc)
        gv = g + torch.linalg.cross(gc, u)
        return torch.cat([gr, gu], 1), gv


class GridSample(Function):
    """Bilinear samples of image [h w] at grid [n 2] of (x, y) in [-1, 1], corners aligned, zeros outside."""

    @staticmethod
    def forward(ctx, image, grid):
        ctx.save_for_backward(image, grid)
        out = torch.zeros(len(grid), dtype=image.dtype)
        for rows, cols, wy, wx, _, _, ok in GridSample.corners(image, grid):
            out += torch.where(ok, image[rows, cols], 0) * wy * wx
        return out

    @staticmethod
    def corners(image, grid):
        h, w = image.shape
        px, py = (grid[:, 0] + 1) / 2 * (w - 1), (grid[:, 1] + 1) / 2 * (h - 1)
        x0, y0 = px.floor(), py.floor()
        for dy in (0, 1):
            for dx in (0, 1):
                i, j = y0.long() + dy, x0.long() + dx
                ok = (i >= 0) & (i < h) & (j >= 0) & (j < w)
                wy = 1 - (py - y0) if dy == 0 else py - y0
                wx = 1 - (px - x0) if dx == 0 else px - x0
                yield i.clamp(0, h - 1), j.clamp(0, w - 1), wy, wx, 2 * dy - 1, 2 * dx - 1, ok

    @staticmethod
    def backward(ctx, g):
        image, grid = ctx.saved_tensors
        gimage = torch.zeros_like(image)
        gx = torch.zeros_like(g)
        gy = torch.zeros_like(g)
        for rows, cols, wy, wx, sy, sx, ok in GridSample.corners(image, grid):
            value = torch.where(ok, image[rows, cols], 0)
            gimage.index_put_((rows, cols), torch.where(ok, g * wy * wx, 0), accumulate=True)
            gx += g * value * wy * sx
            gy += g * value * wx * sy
        h, w = image.shape
        return gimage, torch.stack([gx * (w - 1) / 2, gy * (h - 1) / 2], 1)


class Splat2D(Function):
    """Isotropic Gaussians at mean [k 2] with log radius and weight, added up on the pixels [p 2]."""

    @staticmethod
    def forward(ctx, mean, log_radius, weight, pixels):
        diff = pixels[:, None] - mean[None]
        d2 = (diff ** 2).sum(-1)
        inside = log_radius.abs() <= 20
        inv = torch.exp(-2 * log_radius.clamp(-20, 20))
        gauss = torch.exp(-0.5 * d2 * inv)
        ctx.save_for_backward(diff, d2, inv, gauss, weight, inside)
        return gauss @ weight

    @staticmethod
    def backward(ctx, gimg):
        diff, d2, inv, gauss, weight, inside = ctx.saved_tensors
        gweight = gauss.T @ gimg
        gg = gimg[:, None] * weight * gauss
        gmean = (gg[..., None] * diff * inv[:, None]).sum(0)
        glog_radius = (gg * d2 * inv).sum(0) * inside
        return gmean, glog_radius, gweight, None


class ThinPlate(Function):
    """U(r) = r^2 log r^2 between points [n 2] and control points [m 2]."""

    @staticmethod
    def forward(ctx, points, control):
        diff = points[:, None] - control[None]
        r2 = (diff ** 2).sum(-1)
        log_r2 = torch.where(r2 > 0, r2, 1.0).log()
        ctx.save_for_backward(diff, r2, log_r2)
        return r2 * log_r2

    @staticmethod
    def backward(ctx, gU):
        diff, r2, log_r2 = ctx.saved_tensors
        gdiff = (2 * gU * (torch.where(r2 > 0, log_r2 + 1, 0)))[..., None] * diff
        return gdiff.sum(1), -gdiff.sum(0)


# --- particles and graphs --------------------------------------------------------------------------------------------

class SoftCoreEnergy(Function):
    """Sum over pairs of 4 eps (s^2 - s), s = sigma^6 / (r^6 + 0.5 sigma^6)."""

    @staticmethod
    def forward(ctx, pos, sigma, eps):
        i, j = torch.triu_indices(len(pos), len(pos), 1)
        d = pos[i] - pos[j]
        r2 = (d ** 2).sum(-1)
        s = sigma ** 6 / (r2 ** 3 + 0.5 * sigma ** 6)
        ctx.save_for_backward(d, r2, s, i, j, sigma, eps)
        ctx.n = len(pos)
        return 4 * eps * (s ** 2 - s).sum()

    @staticmethod
    def backward(ctx, gE):
        d, r2, s, i, j, sigma, eps = ctx.saved_tensors
        ds = 4 * eps * (2 * s - 1) * gE
        sig6 = sigma ** 6
        dr2 = -ds * s ** 2 * 3 * r2 ** 2 / sig6
        force = 2 * dr2[:, None] * d
        gpos = torch.zeros(ctx.n, d.shape[1], dtype=d.dtype)
        gpos.index_add_(0, i, force)
        gpos.index_add_(0, j, -force)
        gsigma = (ds * (6 * s / sigma - 0.5 * s ** 2 * 6 / sigma)).sum()
        geps = 4 * (s ** 2 - s).sum() * gE
        return gpos, gsigma, geps


class SegmentSoftmax(Function):
    """Attention coefficients of a graph: softmax over the edges that come into one node."""

    @staticmethod
    def forward(ctx, score, dst, n):
        top = torch.full((n,), -math.inf, dtype=score.dtype).scatter_reduce(0, dst, score, "amax")
        e = (score - top[dst]).exp()
        total = torch.zeros(n, dtype=score.dtype).index_add(0, dst, e)
        p = e / total[dst]
        ctx.save_for_backward(p, dst)
        ctx.n = n
        return p

    @staticmethod
    def backward(ctx, gp):
        p, dst = ctx.saved_tensors
        inner = torch.zeros(ctx.n, dtype=p.dtype).index_add(0, dst, gp * p)
        return p * (gp - inner[dst]), None, None


class PairwiseDistance(Function):
    """Euclidean distances between rows, |x_i - y_j|."""

    @staticmethod
    def forward(ctx, x, y):
        delta = x.unsqueeze(1) - y.unsqueeze(0)
        dist = delta.norm(dim=-1)
        ctx.save_for_backward(delta, dist)
        return dist

    @staticmethod
    def backward(ctx, grad):
        delta, dist = ctx.saved_tensors
        w = torch.where(dist > 0, grad / dist.clamp(min=1e-300), 0)
        gx = (w.unsqueeze(-1) * delta).sum(1)
        gy = -(w.unsqueeze(-1) * delta).sum(0)
        return gx, gy


# --- sequence models and heads -----------------------------------------------------------------------------------------

class Rotary(Function):
    """Rotary position embedding of x [t d], halves rotated against each other."""

    @staticmethod
    def angles(t, d, dtype):
        freq = 100.0 ** (-torch.arange(d // 2, dtype=dtype) / (d // 2))
        return torch.arange(1, t + 1, dtype=dtype)[:, None] * freq

    @staticmethod
    def forward(ctx, x):
        theta = Rotary.angles(*x.shape, x.dtype)
        cos, sin = theta.cos(), theta.sin()
        ctx.save_for_backward(cos, sin)
        x1, x2 = x.chunk(2, -1)
        return torch.cat([x1 * cos - x2 * sin, x2 * cos + x1 * sin], -1)

    @staticmethod
    def backward(ctx, dout):
        cos, sin = ctx.saved_tensors
        d1, d2 = dout.chunk(2, -1)
        return torch.cat([d1 * cos + d2 * sin, d2 * cos - d1 * sin], -1)


class SelectiveScan(Function):
    """h_t = a_t * h_{t-1} + b_t x_t, y_t = c_t . h_t: a [t s], b [t s], c [t s], x [t]."""

    @staticmethod
    def forward(ctx, x, a, b, c):
        h = torch.zeros_like(a[0])
        hs = []
        for t in range(len(x)):
            h = a[t] * h + b[t] * x[t]
            hs.append(h)
        hs = torch.stack(hs)
        ctx.save_for_backward(x, a, b, c, hs)
        return (c * hs).sum(-1)

    @staticmethod
    def backward(ctx, dy):
        x, a, b, c, hs = ctx.saved_tensors
        dx, da, db = torch.zeros_like(x), torch.zeros_like(a), torch.zeros_like(b)
        dh = torch.zeros_like(a[0])
        for t in reversed(range(len(x))):
            dh = dh + c[t] * dy[t]
            if t > 0:
                da[t] = dh * hs[t - 1]
            db[t] = dh * x[t]
            dx[t] = (dh * b[t]).sum()
            dh = dh * a[t]
        return dx, da, db, dy[:, None] * hs


class TopTwoGate(Function):
    """Mixture of experts: softmax over the two largest logits of each token, times the experts' outputs [n e d]."""

    @staticmethod
    def forward(ctx, logits, experts):
        top, idx = logits.topk(2, dim=1)
        gate = top.softmax(1)
        rows = torch.arange(len(logits))[:, None]
        chosen = experts[rows, idx]
        ctx.save_for_backward(gate, idx, rows, chosen)
        ctx.shapes = logits.shape, experts.shape
        return (gate[..., None] * chosen).sum(1)

    @staticmethod
    def backward(ctx, gout):
        gate, idx, rows, chosen = ctx.saved_tensors
        dgate = (gout[:, None] * chosen).sum(-1)
        dtop = gate * (dgate - (gate * dgate).sum(1, keepdim=True))
        dlogits = torch.zeros(ctx.shapes[0], dtype=gout.dtype).scatter_(1, idx, dtop)
        dexperts = torch.zeros(ctx.shapes[1], dtype=gout.dtype)
        dexperts[rows, idx] = gate[..., None] * gout[:, None]
        return dlogits, dexperts


class Squash(Function):
    """Capsules: s |s| / (1 + |s|^2)."""

    @staticmethod
    def forward(ctx, s):
        n2 = (s * s).sum(-1, keepdim=True)
        n = n2.sqrt()
        ctx.save_for_backward(s, n, n2)
        return s * (n / (1 + n2))

    @staticmethod
    def backward(ctx, gv):
        s, n, n2 = ctx.saved_tensors
        dot = (gv * s).sum(-1, keepdim=True)
        unit = torch.where(n > 0, s / torch.where(n > 0, n, 1.0), 0)
        slope = (1 - n2) / (1 + n2) ** 2
        return gv * n / (1 + n2) + dot * slope * unit


class FocalWithLogits(Function):
    """-(1 - p_t)^gamma log p_t, the mean over examples."""

    @staticmethod
    def forward(ctx, logits, target, gamma=2.0):
        z = torch.where(target > 0, logits, -logits)
        log_pt = torch.nn.functional.logsigmoid(z)
        q = torch.sigmoid(-z)
        ctx.save_for_backward(target, log_pt, q)
        ctx.gamma = gamma
        return -(q ** gamma * log_pt).mean()

    @staticmethod
    def backward(ctx, g):
        target, log_pt, q = ctx.saved_tensors
        gamma = ctx.gamma
        pt = log_pt.exp()
        dz = q ** gamma * (gamma * pt * log_pt - q)
        sign = torch.where(target > 0, 1.0, -1.0)
        return g * dz * sign / len(dz), None, None


class DiceLoss(Function):
    """1 - 2 sum(p t) / (sum p + sum t), of each mask."""

    @staticmethod
    def forward(ctx, p, t):
        inter = (p * t).sum((1, 2))
        union = p.sum((1, 2)) + t.sum((1, 2)) + 1.0
        ctx.save_for_backward(t, inter, union)
        return 1 - (2 * inter + 1.0) / union

    @staticmethod
    def backward(ctx, g):
        t, inter, union = ctx.saved_tensors
        inter, union, g = inter[:, None, None], union[:, None, None], g[:, None, None]
        return g * ((2 * inter + 1.0) / union ** 2 - 2 * t / union), None
