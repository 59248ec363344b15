import numpy as np
r = np.random.default_rng(5)
n = lambda *s: r.normal(size=s)
u = lambda *s: r.uniform(0.05, 0.95, size=s)
f4 = lambda *s: r.normal(size=s).astype("f4")
MASK = np.array([[1, 0, 1, 1], [1, 1, 0, 1], [0, 0, 0, 0], [1, 1, 1, 1], [0, 1, 1, 0]], bool)
INDICES, INDPTR = np.array([0, 3, 1, 2, 2, 0, 4]), np.array([0, 2, 3, 5, 7])
A_COEF, A_BASE = n(2, 3, 4), n(2, 3)
W1, W2 = n(3, 4), n(4, 3)
GAMMA, BETA = n(3), n(3)
E = 0.5 * n(6, 3)
CONTEXT, TARGET = np.array([[0, 2, 2], [1, 5, 3], [4, 4, 0], [2, 3, 1]]), np.array([1, 2, 0, 2])
TAGS = np.array([0, 2, 2, 1, 0])
LABELS = np.array([2, -1, 0, 3, -1])
KEEP = np.array([[1, 1, 0, 1], [1, 0, 0, 0], [0, 0, 0, 0]], bool)
EXAMPLES = dict(
    matmul_bias=(n(4, 5), n(3, 5), n(3)),
    bias_gelu=(n(7, 3), n(3)),
    threshold_relu=(n(4, 5), 0.3),
    csr_matvec=(n(7), n(5), INDICES, INDPTR),
    unfold_sum=(n(4, 6),),
    layernorm32=(f4(4, 6), f4(6), f4(6)),
    attention_pool=(n(2, 1, 3), n(3)),
    AlibiAttention=(n(5, 3), n(4, 3), n(4, 2)),
    FastKAN=(n(4, 3),),
    SqueezeExcite=(n(2, 3, 4, 2),),
    BatchNorm2d=(n(2, 3, 4, 2),),
    TiedLanguageModel=(CONTEXT, TARGET),
    weight_standardized_conv1d=(n(2, 3, 7), n(4, 3, 3)),
    deform_conv1d=(n(2, 8), 0.8 * n(3, 5), n(2, 2, 3)),
    crf_nll=(n(5, 3), n(3, 3), TAGS),
    soft_dtw=(n(4, 5) ** 2,),
    sinkhorn=(n(3, 3),),
    pinball_loss=(n(5, 3), n(5)),
    smoothed_cross_entropy=(n(5, 4), LABELS),
    clip_loss=(n(4, 3), n(4, 3)),
    huber=(2 * n(7),),
    gp_marginal=(n(5, 2), n(5), np.array(0.2), np.array(-0.7)),
    fo_pool=(n(5, 3), u(5, 3), u(5, 3)),
    rk4=(n(3, 4), 0.7 * n(4, 4)),
    srgb=(r.uniform(0, 1, size=(3, 4)),),
    advect=(n(6), np.array(1.3)),
    planar_flow=(n(4, 3), n(3), n(3), np.array(0.4)),
    ema=(n(6, 2), np.array(0.6)),
    masked_norm=(n(3, 4), KEEP),
)
CALLS = {k: (lambda m, k=k: (getattr(m, k), None)) for k in (
    "weight_standardized_conv1d", "deform_conv1d", "crf_nll", "soft_dtw", "sinkhorn", "pinball_loss",
    "smoothed_cross_entropy", "clip_loss", "huber", "srgb", "advect", "planar_flow", "ema", "masked_norm")}
