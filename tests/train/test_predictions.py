"""Texts that are continued, and predictions."""

import numpy as np
import pytest
from trained import POEM, work

from pullback import train
from pullback.errors import DataError
from pullback.train import text
from pullback.train.predict import lines, predict


def test_windows():
    data, test = text.parts(POEM)
    assert data.x.shape == data.t.shape == (28, 64) and test.x.shape == (3, 64)
    assert np.array_equal(data.x[:, 1:], data.t[:, :-1])
    assert data.t[0, -1] == data.x[1, 0] == POEM.codes[64]
    assert test.x[0, 0] == POEM.codes[1800]
    with pytest.raises(DataError, match="poem: 300 characters are too few; needs 650 or more"):
        text.parts(POEM._replace(codes=POEM.codes[:300]))


def test_a_text_is_learned_and_continued(tmp_path):
    (tmp_path / "poem.txt").write_text("\nabcdef" * 600)
    run, said = work(tmp_path, str(tmp_path / "poem.txt"), model="gru", epochs=5, lr=2e-2)
    assert "bits per character" in said and "A sample:" in said and "Confusion" not in said
    (found,) = lines(str(run.folder), "abc")
    assert found.startswith("abcdef\nabcdef\nabcdef") and len(found) == 403
    assert list(lines(str(run.folder), "abc")) == [found]
    with pytest.raises(DataError, match="the model has never met 'x' 'ä'"):
        list(lines(str(run.folder), "axäa"))
    with pytest.raises(DataError, match="no text to continue"):
        list(lines(str(run.folder), ""))


def test_a_table_is_learned_and_predicted(tmp_path):
    """Columns may come in another order, and on another scale than 0..1."""
    rng = np.random.default_rng(0)
    rows = [(f"{1000 * a:.2f}", f"{b:.4f}", "up" if a + b > 0 else "down") for a, b in rng.normal(size=(300, 2))]
    (tmp_path / "t.csv").write_text("a,b,way\n" + "".join(",".join(row) + "\n" for row in rows))
    run, _ = work(tmp_path, str(tmp_path / "t.csv"), target="way", epochs=10)
    (tmp_path / "new.csv").write_text("b,a\n1.5,2000\n-1.5,-2000\n")
    found = predict(run, str(tmp_path / "new.csv"))
    assert [p.label for p in found] == ["up", "down"]
    assert all(0.9 < p.probability <= 1 for p in found)
    p = train.Run(run.folder).probabilities(np.array([[2000, 1.5], [-2000, -1.5]], "f4"))
    assert p.max(1).tolist() == [each.probability for each in found] and list(run.config.classes) == ["down", "up"]
    said = list(lines(str(run.folder), str(tmp_path / "new.csv")))
    assert said[0].split()[0] == "up" and said[0].split()[1] == f"{found[0].probability:.4f}"


def test_labels_stay_on_their_lines(tmp_path):
    """A label may hold anything: the end of a line, or what a terminal takes for a command."""
    rows = [(str(a), '"up\n\x1b[31m"' if a > 0 else "höch") for a in np.random.default_rng(0).normal(size=60)]
    (tmp_path / "t.csv").write_text("a,way\n" + "".join(",".join(row) + "\n" for row in rows), encoding="utf-8")
    run, _ = work(tmp_path, str(tmp_path / "t.csv"), target="way", epochs=10, lr=0.1)
    (tmp_path / "new.csv").write_text("a\n9\n-9\n")
    said = list(lines(str(run.folder), str(tmp_path / "new.csv")))
    assert [line.rpartition("  ")[0].rstrip() for line in said] == [r"up\n\x1b[31m", "höch"]


def test_predictions_of_a_folder_name_its_files(tmp_path):
    from PIL import Image

    run, _ = work(tmp_path, model="mlp", epochs=1)
    (tmp_path / "new" / "more").mkdir(parents=True)
    for name in "b.png", "a.png", "more/c.png":
        Image.new("L", (8, 8), 100).save(tmp_path / "new" / name)
    said = [line.split() for line in lines(str(run.folder), str(tmp_path / "new"))]
    assert [name for *_, name in said] == ["a.png", "b.png", "more/c.png"]
    assert [(label, float(p) > 0) for label, p, _ in said] == [(said[0][0], True)] * 3
    (alone,) = lines(str(run.folder), str(tmp_path / "new" / "a.png"))
    assert alone.split() == said[0][:2]


@pytest.mark.filterwarnings("error")
def test_tables_of_extreme_numbers():
    """x - mean would overflow in float32; the scaled numbers do not."""
    x = np.array([[3e38], [-3e38], [-3e38], [-3e38]], "f4")
    scaling = train.Scaling.fit(x)
    np.testing.assert_allclose(scaling.apply(x)[:, 0], [3**0.5, *[-(3**-0.5)] * 3], rtol=1e-6)
    assert scaling.apply(x).dtype == np.float32
    close = train.Scaling.fit(np.array([[1e-20], [2e-20]], "f4"))
    with pytest.raises(DataError, match="row 2 is too far from the others: it holds 3e.38, but column 1 has mean 1.5e"):
        close.apply(x[[1, 0]] * np.array([[0], [1]], "f4"))


def test_a_model_from_a_file(tmp_path):
    (tmp_path / "net.toml").write_text('[[layer]]\nkind = "Flatten"\n\n[[layer]]\nkind = "Linear"\n')
    run, said = work(tmp_path, model=str(tmp_path / "net.toml"), epochs=2)
    assert set(run.trained().parameters) == {"1.weight", "1.bias"}
    assert "650" in said
