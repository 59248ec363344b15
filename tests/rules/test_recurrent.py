"""Recurrent layers and cells are PyTorch's; and a network of one unit by hand."""

import numpy as np
import pytest
from twins import normal, pairs, same, torch

import pullback as pb
from pullback.door import configured
from pullback.errors import OptionError

T, B, N, M, K = 5, 4, 3, 4, 2
KINDS = {
    "tanh": ("rnn", torch.nn.RNN, dict(nonlinearity="tanh")),
    "relu": ("rnn", torch.nn.RNN, dict(nonlinearity="relu")),
    "lstm": ("lstm", torch.nn.LSTM, {}),
    "projected": ("lstm", torch.nn.LSTM, dict(proj_size=K)),
    "gru": ("gru", torch.nn.GRU, {}),
}
CASES = pairs(
    kind=KINDS,
    num_layers=[1, 2, 3],
    bidirectional=[False, True],
    batch_first=[False, True],
    lengths=[None, np.array([5, 1, 3, 2]), np.array([5, 5, 5, 5])],
    states=[True, False],
    bias=[True, False],
    dropout=[False, True],
)


def apply(module, values, x, states, lengths):
    """One of PyTorch's modules with these parameters, as a function: output and last states."""
    first, several = module.batch_first, isinstance(module, torch.nn.LSTM)
    if lengths is not None:
        x = torch.nn.utils.rnn.pack_padded_sequence(x, lengths, first, enforce_sorted=False)
    states = None if states is None else states if several else states[0]
    names = [name for name, _ in module.named_parameters()]
    y, ends = torch.func.functional_call(module, dict(zip(names, values, strict=True)), (x, states))
    if lengths is not None:
        y, _ = torch.nn.utils.rnn.pad_packed_sequence(y, first, total_length=T)
    return y, ends if several else (ends,)


def stacked(modules, count):
    """Modules on top of each other, a mask between two of them, as a function of the inputs of our rule."""

    def theirs(x, *rest):
        *states, lengths, mask = rest[: count + 2]
        values, share, ends = rest[count + 2 :], len(rest[count + 2 :]) // len(modules), []
        for k, module in enumerate(modules):
            runs = module.num_layers * (1 + module.bidirectional)
            first = None if states[0] is None else tuple(s[k * runs : (k + 1) * runs] for s in states)
            y, end = apply(module, values[k * share : (k + 1) * share], x, first, lengths)
            ends.append(end)
            x = y * mask[k] if k + 1 < len(modules) else y
        return y, *map(torch.cat, zip(*ends))

    return theirs


@pytest.mark.filterwarnings("ignore:LSTM with projections:UserWarning")  # PyTorch says how it computes them
@pytest.mark.parametrize("case", CASES, ids=lambda case: "-".join(str(v) for v in case.values()))
def test_layers(case):
    name, Module, own = KINDS[case["kind"]]
    options = own | {key: case[key] for key in ("num_layers", "bidirectional", "batch_first")}
    layers, directions = case["num_layers"], 1 + case["bidirectional"]
    shown = own.get("proj_size", M)
    sizes = (shown, M) if name == "lstm" else (M,)
    steps = (B, T) if case["batch_first"] else (T, B)

    whole = Module(N, M, bias=case["bias"], **options)
    modules, mask = [whole], None
    if case["dropout"]:  # PyTorch draws its masks itself, so one layer at a time
        below = [N] + [directions * shown] * (layers - 1)
        modules = [Module(n, M, bias=case["bias"], **options | dict(num_layers=1)) for n in below]
        mask = (normal(layers - 1, *steps, directions * shown) > 0) / 0.7

    values = {key: normal(*p.shape, seed=k) / 2 for k, (key, p) in enumerate(whole.named_parameters())}
    rule = configured(getattr(pb, name), options)
    given = [values.get(long) for letter, long in rule.long_names.items() if "_" in letter]
    assert values.keys() <= set(rule.long_names.values()), "weights go by PyTorch's names"
    states = [normal(layers * directions, B, k) if case["states"] else None for k in sizes]
    inputs = [normal(*steps, N), *states, case["lengths"], mask, *given]

    theirs = stacked(modules, len(sizes))
    head = len(sizes) + 3
    present = [k for k, a in enumerate(inputs[head:]) if a is not None]
    same(name, lambda *a: theirs(*a[:head], *(a[head + k] for k in present)), inputs, **options)


