"""Recurrent cells: what comes back through each gate, and from where; and networks of them: from each step."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pullback.check.variants.recurrent import gathered, nothing, unrolled

Array = NDArray[Any]
Terms = dict[str, Array]

DATA, PARAMETERS = ("x", "h"), ("w", "u", "bw", "bu")


def of_lstm_cell(letter: str) -> Callable[[Any], Terms]:
    """Of every gate, what it does to c1, as that is handed on and as h1 shows it; o is in h1 alone."""

    def of(a: Any) -> Terms:
        gates = np.repeat(np.arange(4), a.slopes.shape[-1] // 4)
        through = lambda k, **above: a.back(slopes=a.slopes * (gates == k), **above)[letter]
        h1, c1 = dict(gc1=np.zeros_like(a.gc1)), dict(gh1=np.zeros_like(a.gh1))  # one without the other
        found = {f"gate {g} from {name}": through(k, **above) for k, g in enumerate("ifg")
                 for name, above in (("c1", c1), ("h1", h1))}  # fmt: skip
        return found | {"gate o": through(3, **h1)}

    return of


def of_memory(a: Any) -> Terms:
    f = np.split(a.gates, 4, -1)[1]
    return {
        "from c1, σ(f) gc1": f * a.gc1,
        "from h1, σ(f) σ(o) tanh'(c1) gh1": f * a.gh1 * np.split(a.gates, 4, -1)[3] * a.slope,
    }


def of_gru_cell(letter: str) -> Callable[[Any], Terms]:
    def of(a: Any) -> Terms:
        gn, gz = a.gh1 * a.fresh * a.sn, a.gh1 * (a.h - a.n) * a.z * a.fresh
        gr = gn * a.vn * a.sr
        recurrent = letter in ("h", "u", "bu")
        blocks = {"reset gate r": gr, "update gate z": gz, "candidate n": gn * a.r if recurrent else gn}
        found = {says: carried(a, letter, k, g) for k, (says, g) in enumerate(blocks.items())}
        return found | ({"the straight path, z gh1": a.z * a.gh1} if letter == "h" else {})

    return of


def carried(a: Any, letter: str, k: int, g: Array) -> Array:
    """What the gradient of the k-th of three blocks of pre-activations gives to an input."""
    weight, data = (a.w, a.x) if letter in ("x", "w", "bw") else (a.u, a.h)
    if letter in DATA:
        return np.asarray(g @ np.split(weight, 3)[k])
    flat = g.reshape(-1, g.shape[-1])
    block = flat.sum(0) if letter[0] == "b" else flat.T @ data.reshape(-1, data.shape[-1])
    blocks = [np.zeros_like(block)] * 3
    blocks[k] = block
    return np.concatenate(blocks)


def of_steps(letter: str) -> Callable[[Any], Terms]:
    """A parameter serves every step: what each of them gives."""

    def of(a: Any) -> Terms:
        arriving, first = unrolled(a)
        steps = np.arange(len(a.gy))
        at = lambda t: [g * (steps == t).reshape(-1, *[1] * (g.ndim - 1)) for g in arriving]
        return {f"step {t}": gathered(a, at(t), first)[letter] for t in steps}

    return of


def of_sequence(a: Any) -> Terms:
    own = gathered(a, *unrolled(a, nothing))["x"]
    return {"through the output of its own step": own, "back from later steps": a.gx - own}


TERMS = {
    "LSTMCell": {"c": of_memory} | {letter: of_lstm_cell(letter) for letter in (*DATA, *PARAMETERS)},
    "GRUCell": {letter: of_gru_cell(letter) for letter in (*DATA, *PARAMETERS)},
    "Recurrent": {"x": of_sequence} | {f"{letter}_l0": of_steps(f"{letter}_l0") for letter in PARAMETERS},
}
