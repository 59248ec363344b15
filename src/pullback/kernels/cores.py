"""How many threads this process may use: what it was told, its set of cores, and the share of them that it is given."""

import math
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path, PurePosixPath

VARIABLES = "PULLBACK_THREADS", "NUMBA_NUM_THREADS", "OMP_NUM_THREADS"  # the first that is set counts
V1, V2 = ("cpu.cfs_quota_us", "cpu.cfs_period_us"), ("cpu.max",)  # files with a quota and its period


def available(root: Path = Path("/")) -> int:
    """Threads, at most; `root` is where the system's files are."""
    for name in VARIABLES:
        if (said := os.environ.get(name, "").partition(",")[0]).isdigit() and int(said):
            return int(said)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, round(min(cores, quota(root))))


def quota(root: Path) -> float:
    """How many cores' time Linux leaves this process: the least of what its control groups have."""
    least = math.inf
    for folder, files in groups(root):
        with suppress(OSError, ValueError):  # no such file, or "max": no quota
            time, period = map(int, " ".join((folder / name).read_text("ascii") for name in files).split())
            least = min(least, time / period) if time > 0 else least  # -1: none
    return least


def groups(root: Path) -> Iterator[tuple[Path, tuple[str, ...]]]:
    """The folders of the groups that this process is in, from the innermost out, with the files that hold a quota.

    In a container the path may be the host's: then only the outermost folder is there, and it is the container's.
    """
    mounted = root / "sys/fs/cgroup"
    for controllers, path in memberships(root):
        inner = PurePosixPath(path.lstrip("/"))
        outwards = [inner, *inner.parents] if ".." not in inner.parts else [PurePosixPath()]  # it is not mounted here
        if controllers == "":
            yield from ((mounted / each, V2) for each in outwards)
        elif "cpu" in controllers.split(","):
            yield from ((mounted / "cpu" / each, V1) for each in outwards)


def memberships(root: Path) -> list[list[str]]:
    """Controllers and path of every group; v2 has no controllers there."""
    try:
        lines = (root / "proc/self/cgroup").read_text("utf-8", "replace").splitlines()
    except OSError:
        return []
    return [line.split(":", 2)[1:] for line in lines]
