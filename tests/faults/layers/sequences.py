"""Sequence layers, attention, norms and losses in plain NumPy: forward returns (out, cache)."""
import numpy as np


def sigmoid(z):
    return 0.5 * (1.0 + np.tanh(0.5 * z))


def log_softmax(z):
    z = z - z.max(axis=-1, keepdims=True)
    return z - np.log(np.exp(z).sum(axis=-1, keepdims=True))


# ---------------------------------------------------------------- rotary embedding
def rope_forward(x, base=100.0, offset=3):
    T, D = x.shape[-2:]
    inv_freq = base ** (-np.arange(0, D, 2) / D)
    angle = (offset + np.arange(T))[:, None] * inv_freq[None, :]
    cos, sin = np.cos(angle), np.sin(angle)
    xe, xo = x[..., 0::2], x[..., 1::2]
    out = np.empty_like(x)
    out[..., 0::2] = xe * cos - xo * sin
    out[..., 1::2] = xe * sin + xo * cos
    return out, (cos, sin)


def rope_backward(dout, cache):
    cos, sin = cache
    de, do = dout[..., 0::2], dout[..., 1::2]
    dx = np.empty_like(dout)
    dx[..., 0::2] = de * cos + do * sin
    dx[..., 1::2] = do * cos - de * sin
    return dx


# ---------------------------------------------------------------- causal attention with ALiBi
def alibi_forward(q, k, v):
    H, T, D = q.shape
    slopes = 2.0 ** (-8.0 * np.arange(1, H + 1) / H)
    dist = np.arange(T)[:, None] - np.arange(T)[None, :]
    att = np.einsum("hid,hjd->hij", q, k) / np.sqrt(D) - slopes[:, None, None] * dist
    att = np.where(dist >= 0, att, -np.inf)
    att = np.exp(att - att.max(axis=-1, keepdims=True))
    att /= att.sum(axis=-1, keepdims=True)
    return np.einsum("hij,hjd->hid", att, v), (q, k, v, att)


def alibi_backward(dout, cache):
    q, k, v, att = cache
    dv = np.einsum("hij,hid->hjd", att, dout)
    datt = np.einsum("hid,hjd->hij", dout, v)
    dscore = att * (datt - (datt * att).sum(axis=-1, keepdims=True))
    dscore /= np.sqrt(q.shape[2])
    dq = np.einsum("hij,hjd->hid", dscore, k)
    dk = np.einsum("hij,hid->hjd", dscore, q)
    return dq, dk, dv


# ---------------------------------------------------------------- LSTM with peepholes, whole sequence
def peephole_forward(x, h0, c0, W, U, P, b):
    T = x.shape[0]
    h, c, steps, hs = h0, c0, [], []
    for t in range(T):
        zi, zf, zg, zo = np.split(x[t] @ W + h @ U + b, 4, axis=1)
        i = sigmoid(zi + P[0] * c)
        f = sigmoid(zf + P[1] * c)
        g = np.tanh(zg)
        c_new = f * c + i * g
        o = sigmoid(zo + P[2] * c_new)
        tc = np.tanh(c_new)
        steps.append((h, c, i, f, g, o, c_new, tc))
        h, c = o * tc, c_new
        hs.append(h)
    return np.stack(hs), (x, W, U, P, steps)


