"""Files of layers: how they are run, what is found in them, and with what it is called."""

import sys
from pathlib import Path

import numpy as np
import pytest
from faults import as_files

from pullback.check.adapters import adapt
from pullback.check.files.calling import GuessError
from pullback.check.files.command import outcome
from pullback.check.files.finding import Exercise, exercises, partners
from pullback.check.files.guessing import gradients_that_fit, guess
from pullback.check.files.likeness import likeness
from pullback.check.files.loading import FileError, load
from pullback.check.files.targets import TextError, options, shape, targets

COURSE = Path(__file__).parent / "exercises" / "course.py"
IDS = "global-pool-square", "rnn-weight-overwritten", "heads-merged-without-transpose", "bce-sigmoid-included"
SOME = [case for name in ("heldout", "heldout2") for case in as_files.cases(name) if case["id"] in IDS]
NAMES = [exercise.name for exercise in targets(str(COURSE))]


def written(path, text):
    path.write_text(text)
    return str(path)


def test_everything_with_a_backward_is_found_in_its_order():
    assert NAMES == [
        "affine_backward", "relu_backward", "batchnorm_backward", "batchnorm_backward_alt", "dropout_backward",
        "conv_backward_naive", "max_pool_backward_naive", "rnn_step_backward", "sigmoid_prime", "lstm_step_backward",
        "word_embedding_backward", "softmax_loss", "svm_loss_naive", "linear_activation_backward", "rnn_cell_backward",
        "Affine", "Dense", "Sigmoid",
    ]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_arguments_are_guessed_with_which_forward_and_backward_run(name):
    (exercise,) = (each for each in targets(str(COURSE)) if each.name == name)
    adapted = adapt(*guess(exercise))
    assert gradients_that_fit(adapted) == 1
    shapes = [
        np.shape(np.zeros(leaf.value) if isinstance(leaf.value, tuple) else leaf.value) for leaf in adapted.leaves
    ]
    assert all(len(set(s)) == len(s) or name.startswith(("rnn", "lstm", "conv")) for s in shapes), (
        "square matrices hide"
    )


@pytest.mark.parametrize(
    "backward, forward",
    [
        ("affine_backward", "affine_forward"),
        ("relu_backward", "relu"),
        ("conv_backward_naive", "conv_forward_naive"),
        ("batchnorm_backward_alt", "batchnorm_forward"),
        ("sigmoid_prime", "sigmoid"),
        ("softmax_grad", "softmax"),
        ("d_tanh", "tanh"),
        ("backward_affine", "forward_affine"),
        ("gelu_bwd", "gelu_fwd"),
        ("backward", "forward"),
    ],
)
def test_names_of_pairs(backward, forward):
    assert forward in partners(backward)


def test_names_that_are_no_pair():
    assert "forward" not in partners("backward_affine")
    assert not list(partners("feedback_loop")) and not list(partners("gradient_descent"))


def test_losses_and_functions_of_torch_and_primitives(tmp_path):
    path = tmp_path / "several.py"
    text = """
import jax, torch
import autograd.numpy as np
from autograd.extend import defvjp, primitive
from math import log as cross_entropy_loss
class Abstract(torch.autograd.Function):
    pass
class Double(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x): return 2 * x
    @staticmethod
    def backward(ctx, g): return 2 * g
@primitive
def triple(x): return 3 * x
defvjp(triple, lambda ans, x: lambda g: 3 * g)
@jax.custom_vjp
def half(x): return x / 2
half.defvjp(lambda x: (x / 2, None), lambda res, g: (g / 2,))
def mse_loss(x, t): return ((x - t) ** 2).mean(), 2 * (x - t) / x.size
def helper(x): return x
"""
    found = exercises(load(Path(written(path, text))))
    assert [exercise.name for exercise in found] == ["Double", "triple", "half", "mse_loss"]
    for exercise in found:
        assert gradients_that_fit(adapt(*guess(exercise))) == 1


