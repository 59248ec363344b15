"""Every row once, by pullback, so that its kernels are compiled and kept before anybody is measured.

python warm.py 2 '{}' conv adam         two threads, the rows' own sizes, and their names

Compiling takes 100 MB, which would count as a row's memory in the process that happened to compile.
"""

import json
import sys

import ours
from rows import ROWS


def main(threads, changes, *names):
    ours.start(threads)
    for row in ROWS:
        if row.name in names:
            getattr(ours, row.kind)(**row.sizes | changes)()
    print(json.dumps(names))


if __name__ == "__main__":
    main(int(sys.argv[1]), json.loads(sys.argv[2]), *sys.argv[3:])
