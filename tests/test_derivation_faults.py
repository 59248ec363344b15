"""Every line of every derivation is broken in turn: its sign, a factor, an index. Each break is caught."""

import pytest
from mutations import BOOK, KINDS, breaks, outcome

DEVIATIONS = "deviations from the mean sum to 0: (j==k) alone stays, whatever is added to it"
SLOPES = "(j==k) - 1/N sums to 0 over k: x[k] alone stays, whatever is added to it"
TRUE = {  # the identities that are no exchange of indices
    "sum(k, 2 * (x[e, k] - mean[e]) * ((j == k) + 1 / N)) / N": DEVIATIONS,
    "sum(k, 2 * (x[e, k] + mean[e]) * ((j == k) - 1 / N)) / N": SLOPES,
    "sum(a, s, 2 * (x[a, c, s] - mean[c]) * ((a == f) * (s == q) + 1 / N)) / N": DEVIATIONS,
    "sum(a, s, 2 * (x[a, c, s] + mean[c]) * ((a == f) * (s == q) - 1 / N)) / N": SLOPES,
}


@pytest.mark.parametrize("name", BOOK)
def test_every_broken_line_is_caught(name):
    """Or SymPy proves that what stands there now is the same."""
    tried = [*breaks(BOOK[name].derivation)]
    found = [(broken, outcome(name, broken)) for broken in tried]
    assert len(tried) > 2
    assert [broken.by for broken, known in found if known == "missed"] == []
    identities = [broken for broken, known in found if known == "identity"]
    assert {broken.by for broken in identities if broken.kind != "index"} <= set(TRUE)


def test_breaks_of_every_kind_are_tried():
    tried = [broken for rule in BOOK.values() for broken in breaks(rule.derivation)]
    assert set(TRUE) <= {broken.by for broken in tried} and len(tried) > 2000
    assert {broken.kind for broken in tried} == set(KINDS)
