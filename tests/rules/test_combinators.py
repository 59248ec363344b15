"""Rules made of rules keep the contract, whatever they are made of."""

from dataclasses import dataclass

import numpy as np
import pytest

import pullback as pb
from pullback.batch import rows
from pullback.check.contract import assert_rule
from pullback.discovery import every
from pullback.errors import OptionError, RangeError, ShapeError
from pullback.rule import Rule
from pullback.rules.cross_entropy import ClassCrossEntropy, SmoothedCrossEntropy


@dataclass(frozen=True)
class Leaky(Rule):
    """h1 = a h + (1 - a) x², a cell of one's own: Scan asks for nothing but a rule."""

    signature = "x[... m], h[... m]=0; a[m] -> h1[... m]"

    def forward(self, x, h, a):
        return a * h + (1 - a) * x * x, (x, h, a)

    def jvp(self, tx, th, ta, x, h, a):
        return ta * (h - x * x) + a * th + (1 - a) * 2 * x * tx

    def vjp(self, g, x, h, a):
        return (1 - a) * 2 * x * g, a * g, lambda: rows((h - x * x) * g).sum(0)

    def hvp(self, g, tx, th, ta, x, h, a):
        return 2 * g * ((1 - a) * tx - ta * x), ta * g, rows((th - 2 * x * tx) * g).sum(0)


SCAN_IN_CHAIN = dict(sizes=(dict(i=2, o=3), dict(m=2), dict(o=2)), batch=(3, 2))
MLP = pb.Chain((pb.linear, pb.tanh, pb.linear, pb.softmax))
BLOCK = pb.Residual(pb.Chain((pb.layer_norm, pb.linear, pb.tanh, pb.linear)))
SMALL = dict(sizes=(dict(o=2), {}, dict(o=4), {}))
CLASSIFIER = dict(sizes=(dict(i=3, o=4), {}), batch=(2,))
COMBINATIONS = {
    "mlp": (MLP, dict(sizes=(dict(i=3, o=2), {}, dict(o=4), {}), batch=(3,))),
    "small mlp": (MLP, dict(sizes=(dict(i=2, o=2), {}, dict(o=2), {}))),
    "classifier": (pb.Chain((pb.linear, ClassCrossEntropy())), CLASSIFIER),
    "classifier with soft targets": (pb.Chain((pb.linear, pb.cross_entropy)), CLASSIFIER),
    "classifier with label smoothing": (pb.Chain((pb.linear, SmoothedCrossEntropy(label_smoothing=0.2))), CLASSIFIER),
    "embedding first": (pb.Chain((pb.embedding, pb.linear)), dict(sizes=(dict(v=4, d=2), dict(o=3)), batch=(5,))),
    "chain in chain": (pb.Chain((pb.tanh, MLP)), dict(sizes=({}, SMALL), batch=(3,))),
    "residual": (pb.Residual(pb.linear), dict(i=3, o=3, batch=(2,))),
    "residual of a curve": (pb.Residual(pb.tanh), dict(batch=(2, 3))),
    "scan of rnn_cell": (pb.Scan(pb.rnn_cell), dict(t=3, n=2, m=2, batch=(2,))),
    "scan of lstm_cell": (pb.Scan(pb.lstm_cell), dict(t=3, n=2, m=2)),
    "scan of projected_lstm_cell": (pb.Scan(pb.projected_lstm_cell), dict(t=2, n=1, m=3, k=2, batch=(2,))),
    "scan of gru_cell": (pb.Scan(pb.gru_cell), dict(t=4, n=2, m=1, batch=(2,), without=("lengths", "h"))),
    "scan of no steps": (pb.Scan(pb.lstm_cell), dict(t=0, n=1, m=1, batch=(2,))),
    "scan of a cell of one's own": (pb.Scan(Leaky()), dict(t=4, m=3, batch=(2,))),
    "scan in chain": (pb.Chain((pb.linear, pb.Scan(pb.rnn_cell), pb.linear)), SCAN_IN_CHAIN),
    "residual block": (BLOCK, dict(sizes=(dict(n=3), dict(o=4), {}, dict(o=3)), batch=(2,))),
}  # fmt: skip


