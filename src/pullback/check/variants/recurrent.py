"""Recurrent cells, and networks of them: what goes back from step to step, and which gate is whose."""

import numpy as np

from pullback.check.variants.call import Variant, needs

# Cells. Rows of w, u, bw and bu are the gates, block by block: i f g o of an LSTM, r z n of a GRU.


def gates_swapped(gates, *order):
    """The gradients of the parameters, with their blocks in another order."""

    def swap(g):
        blocks = np.split(g, gates)
        return np.concatenate([blocks[k] for k in order])

    return lambda a: {k: swap(a.right[k]) for k in ("w", "u", "bw", "bu")}


def bias_averaged(a):
    n = a.h1.size // a.h1.shape[-1]
    return dict(bw=a.gbw / n, bu=a.gbu / n)


def not_transposed(a):
    """u where uᵀ is meant, of a plain cell."""
    return dict(h=(a.slope * a.gh1) @ a.u.T)


CELL = (
    Variant("bias gradient averaged over the batch", "constant_factor", bias_averaged),
    Variant("no gradient for the old state", "missing_jacobian_term", lambda a: dict(h=np.zeros_like(a.gh))),
)

# Networks of one layer and one direction, by hand: what the combinators do, step by step.


def unrolled(a, carry=lambda t, before: before, shift=0):
    """The gradients at the new states of every step; `carry` spoils what a step hands to the one before it."""
    scan, (live, saved) = a.rule.scan, a.saved["saved"][0]
    needs(a.rule.runs == 1 and live is None and not a.rule.batch_first)
    names = [slot.name for slot in a.rule.outputs]
    gradients, steps = [a.above[name][0] for name in names[1:]], []
    for t in reversed(range(len(a.gy))):
        gradients = [gradients[0] + a.gy[t], *gradients[1:]]
        steps.insert(0, gradients)
        gradients = carry(t, scan.back(max(t - shift, 0), gradients, saved))
    return [np.stack(each) for each in zip(*steps)], gradients


def gathered(a, arriving, first):
    """The gradients of all inputs, from those at the states of every step."""
    found = a.rule.scan.cell.pull(arriving, a.saved["saved"][0][1])
    states = len(first)
    names = [slot.name for slot in a.rule.inputs if slot.differentiable]
    return dict(zip(names, [found[0], *(g[None] for g in first), *found[1 + states :]]))


def through_time(carry=lambda t, before: before, shift=0):
    return lambda a: gathered(a, *unrolled(a, carry, shift))


def nothing(t, before):
    return [np.zeros_like(g) for g in before]


def overwritten_parameters(a):
    """The sweep ends at the first step, whose gradient is what stays."""
    arriving, first = unrolled(a)
    for g in arriving:
        g[1:] = 0
    found = gathered(a, arriving, first)
    return {k: g for k, g in found.items() if k[0] in "wub"}


def only_last_output(a):
    gy = a.gy.copy()
    gy[:-1] = 0
    return a.back(gy=gy)


def parameters(a):
    return {k: g for k, g in a.right.items() if k[0] in "wub"}


def swapped(a, gates, *order):
    blocks = {k: np.split(g, gates) for k, g in parameters(a).items()}
    return {k: np.concatenate([each[j] for j in order]) for k, each in blocks.items()}


