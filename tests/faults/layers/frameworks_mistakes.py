import numpy as np, torch
r = np.random.default_rng(73)
n = r.standard_normal
t = lambda a: torch.tensor(a)
EXAMPLES = dict(
    snake=(t(n((3, 3, 3))), t(np.array([0.7, 1.4, -0.9]))),
    entropy=(t(n((4, 5))),),
    arc=(t(r.uniform(-0.9, 0.9, (4, 5))), t(np.array([1, 0, 4, 2]))),
    focal=(t(n((4, 3))), t((r.random((4, 3)) < 0.5).astype(float))),
    sqrtgram=(t(n((3, 3))),),
    modrelu=(t(n((4, 3)) + 1j * n((4, 3))), t(np.array([-0.3, -0.8, -1.2]))),
    segsoftmax=(t(n((7, 2))), t(np.array([0, 0, 2, 1, 2, 2, 0])), 3),
    chscale=(t(n((6, 3)).astype(np.float32)), t(n(3).astype(np.float32))),
    softdtw=(t(r.uniform(0, 2, (3, 4))),),
    sparsemax=(t(n((4, 6))),),
    chunked=(t(n((6, 3))), t(n((5, 3)))),
    cumprod=(n(5),),
    gp=(n((5, 2)), np.array(0.3), np.array(-0.2)),
    geglu=(n((4, 6)),),
    log1mexp=(np.array([3e-5, 2e-4, 0.01, 0.3, 1.2, 4.0], dtype=np.float32),),
    project=(np.concatenate([n((5, 2)), r.uniform(1, 3, (5, 1))], axis=1), np.array([1.7, 2.2])),
)
CALLS = {
    k: (lambda name: lambda m: (getattr(m, name), None))(v)
    for k, v in dict(
        snake="Snake", entropy="SoftmaxEntropy", arc="ArcMargin", focal="BinaryFocal", sqrtgram="SqrtOfGram",
        modrelu="ModReLU", segsoftmax="SegmentSoftmax", chscale="ChannelScale", softdtw="SoftDTW", sparsemax="Sparsemax",
        chunked="ChunkedHead", cumprod="cumprod", gp="gp_kernel", geglu="geglu", log1mexp="log1mexp", project="project",
    ).items()
}
MISTAKES = [
    ("snake", "grad_a.sum((0, 2))", "grad_a.sum((1, 2))", ["reduction_broadcast"]),
    ("snake", " - s ** 2 / a ** 2)", ")", ["missing_jacobian_term"]),
    ("entropy", "p * (logp + h.unsqueeze(-1))", "p * (p.log() + h.unsqueeze(-1))", ["singular_point_nan", "overflow_large_input"]),
    ("entropy", "p * (logp + h.unsqueeze(-1))", "p * (logp + 1)", ["missing_jacobian_term"]),
    ("arc", "slope = cos_m + torch.where", "slope = cos_m - torch.where", ["sign", "wrong_local_derivative"]),
    ("arc", "return 8.0 * g * torch.where(hot, slope", "return g * torch.where(hot, slope", ["constant_factor"]),
    ("focal", "(2 * pt * logpt + pt - 1)", "(pt - 1)", ["missing_jacobian_term", "wrong_local_derivative"]),
    ("focal", "return grad_loss * d / d.numel()", "return d / d.numel()", ["missing_upstream_grad"]),
    ("sqrtgram", "K = 1 / (root[:, None] + root[None, :])", "K = (root[:, None] - root[None, :]) / (lam[:, None] - lam[None, :])\n        K[range(len(lam)), range(len(lam))] = 0.5 / root", ["singular_point_nan", "cancellation"]),
    ("sqrtgram", "sym = (G + G.T) / 2", "sym = G", ["transpose_or_adjoint", "missing_jacobian_term"]),
    ("modrelu", "along = (torch.conj(u) * g).real", "along = (u * g).real", ["complex_conjugate"]),
    ("modrelu", "return gz, (on * along).sum(0)", "return gz, along.sum(0)", ["wrong_local_derivative", "missing_chain_factor"]),
    ("segsoftmax", "g - dot[seg]", "g - dot.sum(0)", ["reduction_broadcast", "index_routing", "missing_jacobian_term"]),
    ("segsoftmax", "g = grad.contiguous()", "g = grad.as_strided(p.shape, p.stride())", ["layout_stride"]),
    ("chscale", "dtype=torch.float64)", "dtype=torch.bfloat16)", ["low_precision_accumulation"]),
    ("chscale", "return g * w, acc", "return g.mul_(w), acc", ["aliasing_inplace"]),
    ("softdtw", "- Dp[a, b]) / gamma", "- Dp[i, j]) / gamma", ["saved_wrong_tensor", "index_routing", "bptt_time"]),
    ("softdtw", "return grad_cost * E[1:n + 1, 1:m + 1]", "return E[1:n + 1, 1:m + 1].clone()", ["missing_upstream_grad"]),
    ("sparsemax", "(g * on).sum(-1, keepdim=True) / on.sum(-1, keepdim=True)", "(g * on).mean(-1, keepdim=True)", ["reduction_broadcast", "constant_factor"]),
    ("sparsemax", "return on * (g - mean)", "return g - mean", ["missing_chain_factor", "wrong_local_derivative"]),
    ("chunked", "range(0, n, 4)", "range(0, n - 3, 4)", ["edge_shape", "index_routing"]),
    ("chunked", "dW += da.T @ rows", "dW = da.T @ rows", ["overwrite_vs_accumulate"]),
    ("cumprod", "return (prods @ g,)", "return (jnp.cumsum((g * jnp.cumprod(x))[::-1])[::-1] / x,)", ["singular_point_nan"]),
    ("cumprod", "jnp.triu(jnp.cumprod(others, axis=1))", "jnp.cumprod(others, axis=1)", ["index_routing", "bptt_time"]),
    ("gp", "P = GK + GK.T", "P = 2 * GK", ["transpose_or_adjoint", "missing_jacobian_term"]),
    ("gp", "(GK * (diff ** 2).sum(-1)).sum() / ls ** 2", "(GK * (diff ** 2).sum(-1)).sum() / ls ** 3", ["missing_chain_factor", "constant_factor"]),
    ("geglu", "cdf = jax.scipy.stats.norm.cdf(a)\n    slope = cdf + a * jax.scipy.stats.norm.pdf(a)", "u = jnp.tanh(0.7978845608028654 * (a + 0.044715 * a ** 3))\n    cdf = 0.5 * (1 + u)\n    slope = cdf + 0.5 * a * (1 - u ** 2) * 0.7978845608028654 * (1 + 3 * 0.044715 * a ** 2)", ["mode_mismatch", "wrong_local_derivative"]),
    ("geglu", "jnp.concatenate([da, db], axis=-1)", "jnp.concatenate([db, da], axis=-1)", ["index_routing"]),
    ("log1mexp", "e / -jnp.expm1(-x)", "e / (1 - e)", ["cancellation"]),
    ("project", "(g * xy / z).sum(0)", "(g * xy / z).sum()", ["reduction_broadcast", "contract_shape_dtype"]),
    ("project", "dz = -(g * focal * xy)", "dz = (g * focal * xy)", ["sign"]),
]
