import numpy as np
import torch
r = np.random.default_rng(7)
def t(*s): return torch.tensor(r.normal(size=s))
def cz(*s): return torch.tensor(r.normal(size=s) + 1j * r.normal(size=s))
EXAMPLES = dict(
    SwiGLU=(t(4, 5), t(4, 5)), GEGLU=(t(4, 6),), RMSNorm=(t(2, 3, 5), t(5)), Sparsemax=(t(4, 5),),
    MaskedLSE=(t(3, 4), torch.tensor([[True, True, False, True], [False] * 4, [False, True, False, False]])),
    ComplexLinear=(cz(4, 3), cz(2, 3)), CumMax=(t(3, 6),), ChebyKAN=(t(4, 3), t(3, 2, 5)), LogCov=(t(4, 2),),
    BilinearScore=(t(5, 3), t(3, 3), t(5, 3)), PReLU=(t(2, 3, 4), torch.tensor([0.25, -0.3, 0.1], dtype=torch.float64)),
    GaussianNLL=(t(4, 3), t(4, 3), t(4, 3)), WingLoss=(t(4, 3), t(4, 3)), PixelShuffle=(t(2, 8, 3, 2),),
    ChunkedLinearCE=(t(5, 3), t(4, 3), torch.tensor([0, 3, 2, 2, 1])), LayerScale=(t(6, 4).float(), t(4).float()),
    Maxout=(t(3, 4, 3),), SoftGravity=(t(4, 3), torch.tensor([1.0, 2.0, 0.5, 1.5], dtype=torch.float64)),
    safe_norm=((4, 3),), phi1=((4, 5),), log_cosh=((4, 3), (4, 3)), lorentz_distance=((4, 3), (4, 3)),
    ridge_layer=((5, 3), (5,), np.array(0.3)), deq_layer=((4, 3), (3, 3)), bind=((3, 6), (3, 6)),
)
CALLS = {k: (lambda k: lambda m: (getattr(m, k), None))(k) for k in EXAMPLES}
MISTAKES = [
    ("SwiGLU", "(sig + silu * (1 - sig))", "(sig + sig * (1 - sig))", ["wrong_local_derivative", "saved_wrong_tensor"]),
    ("SwiGLU", "return d_gate, d_up", "return d_up, d_gate", ["index_routing"]),
    ("GEGLU", "slope = cdf + b * torch.exp(-0.5 * b * b) / math.sqrt(2 * math.pi)", "th = torch.tanh(0.7978845608 * (b + 0.044715 * b**3))\n        slope = 0.5 * (1 + th) + 0.5 * b * (1 - th**2) * 0.7978845608 * (1 + 3 * 0.044715 * b**2)", ["mode_mismatch", "wrong_local_derivative"]),
    ("RMSNorm", "(m - xhat * (m * xhat).mean(-1, keepdim=True))", "(m - weight * xhat * (m * xhat).mean(-1, keepdim=True))", ["missing_chain_factor", "saved_wrong_tensor"]),
    ("RMSNorm", "dw = (dy * xhat).reshape", "dw = (dy * x).reshape", ["saved_wrong_tensor", "missing_chain_factor"]),
    ("Sparsemax", "v = (g * support).sum(-1, keepdim=True) / support.sum(-1, keepdim=True)", "v = (g * support).mean(-1, keepdim=True)", ["reduction_broadcast", "constant_factor", "missing_jacobian_term"]),
    ("MaskedLSE", "total.clamp(min=1e-30)", "total", ["singular_point_nan"]),
    ("ComplexLinear", "return g @ W.conj(), g.t() @ z.conj()", "return g @ W.conj(), g.t() @ z", ["complex_conjugate"]),
    ("CumMax", "scatter_add(1, idx, g)", "scatter(1, idx, g)", ["overwrite_vs_accumulate"]),
    ("ChebyKAN", "D.append(2 * T[..., n - 1] + 2 * t * D[-1] - D[-2])", "D.append(2 * t * D[-1] - D[-2])", ["missing_jacobian_term", "wrong_local_derivative"]),
    ("ChebyKAN", "dx = (dT * D).sum(-1) * (1 - t * t)", "dx = (dT * D).sum(-1)", ["missing_chain_factor"]),
    ("LogCov", "K = torch.where(close, 1 / mid, dlog / torch.where(close, torch.ones_like(diff), diff))", "K = dlog / diff\n        K = torch.where(torch.eye(len(lam), dtype=torch.bool), 1 / mid, K)", ["singular_point_nan", "cancellation"]),
    ("LogCov", "return 2 * dC @ A", "return dC @ A", ["constant_factor"]),
    ("BilinearScore", "gM = (g[:, None] * x).t() @ y", "gM = (g[:, None] * y).t() @ x", ["transpose_or_adjoint"]),
    ("BilinearScore", "gx = g[:, None] * (y @ M.t())", "gx = g[:, None] * (y @ M)", ["transpose_or_adjoint"]),
    ("PReLU", "gx = torch.where(x > 0, g,", "gx = torch.where(torch.where(x > 0, x, a[None, :, None] * x) > 0, g,", ["saved_wrong_tensor", "wrong_local_derivative"]),
    ("PReLU", "g * x).sum(dim=(0, 2))", "g * x).sum(dim=2).mean(0)", ["constant_factor", "reduction_broadcast"]),
    ("GaussianNLL", "d_log_var = g * 0.5 * (1 - (target - mu) ** 2 * inv) / n", "d_log_var = g * 0.5 * (1 + (target - mu) ** 2 * inv) / n", ["sign", "wrong_local_derivative"]),
    ("GaussianNLL", "d_mu = g * (mu - target) * inv / n", "d_mu = (mu - target) * inv / n", ["missing_upstream_grad"]),
    ("WingLoss", "return g * slope * torch.sign(d), None", "return g * slope, None", ["sign", "missing_chain_factor", "wrong_local_derivative"]),
    ("PixelShuffle", "g.permute(0, 1, 3, 5, 2, 4)", "g.permute(0, 1, 5, 3, 2, 4)", ["index_routing", "transpose_or_adjoint"]),
    ("ChunkedLinearCE", "return g * dx, g * dW, None", "return dx, dW, None", ["missing_upstream_grad"]),
    ("ChunkedLinearCE", "            dx[i : i + chunk] = d @ W\n            dW += d.t() @ xi", "            dx[i : i + chunk] = d @ W\n            if len(ti) == chunk:\n                dW += d.t() @ xi", ["edge_shape", "index_routing", "missing_jacobian_term"]),
    ("ChunkedLinearCE", "d = d / N", "d = d / len(ti)", ["constant_factor", "missing_chain_factor"]),
    ("LayerScale", "        acc = torch.zeros_like(gamma)\n        for i in range(x.shape[0]):\n            acc = acc + g[i] * x[i]\n        return g * gamma, acc", "        acc = torch.zeros_like(gamma, dtype=torch.float16)\n        for i in range(x.shape[0]):\n            acc = acc + (g[i] * x[i]).half()\n        return g * gamma, acc.to(gamma.dtype)", ["low_precision_accumulation"]),
    ("Maxout", "mask = torch.nn.functional.one_hot(idx, x.shape[2]).to(g.dtype)", "mask = (x == y.unsqueeze(2)).to(g.dtype)", ["kink_convention"]),
    ("SoftGravity", "d_pos = ((mm * inv**3)[:, :, None] * diff).sum(1)", "d_pos = ((mm * inv**2)[:, :, None] * diff).sum(1)", ["missing_chain_factor", "wrong_local_derivative"]),
    ("SoftGravity", "d_mass = -(inv @ mass)", "d_mass = -0.5 * (inv @ mass)", ["constant_factor"]),
    ("safe_norm", "unit = x / jnp.where(n > 0, n, 1.0)[..., None]", "unit = x / n[..., None]", ["singular_point_nan"]),
    ("phi1", "    slope = jnp.where(small, series, (jnp.exp(xs) - y) / xs)\n", "    xz = jnp.where(x == 0, 1.0, x)\n    slope = jnp.where(x == 0, 0.5, (xz * jnp.exp(xz) - jnp.exp(xz) + 1) / xz**2)\n", ["cancellation"]),
    ("log_cosh", "jnp.tanh(d) / d.size", "(jnp.exp(d) - jnp.exp(-d)) / (jnp.exp(d) + jnp.exp(-d)) / d.size", ["overflow_large_input"]),
    ("lorentz_distance", "gu = w * (diff - lag * u / x0[..., None])", "gu = w * diff", ["missing_jacobian_term"]),
    ("lorentz_distance", "w = jnp.where(root > 0, g / jnp.where(root > 0, root, 1.0), 0.0)[..., None]", "w = (g / root)[..., None]", ["singular_point_nan"]),
    ("ridge_layer", "dA = jnp.outer(resid, q) - jnp.outer(A @ q, z)", "dA = jnp.outer(resid, q)", ["missing_jacobian_term"]),
    ("ridge_layer", "-lam * jnp.dot(q, z)", "-jnp.dot(q, z)", ["missing_chain_factor", "constant_factor"]),
    ("deq_layer", "(g + h @ Wc.T) * slope", "(g + h @ Wc) * slope", ["transpose_or_adjoint"]),
    ("deq_layer", "    dW = 0.8 * (dWc / (1 + n) - inner / (1 + n) ** 2 * W / jnp.where(n > 0, n, 1.0))", "    dW = 0.8 * dWc / (1 + n)", ["missing_jacobian_term"]),
    ("deq_layer", "    dWc = z.T @ h\n", "    dWc = (h.T @ z).T @ jnp.eye(z.shape[1]) * 0 + jnp.tanh(z).T @ h\n", ["saved_wrong_tensor"]),
    ("bind", "ga = jnp.fft.irfft(G * jnp.conj(jnp.fft.rfft(b)), n=g.shape[-1])", "ga = jnp.fft.irfft(G * jnp.fft.rfft(b), n=g.shape[-1])", ["complex_conjugate", "transpose_or_adjoint", "index_routing"]),
]
# plainer text of the same mistake: the new state is squashed once more
MISTAKES = [(k, o, "    dWc = jnp.tanh(z).T @ h\n" if "eye(z.shape" in n else n, e) for k, o, n, e in MISTAKES]
