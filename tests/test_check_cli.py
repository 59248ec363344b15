"""`pullback check`: what it prints for a file and for one layer, its exit codes, and what users get wrong."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from pullback.check.files import command
from pullback.cli import main

COURSE = str(Path(__file__).parent / "exercises" / "course.py")
AFFINE = f"{COURSE}:affine_forward,affine_backward"
SHAPES = ["--shape", "4,5", "--shape", "5,3", "--shape", "3"]
WRONG = {"batchnorm_backward_alt": "x", "linear_activation_backward": "W", "Dense": "W"}


def run(*args):
    return CliRunner().invoke(main, ["check", *args])


def refused(*args):
    """The one line on stderr."""
    found = run(*args)
    assert found.exit_code == 2, found.output
    assert found.stderr.startswith("pullback: ") and found.stderr.count("\n") == 1, found.stderr
    return found.stderr


@pytest.fixture(scope="module")
def course():
    found = run(COURSE)
    assert found.exit_code == 1
    assert max(map(len, found.output.splitlines())) <= 80
    whole = found.output.replace("\n    ", " ")
    return [line.split(None, 1) for line in whole.splitlines()]


def test_a_file_is_judged_a_line_each(course):
    assert len(course) == 18
    assert {name for name, says in course if says.startswith("wrong")} == set(WRONG)
    assert all(says.startswith(("right", "wrong")) for _, says in course)


def test_a_line_is_said_before_the_next_layer_is_judged(monkeypatch, tmp_path):
    said, before, outcome = [], [], command.outcome
    monkeypatch.setattr(command, "outcome", lambda each, **how: before.append(len(said)) or outcome(each, **how))
    path = tmp_path / "three.py"
    path.write_text("".join(f"def f{k}(x): return {k} * x\ndef f{k}_backward(g): return {k} * g\n" for k in (1, 2, 3)))
    code = command.run(str(path), [], None, [], "float64", 0, 1, False, said.append)
    assert (
        code == 0
        and before == [0, 1, 2]
        and [line.split()[0] for line in said] == [f"f{k}_backward" for k in (1, 2, 3)]
    )


def test_a_wrong_line_names_the_input_and_the_cause(course):
    says = {name: says.removeprefix("wrong").strip() for name, says in course if name in WRONG}
    for name, where in WRONG.items():
        assert says[name].startswith(f"{where}: "), says
    assert "missing_jacobian_term" in says["batchnorm_backward_alt"]
    assert "constant_factor" in says["linear_activation_backward"]


def test_what_is_guessed_is_said(course):
    says = {name: says.split(None, 1)[1] for name, says in course}
    assert says["affine_backward"] == "with x 4,5, w 5,3, b 3"
    assert says["batchnorm_backward_alt"].endswith(" (with x 4,5, gamma 5, beta 5, mode=train)")
    guessed = "note      the inputs are guessed: x 4,5, w 5,3, b 3"
    assert guessed in run(AFFINE).output and "guessed" not in run(AFFINE, *SHAPES).output


def test_one_layer_is_reported_whole():
    found = run(AFFINE, *SHAPES, "--like", "linear")
    assert found.exit_code == 0 and "right" in found.output and found.output.count("\n") > 3
    found = run(f"{COURSE}:batchnorm_forward,batchnorm_backward_alt")
    assert found.exit_code == 1 and "missing_jacobian_term" in found.output


def test_classes_and_losses_and_options():
    assert run(f"{COURSE}:Affine").exit_code == 0
    assert run(f"{COURSE}:Dense").exit_code == 1
    assert run(f"{COURSE}:softmax_loss", "--shape", "4,5", "--shape", "4<5").exit_code == 0
    assert run(f"{COURSE}:conv_forward_naive,conv_backward_naive", "--set", "stride=1", "--set", "pad=2").exit_code == 0
    assert run(f"{COURSE}:affine_forward,affine_backward", "--seed", "7").exit_code == 0
    assert run(f"{COURSE}:affine_forward,affine_backward", "--dtype", "float32").exit_code == 0


def test_the_second_derivative_is_judged_if_asked_for(tmp_path):
    path = tmp_path / "functions.py"
    path.write_text("""
