"""The check before training sees a gradient that is not there."""

from dataclasses import dataclass
from functools import partial

import numpy as np
import pytest

import pullback as pb
from pullback import nn
from pullback.check.faults import FAULTS
from pullback.rules.linear import Linear
from pullback.train.verify import judged, verify


@dataclass(frozen=True)
class Forgetful(Linear):
    """Linear, with one of its gradients left out."""

    place: int = 0

    def vjp(self, gy, x, w):
        found = [g() for g in super().vjp(gy, x, w)]
        found[self.place] = None
        return tuple(found)


@pytest.mark.parametrize("place, name", [(0, "input"), (1, "weight"), (2, "bias")])
def test_a_missing_gradient_is_wrong(place, name):
    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(5, 4)), rng.normal(size=(3, 4)), rng.normal(size=3)
    found = judged("0", "Forgetful", Forgetful(place), inputs, rng)
    assert (found.says, found.why) == ("wrong", f"the gradient of {name}")
    assert judged("0", "Linear", Linear(), (*inputs[:2], None), rng).says == "right"


def test_a_gradient_that_is_wrong_in_float32_alone_is_wrong():
    """As a compiled twin could be: the rule itself is right."""

    class Single(type(pb.tanh)):
        def vjp(self, gy, x):
            return super().vjp(gy, x) * (1.01 if gy.dtype == np.float32 else 1)

    model = nn.Sequential(nn.Linear(3, 4), Single(), nn.Linear(4, 2), rng=0)
    found = verify(model, np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32), np.arange(5) % 2)
    assert [v.says for v in found] == ["right", "wrong", "right", "right"]
    assert found[1].why == "the gradient of input in float32" and 0.009 < found[1].single < 0.011


@pytest.mark.parametrize("row", [0, -1])
def test_the_row_that_an_embedding_holds_fixed_has_no_gradient(row):
    model = nn.Sequential(nn.Embedding(5, 3, padding_idx=row), nn.Flatten(), nn.Linear(12, 2), rng=0)
    x = np.random.default_rng(0).permutation(np.arange(25) % 5)[:24].reshape(6, 4)
    assert [v.says for v in verify(model, x, np.arange(6) % 2)] == ["right"] * 4


SHARP = [nn.RMSNorm, partial(nn.RMSNorm, eps=1e-12), partial(nn.LayerNorm, eps=1e-12), partial(nn.RMSNorm, eps=1e-30)]


@pytest.mark.parametrize("norm", SHARP)
@pytest.mark.parametrize("size", [0, 1e-9, 1e-6])
def test_norms_may_bend_within_much_less_than_a_step(norm, size):
    """The border of an image is zeros, and there the norm of a row bends within sqrt(eps)."""
    rng = np.random.default_rng(0)
    x = rng.uniform(size=(6, 1, 8, 8)).astype(np.float32)
    x[:, :, :3] *= size
    model = nn.Sequential(norm(8), nn.Flatten(), nn.Linear(64, 2), rng=0)
    assert [v.says for v in verify(model, x, np.arange(6) % 2)] == ["right"] * 4


@pytest.mark.parametrize("fault", sorted(FAULTS.keys() - {"constant"}))  # beside 1/sqrt(eps) one can see no constant
def test_where_a_norm_bends_sharply_faults_are_not_right(fault):
    class Faulty(type(pb.rms_norm)):
        def vjp(self, *args):
            gx, gw = (g() for g in super().vjp(*args))
            return FAULTS[fault].spoil(gx, args[0]), gw

    rng = np.random.default_rng(0)
    x = rng.uniform(size=(6, 8)) * (np.arange(6)[:, None] > 2)
    small = fault in ("cut", "passed through")  # no gradient as large as this one; so large steps stay in doubt
    assert judged("0", "Faulty", Faulty(), (x, np.ones(8)), rng).says == ("cannot judge" if small else "wrong")


@pytest.mark.parametrize("size", [0, 1e-6, 1])
@pytest.mark.parametrize("made", [
    pb.Chain((pb.rms_norm, pb.tanh)), pb.Chain((pb.tanh, pb.Residual(pb.rms_norm))), pb.Residual(pb.rms_norm),
])  # fmt: skip
def test_an_eps_of_the_dtype_inside_of_a_rule_made_of_rules(made, size):
    """It is another one in each precision, and that is no fault of the gradient in float32."""
    x = size * np.random.default_rng(0).uniform(size=(6, 8)).astype(np.float32)
    x[3:] = np.random.default_rng(1).normal(size=(3, 8))
    model = nn.Sequential(made, nn.Linear(8, 2), rng=0)
    assert [v.says for v in verify(model, x, np.arange(6) % 2)] == ["right"] * 3