@pytest.mark.parametrize("name", COMBINATIONS)
def test_contract(name):
    rule, case = COMBINATIONS[name]
    assert_rule(rule, **case)


@pytest.mark.parametrize("method", ["run", "push", "pull", "bend"])
def test_what_combinators_call_is_the_same_for_all_rules(method):
    """A helper of that name in a rule would be called in its place."""
    for name, rule in (every() | {name: rule for name, (rule, _) in COMBINATIONS.items()}).items():
        for kind in (type(rule), *type(rule).__subclasses__()):
            assert getattr(kind, method) is getattr(Rule, method), f"{kind.__name__} of {name}"


def test_members_are_chosen_by_dtypes():
    rng = np.random.default_rng(0)
    x, w, t = rng.normal(size=(5, 3)), rng.normal(size=(4, 3)), np.array([0, 3, 1, -100, 2])
    rule = pb.Chain((pb.linear, pb.cross_entropy))
    loss, at = rule.linearize(x, w, t1=t)
    assert loss == pb.cross_entropy(x @ w.T, t)
    gx, gw, gb, gt, _ = at.vjp(np.array(1.0))
    assert gb is gt is None
    np.testing.assert_allclose(gx, pb.cross_entropy.linearize(x @ w.T, t)[1].vjp(np.array(1.0))[0] @ w)
    with pytest.raises(IndexError, match="t1.*0 .. 3 or -100, got 4"):
        rule(x, w, t1=np.array([0, 1, 2, 3, 4]))
    assert rule(x, w, t1=np.full((5, 4), 0.25)) > 0


def test_outputs_that_a_chain_does_not_show():
    """A chain goes on with the first output; those that no one sees have gradient 0."""
    rng = np.random.default_rng(0)
    rule = pb.Chain((pb.lstm, pb.linear))
    x, w, u, v = (rng.normal(size=shape) for shape in ((3, 2, 4), (12, 4), (12, 3), (5, 3)))
    y, at = rule.linearize(x, w_l00=w, u_l00=u, w1=v)
    (h, _, _), below = pb.lstm.linearize(x, w_l0=w, u_l0=u)
    np.testing.assert_array_equal(y, h @ v.T)
    np.testing.assert_allclose(at.vjp(y)[0], below.vjp(y @ v, None, None)[0])


def test_residual_needs_the_same_shape():
    with pytest.raises(ShapeError, match=r"linear turns \(4, 3\) into \(4, 2\)"):
        pb.Residual(pb.linear)(np.ones((4, 3)), np.ones((2, 3)))


def test_what_a_chain_refuses():
    x, w, v = np.ones((4, 3)), np.ones((2, 3)), np.ones((5, 4))
    with pytest.raises(ShapeError, match=r"linear: w has shape \(5, 4\)"):
        pb.Chain((pb.linear, pb.linear))(x, w, w1=v)
    with pytest.raises(ShapeError, match="Chain: got 4 arrays, needs 3"):
        pb.Chain((pb.linear, pb.tanh))(x, w, None, v)
    with pytest.raises(ShapeError, match="x.* is missing"):
        pb.Chain((pb.linear, pb.tanh))()


def test_an_exempt_integer_is_exempt_in_its_own_place():
    """-100 may be a target of cross_entropy, and is no word of an embedding before it."""
    model = pb.Chain((pb.embedding, pb.cross_entropy))
    words, table = np.array([0, 2]), np.ones((3, 4))
    assert model(words, table, np.array([-100, 3])) > 0
    with pytest.raises(RangeError, match="0 .. 2, got -100"):
        model(np.array([-100, 2]), table, np.array([1, 3]))


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: pb.Chain(()), "Chain needs a tuple of rules, at least one"),
        (lambda: pb.Chain((pb.linear, np.tanh)), "Chain needs a tuple of rules"),
        (lambda: pb.Chain(pb.linear), "Chain needs a tuple of rules"),
        (lambda: pb.Residual(3), "Residual needs a rule, got 3"),
        (lambda: pb.Scan(3), "Scan needs a cell"),
        (lambda: pb.Scan(pb.relu), "Scan needs a cell"),
    ],
)
def test_what_no_rule_can_be_made_of(make, message):
    with pytest.raises(OptionError, match=message):
        make()
