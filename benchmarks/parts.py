"""Where the time of a convolution's row goes: `python benchmarks/parts.py "conv stride 2"`.

The three products, each as a share of the register tile's peak. That is measured before and after every call, so that
what slows the machine slows both; a share above 1 is Winograd's, who needs fewer multiplications.
"""

import statistics
import time

import click
import numpy as np
import ours
import roofline
from rows import ROWS

import pullback as pb
from pullback.kernels import conv

TIMES = 31


def peak(threads):
    """Seconds of one multiplication, all threads together."""
    given, flops = roofline.operands(threads)
    return seconds(lambda: roofline.multiply(*given)) / flops


def seconds(work):
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def measured(work, flops, threads):
    """The median time, and the share of the peak: median and quartiles."""
    times, shares = [], []
    for _ in range(3):
        work()
    for _ in range(TIMES):
        before, took = peak(threads), seconds(work)
        times.append(took)
        shares.append(flops * (before + peak(threads)) / 2 / took)
    return statistics.median(times), statistics.quantiles(shares, n=4)


def products(batch, i, o, size, k, stride, padding, groups, first):
    """Forward, input gradient (not of a first layer) and weight gradient, on channels-last arrays."""
    x = np.moveaxis(ours.normal(batch, size, size, i), -1, 1)
    w, b = ours.normal(o, i // groups, k, k, scale=0.05), ours.normal(o)
    y, at = pb.conv2d.linearize(x, w, b, stride=stride, padding=padding, groups=groups)
    gy, rule = np.moveaxis(ours.normal(batch, *y.shape[2:], o), -1, 1), at.rule
    yield "forward", lambda: conv.correlate(rule, x, w, b)
    if not first:
        yield "input gradient", lambda: conv.spread(rule, gy, w, None, rule.space(x))
    yield "weight gradient", lambda: conv.weigh(rule, gy, x, w)


@click.command()
@click.argument("words", nargs=-1, required=True)
@click.option("--threads", default=2, show_default=True, type=click.IntRange(1))
def main(words, threads):
    """The products of the rows whose names hold one of these words."""
    ours.start(threads)
    for row in ROWS:
        if row.kind != "conv" or not any(word in row.name for word in words):
            continue
        s = row.sizes
        out = (s["size"] + 2 * s["padding"] - s["k"]) // s["stride"] + 1
        flops = 2 * s["batch"] * out**2 * s["o"] * s["i"] // s["groups"] * s["k"] ** 2
        for name, work in products(**s):
            took, (low, middle, high) = measured(work, flops, threads)
            print(f"{row.name:18} {name:16} {took * 1e3:7.2f} ms  {middle:4.0%} of the peak ({low:.0%} .. {high:.0%})")


if __name__ == "__main__":
    main()