def peephole_backward(dhs, cache):
    x, W, U, P, steps = cache
    dx, dW, dU, dP = np.zeros_like(x), np.zeros_like(W), np.zeros_like(U), np.zeros_like(P)
    db = np.zeros(W.shape[1])
    dh_next = np.zeros_like(dhs[0])
    dc_next = np.zeros_like(dhs[0])
    for t in reversed(range(len(steps))):
        h_prev, c_prev, i, f, g, o, c, tc = steps[t]
        dh = dhs[t] + dh_next
        dzo = dh * tc * o * (1 - o)
        dc = dc_next + dh * o * (1 - tc**2) + dzo * P[2]
        dzi = dc * g * i * (1 - i)
        dzf = dc * c_prev * f * (1 - f)
        dzg = dc * i * (1 - g**2)
        dz = np.hstack([dzi, dzf, dzg, dzo])
        dP[0] += (dzi * c_prev).sum(axis=0)
        dP[1] += (dzf * c_prev).sum(axis=0)
        dP[2] += (dzo * c).sum(axis=0)
        dx[t] = dz @ W.T
        dW += x[t].T @ dz
        dU += h_prev.T @ dz
        db += dz.sum(axis=0)
        dh_next = dz @ U.T
        dc_next = dc * f + dzi * P[0] + dzf * P[1]
    return dx, dh_next, dc_next, dW, dU, dP, db


# ---------------------------------------------------------------- selective scan (Mamba)
def selective_scan_forward(u, delta, A, B, C, skip):
    """u, delta (L, D); A (D, N); B, C (L, N); skip (D,)"""
    L, D = u.shape
    N = A.shape[1]
    h = np.zeros((L + 1, D, N))
    decay = np.exp(delta[:, :, None] * A[None])
    y = np.zeros((L, D))
    for t in range(L):
        h[t + 1] = decay[t] * h[t] + (delta[t] * u[t])[:, None] * B[t][None, :]
        y[t] = h[t + 1] @ C[t]
    return y + u * skip, (u, delta, A, B, C, skip, h, decay)


def selective_scan_backward(dy, cache):
    u, delta, A, B, C, skip, h, decay = cache
    L, D = u.shape
    du = dy * skip
    dskip = (dy * u).sum(axis=0)
    ddelta, dA = np.zeros_like(delta), np.zeros_like(A)
    dB, dC = np.zeros_like(B), np.zeros_like(C)
    dh = np.zeros_like(h[0])
    for t in range(L - 1, -1, -1):
        dC[t] = dy[t] @ h[t + 1]
        dh = dh + np.outer(dy[t], C[t])
        dB[t] = (delta[t] * u[t]) @ dh
        dbu = dh @ B[t]
        du[t] += dbu * delta[t]
        ddecay = dh * h[t] * decay[t]
        ddelta[t] = dbu * u[t] + (ddecay * A).sum(axis=1)
        dA += ddecay * delta[t][:, None]
        dh = dh * decay[t]
    return du, ddelta, dA, dB, dC, dskip


# ---------------------------------------------------------------- Bahdanau attention with a padding mask
def bahdanau_forward(s, enc, Wq, Wk, va, mask):
    """s (N, H), enc (N, T, E), mask (N, T): 1 where there is a word; a row of zeros has no words."""
    z = np.tanh((s @ Wq)[:, None, :] + enc @ Wk)
    e = z @ va
    keep = mask > 0
    top = np.max(np.where(keep, e, -np.inf), axis=1, keepdims=True)
    w = np.where(keep, np.exp(np.where(keep, e - np.where(np.isfinite(top), top, 0.0), 0.0)), 0.0)
    norm = w.sum(axis=1, keepdims=True)
    alpha = w / np.where(norm > 0, norm, 1.0)
    context = np.einsum("nt,nte->ne", alpha, enc)
    return context, (s, enc, Wq, Wk, va, z, w, norm, alpha)


def bahdanau_backward(dcontext, cache):
    s, enc, Wq, Wk, va, z, w, norm, alpha = cache
    denc = alpha[:, :, None] * dcontext[:, None, :]
    dalpha = np.einsum("ne,nte->nt", dcontext, enc)
    norm = np.where(norm > 0, norm, 1.0)
    de = w / norm * (dalpha - (dalpha * alpha).sum(axis=1, keepdims=True))
    dva = np.einsum("nt,nth->h", de, z)
    dz = de[:, :, None] * va * (1 - z**2)
    dsWq = dz.sum(axis=1)
    ds = dsWq @ Wq.T
    dWq = s.T @ dsWq
    denc += dz @ Wk.T
    dWk = np.einsum("nte,nth->eh", enc, dz)
    return ds, denc, dWq, dWk, dva


