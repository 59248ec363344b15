"""What a check of something large costs, and what those see who wait for it."""

import io
import re
import sys
import time

import numpy as np
import pytest

import pullback
from pullback.check import progress
from pullback.check.adapters import adapt, classes
from pullback.check.differences import slopes
from pullback.check.moves import combined, coordinate, dense
from pullback.check.probes import lengths
from pullback.check.probes.projection import projected
from pullback.check.problem import Problem


class Terminal(io.StringIO):
    def isatty(self):
        return True


def counted(f):
    def run(*arrays):
        run.times += 1
        return f(*arrays)

    run.times = 0
    return run


def affine(x, w, b):
    return x @ w + b


def affine_backward(g, x, w, b):
    return g @ w.T, x.T @ g, g.sum(0)


def large(*shapes):
    rng = np.random.default_rng(0)
    return [rng.normal(size=shape) for shape in shapes]


def test_large_layers_run_a_few_hundred_times(monkeypatch):
    monkeypatch.setattr("pullback.check.judge.NUMBERS", 0)
    forward = counted(affine)
    assert pullback.check(forward, affine_backward, *large((8, 400), (400, 300), (300,))).verdict == "right"
    assert forward.times < 250


def test_further_inputs_cost_little_where_all_is_right():
    forward = counted(affine)
    report = pullback.check(forward, affine_backward, *large((4, 5), (5, 3), (3,)))
    assert report.verdict == "right" and report.tried > 50 and forward.times < 10 * report.tried


def normalised(x, w):
    """A sum of what is normalised moves with nothing: for one number from above everywhere, all terms cancel."""
    z = np.tanh(x @ w)
    centred = z - z.mean(-1, keepdims=True)
    return centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-5)


def normalised_back(g, x, w):
    z, y = np.tanh(x @ w), normalised(x, w)
    gy = g - g.mean(-1, keepdims=True) - y * (g * y).mean(-1, keepdims=True)
    gz = gy / np.sqrt(z.var(-1, keepdims=True) + 1e-5) * (1 - z**2)
    return gz @ w.T, x.T @ gz


def test_what_cancels_is_not_taken_for_a_sum_that_rounds():
    forward = counted(normalised)
    problem = Problem(adapt(forward, normalised_back, large((4, 6), (6, 8))), None, 0, "vjp", None)
    assert lengths.lengths(problem) == ([], [], True)
    assert forward.times < 100


def test_the_lengths_that_code_is_too_slow_for_are_said(monkeypatch):
    def backward(g, x, b):
        return g, np.cumsum(g, axis=0)[-1]

    def noted():
        report = pullback.check(lambda x, b: x + b, backward, *(a.astype("f4") for a in large((4, 3), (3,))))
        said = [each for each in report.power if "errors that grow with the length of a sum" in each]
        return [note.name for note in report.notes].count("low_precision_accumulation"), len(said)

    assert noted() == (1, 0)
    monkeypatch.setattr(lengths, "SLOW", 0)
    assert noted() == (0, 1)


