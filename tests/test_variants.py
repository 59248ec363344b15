"""Every rule's own mistakes: they are there, they differ from the right gradient, and are caught and named."""

import warnings
from collections import Counter

import pytest
from faults.planted import CASES, FAMILIES, judged, line, plantable, planted, trials

from pullback.check import judge
from pullback.check.variants import families, variants
from pullback.discovery import every

FIVE = "convolution", "transposed convolution", "pooling", "recurrent", "normalisation", "softmax", "attention"
SMALL = {family: [name for name in names if name[-2:] not in ("2d", "3d")] for family, names in FAMILIES.items()}
SMALL["recurrent"] = ["rnn_cell", "lstm_cell", "gru_cell", "rnn"]  # the others take minutes: `make faults`
FLOORS = dict(caught=0.99, first=0.85, three=0.9, named=0.6)


@pytest.fixture(autouse=True)
def hurried(monkeypatch):
    """A mistake shows at the example: no need to look long for other inputs."""
    monkeypatch.setattr(judge, "SECONDS", 0.2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        yield


@pytest.mark.parametrize("family", FAMILIES)
def test_every_rule_has_mistakes_that_make_a_difference(family):
    least = 5 if family in FIVE else 3
    for name in FAMILIES[family]:
        assert len(plantable(name)) >= least, f"{name} has {len(plantable(name))} variants that differ"


def test_every_mistake_of_the_tables_can_be_made():
    made = {says for name in every() if name[-2:] not in ("2d", "3d") for says in plantable(name)}
    told = {variant.says for name in every() for variant in variants(every()[name])}
    assert not told - made
    assert families() and set(CASES) <= set(every())


@pytest.mark.parametrize("family", SMALL)
def test_mistakes_are_caught_and_named(family):
    counts = sum((each.counts() for name in SMALL[family] for each in planted(name)), Counter())
    print(line(family, counts))
    for what, share in FLOORS.items():
        assert counts[what] >= share * counts["n"], line(family, counts)


@pytest.mark.parametrize("like", [False, True], ids=["alone", "like"])
@pytest.mark.parametrize("family", SMALL)
def test_the_right_backward_is_right(family, like):
    for name in SMALL[family]:
        trial = next(trial for trial in trials(name) if all(x is None or x.size for x in trial.x))
        report = judged(trial, like=trial.rule if like else None)
        assert report.verdict == "right", f"{name}: {report}"
