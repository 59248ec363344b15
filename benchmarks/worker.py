"""One library, one row, one process: how long a step takes when it is warm, and the memory that the process needed.

python worker.py torch mlp-mid 2                       prints one line of JSON
python worker.py torch mlp-mid 2 '{"batch": 64}'       at another size
"""

import json
import os
import resource
import statistics
import sys
import time
from functools import partial

from rows import ROWS

LIBRARIES = {
    "pullback": lambda: __import__("ours"),
    "torch": lambda: __import__("with_torch").Torch(),
    "torch, fused optimiser": lambda: __import__("with_torch").Torch(fused=True),
    "torch, channels last": lambda: __import__("with_torch").Torch(channels_last=True),
    "torch.compile": lambda: __import__("with_torch").Torch(compiled=True),
    "jax": lambda: __import__("with_jax"),
    "scikit-learn": lambda: __import__("with_sklearn"),
}
WARM, TIMED, LEAST = 0.5, 0.8, 5  # seconds, seconds, calls


def megabytes():
    """The most that this process has held so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << (20 if sys.platform == "darwin" else 10))


def timed(work):
    """The median of single calls, in seconds."""
    end = time.perf_counter() + WARM
    while time.perf_counter() < end:
        work()
    times, end = [], time.perf_counter() + TIMED
    while len(times) < LEAST or time.perf_counter() < end:
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def main(library, row, threads, changes):
    if hasattr(os, "sched_setaffinity"):  # for those that take every core they may use
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])
    found = {each.name: each for each in ROWS}
    if row not in found or library not in LIBRARIES:
        sys.exit(f"{library!r} should be one of {', '.join(LIBRARIES)}, and {row!r} one of {', '.join(found)}")
    module, row = LIBRARIES[library](), found[row]
    module.start(threads)
    before = megabytes()
    start = time.perf_counter()
    work = partial(getattr(module, row.kind), **row.sizes | changes)()
    work()
    first = time.perf_counter() - start
    print(json.dumps(dict(seconds=timed(work), first=first, memory=megabytes() - before, process=megabytes())))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), json.loads("".join(sys.argv[4:]) or "{}"))