# ---------------------------------------------------------------- linear-chain CRF, negative log-likelihood
def lse(a, axis):
    m = a.max(axis=axis, keepdims=True)
    return np.squeeze(m, axis) + np.log(np.exp(a - m).sum(axis=axis))


def crf_forward(emit, trans, tags):
    T, K = emit.shape
    alpha = np.zeros((T, K))
    alpha[0] = emit[0]
    for t in range(1, T):
        alpha[t] = lse(alpha[t - 1][:, None] + trans, 0) + emit[t]
    logZ = lse(alpha[-1], 0)
    gold = emit[np.arange(T), tags].sum() + trans[tags[:-1], tags[1:]].sum()
    return logZ - gold, (emit, trans, tags, alpha, logZ)


def crf_backward(dloss, cache):
    emit, trans, tags, alpha, logZ = cache
    T, K = emit.shape
    beta = np.zeros((T, K))
    for t in range(T - 2, -1, -1):
        beta[t] = lse(trans + (emit[t + 1] + beta[t + 1])[None, :], 1)
    demit = np.exp(alpha + beta - logZ)
    demit[np.arange(T), tags] -= 1
    dtrans = np.zeros_like(trans)
    for t in range(T - 1):
        dtrans += np.exp(alpha[t][:, None] + trans + (emit[t + 1] + beta[t + 1])[None, :] - logZ)
    np.subtract.at(dtrans, (tags[:-1], tags[1:]), 1)
    return dloss * demit, dloss * dtrans


# ---------------------------------------------------------------- CTC
def ctc_forward(logits, labels):
    lp = log_softmax(logits)
    T = lp.shape[0]
    ext = np.zeros(2 * len(labels) + 1, dtype=int)
    ext[1::2] = labels
    S = len(ext)
    alpha = np.full((T, S), -np.inf)
    alpha[0, 0] = lp[0, 0]
    if S > 1:
        alpha[0, 1] = lp[0, ext[1]]
    for t in range(1, T):
        for s in range(S):
            a = alpha[t - 1, s]
            if s > 0:
                a = np.logaddexp(a, alpha[t - 1, s - 1])
            if s > 1 and ext[s] != 0 and ext[s] != ext[s - 2]:
                a = np.logaddexp(a, alpha[t - 1, s - 2])
            alpha[t, s] = a + lp[t, ext[s]]
    total = alpha[-1, -1] if S == 1 else np.logaddexp(alpha[-1, -1], alpha[-1, -2])
    loss = -total if np.isfinite(total) else 0.0
    return loss, (lp, ext, alpha, total)


def ctc_backward(dloss, cache):
    lp, ext, alpha, total = cache
    if not np.isfinite(total):
        return np.zeros_like(lp)
    T, S = alpha.shape
    beta = np.full((T, S), -np.inf)
    beta[-1, max(S - 2, 0):] = 0.0
    for t in range(T - 2, -1, -1):
        nxt = beta[t + 1] + lp[t + 1, ext]
        for s in range(S):
            b = nxt[s]
            if s + 1 < S:
                b = np.logaddexp(b, nxt[s + 1])
            if s + 2 < S and ext[s + 2] != 0 and ext[s + 2] != ext[s]:
                b = np.logaddexp(b, nxt[s + 2])
            beta[t, s] = b
    gamma = np.exp(alpha + beta - total)
    occ = np.zeros_like(lp)
    for s in range(S):
        occ[:, ext[s]] += gamma[:, s]
    return dloss * (np.exp(lp) - occ)