def test_closures_are_found_and_no_other_functions_that_make_functions(tmp_path):
    text = """
import numpy as np
def dense(x, w):
    y = x @ w
    if y.ndim == 2:
        def back(dy): return dy @ w.T, x.T @ dy
    return y, back
def double(x): return 2 * x, lambda dy: 2 * dy
def root(x):
    y = np.sqrt(x)
    pull = lambda dy: dy / (2 * y)
    return y, pull
def compose(f):
    def inner(x): return x, lambda dy: f(dy)
    return inner
def pair(x): return x, x
"""
    found = exercises(load(Path(written(tmp_path / "closures.py", text))))
    assert [exercise.name for exercise in found] == ["dense", "double", "root"]


def test_options_are_for_parameters_and_for_dicts_of_hyperparameters():
    (conv,) = targets(f"{COURSE}:conv_forward_naive,conv_backward_naive")
    given = guess(conv, [(2, 3, 5, 7), (4, 3, 3, 2), (4,)], stride=1, pad=2).arguments
    assert given[:3] == [(2, 3, 5, 7), (4, 3, 3, 2), (4,)] and given[3] == {"stride": 1, "pad": 2}
    (cell,) = targets(f"{COURSE}:linear_activation_forward,linear_activation_backward")
    assert guess(cell, activation="sigmoid").arguments[3] == "sigmoid"
    with pytest.raises(GuessError, match="it has no parameter stride"):
        guess(cell, stride=1)
    with pytest.raises(GuessError, match="it takes 3 arrays .A_prev, W, b., got 1 shape$"):
        guess(cell, [(4, 5)])


def test_what_is_called_y_may_be_labels(tmp_path):
    path = tmp_path / "chosen.py"
    path.write_text("""
import numpy as np
def chosen_forward(a, y): return a[np.arange(len(a)), y] ** 2, (a, y)
def chosen_backward(dout, cache):
    a, y = cache
    da = np.zeros_like(a)
    da[np.arange(len(a)), y] = 2 * dout * a[np.arange(len(a)), y]
    return da
def gap_forward(a, y): return (a - y) ** 2, (a, y)
def gap_backward(dout, cache): return 2 * dout * (cache[0] - cache[1]), -2 * dout * (cache[0] - cache[1])
""")
    labels, numbers = map(guess, targets(str(path)))
    assert labels.arguments[0] == (4, 5) and labels.arguments[1].dtype.kind == "i"
    assert numbers.arguments == [(4, 5), (4, 5)]


def test_what_runs_with_nothing_is_said():
    (exercise,) = targets(f"{COURSE}:affine_forward,affine_backward")
    with pytest.raises(GuessError, match="it did not run with what was given: affine_f"):
        guess(exercise, [(4, 5), (4, 3), (3,)])


def test_shapes_and_options_as_text():
    assert (
        shape("4,5") == (4, 5) and shape("3") == (3,) and shape("") == shape("()") == () and shape("(2, 3)") == (2, 3)
    )
    labels = shape("4<3")
    assert labels.shape == (4,) and labels.dtype.kind == "i" and 0 <= labels.min() <= labels.max() < 3
    assert options(["stride=2", "mode=train", "axis=(0, 1)", "eps=1e-5"]) == dict(
        stride=2, mode="train", axis=(0, 1), eps=1e-5
    )
    inner = shape("4,5=0..1")
    assert inner.shape == (4, 5) and 0 < inner.min() < inner.max() < 1
    rows, columns = shape("4,5=one-hot"), shape("5,4=one-hot:0")
    assert rows.shape == (4, 5) and (rows.sum(1) == 1).all() and set(np.unique(rows)) == {0, 1}
    assert columns.shape == (5, 4) and (columns.sum(0) == 1).all() and columns.flags.c_contiguous
    wrong = (
        "4x5",
        "-1",
        "4<x",
        "4<0",
        "4.5",
        "4=1",
        "4=a..b",
        f"4<{10**30}",
        f"{10**8},{10**8}<5",
        "=one-hot",
        "4,0=one-hot",
    )
    for text in (*wrong, "4,5=one-hot:2", "4,5=one-hot:x", "4,5=onehot"):
        with pytest.raises(TextError, match="is no shape; write 4,5"):
            shape(text)
    for text in ("stride", "=2", "2=stride"):
        with pytest.raises(TextError, match="is no option; write name=value"):
            options([text])


