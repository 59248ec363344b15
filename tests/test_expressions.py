"""The little language of a rule's texts: what it says, and that it says nothing else."""

from math import inf, nan

import pytest

from pullback.errors import SignatureError
from pullback.expressions import evaluate

NAMES = dict(i=6, m=2, groups=3, stride=(1, 2), padding="same", kernel=(3, 4), idx=None, flag=True, nan=nan, huge=inf)

SAYS = {
    "4*m": 8, "i/groups": 2.0, "i // 4 + 1": 2, "-m": -2, "m**3": 8, "(m, 3)": (2, 3), "prod(kernel)": 12,
    "min(stride) > 0": True, "stride > 0": True, "stride > 1": False, "0 <= stride <= kernel / 2": True,
    "stride == 1": False, "stride * 2 - 1": (1, 3), "i % groups == 0": True, "idx is None or -m <= idx < m": True,
    "idx is not None and idx < m": False, "padding in ('same', 'valid') or padding >= 0": True,
    "padding >= 0": False, "padding != 'same' or stride == 1": False, "not flag or m > 1": True,
    "padding not in ('up',)": True, "len(kernel)": 2, "broadcast(kernel, (2, 1, 4))": (2, 3, 4),
    "broadcast(kernel, stride) is None": True, "kernel == (3, 4, 5)": False, "kernel != (3, 4, 5)": True,
    "kernel == ()": False, "nan <= inf": False, "huge <= inf": True, "-inf < huge < inf": False, "-inf < m < inf": True,
}  # fmt: skip


@pytest.mark.parametrize("text", SAYS)
def test_says(text):
    assert evaluate(text, NAMES) == SAYS[text]


@pytest.mark.parametrize(
    "text", ["__import__('os')", "m.real", "[m]", "lambda: 1", "open(1)", "kernel[0]", "m if i else 2"]
)
def test_says_nothing_else(text):
    with pytest.raises(SignatureError, match="more than this little language can say"):
        evaluate(text, NAMES)


def test_what_cannot_be_read():
    with pytest.raises(SignatureError, match="cannot read"):
        evaluate("m +", NAMES)
    with pytest.raises(KeyError):
        evaluate("nosuch + 1", NAMES)
