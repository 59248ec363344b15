"""The layers of a vision course in one file: all right, and with a typical mistake in each."""

from pathlib import Path

from pullback.check.files.command import outcome
from pullback.check.files.targets import targets

PATH = Path(__file__).parent / "exercises" / "assignment.py"

# (function, right code, mistake, its cause)
MISTAKES = (
    ("layernorm_backward", "d.mean(axis=1, keepdims=True) - x_hat * (d * x_hat).mean(axis=1, keepdims=True)",
     "d.mean(axis=1, keepdims=True)", "missing_jacobian_term"),
    ("spatial_batchnorm_backward", "flat.sum(axis=0)", "flat.mean(axis=0)", "constant_factor"),
    ("spatial_groupnorm_backward", "(dout * gamma)", "dout", "missing_chain_factor"),
    ("dropout_backward", "dout * mask", "dout * (mask > 0)", "constant_factor"),
    ("rnn_backward", "dh[:, t] + dprev", "dh[:, t]", "bptt_time"),
    ("lstm_backward", "dprev_c, cache[t]", "0 * dprev_c, cache[t]", "bptt_time"),
    ("temporal_affine_backward", "dout.sum(axis=(0, 1))", "dout[:, -1].sum(axis=0)", "reduction_broadcast"),
    ("temporal_softmax_loss", "return loss, (p * keep[:, None] / n)", "return loss, (p / n)", "mode_mismatch"),
    ("svm_loss", "(margins > 0).sum(axis=1)", "1", "overwrite_vs_accumulate"),
    ("MultiHeadAttention", ".sum(axis=-1, keepdims=True)) * self.scale", ".sum(axis=-1, keepdims=True))",
     "constant_factor"),
)  # fmt: skip
IN_STEPS = (
    ("rnn_step_backward", "1 - next_h**2", "1 - np.tanh(next_h) ** 2", "saved_wrong_tensor"),
    ("lstm_step_backward", "dc = dnext_c + ", "dc = ", "missing_jacobian_term"),
)


def judged(path):
    return {exercise.name: outcome(exercise) for exercise in targets(str(path))}


def spoilt(mistakes, path):
    text = PATH.read_text()
    for name, right, wrong, _ in mistakes:
        before, start, own = text.partition(f"def {name}(" if name[0].islower() else f"class {name}:")
        assert right in own, name
        text = before + start + own.replace(right, wrong, 1)
    path.write_text(text)
    return path


def test_all_are_right():
    found = judged(PATH)
    assert len(found) == 12 and {each.verdict for each in found.values()} == {"right"}


def test_a_mistake_in_each_is_found_and_named(tmp_path):
    found = judged(spoilt(MISTAKES, tmp_path / "spoilt_layers.py"))
    assert {name for name, each in found.items() if each.verdict == "wrong"} == {name for name, *_ in MISTAKES}
    assert {name: found[name].report.cause for name, *_ in MISTAKES} == {name: cause for name, *_, cause in MISTAKES}


def test_a_mistake_in_a_step_is_found_and_named(tmp_path):
    found = judged(spoilt(IN_STEPS, tmp_path / "spoilt_steps.py"))
    for name, *_, cause in IN_STEPS:
        assert found[name].verdict == "wrong" and found[name].report.cause == cause, found[name].line
