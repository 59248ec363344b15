import numpy as np
r = np.random.default_rng(71)
n = r.standard_normal
EXAMPLES = dict(
    wn_linear=(n((4, 5)), n((3, 5)), n(3), n(3)),
    squash=(n((3, 4)),),
    pinball=(n((6, 3)), n((6, 3)), 0.9),
    rope=(n((4, 2, 6)),),
    kan=(n((4, 3)), n((2, 3, 5))),
    ssm=(n((4, 3)), r.uniform(0.2, 1, (4, 3)), -r.uniform(0.3, 1.5, (3, 2)), n((4, 2)), n((4, 2)), n(3)),
    sage=(n((5, 3)), np.array([[0, 0, 1, 2, 3, 0, 4], [1, 2, 2, 0, 1, 4, 1]]), n((3, 2))),
    dice=(n((3, 7)), (r.random((3, 7)) < 0.5).astype(float)),
    sampler=(n((4, 5)), np.array([[-0.3, 0.2], [0.61, -0.77], [1.2, 0.3], [-1.1, -1.15], [0.13, 0.94], [0.05, 0.81]])),
    conv1d=(n((2, 3, 11)), n((4, 3, 3)), n(4)),
    smooth_ce=(n((5, 4)), np.array([1, -1, 3, 0, -1])),
    softplus=(n((3, 4)) * 2, 1.5),
)
CALLS = {
    "pinball": lambda m: (m.pinball_loss, None),
    "dice": lambda m: (m.dice_loss, None),
    "smooth_ce": lambda m: (m.smooth_ce_loss, None),
}
MISTAKES = [
    ("wn_linear", "(dw - dg[:, None] * v_hat)", "dw", ["missing_jacobian_term"]),
    ("wn_linear", "return x @ w.T + b, (x, v_hat, norm, g, w)", "return x @ w.T + b, (x, v, norm, g, w)", ["saved_wrong_tensor", "missing_chain_factor"]),
    ("squash", "np.where(length > 0, length, 1.0)", "length", ["singular_point_nan"]),
    ("squash", "(1 - sq) / (1 + sq) ** 2", "1 / (1 + sq)", ["missing_jacobian_term", "wrong_local_derivative"]),
    ("pinball", "np.where(diff > 0, -tau, 1 - tau)", "np.where(diff > 0, -tau, tau)", ["wrong_local_derivative", "mode_mismatch"]),
    ("pinball", "/ diff.size", "/ len(diff)", ["constant_factor"]),
    ("rope", "c, s = cache\n", "c, s = cache[0], -cache[1]\n", ["transpose_or_adjoint", "sign"]),
    ("rope", "d1, d2 = dout[..., 0::2], dout[..., 1::2]", "d1, d2 = np.split(dout, 2, axis=-1)", ["index_routing", "mode_mismatch"]),
    ("kan", ".sum(axis=-1) / h", ".sum(axis=-1)", ["constant_factor", "missing_chain_factor"]),
    ("kan", "(dphi * phi * -2 * z)", "(dphi * -2 * z)", ["missing_chain_factor", "wrong_local_derivative"]),
    ("ssm", "da = dh * h[t] * decay", "da = dh * h[t + 1] * decay", ["saved_wrong_tensor", "bptt_time", "index_routing"]),
    ("ssm", " + u[t] * (dh @ B[t])", "", ["missing_jacobian_term"]),
    ("ssm", "dh = dh * decay", "dh = np.zeros_like(dh)", ["bptt_time"]),
    ("sage", "np.add.at(dfeat, src, dmsg[dst])", "dfeat[src] += dmsg[dst]", ["overwrite_vs_accumulate"]),
    ("sage", "np.add.at(dfeat, src, dmsg[dst])", "np.add.at(dfeat, dst, dmsg[src])", ["index_routing", "transpose_or_adjoint"]),
    ("sage", " / np.maximum(deg, 1)[:, None]", "", ["missing_chain_factor"]),
    ("dice", "(2 * inter + 1) / (total + 1) ** 2 - 2 * mask", "-2 * mask", ["missing_jacobian_term"]),
    ("dice", "dp * p * (1 - p) /", "dp /", ["missing_chain_factor", "wrong_local_derivative"]),
    ("sampler", "(2 * j - 1) * (W - 1) / 2", "(2 * j - 1)", ["missing_chain_factor", "constant_factor"]),
    ("sampler", "g = dout * inside", "g = dout", ["index_routing", "conv_geometry", "missing_chain_factor"]),
    ("conv1d", "start = dilation * k", "start = stride * k", ["conv_geometry", "index_routing"]),
    ("conv1d", "dout.sum(axis=(0, 2))", "dout.mean(axis=(0, 2))", ["constant_factor", "reduction_broadcast"]),
    ("smooth_ce", "keep[:, None] - q) / n", "keep[:, None] - q) / len(labels)", ["constant_factor", "mode_mismatch"]),
    ("smooth_ce", "np.exp(logp) * keep[:, None] - q", "np.exp(logp) - q", ["mode_mismatch", "missing_chain_factor"]),
    ("softplus", "np.where(bx >= 0, 1, e) / (1 + e)", "np.exp(bx) / (1 + np.exp(bx))", ["overflow_large_input"]),
]