VARIANTS = {
    "RNNCell": (
        Variant("1 - h1 in the place of 1 - h1²", "wrong_local_derivative", lambda a: a.back(slope=1 - a.h1)),
        Variant("the derivative of tanh taken at the output", "saved_wrong_tensor",
                lambda a: a.back(slope=1 - np.tanh(a.h1) ** 2)),
        Variant("the derivative of tanh forgotten", "missing_chain_factor",
                lambda a: a.back(slope=np.ones_like(a.slope))),
        Variant("u not transposed", "transpose_or_adjoint", not_transposed),
        *CELL,
    ),
    "LSTMCell": (
        Variant("the memory's gradient through h1 forgotten", "missing_jacobian_term",
                lambda a: {k: a.back(slope=np.zeros_like(a.slope))[k] for k in ("x", "c")}),
        Variant("the gradient of the memory from above dropped", "missing_jacobian_term",
                lambda a: a.back(gc1=np.zeros_like(a.gc1))),
        Variant("tanh' of the memory forgotten", "missing_chain_factor", lambda a: a.back(slope=np.ones_like(a.slope))),
        Variant("forget gate forgotten on the memory's path", "missing_chain_factor",
                lambda a: dict(c=a.gc / np.split(a.gates, 4, -1)[1])),
        Variant("input gate in the place of the forget gate", "saved_wrong_tensor",
                lambda a: dict(c=a.gc / np.split(a.gates, 4, -1)[1] * np.split(a.gates, 4, -1)[0])),
        Variant("gate order swapped: i f o g", "index_routing", gates_swapped(4, 0, 1, 3, 2)),
        Variant("gate order swapped: f i g o", "index_routing", gates_swapped(4, 1, 0, 2, 3)),
        Variant("the gates' own derivatives forgotten", "missing_chain_factor",
                lambda a: a.back(slopes=np.ones_like(a.slopes))),
        Variant("σ (1 - σ) for the candidate, too, which is a tanh", "wrong_local_derivative",
                lambda a: a.back(slopes=a.gates * (1 - a.gates))),
        Variant("the new memory in the forget gate's gradient, not the old one", "saved_wrong_tensor",
                lambda a: a.back(c=a.c1)),
        *CELL,
    ),
    "ProjectedLSTMCell": (
        Variant("h1 in the gradient of p, not what it projects", "saved_wrong_tensor",
                lambda a: dict(p=a.back(q=a.r)["p"])),
    ),
    "GRUCell": (
        Variant("the straight path z gh1 forgotten", "missing_jacobian_term", lambda a: dict(h=a.gh - a.z * a.gh1)),
        Variant("z and 1 - z exchanged", "saved_wrong_tensor", lambda a: a.back(z=a.fresh, fresh=a.z)),
        Variant("reset gate forgotten on the way to u h", "missing_chain_factor",
                lambda a: a.back(r=np.ones_like(a.r))),
        Variant("no gradient through the reset gate", "missing_jacobian_term",
                lambda a: a.back(sr=np.zeros_like(a.sr))),
        Variant("tanh' of the candidate forgotten", "missing_chain_factor", lambda a: a.back(sn=np.ones_like(a.sn))),
        Variant("sign of the update gate: n - h", "sign", lambda a: a.back(h=a.n, n=a.h)),
        Variant("h in the reset gate's gradient, not u h", "saved_wrong_tensor", lambda a: a.back(vn=a.h)),
        Variant("gate order swapped: z r n", "index_routing", gates_swapped(3, 1, 0, 2)),
        *CELL,
    ),
    "Recurrent": (
        Variant("last time step only: no gradient goes back through time", "bptt_time", through_time(nothing)),
        Variant("cut after every second step", "bptt_time", through_time(lambda t, g: g if t % 2 else nothing(t, g))),
        Variant("gates of the step before", "bptt_time", through_time(shift=1)),
        Variant("only the last output's gradient is read", "missing_upstream_grad", only_last_output),
        Variant("= for += from step to step: parameters get the first step's gradient alone", "overwrite_vs_accumulate",
                overwritten_parameters),
        Variant("parameters' gradients averaged over time", "constant_factor",
                lambda a: {k: g / len(a.gy) for k, g in parameters(a).items()}),
        Variant("no gradient for the first state", "missing_jacobian_term", lambda a: dict(h=np.zeros_like(a.gh))),
        Variant("the gradient of the last state dropped", "missing_jacobian_term",
                lambda a: a.back(gh1=np.zeros_like(a.gh1))),
        Variant("time not turned back", "index_routing", lambda a: dict(x=a.gx[::-1])),
    ),
    "LSTM": (
        Variant("dc_next dropped: the memory's gradient does not go back", "bptt_time",
                through_time(lambda t, g: [g[0], np.zeros_like(g[1])])),
        Variant("dh_next dropped: the state's gradient does not go back", "bptt_time",
                through_time(lambda t, g: [np.zeros_like(g[0]), g[1]])),
        Variant("gate order swapped: i f o g", "index_routing", lambda a: swapped(a, 4, 0, 1, 3, 2)),
    ),
    "GRU": (
        Variant("gate order swapped: z r n", "index_routing", lambda a: swapped(a, 3, 1, 0, 2)),
    ),
}  # fmt: skip
