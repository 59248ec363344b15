"""What the tests of `pullback explain` share: the command, its refusals, and numbers read from what it says."""

import numpy as np
from click.testing import CliRunner

from pullback.cli import main
from pullback.discovery import every

RULES = list(every())


def run(*args):
    return CliRunner().invoke(main, ["explain", *args])


def refused(*args):
    """The one line on stderr."""
    found = run(*args)
    assert found.exit_code == 2, found.output
    assert found.stderr.startswith("pullback: ") and found.stderr.count("\n") == 1 and not found.stdout, found.output
    return found.stderr


def untupled(options):
    return {name: tuple(v) if isinstance(v, list) else v for name, v in options.items()}


def lines_agree(found):
    assert not isinstance(found.derivation, str)
    gradients = {g.name: g.values for g in found.gradients}
    for chain in found.derivation:
        if chain.lines[0].reason.startswith("the size of axis"):
            assert chain.lines[0].text.isdigit() and not chain.lines[0].values
            continue
        shown = [[numbers(value) for value in line.values if value] for line in chain.lines]
        assert all(len(line.values) == len(chain.lines[0].values) for line in chain.lines)
        assert shown[0] and all(np.allclose(np.array(v, float), np.array(shown[0], float), rtol=1e-3) for v in shown)
        gradient = gradients.get(chain.head.text.partition("[")[0])
        if gradient is not None:
            assert np.isclose(gradient, shown[0][0], rtol=1e-3, atol=1e-9).any()


def numbers(said):
    """What stands behind the last `=`: a number, or those of a place; not what float64 would give."""
    return [float(number) for number in said.partition("   (")[0].rpartition("= ")[2].split(",")]
