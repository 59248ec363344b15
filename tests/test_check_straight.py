"""Functions in steps: a gradient that is handed straight through accuses nobody, and may be judged as what it is meant
to be the derivative of."""

import numpy as np
import pytest
import torch

import pullback as pb
from pullback.check.files.command import outcome
from pullback.check.files.targets import targets

X = np.random.default_rng(0).normal(size=(4, 5)) * 1.5


def passed(g, x):
    return g


def within(g, x):
    return g * (abs(x) <= 1)


def steep(g, x):
    return 2 * g


STEPS = [np.sign, np.round, np.floor, lambda x: np.where(x > 0, 1.0, 0.0), lambda x: 0.5 * np.round(x / 0.5)]


@pytest.mark.parametrize("forward", STEPS)
@pytest.mark.parametrize(
    "backward, rule, where", [(passed, "identity", "everywhere"), (within, "hardtanh", "within bounds")]
)
def test_what_is_handed_through_is_not_judged_unless_somebody_says_what_it_is(forward, backward, rule, where):
    report = pb.check(forward, backward, X)
    assert report.verdict == "cannot judge" and report.findings[0].verdict == "cannot judge"
    assert f"straight through {where}" in report.reason and f"like={rule!r}" in report.reason
    said = pb.check(forward, backward, X, like=rule)
    assert said.verdict == "right" and f"judged as the derivative of {rule}" in said.notes[0].evidence


def test_said_to_be_another_it_is_wrong():
    report = pb.check(np.sign, steep, X / 6, like="hardtanh")
    assert report.verdict == "wrong" and np.isclose(report.leading.ratio, 2)
    assert pb.check(np.sign, passed, X, like="hardtanh").verdict == "wrong"
    assert pb.check(np.sign, within, X, like="identity").verdict == "wrong"


def test_a_surrogate_is_judged_as_what_it_is():
    """As in spiking networks: a step, and the slope of a sigmoid."""

    def step(x):
        return (x > 0) * 1.0

    def slope(g, x):
        e = np.exp(-abs(x))
        return g * e / (1 + e) ** 2

    assert "like='hardtanh'" in pb.check(step, slope, X).leading.causes[0].evidence
    assert pb.check(step, slope, X, like="sigmoid").verdict == "right"


@pytest.mark.parametrize(
    "forward, backward",
    [
        (np.sign, steep),
        (np.sign, lambda g, x: -g),
        (np.round, lambda g, x: g * (abs(x) > 1)),  # everywhere but between bounds
        (lambda x: np.maximum(x, 0), passed),
        (lambda x: np.clip(x, -1, 1), passed),
    ],
)
def test_other_gradients_are_wrong_as_ever(forward, backward):
    assert pb.check(forward, backward, X).verdict == "wrong"


def test_a_relu_where_nothing_is_positive_is_no_function_in_steps():
    assert pb.check(lambda x: np.maximum(x, 0), passed, -1 - abs(X)).verdict == "wrong"
    report = pb.check(lambda x: np.maximum(x, 0), lambda g, x: g * (x > 0), -1 - abs(X), like="sigmoid")
    assert report.verdict == "right" and "judged by forward alone" in report.notes[0].evidence


def test_of_a_class_and_of_torch():
    class Binary(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return torch.sign(x)

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            return g * (x.abs() <= 1)

    assert pb.check(Binary, None, X).verdict == "cannot judge"
    assert pb.check(Binary, None, X, like="hardtanh").verdict == "right"


def test_the_other_inputs_are_judged():
    """Of a quantiser with a scale."""
    forward = lambda x, s: s * np.round(x)
    backward = lambda factor: lambda g, x, s: (g, factor * np.sum(g * np.round(x)))
    for factor, verdict in ((1, "right"), (2, "wrong")):
        report = pb.check(forward, backward(factor), X, np.array(1.0))
        assert [each.verdict for each in report.findings] == ["cannot judge", verdict]


def test_on_the_command_line(tmp_path):
    path = tmp_path / "binary.py"
    path.write_text("import numpy as np\ndef binarize(x): return np.sign(x)\ndef binarize_backward(g, x): return g\n")
    (exercise,) = targets(str(path))
    assert "straight through everywhere" in outcome(exercise).line and outcome(exercise).verdict == "cannot judge"
    assert outcome(exercise, like="identity").verdict == "right"
