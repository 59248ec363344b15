"""Common mistakes: each is one, could be made in this layer, and is told apart from the others."""

import numpy as np
import pytest
from explaining import RULES, run

import pullback as pb
from pullback.handbook.explanation import explain


@pytest.mark.parametrize("name", RULES)
def test_every_mistake_is_one(name):
    found = explain(name)
    right = {g.name: g.values for g in found.gradients}
    assert len(found.mistakes) >= 4
    for mistake in found.mistakes:
        assert mistake.says
        for g, wrong in mistake.gradients.items():
            assert wrong.shape != right[g].shape or not np.allclose(wrong, right[g])


@pytest.mark.parametrize("name", RULES)
def test_no_two_mistakes_show_the_same(name):
    firsts = [next(iter(mistake.gradients.items())) for mistake in explain(name).mistakes]
    shown = [(g, str(np.round(a, 9) + 0.0)) for g, a in firsts]
    assert len(set(shown)) == len(shown)


def test_mistakes_are_some_that_can_be_made():
    """A mean where examples share a parameter, a kernel where there is one."""
    named = lambda *args, **kw: {m.name: m.gradients for m in explain(*args, **kw).mistakes}
    everywhere = {"mean", "first only", "transposed", "reversed"}
    assert not everywhere & set(named("softmax", [2.0, 3.0])) and not everywhere & set(named("relu"))
    assert "first only" in named("embedding")
    x, w, gy = np.array([[1.0, 2.0], [3.0, 5.0], [2.0, 2.0]]), np.array([[1.0, 1.0]]), np.ones((3, 1))
    averaged = named("linear", x, w, gy=gy)["the gradient of w averaged over the batch"]
    assert set(averaged) == {"gw"} and np.allclose(averaged["gw"], x.mean(0))
    assert not any("averaged" in name for name in named("linear", x[0], w))


def test_mistakes_of_the_formula_come_first():
    names = lambda rule: [mistake.name for mistake in explain(rule, lang="en").mistakes]
    assert "variance treated as constant" in names("layer_norm")[:8]
    assert any(name.startswith("last time step only") for name in names("lstm"))
    assert "overlapping windows write over each other: = for +=" in [
        m.name for m in explain("max_pool1d", [1.0, 3.0, 2.0], kernel_size=2, stride=1, lang="en").mistakes
    ]
    norm = explain("layer_norm", [2.0, -1.0, 0.5], lang="en")
    u, r, g = (norm.outputs[0].values, 1 / np.sqrt(np.var([2.0, -1.0, 0.5]) + 1e-5), norm.above[0].values)
    forgotten = next(m for m in norm.mistakes if m.name == "variance treated as constant")
    assert np.allclose(forgotten.gradients["gx"], r * (g - g.mean())) and np.allclose(u.mean(), 0)


def test_faults_of_meaning():
    """The famous ones: softmax as if it were elementwise, sigmoid' at y, a matrix that is not transposed."""
    named = lambda *args, **kw: {m.name: m.gradients for m in explain(*args, **kw).mistakes}
    x, gy = np.array([2.0, 3.0]), np.array([1.0, 0.0])
    y = pb.softmax(x)
    assert np.allclose(named("softmax", x, gy=gy)["diagonal only"]["gx"], y * (1 - y) * gy)
    assert "not transposed" not in named("softmax", x), "its Jacobian is symmetric"
    assert np.allclose(
        named("sigmoid", x, gy=gy)["at the output"]["gx"], pb.sigmoid.linearize(pb.sigmoid(x))[1].vjp(gy)
    )
    w = np.array([[1.0, 2.0], [3.0, 4.0]])
    assert np.allclose(named("linear", x, w, gy=gy)["not transposed"]["gx"], w @ gy)
    assert "first output only" in named("lstm_cell") and "first output only" not in named("gru_cell")


@pytest.mark.parametrize("name", RULES)
def test_a_forgotten_2_halves_no_more_than_its_square(name):
    assert "half" not in {mistake.name for mistake in explain(name).mistakes}


def test_what_a_forgotten_2_gives():
    """Computed by differences, of what is left of the function if d(v²) is v dv: half the square, the rest as it is."""
    wrong = lambda *args, **kw: next(m.gradients for m in explain(*args, **kw).mistakes if "2 of " in m.name)
    for loss, told in (("huber_loss", [1, 0.25]), ("smooth_l1_loss", [1, 0.25])):
        found = wrong(loss, [5.0, 0.5], [0.0, 0.0], reduction="sum", gy=1.0)
        assert np.allclose(found["gx"], told) and np.allclose(found["gt"], np.negative(told))
    x, gy = np.array([1.0, 2.0, 3.0]), np.array([1.0, -2.0, 0.5])
    size = lambda v: 1 / np.sqrt(v @ x / 3)  # one of the two factors of x² moves, not both
    moved = lambda v: (v * size(v)) @ gy
    slopes = [(moved(x + 1e-6 * e) - moved(x - 1e-6 * e)) / 2e-6 for e in np.eye(3)]
    found = wrong("rms_norm", x, gy=gy)
    assert np.allclose(found["gx"], slopes, rtol=1e-6) and set(found) == {"gx"}


def test_what_a_sweep_through_time_overwrites():
    """It goes from the last step to the first: what `=` leaves of the sum is the first."""
    x, w, u, h = [1.0, -1.0, 0.5], 0.5, 2.0, [0.3]
    for x_t in x:
        h.append(np.tanh(w * x_t + u * h[-1]))
    gh = 1.0
    for t in (3, 2, 1):
        gz = (1 - h[t] ** 2) * gh
        gw, gu, gh = gz * x[t - 1], gz * h[t - 1], u * gz
    found = explain("rnn", np.reshape(x, (3, 1, 1)), h=[[[0.3]]], w_l0=[[w]], u_l0=[[u]], gh1=[[[1.0]]], lang="en")
    (wrong,) = (m.gradients for m in found.mistakes if m.name.startswith("= for +="))
    assert np.isclose(wrong["gw_l0"].item(), gw) and np.isclose(wrong["gu_l0"].item(), gu)


@pytest.mark.parametrize("lang, says", [("en", "None of the mistakes"), ("zh", "已知的错误都不会")])
def test_where_no_mistake_matters_it_is_said(lang, says):
    """The heading of the mistakes has something below it for no numbers at all, too."""
    for args in (["softmax", "--x", "[]"], ["mse_loss", "--x", "[]", "--t", "[]"]):
        assert says in run(*args, "--lang", lang).output.rstrip().splitlines()[-1]