def test_without_a_batch():
    module = torch.nn.LSTM(N, M, bidirectional=True)
    values = [normal(*p.shape) for p in module.parameters()]
    inputs = [normal(T, N), normal(2, M), normal(2, M), None, None, *values]
    same("lstm", stacked([module], 2), inputs, bidirectional=True)


@pytest.mark.parametrize("batch", [(), (B,)])
@pytest.mark.parametrize("states, biases", [(True, True), (False, True), (True, False)])
@pytest.mark.parametrize(
    "name, blocks, count, theirs, options",
    [
        ("rnn_cell", 1, 1, torch.rnn_tanh_cell, {}),
        ("rnn_cell", 1, 1, torch.rnn_relu_cell, dict(nonlinearity="relu")),
        ("lstm_cell", 4, 2, lambda x, h, c, *p: torch.lstm_cell(x, (h, c), *p), {}),
        ("gru_cell", 3, 1, torch.gru_cell, {}),
    ],
    ids=["tanh", "relu", "lstm", "gru"],
)
def test_cells(name, blocks, count, theirs, options, states, biases, batch):
    first = [normal(*batch, M, seed=k) if states else None for k in range(count)]
    weights = [normal(blocks * M, N), normal(blocks * M, M)]
    b = [normal(blocks * M, seed=k) if biases else None for k in range(2)]

    def of_one(x, *rest):
        """PyTorch's cells need their states, and exactly one axis for the batch."""
        x, *states = (a if a is None else a.reshape(-1, a.shape[-1]) for a in (x, *rest[:count]))
        found = theirs(x, *(x.new_zeros(len(x), M) if s is None else s for s in states), *rest[count:])
        found = found if isinstance(found, tuple) else (found,)
        return tuple(a.reshape(*batch, M) for a in found)

    same(name, of_one, [normal(*batch, N), *first, *weights, *b], **options)


def test_relu_has_a_kink():
    """Every other example has pre-activations of 0: there PyTorch takes 0, and the default is 1."""
    x, w, u, zero = normal(T, B, N), normal(M, N), normal(M, M), np.zeros(M)
    x[:, ::2] = 0
    options = dict(nonlinearity="relu", kink="torch")
    same("rnn_cell", torch.rnn_relu_cell, [x[0], np.zeros((B, M)), w, u, zero, zero], **options)
    module = torch.nn.RNN(N, M, nonlinearity="relu")
    same("rnn", stacked([module], 1), [x, np.zeros((1, B, M)), None, None, w, u, zero, zero], **options)

    chosen = dict(right=1, left=0, mean=0.5, min_norm=0, max_norm=1, torch=0, jax=0, tf=0)
    for kink, slope in [(None, 1), *chosen.items()]:
        y, at = pb.rnn_cell.linearize(x[0], None, w, u, nonlinearity="relu", **{"kink": kink} if kink else {})
        gx = at.vjp(np.ones_like(y), wrt="x")[0]
        np.testing.assert_allclose(gx[::2], slope * np.ones((2, M)) @ w)


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("name, blocks", [("rnn", 1), ("lstm", 4), ("gru", 3)])
def test_no_steps(name, blocks, bidirectional):
    """States pass through, and so do their gradients; nothing else has any."""
    rule = configured(getattr(pb, name), dict(bidirectional=bidirectional))
    runs, count = 1 + bidirectional, 2 if name == "lstm" else 1
    states = [normal(runs, B, M, seed=k) for k in range(count)]
    parameters = [normal(blocks * M, N), normal(blocks * M, M)]
    parameters = {s.name: parameters["wu".index(s.name[0])] for s in rule.inputs if s.name[:2] in ("w_", "u_")}
    (y, *ends), at = rule.linearize(np.zeros((0, B, N)), *states, **parameters)
    assert y.shape == (0, B, runs * M)
    np.testing.assert_array_equal(ends, states)
    gx, *rest = at.vjp(y, *states)
    np.testing.assert_array_equal(rest[:count], states)
    assert gx.shape == (0, B, N) and not any(g.any() for g in rest[count:] if g is not None)