@pytest.mark.parametrize(
    "text, says",
    [
        ("import nonsense_that_is_not_there", "does not import: ModuleNotFoundError: No module named 'nonsense_that"),
        ("x = 1\ny = 1 / 0", "does not import: ZeroDivisionError: division by zero (line 2)"),
        ("def f(:", "does not import: SyntaxError: "),
        ("raise SystemExit(3)", "does not import: SystemExit: 3 (line 1)"),
        ("x = 1", "has nothing to check: no pair such as affine_forward and affine_backward"),
    ],
)
def test_files_with_which_nothing_can_be_done(tmp_path, text, says):
    path = written(tmp_path / "broken.py", text)
    with pytest.raises(FileError) as caught:
        targets(path)
    assert str(caught.value).startswith(f"{path} {says}"), str(caught.value)


def test_the_line_is_told_of_a_relative_path_too(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    written(tmp_path / "broken.py", "x = 1\ny = 1 / 0")
    with pytest.raises(FileError, match=r"broken.py does not import: .* \(line 2\)"):
        targets("broken.py")


def test_names_that_are_not_there():
    with pytest.raises(FileError, match="no such file"):
        targets("nowhere.py")
    with pytest.raises(FileError, match="a folder, not a file"):
        targets(str(COURSE.parent))
    with pytest.raises(TextError, match=r"course.py has no 'afine_forward' \(did you mean affine_forward"):
        targets(f"{COURSE}:afine_forward,affine_backward")
    with pytest.raises(TextError, match="name a forward and a backward"):
        targets(f"{COURSE}:a,b,c")


def test_a_file_in_a_package_may_import_its_neighbours(tmp_path):
    home = tmp_path / "homework" / "layers"
    home.mkdir(parents=True)
    (home.parent / "__init__.py").touch(), (home / "__init__.py").touch()
    written(home / "slopes.py", "import numpy as np\ndef slope(x): return np.cos(x)")
    path = written(
        home / "wave.py",
        "import numpy as np\nfrom .slopes import slope\ndef wave(x): return np.sin(x)\n"
        "def wave_backward(dout, x): return dout * slope(x)",
    )
    try:
        assert [exercise.name for exercise in targets(path)] == ["wave_backward"]
    finally:
        for name in [name for name in sys.modules if name.partition(".")[0] == "homework"]:
            del sys.modules[name]


# Right code that was accused when one guess was enough for that, and what it would be with a fault.
GUESSED = """
import numpy as np
Y = np.array([[1.0, 0.0, 1.0], [0.0, 0.0, 1.0]])
def kl(p, q): return p * np.log(p / q)
def kl_backward(g, p, q): return g * (np.log(p / q)PLUS), -g * p / q
def surprise(p): return -Y * np.log(p) - (1 - Y) * np.log(1 - p)
def surprise_backward(dout, p): return dout * (p - Y)OVER
def tempered(x, tau):
    e = np.exp((x - x.max(-1, keepdims=True)) / tau)
    return e / e.sum(-1, keepdims=True)
def tempered_backward(g, x, tau):
    p = tempered(x, tau)
    dz = p * (g - (g * p).sum(-1, keepdims=True))
    return dzTAU, np.array(-(dz * x).sum() / tau**2)
def product(x): return np.cumprod(x)
def product_backward(g, x):
    rest = lambda i: np.cumprod(np.where(np.arange(len(x)) == i, 1, x))
    return np.array([(g * rest(i))[i:].sum() for i in range(len(x))])
def halves(x): return np.concatenate([x[:, : x.shape[1] // 2] * 2, x[:, x.shape[1] // 2 :]], 1)
def halves_backward(g, x):
    h = x.shape[1] // 2
    return np.concatenate([FACTORg[:, :h], g[:, h:]], 1)
class Frozen:
    def __init__(self, masks): self.masks = masks
    def forward(self, x): return np.where(self.masks, 0, x)
    def backward(self, g): return np.where(self.masks, 0, g)TWICE
"""
RIGHT = {"PLUS": " + 1", "OVER": " / (p * (1 - p))", "TAU": " / tau", "FACTOR": "2 * ", "TWICE": ""}
FAULTY = {"PLUS": "", "OVER": "", "TAU": "", "FACTOR": "", "TWICE": " * 2"}


def verdicts(path, words):
    text = GUESSED
    for word, code in words.items():
        text = text.replace(word, code)
    return {each.name: outcome(each) for each in targets(written(path, text))}


def test_right_code_is_not_accused_for_what_was_guessed(tmp_path):
    found = verdicts(tmp_path / "guessed_right.py", RIGHT)
    assert len(found) == 6 and not [each.line for each in found.values() if each.verdict == "wrong"]


def test_the_same_code_with_a_fault_is_accused(tmp_path):
    found = verdicts(tmp_path / "guessed_wrong.py", FAULTY)
    assert {name for name, each in found.items() if each.verdict == "wrong"} == {*found} - {"product_backward"}


def test_what_cannot_be_told_apart_is_said(tmp_path):
    text = "import numpy as np\ndef lift(c): return np.interp(c, range(4), [1.0, 3.0, 2.0, 5.0])\n"
    text += "def lift_backward(g, c): return g * np.where(c < 1, 2.0, np.where(c < 2, -1.0, 3.0))\n"
    (exercise,) = targets(written(tmp_path / "lift.py", text))
    found = outcome(exercise)
    assert found.verdict == "cannot judge"
    assert found.why.startswith(
        "right for c 4,5 between 0 and 1, wrong for c 4,5 (wrong_local_derivative), all guessed"
    )
    assert outcome(exercise, [shape("4,5=0.1..0.9")]).verdict == "right"
    assert outcome(exercise, [shape("4,5=-3..0.9")]).verdict == "wrong"


@pytest.mark.parametrize("case", SOME, ids=IDS)
def test_faults_in_files_are_found_and_right_ones_are_not_accused(case, tmp_path):
    assert as_files.judged(case, "bad", tmp_path) is not None
    assert as_files.judged(case, "good", tmp_path) is None


LIKE = {
    "affine_backward": "linear", "relu_backward": "relu", "batchnorm_backward": "batch_norm(training=True)",
    "batchnorm_backward_alt": "batch_norm(training=True)", "conv_backward_naive": "conv2d(stride=2, padding=1",
    "max_pool_backward_naive": "max_pool2d", "rnn_step_backward": "rnn_cell", "sigmoid_prime": "sigmoid",
    "word_embedding_backward": "embedding", "softmax_loss": "cross_entropy", "Affine": "linear",
    "dropout_backward": "", "svm_loss_naive": "",
}  # fmt: skip


def test_a_layer_is_compared_with_the_rule_of_its_name():
    course = {exercise.name: exercise for exercise in targets(str(COURSE))}
    for name, like in LIKE.items():
        assert (likeness(name, guess(course[name])) or "").startswith(like), name
        assert like or likeness(name, guess(course[name])) is None, name


def test_a_name_alone_is_not_believed():
    scaled = Exercise("linear", lambda x, w: 2 * x @ w, lambda g, x, w: (2 * g @ w.T, 2 * x.T @ g))
    assert likeness("linear", guess(scaled)) is None
    plain = Exercise("linear", lambda x, w: x @ w, lambda g, x, w: (g @ w.T, x.T @ g))
    assert likeness("linear", guess(plain)) == "linear"
