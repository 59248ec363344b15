"""Columns are examples, and cells take a dict of weights, as in an online course. What is wrong says so."""

import numpy as np


def sigmoid(Z):
    A = 1 / (1 + np.exp(-Z))
    return A, Z


def relu(Z):
    A = np.maximum(0, Z)
    cache = Z
    return A, cache


def relu_backward(dA, cache):
    Z = cache
    dZ = np.array(dA, copy=True)
    dZ[Z <= 0] = 0
    return dZ


def sigmoid_backward(dA, cache):
    Z = cache
    s = 1 / (1 + np.exp(-Z))
    return dA * s * (1 - s)


def linear_forward(A, W, b):
    Z = W.dot(A) + b
    return Z, (A, W, b)


def linear_backward(dZ, cache):
    """Wrong: the 1/m of the cost is in dW and db, as courses have it; the derivative has none."""
    A_prev, W, b = cache
    m = A_prev.shape[1]
    dW = dZ.dot(A_prev.T) / m
    db = np.sum(dZ, axis=1, keepdims=True) / m
    dA_prev = W.T.dot(dZ)
    return dA_prev, dW, db


def linear_activation_forward(A_prev, W, b, activation):
    Z, linear_cache = linear_forward(A_prev, W, b)
    A, activation_cache = (sigmoid if activation == "sigmoid" else relu)(Z)
    return A, (linear_cache, activation_cache)


def linear_activation_backward(dA, cache, activation):
    linear_cache, activation_cache = cache
    dZ = (sigmoid_backward if activation == "sigmoid" else relu_backward)(dA, activation_cache)
    A_prev, W, b = linear_cache
    return W.T.dot(dZ), dZ.dot(A_prev.T), dZ.sum(axis=1, keepdims=True)


def compute_cost(AL, Y):
    m = Y.shape[1]
    return np.squeeze(-(np.log(AL) * Y + np.log(1 - AL) * (1 - Y)).sum() / m)


def compute_cost_backward(AL, Y):  # wrong: the 1/m is missing
    return -(np.divide(Y, AL) - np.divide(1 - Y, 1 - AL))


def zero_pad(X, pad):
    return np.pad(X, ((0, 0), (pad, pad), (pad, pad), (0, 0)))


def conv_forward(A_prev, W, b, hparameters):
    m, H, Wd, _ = A_prev.shape
    f, _, _, n_C = W.shape
    stride, pad = hparameters["stride"], hparameters["pad"]
    n_H, n_W = (H - f + 2 * pad) // stride + 1, (Wd - f + 2 * pad) // stride + 1
    Z = np.zeros((m, n_H, n_W, n_C))
    P = zero_pad(A_prev, pad)
    for h in range(n_H):
        for w in range(n_W):
            win = P[:, h * stride : h * stride + f, w * stride : w * stride + f]
            Z[:, h, w] = np.tensordot(win, W, 3) + b[0, 0, 0]
    return Z, (A_prev, W, b, hparameters)


def conv_backward(dZ, cache):
    A_prev, W, b, hparameters = cache
    f = W.shape[0]
    stride, pad = hparameters["stride"], hparameters["pad"]
    P = zero_pad(A_prev, pad)
    dP, dW, db = np.zeros_like(P), np.zeros_like(W), np.zeros_like(b)
    for h in range(dZ.shape[1]):
        for w in range(dZ.shape[2]):
            rows, cols = slice(h * stride, h * stride + f), slice(w * stride, w * stride + f)
            dP[:, rows, cols] += np.tensordot(dZ[:, h, w], W, ((1,), (3,)))
            dW += np.tensordot(P[:, rows, cols], dZ[:, h, w], ((0,), (0,)))
            db += dZ[:, h, w].sum(axis=0)
    return dP[:, pad:-pad, pad:-pad, :] if pad else dP, dW, db


