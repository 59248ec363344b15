import torch
torch.manual_seed(3)
torch.set_num_threads(1)
n = lambda *s: torch.randn(*s, dtype=torch.float64)
u = lambda *s: torch.rand(*s, dtype=torch.float64)
cx = lambda *s: torch.randn(*s, dtype=torch.complex128)
DST = torch.tensor([0, 1, 1, 3, 3, 3, 0, 1])
TARGET = torch.tensor([1, 0, 0, 1, 1])
EXAMPLES = dict(
    Inverse=(n(2, 3, 3) + 3 * torch.eye(3, dtype=torch.float64),),
    UnitTriangularSolve=(n(4, 4), n(4, 2)),
    SqrtSPD=(n(3, 5),),
    LogEig=(n(3, 4),),
    CholeskyFactor=(n(3, 4),),
    FFTConv=(n(2, 7), n(7)),
    SpectralFilter=(cx(3, 6), cx(4)),
    Magnitude=(cx(3, 4),),
    HaarLevel=(n(3, 8),),
    LocalResponseNorm=(n(2, 5, 3),),
    AlphaComposite=(u(3, 5), n(3, 5, 3)),
    AxisAngleToMatrix=(n(3, 3),),
    RotateByQuaternion=(n(4, 4), n(4, 3)),
    GridSample=(n(4, 5), u(7, 2) * 2.2 - 1.1),
    Splat2D=(n(4, 2), 0.3 * n(4), n(4), n(9, 2)),
    ThinPlate=(n(4, 2), n(3, 2)),
    SoftCoreEnergy=(1.3 * n(4, 3), torch.tensor(1.2, dtype=torch.float64), torch.tensor(0.7, dtype=torch.float64)),
    SegmentSoftmax=(n(8),),
    PairwiseDistance=(n(4, 3), n(5, 3)),
    Rotary=(n(5, 6),),
    SelectiveScan=(n(5), u(5, 3), n(5, 3), n(5, 3)),
    TopTwoGate=(n(4, 5), n(4, 5, 3)),
    Squash=(n(4, 3),),
    FocalWithLogits=(n(5),),
    DiceLoss=(u(3, 4, 5), (u(3, 4, 5) > 0.5).double()),
)
CALLS = {k: (lambda m, k=k: (getattr(m, k), None)) for k in EXAMPLES}
CALLS["SegmentSoftmax"] = lambda m: (lambda score: m.SegmentSoftmax.apply(score, DST, 4), None)
CALLS["FocalWithLogits"] = lambda m: (lambda logits: m.FocalWithLogits.apply(logits, TARGET), None)
CALLS["LocalResponseNorm"] = lambda m: (lambda x: m.LocalResponseNorm.apply(x), None)
CALLS["Splat2D"] = lambda m: (lambda mean, log_radius, weight: m.Splat2D.apply(mean, log_radius, weight, PIXELS), None)
PIXELS = EXAMPLES["Splat2D"][3]
EXAMPLES["Splat2D"] = EXAMPLES["Splat2D"][:3]
MISTAKES = [
    ("Inverse", "return -invT @ grad_out @ invT", "return -inv @ grad_out @ inv", ["transpose_or_adjoint", "saved_wrong_tensor"]),
    ("UnitTriangularSolve", "grad_A = -(grad_B @ X.mT).tril(-1)", "grad_A = -(grad_B @ X.mT).tril()", ["mode_mismatch", "index_routing"]),
    ("UnitTriangularSolve", "solve_triangular(A.mT, grad_X, upper=True,", "solve_triangular(A, grad_X, upper=False,", ["transpose_or_adjoint", "mode_mismatch"]),
    ("SqrtSPD", "ctx.save_for_backward(X, U, root)", "ctx.save_for_backward(X, U, lam)", ["saved_wrong_tensor"]),
    ("SqrtSPD", "return (dcov + dcov.T) @ X", "return dcov @ X", ["missing_jacobian_term", "constant_factor", "transpose_or_adjoint"]),
    ("LogEig", "loewner = torch.where(near, middle, (s.log()[:, None] - s.log()[None, :]) / torch.where(near, 1.0, gap))", "loewner = (s.log()[:, None] - s.log()[None, :]) / (gap + torch.diag(torch.full_like(s, torch.inf))) + torch.diag(1 / s)", ["singular_point_nan"]),
    ("LogEig", "middle = 2 / (s[:, None] + s[None, :])", "middle = torch.zeros_like(gap)", ["missing_jacobian_term"]),
    ("CholeskyFactor", "phi = P.tril(-1) + 0.5 * torch.diag_embed(P.diagonal(dim1=-2, dim2=-1))", "phi = P.tril()", ["constant_factor", "missing_chain_factor", "wrong_local_derivative"]),
    ("CholeskyFactor", "P = L.mT @ gL.tril()", "P = L @ gL.tril()", ["transpose_or_adjoint"]),
    ("FFTConv", "du = torch.fft.irfft(dY * torch.fft.rfft(h).conj(), n=n)", "du = torch.fft.irfft(dY * torch.fft.rfft(h), n=n)", ["complex_conjugate", "transpose_or_adjoint", "conv_geometry"]),
    ("FFTConv", "dh = torch.fft.irfft(dY * torch.fft.rfft(u).conj(), n=n).sum(0)", "dh = torch.fft.irfft(dY * torch.fft.rfft(u).conj(), n=n).mean(0)", ["reduction_broadcast", "constant_factor"]),
    ("SpectralFilter", "gspec * spectrum[..., :m].conj()", "gspec * spectrum[..., :m]", ["complex_conjugate"]),
    ("SpectralFilter", "return torch.fft.ifft(full, norm=\"ortho\"), gweight", "return torch.fft.ifft(full), gweight", ["constant_factor", "mode_mismatch"]),
    ("Magnitude", "        return g * unit", "        return g * unit.conj()", ["complex_conjugate"]),
    ("Magnitude", "unit = torch.where(mag > 0, z / torch.where(mag > 0, mag, 1.0), 0)", "unit = z / mag", ["singular_point_nan"]),
    ("HaarLevel", "gx[..., ::2] = (ga + gd) / math.sqrt(2)", "gx[..., ::2] = (ga + gd) / 2", ["missing_chain_factor", "constant_factor"]),
    ("HaarLevel", "gx[..., 1::2] = (ga - gd) / math.sqrt(2)", "gx[..., 1::2] = (gd - ga) / math.sqrt(2)", ["sign"]),
    ("LocalResponseNorm", "return direct - 2 * ctx.alpha * ctx.beta * x * through,", "return direct - ctx.alpha * ctx.beta * x * through,", ["constant_factor", "missing_chain_factor", "missing_jacobian_term"]),
    ("LocalResponseNorm", "through = torch.einsum(\"cd,bcl->bdl\", band, dout * x * scale ** (-ctx.beta - 1))", "through = dout * x * scale ** (-ctx.beta - 1)", ["missing_jacobian_term"]),
    ("AlphaComposite", "            behind = alpha[:, i, None] * color[:, i] + (1 - alpha[:, i, None]) * behind\n", "            behind = alpha[:, i, None] * color[:, i]\n", ["missing_jacobian_term", "bptt_time", "overwrite_vs_accumulate"]),
    ("AlphaComposite", "            grad_alpha[:, i] = T[:, i] * ((color[:, i] - behind) * grad_pixel).sum(-1)\n            behind = alpha[:, i, None] * color[:, i] + (1 - alpha[:, i, None]) * behind\n", "            grad_alpha[:, i] = ((T[:, i, None] * color[:, i] - behind / (1 - alpha[:, i, None])) * grad_pixel).sum(-1)\n            behind = behind + (T[:, i] * alpha[:, i])[:, None] * color[:, i]\n", ["singular_point_nan"]),
    ("AxisAngleToMatrix", "return gw + 2 * w * gt2[..., None]", "return gw", ["missing_jacobian_term"]),
    ("AxisAngleToMatrix", "db = torch.where(small, -1 / 24 + t2 / 360, (t.sin() / t - 4 * (t / 2).sin() ** 2 / s2) / (2 * s2))", "db = (t2.sqrt().sin() / t2.sqrt() - 4 * (t2.sqrt() / 2).sin() ** 2 / t2) / (2 * t2)", ["singular_point_nan"]),
    ("RotateByQuaternion", "gc = 2 * r * g + 2 * torch.linalg.cross(g, u)", "gc = 2 * r * g + 2 * torch.linalg.cross(u, g)", ["sign", "transpose_or_adjoint"]),
    ("RotateByQuaternion", "gu = 2 * torch.linalg.cross(c, g) + torch.linalg.cross(v, gc)", "gu = torch.linalg.cross(v, gc)", ["missing_jacobian_term", "overwrite_vs_accumulate"]),
    ("GridSample", "return gimage, torch.stack([gx * (w - 1) / 2, gy * (h - 1) / 2], 1)", "return gimage, torch.stack([gx * w / 2, gy * h / 2], 1)", ["mode_mismatch", "constant_factor", "missing_chain_factor"]),
    ("GridSample", "torch.where(ok, g * wy * wx, 0), accumulate=True", "torch.where(ok, g * wy * wx, 0), accumulate=False", ["overwrite_vs_accumulate"]),
    ("Splat2D", "glog_radius = (gg * d2 * inv).sum(0)", "glog_radius = (gg * d2).sum(0)", ["missing_chain_factor"]),
    ("Splat2D", "gg = gimg[:, None] * weight * gauss", "gg = gimg[:, None] * gauss", ["missing_chain_factor"]),
    ("ThinPlate", "torch.where(r2 > 0, log_r2 + 1, 0)", "r2.log() + 1", ["singular_point_nan"]),
    ("ThinPlate", "torch.where(r2 > 0, log_r2 + 1, 0)", "log_r2", ["wrong_local_derivative", "missing_jacobian_term"]),
    ("SoftCoreEnergy", "        gpos.index_add_(0, j, -force)\n", "", ["missing_jacobian_term", "overwrite_vs_accumulate", "index_routing"]),
    ("SoftCoreEnergy", "geps = 4 * (s ** 2 - s).sum() * gE", "geps = 4 * (s ** 2 - s).sum()", ["missing_upstream_grad"]),
    ("SegmentSoftmax", "return p * (gp - inner[dst]), None, None", "return p * (gp - (gp * p).sum()), None, None", ["reduction_broadcast", "missing_jacobian_term", "index_routing"]),
    ("PairwiseDistance", "w = torch.where(dist > 0, grad / dist.clamp(min=1e-300), 0)", "w = grad / dist", ["singular_point_nan"]),
    ("Rotary", "torch.cat([d1 * cos + d2 * sin, d2 * cos - d1 * sin], -1)", "torch.cat([d1 * cos - d2 * sin, d2 * cos + d1 * sin], -1)", ["transpose_or_adjoint", "sign"]),
    ("SelectiveScan", "da[t] = dh * hs[t - 1]", "da[t] = dh * hs[t]", ["saved_wrong_tensor", "bptt_time", "index_routing"]),
    ("SelectiveScan", "            dh = dh * a[t]\n", "            dh = dh * a[t - 1]\n", ["bptt_time", "index_routing", "saved_wrong_tensor"]),
    ("TopTwoGate", "dtop = gate * (dgate - (gate * dgate).sum(1, keepdim=True))", "dtop = gate * (1 - gate) * dgate", ["missing_jacobian_term"]),
    ("TopTwoGate", "dexperts[rows, idx] = gate[..., None] * gout[:, None]", "dexperts[rows, idx] = gout[:, None].expand_as(chosen)", ["missing_chain_factor"]),
    ("Squash", "unit = torch.where(n > 0, s / torch.where(n > 0, n, 1.0), 0)", "unit = s / n", ["singular_point_nan"]),
    ("Squash", "dot * slope * unit", "dot * slope * s", ["missing_chain_factor", "saved_wrong_tensor"]),
    ("FocalWithLogits", "dz = q ** gamma * (gamma * pt * log_pt - q)", "dz = -q ** gamma * q", ["missing_jacobian_term", "wrong_local_derivative"]),
    ("DiceLoss", "((2 * inter + 1.0) / union ** 2 - 2 * t / union)", "((2 * inter + 1.0) / union ** 2 - t / union)", ["constant_factor", "missing_chain_factor", "missing_jacobian_term"]),
]
