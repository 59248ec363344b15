"""What check says of code that is wrong."""

import pullback


def named(forward, backward, *inputs, **options):
    """The causes, and the evidence for the first."""
    report = pullback.check(forward, backward, *inputs, **options)
    assert report.verdict == "wrong"
    return [cause.name for cause in report.causes], report.causes[0].evidence
