"""Whole files of layers in five styles: the one line that each layer gets is the true one."""

from pathlib import Path

import pytest

from pullback.check.files.command import outcome
from pullback.check.files.targets import targets

FOLDER = Path(__file__).parent / "exercises"

# What is wrong in them, and why. Everything else is right.
WRONG = {
    "assignments": {
        "batchnorm_backward_alt": "missing_jacobian_term", "max_pool_backward_naive": "mode_mismatch",
        "softmax_loss": "constant_factor", "rnn_backward": "bptt_time",
    },
    "columns": {
        "linear_backward": "constant_factor", "compute_cost_backward": "constant_factor",
        "pool_backward": "kink_convention", "rnn_cell_backward": "constant_factor",
    },
    "layers": {
        "LinearT": "transpose_or_adjoint", "Tanh": "missing_upstream_grad", "LayerNorm": "missing_jacobian_term",
        "MSELoss": "constant_factor",
    },
    "book": {
        "dot_product_attention_backward": "constant_factor", "dropout_layer_backward": "constant_factor",
        "sigmoid_prime": "saved_wrong_tensor",
    },
    "functions": {
        "LegendrePolynomial3": "wrong_local_derivative", "GradientReversal": "constant_factor",
        "SoftmaxFn": "missing_jacobian_term",
    },
}  # fmt: skip
HANDED_THROUGH = {"functions": ["STERound"]}  # neither right nor wrong


@pytest.mark.parametrize("name", WRONG)
def test_every_layer_of_a_file_gets_the_line_that_is_true(name):
    if name == "functions":
        pytest.importorskip("torch")
    found = [outcome(exercise) for exercise in targets(str(FOLDER / f"{name}.py"))]
    wrong = {each.name: each.report.cause for each in found if each.verdict == "wrong"}
    assert len(found) > 8 and wrong == WRONG[name]
    assert [each.name for each in found if each.verdict == "cannot judge"] == HANDED_THROUGH.get(name, [])
