"""How cost grows with the batch, the width of a network, and the length of a sequence: `python benchmarks/scaling.py`.

Every library computes every curve in a process of its own; both axes of the picture, scaling.svg, are logarithmic.
"""

import json
import sys
import time
from functools import partial
from math import log10
from pathlib import Path

from worker import LIBRARIES

SEQUENCES = [8, 32, 128, 512, 2048]
CURVES = {  # what grows -> the sizes, the function of the libraries' files, its arguments
    "batch of 784-512-512-10": ([1, 4, 16, 64, 256, 1024, 4096], "mlp", lambda n: ([784, 512, 512, 10], n, "momentum")),
    "width of 64-n-n-10, batch 128": ([16, 64, 256, 1024, 4096], "mlp", lambda n: ([64, n, n, 10], 128, "momentum")),
    "steps of an lstm 64-128, batch 32": (SEQUENCES, "recurrent", lambda n: ("lstm", n, 32, 64, 128)),
}
SHOWN = "pullback", "torch", "jax"
DASHES = None, "7 4", "2 3"
CALLS, SECONDS = 5, 0.3


def median(work):
    """Of warm calls, in seconds."""
    work()
    times, end = [], time.perf_counter() + SECONDS
    while len(times) < CALLS or time.perf_counter() < end:
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return sorted(times)[len(times) // 2]


def measure(library, curve, threads):
    module, (sizes, kind, arguments) = LIBRARIES[library](), CURVES[curve]
    module.start(threads)
    return [median(partial(getattr(module, kind), *arguments(n))()) for n in sizes]


def drawn(found):
    from pullback.handbook.pictures.svg import element, picture, write

    wide, high, parts = 250, 220, []
    for k, (curve, (sizes, _, _)) in enumerate(CURVES.items()):
        times = [t for library in SHOWN for t in found[curve, library]]
        low, top = log10(min(times)), log10(max(times))
        left = 60 + k * (wide + 70)
        across = lambda n: left + wide * log10(n / sizes[0]) / log10(sizes[-1] / sizes[0])  # noqa: B023
        down = lambda t: 40 + high * (top - log10(t)) / (top - low)  # noqa: B023
        parts.append(write(left, 22, curve))
        parts += [write(across(n), 40 + high + 20, str(n), "soft", text_anchor="middle") for n in sizes]
        for power in range(int(low) - 1, int(top) + 2):
            if low <= power <= top:
                words = f"{10.0 ** (power + 3):g} ms"
                parts.append(write(left - 6, down(10.0**power) + 4, words, "soft", text_anchor="end"))
        for library, dashes, colour in zip(SHOWN, DASHES, ("plus", "minus", "soft")):
            points = " ".join(f"{across(n):.1f},{down(t):.1f}" for n, t in zip(sizes, found[curve, library]))
            line = dict(fill="none", stroke_width=2.5, stroke_dasharray=dashes, class_=f"{colour}-line")
            parts.append(element("polyline", points=points, **line))
    for k, (library, dashes, colour) in enumerate(zip(SHOWN, DASHES, ("plus", "minus", "soft"))):
        line = dict(stroke_width=2.5, stroke_dasharray=dashes, class_=f"{colour}-line")
        parts.append(element("line", x1=60 + 150 * k, y1=310, x2=100 + 150 * k, y2=310, **line))
        parts.append(write(108 + 150 * k, 314, library))
    told = "; ".join(f"{c}, {lib}: " + ", ".join(f"{1e3 * t:.3g}" for t in found[c, lib]) for c, lib in found)
    return picture(1030, 330, parts, "How cost grows", f"Milliseconds of forward and backward. {told}")


def main():
    from bench import run

    found = {}
    for curve in CURVES:
        for library in SHOWN:
            times, error = run("scaling.py", library, curve, 2)
            if times is None:
                raise SystemExit(f"{curve}, {library}: {error}")
            found[curve, library] = times
            print(f"{curve}, {library}:", ", ".join(f"{1e3 * t:.3g}" for t in times), "ms", flush=True)
    Path(__file__).with_suffix(".svg").write_text(drawn(found), encoding="utf-8")


if __name__ == "__main__":
    if len(sys.argv) == 1:
        main()
    else:
        print(json.dumps(measure(sys.argv[1], sys.argv[2], int(sys.argv[3]))))
