"""Every rule's own mistakes: they are there, they differ from the right gradient, and are caught and named."""

import warnings
from collections import Counter

import pytest
from faults.planted import CASES, FAMILIES, judged, line, plantable, planted, small_first

from pullback.check.variants import families, variants
from pullback.discovery import every

FIVE = "convolution", "transposed convolution", "pooling", "recurrent", "normalisation", "softmax", "attention"
FAR = "2d", "3d"  # their mistakes are those of one axis, a few hundred checks more: `make faults` has them
LONG = "lstm", "gru"  # whose mistakes are those of their cells and of rnn: likewise
FLOORS = dict(caught=1, first=0.88, three=0.98, named=0.8)


@pytest.fixture(autouse=True)
def quiet():
    """Mistakes divide by nothing, some of them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        yield


@pytest.mark.parametrize("family", FAMILIES)
def test_every_rule_has_mistakes_that_make_a_difference(family):
    least = 5 if family in FIVE else 3
    for name in FAMILIES[family]:
        assert len(plantable(name)) >= least, f"{name} has {len(plantable(name))} variants that differ"


def test_every_mistake_of_the_tables_can_be_made():
    made = {says for name in every() if not name.endswith(FAR) for says in plantable(name)}
    told = {variant.says for name in every() for variant in variants(every()[name])}
    assert not told - made
    assert families() and set(CASES) <= set(every())


@pytest.mark.parametrize("family", FAMILIES)
def test_mistakes_are_caught_and_named(family):
    names = [name for name in FAMILIES[family] if not name.endswith(FAR) and name not in LONG]
    counts = sum((each.counts() for name in names for each in planted(name)), Counter())
    print(line(family, counts))
    for what, share in FLOORS.items():
        assert counts[what] >= share * counts["n"], line(family, counts)


@pytest.mark.parametrize("like", [False, True], ids=["alone", "like"])
@pytest.mark.parametrize("family", FAMILIES)
def test_the_right_backward_is_right(family, like):
    for name in FAMILIES[family]:
        trial = small_first(name)[0]
        report = judged(trial, like=trial.rule if like else None)
        assert report.verdict == "right", f"{name}: {report}"
