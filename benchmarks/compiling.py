"""How long the first `pullback train digits` of a machine compiles, kernel by kernel, and how long the next one starts.

python benchmarks/compiling.py       uses an empty folder of its own, so whatever is compiled already stays out of it
"""

import os
import subprocess
import sys
import tempfile
import time

CHILD = """
import sys, time
from numba.core import event
from numba.core.ccallback import CFunc

class Watch(event.Listener):
    open, found = [], []
    def on_start(self, e):
        self.open.append(time.perf_counter())
    def on_end(self, e):
        self.close(e.data["dispatcher"].py_func)
    def close(self, f):
        took = time.perf_counter() - self.open.pop()
        if not self.open:
            self.found.append((took, f"{f.__module__.rpartition('.')[2]}.{f.__name__}"))

def compile(self, whole=CFunc.compile):  # of C functions Numba tells nothing
    watch.on_start(None)
    whole(self)
    watch.close(self._pyfunc)

CFunc.compile, watch = compile, Watch()
event.register("numba:compile", watch)
from pullback.cli import main
try:
    main(["train", "digits", "--epochs", "1", "--out", sys.argv[1]], standalone_mode=False)
finally:
    for took, name in sorted(Watch.found, reverse=True):
        print(f"{took:6.2f} s  {name}", file=sys.stderr)
    print(f"{sum(t for t, _ in Watch.found):6.2f} s  compiling", file=sys.stderr)
"""


def main():
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "XDG_CACHE_HOME": folder, "NUMBA_CACHE_DIR": ""}
        for name in "first", "second":
            start = time.perf_counter()
            command = [sys.executable, "-c", CHILD, os.path.join(folder, name)]
            done = subprocess.run(command, env=environment, capture_output=True, text=True)
            if done.returncode:
                sys.exit(done.stderr)
            print(done.stderr if name == "first" else "", end="")
            print(f"{time.perf_counter() - start:6.2f} s  the {name} run, one epoch in all")


if __name__ == "__main__":
    main()