# ---------------------------------------------------------------- binary focal loss on logits
def focal_forward(logit, target, alpha=0.25, gamma=2.0):
    s = 2 * target - 1
    pt = sigmoid(s * logit)
    log_pt = -np.logaddexp(0.0, -s * logit)
    at = np.where(target > 0.5, alpha, 1 - alpha)
    loss = -(at * (1 - pt) ** gamma * log_pt).mean()
    return loss, (s, pt, log_pt, at, gamma)


def focal_backward(dloss, cache):
    s, pt, log_pt, at, gamma = cache
    mod = (1 - pt) ** gamma
    dlogit = at * s * mod * (gamma * pt * log_pt - (1 - pt))
    return dloss * dlogit / pt.size


# ---------------------------------------------------------------- triplet margin loss
def triplet_forward(anchor, pos, neg, margin=1.0):
    dp = np.sqrt(((anchor - pos) ** 2).sum(axis=1))
    dn = np.sqrt(((anchor - neg) ** 2).sum(axis=1))
    hinge = np.maximum(0.0, dp - dn + margin)
    return hinge.mean(), (anchor, pos, neg, dp, dn, hinge)


def triplet_backward(dloss, cache):
    anchor, pos, neg, dp, dn, hinge = cache
    w = (dloss * (hinge > 0) / len(hinge))[:, None]
    up = (anchor - pos) / np.where(dp > 0, dp, 1.0)[:, None]
    un = (anchor - neg) / np.where(dn > 0, dn, 1.0)[:, None]
    return w * (up - un), -w * up, w * un


# ---------------------------------------------------------------- quantile Huber loss (QR-DQN)
def quantile_huber_forward(theta, target, kappa=1.0):
    """theta (B, N) quantiles, target (B, M) samples"""
    N = theta.shape[1]
    tau = (np.arange(N) + 0.5) / N
    u = target[:, None, :] - theta[:, :, None]
    huber = np.where(np.abs(u) <= kappa, 0.5 * u**2, kappa * (np.abs(u) - 0.5 * kappa))
    rho = np.abs(tau[None, :, None] - (u < 0)) * huber / kappa
    return rho.mean(axis=2).sum(axis=1).mean(), (tau, u, kappa)


def quantile_huber_backward(dloss, cache):
    tau, u, kappa = cache
    slope = np.where(np.abs(u) <= kappa, u, kappa * np.sign(u))
    weight = np.abs(tau[None, :, None] - (u < 0)) / kappa
    return -dloss * (weight * slope).mean(axis=2) / u.shape[0]


# ---------------------------------------------------------------- Sinkhorn normalisation in the log domain
def sinkhorn_forward(scores, n_iter=3, temperature=0.7):
    L = scores / temperature
    tape = []
    for _ in range(n_iter):
        L = L - (lse(L, 1))[:, None]
        tape.append(np.exp(L))
        L = L - lse(L, 0)[None, :]
        tape.append(np.exp(L))
    return np.exp(L), (tape, temperature)


def sinkhorn_backward(dP, cache):
    tape, temperature = cache
    dL = dP * tape[-1]
    for k in range(len(tape) - 1, 0, -2):
        dL = dL - tape[k] * dL.sum(axis=0, keepdims=True)
        dL = dL - tape[k - 1] * dL.sum(axis=1, keepdims=True)
    return dL / temperature


# ---------------------------------------------------------------- mixture of experts, top-k gates
def moe_forward(x, Wg, We, k=2):
    """x (N, D), Wg (D, E), We (E, D, H)"""
    logits = x @ Wg
    chosen = np.argsort(-logits, axis=1, kind="stable")[:, :k]
    picked = np.take_along_axis(logits, chosen, axis=1)
    gate = np.exp(log_softmax(picked))
    h = np.tanh(np.einsum("nd,nkdh->nkh", x, We[chosen]))
    return np.einsum("nk,nkh->nh", gate, h), (x, Wg, We, chosen, gate, h)