def test_one_unit_by_hand():
    """x = 1, 2 with w = 1/2, u = 1: h1 = tanh(1/2), h2 = tanh(1 + h1). Backwards from h2:

    gz2 = 1 - h2², gz1 = u gz2 (1 - h1²);  gx = w gz, gw = gz1 x1 + gz2 x2, gu = gz1 h0 + gz2 h1, gb = gz1 + gz2
    """
    x, w, u, zero = np.array([[1.0], [2.0]]), np.array([[0.5]]), np.array([[1.0]]), np.zeros(1)
    (y, h), at = pb.rnn.linearize(x, np.zeros((1, 1)), w_l0=w, u_l0=u, bw_l0=zero, bu_l0=zero)
    close = lambda found, wanted: np.testing.assert_allclose(np.ravel(found), wanted, rtol=1e-9)
    close(y, [0.46211715726, 0.89806301146])
    close(h, [0.89806301146])
    gx, gh, _, _, gw, gu, gbw, gbu = at.vjp(np.array([[0.0], [1.0]]), None)  # gz1 = 0.152164, gz2 = 0.193483
    close(gx, [0.07608206550629, 0.09674141372289])
    close(gh, [0.15216413101258])
    close(gw, [0.53912978590415])
    close(gu, [0.08941173419788])
    close(gbw, [0.34564695845836])
    close(gbu, [0.34564695845836])


def test_gradients_of_the_first_layer_wait_until_they_are_wanted():
    x, w, u = normal(T, B, N), normal(4 * M, N), normal(4 * M, M)
    (y, *_), at = pb.lstm.linearize(x, w_l0=w, u_l0=u)
    gx, _, _, gw, *_ = at.rule.vjp(y, *at.plan.gradients[1:], *at.saved)
    assert callable(gx) and callable(gw)


def test_what_is_refused():
    x, w, u = np.ones((2, 1, 3)), np.ones((8, 3)), np.ones((8, 1))
    with pytest.raises(OptionError, match="proj_size == k"):
        pb.lstm(x, w_l0=w, u_l0=u, p_l0=np.ones((1, 2)), proj_size=2)
    with pytest.raises(OptionError, match="nonlinearity in"):
        pb.rnn(x, w_l0=np.ones((2, 3)), u_l0=np.ones((2, 2)), nonlinearity="sigmoid")
    with pytest.raises(OptionError, match="kink in"):
        pb.rnn(x, w_l0=np.ones((2, 3)), u_l0=np.ones((2, 2)), kink="zero")
    with pytest.raises(OptionError, match="num_layers > 0"):
        pb.gru(x, num_layers=0)
    with pytest.raises(IndexError, match="lengths"):
        pb.lstm(x, None, None, np.array([3]), w_l0=w, u_l0=np.ones((8, 2)))


def test_inputs_that_a_hyperparameter_brings_go_by_name():
    x, w, u, p = normal(T, B, N), normal(4 * M, N), normal(4 * M, K), normal(K, M)
    (by_name, *_) = pb.lstm(x, proj_size=K, weight_ih_l0=w, u_l0=u, weight_hr_l0=p)
    (by_place, *_) = pb.lstm(x, None, None, None, None, w, u, None, None, p, proj_size=K)
    np.testing.assert_array_equal(by_name, by_place)