def relu_and_pool(x, w):
    """Two layers with many kinks."""
    z = np.maximum(x @ w, 0)
    return z.reshape(len(x), -1, 2).max(-1) @ np.linspace(-1, 1, z.shape[1] // 2)[:, None]


def relu_and_pool_back(g, x, w):
    z = np.maximum(x @ w, 0)
    pairs, ways = z.reshape(len(x), -1, 2), np.linspace(-1, 1, z.shape[1] // 2)
    first = pairs[..., :1] >= pairs[..., 1:]
    gz = np.concatenate([first, ~first], -1) * (g * ways)[..., None]
    gz = gz.reshape(z.shape) * (x @ w > 0)
    return gz @ w.T, x.T @ gz


def test_kinks_that_do_not_count_are_not_looked_at_one_by_one():
    """Where a whole input is 0 hundreds of numbers are at a kink at once."""
    forward = counted(relu_and_pool)
    report = pullback.check(forward, relu_and_pool_back, *large((4, 9), (9, 12)))
    assert report.verdict == "right" and forward.times < 30 * report.tried


NEAR = (2e-4, 1, True), (-2e-4, -1, True), (2e-4, 0.999, False), (0.0, 1, False)


@pytest.mark.parametrize("x, slope, passes", NEAR)
def test_a_kink_nearby_is_no_reason_to_look_closely(x, slope, passes):
    backward = lambda g, x: g * np.array([slope, 1.0])
    problem = Problem(adapt(abs, backward, [np.array([x, 0.7])]), None, 0, "vjp", None)
    v, g, rng = problem.example, np.array([1.0, 0.5]), np.random.default_rng(0)
    assert (projected(problem, v, problem.f(v), g, rng) is not None) == passes


def test_how_much_is_tried_does_not_hang_on_the_machine(monkeypatch):
    """Neither of a small layer, of which all is tried, nor of a large one, where what is run is counted."""
    shapes = ((4, 5), (5, 3), (3,)), ((8, 800), (800, 600), (600,))
    report = lambda shape: pullback.check(affine, affine_backward, *large(*shape))
    quick = [report(each) for each in shapes]
    work = time.process_time
    monkeypatch.setattr(time, "process_time", lambda: 2 * work())
    monkeypatch.setattr(time, "perf_counter", lambda: 1000 * work())
    assert [str(report(each)) for each in shapes] == [str(each) for each in quick]
    assert "were" not in str(quick[0]) and f"{quick[1].tried} were" in str(quick[1])


def test_one_wrong_element_of_a_hundred_thousand_is_found():
    def backward(g, x, w, b):
        gw = x.T @ g
        gw[123, 45] *= 1.5
        return g @ w.T, gw, g.sum(0)

    forward = counted(affine)
    report = pullback.check(forward, backward, *large((8, 400), (400, 300), (300,)))
    assert [finding.verdict for finding in report.findings] == ["right", "wrong", "right"]
    assert report.findings[1].index == (123, 45) and np.isclose(report.findings[1].ratio, 1.5)
    assert forward.times < 500


def bent(x):
    return np.tanh(x) * np.maximum(x, 0.3)


@pytest.mark.parametrize("wrong", [1.01, 0, -1, np.nan])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_the_place_of_what_is_wrong_is_told_in_large_gradients(wrong, dtype):
    """With kinks between the others, and the right number beside it."""

    def backward(g, x):
        g = g.copy()
        g[17, 3] *= wrong
        return g * np.where(x > 0.3, np.tanh(x) + x * (1 - np.tanh(x) ** 2), 0.3 * (1 - np.tanh(x) ** 2)).astype(dtype)

    (finding,) = pullback.check(bent, backward, large((40, 50))[0].astype(dtype)).findings
    assert finding.verdict == "wrong" and finding.index == (17, 3) and not finding.projection
    assert np.isclose(finding.found, wrong * finding.wanted, 1e-5, equal_nan=True) and finding.wanted


def test_a_row_that_is_wrong_is_told_by_a_number_in_it():
    def backward(g, x, w, b):
        gw = x.T @ g
        gw[123] = 0
        return g @ w.T, gw, g.sum(0)

    _, finding, _ = pullback.check(affine, backward, *large((8, 400), (400, 300), (300,))).findings
    assert finding.index[0] == 123 and finding.found == 0


def test_what_moves_linearly_needs_no_steps_in_between():
    """Two of four steps settle it; one output that bends asks for all, and a kink for smaller ones too."""
    x, steps = np.array([0.3, 0.7]), np.array([0.02, 0.02])
    line, curve, kink = (lambda v: 3 * v[:1] - v[1:]), (lambda v: v[:1] + v[1:] ** 2), (lambda v: abs(v[:1] - 0.3))
    runs = []
    for f in map(counted, (line, curve, kink)):
        found = slopes(f, x, [coordinate(0).of, coordinate(1).of], steps, 4e-16)
        runs.append((f.times, found.value.round(6).tolist(), bool(found.error.max() < 1e-9)))
    assert runs[0] == (1 + 2 * 4, [[3, -1]], True)
    assert runs[1] == (1 + 4 + 8, [[1, 1.4]], True)
    assert runs[2][0] == 1 + 16 + 4


def test_large_outputs_are_taken_in_pieces(monkeypatch):
    """The same derivatives, kinks and all, however small the pieces are."""
    f = lambda v: np.concatenate([np.tanh(v), abs(v - 0.3), v**3])
    x, directions = np.linspace(-1, 1, 7).round(1), [coordinate(k).of for k in range(7)]
    found = [slopes(f, x, directions, np.full(7, 0.02), 4e-16)]
    monkeypatch.setattr("pullback.check.differences.CELLS", 5)
    found += [slopes(f, x, directions, np.full(7, 0.02), 4e-16)]
    for a, b in zip(*found):
        np.testing.assert_array_equal(a, b)


def test_moves_are_sparse_vectors():
    v = np.arange(5.0)
    moves = [dense(np.array([1.0, -2.0]), 1), coordinate(4), -coordinate(0)]
    moves += [combined(moves), moves[0] + moves[0]]
    vectors = [[0, 1, -2, 0, 0], [0, 0, 0, 0, 1], [-1, 0, 0, 0, 0], [-1, 1, -2, 0, 1], [0, 2, -4, 0, 0]]
    for move, vector in zip(moves, np.array(vectors, float)):
        np.testing.assert_array_equal(move.of(v, 0.5), v + 0.5 * vector)
        assert move.along(v) == vector @ v and move.reach(v) <= abs(v * vector).max()
        assert [move.moves(k, k + 1) for k in range(5)] == list(vector != 0)
    assert [move.coordinate() for move in moves] == [None, 4, 0, None, None]


def test_who_waits_at_a_terminal_sees_a_bar(monkeypatch):
    monkeypatch.setattr(progress, "MOMENT", 0)
    monkeypatch.setattr(progress, "PAUSE", 0)
    monkeypatch.setattr(sys, "stderr", Terminal())
    assert pullback.check(affine, affine_backward, (4, 5), (5, 3), (3,)).verdict == "right"
    shown = sys.stderr.getvalue()
    assert "affine" in shown and len(set(re.findall(r"(\d+)%", shown))) > 5


LAYERS = {
    "small": (affine, affine_backward, ((4, 5), (5, 3), (3,))),
    "wrong": (affine, lambda g, x, w, b: (g @ w.T, x.T @ g, g.mean(0)), ((4, 5), (5, 3), (3,))),
    "large": (affine, affine_backward, ((8, 80), (80, 60), (60,))),
    "of one input": (np.tanh, lambda g, x: g * (1 - np.tanh(x) ** 2), ((30, 30),)),
}


@pytest.mark.parametrize("name", LAYERS)
def test_the_bar_goes_on_until_the_end(monkeypatch, name):
    """Of what is done it shows about so much, and all of it at no time before the end."""
    shown = []
    monkeypatch.setattr(progress, "MOMENT", 0)
    monkeypatch.setattr(progress, "PAUSE", 0)
    monkeypatch.setattr(progress.Bar, "draw", lambda bar: shown.append(bar.done / bar.steps()))
    monkeypatch.setattr(sys, "stderr", Terminal())
    forward, backward, shapes = LAYERS[name]
    pullback.check(forward, backward, *large(*shapes))
    assert max(shown) < 0.995 and shown[-1] > 0.6
    assert shown[len(shown) // 2] < 0.75 or name == "wrong"  # how long a name is looked for nobody knows


class Notebook(io.StringIO):
    """What stderr is in Jupyter."""

    __module__ = "ipykernel.iostream"


def test_in_a_notebook_the_bar_is_a_line(monkeypatch):
    monkeypatch.setattr(progress, "MOMENT", 0)
    monkeypatch.setattr(progress, "PAUSE", 0)
    monkeypatch.setattr(sys, "stderr", Notebook())
    assert pullback.check(affine, affine_backward, (4, 5), (5, 3), (3,)).verdict == "right"
    shown = sys.stderr.getvalue().split("\r")
    assert "affine_backward 50%" in shown and "\n" not in sys.stderr.getvalue()
    assert shown[-1] == "" and not shown[-2].strip()  # it is wiped


@pytest.mark.parametrize("moment, stderr", [(0, io.StringIO), (100, Terminal)])
def test_nothing_is_written_elsewhere_or_too_soon(monkeypatch, moment, stderr):
    monkeypatch.setattr(progress, "MOMENT", moment)
    monkeypatch.setattr(sys, "stderr", stderr())
    pullback.check(affine, affine_backward, (4, 5), (5, 3), (3,))
    assert sys.stderr.getvalue() == ""


def test_there_is_one_bar_at_a_time(monkeypatch):
    monkeypatch.setattr(progress, "MOMENT", 0)
    monkeypatch.setattr(sys, "stderr", Terminal())
    with progress.Bar("a whole file", lambda: 2) as outer, progress.Bar("a layer of it", lambda: 9) as inner:
        outer.step(), inner.step()
    assert "a whole file" in sys.stderr.getvalue() and "a layer of it" not in sys.stderr.getvalue()


def test_a_bar_is_out_of_the_way_of_what_is_printed(monkeypatch):
    monkeypatch.setattr(progress, "MOMENT", 0)
    monkeypatch.setattr(progress, "PAUSE", 0)
    monkeypatch.setattr(sys, "stderr", Terminal())
    with progress.Bar("a whole file", lambda: 2) as bar:
        bar.step("first")
        with bar.aside():
            before = sys.stderr.getvalue()
            assert before.endswith("\x1b[2K"), before  # the line is wiped
        bar.step("second")
        assert "second" in sys.stderr.getvalue()[len(before) :]


@pytest.mark.parametrize("asks", [False, True])
def test_a_loop_in_jax_runs_in_python_only_at_first(asks):
    """And where its numbers are asked for on the way, it is judged all the same."""
    jax = pytest.importorskip("jax")
    jnp = jax.numpy

    @jax.custom_vjp
    def fixed_point(w, x):
        fixed_point.times += 1
        z = jnp.zeros_like(x)
        for _ in range(12):
            z = jnp.tanh(0.1 * z @ w + x)
            if asks and float(jnp.max(abs(z))) > 9:
                break
        return z

    def forth(w, x):
        z = fixed_point(w, x)
        return z, (w, z)

    def back(transposed):
        def backward(kept, g):
            w, z = kept
            slope = 1 - z**2
            jacobian = 0.1 * w[None] * slope[:, None]
            system = jnp.eye(len(w)) - (jacobian.swapaxes(1, 2) if transposed else jacobian)
            u = jnp.linalg.solve(system, g[..., None])[..., 0] * slope
            return 0.1 * z.T @ u, u

        return backward

    w, x = large((3, 3), (4, 3))
    for transposed, verdict in ((False, "right"),) if asks else ((False, "right"), (True, "wrong")):
        fixed_point.times = 0
        fixed_point.defvjp(forth, back(transposed))
        assert pullback.check(fixed_point, None, jnp.array(w), jnp.array(x), wrt="x").verdict == verdict
        assert asks or fixed_point.times < 500  # thousands, if each were a run of Python


def test_a_loop_of_jax_is_not_compiled_in_every_run(monkeypatch):
    jax = pytest.importorskip("jax")
    jnp, loop = jax.numpy, jax.lax.fori_loop
    compiler = pytest.importorskip("jax._src.compiler")
    compile_one, compiled = compiler.backend_compile_and_load, []
    monkeypatch.setattr(
        compiler, "backend_compile_and_load", lambda *a, **b: compiled.append(1) or compile_one(*a, **b)
    )

    @jax.custom_vjp
    def power(x):
        return loop(0, 3, lambda _, y: y * x, jnp.ones_like(x))

    power.defvjp(lambda x: (power(x), x), lambda x, g: (loop(0, 2, lambda _, y: y * x, 2 * g),))
    assert pullback.check(power, None, jnp.array([0.5, -1.2, 2.0])).verdict == "wrong"
    assert 0 < len(compiled) < 120  # hundreds, if each run were compiled


class Deep:
    """Layers within layers, which keep what they are given."""

    def __init__(self, depth):
        self.w, self.inner = large((3, 3))[0], Deep(depth - 1) if depth else None

    def forward(self, x):
        self.x = x
        y = np.tanh(x @ self.w)
        return self.inner.forward(y) if self.inner else y

    def backward(self, g):
        g = self.inner.backward(g) if self.inner else g
        dz = g * (1 - np.tanh(self.x @ self.w) ** 2)
        self.dw = self.x.T @ dz
        return dz @ self.w.T


def test_an_object_is_not_searched_for_its_parameters_in_every_run(monkeypatch):
    walks, forward = [], classes.Held.ran
    looked, runs = classes.paths, []
    monkeypatch.setattr(classes, "paths", lambda *holder: walks.append(1) or looked(*holder))
    monkeypatch.setattr(classes.Held, "ran", lambda *given: runs.append(1) or forward(*given))
    assert pullback.check(Deep(2), None, (4, 3)).verdict == "right"
    assert len(walks) < len(runs) / 10