def moe_backward(dy, cache):
    x, Wg, We, chosen, gate, h = cache
    dgate = np.einsum("nh,nkh->nk", dy, h)
    da = gate[:, :, None] * dy[:, None, :] * (1 - h**2)
    dWe = np.zeros_like(We)
    np.add.at(dWe, chosen, x[:, None, :, None] * da[:, :, None, :])
    dx = np.einsum("nkh,nkdh->nd", da, We[chosen])
    dpicked = gate * (dgate - (gate * dgate).sum(axis=1, keepdims=True))
    dlogits = np.zeros((x.shape[0], Wg.shape[1]))
    np.put_along_axis(dlogits, chosen, dpicked, axis=1)
    dx += dlogits @ Wg.T
    return dx, x.T @ dlogits, dWe


# ---------------------------------------------------------------- bigram language model with tied embedding
def tied_lm_forward(E, W, b, ids, targets):
    """E (V, D), W (D, D), b (V,), ids and targets (N,)"""
    emb = E[ids]
    hid = np.tanh(emb @ W)
    lp = log_softmax(hid @ E.T + b)
    loss = -lp[np.arange(len(ids)), targets].mean()
    return loss, (E, W, ids, targets, emb, hid, lp)


def tied_lm_backward(dloss, cache):
    E, W, ids, targets, emb, hid, lp = cache
    dlogits = np.exp(lp)
    dlogits[np.arange(len(ids)), targets] -= 1
    dlogits *= dloss / len(ids)
    db = dlogits.sum(axis=0)
    dE = dlogits.T @ hid
    dpre = (dlogits @ E) * (1 - hid**2)
    dW = emb.T @ dpre
    np.add.at(dE, ids, dpre @ W.T)
    return dE, dW, db


# ---------------------------------------------------------------- capsule: transform and squash
def capsule_forward(u, W):
    """u (N, I, Di), W (I, Di, Do): sum of predictions, squashed"""
    s = np.einsum("nid,ide->ne", u, W)
    n = np.sqrt((s**2).sum(axis=1, keepdims=True))
    return s * n / (1 + n**2), (u, W, s, n)


def capsule_backward(dv, cache):
    u, W, s, n = cache
    unit = s / np.where(n > 0, n, 1.0)
    scale = n / (1 + n**2)
    dscale = (1 - n**2) / (1 + n**2) ** 2
    ds = dv * scale + unit * dscale * (dv * s).sum(axis=1, keepdims=True)
    return np.einsum("ne,ide->nid", ds, W), np.einsum("nid,ne->ide", u, ds)


# ---------------------------------------------------------------- V-Net dice loss
def dice_forward(logits, mask, smooth=1.0):
    p = sigmoid(logits)
    inter = (p * mask).sum(axis=(1, 2))
    denom = (p**2).sum(axis=(1, 2)) + (mask**2).sum(axis=(1, 2)) + smooth
    return (1 - (2 * inter + smooth) / denom).mean(), (p, mask, inter, denom, smooth)


def dice_backward(dloss, cache):
    p, mask, inter, denom, smooth = cache
    inter, denom = inter[:, None, None], denom[:, None, None]
    dp = -2 * mask / denom + (2 * inter + smooth) * 2 * p / denom**2
    return dloss * dp * p * (1 - p) / len(p)


# ---------------------------------------------------------------- causal linear attention, feature map elu + 1
def phi(x):
    return np.where(x > 0, x + 1, np.exp(np.minimum(x, 0)))


def linear_attention_forward(q, k, v, eps=1e-6):
    fq, fk = phi(q), phi(k)
    kv = np.cumsum(fk[:, :, None] * v[:, None, :], axis=0)
    z = np.cumsum(fk, axis=0)
    den = (fq * z).sum(axis=1, keepdims=True) + eps
    out = np.einsum("td,tde->te", fq, kv) / den
    return out, (q, k, v, fq, fk, kv, z, den, out)


