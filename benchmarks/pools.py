"""What it costs to start both threads: pullback's own pool against Numba's three. `python benchmarks/pools.py`.

Every pool, in a process of its own, runs the same loop over an array, alone and after a matrix product of NumPy, whose
threads go on spinning; then the process forks. The decision that follows from it stands in docs/decisions.md.
"""

import ctypes
import os
import statistics
import subprocess
import sys
import time
from importlib.metadata import files

import numpy as np

POOLS = "serial", "own", "tbb", "omp", "workqueue"
SIZE = 1 << 14  # elements: about as long as a launch


def loop(pool):
    """y = x + 1 by two threads of the pool, or by one."""
    if pool in ("serial", "own"):
        from pullback.kernels.compiled import kernel, part
        from pullback.kernels.threads import parallel

        @part
        def chunk(lo, hi, x, y):
            source, target = x[lo:hi], y[lo:hi]
            for j in range(source.size):
                target[j] = source[j] + np.float32(1)

        @kernel
        def shift(x, y):
            parallel(chunk, x.size, SIZE if pool == "serial" else SIZE // 2, (x, y))

        return shift

    from numba import config, njit, prange, set_num_threads

    if pool == "tbb":  # the wheel puts its library where the loader does not look
        library = next(f for f in files("tbb") if f.name == "libtbb.so.12")
        ctypes.CDLL(str(library.locate().resolve()), mode=ctypes.RTLD_GLOBAL)
    config.THREADING_LAYER = pool

    @njit(parallel=True)
    def shift(x, y):
        for j in prange(x.size):
            y[j] = x[j] + np.float32(1)

    set_num_threads(2)
    return shift


def microseconds(work, before=lambda: None):
    times = []
    for _ in range(2000):
        before()
        start = time.perf_counter()
        work()
        times.append((time.perf_counter() - start) * 1e6)
    return statistics.median(times), sorted(times)[int(0.99 * len(times))]


def main(pool):
    shift, x, y = loop(pool), np.ones(SIZE, np.float32), np.empty(SIZE, np.float32)
    a = np.ones((128, 512), np.float32)
    work = lambda: shift(x, y)
    work()
    print("{:10} {:8.1f} {:8.1f}".format(pool, *microseconds(work)), end="", flush=True)
    print("{:10.1f} {:8.1f}".format(*microseconds(work, lambda: a @ a.T)), end="", flush=True)
    child = os.fork()
    if child == 0:
        work()
        os._exit(0)
    print("    after a fork: " + ("works" if os.waitpid(child, 0)[1] == 0 else "dies"))


if __name__ == "__main__":
    if sys.argv[1:]:
        main(sys.argv[1])
    else:
        print("µs            alone      99 %  after a product 99 %")
        for pool in POOLS:
            done = subprocess.run([sys.executable, __file__, pool], capture_output=True, text=True)
            print(done.stdout.rstrip() or f"{pool:10} {done.stderr.strip().splitlines()[-1]}")