EXAMPLES["AlibiAttention"] = (n(5, 3), n(5, 3), n(5, 2))
MASK5 = np.concatenate([MASK, np.array([[0], [1], [0], [1], [0]], bool)], axis=1)
CALLS["AlibiAttention"] = lambda m: (m.AlibiAttention(0.25, MASK5), None)
CALLS["FastKAN"] = lambda m: (m.FastKAN(A_COEF.copy(), A_BASE.copy()), None)
CALLS["SqueezeExcite"] = lambda m: (m.SqueezeExcite(W1.copy(), W2.copy()), None)
CALLS["BatchNorm2d"] = lambda m: (m.BatchNorm2d(GAMMA.copy(), BETA.copy()), None)
CALLS["TiedLanguageModel"] = lambda m: (m.TiedLanguageModel(E.copy()).loss, None)
MISTAKES = [
    ("matmul_bias", "    dw.fill(0)\n", "", ["stale_buffer"]),
    ("matmul_bias", "return dinp, dw.copy(), dout.sum(0)", "return dinp, dw, dout.sum(0)", ["aliasing_inplace", "stale_buffer"]),
    ("bias_gelu", "for start in range(0, len(u), block):", "for start in range(0, len(u) - block + 1, block):", ["edge_shape", "stale_buffer", "index_routing"]),
    ("bias_gelu", "np.multiply(dout[start:start + block], slope, out=dx[start:start + block])", "np.multiply(dout[start:start + block], slope, out=dout[start:start + block])\n        dx[start:start + block] = dout[start:start + block]", ["aliasing_inplace"]),
    ("bias_gelu", "slope = 0.5 * (1 + th) + 0.5 * v * (1 - th ** 2) * 0.7978845608028654 * (1 + 3 * 0.044715 * v ** 2)", "slope = 0.5 * (1 + th) + 0.5 * v * (1 - th ** 2) * 0.7978845608028654 * (1 + 0.044715 * v ** 2)", ["wrong_local_derivative", "mode_mismatch", "missing_jacobian_term"]),
    ("threshold_relu", "dx = dout.copy()", "dx = dout", ["aliasing_inplace"]),
    ("csr_matvec", "np.add.at(dx, indices[span], dy[row] * data[span])", "dx[indices[span]] = dy[row] * data[span]", ["overwrite_vs_accumulate"]),
    ("csr_matvec", "    ddata = np.zeros_like(data)\n    dx = np.zeros_like(x)\n    for row in range(len(dy)):", "    ddata = np.zeros_like(data)\n    dx = np.zeros_like(x)\n    for row in range(len(indptr) - 2):", ["index_routing", "edge_shape"]),
    ("unfold_sum", "flat = dout.ravel(order=\"C\")", "flat = dout.ravel(order=\"K\")", ["layout_stride"]),
    ("layernorm32", "    var = (centred * centred).mean(-1, keepdims=True)\n    rstd = 1 / np.sqrt(var + eps)\n    norm", "    var = np.maximum((x * x).mean(-1, keepdims=True) - x.mean(-1, keepdims=True) ** 2, 0)\n    rstd = 1 / np.sqrt(var + eps)\n    norm", ["cancellation", "low_precision_accumulation"]),
    ("attention_pool", "dp = np.matmul(x, dpooled[:, :, None])[:, :, 0]", "dp = np.matmul(x, dpooled[:, :, None]).squeeze()", ["edge_shape", "contract_shape_dtype"]),
    ("attention_pool", "return dx, np.einsum(\"bt,btd->d\", ds, x)", "return dx, np.einsum(\"bt,btd->d\", p, x)", ["saved_wrong_tensor", "missing_upstream_grad"]),
    ("AlibiAttention", "        p = np.where(self.mask, np.exp(self.s - np.where(seen, self.lse, 0)), 0)\n        dv", "        p = np.exp(self.s - self.lse)\n        dv", ["singular_point_nan"]),
    ("AlibiAttention", "return ds @ self.k * scale, ds.T @ self.q * scale, dv", "return ds @ self.k * scale, ds.T @ self.q, dv", ["constant_factor", "missing_chain_factor"]),
    ("FastKAN", "dspline = (dphi * self.phi * -2 * self.u).sum(-1) / self.h", "dspline = (dphi * self.phi * -2 * self.u).sum(-1)", ["missing_chain_factor", "constant_factor", "missing_jacobian_term"]),
    ("FastKAN", "dsilu = self.sig * (1 + self.x * (1 - self.sig))", "dsilu = self.sig * (1 - self.sig)", ["wrong_local_derivative"]),
    ("SqueezeExcite", "        return dout * self.gate[:, :, None, None] + dz[:, :, None, None] / area", "        return dout * self.gate[:, :, None, None]", ["missing_jacobian_term", "overwrite_vs_accumulate"]),
    ("SqueezeExcite", "dh = da @ self.W2.T * (self.hidden > 0)", "dh = da @ self.W2.T", ["missing_chain_factor", "wrong_local_derivative"]),
    ("BatchNorm2d", "m = n * h * w\n", "m = n\n", ["constant_factor", "missing_jacobian_term", "reduction_broadcast"]),
    ("BatchNorm2d", "dx = self.gamma * self.istd / m * (m * d - self.dbeta - self.xhat * self.dgamma)", "dx = self.gamma * self.istd * d", ["mode_mismatch", "missing_jacobian_term"]),
    ("TiedLanguageModel", "        np.add.at(dE, context, dsum[:, None, :])\n", "        dE = np.zeros_like(self.E)\n        np.add.at(dE, context, dsum[:, None, :])\n", ["overwrite_vs_accumulate", "missing_jacobian_term"]),
    ("TiedLanguageModel", "        np.add.at(dE, context, dsum[:, None, :])\n", "        dE[context] += dsum[:, None, :]\n", ["overwrite_vs_accumulate", "index_routing"]),
    ("weight_standardized_conv1d", "dw = (inner - ws * (dws * ws).mean(axis=(1, 2), keepdims=True)) / sd", "dw = inner / sd", ["missing_jacobian_term"]),
    ("weight_standardized_conv1d", "dx[:, :, i:i + dy.shape[2]] += dcols[:, :, i]", "dx[:, :, i:i + dy.shape[2]] += dcols[:, :, k - 1 - i]", ["conv_geometry", "index_routing"]),
    ("deform_conv1d", "doffset = (ds * (x1 - x0)).sum(0)", "doffset = (ds * (x0 - x1)).sum(0)", ["sign"]),
    ("deform_conv1d", "for i, weight in ((i0, 1 - frac), (i0 + 1, frac)):", "for i, weight in ((i0, frac), (i0 + 1, 1 - frac)):", ["index_routing", "saved_wrong_tensor", "wrong_local_derivative"]),
    ("crf_nll", "beta[t] = _lse(transition + emission[t + 1] + beta[t + 1], 1)", "beta[t] = _lse(transition.T + emission[t + 1] + beta[t + 1], 1)", ["transpose_or_adjoint"]),
    ("crf_nll", "return g * de, g * dT", "return de, dT", ["missing_upstream_grad"]),
    ("soft_dtw", "                E[i, j - 1] += E[i, j] * W[i, j, 2]\n", "", ["missing_jacobian_term", "overwrite_vs_accumulate"]),
    ("sinkhorn", "d = d - p * d.sum(axis=axis, keepdims=True)", "d = d - plan * d.sum(axis=axis, keepdims=True)", ["saved_wrong_tensor"]),
    ("sinkhorn", "d = dplan * plan\n", "d = dplan\n", ["missing_chain_factor"]),
    ("pinball_loss", "dpred = np.where(err > 0, -tau, 1 - tau) / pred.size", "dpred = np.where(err > 0, -tau, 1 - tau) / len(pred)", ["constant_factor", "reduction_broadcast"]),
    ("pinball_loss", "dpred = np.where(err > 0, -tau, 1 - tau) / pred.size", "dpred = np.where(err > 0, -(1 - tau), tau) / pred.size", ["wrong_local_derivative", "mode_mismatch"]),
    ("smoothed_cross_entropy", "dlogits = (np.exp(logp) * valid[:, None] - soft) / count", "dlogits = (np.exp(logp) * valid[:, None] - soft) / n", ["constant_factor", "mode_mismatch", "reduction_broadcast"]),
    ("smoothed_cross_entropy", "dlogits = (np.exp(logp) * valid[:, None] - soft) / count", "dlogits = (np.exp(logp) - soft) / count", ["mode_mismatch", "index_routing", "missing_chain_factor"]),
    ("clip_loss", "ds = (0.5 * (rows + cols) - np.eye(n)) / n", "ds = (rows - np.eye(n)) / n", ["missing_jacobian_term", "mode_mismatch"]),
    ("huber", "delta * np.sign(r))", "np.sign(r))", ["missing_chain_factor", "mode_mismatch", "wrong_local_derivative"]),
    ("gp_marginal", "dC = 0.5 * g * (Cinv - np.outer(alpha, alpha))", "dC = 0.5 * g * (Cinv + np.outer(alpha, alpha))", ["sign"]),
    ("gp_marginal", "dX = 4 * (G.sum(1)[:, None] * X - G @ X)", "dX = 2 * (G.sum(1)[:, None] * X - G @ X)", ["constant_factor", "missing_jacobian_term"]),
    ("fo_pool", "df[t] = carry * (before - z[t])", "df[t] = carry * before", ["missing_jacobian_term", "wrong_local_derivative"]),
    ("fo_pool", "        carry = carry * f[t]\n", "        carry = carry * f[t - 1]\n", ["bptt_time", "index_routing", "saved_wrong_tensor"]),
    ("rk4", "d3, dW3 = back(h / 3 * dout + h * d4, k3, y3)", "d3, dW3 = back(h / 3 * dout + 0.5 * h * d4, k3, y3)", ["constant_factor", "missing_chain_factor", "missing_jacobian_term"]),
    ("rk4", "return da @ W.T, at.T @ da", "return da @ W.T, y.T @ da", ["saved_wrong_tensor"]),
    ("srgb", "bright = 1.055 / 2.4 * jnp.maximum(x, 0.0031308) ** (1 / 2.4 - 1)", "bright = 1.055 * jnp.maximum(x, 0.0031308) ** (1 / 2.4 - 1)", ["constant_factor", "wrong_local_derivative", "missing_chain_factor"]),
    ("advect", "lam = jnp.linalg.solve((jnp.eye(len(new)) + 0.1 * speed ** 2 * D).T, g)", "lam = jnp.linalg.solve(jnp.eye(len(new)) + 0.1 * speed ** 2 * D, g)", ["transpose_or_adjoint"]),
    ("planar_flow", "dt = gf @ u - gl * uw ** 2 * 2 * t / det", "dt = gf @ u", ["missing_jacobian_term"]),
    ("planar_flow", "dw = da @ z + duw * u", "dw = da @ z + duw * w", ["saved_wrong_tensor"]),
    ("ema", "    before = jnp.concatenate([jnp.zeros_like(y[:1]), y[:-1]])", "    before = y", ["saved_wrong_tensor", "bptt_time", "index_routing"]),
    ("ema", "return decay * carry, (carry * (1 - decay), (carry * (yt - xt)).sum())", "return carry, (carry * (1 - decay), (carry * (yt - xt)).sum())", ["bptt_time", "missing_chain_factor"]),
    ("masked_norm", "safe = jnp.where(r > 0, r, 1.0)", "safe = r", ["singular_point_nan"]),
    ("masked_norm", "return jnp.where(mask, x, 0) * (g / safe)[:, None], None", "return x * (g / safe)[:, None], None", ["mode_mismatch", "missing_chain_factor", "index_routing"]),
]