def linear_attention_backward(dout, cache):
    q, k, v, fq, fk, kv, z, den, out = cache
    dnum = dout / den
    dden = -(dnum * out).sum(axis=1, keepdims=True)
    dfq = np.einsum("te,tde->td", dnum, kv) + dden * z
    dkv = fq[:, :, None] * dnum[:, None, :]
    dkv = np.cumsum(dkv[::-1], axis=0)[::-1]
    dz = np.cumsum((fq * dden)[::-1], axis=0)[::-1]
    dfk = np.einsum("tde,te->td", dkv, v) + dz
    dv = np.einsum("td,tde->te", fk, dkv)
    dq = dfq * np.where(q > 0, 1.0, np.exp(np.minimum(q, 0)))
    dk = dfk * np.where(k > 0, 1.0, fk)
    return dq, dk, dv


# ---------------------------------------------------------------- group normalisation
def groupnorm_forward(x, gamma, beta, G=2, eps=1e-5):
    N, C, H, W = x.shape
    xg = x.reshape(N, G, C // G * H * W)
    mu = xg.mean(axis=2, keepdims=True)
    var = xg.var(axis=2, keepdims=True)
    rstd = 1.0 / np.sqrt(var + eps)
    xhat = ((xg - mu) * rstd).reshape(N, C, H, W)
    out = xhat * gamma[None, :, None, None] + beta[None, :, None, None]
    return out, (xhat, gamma, rstd, G)


def groupnorm_backward(dout, cache):
    xhat, gamma, rstd, G = cache
    N, C, H, W = xhat.shape
    dgamma = (dout * xhat).sum(axis=(0, 2, 3))
    dbeta = dout.sum(axis=(0, 2, 3))
    dxhat = (dout * gamma[None, :, None, None]).reshape(N, G, -1)
    xh = xhat.reshape(N, G, -1)
    dxg = dxhat - dxhat.mean(axis=2, keepdims=True) - xh * (dxhat * xh).mean(axis=2, keepdims=True)
    return (dxg * rstd).reshape(N, C, H, W), dgamma, dbeta


# ---------------------------------------------------------------- label smoothing, padding ignored
def smooth_ce_forward(scores, y, smoothing=0.2, ignore=-1):
    lp = log_softmax(scores)
    valid = y != ignore
    n = max(1, int(valid.sum()))
    K = scores.shape[1]
    q = np.full_like(lp, smoothing / K)
    q[np.arange(len(y)), np.where(valid, y, 0)] += 1 - smoothing
    q *= valid[:, None]
    return -(q * lp).sum() / n, (lp, q, valid, n)


def smooth_ce_backward(dloss, cache):
    lp, q, valid, n = cache
    return dloss * (np.exp(lp) * valid[:, None] - q) / n


# ---------------------------------------------------------------- symmetric InfoNCE (CLIP)
def clip_forward(img, txt, log_t):
    ni = np.sqrt((img**2).sum(axis=1, keepdims=True) + 1e-6)
    nt = np.sqrt((txt**2).sum(axis=1, keepdims=True) + 1e-6)
    a, b = img / ni, txt / nt
    sim = a @ b.T
    logits = np.exp(log_t) * sim
    rows, cols = log_softmax(logits), log_softmax(logits.T)
    loss = -0.5 * (np.diag(rows).mean() + np.diag(cols).mean())
    return loss, (a, b, ni, nt, sim, log_t, rows, cols)


def clip_backward(dloss, cache):
    a, b, ni, nt, sim, log_t, rows, cols = cache
    N = len(a)
    dlogits = 0.5 * dloss / N * (np.exp(rows) - np.eye(N) + (np.exp(cols) - np.eye(N)).T)
    dlog_t = np.exp(log_t) * (dlogits * sim).sum()
    dsim = np.exp(log_t) * dlogits
    da, db = dsim @ b, dsim.T @ a
    dimg = (da - a * (da * a).sum(axis=1, keepdims=True)) / ni
    dtxt = (db - b * (db * b).sum(axis=1, keepdims=True)) / nt
    return dimg, dtxt, dlog_t