def pool_forward(A_prev, hparameters, mode="max"):
    m, H, Wd, C = A_prev.shape
    f, stride = hparameters["f"], hparameters["stride"]
    A = np.zeros((m, 1 + (H - f) // stride, 1 + (Wd - f) // stride, C))
    for h in range(A.shape[1]):
        for w in range(A.shape[2]):
            win = A_prev[:, h * stride : h * stride + f, w * stride : w * stride + f]
            A[:, h, w] = win.max(axis=(1, 2)) if mode == "max" else win.mean(axis=(1, 2))
    return A, (A_prev, hparameters)


def pool_backward(dA, cache, mode="max"):
    A_prev, hparameters = cache
    f, stride = hparameters["f"], hparameters["stride"]
    dA_prev = np.zeros_like(A_prev)
    for i in range(A_prev.shape[0]):
        for h in range(dA.shape[1]):
            for w in range(dA.shape[2]):
                for c in range(dA.shape[3]):
                    sl = np.s_[i, h * stride : h * stride + f, w * stride : w * stride + f, c]
                    if mode == "max":
                        a = A_prev[sl]
                        dA_prev[sl] += (a == a.max()) * dA[i, h, w, c]
                    else:
                        dA_prev[sl] += dA[i, h, w, c] / f**2
    return dA_prev


def rnn_cell_forward(xt, a_prev, parameters):
    Wax, Waa, Wya, ba, by = (parameters[k] for k in ("Wax", "Waa", "Wya", "ba", "by"))
    a_next = np.tanh(Wax.dot(xt) + Waa.dot(a_prev) + ba)
    z = Wya.dot(a_next) + by
    e = np.exp(z - z.max(axis=0))
    yt_pred = e / e.sum(axis=0)
    return a_next, yt_pred, (a_next, a_prev, xt, parameters)


def rnn_cell_backward(da_next, cache):  # wrong: dba is the mean
    a_next, a_prev, xt, parameters = cache
    dtanh = (1 - a_next**2) * da_next
    return {
        "dxt": parameters["Wax"].T.dot(dtanh),
        "da_prev": parameters["Waa"].T.dot(dtanh),
        "dWax": dtanh.dot(xt.T),
        "dWaa": dtanh.dot(a_prev.T),
        "dba": dtanh.mean(axis=1, keepdims=True),
    }


def lstm_cell_forward(xt, a_prev, c_prev, parameters):
    p = parameters
    concat = np.concatenate((a_prev, xt), axis=0)
    s = lambda z: 1 / (1 + np.exp(-z))
    ft, it = s(p["Wf"].dot(concat) + p["bf"]), s(p["Wi"].dot(concat) + p["bi"])
    cct = np.tanh(p["Wc"].dot(concat) + p["bc"])
    c_next = ft * c_prev + it * cct
    ot = s(p["Wo"].dot(concat) + p["bo"])
    a_next = ot * np.tanh(c_next)
    yt = p["Wy"].dot(a_next) + p["by"]
    return a_next, c_next, yt, (a_next, c_next, a_prev, c_prev, ft, it, cct, ot, xt, parameters)


def lstm_cell_backward(da_next, dc_next, cache):
    a_next, c_next, a_prev, c_prev, ft, it, cct, ot, xt, p = cache
    n_a = a_next.shape[0]
    dot = da_next * np.tanh(c_next) * ot * (1 - ot)
    dc = dc_next + da_next * ot * (1 - np.tanh(c_next) ** 2)
    dcct = dc * it * (1 - cct**2)
    dit = dc * cct * it * (1 - it)
    dft = dc * c_prev * ft * (1 - ft)
    concat = np.concatenate((a_prev, xt), axis=0)
    g = {}
    for k, d in zip("fico", (dft, dit, dcct, dot)):
        g["dW" + k], g["db" + k] = d.dot(concat.T), d.sum(axis=1, keepdims=True)
    dconcat = sum(p["W" + k].T.dot(d) for k, d in zip("fico", (dft, dit, dcct, dot)))
    g.update(da_prev=dconcat[:n_a], dxt=dconcat[n_a:], dc_prev=dc * ft)
    return g