import torch
class Square(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x
    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return 2 * g * x.detach()
""")
    assert run(str(path)).exit_code == 0
    found = run(str(path), "--order", "2")
    assert found.exit_code == 1 and "x, second: higher_order" in found.output
    assert run(AFFINE, "--order", "2").exit_code == 3
    assert "3 is not in the range" in refused(AFFINE, "--order", "3")


def test_hyperparameters_that_nobody_said_are_shown():
    conv = f"{COURSE}:conv_forward_naive,conv_backward_naive"
    assert "b 4, stride=2, pad=1" in run(conv).output.replace("\n            ", " ")
    assert "stride=1" not in (said := run(conv, "--set", "stride=1").output) and "pad=1" in said


def test_json():
    found = json.loads(run(f"{COURSE}:batchnorm_forward,batchnorm_backward_alt", "--json").output)
    assert found["verdict"] == "wrong" and found["findings"]
    found = run(AFFINE.replace("_backward", "_backward"), "--json")
    assert json.loads(found.output)["verdict"] == "right"


def test_json_names_what_the_lines_name(course):
    found = json.loads(run(COURSE, "--json").output)
    assert [each["name"] for each in found] == [name for name, _ in course]


def test_right_for_a_single_number_alone_is_not_right(tmp_path):
    """The sum of a number is that number: its backward may forget to spread the gradient."""
    path = tmp_path / "sums.py"
    path.write_text("def total_forward(x): return x.sum(0), x\ndef total_backward(dout, x): return dout\n")
    found = run(str(path))
    assert found.exit_code == 3 and "right for x (), and no gradient fits x 4,5" in " ".join(found.output.split())
    path.write_text("import math\ndef sine(x): return math.sin(x)\ndef sine_backward(g, x): return g * math.cos(x)\n")
    assert run(str(path)).exit_code == 0


def test_what_cannot_be_called_cannot_be_judged(tmp_path):
    path = tmp_path / "odd.py"
    path.write_text("def odd_forward(x): raise ValueError('never')\ndef odd_backward(dout, x): return dout\n")
    found = run(str(path))
    assert found.exit_code == 3
    says = found.output.replace("\n    ", " ").split(None, 1)[1]
    assert says.startswith("cannot judge  it did not run with any inputs that we tried; the first try: odd_forward ")
    assert "odd_backward: it did not run" in refused(f"{path}:odd_forward,odd_backward")


def test_a_backward_without_a_forward_gets_a_line(tmp_path):
    path = tmp_path / "layers.py"
    path.write_text("""
def square_forward(x): return x * x, x
def square_backward(g, x): return 2 * g * x
def poool_forward(x): return x, x
def pool_backward(g, x): return g
""")
    found = run(str(path))
    assert found.exit_code == 3
    assert [line.split(None, 1)[0] for line in found.output.splitlines()] == ["square_backward", "pool_backward"]
    assert found.output.splitlines()[1].endswith("cannot judge  no forward found: pool_forward, pool")
    assert json.loads(run(str(path), "--json").output)[1] == {
        "name": "pool_backward", "verdict": "cannot judge", "problem": "no forward found: pool_forward, pool",
    }  # fmt: skip


def test_helpers_are_no_backwards_without_a_forward(tmp_path):
    path = tmp_path / "layers.py"
    path.write_text("""
import numpy as np
def square_forward(x): return x * x, x
def square_backward(g, x): return through_backward(g) * 2 * x
def through_backward(g): return g
def _step_backward(g): return g
def numerical_grad(f, x): return f(x + 1e-5) - f(x)
def register(function): return function
def hook_backward(g): return g
register(hook_backward)
""")
    found = run(str(path))
    assert found.exit_code == 0 and found.output.split()[0] == "square_backward" and found.output.count("\n") == 1


def test_a_class_that_is_made_with_numbers_says_how_to_make_one(tmp_path):
    path = tmp_path / "layers.py"
    path.write_text("""
import numpy as np
class Affine:
    def __init__(self, rows, columns, start):
        if start != "random":
            raise ValueError("it starts in no such way")
        self.w = np.random.default_rng(0).normal(size=(rows, columns))
    def forward(self, x):
        self.x = x
        return x @ self.w
    def backward(self, g):
        self.dw = self.x.T @ g
        return g @ self.w.T
""")
    says, line = refused(f"{path}:Affine"), " ".join(run(str(path)).output.split())
    assert "say what Affine is made with, --set rows=... --set columns=... --set start=..., or make an object" in says
    assert "--set start=..., or make an object in the file, layer = Affine(...)" in line
    assert run(f"{path}:Affine", "--set", "rows=5", "--set", "columns=3", "--set", "start=random").exit_code == 0
    assert "--set start=..., or" in refused(f"{path}:Affine", "--set", "rows=5")
    path.write_text(path.read_text() + "layer = Affine(5, 3, 'random')\n")
    assert run(f"{path}:layer").exit_code == 0


def test_what_users_get_wrong(tmp_path):
    assert "nowhere.py: no such file" in refused("nowhere.py")
    assert "has no 'afine_forward' (did you mean affine_forward" in refused(AFFINE.replace(":aff", ":af"), *SHAPES)
    assert "it takes 3 arrays (x, w, b), got 2 shapes" in refused(AFFINE, *SHAPES[:4])
    assert "'4x5' is no shape; write 4,5" in refused(AFFINE, "--shape", "4x5")
    assert "it has no parameter stride" in refused(AFFINE, "--set", "stride=2")
    conv = f"{COURSE}:conv_forward_naive,conv_backward_naive"
    assert (
        "it has no parameter paddding" in (misspelt := refused(conv, "--set", "paddding=3")) and "padding?" in misspelt
    )
    assert "there is no rule 'affine'; did you mean linear?" in refused(AFFINE, *SHAPES, "--like", "affine")
    assert "is no option; write name=value" in refused(AFFINE, "--set", "stride")
    assert "--shape and --like are for one layer" in refused(COURSE, "--like", "linear")
    assert "name a forward and a backward" in refused(AFFINE.replace("_backward", "_backward,"))
    assert "it did not run with what was given: affine_forward raises" in refused(
        AFFINE, *SHAPES[:2], "--shape", "4,3", *SHAPES[4:]
    )
    assert "no style of code is recognised in numpy without a backward" in refused(f"{COURSE}:np")
    empty = tmp_path / "empty.py"
    empty.write_text("x = 1\n")
    assert "has nothing to check" in refused(str(empty))
    empty.write_text("import nonsense_that_is_not_there\n")
    assert "does not import: ModuleNotFoundError" in refused(str(empty))


def test_nothing_is_imported_for_a_file_without_a_framework():
    code = (
        "import sys; from pullback.cli import main\n"
        f"try: main(['check', {AFFINE!r}])\nexcept SystemExit as end: assert end.code == 0\n"
        "print(*{'torch', 'jax', 'autograd', 'mygrad', 'thinc', 'sympy'} & set(sys.modules), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0 and done.stderr.split() == [], done.stderr
